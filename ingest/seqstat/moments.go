package seqstat

import (
	"math"

	"tatum/store/pairwise"
)

// epsilon is the distance from 1 to the next float64.
const epsilon = 0x1p-52

// moments are the statistics that come from powers of deviations.
type moments struct {
	mean, std, skew, kurtosis float64
}

// powers holds the second, third and fourth powers of the deviations from the
// mean. They are stored because NumPy rounds each before it adds them up.
type powers struct {
	squares, cubes, fourths []float64
}

// moments returns the moments of x, which must not be empty. When the variance
// is no more than rounding of the mean explains, skew and kurtosis are NaN; the
// bound is the one of scipy.stats.
func (p *powers) moments(x []float64) moments {
	mean := average(x)
	p.fill(x, mean)
	m2 := average(p.squares)
	m := moments{mean: mean, std: math.Sqrt(m2), skew: math.NaN(), kurtosis: math.NaN()}
	if noise := epsilon * mean; m2 <= noise*noise {
		return m
	}
	m.skew = average(p.cubes) / pow3half(m2)
	m.kurtosis = average(p.fourths)/float64(m2*m2) - 3
	return m
}

// fill computes the powers of x's deviations from mean by the multiplications
// that scipy.stats uses.
func (p *powers) fill(x []float64, mean float64) {
	p.squares = resize(p.squares, len(x))
	p.cubes = resize(p.cubes, len(x))
	p.fourths = resize(p.fourths, len(x))
	for i, v := range x {
		deviation := v - mean
		square := float64(deviation * deviation)
		p.squares[i] = square
		p.cubes[i] = float64(square * deviation)
		p.fourths[i] = float64(square * square)
	}
}

// average returns numpy.mean(x). x must not be empty.
func average(x []float64) float64 {
	return pairwise.SumWhole(x) / float64(len(x))
}

// pow3half returns x to the power 1.5 for x > 0, correctly rounded unless the
// result is subnormal. math.Pow and x*math.Sqrt(x) are not accurate enough.
func pow3half(x float64) float64 {
	root := math.Sqrt(x)
	product := float64(x * root)
	if math.IsInf(product, 1) {
		return product
	}
	// With root² + rootError = x, the exact root is root + rootError/(2·root)
	// to first order, and x times that correction is about rootError·root/2.
	rootError := math.FMA(-root, root, x)
	productError := math.FMA(x, root, -product)
	return product + math.FMA(rootError, root/2, productError)
}
