package main

import (
	"context"
	"fmt"
	"io/fs"
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

	"tatum/query"
	"tatum/store"
)

// TestBig makes the store that TATUM_BIG names, unless it is there: of
// TATUM_BIG_TRACKS made-up tracks, a million if not set, with arrays as large as
// those of real songs; clustered. With TATUM_BIG_SOUND they have sound features
// too. `make big` runs it.
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
	makeBig(t, path, n, 1, 0, os.Getenv("TATUM_BIG_SOUND") != "")
	t.Logf("%d tracks stored: %.1f µs each", n, time.Since(begun).Seconds()*1e6/float64(n))
	begun = time.Now()
	if out, err := exec.Command("tatum", "cluster", "--quiet", "--db", path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("clustered in %.1f s", time.Since(begun).Seconds())
}

// makeBig stores those of n songs that are in one of so many shards, in ascending
// order of their IDs.
func makeBig(t *testing.T, path string, n, shards, shard int, sound bool) {
	t.Helper()
	w, err := store.CreateWriter(context.Background(), path, 0)
	if err != nil {
		t.Fatal(err)
	}
	numbers := shardNumbers(n, shards, shard)
	const batchSongs = 1024
	for batch := range slices.Chunk(numbers, batchSongs) {
		songs := make([]store.EncodedSong, len(batch))
		files := make([]store.File, len(songs))
		var g errgroup.Group
		g.SetLimit(runtime.GOMAXPROCS(0))
		for i := range songs {
			g.Go(func() error {
				song, vectors := bigSong(batch[i], sound)
				songs[i] = *store.EncodeSong(song, vectors)
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

// shardNumbers returns the numbers of the songs of a shard, some from everywhere.
func shardNumbers(n, shards, shard int) (numbers []int) {
	rng := rand.New(rand.NewPCG(3, 3))
	for i := range n {
		if rng.IntN(shards) == shard {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

var bigWords = []string{
	"Night", "River", "Love", "Blue", "Fire", "Dance", "Heart", "Rain", "Summer", "Road", "Light", "Shadow",
	"Corazón", "Niño", "Élan", "Größe", "春天", "リズム", "Machine", "Garden", "Ocean", "Winter", "Silver", "Gold",
}

// bigSong returns made-up song i: arrays of a real song's length, and vectors
// that lie about some centres, every thirtieth all zeros, as where a song has no
// bars. Sound features, if asked for, come without segments to compute them from.
func bigSong(i int, sound bool) (*store.Song, *store.VectorSet) {
	rng := rand.New(rand.NewPCG(1, uint64(i)))
	word := func() string { return bigWords[rng.IntN(len(bigWords))] }
	id := store.TrackID(fmt.Sprintf("TRBIGAA%011X", i*4096))
	song := &store.Song{Track: store.Track{
		ID: id, ArtistName: fmt.Sprintf("%s %s %d", word(), word(), rng.IntN(40_000)), Title: fmt.Sprintf("%s of %s", word(), word()),
		Release: word() + " " + word(), SongID: fmt.Sprintf("SOBIGAA%011X", i), ArtistID: fmt.Sprintf("ARBIGAA%011X", i),
		Year: int32(1950 + rng.IntN(60)), Duration: 240, Tempo: 120, Loudness: -8,
		Source: store.Source{Path: fmt.Sprintf("/songs/%c/%c/%s.h5", 'A'+i/26%26, 'A'+i%26, id)},
	}}
	lengths := [store.NumFeatures]int{100, 420, 10, 850, 850, 850, 850, 840}
	features := store.Features[:]
	if sound {
		features = store.AllFeatures
		for a := store.Array(store.NumFeatures); a < store.NumArrays; a++ {
			song.Arrays[a] = []float64{}
		}
	}
	vectors := store.NewVectors(features)
	for f := range lengths {
		at := 0.0
		song.Arrays[f] = make([]float64, lengths[f])
		for j := range song.Arrays[f] {
			at += 0.25 + 0.01*rng.Float64()
			song.Arrays[f][j] = math.Round(at*1e5) / 1e5
		}
	}
	for _, f := range features {
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
	g := &growth{db: path, songs: t.TempDir()}
	for _, n := range []int{10, 100} {
		g.addSongs(t, n)
	}
	id, hasSound := middleTrack(t, path)
	for _, c := range []struct {
		what string
		args []string
	}{
		{"cluster assign, nothing to do", []string{"cluster", "assign"}},
		{"query clusters beats_start", []string{"query", "clusters", "beats_start"}},
		{"query clusters", []string{"query", "clusters"}},
		{"store info", []string{"store", "info"}},
		{"query similar --by rhythm", []string{"query", "similar", "--by", "rhythm", id}},
		{"query similar --by timbre", []string{"query", "similar", "--by", "timbre", id}},
		{"query search", []string{"query", "search", "night river gold"}},
		{"query track", []string{"query", "track", id}},
		{"query members", []string{"query", "members", "beats_start", "7", "--limit", "20"}},
	} {
		if !hasSound && slices.Contains(c.args, "timbre") {
			continue
		}
		var took []float64
		for range growthRuns {
			took = append(took, g.run(t, c.args...))
		}
		report(t, c.what, took)
	}
	lookUps(t, path)
	write(t, path, func(w *store.Writer) error {
		_, err := w.Forget(g.files)
		return err
	})
}

// lookUps prints what a track's look-up takes in this process, of tracks at random,
// when it is asked for the first and the second time.
func lookUps(t *testing.T, path string) {
	t.Helper()
	db, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c, err := db.Clustering(store.DefaultClustering)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := db.TrackIDs()
	if err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"first", "second"} {
		rng := rand.New(rand.NewPCG(5, 6))
		took := make([]time.Duration, 100_000)
		for i := range took {
			id := ids[rng.IntN(len(ids))]
			begun := time.Now()
			if _, err := query.Track(db, c, id); err != nil {
				t.Fatal(err)
			}
			took[i] = time.Since(begun)
		}
		slices.Sort(took)
		t.Logf("a track in process, the %s time: median %v, 99th percentile %v", when, took[len(took)/2], took[len(took)*99/100])
	}
}

// A growth measures commands on a store.
type growth struct {
	db, songs string
	files     []string // that it has added
}

// run runs a command on the store and returns how many milliseconds it took.
func (g *growth) run(t *testing.T, args ...string) float64 {
	t.Helper()
	return runTatum(t, append(args, "--quiet", "--db", g.db)...).Seconds() * 1e3
}

// addSongs measures what it costs to ingest n new songs and to label them.
func (g *growth) addSongs(t *testing.T, n int) {
	t.Helper()
	var ingest, assign []float64
	for run := range growthRuns {
		dir := filepath.Join(g.songs, fmt.Sprint(n, "-", run))
		runTatum(t, "demo", "--quiet", "--songs", fmt.Sprint(n), "--seed", fmt.Sprint(n*100+run), dir)
		ingest = append(ingest, g.run(t, "ingest", dir))
		assign = append(assign, g.run(t, "cluster", "assign"))
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if !d.IsDir() {
				g.files = append(g.files, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	report(t, fmt.Sprintf("ingest of %d songs", n), ingest)
	report(t, fmt.Sprintf("cluster assign of %d songs", n), assign)
}

// middleTrack returns the ID of a track in the middle of the store, and whether the
// store has sound features.
func middleTrack(t *testing.T, path string) (id string, hasSound bool) {
	t.Helper()
	db, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ids, err := db.TrackIDs()
	if err != nil {
		t.Fatal(err)
	}
	state, err := db.State()
	if err != nil {
		t.Fatal(err)
	}
	return string(ids[len(ids)/2]), state.Sound > 0
}

func report(t *testing.T, what string, millis []float64) {
	t.Helper()
	slices.Sort(millis)
	t.Logf("%-30s %8.1f ms (%.1f to %.1f)", what, millis[len(millis)/2], millis[0], millis[len(millis)-1])
}
