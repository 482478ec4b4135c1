package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// A file on Windows is its maker's.

func takeOwner(string, fs.FileInfo) error { return nil }

// countLinks returns how many names the file at path has.
func countLinks(path string) (uint64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &info); err != nil {
		return 0, err
	}
	return uint64(info.NumberOfLinks), nil
}

// SyncDir has the disk remember which names are in dir. Windows opens no
// directory for that, and its file system keeps a journal of names.
func SyncDir(string) error { return nil }

// whyNotRenamed returns the error of renaming a file to another's name. Windows
// does not do that to a file which is open.
func whyNotRenamed(err error) error {
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_SHARING_VIOLATION) {
		return fmt.Errorf("%w: another process may have it open; try again when it has ended", err)
	}
	return err
}
