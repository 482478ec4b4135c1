package cluster

import "math"

// A Scaler maps each column to mean 0 and variance 1 on the rows it was fitted
// to: x becomes (x - Mean) / Scale. A column that is constant on those rows,
// up to rounding, has Scale 1. It is scikit-learn's StandardScaler.
type Scaler struct {
	Mean, Scale []float64 // by column
}

// FitScaler returns the scaler of the rows of matrix listed in index, which
// must not be empty. The variance is the population's (divided by n), in two
// passes with the correction of Chan, Golub and LeVeque; sums run from the
// first listed row to the last, as NumPy's do over the rows of a matrix.
func FitScaler(matrix Matrix, index []int) Scaler {
	s := Scaler{make([]float64, matrix.Cols), make([]float64, matrix.Cols)}
	for _, i := range index {
		add(s.Mean, matrix.Row(i))
	}
	n := float64(len(index))
	for j := range s.Mean {
		s.Mean[j] /= n
	}
	shift, square := make([]float64, matrix.Cols), make([]float64, matrix.Cols)
	for _, i := range index {
		x := matrix.Row(i)
		mean, shift, square := s.Mean[:len(x)], shift[:len(x)], square[:len(x)]
		for j, v := range x {
			d := v - mean[j]
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

// add adds a row to another.
func add(dst, x []float64) {
	dst = dst[:len(x)]
	for j, v := range x {
		dst[j] += v
	}
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
func (s *Scaler) Transform(dst, matrix Matrix, index []int) {
	for n, i := range index {
		x, out := matrix.Row(i), dst.Row(n)
		mean, scale, out := s.Mean[:len(x)], s.Scale[:len(x)], out[:len(x)]
		for j, v := range x {
			// A division: multiplying by 1/Scale rounds differently.
			out[j] = (v - mean[j]) / scale[j]
		}
	}
}
