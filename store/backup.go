package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// Backup writes a copy of the store at path to a new file dst and returns its
// size. The copy is of one moment, although others may read; who wants to write
// waits until it is made. It is checked, and then appears at dst whole. What is
// at dst already is an error and stays. Errors are those of Open, and ErrCorrupt
// for a store that Check finds a problem in.
func Backup(path, dst string) (size int64, err error) {
	if _, err := os.Lstat(dst); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fs.ErrExist
		}
		return 0, fmt.Errorf("back up to %q: %w", dst, err)
	}
	db, err := Open(path)
	if err != nil {
		return 0, err
	}
	temp := dst + ".part"
	f, err := lockedFile(temp)
	if err != nil {
		return 0, errors.Join(fmt.Errorf("back up to %q: %w", dst, err), db.Close())
	}
	defer f.Close() // and so unlocks it
	size, err = db.copyTo(f)
	if err := errors.Join(err, db.Close()); err != nil {
		return 0, errors.Join(fmt.Errorf("back up to %q: %w", dst, err), os.Remove(temp))
	}
	if err := checkCopy(temp); err != nil {
		return 0, errors.Join(fmt.Errorf("back up to %q: %w", dst, err), os.Remove(temp))
	}
	return size, putInPlace(temp, dst)
}

// lockedFile opens an empty file that no other process makes at the same time.
func lockedFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("%w: another backup writes there", ErrLocked)
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// copyTo writes the store's bytes to f and waits for the disk.
func (db *DB) copyTo(f *os.File) (size int64, err error) {
	err = guard(func() error {
		return db.bolt.View(func(tx *bbolt.Tx) (err error) {
			size, err = tx.WriteTo(f)
			return err
		})
	})
	// Shared from now on, so that the copy can be opened and checked.
	return size, errors.Join(err, f.Sync(), unix.Flock(int(f.Fd()), unix.LOCK_SH))
}
