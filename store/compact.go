package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"tatum/store/pages"
)

// compactBytes is about how much one transaction of a compaction copies.
const compactBytes = 64 << 20

// Links returns how many names the store's file has in its file system, or 1
// where that is not known. Of several, Compact makes a new file for one.
func (w *Writer) Links() (uint64, error) {
	return countLinks(w.path)
}

// Compact rewrites the store without free room and returns its size before and
// after. The new file is made beside the old one, checked, and put in its place
// in one step; if it would be no smaller, the old one stays. Readers that have
// the old file open keep it. Besides the errors of Check's kind it returns
// ErrCorrupt for a store that Check finds a problem in.
func (w *Writer) Compact() (before, after int64, err error) {
	path, err := filepath.EvalSymlinks(w.path) // else the link would be replaced
	if err != nil {
		return 0, 0, fmt.Errorf("compact store: %w", err)
	}
	temp := path + ".compact"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, 0, fmt.Errorf("compact store: %w", err)
	}
	before, after, err = w.compactTo(path, temp)
	if err != nil || after >= before {
		err = errors.Join(err, removeIfThere(temp))
		return before, before, err
	}
	return before, after, putInPlace(temp, path)
}

func (w *Writer) compactTo(path, temp string) (before, after int64, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, 0, fmt.Errorf("compact store: %w", err)
	}
	if err := w.View(func(db *DB) error { return db.copyCompact(temp, info.Mode()) }); err != nil {
		return 0, 0, fmt.Errorf("compact store %q: %w", w.path, err)
	}
	if err := takeOwner(temp, info); err != nil {
		return 0, 0, fmt.Errorf("compact store: %w", err)
	}
	if err := errors.Join(os.Chmod(temp, info.Mode().Perm()), checkWhole(temp)); err != nil {
		return 0, 0, fmt.Errorf("compact store %q: %w", w.path, err)
	}
	compacted, err := os.Stat(temp)
	if err != nil {
		return 0, 0, fmt.Errorf("compact store: %w", err)
	}
	return info.Size(), compacted.Size(), nil
}

// copyCompact copies all entries into a new bbolt file at path.
func (db *DB) copyCompact(path string, mode fs.FileMode) error {
	// Entries behind a damaged page would be left out.
	if err := db.view((*snapshot).checkPages); err != nil {
		return err
	}
	dst, err := bbolt.Open(path, mode.Perm(), &bbolt.Options{FreelistType: bbolt.FreelistMapType, NoSync: true})
	if err != nil {
		return err
	}
	err = guard(func() error { return bbolt.Compact(dst, db.bolt, compactBytes) })
	var length int64
	if err == nil {
		err = dst.View(func(tx *bbolt.Tx) error {
			length = tx.Size()
			return nil
		})
	}
	if err := errors.Join(err, dst.Sync(), dst.Close()); err != nil {
		return err
	}
	return cutTo(path, length)
}

// cutTo removes what bbolt has set aside behind the last page, and waits for the
// disk.
func cutTo(path string, length int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(length), f.Sync(), f.Close())
}

// checkPages returns the first error that the pages of the store have.
func (s *snapshot) checkPages() error {
	return s.eachBucket(func(_ [][]byte, b *pages.Bucket) error {
		for _, err := range b.Runs() {
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// checkWhole returns the first problem that Check finds in a store, as
// ErrCorrupt.
func checkWhole(path string) error {
	var first *Problem
	sum, err := Check(path, CheckOptions{}, func(p Problem) {
		if first == nil {
			first = &p
		}
	})
	if err == nil && first != nil {
		err = fmt.Errorf("%w: %d problems, the first: %v", ErrCorrupt, sum.Problems, first)
	}
	return err
}

// putInPlace makes the file at temp, whose bytes are on the disk, the one at
// path.
func putInPlace(temp, path string) error {
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(whyNotRenamed(err), os.Remove(temp))
	}
	return SyncDir(filepath.Dir(path))
}

func removeIfThere(path string) error {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
