package cluster

import (
	"math"
	"math/bits"
	"slices"
)

// agreement returns the adjusted Rand index between every two of the labellings
// of the same rows: the mean of all pairs, and the least. With fewer than two
// labellings both are 1. Labels are below k.
//
// Renaming labels does not change the index, so it is the same before and after
// alignment. That takes a table of k × k counts at most, whatever the rows.
func agreement(labels [][]uint16, k int) (mean, least float64) {
	mean, least = 0, 1
	pairs := 0
	var t contingency
	for i, a := range labels {
		for _, b := range labels[:i] {
			t.count(a, b, k)
			index := t.adjustedRand()
			mean += index
			least = min(least, index)
			pairs++
		}
	}
	if pairs == 0 {
		return 1, 1
	}
	return mean / float64(pairs), least
}

// A contingency tells how two labellings of the same rows go together. Its
// memory is used again by the next count.
type contingency struct {
	rows         int
	cells        []uint32 // rows with label i in one and j in the other, at i*k+j
	first, other []uint32 // rows with label i in each
}

func (t *contingency) count(a, b []uint16, k int) {
	t.rows = len(a)
	t.cells = resize(t.cells, k*k)
	t.first, t.other = resize(t.first, k), resize(t.other, k)
	clear(t.cells)
	clear(t.first)
	clear(t.other)
	for i, l := range a {
		t.cells[int(l)*k+int(b[i])]++
		t.first[l]++
		t.other[b[i]]++
	}
}

// adjustedRand returns the adjusted Rand index of the two labellings: 1 when
// they are the same but for names, about 0 when they have no more to do with
// each other than chance has it, and sometimes less. It is scikit-learn's
// adjusted_rand_score, which counts pairs of rows.
func (t *contingency) adjustedRand() float64 {
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

// distinctRows returns the number of different rows of a matrix without NaN.
func distinctRows(matrix Matrix) int {
	n := matrix.Rows()
	// An open hash table, half full at most: a map takes ten times as long.
	table := make([]uint32, 2<<bits.Len(uint(n))) // 1 + first row of its kind
	mask := uint64(len(table) - 1)
	distinct := 0
	for i := range n {
		x := matrix.Row(i)
		place := hashOf(x) & mask
		for table[place] > 0 && !slices.Equal(matrix.Row(int(table[place]-1)), x) {
			place = (place + 1) & mask
		}
		if table[place] == 0 {
			table[place] = uint32(i + 1)
			distinct++
		}
	}
	return distinct
}

// hashOf returns the same number for equal rows, also where one has 0 and the
// other -0.
func hashOf(x []float64) uint64 {
	var h uint64
	for _, v := range x {
		h = (h ^ math.Float64bits(v+0)) * 0x9e3779b97f4a7c15
		h ^= h >> 32
	}
	return h
}
