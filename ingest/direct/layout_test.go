package direct

import (
	"path/filepath"
	"testing"
)

func TestRelPath(t *testing.T) {
	if got, want := RelPath("TRABCDE128F0123456"), filepath.FromSlash("A/B/C/TRABCDE128F0123456.h5"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
