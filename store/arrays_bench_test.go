package store

import (
	"math"
	"testing"
)

// BenchmarkEncodeSong encodes a song of the size and the digits of real ones.
func BenchmarkEncodeSong(b *testing.B) {
	s, vectors := testSong(testID(1), "/a", 1)
	x := uint64(1)
	noise := func() float64 { // in [0, 1), to five decimals
		x = x*6364136223846793005 + 1442695040888963407
		return float64(x>>40%100000) / 1e5
	}
	for a, n := range map[Array]int{BarsStart: 140, BeatsStart: 420, SectionsStart: 10, TatumsStart: 850, SegmentsStart: 800} {
		t := 0.0
		s.Arrays[a] = nil
		for range n {
			t = math.Round((t+200/float64(n)*(0.9+noise()/5))*1e5) / 1e5
			s.Arrays[a] = append(s.Arrays[a], t)
		}
	}
	for _, a := range []Array{SegmentsLoudnessMax, SegmentsLoudnessMaxTime, SegmentsLoudnessStart} {
		s.Arrays[a] = nil
		for range 800 {
			s.Arrays[a] = append(s.Arrays[a], math.Round(noise()*-3e4)/1e3)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		EncodeSong(s, vectors)
	}
}
