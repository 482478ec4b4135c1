package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"go.etcd.io/bbolt"
)

// Backup writes a copy of the store at path to a new file dst and returns its
// size. The copy is of one moment, although others may read; who wants to write
// waits until it is made. It is checked, and then appears at dst whole. What is
// at dst already is an error and stays. Errors are those of Open, and ErrCorrupt
// for a store that Check finds a problem in.
func Backup(path, dst string) (size int64, err error) {
	if err := refuseOccupied(dst); err != nil { // before any work
		return 0, fmt.Errorf("back up to %q: %w", dst, err)
	}
	db, err := Open(path)
	if err != nil {
		return 0, err
	}
	// Backups that are made at the same time have a file each.
	temp := fmt.Sprintf("%s.part-%d", dst, os.Getpid())
	size, err = db.copyTo(temp)
	if err = errors.Join(err, db.Close()); err == nil {
		err = checkCopy(temp)
	}
	if err == nil {
		err = refuseOccupied(dst) // someone may have put a file there meanwhile
	}
	if err != nil {
		return 0, errors.Join(fmt.Errorf("back up to %q: %w", dst, err), removeIfThere(temp))
	}
	return size, putInPlace(temp, dst)
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

// copyTo writes the store's bytes to a file and waits for the disk.
func (db *DB) copyTo(path string) (size int64, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return 0, err
	}
	err = guard(func() error {
		return db.bolt.View(func(tx *bbolt.Tx) (err error) {
			size, err = tx.WriteTo(f)
			return err
		})
	})
	return size, errors.Join(err, f.Sync(), f.Close())
}
