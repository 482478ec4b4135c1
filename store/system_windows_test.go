package store

import (
	"strings"
	"testing"
)

// TestCompactBesideReader checks that a store which somebody reads stays as it
// is, and why is said.
func TestCompactBesideReader(t *testing.T) {
	w, path := usedStore(t)
	reader, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	want := entries(t, path)
	if _, _, err := w.Compact(t.Context()); err == nil || !strings.Contains(err.Error(), "another process may have it open") {
		t.Errorf("Compact beside a reader: %v", err)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	if got := entries(t, path); len(got) != len(want) {
		t.Errorf("%d entries, want %d", len(got), len(want))
	}
	if before, after, err := w.Compact(t.Context()); err != nil || after >= before {
		t.Errorf("Compact = %d, %d, %v", before, after, err)
	}
}
