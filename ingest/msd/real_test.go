package msd

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// realDir holds real files of the MSD, which are not part of the project.
const realDir = "../../../shared/data"

// realFiles returns the real song files.
func realFiles(tb testing.TB) []string {
	tb.Helper()
	var paths []string
	err := filepath.WalkDir(filepath.Join(realDir, "msd"), func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".h5") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil || len(paths) == 0 {
		tb.Skip("skipped: no real song files in " + realDir)
	}
	return paths
}
