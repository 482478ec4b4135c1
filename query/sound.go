package query

import (
	"math"

	"tatum/store"
)

// SoundDistance returns how unlike two vectors of one sound feature are: 0 when the
// means and variances of all twelve columns are equal, at most 1. It depends on
// nothing but the two vectors, is symmetric to the bit, and a metric: the mean over
// the columns of the Hellinger distance of two normal distributions with the
// column's means m and variances v, each at least 1e-6,
//
//	√(1 - √(√(v₁v₂) / s) · exp(-(m₁-m₂)² / 8s)), s = (v₁+v₂)/2
//
// Covariances of two columns do not come into it.
func SoundDistance(a, b store.Vector) float64 {
	return newSoundProfile(a).distance(b, math.Inf(1))
}

// varianceAt is where a vector of a sound feature has the variance of each column.
var varianceAt = func() (at [store.SoundColumns]int) {
	next := store.SoundColumns
	for i := range at {
		at[i] = next
		next += store.SoundColumns - i
	}
	return at
}()

// leastVariance is what a variance counts as that is less: of a column that does
// not vary, any other would be as far as can be.
const leastVariance = 1e-6

// A soundProfile is a sound feature's vector made ready to be compared with many
// others.
type soundProfile struct{ mean, variance [store.SoundColumns]float64 }

func newSoundProfile(v store.Vector) *soundProfile {
	p := &soundProfile{mean: [store.SoundColumns]float64(v)}
	for i, at := range varianceAt {
		p.variance[i] = max(v[at], leastVariance)
	}
	return p
}

// distance returns the SoundDistance of the profile's vector to v. If that comes to
// more than bound, what it returns is more than bound too, but may not be all of
// it: the other columns would only add to it.
func (p *soundProfile) distance(v store.Vector, bound float64) float64 {
	var sum float64
	for i, at := range varianceAt {
		sum += p.part(i, v[i], max(v[at], leastVariance))
		if sum > bound*(store.SoundColumns*(1+1e-12)) { // more than bound once divided, too
			break
		}
	}
	return sum / store.SoundColumns
}

// parts returns the parts whose mean is the distance to v, one for each column.
func (p *soundProfile) parts(v store.Vector) []float64 {
	parts := make([]float64, store.SoundColumns)
	for i, at := range varianceAt {
		parts[i] = p.part(i, v[i], max(v[at], leastVariance))
	}
	return parts
}

// part returns the distance of column i to a distribution of that mean and variance.
func (p *soundProfile) part(i int, mean, variance float64) float64 {
	s := (p.variance[i] + variance) / 2
	apart := p.mean[i] - mean
	alike := float64(math.Sqrt(math.Sqrt(p.variance[i]*variance)/s) * expOfMinus(apart*apart/(8*s)))
	// Not less than 0, as rounding could have it. What is no number is as far as can be.
	if far := 1 - alike; far < 1 {
		return math.Sqrt(max(far, 0))
	}
	return 1
}

// expOfMinus returns e to the power -x for x ≥ 0, with a relative error of about
// 1e-16. Unlike math.Exp it gives the same bits on every machine.
func expOfMinus(x float64) float64 {
	const (
		ln2High = 0x1.62e42fefa38p-1 // with room for k
		ln2Low  = 0x1.ef35793c7673p-45
	)
	if !(x < 708) { // where results would be subnormal
		return 0
	}
	k := math.Floor(x/math.Ln2 + 0.5)
	r := (float64(k*ln2High) - x) + float64(k*ln2Low) // from -ln2/2 to ln2/2
	e := inverseFactorials[len(inverseFactorials)-1]
	for i := len(inverseFactorials) - 2; i >= 0; i-- {
		e = float64(e*r) + inverseFactorials[i]
	}
	return math.Float64frombits(math.Float64bits(e) - uint64(k)<<52)
}

// inverseFactorials are the coefficients of the exponential series.
var inverseFactorials = func() (c [14]float64) {
	factorial := 1.0
	for i := range c {
		factorial *= max(1, float64(i))
		c[i] = 1 / factorial
	}
	return c
}()
