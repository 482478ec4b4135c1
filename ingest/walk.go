package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tatum/store"
)

// A found is a song file as the directory or the archive that it is in tells of
// it, or the end of an archive.
type found struct {
	path    string // that it is recorded by: absolute, or below Stdin or an object store
	size    int64  // bytes
	modTime int64  // nanoseconds since 1970
	arrays  store.ArraySet
	was     []store.TrackID // that the store knows of it, if it is read again
	member  *member         // nil for a file that is not in an archive
	end     *archive        // whose end it is, nil for a song file
	bad     *Failure        // why it is not read at all
}

// find returns the song files and archives under paths in the order of their
// paths, each once, and what could not be looked into. A file that is named
// itself is taken whatever it is called. Under a directory those ending in .h5
// or .hdf5 are taken, of any case; hidden ones are not, nor are the "._" files
// that macOS leaves, nor archives.
//
// It ends early when ctx does.
func find(ctx context.Context, paths []string) ([]found, []*archive, []Failure) {
	w := walker{ctx: ctx, seen: make(map[string]bool)}
	var roots []string
	for _, path := range paths {
		if path == "" { // which would be the current directory
			w.fail(path, errors.New("no path"))
			continue
		}
		abs, err := filepath.Abs(path)
		if err != nil {
			w.fail(path, err)
			continue
		}
		roots = append(roots, abs)
	}
	// A directory that links lead to as well is entered once, by the first
	// path; in whatever order they are named that is the same.
	slices.Sort(roots)
	for _, root := range slices.Compact(roots) {
		w.visit(root, true)
	}
	slices.SortFunc(w.files, func(a, b found) int { return cmp.Compare(a.path, b.path) })
	return slices.CompactFunc(w.files, func(a, b found) bool { return a.path == b.path }), w.archives, w.failures
}

type walker struct {
	ctx      context.Context
	seen     map[string]bool // real paths of directories entered: links may form loops
	files    []found
	archives []*archive
	failures []Failure
}

// visit takes a file or enters a directory. Links are followed.
func (w *walker) visit(path string, named bool) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		w.fail(path, err)
	case info.IsDir():
		w.follow(path)
	case info.Mode().IsRegular() && named && IsArchive(path):
		w.archives = append(w.archives, &archive{path: path, root: path, size: info.Size(), modTime: info.ModTime().UnixNano(), own: true})
	case info.Mode().IsRegular() && (named || isSongFile(path)):
		w.files = append(w.files, found{path: path, size: info.Size(), modTime: info.ModTime().UnixNano()})
	case named:
		w.fail(path, errors.New("neither a file nor a directory"))
	}
}

// follow enters a directory that links may lead to.
func (w *walker) follow(dir string) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		w.fail(dir, err)
		return
	}
	w.enter(dir, real)
}

// enter takes the files of a directory, whose real path is given: asking for it
// takes longer than reading the directory.
func (w *walker) enter(dir, real string) {
	if w.seen[real] || w.ctx.Err() != nil {
		return
	}
	w.seen[real] = true
	entries, err := os.ReadDir(dir)
	if err != nil {
		w.fail(dir, err)
	}
	for _, e := range entries {
		if w.ctx.Err() != nil {
			return
		}
		path := filepath.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case e.IsDir():
			w.enter(path, filepath.Join(real, e.Name()))
		case isSongFile(path):
			w.visit(path, false)
		case e.Type()&fs.ModeSymlink != 0:
			if info, err := os.Stat(path); err == nil && info.IsDir() {
				w.follow(path)
			}
		}
	}
}

func isSongFile(path string) bool {
	ext := strings.ToLower(filepath.Ext(path))
	return ext == ".h5" || ext == ".hdf5"
}

// stepFind is the step of what cannot be looked into.
const stepFind = "find"

func (w *walker) fail(path string, err error) {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err // the path is named once already
	}
	w.failures = append(w.failures, Failure{Path: path, Step: stepFind, Reason: fmt.Sprint(err)})
}
