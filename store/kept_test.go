package store

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

var writeKept = flag.Bool("write-kept", false, "write the kept store of the present format anew; only before that format is released")

const keptSongs = 3

// keptSong returns song i of a kept store. The last has the sound features.
func keptSong(i int) (*Song, *VectorSet) {
	song, vectors := testSong(testID(i), fmt.Sprint("/songs/", i), i)
	if i == keptSongs-1 {
		addSound(song, vectors, i)
	}
	return song, vectors
}

// TestKeptFormats opens a store that each format version once wrote. A released
// version's file is never written again.
func TestKeptFormats(t *testing.T) {
	if *writeKept {
		keepStore(t, fmt.Sprintf("testdata/format%d.store", FormatVersion))
	}
	files, err := filepath.Glob("testdata/format*.store")
	if err != nil || len(files) != FormatVersion {
		t.Fatalf("%d kept stores of %d formats, %v", len(files), FormatVersion, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			if filepath.Base(file) >= "format3.store" {
				checkKept(t, file)
			} else if _, err := Open(file); !errors.Is(err, ErrFormatVersion) {
				t.Errorf("got error %v, want that of a format no longer read", err)
			}
		})
	}
}

func keepStore(t *testing.T, dst string) {
	t.Helper()
	w, path := testWriter(t)
	var ids []TrackID
	for i := range keptSongs {
		file := File{Path: fmt.Sprint("/songs/", i), Size: int64(i), Tracks: []TrackID{testID(i)}}
		if _, err := w.Put(Batch{Songs: []EncodedSong{*EncodeSong(keptSong(i))}, Files: []File{file}}); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, testID(i))
	}
	madeFit(t, w, "default", ids)
	if _, _, err := w.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dst, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func checkKept(t *testing.T, path string) {
	if found := problemsOf(t, path); len(found) > 0 {
		t.Fatal(found)
	}
	view(t, path, func(db *DB) {
		c, err := db.Clustering("default")
		if err != nil || c.K != 3 || c.Folds != 2 || c.Tracks != keptSongs || !reflect.DeepEqual(c.Features, []Feature{0, 5}) {
			t.Fatalf("Clustering = %+v, %v", c, err)
		}
		for i := range keptSongs {
			id := testID(i)
			song, vectors := keptSong(i)
			if track, err := db.Track(id); err != nil || track != song.Track {
				t.Errorf("Track = %+v, %v, want %+v", track, err, song.Track)
			}
			if arrays, err := db.Arrays(id); err != nil || !reflect.DeepEqual(arrays, song.Arrays) {
				t.Errorf("Arrays = %v, %v, want %v", arrays, err, song.Arrays)
			}
			if v, err := db.TrackVectors(id); err != nil || !reflect.DeepEqual(v, *vectors) {
				t.Errorf("TrackVectors = %v, %v, want %v", v, err, vectors)
			}
			if a, err := db.TrackAssignments(c, id); err != nil || !reflect.DeepEqual(a, madePlaces(id, true)) {
				t.Errorf("TrackAssignments = %+v, %v, want %+v", a, err, madePlaces(id, true))
			}
			if f, err := db.File(fmt.Sprint("/songs/", i)); err != nil || f == nil || f.Size != int64(i) {
				t.Errorf("File = %+v, %v", f, err)
			}
		}
	})
}
