//go:build unix

package store

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// takeOwner gives the file at path the owner and group that info tells of. Only
// root may give a file to another owner. Anyone else's file has the group alone,
// or not even that where its mode grants the group no more than the others.
func takeOwner(path string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	err := os.Chown(path, int(stat.Uid), int(stat.Gid))
	if errors.Is(err, fs.ErrPermission) {
		err = os.Chown(path, -1, int(stat.Gid))
	}
	if mode := info.Mode().Perm(); errors.Is(err, fs.ErrPermission) && mode>>3&7 == mode&7 {
		return nil
	}
	return err
}

// countLinks returns how many names the file at path has.
func countLinks(path string) (uint64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Nlink), nil //nolint:unconvert // of other types on other systems
	}
	return 1, nil
}

// SyncDir has the disk remember which names are in dir, so that a file renamed
// there keeps its name when the power fails.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// whyNotRenamed returns the error of renaming a file to another's name.
func whyNotRenamed(err error) error { return err }
