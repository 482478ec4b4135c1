package seqstat

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestRankingEqualsSorting(t *testing.T) {
	value := rapid.OneOf(
		rapid.Float64Range(5e-324, 1e308),
		rapid.Float64Range(0.4, 0.6),
		rapid.SampledFrom([]float64{0.1, 0.2, 0.25, 5e-324, 1e308}),
	)
	var r ranking
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(value, 1, 2500).Draw(t, "values")
		sorted := slices.Sorted(slices.Values(values))
		ranks := rapid.SliceOfN(rapid.IntRange(0, len(values)-1), 1, 12).Draw(t, "ranks")
		r.load(values)
		for _, rank := range ranks {
			if got := r.at(rank); got != sorted[rank] {
				t.Fatalf("rank %d: got %v, want %v", rank, got, sorted[rank])
			}
		}
	})
}
