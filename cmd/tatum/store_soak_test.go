package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tatum/cluster"
	"tatum/store"
)

// maxGrowth is by how much time and bytes per song may grow over a soak.
const maxGrowth = 1.2

// TestSoak stores TATUM_SOAK made-up songs in ten slices, with a clustering of
// all after each. A slice is a run of IDs, as MSD's directories are; the slices
// come in no order. With TATUM_SOAK_MIXED set, a slice has songs from everywhere
// between those that are there. File size and time to store, per song, must stay
// what they were. It keeps the store in the directory TATUM_SOAK_DIR, if that is
// set.
func TestSoak(t *testing.T) {
	songs := envCount(t, "TATUM_SOAK", 0)
	if songs == 0 {
		t.Skip("TATUM_SOAK is not set to a number of songs")
	}
	dir := os.Getenv("TATUM_SOAK_DIR")
	if dir == "" {
		dir = t.TempDir()
	}
	path := filepath.Join(dir, "soak.db")
	const parts = 10
	order := soakOrder(songs, parts)
	var first, last soakSlice
	for slice := range parts {
		numbers := order[slice*songs/parts : (slice+1)*songs/parts]
		slices.Sort(numbers)
		last = soak(t, path, numbers, (slice+1)*songs/parts)
		t.Logf("%d songs: %.0f bytes per song (%.0f without clusterings and free room), %.0f µs per song to store, %.1f s to cluster",
			(slice+1)*songs/parts, last.bytes, last.live, last.micros, last.cluster.Seconds())
		if slice == 1 {
			first = last // the first clustering that replaces one has been made
		}
	}
	if last.bytes > maxGrowth*first.bytes || last.micros > maxGrowth*first.micros {
		t.Errorf("from %.0f bytes and %.0f µs per song to %.0f and %.0f", first.bytes, first.micros, last.bytes, last.micros)
	}
	begun := time.Now()
	if found := problems(t, path, false); len(found) > 0 {
		t.Error(found)
	}
	t.Logf("check: %v", time.Since(begun).Round(time.Second))
}

// soakOrder returns the numbers of the songs in the order of slices.
func soakOrder(songs, parts int) []int {
	rng := rand.New(rand.NewPCG(1, 1))
	if os.Getenv("TATUM_SOAK_MIXED") != "" {
		return rng.Perm(songs)
	}
	var order []int
	for _, part := range rng.Perm(parts) {
		for i := part * songs / parts; i < (part+1)*songs/parts; i++ {
			order = append(order, i)
		}
	}
	return order
}

type soakSlice struct {
	bytes, live float64 // per song
	micros      float64 // to store a song, median of the batches
	cluster     time.Duration
}

// soak stores the songs of those numbers, and clusters all.
func soak(t *testing.T, path string, numbers []int, total int) (s soakSlice) {
	t.Helper()
	const batchSongs = 1000
	var perSong []float64 // microseconds, by batch
	for at := 0; at < len(numbers); at += batchSongs {
		var batch store.Batch
		for _, i := range numbers[at:min(at+batchSongs, len(numbers))] {
			song, vectors := soakSong(i)
			batch.Songs = append(batch.Songs, *store.EncodeSong(song, vectors))
			batch.Files = append(batch.Files, store.File{Path: song.Source.Path, Tracks: []store.TrackID{song.ID}})
		}
		begun := time.Now()
		put(t, path, batch)
		perSong = append(perSong, float64(time.Since(begun).Microseconds())/float64(len(batch.Songs)))
	}
	begun := time.Now()
	clusterStore(t, path, cluster.Params{Options: cluster.Defaults(), Workers: 2})
	s.cluster = time.Since(begun)
	db, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	info, err := db.Info()
	if err != nil {
		t.Fatal(err)
	}
	b := info.Bytes
	s.bytes = float64(b.Total) / float64(total)
	s.live = float64(b.Total-b.Clusterings-b.Free) / float64(total)
	slices.Sort(perSong)
	s.micros = perSong[len(perSong)/2]
	return s
}

// soakSong returns a song with arrays as long as songs have them, and vectors
// that are not theirs: computing them would take most of the time.
func soakSong(i int) (*store.Song, *store.VectorSet) {
	song := madeSong(i, 1)
	rng := rand.New(rand.NewPCG(uint64(i), 2))
	for f, n := range [store.NumFeatures]int{120, 480, 10, 850, 850, 850, 850, 950} {
		song.Arrays[f] = make([]float64, n)
		for j := range song.Arrays[f] {
			song.Arrays[f][j] = float64(j*30000+rng.IntN(30000)) / 1e5
		}
	}
	vectors := store.NewVectors(store.Features[:])
	for _, f := range store.Features {
		for j := range vectors[f] {
			vectors[f][j] = float64(rng.IntN(40)) + rng.Float64()
		}
	}
	return song, vectors
}
