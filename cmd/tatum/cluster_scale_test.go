package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"tatum/store"
)

const (
	scaleSmall = 10_000  // songs that time per song is compared with
	maxPeak    = 2 << 30 // bytes
)

// TestScale measures `tatum cluster`, start to exit, on TATUM_SCALE made-up
// songs: its peak memory, and its time per song beside that of 10,000 songs. The
// stores are kept in the directory TATUM_SCALE_DIR, if that is set.
func TestScale(t *testing.T) {
	songs, err := strconv.Atoi(os.Getenv("TATUM_SCALE"))
	if err != nil {
		t.Skip("TATUM_SCALE is not set to a number of songs")
	}
	dir := os.Getenv("TATUM_SCALE_DIR")
	if dir == "" {
		dir = t.TempDir()
	}
	small := scaleRun(t, dir, scaleSmall, 5)
	large := scaleRun(t, dir, songs, 1)
	if large.peak >= maxPeak {
		t.Errorf("peak memory %d MB, want less than %d", large.peak>>20, maxPeak>>20)
	}
	t.Logf("time per song is %.2f times that of %d songs", large.perSong/small.perSong, scaleSmall)
}

type scaleResult struct {
	perSong float64 // seconds, of the fastest run
	peak    int64   // bytes
}

// scaleRun clusters, in each run, a new copy of the store of n songs.
func scaleRun(t *testing.T, dir string, n, runs int) (r scaleResult) {
	t.Helper()
	path := filepath.Join(dir, fmt.Sprintf("scale-%d.db", n))
	if _, err := os.Stat(path); err != nil {
		makeScaleStore(t, path, n)
	}
	for run := range runs {
		copied := filepath.Join(t.TempDir(), "tatum.db")
		copyFile(t, copied, path)
		cmd := exec.Command("tatum", "cluster", "--quiet", "--db", copied)
		start := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		perSong := time.Since(start).Seconds() / float64(n)
		usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		t.Logf("%d songs: %.1f µs per song (processor %.1f), peak %d MB", n, perSong*1e6,
			(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()).Seconds()/float64(n)*1e6, usage.Maxrss>>10)
		if run == 0 || perSong < r.perSong {
			r.perSong = perSong
		}
		r.peak = max(r.peak, usage.Maxrss<<10)
		if err := os.Remove(copied); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// makeScaleStore makes a store of n songs with tiny arrays, whose vectors lie
// about some centres; every thirtieth is all zeros, as where a song has no bars.
func makeScaleStore(t *testing.T, path string, n int) {
	t.Helper()
	w, err := store.CreateWriter(context.Background(), path+".part", 0)
	if err != nil {
		t.Fatal(err)
	}
	const batchSongs = 4000
	for first := 0; first < n; first += batchSongs {
		var batch store.Batch
		for i := first; i < min(first+batchSongs, n); i++ {
			batch.Songs = append(batch.Songs, *scaleSong(i))
		}
		if _, err := w.Put(batch); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".part", path); err != nil {
		t.Fatal(err)
	}
}

// scaleSong returns song i. The low digits of its ID follow from i, the high
// ones too, so that IDs ascend.
func scaleSong(i int) *store.EncodedSong {
	song := &store.Song{Track: store.Track{
		ID:     store.TrackID(fmt.Sprintf("TRSCALE%011X", i)),
		Source: store.Source{Path: fmt.Sprintf("/songs/%d.h5", i)},
	}}
	vectors := store.NewVectors(store.Features[:])
	rng := rand.New(rand.NewPCG(1, uint64(i)))
	for _, f := range store.Features {
		song.Arrays[f] = []float64{float64(i % 7)}
		if rng.IntN(30) == 0 {
			continue
		}
		centre := rand.New(rand.NewPCG(uint64(f)+2, rng.Uint64()%40))
		for j := range vectors[f] {
			vectors[f][j] = 4*centre.Float64() + rng.Float64() + rng.Float64()
		}
	}
	return store.EncodeSong(song, vectors)
}
