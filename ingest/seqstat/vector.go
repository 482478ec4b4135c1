// Package seqstat computes the stat vector of one sequence: 30 numbers that
// describe the gaps between its ascending samples. They equal, to the bit,
// what NumPy and SciPy give for the same definitions; see [Calculator.Vector].
// Of a sequence of twelve columns, it computes means and covariances; see
// [Calculator.Sound].
//
// The definitions are those of NumPy 2.4 and SciPy 1.17. Older releases differ
// on gaps that are nearly equal (SciPy 1.10 calls them constant, and so their
// skew and kurtosis 0, from a larger spread down; NumPy 1.24 makes a histogram
// where 2.4 refuses to) and on more than 8,192 gaps, which NumPy 1.24 adds up
// in another order.
//
// Products that are added to something are converted to float64 explicitly:
// only that keeps the compiler from fusing the two operations, which would
// round once where NumPy rounds twice.
package seqstat

import (
	"fmt"
	"math"

	"tatum/store"
)

// softening is added to a divisor that may be 0.
const softening = 1e-8

// A Calculator computes stat vectors. Its zero value is ready for use. It keeps
// buffers from one call to the next, so it must not be used concurrently.
type Calculator struct {
	gaps    []float64
	ranking ranking
	powers  powers
	rows    []float64 // of a sound feature's array
}

// Vector returns the statistics of seq, in the order of [store.Vector].
//
// The gaps are the positive differences between neighbouring samples, in their
// original order, each divided by their median plus 1e-8. A NaN sample takes
// the gaps on both its sides with it. Of n scaled gaps with mean μ and central
// moments m2, m3, m4 (numpy.mean of powers of the deviations from μ) follow
//
//	mean      μ
//	std       √m2, as numpy.std
//	iqr       Q(0.75) - Q(0.25), Q being numpy.percentile's linear quantile
//	cv        std / (μ + 1e-8)
//	skew      m3 / m2^1.5, as scipy.stats.skew
//	kurtosis  m4 / m2² - 3, as scipy.stats.kurtosis
//	q10…q90   Q(0.1), Q(0.5), Q(0.9)
//	length    n
//	h01…h20   numpy.histogram of 20 equal bins from least to largest gap,
//	          as densities
//
// The two powers in skew and kurtosis are rounded correctly. The C library that
// SciPy calls is off by one unit in the last place once in a thousand times.
//
// Statistics that are not finite become 0, and a sequence without positive gaps
// has 30 zeros. One gap, or all gaps equal, has 0 for std, iqr, cv, skew and
// kurtosis, and a histogram one unit wide with everything in its middle. If
// gaps differ by rounding only, std, iqr and cv are tiny instead.
//
// Vector fails where numpy.histogram raises ValueError: when a gap is infinite
// before or after scaling, and when the gaps differ by so little that 20 bins
// do not fit between the least and the largest. It then returns zeros.
func (c *Calculator) Vector(seq []float64) (store.Vector, error) {
	v := make(store.Vector, store.NumStats)
	return v, c.vector(v, seq)
}

// vector sets v, which is of zeros, to the statistics of seq.
func (c *Calculator) vector(v store.Vector, seq []float64) error {
	c.gaps = appendGaps(c.gaps[:0], seq)
	if len(c.gaps) == 0 {
		return nil
	}
	c.ranking.load(c.gaps)
	unit := c.ranking.median() + softening
	edges, err := c.edges(unit)
	if err != nil {
		return err
	}
	for i, gap := range c.gaps {
		c.gaps[i] = gap / unit
	}
	c.statistics(v, unit, &edges)
	return nil
}

// Vectors returns the stat vectors of a song's arrays, see [Calculator.Vector] and
// [Calculator.Sound]. It has those of the sound features if the song has both
// arrays. An error names the feature.
func (c *Calculator) Vectors(arrays *[store.NumArrays][]float64) (*store.VectorSet, error) {
	hasSound := true
	for _, f := range store.SoundFeatures {
		hasSound = hasSound && arrays[f] != nil
	}
	features := store.AllFeatures
	if !hasSound {
		features = store.Features[:]
	}
	vectors := store.NewVectors(features)
	for _, f := range features {
		if f.IsSound() {
			c.sound(vectors[f], arrays[f])
		} else if err := c.vector(vectors[f], arrays[f]); err != nil {
			return nil, fmt.Errorf("%v: %w", f, err)
		}
	}
	return vectors, nil
}

// appendGaps appends the positive differences between neighbours in seq to dst.
func appendGaps(dst, seq []float64) []float64 {
	dst = resize(dst, len(seq))
	n := 0
	for i := 1; i < len(seq); i++ {
		gap := seq[i] - seq[i-1]
		// Writing first and deciding after needs no branch, which pays where
		// signs alternate as those of loudness do.
		dst[n] = gap
		if gap > 0 {
			n++
		}
	}
	return dst[:n]
}

// edges returns the bin edges for the ranked gaps divided by unit.
func (c *Calculator) edges(unit float64) (binEdges, error) {
	last := len(c.gaps) - 1
	least, largest := c.ranking.at(0), c.ranking.at(last)
	if math.IsInf(largest, 1) {
		return binEdges{}, fmt.Errorf("infinite gap among %d", len(c.gaps))
	}
	if math.IsInf(largest/unit, 1) {
		return binEdges{}, fmt.Errorf("gap of %g overflows when divided by the median", largest)
	}
	edges := newBinEdges(least/unit, largest/unit)
	if !edges.ascending() {
		return edges, fmt.Errorf("gaps from %g to %g are too close together for %d histogram bins", least, largest, bins)
	}
	return edges, nil
}

// statistics sets v to the vector of c.gaps, which have been divided by unit.
func (c *Calculator) statistics(v store.Vector, unit float64, edges *binEdges) {
	quantile := func(q float64) float64 { return c.ranking.quantile(q, unit) }
	m := c.powers.moments(c.gaps)
	copy(v, []float64{
		m.mean,
		m.std,
		quantile(0.75) - quantile(0.25),
		m.std / (m.mean + softening),
		m.skew,
		m.kurtosis,
		quantile(0.1),
		quantile(0.5),
		quantile(0.9),
		float64(len(c.gaps)),
	})
	edges.densities(v[len(v)-bins:], c.gaps)
	zeroUnlessFinite(v)
}

// zeroUnlessFinite replaces statistics that are not finite by 0.
func zeroUnlessFinite(v store.Vector) {
	for i, x := range v {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			v[i] = 0
		}
	}
}

// resize returns a slice of n elements in the memory of s if they fit there.
// Their values are unspecified.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
