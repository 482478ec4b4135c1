package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"tatum/store"
)

// TestBig makes the store that TATUM_BIG names, unless it is there: of
// TATUM_BIG_TRACKS made-up tracks, a million if not set, with arrays as large as
// those of real songs; clustered. `make big` runs it.
func TestBig(t *testing.T) {
	path := os.Getenv("TATUM_BIG")
	if path == "" {
		t.Skip("TATUM_BIG is not set to the file to make")
	}
	if _, err := os.Stat(path); err == nil {
		t.Fatalf("%s is there already", path)
	}
	n := envCount(t, "TATUM_BIG_TRACKS", 1_000_000)
	begun := time.Now()
	makeBig(t, path, n)
	t.Logf("%d tracks stored: %.1f µs each", n, time.Since(begun).Seconds()*1e6/float64(n))
	begun = time.Now()
	if out, err := exec.Command("tatum", "cluster", "--quiet", "--db", path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("clustered in %.1f s", time.Since(begun).Seconds())
}

// makeBig stores n songs in ascending order of their IDs.
func makeBig(t *testing.T, path string, n int) {
	t.Helper()
	w, err := store.CreateWriter(context.Background(), path, 0)
	if err != nil {
		t.Fatal(err)
	}
	const batchSongs = 1024
	for first := 0; first < n; first += batchSongs {
		songs := make([]store.EncodedSong, min(batchSongs, n-first))
		files := make([]store.File, len(songs))
		var g errgroup.Group
		g.SetLimit(runtime.GOMAXPROCS(0))
		for i := range songs {
			g.Go(func() error {
				song, vectors := bigSong(first + i)
				songs[i] = *store.EncodeSong(song, &vectors)
				files[i] = store.File{Path: song.Source.Path, Size: 250_000, ModTime: 1, Tracks: []store.TrackID{song.ID}}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Put(store.Batch{Songs: songs, Files: files}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

var bigWords = []string{
	"Night", "River", "Love", "Blue", "Fire", "Dance", "Heart", "Rain", "Summer", "Road", "Light", "Shadow",
	"Corazón", "Niño", "Élan", "Größe", "春天", "リズム", "Machine", "Garden", "Ocean", "Winter", "Silver", "Gold",
}

// bigSong returns made-up song i: arrays of a real song's length, and vectors
// that lie about some centres, every thirtieth all zeros, as where a song has no
// bars.
func bigSong(i int) (*store.Song, [store.NumFeatures]store.Vector) {
	rng := rand.New(rand.NewPCG(1, uint64(i)))
	word := func() string { return bigWords[rng.IntN(len(bigWords))] }
	id := store.TrackID(fmt.Sprintf("TRBIG%c%c%011X", 'A'+i/26%26, 'A'+i%26, i))
	id = store.TrackID(fmt.Sprintf("TRBIGAA%011X", i*4096))
	song := &store.Song{Track: store.Track{
		ID: id, ArtistName: fmt.Sprintf("%s %s %d", word(), word(), rng.IntN(40_000)), Title: fmt.Sprintf("%s of %s", word(), word()),
		Release: word() + " " + word(), SongID: fmt.Sprintf("SOBIGAA%011X", i), ArtistID: fmt.Sprintf("ARBIGAA%011X", i),
		Year: int32(1950 + rng.IntN(60)), Duration: 240, Tempo: 120, Loudness: -8,
		Source: store.Source{Path: fmt.Sprintf("/songs/%c/%c/%s.h5", 'A'+i/26%26, 'A'+i%26, id)},
	}}
	lengths := [store.NumFeatures]int{100, 420, 10, 850, 850, 850, 850, 840}
	var vectors [store.NumFeatures]store.Vector
	for f := range vectors {
		at := 0.0
		song.Arrays[f] = make([]float64, lengths[f])
		for j := range song.Arrays[f] {
			at += 0.25 + 0.01*rng.Float64()
			song.Arrays[f][j] = math.Round(at*1e5) / 1e5
		}
		if rng.IntN(30) == 0 {
			continue
		}
		centre := rand.New(rand.NewPCG(uint64(f)+2, rng.Uint64()%40))
		for j := range vectors[f] {
			vectors[f][j] = 4*centre.Float64() + rng.Float64() + rng.Float64()
		}
	}
	return song, vectors
}

// growthRuns is how often each command is run; the median counts.
const growthRuns = 5

// TestGrowth prints what commands cost on the store that TATUM_GROWTH names, as
// whole processes. The songs that it adds to the store it removes again. `make
// growth` runs it.
func TestGrowth(t *testing.T) {
	path := os.Getenv("TATUM_GROWTH")
	if path == "" {
		t.Skip("TATUM_GROWTH is not set to a store")
	}
	db, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := db.TrackIDs()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	id := string(ids[len(ids)/2])
	songs := t.TempDir()
	var lines []string
	measure := func(what string, args func(run int) []string) {
		var took []float64
		for run := range growthRuns {
			cmd := exec.Command("tatum", append(args(run), "--quiet", "--db", path)...)
			begun := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", what, err, out)
			}
			took = append(took, time.Since(begun).Seconds()*1e3)
		}
		slices.Sort(took)
		lines = append(lines, fmt.Sprintf("%-32s %8.1f ms  (%.1f to %.1f)", what, took[len(took)/2], took[0], took[len(took)-1]))
	}
	same := func(args ...string) func(int) []string { return func(int) []string { return args } }
	for run := range growthRuns {
		for _, n := range []int{10, 100} {
			dir := filepath.Join(songs, fmt.Sprint(n, "-", run))
			if out, err := exec.Command("tatum", "demo", "--quiet", "--songs", fmt.Sprint(n), "--seed", fmt.Sprint(n*100+run), dir).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
	}
	for _, n := range []int{10, 100} {
		dir := func(run int) string { return filepath.Join(songs, fmt.Sprint(n, "-", run)) }
		what := fmt.Sprintf("cluster assign of %d songs", n)
		var took []string
		measure(fmt.Sprintf("ingest of %d songs", n), func(run int) []string {
			if run > 0 {
				begun := time.Now()
				if out, err := exec.Command("tatum", "cluster", "assign", "--quiet", "--db", path).CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				took = append(took, fmt.Sprintf("%.0f", time.Since(begun).Seconds()*1e3))
			}
			return []string{"ingest", dir(run)}
		})
		begun := time.Now()
		if out, err := exec.Command("tatum", "cluster", "assign", "--quiet", "--db", path).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		took = append(took, fmt.Sprintf("%.0f", time.Since(begun).Seconds()*1e3))
		lines = append(lines, fmt.Sprintf("%-32s %v ms", what, took))
	}
	measure("cluster assign, nothing to do", same("cluster", "assign"))
	measure("query clusters", same("query", "clusters", "beats_start"))
	measure("query clusters, all features", same("query", "clusters"))
	measure("store info", same("store", "info"))
	measure("query similar", same("query", "similar", id))
	measure("query search", same("query", "search", "night river gold"))
	measure("query track", same("query", "track", id))
	measure("query members", same("query", "members", "beats_start", "7", "--limit", "20"))
	for _, line := range lines {
		t.Log(line)
	}
	if err := os.RemoveAll(songs); err != nil {
		t.Fatal(err)
	}
}
