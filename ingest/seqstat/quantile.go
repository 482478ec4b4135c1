package seqstat

import (
	"math"
	"math/bits"
	"slices"
)

// maxBucketBits limits the buckets of a ranking to 1,024: more would cost more
// to clear than they save on songs of the usual length.
const maxBucketBits = 10

// A ranking answers which value has which rank among positive numbers. It
// distributes them over buckets of ascending values and sorts a bucket only
// when one of its ranks is asked for, as just a dozen ranks are wanted.
type ranking struct {
	// keys are the bit patterns of the values, which ascend as the values do.
	// They stand in the order of their buckets.
	keys    []uint64
	least   uint64 // smallest key
	shift   int    // a key's bucket is (key - least) >> shift
	buckets [1 << maxBucketBits]bucket
}

type bucket struct {
	end    int // of the bucket's keys; the preceding bucket's end is their start
	sorted bool
}

// load replaces what is ranked by values, which must be positive and not empty.
func (r *ranking) load(values []float64) {
	r.keys = resize(r.keys, len(values))
	used := r.divide(values)
	clear(used)
	for _, v := range values {
		used[r.bucketOf(math.Float64bits(v))].end++
	}
	start := 0
	for i := range used {
		start, used[i].end = start+used[i].end, start
	}
	for _, v := range values {
		key := math.Float64bits(v)
		b := &used[r.bucketOf(key)]
		r.keys[b.end] = key
		b.end++
	}
}

// divide fixes the width of the buckets so that values fall into about as many
// buckets as there are values, and returns the buckets they can fall into.
func (r *ranking) divide(values []float64) []bucket {
	least, largest := uint64(math.MaxUint64), uint64(0)
	for _, v := range values {
		key := math.Float64bits(v)
		least, largest = min(least, key), max(largest, key)
	}
	bucketBits := min(bits.Len(uint(len(values))), maxBucketBits)
	r.least = least
	r.shift = max(0, bits.Len64(largest-least)-bucketBits)
	return r.buckets[:r.bucketOf(largest)+1]
}

func (r *ranking) bucketOf(key uint64) int {
	return int((key - r.least) >> r.shift)
}

// at returns the value of the given rank, the smallest having rank 0.
func (r *ranking) at(rank int) float64 {
	i := r.bucketOf(r.keys[rank])
	if b := &r.buckets[i]; !b.sorted {
		start := 0
		if i > 0 {
			start = r.buckets[i-1].end
		}
		slices.Sort(r.keys[start:b.end])
		b.sorted = true
	}
	return math.Float64frombits(r.keys[rank])
}

// median returns numpy.median of the values.
func (r *ranking) median() float64 {
	n := len(r.keys)
	if n%2 == 1 {
		return r.at(n / 2)
	}
	return (r.at(n/2-1) + r.at(n/2)) / 2
}

// quantile returns numpy.quantile(values/unit, q) for 0 ≤ q ≤ 1, interpolated
// linearly. Division by a positive unit keeps the order, so the ranks of the
// values serve for the quotients too. Quantile 0.5 and the median can differ in
// the last bit.
func (r *ranking) quantile(q, unit float64) float64 {
	last := len(r.keys) - 1
	position := float64(float64(last) * q)
	rank := int(position)
	if rank >= last {
		return r.at(last) / unit
	}
	lower, upper := r.at(rank)/unit, r.at(rank+1)/unit
	return lerp(lower, upper, position-float64(rank))
}

// lerp returns the value at fraction t of the way from a to b, computed from
// the nearer end as NumPy does.
func lerp(a, b, t float64) float64 {
	if t >= 0.5 {
		return b - float64((b-a)*(1-t))
	}
	return a + float64((b-a)*t)
}
