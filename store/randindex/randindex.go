// Package randindex tells how far two labellings of the same rows agree. The
// clustering asks that of its folds, and the queries of the features; it lies
// under store because that is the only package both may import.
package randindex

// A Table tells how two labellings of the same rows go together. Its
// memory is used again by the next Count.
type Table struct {
	rows         int
	cells        []uint32 // rows with label i in one and j in the other, at i*k+j
	first, other []uint32 // rows with label i in each
}

// Count compares two labellings of the same rows, with labels below k, in place of
// those before. It panics if b is shorter than a, or a label is not below k.
func (t *Table) Count(a, b []uint16, k int) {
	t.rows = len(a)
	t.cells = grow(t.cells, k*k)
	t.first, t.other = grow(t.first, k), grow(t.other, k)
	clear(t.cells)
	clear(t.first)
	clear(t.other)
	for i, l := range a {
		t.cells[int(l)*k+int(b[i])]++
		t.first[l]++
		t.other[b[i]]++
	}
}

// AdjustedRand returns the adjusted Rand index of the two labellings: 1 when
// they are the same but for names, about 0 when they have no more to do with
// each other than chance has it, and sometimes less. It is scikit-learn's
// adjusted_rand_score, which counts pairs of rows.
func (t *Table) AdjustedRand() float64 {
	n := float64(t.rows)
	together := sumOfSquares(t.cells) // pairs that both put together, counted twice, with n of a row and itself
	firstOnly := sumOfSquares(t.first) - together
	otherOnly := sumOfSquares(t.other) - together
	apart := n*n - firstOnly - otherOnly - together
	both := together - n
	if firstOnly == 0 && otherOnly == 0 {
		return 1
	}
	return 2 * (both*apart - firstOnly*otherOnly) /
		((both+firstOnly)*(firstOnly+apart) + (both+otherOnly)*(otherOnly+apart))
}

// sumOfSquares is exact below 2⁵³, that is up to 94 million rows.
func sumOfSquares(counts []uint32) float64 {
	var sum uint64
	for _, c := range counts {
		sum += uint64(c) * uint64(c)
	}
	return float64(sum)
}

// grow returns a slice of length n with unspecified contents, in s's memory if
// that is large enough.
func grow(s []uint32, n int) []uint32 {
	if cap(s) < n {
		return make([]uint32, n)
	}
	return s[:n]
}
