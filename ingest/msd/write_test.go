package msd

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tatum/store"
)

// sameSong reports the first difference of two songs, bit for bit, in the
// arrays asked for.
func sameSong(t *testing.T, got, want *store.Song, arrays store.ArraySet) {
	t.Helper()
	g, w := got.Track, want.Track
	for _, f := range []*float64{&g.Duration, &g.Tempo, &g.Loudness, &w.Duration, &w.Tempo, &w.Loudness} {
		if *f != *f {
			*f = 0 // compared as bits below
		}
	}
	if g != w {
		t.Errorf("track: got %+v, want %+v", got.Track, want.Track)
	}
	numbers := func(t *store.Track) []float64 { return []float64{t.Duration, t.Tempo, t.Loudness} }
	if !sameBits(numbers(&got.Track), numbers(&want.Track)) {
		t.Errorf("track: got %v, want %v", numbers(&got.Track), numbers(&want.Track))
	}
	for a := range store.Array(store.NumArrays) {
		if a >= arrays.End() {
			if got.Arrays[a] != nil {
				t.Errorf("%s: read, want nil", a)
			}
			continue
		}
		if got.Arrays[a] == nil {
			t.Errorf("%s: got nil", a)
		}
		if !sameBits(got.Arrays[a], want.Arrays[a]) {
			t.Errorf("%s: got %v, want %v", a, got.Arrays[a], want.Arrays[a])
		}
	}
}

func sameBits(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) })
}

// oddSong holds the values that are lost most easily.
func oddSong() *store.Song {
	s := &store.Song{Track: store.Track{
		ID: "TRABCDE128F0123456", ArtistName: "Björk 夜", Title: strings.Repeat("x", 1023), SongID: "SOABC",
		Artist7digitalID: -1, Track7digitalID: math.MaxInt32, Year: math.MinInt32, Key: 11, Mode: 1,
		Duration: math.Float64frombits(0x7ff8dead0000beef), Tempo: math.Inf(-1), Loudness: math.Copysign(0, -1),
	}}
	for a := range s.Arrays {
		s.Arrays[a] = []float64{}
	}
	s.Arrays[store.BarsStart] = []float64{1.5}
	s.Arrays[store.BeatsStart] = []float64{math.NaN(), math.Float64frombits(0x7ff0000000000001), math.Float64frombits(0xfff8123456789abc),
		math.Inf(1), math.Copysign(0, -1), math.SmallestNonzeroFloat64, math.MaxFloat64}
	for i := range 12 * 300 {
		s.Arrays[store.SegmentsTimbre] = append(s.Arrays[store.SegmentsTimbre], float64(i)/7)
	}
	return s
}

func writeSongs(t *testing.T, songs ...*store.Song) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "songs.h5")
	if err := Write(path, songs); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRoundTrip(t *testing.T) {
	demo := slices.Collect(Demo(100, 1))
	for _, c := range []struct {
		name  string
		songs []*store.Song
	}{
		{"odd values", []*store.Song{oddSong()}},
		{"no bars", demo[13:14]},
		{"aggregate", append(demo[:99:99], oddSong())},
	} {
		for _, arrays := range []store.ArraySet{store.FeatureArrays, store.AllArrays} {
			t.Run(c.name, func(t *testing.T) {
				path := writeSongs(t, c.songs...)
				got, err := Read(path, arrays)
				if err != nil {
					t.Fatal(err)
				}
				if len(got) != len(c.songs) {
					t.Fatalf("got %d songs, want %d", len(got), len(c.songs))
				}
				for i := range got {
					sameSong(t, got[i], c.songs[i], arrays)
				}
				if len(got) == 1 {
					checkDirect(t, path, arrays, got[0])
				} else {
					checkDirectUnsure(t, path)
				}
			})
		}
	}
}

// TestWriteAbsentArrays checks that arrays not given fit those that are.
func TestWriteAbsentArrays(t *testing.T) {
	s := &store.Song{Track: store.Track{ID: "TRABCDE128F0123456"}}
	s.Arrays[store.SegmentsStart] = []float64{1, 2, 3}
	got, err := Read(writeSongs(t, s), store.AllArrays)
	if err != nil {
		t.Fatal(err)
	}
	for a, want := range map[store.Array]int{store.SegmentsTimbre: 36, store.SegmentsConfidence: 3, store.BarsConfidence: 0} {
		if !sameBits(got[0].Arrays[a], make([]float64, want)) {
			t.Errorf("%s: got %v, want %d zeros", a, got[0].Arrays[a], want)
		}
	}
}

func TestWriteSameBytes(t *testing.T) {
	songs := slices.Collect(Demo(3, 7))
	a, err := os.ReadFile(writeSongs(t, songs...))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(writeSongs(t, songs...))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Error("the same songs give different bytes")
	}
}

func TestWriteErrors(t *testing.T) {
	long, zero, ragged := oddSong(), oddSong(), oddSong()
	long.Title += "x"
	zero.Release = "a\x00b"
	ragged.Arrays[store.SegmentsPitches] = make([]float64, 13)
	for _, c := range []struct {
		name  string
		path  string
		songs []*store.Song
		want  string
	}{
		{"none", "x.h5", nil, "no songs"},
		{"long", "x.h5", []*store.Song{long}, "does not fit 1024 bytes ended by zero"},
		{"zero byte", "x.h5", []*store.Song{zero}, `release "a\x00b" does not fit`},
		{"ragged", "x.h5", []*store.Song{ragged}, "segments_pitches: 13 values, want rows of 12"},
		{"no directory", "no/x.h5", []*store.Song{oddSong()}, "no such file or directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			err := Write(filepath.Join(dir, c.path), c.songs)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("left %v", left)
			}
		})
	}
	if err := Write("no/x.h5", []*store.Song{oddSong()}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
}
