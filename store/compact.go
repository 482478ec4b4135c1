package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

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
func (w *Writer) Compact(ctx context.Context) (before, after int64, err error) {
	path, err := filepath.EvalSymlinks(w.path) // else the link would be replaced
	if err != nil {
		return 0, 0, fmt.Errorf("compact store: %w", err)
	}
	temp := path + ".compact"
	if err := removeIfThere(temp); err != nil {
		return 0, 0, fmt.Errorf("compact store: %w", err)
	}
	before, after, err = w.compactTo(ctx, path, temp)
	if err != nil || after >= before {
		err = errors.Join(err, removeIfThere(temp))
		return before, before, err
	}
	return before, after, putInPlace(temp, path)
}

func (w *Writer) compactTo(ctx context.Context, path, temp string) (before, after int64, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, 0, fmt.Errorf("compact store: %w", err)
	}
	if err := w.View(func(db *DB) error { return db.copyCompact(ctx, temp, info.Mode()) }); err != nil {
		return 0, 0, fmt.Errorf("compact store %q: %w", w.path, err)
	}
	if err := takeOwner(temp, info); err != nil {
		return 0, 0, fmt.Errorf("compact store: %w", err)
	}
	if err := errors.Join(os.Chmod(temp, info.Mode().Perm()), checkWhole(ctx, temp)); err != nil {
		return 0, 0, fmt.Errorf("compact store %q: %w", w.path, err)
	}
	compacted, err := os.Stat(temp)
	if err != nil {
		return 0, 0, fmt.Errorf("compact store: %w", err)
	}
	return info.Size(), compacted.Size(), nil
}

// copyCompact copies all entries, but those of fits without a name, into a new bbolt
// file at path.
func (db *DB) copyCompact(ctx context.Context, path string, mode fs.FileMode) error {
	// Entries behind a damaged page would be left out.
	if err := db.view(func(s *snapshot) error { return s.checkPages(ctx) }); err != nil {
		return err
	}
	dst, err := bbolt.Open(path, mode.Perm(), &bbolt.Options{FreelistType: bbolt.FreelistMapType, NoSync: true})
	if err != nil {
		return err
	}
	err = guard(func() error {
		return db.bolt.View(func(tx *bbolt.Tx) error {
			c := copier{ctx: ctx, src: tx, dst: dst}
			return c.copy()
		})
	})
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

// A copier copies what is in a store to another file, as bbolt.Compact does, but
// stops when its context ends.
type copier struct {
	ctx   context.Context
	src   *bbolt.Tx
	dst   *bbolt.DB
	tx    *bbolt.Tx
	bytes int // that the transaction has
}

func (c *copier) copy() (err error) {
	if c.tx, err = c.dst.Begin(true); err != nil {
		return err
	}
	err = c.src.ForEach(func(name []byte, b *bbolt.Bucket) error {
		if string(name) == string(fitsBucket) {
			return c.fits()
		}
		return c.bucket([][]byte{name}, b)
	})
	if err == nil {
		err = putEnds(c.tx)
	}
	if err != nil {
		_ = c.tx.Rollback() // of a file that is removed; it may have ended by itself
		return err
	}
	return c.tx.Commit()
}

// fits copies the fits that have a name.
func (c *copier) fits() error {
	if _, err := c.open([][]byte{fitsBucket}); err != nil {
		return err
	}
	return eachFit(c.src, func(key []byte, fit *bbolt.Bucket) error {
		return c.bucket([][]byte{fitsBucket, key}, fit)
	})
}

// bucket copies a bucket and those in it; path has their names.
func (c *copier) bucket(path [][]byte, src *bbolt.Bucket) error {
	dst, err := c.open(path)
	if err != nil {
		return err
	}
	if err := dst.SetSequence(src.Sequence()); err != nil {
		return err
	}
	return src.ForEach(func(key, value []byte) error {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		if value == nil {
			err := c.bucket(append(slices.Clip(path), key), src.Bucket(key))
			if err == nil {
				dst, err = c.open(path) // the transaction may be another one
			}
			return err
		}
		if c.bytes += len(key) + len(value); c.bytes > compactBytes {
			if err := c.next(); err != nil {
				return err
			}
			c.bytes = len(key) + len(value)
			if dst, err = c.open(path); err != nil {
				return err
			}
		}
		return dst.Put(key, value)
	})
}

// open returns the bucket of that path, which it makes if there is none. Keys come
// in order.
func (c *copier) open(path [][]byte) (b *bbolt.Bucket, err error) {
	b, err = c.tx.CreateBucketIfNotExists(path[0])
	for _, name := range path[1:] {
		if err != nil {
			return nil, err
		}
		b, err = b.CreateBucketIfNotExists(name)
	}
	if err != nil {
		return nil, err
	}
	b.FillPercent = fillPercent
	return b, nil
}

// next begins another transaction. The disk is to follow, so that it has little
// to do in the end.
func (c *copier) next() (err error) {
	if err = errors.Join(c.tx.Commit(), c.dst.Sync()); err == nil {
		c.tx, err = c.dst.Begin(true)
	}
	return err
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
func (s *snapshot) checkPages(ctx context.Context) error {
	return s.eachBucket(func(_ [][]byte, b *pages.Bucket) error {
		for _, err := range b.Runs() {
			if err := cmp.Or(err, ctx.Err()); err != nil {
				return err
			}
		}
		return nil
	})
}

// checkWhole returns the first problem that Check finds in a store, as
// ErrCorrupt.
func checkWhole(ctx context.Context, path string) error {
	var first *Problem
	sum, err := Check(ctx, path, CheckOptions{}, func(p Problem) {
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
