package seqstat

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tatum/store"
)

var nan, inf = math.NaN(), math.Inf(1)

func TestVectorOfDegenerateSequences(t *testing.T) {
	const tolerance = 1e-13 // the bin's edges are rounded
	const one = 1 / (1 + softening)
	// The bin above the middle is 1/20 wide and holds everything.
	zeros := make(store.Vector, store.NumStats)
	equal := func(n float64) store.Vector {
		return store.Vector{0: one, 6: one, 7: one, 8: one, 9: n, 10 + 10: 20, 29: 0}
	}
	tests := []struct {
		name string
		seq  []float64
		want store.Vector
	}{
		{"no bars", nil, zeros},
		{"one bar", []float64{12.5}, zeros},
		{"two bars", []float64{12.5, 13.5}, equal(1)},
		{"constant beats", []float64{0, 1, 2, 3, 4}, equal(4)},
		{"falling", []float64{3, 2, 1}, zeros},
		{"standing still", []float64{3, 3, 3}, zeros},
		{"nothing bridges a NaN", []float64{1, nan, 2}, zeros},
		{"infinity left behind", []float64{inf, 12.5, 13.5}, equal(1)},
		{"infinity fallen to", []float64{12.5, 13.5, -inf}, equal(1)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := new(Calculator).Vector(test.seq)
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				if math.Abs(got[i]-test.want[i]) > tolerance {
					t.Errorf("statistic %d: got %v, want %v", i, got[i], test.want[i])
				}
			}
		})
	}
}

func TestVectorErrors(t *testing.T) {
	tests := []struct {
		name string
		seq  []float64
		want string
	}{
		{"infinite sample", []float64{1, 2, 3, inf}, "infinite gap"},
		{"difference overflows", []float64{-1e308, 1e308}, "infinite gap"},
		{"scaled gap overflows", []float64{0, 1e-5, 0, 1e-5, 0, 1e304}, "overflows"},
		{"equal up to rounding", []float64{0, 0.1, 0.2, 0.3}, "too close together"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := new(Calculator).Vector(test.seq)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
			if !slices.Equal(got, make(store.Vector, store.NumStats)) {
				t.Errorf("got %v, want zeros", got)
			}
		})
	}
}

// TestVectorOfAnything checks what holds for every sequence, and that nothing
// of one call is left for the next.
func TestVectorOfAnything(t *testing.T) {
	var used Calculator
	sample := rapid.OneOf(
		rapid.Float64(),
		rapid.Float64Range(-60, 0),
		rapid.Map(rapid.IntRange(0, 5), func(i int) float64 { return float64(i) / 10 }),
		rapid.SampledFrom([]float64{nan, inf, -inf, 0, math.MaxFloat64, 5e-324}),
	)
	rapid.Check(t, func(t *rapid.T) {
		seq := rapid.SliceOfN(sample, 0, 300).Draw(t, "seq")
		before := append([]float64(nil), seq...)
		got, err := used.Vector(seq)
		fresh, freshErr := new(Calculator).Vector(seq)
		if !slices.Equal(got, fresh) || (err == nil) != (freshErr == nil) {
			t.Fatalf("used calculator: got %v, %v, want %v, %v", got, err, fresh, freshErr)
		}
		for i := range seq {
			if math.Float64bits(seq[i]) != math.Float64bits(before[i]) {
				t.Fatalf("sample %d was overwritten", i)
			}
		}
		if err == nil {
			checkVector(t, seq, got)
		}
	})
}

func checkVector(t *rapid.T, seq []float64, v store.Vector) {
	rising := 0
	for i := 1; i < len(seq); i++ {
		if seq[i] > seq[i-1] {
			rising++
		}
	}
	if v[9] != float64(rising) {
		t.Fatalf("length %v, want %d", v[9], rising)
	}
	if v[6] > v[7] || v[7] > v[8] {
		t.Fatalf("quantiles %v do not ascend", v[6:9])
	}
	for i, x := range v {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			t.Fatalf("statistic %d is %v", i, x)
		}
	}
}

// BenchmarkSong computes the eight vectors of a song of the usual length.
func BenchmarkSong(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	onsets := func(n int, gap, spread float64) []float64 {
		seq := make([]float64, n)
		for i := 1; i < n; i++ {
			seq[i] = seq[i-1] + gap*math.Exp(spread*rng.NormFloat64())
		}
		return seq
	}
	levels := func(n int, mean, spread float64) []float64 {
		seq := make([]float64, n)
		for i := range seq {
			seq[i] = math.Round((mean+spread*rng.NormFloat64())*1000) / 1000
		}
		return seq
	}
	song := [store.NumFeatures][]float64{
		onsets(140, 1.9, 0.02), onsets(420, 0.48, 0.02), onsets(10, 25, 0.5),
		levels(850, -15, 6), levels(850, 0.06, 0.03), levels(850, -20, 8),
		onsets(850, 0.25, 0.5), onsets(850, 0.24, 0.02),
	}
	var c Calculator
	b.ReportAllocs()
	for b.Loop() {
		for _, seq := range song {
			if _, err := c.Vector(seq); err != nil {
				b.Fatal(err)
			}
		}
	}
}
