package store

import (
	"io/fs"
	"os"
	"syscall"
)

// takeOwner gives the file at path the owner and group that info tells of.
func takeOwner(path string, info fs.FileInfo) error {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return os.Chown(path, int(stat.Uid), int(stat.Gid))
	}
	return nil
}

// takeGroup gives the file at path the group that info tells of.
func takeGroup(path string, info fs.FileInfo) error {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return os.Chown(path, -1, int(stat.Gid))
	}
	return nil
}
