package direct

import "testing"

func TestRelPath(t *testing.T) {
	if got, want := RelPath("TRABCDE128F0123456"), "A/B/C/TRABCDE128F0123456.h5"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
