//go:build unix

package store

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// BenchmarkPut stores songs in ascending order of their IDs and in mixed order,
// which has each batch come between the songs that are there. It reports the
// bytes of the file and the processor's time for each song; a song's arrays take
// what they do in the MSD.
func BenchmarkPut(b *testing.B) {
	const songs, batchSongs, arrayBytes = 50_000, 1000, 9100
	payload := make([]byte, 1<<20)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range payload {
		payload[i] = byte(rng.Uint32())
	}
	for name, order := range map[string][]int{"ascending": nil, "mixed": rng.Perm(songs)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				path := filepath.Join(b.TempDir(), "tatum.db")
				w, err := CreateWriter(b.Context(), path, 0)
				if err != nil {
					b.Fatal(err)
				}
				var micros float64
				for first := 0; first < songs; first += batchSongs {
					var batch Batch
					for i := first; i < first+batchSongs; i++ {
						n := i
						if order != nil {
							n = order[i]
						}
						song, vectors := testSong(testID(n), fmt.Sprintf("/msd/A/B/C/%s.h5", testID(n)), n)
						e := EncodeSong(song, vectors)
						at := rng.IntN(len(payload) - arrayBytes)
						e.arrays[featureGroup] = payload[at : at+arrayBytes]
						batch.Songs = append(batch.Songs, *e)
						batch.Files = append(batch.Files, File{Path: song.Source.Path, Tracks: []TrackID{song.ID}})
					}
					begun := processorMicros(b)
					if _, err := w.Put(batch); err != nil {
						b.Fatal(err)
					}
					micros += processorMicros(b) - begun
				}
				info, err := os.Stat(path)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(info.Size())/songs, "bytes/song")
				b.ReportMetric(micros/songs, "cpu-µs/song")
				w.Close()
			}
		})
	}
}

// processorMicros returns the processor time that this process has used.
func processorMicros(b *testing.B) float64 {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e3
}
