//go:build cgo

package ingest

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"tatum/store"
)

// A tarMember is one to be put into an archive.
type tarMember struct {
	tar.Header
	data []byte
}

// regular returns a member that is a file.
func regular(name string, data []byte) tarMember {
	return tarMember{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(data)), ModTime: time.Unix(1e9, 0)}, data}
}

// tarOf returns an archive of members.
func tarOf(t *testing.T, members ...tarMember) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		if err := w.WriteHeader(&m.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(m.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tarDir returns an archive of a directory, with times to the nanosecond.
func tarDir(t *testing.T, dir string) []byte {
	t.Helper()
	var members []tarMember
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		m := regular("./"+filepath.ToSlash(rel), data)
		m.ModTime, m.Format = info.ModTime(), tar.FormatPAX
		members = append(members, m)
		return err
	})
	if err != nil || len(members) == 0 {
		t.Fatalf("%s: %d files, %v", dir, len(members), err)
	}
	// In no order that a walk would have.
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return tarOf(t, members...)
}

func gzipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zstded(t *testing.T, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

// writeFile writes a file to a new directory and returns its path.
func writeFile(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// noTemps has temporary files written to a directory of its own, and fails
// unless none is left there at the end.
func noTemps(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Cleanup(func() {
		if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
			t.Errorf("temporary files are left: %q, %v", left, err)
		}
	})
}

// songBytes returns a song file.
func songBytes(t *testing.T, songs ...*store.Song) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "song.h5")
	write(t, path, songs...)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestArchives checks that the store is the same whether songs lie in a
// directory or come in archives that are recorded as it: made-up songs, some
// that need libhdf5, a file of many, bad ones; and the real ones.
func TestArchives(t *testing.T) {
	made := t.TempDir()
	writeDemo(t, made, demo(40, 1))
	write(t, filepath.Join(made, "sub", "many.HDF5"), demo(60, 3)[44:]...)
	for name, text := range map[string]string{"bad.h5": "text", "empty.h5": "", ".hidden.h5": "no", "sub/._x.h5": "no", "notes.txt": "no"} {
		if err := os.WriteFile(filepath.Join(made, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	foreign, err := filepath.Abs(foreignSongs)
	if err != nil {
		t.Fatal(err)
	}
	real, err := filepath.Abs("../../shared/data/msd")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{made, foreign, real} {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			if _, err := os.Stat(dir); err != nil {
				t.Skip("skipped: no real songs")
			}
			noTemps(t)
			want := ingested(t, Options{Paths: []string{dir}, Workers: 2})
			plain := tarDir(t, dir)
			for _, c := range []struct {
				name  string
				bytes []byte
			}{{"a.tar", plain}, {"a.tar.gz", gzipped(t, plain)}, {"a.tar.zst", zstded(t, plain)}} {
				path := writeFile(t, c.name, c.bytes)
				checkSame(t, ingested(t, Options{Paths: []string{path}, As: dir, Workers: 2}), want)
				checkSame(t, ingested(t, Options{Stdin: iotest.HalfReader(bytes.NewReader(c.bytes)), As: dir, Workers: 3}), want)

				// The directory is the same to a later ingest, and the archive after it.
				db := filepath.Join(t.TempDir(), "tatum.db")
				sum := run(t, db, Options{Stdin: bytes.NewReader(c.bytes), As: dir, Workers: 2})
				again := run(t, db, Options{Paths: []string{dir}, Workers: 2})
				if again.New != 0 || again.Changed != len(sum.Bad) || len(again.Bad) != len(sum.Bad) {
					t.Errorf("after standard input: %+v", again)
				}
				checkSame(t, contents(t, db), want)
			}
		})
	}
}

// TestArchivesInTurn checks that nothing depends on which of several archives is
// read faster: when they have versions of the same songs, what is in the store,
// how often a track has changed, and what is told.
func TestArchivesInTurn(t *testing.T) {
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "songs")}
	songs := demo(40, 1)
	writeDemo(t, paths[0], songs[:8])
	for i, compress := range []func(*testing.T, []byte) []byte{zstded, nil, gzipped, nil, zstded, nil, gzipped, nil, nil, gzipped} {
		var members []tarMember
		for n := range 10 {
			song := *songs[(7*i+5*n)%len(songs)]
			song.Title += strconv.Itoa(i)
			song.Arrays[store.SegmentsStart] = append(slices.Clone(song.Arrays[store.SegmentsStart]), float64(1000+i))
			members = append(members, regular(fmt.Sprintf("%d.h5", n), songBytes(t, &song)))
		}
		b := tarOf(t, members...)
		if compress != nil {
			b = compress(t, b)
		}
		paths = append(paths, filepath.Join(dir, fmt.Sprintf("%c.tar", 'z'-i)))
		if err := os.WriteFile(paths[len(paths)-1], b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var want string
	for _, workers := range []int{1, 2, 3, 16} {
		db := filepath.Join(t.TempDir(), "tatum.db")
		sum := run(t, db, Options{Paths: paths, Workers: workers})
		s, err := store.Open(db)
		if err != nil {
			t.Fatal(err)
		}
		state, err := s.State()
		if err := errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprintf("%+v, generation %d", sum, state.Generation)
		if want == "" {
			want = got
		}
		if got != want || sum.Replaced == 0 || len(sum.Duplicates) <= sum.Replaced {
			t.Errorf("with %d workers: got %s, want %s", workers, got, want)
		}
	}
}

// TestArchiveUnchanged checks when an archive is opened: not when all of its
// songs are in and neither its size nor its time has changed.
func TestArchiveUnchanged(t *testing.T) {
	dir := t.TempDir()
	songs := demo(12, 1)
	writeDemo(t, dir, songs)
	path, db := writeFile(t, "a.tar", tarDir(t, dir)), filepath.Join(t.TempDir(), "tatum.db")
	o := Options{Paths: []string{path}, Workers: 2}
	checkCounts(t, run(t, db, o), 12, 0, 0, 0, 0, 0)
	want := contents(t, db)

	// What is not opened is not missed.
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	put := func(b []byte, at time.Time) {
		t.Helper()
		if err := errors.Join(os.WriteFile(path, b, 0o644), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	put(bytes.Repeat([]byte{'x'}, len(whole)), info.ModTime())
	checkCounts(t, run(t, db, o), 0, 0, 0, 12, 0, 0)
	sum := run(t, db, Options{Paths: []string{path}, Force: true})
	if len(sum.Bad) != 1 || sum.Bad[0] != (Failure{path, "read archive", "not a tar archive"}) {
		t.Errorf("got %+v", sum)
	}
	put(whole, info.ModTime())
	checkCounts(t, run(t, db, o), 0, 0, 0, 12, 0, 0) // its members are unchanged
	checkSame(t, contents(t, db), want)

	// Other arrays are another reading.
	o.Arrays = store.AllArrays
	checkCounts(t, run(t, db, o), 0, 12, 0, 0, 0, 0)
	o.Arrays = store.FeatureArrays

	// A track that another file has had, and loses, is looked for again.
	other := filepath.Join(filepath.Dir(path), "A.h5") // smaller
	write(t, other, songs[3])
	checkCounts(t, run(t, db, Options{Paths: []string{other}}), 0, 1, 0, 0, 1, 0)
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	checkCounts(t, run(t, db, Options{Paths: []string{filepath.Dir(other)}, Prune: true}), 0, 0, 1, 0, 0, 0)
	checkCounts(t, run(t, db, o), 1, 0, 0, 11, 0, 0)

	// With a bad member it is opened each time.
	path = writeFile(t, "b.tar", tarOf(t, regular("x.h5", []byte("text")), regular("y.h5", songBytes(t, demo(1, 9)...))))
	o.Paths = []string{path}
	checkCounts(t, run(t, db, o), 1, 0, 0, 0, 0, 1)
	checkCounts(t, run(t, db, o), 0, 0, 0, 1, 0, 1)

	// What is bad by its name is there, too.
	path = writeFile(t, "link.tar", tarOf(t, tarMember{Header: tar.Header{Typeflag: tar.TypeSymlink, Name: "x.h5", Linkname: "y"}}))
	o.Paths, o.Prune = []string{path}, true
	for range 2 {
		checkCounts(t, run(t, db, o), 0, 0, 0, 0, 0, 1)
		if _, known := contents(t, db)[filepath.Join(path, "x.h5")]; !known {
			t.Error("the link is not remembered")
		}
	}
	o.Prune = false

	// One from which members have gone is opened until they are pruned.
	both := demo(2, 11)
	x, y := regular("x.h5", songBytes(t, both[0])), regular("y.h5", songBytes(t, both[1]))
	path = writeFile(t, "c.tar", tarOf(t, x, y))
	o.Paths = []string{path}
	checkCounts(t, run(t, db, o), 2, 0, 0, 0, 0, 0)
	put(tarOf(t, y), time.Unix(1e9, 0))
	checkCounts(t, run(t, db, o), 0, 0, 0, 1, 0, 0)
	o.Prune, o.MaxPrune = true, -1
	var refused *PruneError
	if _, err := Run(t.Context(), db, o); !errors.As(err, &refused) || refused.Tracks != 1 {
		t.Errorf("got %v, want that of 1 track", err)
	}
	o.MaxPrune = 0
	checkCounts(t, run(t, db, o), 0, 0, 1, 1, 0, 0)
	o.Prune = false
	checkCounts(t, run(t, db, o), 0, 0, 0, 1, 0, 0)
	put(bytes.Repeat([]byte{'x'}, len(tarOf(t, y))), time.Unix(1e9, 0)) // not opened
	checkCounts(t, run(t, db, o), 0, 0, 0, 1, 0, 0)
}

// TestArchiveCancel checks that an ingest that ended early goes on from there, and
// that only then the archive counts as read.
func TestArchiveCancel(t *testing.T) {
	dir := t.TempDir()
	const n = 100
	writeDemo(t, dir, demo(n, 1))
	b := gzipped(t, tarDir(t, dir))
	path, db := writeFile(t, "a.tar.gz", b), filepath.Join(t.TempDir(), "tatum.db")
	ctx, cancel := context.WithCancel(t.Context())
	o := Options{Paths: []string{path}, Workers: 2, Process: testWorker("good"), Progress: func(p Progress) {
		if p.Done == 10 {
			cancel()
		}
	}}
	sum, err := Run(ctx, db, o)
	if !errors.Is(err, context.Canceled) || sum.Added < 10 || sum.Added == n {
		t.Fatalf("got %+v, %v", sum, err)
	}
	o.Progress = nil
	checkCounts(t, run(t, db, o), n-sum.Added, 0, 0, sum.Added, 0, 0)
	checkSame(t, contents(t, db), ingested(t, o))

	// Standard input that says nothing is left at once.
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, db, Options{Stdin: r}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// sumHeader sets the checksum of a member's header.
func sumHeader(h []byte) {
	sum := 0
	copy(h[148:], "        ")
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
}

// TestDamagedArchives checks what becomes of archives that are not as they
// should be: every song before the damage is stored, each fault is one line.
func TestDamagedArchives(t *testing.T) {
	noTemps(t)
	songs := demo(6, 1)
	var members []tarMember
	for _, s := range songs {
		members = append(members, regular(string(s.ID)+".h5", songBytes(t, s)))
	}
	whole := tarOf(t, members...)
	with := func(m ...tarMember) []byte { return tarOf(t, slices.Concat(members[:3], m, members[3:])...) }
	special := func(typeflag byte, name, link string) tarMember {
		return tarMember{tar.Header{Typeflag: typeflag, Name: name, Linkname: link, Mode: 0o644}, nil}
	}
	// The header of the fourth member, and its size there.
	third := 0
	for _, m := range members[:3] {
		third += tarBlock + (len(m.data)+tarBlock-1)/tarBlock*tarBlock
	}
	lying := func(size int) []byte {
		b := bytes.Clone(whole)
		copy(b[third+124:], fmt.Sprintf("%011o\x00", size))
		sumHeader(b[third : third+tarBlock])
		return b
	}
	sparse := func(size int64) []byte {
		h := make([]byte, tarBlock)
		copy(h, "sparse.h5")
		copy(h[100:], "0000644\x000000000\x000000000\x0000000000000\x0000000000000\x00        S")
		copy(h[257:], "ustar  \x00")
		copy(h[386:], fmt.Sprintf("%011o\x0000000000000\x00", size))
		copy(h[483:], fmt.Sprintf("%011o\x00", size))
		sumHeader(h)
		return slices.Concat(h, whole)
	}
	zeros := bytes.Repeat([]byte{0}, 64<<20)
	signed := bytes.Clone(zeros[:maxHeld+1])
	copy(signed, hdf5Signature)
	for _, c := range []struct {
		name   string
		bytes  []byte
		stored int
		bad    []string // how the reasons begin
	}{
		{"whole", whole, 6, nil},
		{"two in one", slices.Concat(tarOf(t, members[:2]...), tarOf(t, members[2:]...)), 6, nil},
		{"two in one, compressed", slices.Concat(gzipped(t, tarOf(t, members[:2]...)), gzipped(t, tarOf(t, members[2:]...))), 6, nil},
		{"padded", slices.Concat(whole, zeros[:10000]), 6, nil},
		{"no members", tarOf(t), 0, nil},
		{"nothing", nil, 0, []string{"the file is empty"}},
		{"text", []byte(strings.Repeat("text", 1000)), 0, []string{"not a tar archive"}},
		{"short text", []byte("text"), 0, []string{"cut short"}},
		{"song", members[0].data, 0, []string{"an HDF5 file: want a tar archive"}},
		{"xz", []byte("\xfd7zXZ\x00\x00\x00"), 0, []string{"compressed with xz: want a tar archive"}},
		{"cut in a member", whole[:third+tarBlock+100], 3, []string{"cut short"}},
		{"cut in a header", whole[:third+100], 3, []string{"cut short"}},
		{"cut between members", whole[:third], 3, []string{"cut short: it has no end"}},
		{"cut, compressed", gzipped(t, whole)[:100<<10], -1, []string{"cut short"}},
		{"cut, zstd", zstded(t, whole)[:100<<10], -1, []string{"cut short"}},
		{"something follows", slices.Concat(whole, []byte(strings.Repeat("text", 1000))), 6, []string{"damaged: no member where one has to begin"}},
		{"size beyond the end", lying(7 << 30), 3, []string{"cut short"}},
		{"size too small", lying(1000), -1, []string{"", "damaged: no member where one has to begin"}},
		{"size too large", lying(maxHeld), 3, []string{"cut short"}},
		{"dots", with(regular("../x.h5", members[0].data), regular("a/../../x.h5", nil), regular("a/../x.h5", nil)), 6,
			slices.Repeat([]string{"a name that leads out of the archive"}, 3)},
		{"absolute", with(regular("/etc/x.h5", members[0].data)), 6, []string{"an absolute name in an archive"}},
		{"links", with(special(tar.TypeLink, "l.h5", "/etc/passwd"), special(tar.TypeSymlink, "s.h5", "../x.h5"), special(tar.TypeSymlink, "s", "/")), 6,
			[]string{`a link to "/etc/passwd" in an archive`, `a link to "../x.h5" in an archive`}},
		{"pipe", with(special(tar.TypeFifo, "p.h5", "")), 6, []string{"not a regular file"}},
		{"directory", with(special(tar.TypeDir, "d.h5/", "")), 6, nil},
		{"long name", with(regular(strings.Repeat("x", 1<<16)+".h5", nil)), 6, []string{"a name of 65539 bytes"}},
		{"odd names", with(regular("a\nb\xff.h5", []byte("text")), regular("-x.h5", []byte("text"))), 6, []string{"not an HDF5 file", "not an HDF5 file"}},
		{"zeros", gzipped(t, with(regular("zeros.h5", zeros))), 6, []string{"not an HDF5 file"}},
		{"large", gzipped(t, with(regular("large.h5", signed))), 6, []string{"HDF5 cannot open it"}},
		{"sparse", sparse(7 << 30), 6, []string{"not an HDF5 file"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path, db := writeFile(t, "a.tar", c.bytes), filepath.Join(t.TempDir(), "tatum.db")
			for range 2 { // the second time it is tried again, and nothing is lost
				sum := run(t, db, Options{Paths: []string{path}, Workers: 2})
				state := contents(t, db)
				stored := 0
				for _, s := range songs {
					if state[string(s.ID)] != "" {
						stored++
					}
				}
				if stored != c.stored && c.stored >= 0 {
					t.Errorf("stored %d songs, want %d", stored, c.stored)
				}
				if len(sum.Bad) != len(c.bad) {
					t.Fatalf("bad: got %q, want %q", sum.Bad, c.bad)
				}
				reasons := make(map[string]bool)
				for _, want := range c.bad {
					found := slices.ContainsFunc(sum.Bad, func(b Failure) bool { return strings.HasPrefix(b.Reason, want) })
					reasons[want] = found
				}
				for want, found := range reasons {
					if !found {
						t.Errorf("bad: got %q, want %q", sum.Bad, want)
					}
				}
			}
		})
	}
}

// TestMangledArchives ingests archives with bytes cut, changed, or put in: none
// ends the ingest, and each song that stands before the damage is stored.
// TATUM_MUTATIONS says how many to damage.
func TestMangledArchives(t *testing.T) {
	mutations, err := strconv.Atoi(os.Getenv("TATUM_MUTATIONS"))
	if err != nil {
		mutations = 60
	}
	noTemps(t)
	songs := demo(8, 1)
	var members []tarMember
	var ends []int // of the members
	for i, s := range songs {
		members = append(members, regular(string(s.ID)+".h5", songBytes(t, s)))
		end := tarBlock + (len(members[i].data)+tarBlock-1)/tarBlock*tarBlock
		if i > 0 {
			end += ends[i-1]
		}
		ends = append(ends, end)
	}
	plain := tarOf(t, members...)
	r := rand.New(rand.NewPCG(3, 5))
	for i := range mutations {
		b := bytes.Clone(plain)
		packed := i%4 == 1 || i%4 == 2
		switch i % 4 {
		case 1:
			b = gzipped(t, b)
		case 2:
			b = zstded(t, b)
		}
		at := r.IntN(len(b))
		if i%4 == 3 { // in a header
			at = ends[r.IntN(len(ends))] + r.IntN(tarBlock)
		}
		switch r.IntN(3) {
		case 0:
			b = b[:at]
		case 1:
			b[at] ^= byte(1 + r.IntN(255))
		default:
			b = slices.Concat(b[:at], bytes.Repeat([]byte{byte(r.IntN(256))}, 1+r.IntN(2000)), b[at:])
		}
		db := filepath.Join(t.TempDir(), "tatum.db")
		run(t, db, Options{Stdin: bytes.NewReader(b), Workers: 2})
		if packed {
			continue
		}
		state := contents(t, db)
		for n, s := range songs {
			if ends[n] <= at && state[string(s.ID)] == "" {
				t.Errorf("%d: damaged from %d on, song %d, which ends at %d, is not stored", i, at, n, ends[n])
			}
		}
	}
}
