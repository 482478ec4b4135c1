package cluster

import (
	"math"

	"tatum/store"
)

// cols is the number of columns of every matrix. The kernels and the sums are
// written for it: 30 is seven groups of four and one of two.
const cols = store.NumStats

// A row is one row of a row-major matrix.
type row = [cols]float64

// rowAt returns row i of a row-major matrix; it shares the matrix's memory.
func rowAt(matrix []float64, i int) *row {
	return (*row)(matrix[i*cols : (i+1)*cols])
}

// A Scaler maps each column to mean 0 and variance 1 on the rows it was fitted
// to: x becomes (x - Mean) / Scale. A column that is constant on those rows,
// up to rounding, has Scale 1. It is scikit-learn's StandardScaler.
type Scaler struct {
	Mean, Scale [cols]float64
}

// FitScaler returns the scaler of the rows of matrix listed in index, which
// must not be empty. The variance is the population's (divided by n), in two
// passes with the correction of Chan, Golub and LeVeque; sums run from the
// first listed row to the last, as NumPy's do over the rows of a matrix.
func FitScaler(matrix []float64, index []int) Scaler {
	var s Scaler
	var sum, shift, square row
	for _, i := range index {
		for j, v := range rowAt(matrix, i) {
			sum[j] += v
		}
	}
	n := float64(len(index))
	for j := range sum {
		s.Mean[j] = sum[j] / n
	}
	for _, i := range index {
		for j, v := range rowAt(matrix, i) {
			d := v - s.Mean[j]
			shift[j] += d
			square[j] += float64(d * d)
		}
	}
	for j, mean := range s.Mean {
		s.Scale[j] = 1
		variance := (square[j] - float64(shift[j]*shift[j])/n) / n
		if !constant(variance, mean, n) {
			s.Scale[j] = math.Sqrt(variance)
		}
	}
	return s
}

// constant says whether a variance of n values is no more than the rounding
// error of computing it.
func constant(variance, mean, n float64) bool {
	const epsilon = 0x1p-52
	slack := n * mean * epsilon
	return variance <= float64(n*epsilon*variance)+float64(slack*slack)
}

// Transform writes the scaled form of the rows of matrix listed in index to
// dst, one after another. It panics if dst has not room for them.
func (s *Scaler) Transform(dst, matrix []float64, index []int) {
	for n, i := range index {
		src, out := rowAt(matrix, i), rowAt(dst, n)
		for j, v := range src {
			// A division: multiplying by 1/Scale rounds differently.
			out[j] = (v - s.Mean[j]) / s.Scale[j]
		}
	}
}
