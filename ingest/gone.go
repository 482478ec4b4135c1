package ingest

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tatum/store"
)

// A PruneError says that pruning would forget more tracks than it may. It has
// forgotten none.
type PruneError struct {
	Tracks, Of int // tracks that it would forget, of those under the paths
	Max        int // that it may
}

func (e *PruneError) Error() string {
	return fmt.Sprintf("the files of %d of %d tracks are gone, more than the %d that may be forgotten: none was; is a disk not mounted?", e.Tracks, e.Of, e.Max)
}

// minPrune is how many tracks may always be forgotten, unless it is said.
const minPrune = 10

// A loss is of a track by a file that has changed.
type loss struct {
	path string
	id   store.TrackID
}

// look says what is known of the file at path, which a track was read from.
func (in *ingester) look(path string, id store.TrackID) store.Presence {
	if in.lost[loss{path, id}] {
		return store.Changed
	}
	return in.presence(path)
}

// presence says whether the file at path is where it was. Of what an archive holds
// that is there, and of what is recorded as where it need not be, nothing is gone.
func (in *ingester) presence(path string) store.Presence {
	if in.virtual != "" && isUnder(path, in.virtual) {
		return store.There
	}
	if !filepath.IsAbs(path) { // of another system, of an object store or of standard input
		return store.Away
	}
	// An error of another kind may pass: what cannot be looked at is there. So is
	// what is below a file: it is in an archive.
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return store.There
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		switch {
		case err == nil && !info.IsDir():
			return store.There // an archive
		case err == nil && dir == filepath.Dir(path):
			return store.Gone
		case err == nil, dir == filepath.Dir(dir):
			return store.Away
		}
	}
}

// isUnder reports whether path is below dir.
func isUnder(path, dir string) bool {
	dir = strings.TrimRightFunc(dir, isSlash)
	return len(path) > len(dir) && strings.HasPrefix(path, dir) && os.IsPathSeparator(path[len(dir)])
}

// roots returns the paths named, absolute, without those below others.
func (in *ingester) roots() (roots []string, err error) {
	for _, path := range in.o.Paths {
		abs, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		roots = append(roots, abs)
	}
	slices.SortFunc(roots, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	var top []string
	for _, root := range slices.Compact(roots) {
		if !isAtOrUnder(root, top) {
			top = append(top, root)
		}
	}
	return top, nil
}

// isAtOrUnder reports whether path is one of the roots or below one.
func isAtOrUnder(path string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool { return path == root || isUnder(path, root) })
}

// filesUnder calls fn with the files that the store remembers at the roots and
// below them.
func filesUnder(db *store.DB, roots []string, fn func(*store.File)) error {
	for _, root := range roots {
		f, err := db.File(root)
		if err != nil {
			return err
		}
		if f != nil {
			fn(f)
		}
		for f, err := range db.FilesUnder(below(root)) {
			if err != nil {
				return err
			}
			fn(f)
		}
	}
	return nil
}

// below returns what the paths below dir begin with.
func below(dir string) string {
	return strings.TrimRightFunc(dir, isSlash) + string(filepath.Separator)
}

func isSlash(r rune) bool { return r == '/' || r == filepath.Separator }

// prune forgets the files under the paths that are gone, with their tracks. That
// comes last: what was read since may have taken over their tracks.
func (in *ingester) prune() error {
	roots, err := in.roots()
	if err != nil {
		return err
	}
	gone := make(map[string]bool)
	var paths []string
	err = in.view(func(db *store.DB) error {
		if db == nil {
			return nil
		}
		return filesUnder(db, roots, func(f *store.File) {
			if in.missing[f.Path] || in.presence(f.Path) != store.There {
				gone[f.Path] = true
				paths = append(paths, f.Path)
			}
		})
	})
	if err != nil || len(paths) == 0 {
		return err
	}
	total := 0
	var removed []store.Removal
	err = in.view(func(db *store.DB) error {
		return in.rehearsal.Sources(db, func(id store.TrackID, path string) {
			if gone[path] {
				removed = append(removed, store.Removal{ID: id, Path: path, Reason: "its file is gone"})
			}
			if isAtOrUnder(path, roots) {
				total++
			}
		})
	})
	if err != nil {
		return err
	}
	most := max(0, in.o.MaxPrune)
	if in.o.MaxPrune == 0 {
		most = max(minPrune, total/10)
	}
	if len(removed) > most {
		return &PruneError{len(removed), total, most}
	}
	if in.w != nil {
		if _, err := in.w.Forget(paths); err != nil {
			return err
		}
	}
	slices.SortFunc(removed, func(a, b store.Removal) int { return cmp.Compare(a.ID, b.ID) })
	in.sum.Pruned = len(removed)
	in.sum.Removed = append(in.sum.Removed, removed...)
	return nil
}
