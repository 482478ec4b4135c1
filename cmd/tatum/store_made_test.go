package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"tatum/cluster"
	"tatum/store"
)

// envCount returns the number in an environment variable, else fallback: the
// long forms of the tests of faults are asked for so.
func envCount(t testing.TB, name string, fallback int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func madeID(i int) store.TrackID { return store.TrackID(fmt.Sprintf("TRMADEU%011X", i)) }

// madeBatch returns songs from first on, before end, each with its file, as an
// ingest would save them. Another version has other arrays.
func madeBatch(t testing.TB, first, end, version int) store.Batch {
	t.Helper()
	var batch store.Batch
	o := checkOptions(true)
	for i := first; i < end; i++ {
		song := madeSong(i, version)
		vectors, err := o.Vectors(&song.Arrays)
		if err != nil {
			t.Fatal(err)
		}
		batch.Songs = append(batch.Songs, *store.EncodeSong(song, vectors))
		batch.Files = append(batch.Files, store.File{
			Path: song.Source.Path, Size: int64(version), ModTime: int64(version), Tracks: []store.TrackID{song.ID},
		})
	}
	return batch
}

// madeSong returns a made-up song: steps that hardly vary, loudness that does.
func madeSong(i, version int) *store.Song {
	rng := rand.New(rand.NewPCG(uint64(i), uint64(version)))
	song := &store.Song{Track: store.Track{
		ID: madeID(i), ArtistName: fmt.Sprintf("Artist %d", i%17), Title: fmt.Sprintf("Song %d", i),
		Source: store.Source{Path: fmt.Sprintf("/songs/%06d.h5", i)},
	}}
	for f := range store.NumFeatures {
		n := 10 + rng.IntN(20)
		step, at := 0.2+rng.Float64(), 0.0
		song.Arrays[f] = make([]float64, n)
		for j := range song.Arrays[f] {
			at += step * (0.9 + 0.2*rng.Float64())
			song.Arrays[f][j] = math.Round(at*1e5) / 1e5
		}
	}
	if i%3 == 0 {
		for _, f := range store.SoundFeatures {
			for range (1 + rng.IntN(5)) * store.SoundColumns {
				song.Arrays[f] = append(song.Arrays[f], math.Round(rng.NormFloat64()*1e3)/1e3)
			}
		}
	}
	return song
}

func madeParams(name string) cluster.Params {
	return cluster.Params{
		Name:    name,
		Options: cluster.Options{K: 4, Folds: 3, Seed: 1, BatchSize: 64, Stream: cluster.Sklearn13},
	}
}
