package seqstat

import "tatum/store"

// columns is how many numbers a row of a sound feature's array has.
const columns = store.SoundColumns

// Sound returns the statistics of an array of twelve columns, row by row, such as
// segments_timbre:
//
//	mean of each column, numpy.mean(X, axis=0)
//	covariances of the columns, numpy.cov(X.T), which divides by n - 1: the upper
//	triangle with the diagonal, row by row
//
// as in Bertin-Mahieux, Ellis, Whitman and Lamere, "The Million Song Dataset"
// (2011). Rows with a NaN or an infinity are left out. Of fewer than two rows all
// statistics are 0.
//
// The means equal numpy's to the bit. The covariances do so to 1e-12 of the product
// of the columns' two deviations: numpy leaves the order of their sums to BLAS. Here
// rows are added up from the first to the last.
//
// Statistics that overflow become 0.
func (c *Calculator) Sound(array []float64) store.Vector {
	v := make(store.Vector, store.NumSoundStats)
	c.sound(v, array)
	return v
}

// sound sets v, which is of zeros, to the statistics of an array.
func (c *Calculator) sound(v store.Vector, array []float64) {
	c.rows = appendFinite(c.rows[:0], array)
	n := len(c.rows) / columns
	if n < 2 {
		return
	}
	mean := (*[columns]float64)(v)
	for at := 0; at < len(c.rows); at += columns {
		for j, x := range (*[columns]float64)(c.rows[at:]) {
			mean[j] += x
		}
	}
	for j := range mean {
		mean[j] /= float64(n)
	}
	for at := 0; at < len(c.rows); at += columns {
		for j := range mean {
			c.rows[at+j] -= mean[j]
		}
	}
	covariances := v[columns:]
	for i := range columns {
		for j := i; j < columns; j += 4 {
			four := c.products(i, min(j, columns-4))
			copy(covariances[:columns-j], four[j-min(j, columns-4):])
			covariances = covariances[min(4, columns-j):]
		}
	}
	covariances = v[columns:]
	for i := range covariances {
		covariances[i] /= float64(n - 1)
	}
	zeroUnlessFinite(v)
}

// products returns the sums over the rows of the products of column i with column j
// and the three after it. Four sums at once do not wait for each other.
func (c *Calculator) products(i, j int) (sums [4]float64) {
	var s0, s1, s2, s3 float64
	for at := 0; at < len(c.rows); at += columns {
		row := (*[columns]float64)(c.rows[at:])
		a, b := row[i], (*[4]float64)(row[j:])
		s0 += float64(a * b[0])
		s1 += float64(a * b[1])
		s2 += float64(a * b[2])
		s3 += float64(a * b[3])
	}
	return [4]float64{s0, s1, s2, s3}
}

// appendFinite appends the rows of an array that have no NaN and no infinity.
func appendFinite(dst, array []float64) []float64 {
	for at := 0; at+columns <= len(array); at += columns {
		row := array[at : at+columns]
		zero := 0.0
		for _, x := range row {
			zero += x - x // NaN of what is not finite
		}
		if zero == 0 {
			dst = append(dst, row...)
		}
	}
	return dst
}
