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
	covariances := v[columns:]
	for at := 0; at < len(c.rows); at += columns {
		var d [columns]float64
		for j, x := range (*[columns]float64)(c.rows[at:]) {
			d[j] = x - mean[j]
		}
		rest := covariances
		for i, a := range d {
			for j, b := range d[i:] {
				rest[j] += float64(a * b)
			}
			rest = rest[columns-i:]
		}
	}
	for i := range covariances {
		covariances[i] /= float64(n - 1)
	}
	zeroUnlessFinite(v)
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
