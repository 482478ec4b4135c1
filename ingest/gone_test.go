//go:build cgo

package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"tatum/store"
)

// version returns a song of the same track with another title and other bars.
func version(s *store.Song) *store.Song {
	v := *s
	v.Title += " (again)"
	v.Arrays[store.BarsStart] = []float64{1, 2.5, 3, 7}
	return &v
}

// source returns the path and the title of the only track of a store, and how
// many files it remembers.
func source(t *testing.T, path string) (from, title string, files int) {
	t.Helper()
	contents(t, path) // which checks
	db, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for track, err := range db.Tracks(store.Span{}) {
		if err != nil {
			t.Fatal(err)
		}
		from, title = track.Source.Path, track.Title
	}
	state, err := db.State()
	if err != nil {
		t.Fatal(err)
	}
	return from, title, int(state.Files)
}

// TestMoved checks what becomes of a track when its song is read from another
// path.
func TestMoved(t *testing.T) {
	song := demo(1, 1)[0]
	for _, c := range []struct {
		name     string
		old, new string // where the song was, and is
		other    bool   // whether it is another one of the track
		keep     bool   // the old file
		keepDir  bool   // the old file's directory
		want     string // the path that the track has then
		files    int    // that are remembered
	}{
		{"same, file gone", "b/x.h5", "c/x.h5", false, false, true, "c/x.h5", 1},
		{"same, directory gone", "b/x.h5", "c/x.h5", false, false, false, "c/x.h5", 1},
		{"same, to a smaller path", "b/x.h5", "a/x.h5", false, false, false, "a/x.h5", 1},
		{"same, both there", "b/x.h5", "c/x.h5", false, true, true, "b/x.h5", 2},
		{"same, both there, smaller", "b/x.h5", "a/x.h5", false, true, true, "a/x.h5", 2},
		{"other, file gone", "b/x.h5", "c/x.h5", true, false, true, "c/x.h5", 1},
		{"other, directory gone", "b/x.h5", "c/x.h5", true, false, false, "b/x.h5", 2},
		{"other, directory gone, smaller", "b/x.h5", "a/x.h5", true, false, false, "b/x.h5", 2},
		{"other, both there", "b/x.h5", "c/x.h5", true, true, true, "b/x.h5", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, db := tempStore(t)
			old, now := filepath.Join(dir, c.old), filepath.Join(dir, c.new)
			write(t, old, song)
			checkCounts(t, run(t, db, Options{Paths: []string{old}}), 1, 0, 0, 0, 0, 0)
			s := song
			if c.other {
				s = version(song)
			}
			write(t, now, s)
			if !c.keep {
				if err := os.Remove(old); err != nil {
					t.Fatal(err)
				}
			}
			if !c.keepDir {
				if err := os.Remove(filepath.Dir(old)); err != nil {
					t.Fatal(err)
				}
			}
			dry := run(t, db, Options{Paths: []string{now}, DryRun: true})
			sum := run(t, db, Options{Paths: []string{now}})
			if !reflect.DeepEqual(dry, sum) {
				t.Errorf("dry run: got %+v, want %+v", dry, sum)
			}
			want := filepath.Join(dir, c.want)
			wantTitle := song.Title
			if want == now {
				wantTitle = s.Title
			}
			duplicates := 0
			if c.files == 2 {
				duplicates = 1
			}
			from, title, files := source(t, db)
			if from != want || title != wantTitle || files != c.files || len(sum.Duplicates) != duplicates || len(sum.Removed) > 0 {
				t.Errorf("got %q of %s, %d files, %+v; want %q of %s, %d files", title, from, files, sum, wantTitle, want, c.files)
			}
		})
	}
}

// TestVirtualDuplicates checks that of songs that are recorded as where they are
// not the one with the smaller path is kept, in whatever order they come.
func TestVirtualDuplicates(t *testing.T) {
	song := demo(1, 1)[0]
	a, b := regular("a.h5", songBytes(t, song)), regular("b.h5", songBytes(t, version(song)))
	for _, members := range [][]tarMember{{a, b}, {b, a}} {
		for _, as := range []string{"/nowhere/at/all", "s3://bucket/all", ""} {
			together, apart := filepath.Join(t.TempDir(), "tatum.db"), filepath.Join(t.TempDir(), "tatum.db")
			run(t, together, Options{Stdin: bytes.NewReader(tarOf(t, members...)), As: as})
			for _, m := range members {
				run(t, apart, Options{Stdin: bytes.NewReader(tarOf(t, m)), As: as})
			}
			for _, db := range []string{together, apart} {
				if from, title, files := source(t, db); filepath.Base(from) != "a.h5" || title != song.Title || files != 2 {
					t.Errorf("as %q: got %q of %q, %d files; want %q of a.h5, 2 files", as, title, from, files, song.Title)
				}
			}
		}
	}
}

// TestArraysOfOthers checks that a track keeps its arrays when another song of it
// is read without them: it is read again with them.
func TestArraysOfOthers(t *testing.T) {
	song := demo(1, 1)[0]
	all := func(t *testing.T, path string) int {
		t.Helper()
		db, err := store.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		arrays, err := db.Arrays(song.ID)
		if err != nil {
			t.Fatal(err)
		}
		return len(arrays[store.SegmentsTimbre])
	}
	now := version(song)
	now.Arrays[store.SegmentsTimbre] = now.Arrays[store.SegmentsTimbre][:24]
	for _, packed := range []bool{false, true} {
		t.Run(fmt.Sprint("archive ", packed), func(t *testing.T) {
			dir, db := tempStore(t)
			old := filepath.Join(dir, "x.h5")
			write(t, old, song)
			run(t, db, Options{Paths: []string{old}, Arrays: store.AllArrays})
			if err := os.Remove(old); err != nil {
				t.Fatal(err)
			}
			o := Options{Paths: []string{filepath.Join(dir, "y.h5")}}
			if packed {
				o.Paths = []string{writeFile(t, "a.tar", tarOf(t, regular("y.h5", songBytes(t, now))))}
				sum := run(t, db, o)
				checkCounts(t, sum, 0, 0, 0, 0, 0, 1)
				if got, want := all(t, db), len(song.Arrays[store.SegmentsTimbre]); got != want {
					t.Errorf("got %d values of timbre, want %d", got, want)
				}
			} else {
				write(t, o.Paths[0], now)
			}
			checkCounts(t, run(t, db, o), 0, 1, 0, 0, 0, 0)
			if got := all(t, db); got != 24 {
				t.Errorf("got %d values of timbre, want 24", got)
			}
			checkCounts(t, run(t, db, o), 0, 0, 0, 1, 0, 0)
		})
	}
}

// TestDryRun checks that a dry run tells what the real one does, whatever became
// of the files.
func TestDryRun(t *testing.T) {
	dir, db := tempStore(t)
	songs := brief(12, 1)
	r := rand.New(rand.NewPCG(1, 9))
	anyPath := func() string {
		return filepath.Join(dir, string('a'+rune(r.IntN(4))), string('m'+rune(r.IntN(4)))+".h5")
	}
	check := func(err error) {
		t.Helper()
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	for i := range 40 {
		for range 1 + r.IntN(5) {
			path := anyPath()
			switch s := songs[r.IntN(len(songs))]; r.IntN(7) {
			case 0, 1:
				write(t, path, s)
			case 2:
				write(t, path, version(s))
			case 3:
				write(t, path, s, songs[0])
			case 4:
				check(os.Remove(path))
			case 5:
				check(os.RemoveAll(filepath.Dir(path)))
			case 6:
				check(os.WriteFile(path, []byte("text"), 0o644))
			}
		}
		check(os.MkdirAll(dir, 0o755))
		o := Options{Paths: []string{dir}, Workers: 2, Prune: r.IntN(2) == 0, MaxPrune: r.IntN(6), Arrays: store.ArraySet(r.IntN(2)), DryRun: true}
		o.Process = testWorker("good")
		dry, dryErr := Run(t.Context(), db, o)
		o.DryRun = false
		sum, err := Run(t.Context(), db, o)
		if fmt.Sprint(dryErr) != fmt.Sprint(err) {
			t.Errorf("%d: dry run: got %v, want %v", i, dryErr, err)
		}
		var prune *PruneError
		if err != nil && !errors.As(err, &prune) {
			t.Fatal(err)
		}
		for _, s := range []*Summary{dry, sum} {
			slices.SortFunc(s.Removed, func(a, b store.Removal) int { return bytes.Compare([]byte(a.ID), []byte(b.ID)) })
		}
		if !reflect.DeepEqual(dry, sum) {
			t.Fatalf("%d: dry run: got %+v, want %+v", i, dry, sum)
		}
		contents(t, db)
	}
}

// TestNamesGoRound has song files that change their names among themselves: the store
// is that of a first ingest, no song that has a file is removed or added, none is a
// duplicate, and a dry run says so.
func TestNamesGoRound(t *testing.T) {
	songs := brief(4, 1)
	for _, c := range []struct {
		what    string
		to      []int // by song, the name that it has then; -1 for none
		removed int
	}{
		{"swapped", []int{1, 0, 2}, 0},
		{"round", []int{1, 2, 0}, 0},
		{"back", []int{2, 0, 1}, 0},
		{"up", []int{1, 2, 3}, 0},
		{"another's", []int{1, -1, 2}, 1},
	} {
		for _, workers := range []int{1, 3} {
			dir, db := tempStore(t)
			name := func(i int) string { return filepath.Join(dir, string(rune('a'+i))+".h5") }
			for i := range c.to {
				write(t, name(i), songs[i])
			}
			run(t, db, Options{Paths: []string{dir}, Workers: workers})
			for i := range c.to {
				if err := os.Rename(name(i), name(i)+".old"); err != nil {
					t.Fatal(err)
				}
			}
			for i, to := range c.to {
				if to >= 0 {
					if err := os.Rename(name(i)+".old", name(to)); err != nil {
						t.Fatal(err)
					}
				}
			}
			o := Options{Paths: []string{dir}, Workers: workers}
			dry := o
			dry.DryRun = true
			said := run(t, db, dry)
			sum := run(t, db, o)
			if sum.Added != 0 || len(sum.Duplicates) != 0 || len(sum.Removed) != c.removed {
				t.Errorf("%s: %d added, duplicates %v, removed %v", c.what, sum.Added, sum.Duplicates, sum.Removed)
			}
			if said.Added != sum.Added || said.Replaced != sum.Replaced || len(said.Duplicates) != len(sum.Duplicates) || len(said.Removed) != len(sum.Removed) {
				t.Errorf("%s: the dry run said %+v, then came %+v", c.what, said, sum)
			}
			if c.removed == 0 {
				checkSame(t, contents(t, db), ingested(t, Options{Paths: []string{dir}}))
			}
			checkCounts(t, run(t, db, o), 0, 0, 0, len(c.to)-c.removed, 0, 0)
		}
	}
}

// TestArchiveTakesOver overwrites a file of whose song an archive has a copy: the
// archive is read in the same run, and its song stays.
func TestArchiveTakesOver(t *testing.T) {
	songs := brief(3, 1)
	dir, db := tempStore(t)
	file, tarred := filepath.Join(dir, "b.h5"), filepath.Join(dir, "u.tar")
	pack := func(songs ...*store.Song) {
		t.Helper()
		members := filepath.Join(t.TempDir(), "members")
		writeDemo(t, members, songs)
		if err := os.WriteFile(tarred, tarDir(t, members), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(t, file, songs[0])
	pack(songs[0])
	o := Options{Paths: []string{file, tarred}}
	checkCounts(t, run(t, db, o), 1, 0, 0, 0, 1, 0)
	pack(songs[0], songs[2])
	write(t, file, songs[1])
	sum := run(t, db, o)
	if sum.Added != 2 || len(sum.Removed) != 0 {
		t.Errorf("%d added, removed %v, want 2 and none", sum.Added, sum.Removed)
	}
	checkSame(t, contents(t, db), ingested(t, o))
}
