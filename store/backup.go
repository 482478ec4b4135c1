package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// Backup writes a copy of the store at path to a file dst and returns its size.
// The copy is of one moment, although others may read; who wants to write
// waits until it is made. It is checked, and then appears at dst whole. What is
// at dst already is an error and stays, unless replace is set: then the copy
// takes the place of the file there in one step. Errors are those of Open,
// ErrCorrupt for a store that Check finds a problem in, and ctx's when that ends.
func Backup(ctx context.Context, path, dst string, replace bool) (size int64, err error) {
	mayPut := refuseOccupied
	if replace {
		if target, err := filepath.EvalSymlinks(dst); err == nil {
			dst = target // else the link would be replaced
		}
		mayPut = func(dst string) error { return refuseOther(path, dst) }
	}
	if err := mayPut(dst); err != nil { // before any work
		return 0, fmt.Errorf("back up to %q: %w", dst, err)
	}
	db, err := Open(path)
	if err != nil {
		return 0, err
	}
	// Backups that are made at the same time have a file each.
	temp := fmt.Sprintf("%s.part-%d", dst, os.Getpid())
	size, err = db.copyTo(ctx, temp)
	if err = errors.Join(err, db.Close()); err == nil {
		err = checkWhole(ctx, temp)
	}
	if err == nil {
		err = mayPut(dst) // someone may have put a file there meanwhile
	}
	if err != nil {
		return 0, errors.Join(fmt.Errorf("back up to %q: %w", dst, err), removeIfThere(temp))
	}
	return size, putInPlace(temp, dst)
}

// BackupTo writes a copy of the store at path to w, as it is at one moment, and
// returns its size. The store is checked before; until all is written, who
// wants to write to it waits. Errors are those of Backup, and of w.
func BackupTo(ctx context.Context, path string, w io.Writer) (size int64, err error) {
	db, err := Open(path)
	if err != nil {
		return 0, err
	}
	// While db is open, the store stays as it is.
	if err = checkWhole(ctx, path); err == nil {
		size, err = db.writeTo(&steadyWriter{ctx: ctx, Writer: w, sync: func() error { return nil }})
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return 0, fmt.Errorf("back up: %w", err)
	}
	return size, nil
}

// refuseOccupied returns an error if there is anything at path.
func refuseOccupied(path string) error {
	_, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil:
		return fs.ErrExist
	}
	return err
}

// refuseOther returns an error if what is at dst is the store at path itself, or
// no file.
func refuseOther(path, dst string) error {
	there, err := os.Stat(dst)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	self, err := os.Stat(path)
	switch {
	case err == nil && os.SameFile(self, there):
		return errors.New("that is the store itself")
	case !there.Mode().IsRegular():
		return errors.New("not a file")
	}
	return nil
}

// copyTo writes the store's bytes to a file and waits for the disk.
func (db *DB) copyTo(ctx context.Context, path string) (size int64, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return 0, err
	}
	size, err = db.writeTo(&steadyWriter{ctx: ctx, Writer: f, sync: f.Sync})
	return size, errors.Join(err, f.Sync(), f.Close())
}

// writeTo writes the store's bytes.
func (db *DB) writeTo(w *steadyWriter) (size int64, err error) {
	err = guard(func() error {
		return db.bolt.View(func(tx *bbolt.Tx) (err error) {
			size, err = tx.WriteTo(w)
			return err
		})
	})
	if w.ctx.Err() != nil {
		err = w.ctx.Err() // bbolt does not wrap it
	}
	return size, err
}

// A steadyWriter writes until its context ends, and has the disk follow: else
// what is written could not be left before the disk has it all.
type steadyWriter struct {
	ctx context.Context
	io.Writer
	sync     func() error
	unsynced int // bytes
}

func (w *steadyWriter) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.Writer.Write(p)
	if w.unsynced += n; err == nil && w.unsynced >= compactBytes {
		w.unsynced = 0
		err = w.sync()
	}
	return n, err
}
