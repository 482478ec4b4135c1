//go:build cgo

package main

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"tatum/ingest"
	"tatum/query"
	"tatum/store"
)

// TestSameArtistRanks finds at which rank among all songs the other songs of an
// artist stand, by timbre and by rhythm: among made-up songs, and among the real
// ones where they are. It prints the medians.
func TestSameArtistRanks(t *testing.T) {
	t.Parallel()
	t.Run("made up", func(t *testing.T) {
		dir := t.TempDir()
		makeDemo(t, dir, 200, 1)
		timbre, rhythm := sameArtistRanks(t, dir)
		if timbre > 3 || timbre >= rhythm {
			t.Errorf("median rank by timbre %v, by rhythm %v: want at most 3, and less", timbre, rhythm)
		}
	})
	t.Run("real", func(t *testing.T) {
		dir := filepath.Join(sharedDir(), "data", "msd")
		if _, err := os.Stat(dir); err != nil {
			t.Skip("no real songs")
		}
		timbre, rhythm := sameArtistRanks(t, dir)
		if !(timbre < rhythm) {
			t.Errorf("median rank by timbre %v, by rhythm %v: want less", timbre, rhythm)
		}
	})
}

// sameArtistRanks returns the median of the best rank at which a song by the same
// artist stands.
func sameArtistRanks(t *testing.T, dir string) (timbre, rhythm float64) {
	path := filepath.Join(t.TempDir(), "tatum.db")
	if _, err := ingest.Run(context.Background(), path, ingest.Options{Paths: []string{dir}, Arrays: store.AllArrays, Workers: 2}); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	artists := make(map[store.TrackID]string)
	songs := make(map[string]int)
	for track, err := range db.Tracks(store.Span{}) {
		if err != nil {
			t.Fatal(err)
		}
		artists[track.ID] = track.ArtistName
		songs[track.ArtistName]++
	}
	ranks := func(f *store.Feature) float64 {
		var ranks []float64
		inverse := 0.0
		for id, artist := range artists {
			if songs[artist] < 2 {
				continue
			}
			all, err := query.Similar(db, id, query.SimilarOptions{Feature: f})
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(all, func(n query.Neighbour) bool { return n.Artist == artist })
			ranks = append(ranks, float64(all[at].Rank))
			inverse += 1 / float64(all[at].Rank)
		}
		if len(ranks) == 0 {
			t.Fatal("no artist has two songs")
		}
		slices.Sort(ranks)
		median := (ranks[len(ranks)/2] + ranks[(len(ranks)-1)/2]) / 2
		by := "rhythm"
		if f != nil {
			by = f.String()
		}
		t.Logf("%d songs, %d with another by the same artist; by %s its rank is %v in the median, the mean of inverse ranks %.3f",
			len(artists), len(ranks), by, median, math.Round(inverse/float64(len(ranks))*1e3)/1e3)
		return median
	}
	feature := store.Timbre
	return ranks(&feature), ranks(nil)
}
