package main

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// buildTatum builds the command, for tests that watch or end its process, and
// returns its path.
func buildTatum(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tatum")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	return path
}
