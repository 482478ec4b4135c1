package ingest

import (
	"os"
	"path/filepath"
	"testing"

	"tatum/ingest/direct"
)

// plainSongs is a directory of songs that package direct reads, foreignSongs one
// of songs that need libhdf5, but for song.h5.
const (
	plainSongs   = "direct/testdata/songs"
	foreignSongs = "msd/testdata/foreign"
)

// TestNoProcess checks that files which package direct reads, or surely knows
// the fault of, start no process.
func TestNoProcess(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.h5")
	if err := os.WriteFile(text, []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	o := Options{Paths: []string{text, plainSongs + "/gzip.h5", plainSongs + "/shuffle.h5"}, Workers: 2, Process: []string{"/nonexistent/process"}}
	sum, err := Run(t.Context(), filepath.Join(dir, "tatum.db"), o)
	if err != nil {
		t.Fatal(err)
	}
	want := Failure{Path: text, Step: direct.StepOpen, Reason: "not an HDF5 file"}
	if sum.New != 3 || len(sum.Bad) != 1 || sum.Bad[0] != want {
		t.Errorf("got %+v, want 3 new files, one bad: %+v", sum, want)
	}
	o.Paths = []string{foreignSongs + "/filter.h5"}
	if _, err := Run(t.Context(), filepath.Join(dir, "tatum.db"), o); err == nil {
		t.Error("a file that needs libhdf5 started no process")
	}
}

// TestWithoutLibHDF5 checks what becomes of files that need libhdf5 where there
// is none.
func TestWithoutLibHDF5(t *testing.T) {
	files, err := filepath.Glob(foreignSongs + "/*.h5")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	db := filepath.Join(t.TempDir(), "tatum.db")
	sum, err := Run(t.Context(), db, Options{Paths: []string{foreignSongs, plainSongs + "/gzip.h5"}})
	if err != nil {
		t.Fatal(err)
	}
	unsure := 0
	for _, bad := range sum.Bad {
		if bad.Step == direct.StepOpen && bad.Reason == "needs libhdf5, which this build of tatum does not have" {
			unsure++
		}
	}
	if unsure == 0 || sum.Added == 0 || sum.New != len(files)+1 {
		t.Errorf("got %+v", sum)
	}
	t.Logf("%d of %d files need libhdf5", unsure, sum.New)
	for _, bad := range sum.Bad {
		t.Logf("%+v", bad)
	}
}
