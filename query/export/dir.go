package export

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"syscall"

	"tatum/store"
)

// An OccupiedError says that a directory holds something that an export would
// lose.
type OccupiedError struct {
	Dir  string
	Name string // one entry that is not of an earlier export; empty when Dir is no directory
}

func (e *OccupiedError) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("export to %q: not a directory", e.Dir)
	}
	return fmt.Sprintf("export to %q: the directory holds %q, which is not of an earlier export; choose another or empty one", e.Dir, e.Name)
}

// A dirWriter holds a directory that is being written beside its final place.
type dirWriter struct {
	final string // with symbolic links followed
	temp  string
	owned []string // file names that an earlier export may have left
}

// writeDir makes dir hold the files that write creates, or leaves it as it was
// when write or anything else fails. owned names all files that an export of
// this kind ever writes.
func writeDir(dir string, owned []string, write func(d *dirWriter) error) error {
	final, err := resolve(dir)
	if err != nil {
		return fmt.Errorf("export to %q: %w", dir, err)
	}
	d := &dirWriter{final: final, owned: owned}
	if _, err := d.check(); err != nil {
		return err // before any work
	}
	if err := os.MkdirAll(filepath.Dir(final), 0o777); err != nil {
		return fmt.Errorf("export to %q: %w", dir, err)
	}
	if err := clearAway(filepath.Dir(final)); err != nil {
		return fmt.Errorf("export to %q: %w", dir, err)
	}
	d.temp = fmt.Sprintf("%s.new-%d", final, os.Getpid())
	// Mkdir and not MkdirTemp: the directory stays, with the usual permissions.
	if err := os.Mkdir(d.temp, 0o777); err != nil {
		return fmt.Errorf("export to %q: %w", dir, err)
	}
	err = write(d)
	if err == nil {
		err = d.replace()
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(d.temp))
	}
	return nil
}

// temporary matches the directories beside an export's own that it makes.
var temporary = regexp.MustCompile(`^(.+)\.(new|old)-([0-9]+)$`)

// clearAway removes what killed exports have left in a directory. What one of them
// had put aside, to put another in its place, it puts back.
func clearAway(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		m := temporary.FindStringSubmatch(entry.Name())
		if m == nil || !entry.IsDir() {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		pid, err := strconv.Atoi(m[3])
		if err != nil || isRunning(pid) || !isExport(path) {
			continue
		}
		before := filepath.Join(dir, m[1])
		if _, err = os.Lstat(before); m[2] == "old" && errors.Is(err, fs.ErrNotExist) {
			err = os.Rename(path, before)
		} else {
			err = os.RemoveAll(path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// isExport reports whether a directory holds nothing but what exports write.
func isExport(path string) bool {
	owned := slices.Concat(npyOwned(), tablesOwned("parquet"), tablesOwned("csv"))
	entries, err := os.ReadDir(path)
	return err == nil && !slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		return !e.Type().IsRegular() || !slices.Contains(owned, e.Name())
	})
}

// isRunning reports whether there is another process with that number. This one
// has made nothing yet.
func isRunning(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil || pid == os.Getpid() {
		return false
	}
	if runtime.GOOS == "windows" { // where FindProcess has looked
		return p.Release() == nil
	}
	return !errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone)
}

// resolve returns dir as an absolute path with symbolic links followed, so
// that it is not the link that is replaced.
func resolve(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(abs)
	if errors.Is(err, fs.ErrNotExist) {
		return abs, nil
	}
	return real, err
}

// check returns whether there is a directory to replace, or an OccupiedError
// when it must not be replaced.
func (d *dirWriter) check() (exists bool, err error) {
	info, err := os.Lstat(d.final)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("export to %q: %w", d.final, err)
	case !info.IsDir():
		return false, &OccupiedError{Dir: d.final}
	}
	entries, err := os.ReadDir(d.final)
	if err != nil {
		return false, fmt.Errorf("export to %q: %w", d.final, err)
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !slices.Contains(d.owned, entry.Name()) {
			return false, &OccupiedError{d.final, entry.Name()}
		}
	}
	return true, nil
}

// replace puts the finished directory in its final place.
func (d *dirWriter) replace() error {
	if err := store.SyncDir(d.temp); err != nil {
		return fmt.Errorf("export to %q: %w", d.final, err)
	}
	// Once more: someone may have put a file there meanwhile.
	exists, err := d.check()
	if err != nil {
		return err
	}
	old := fmt.Sprintf("%s.old-%d", d.final, os.Getpid())
	if exists {
		if err := os.Rename(d.final, old); err != nil {
			return fmt.Errorf("export to %q: %w", d.final, err)
		}
	}
	if err := os.Rename(d.temp, d.final); err != nil {
		if exists {
			err = errors.Join(err, os.Rename(old, d.final))
		}
		return fmt.Errorf("export to %q: %w", d.final, err)
	}
	if exists {
		err = os.RemoveAll(old)
	}
	return errors.Join(err, store.SyncDir(filepath.Dir(d.final)))
}

// A file is one file of the export being written.
type file struct {
	*bufio.Writer
	f *os.File
}

// create begins a file. Finish it with finish.
func (d *dirWriter) create(name string) (*file, error) {
	if !slices.Contains(d.owned, name) {
		panic("export: file " + name + " would keep the next export from replacing this one")
	}
	f, err := os.Create(filepath.Join(d.temp, name))
	if err != nil {
		return nil, err
	}
	return &file{bufio.NewWriterSize(f, 1<<18), f}, nil
}

// finish writes what is buffered, makes it last and closes the file, which it
// does even when err, the error so far, is not nil. It returns all errors.
func (f *file) finish(err error) error {
	if err == nil {
		err = f.Flush()
	}
	if err == nil {
		err = f.f.Sync()
	}
	return errors.Join(err, f.f.Close())
}
