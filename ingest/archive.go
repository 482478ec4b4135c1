package ingest

import (
	"archive/tar"
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"tatum/ingest/direct"
	"tatum/store"
)

const (
	// A member of up to maxHeld bytes is read from memory, a longer one from a
	// temporary file. What is longer than maxMember is not read: it is no song.
	maxHeld   = 16 << 20
	maxMember = 4 << 30

	// maxName bounds the name of a member, in bytes. Files have no longer paths.
	maxName = 4096

	// maxWindow bounds what zstd may ask to keep of what was inflated, in bytes:
	// what zstd itself grants without being told to.
	maxWindow = 128 << 20

	// tarBlock is what archives are made of, in bytes.
	tarBlock = 512

	// readAhead is how much of an archive is read at once, in bytes.
	readAhead = 1 << 20
)

// Stdin is the path of an archive on standard input.
const Stdin = "-"

// IsArchive reports whether the name of a file is that of an archive: .tar,
// .tar.gz, .tgz, .tar.zst or .tzst, of any case. What it is compressed with its
// first bytes tell.
func IsArchive(name string) bool {
	name = strings.ToLower(name)
	for _, suffix := range []string{".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

// An archive is a tar file whose members are read as they come.
type archive struct {
	path    string // absolute, or Stdin
	root    string // what the paths of its members begin with
	size    int64  // bytes
	modTime int64  // nanoseconds since 1970

	// own says that the archive is remembered itself, as one whose members are
	// recorded under its own path.
	own bool

	// known is what is remembered of files under root that have not been met
	// yet. Archives with the same root share it.
	known map[string]*store.File

	unread int // members that could not be read
}

// A member is a song file in an archive, in memory or in a temporary file.
type member struct {
	archive *archive
	data    []byte
	temp    string
}

const tempPattern = "tatum-*.h5"

// toFile writes a member that is in memory to a temporary file, and returns nil,
// or what is bad if it cannot.
func (f *found) toFile() *result {
	if f.member.temp != "" {
		return nil
	}
	data := f.member.data
	f.member.data = nil
	temp, err := os.CreateTemp("", tempPattern)
	if err == nil {
		f.member.temp = temp.Name()
		_, err = temp.Write(data)
		err = errors.Join(err, temp.Close())
	}
	if err == nil {
		return nil
	}
	return &result{bad: &Failure{Path: f.path, Step: direct.StepOpen, Reason: noTemp(err)}}
}

// noTemp returns why there is no temporary file.
func noTemp(err error) string { return "temporary file: " + direct.WithoutPath(err).Error() }

// request returns the message by which a process is asked to read the file.
func (f *found) request() text {
	arrays := text([]byte{byte(f.arrays)})
	if f.member == nil {
		return arrays + text(f.path)
	}
	return arrays + text(f.member.temp) + "\x00" + text(f.path)
}

// release removes the member's temporary file. If it cannot be removed, that
// costs no song.
func (m *member) release() {
	if m.temp != "" {
		_ = os.Remove(m.temp)
	}
}

// stream reads an archive and calls emit with its song files, and with its end
// last. It returns an error when ctx ends or emit returns one; what is wrong with
// the archive comes with its end.
func (in *ingester) stream(ctx context.Context, a *archive, emit func(found) error) error {
	s := &streamer{in: in, archive: a, emit: emit}
	err := s.run(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if s.emitted != nil {
		return s.emitted
	}
	end := found{path: a.path, size: a.size, modTime: a.modTime, arrays: in.o.Arrays, end: a}
	if err != nil {
		end.bad = &Failure{Path: a.path, Step: "read archive", Reason: reasonOf(err)}
	}
	return emit(end)
}

// A streamer is one archive that is being read.
type streamer struct {
	in      *ingester
	archive *archive
	emit    func(found) error
	emitted error // the error of emit
	blocks  *blockReader
	some    bool // members were met
}

func (s *streamer) run(ctx context.Context) error {
	source := s.in.o.Stdin
	if s.archive.path != Stdin {
		f, err := os.Open(s.archive.path)
		if err != nil {
			return direct.WithoutPath(err)
		}
		defer f.Close()
		source = f
	}
	r, stop, err := inflate(until(ctx, source))
	if err != nil {
		return err
	}
	defer stop()
	s.blocks = &blockReader{r: bufio.NewReaderSize(r, 64<<10)}
	for more := true; more; {
		if err := s.tarFile(); err != nil {
			return err
		}
		if more, err = s.blocks.skipZeros(); err != nil {
			return err
		}
	}
	return nil
}

// tarFile reads one tar file. Several may follow each other: cat makes one
// archive of them.
func (s *streamer) tarFile() error {
	t := tar.NewReader(s.blocks)
	for end := s.blocks.read; ; {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF) && s.blocks.read <= end: // not even one block of zeros
			return errors.New("cut short: it has no end")
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, tar.ErrHeader) && !s.some:
			return errors.New("not a tar archive")
		case err != nil && !errors.Is(err, tar.ErrInsecurePath):
			return err
		}
		s.some = true
		end = s.blocks.read
		if !isSparse(h) {
			end += (h.Size + tarBlock - 1) / tarBlock * tarBlock
		}
		if err := s.member(t, h); err != nil {
			return err
		}
	}
}

// member takes a member if it is a song file. Like the files of a directory, it
// is left when it is hidden.
func (s *streamer) member(r io.Reader, h *tar.Header) error {
	if !isSongFile(h.Name) || h.Typeflag == tar.TypeDir {
		return nil
	}
	f := found{arrays: s.in.o.Arrays, size: h.Size, modTime: h.ModTime.UnixNano(), member: &member{archive: s.archive}}
	name, reason := localName(h)
	if reason == "" && isHidden(name) {
		return nil
	}
	f.path = s.archive.join(cmp.Or(name, h.Name[:min(len(h.Name), maxName)]))
	known := s.archive.known[f.path]
	delete(s.archive.known, f.path) // a member of the same name that follows is another
	if reason != "" {
		return s.pass(f, reason)
	}
	if !s.in.isPending(&f, known) {
		return nil
	}
	reason, err := s.hold(r, h, f.member)
	if err != nil {
		return err
	}
	return s.pass(f, reason)
}

// pass passes a file on, with the reason if it cannot be read.
func (s *streamer) pass(f found, reason string) error {
	if reason != "" {
		f.bad = &Failure{Path: f.path, Step: direct.StepOpen, Reason: reason}
	}
	s.emitted = s.emit(f)
	return s.emitted
}

// hold reads a member to memory, or if it is too large for that to a temporary
// file. It returns the reason if it is not to be read; an error is one of the
// archive.
func (s *streamer) hold(r io.Reader, h *tar.Header, m *member) (reason string, err error) {
	m.data = make([]byte, min(h.Size, maxHeld))
	if _, err := io.ReadFull(r, m.data); err != nil {
		return "", err
	}
	if h.Size <= maxHeld {
		return "", nil
	}
	begin := m.data
	m.data = nil
	switch {
	case !hasSignature(begin):
		return direct.ErrNotHDF5.Error(), nil
	case isSparse(h), h.Size > maxMember:
		return fmt.Sprintf("%d bytes, more than are read from an archive: unpack it", h.Size), nil
	}
	f, err := os.CreateTemp("", tempPattern)
	if err != nil {
		return noTemp(err), nil
	}
	m.temp = f.Name()
	w := &firstError{w: f}
	_, err = io.CopyBuffer(w, io.MultiReader(bytes.NewReader(begin), r), make([]byte, 1<<20))
	failed := errors.Join(w.err, f.Close())
	if failed == nil && err == nil {
		return "", nil
	}
	m.release()
	if failed != nil {
		return noTemp(failed), nil
	}
	return "", err
}

// A firstError remembers an error of writing, to tell it from one of reading.
type firstError struct {
	w   io.Writer
	err error
}

func (f *firstError) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	f.err = err
	return n, err
}

// join returns the path of a member of that name.
func (a *archive) join(name string) string {
	if strings.Contains(a.root, "://") { // of an object store: no path of the system
		return strings.TrimRight(a.root, "/") + "/" + name
	}
	return below(a.root) + filepath.FromSlash(name)
}

// localName returns a member's name as a path below the archive, or why it is
// none to take.
func localName(h *tar.Header) (name, reason string) {
	switch {
	case len(h.Name) > maxName:
		return "", fmt.Sprintf("a name of %d bytes", len(h.Name))
	case path.IsAbs(h.Name):
		return "", "an absolute name in an archive"
	case hasDotDot(h.Name) || !filepath.IsLocal(filepath.FromSlash(h.Name)):
		return "", "a name that leads out of the archive"
	}
	name = path.Clean(h.Name)
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		return name, ""
	case tar.TypeLink, tar.TypeSymlink:
		return name, fmt.Sprintf("a link to %q in an archive", h.Linkname)
	}
	return name, "not a regular file"
}

func hasDotDot(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return true
		}
	}
	return false
}

func isHidden(name string) bool {
	return strings.HasPrefix(name, ".") || strings.Contains(name, "/.")
}

// isSparse reports whether a member has more bytes than the archive has of it.
func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// hasSignature reports whether a file that begins so can be one of HDF5, which
// may leave 512 bytes free before its signature, or a power of two times that.
func hasSignature(begin []byte) bool {
	for at := 0; at < len(begin); at = max(512, 2*at) {
		if bytes.HasPrefix(begin[at:], []byte(hdf5Signature)) {
			return true
		}
	}
	return false
}

const hdf5Signature = "\x89HDF\r\n\x1a\n"

// inflate returns what r holds, inflated if it begins as gzip or zstd data do.
// Stop ends that.
func inflate(r io.Reader) (inflated io.Reader, stop func(), err error) {
	b := bufio.NewReaderSize(r, readAhead)
	begin, err := b.Peek(8)
	if len(begin) == 0 {
		if err == nil || errors.Is(err, io.EOF) {
			err = direct.ErrEmpty
		}
		return nil, nil, err
	}
	stop = func() {}
	for _, other := range []struct{ magic, name string }{
		{"BZh", "compressed with bzip2"}, {"\xfd7zXZ\x00", "compressed with xz"}, {"PK\x03\x04", "a zip file"}, {hdf5Signature, "an HDF5 file"},
	} {
		if bytes.HasPrefix(begin, []byte(other.magic)) {
			return nil, nil, fmt.Errorf("%s: want a tar archive, plain or compressed with gzip or zstd", other.name)
		}
	}
	switch {
	case bytes.HasPrefix(begin, []byte("\x1f\x8b")):
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, nil, fmt.Errorf("gzip: %w", err)
		}
		return z, stop, nil
	case bytes.HasPrefix(begin, []byte("\x28\xb5\x2f\xfd")), bytes.HasPrefix(begin[1:], []byte("\x2a\x4d\x18")):
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}
	return b, stop, nil
}

// reasonOf returns what is wrong with an archive.
func reasonOf(err error) string {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "cut short"
	case errors.Is(err, tar.ErrHeader):
		return "damaged: no member where one has to begin"
	case errors.Is(err, gzip.ErrChecksum):
		return "damaged: its checksum differs"
	}
	return err.Error()
}

// until returns a reader of r that ends with ctx, even while r lets wait.
func until(ctx context.Context, r io.Reader) io.Reader {
	out, in := io.Pipe()
	context.AfterFunc(ctx, func() { in.CloseWithError(ctx.Err()) })
	go func() {
		// Without its other methods, io.Copy takes the buffer.
		_, err := io.CopyBuffer(in, struct{ io.Reader }{r}, make([]byte, readAhead))
		in.CloseWithError(err)
	}()
	return out
}

// A blockReader hands out a tar file and counts its bytes.
type blockReader struct {
	r    *bufio.Reader
	read int64
}

func (b *blockReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.read += int64(n)
	return n, err
}

// skipZeros goes on to the next byte that is not zero, which it leaves, and
// reports whether there is one.
func (b *blockReader) skipZeros() (more bool, err error) {
	for {
		p, err := b.r.Peek(tarBlock)
		n := len(p) - len(bytes.TrimLeft(p, "\x00"))
		if n < len(p) {
			n -= n % tarBlock
			_, _ = b.r.Discard(n) // is in the buffer
			return true, nil
		}
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		_, _ = b.r.Discard(n)
	}
}
