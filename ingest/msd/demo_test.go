package msd

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"testing"

	"tatum/store"
)

// TestDemoSame holds the songs fixed, on every machine.
func TestDemoSame(t *testing.T) {
	h := sha256.New()
	for s := range Demo(200, 42) {
		fmt.Fprintf(h, "%+v\n", s.Track)
		for _, values := range s.Arrays {
			for _, v := range values {
				fmt.Fprintf(h, "%016x", math.Float64bits(v))
			}
		}
	}
	const want = "e7c5e6548973981c3fadb16edcb3c1e9d91a12cf90382ef7614bd6866ec7272a"
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Errorf("songs of seed 42 changed: got %s, want %s", got, want)
	}
}

func TestDemoIndependentOfN(t *testing.T) {
	few, many := slices.Collect(Demo(5, 9)), slices.Collect(Demo(20, 9))
	for i := range few {
		sameSong(t, few[i], many[i], store.AllArrays)
	}
}

func TestDemoIDs(t *testing.T) {
	seen := map[store.TrackID]bool{}
	for i := range uint32(200_000) {
		id := demoID(demoRand(3, i), 3, i)
		if _, err := store.ParseTrackID(string(id)); err != nil {
			t.Fatal(err)
		}
		if seen[id[7:]] {
			t.Fatalf("song %d: digits of %s twice", i, id)
		}
		seen[id[7:]] = true
	}
}

func TestDemoArrays(t *testing.T) {
	kinds := map[DemoKind]int{}
	i := 0
	for s := range Demo(100, 5) {
		kind := DemoKindOf(i)
		kinds[kind]++
		i++
		for a, values := range s.Arrays {
			if values == nil {
				t.Fatalf("%s: %s is nil", s.ID, store.Array(a))
			}
		}
		for _, a := range []store.Array{store.BarsStart, store.BeatsStart, store.TatumsStart, store.SectionsStart, store.SegmentsStart} {
			values := s.Arrays[a]
			if !slices.IsSorted(values) || len(values) > 0 && (values[0] < 0 || values[len(values)-1] > s.Duration+1) {
				t.Errorf("%s: %s: not ascending within the song: %v", s.ID, a, values)
			}
		}
		bars, beats, segments := len(s.Arrays[store.BarsStart]), s.Arrays[store.BeatsStart], len(s.Arrays[store.SegmentsStart])
		switch kind {
		case DemoNoBars:
			if bars != 0 {
				t.Errorf("got %d bars, want 0", bars)
			}
		case DemoOneBar:
			if bars != 1 {
				t.Errorf("got %d bars, want 1", bars)
			}
		case DemoConstantBeats:
			for k := range beats[1:] {
				if beats[k+1]-beats[k] != beats[1]-beats[0] {
					t.Errorf("beats %v are not at equal distances", beats)
				}
			}
		case DemoShort:
			if segments != 5 {
				t.Errorf("got %d segments, want 5", segments)
			}
		default:
			if bars < 10 || len(beats) < 50 || segments < 50 {
				t.Errorf("%s: got %d bars, %d beats, %d segments", s.ID, bars, len(beats), segments)
			}
		}
	}
	if len(kinds) != 5 {
		t.Errorf("got kinds %v, want five", kinds)
	}
}
