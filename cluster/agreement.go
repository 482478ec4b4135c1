package cluster

import (
	"math"
	"math/bits"
	"slices"

	"tatum/store/randindex"
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
	var t randindex.Table
	for i, a := range labels {
		for _, b := range labels[:i] {
			t.Count(a, b, k)
			index := t.AdjustedRand()
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

// distinctRows returns the number of different rows of a matrix without NaN.
func distinctRows(matrix Matrix) int {
	n := matrix.Rows()
	// An open hash table, half full at most: a map takes ten times as long.
	table := make([]uint32, 2<<bits.Len(uint(n))) // 1 + first row of its kind
	mask := uint64(len(table) - 1)
	distinct := 0
	// Some rows at a time are hashed before they are looked up, so that the processor
	// can wait for several places of the table at once.
	var places [chunk]uint64
	for first := 0; first < n; first += chunk {
		some := places[:min(chunk, n-first)]
		for i := range some {
			some[i] = hashOf(matrix.Row(first+i)) & mask
		}
		for i, place := range some {
			for table[place] > 0 && !slices.Equal(matrix.Row(int(table[place]-1)), matrix.Row(first+i)) {
				place = (place + 1) & mask
			}
			if table[place] == 0 {
				table[place] = uint32(first + i + 1)
				distinct++
			}
		}
	}
	return distinct
}

// hashOf returns the same number for equal rows, also where one has 0 and the
// other -0.
func hashOf(x []float64) uint64 {
	var a, b uint64 // each of every other value, so that the processor has two to work at
	for ; len(x) >= 2; x = x[2:] {
		a, b = hashed(a, x[0]), hashed(b, x[1])
	}
	for _, v := range x {
		a = hashed(a, v)
	}
	return a ^ bits.RotateLeft64(b, 1)
}

func hashed(h uint64, v float64) uint64 {
	h = (h ^ math.Float64bits(v+0)) * 0x9e3779b97f4a7c15
	return h ^ h>>32
}
