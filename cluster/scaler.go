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
	s, _ := fitScaler(matrix, index)
	return s
}

// fitScaler is [FitScaler]. It also reports whether the listed rows are finite for
// certain once they are scaled, and so are their squared norms.
func fitScaler(matrix Matrix, index []int) (_ Scaler, finite bool) {
	s := Scaler{make([]float64, matrix.Cols), make([]float64, matrix.Cols)}
	addRows(s.Mean, matrix, index)
	n := float64(len(index))
	for j := range s.Mean {
		s.Mean[j] /= n
	}
	shift, square := make([]float64, matrix.Cols), make([]float64, matrix.Cols)
	addDeviations(shift, square, matrix, index, s.Mean)
	bound := 0.0 // of the squared norms
	for j, mean := range s.Mean {
		s.Scale[j] = 1
		variance := (square[j] - float64(shift[j]*shift[j])/n) / n
		if !constant(variance, mean, n) {
			s.Scale[j] = math.Sqrt(variance)
		}
		// No square is more than all together. They are n times the variance, and
		// at most as much again for the mean's rounding error.
		bound += square[j] / (s.Scale[j] * s.Scale[j])
	}
	return s, bound <= math.MaxFloat64
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
	transform(dst, matrix, index, s.Mean, s.Scale)
}

// eachChunk calls fn with the scaled form of the rows of matrix listed in index,
// some at a time, and with how many came before.
func (s *Scaler) eachChunk(matrix Matrix, index []int, fn func(before int, scaled Matrix)) {
	t := scratches.Get().(*scratch)
	defer scratches.Put(t)
	for before := 0; before < len(index); before += chunk {
		some := index[before:min(before+chunk, len(index))]
		t.scaled = t.scaled.resize(len(some), matrix.Cols)
		s.Transform(t.scaled, matrix, some)
		fn(before, t.scaled)
	}
}
