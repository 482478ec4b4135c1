// Package pairwise adds numbers up in the order NumPy does, so that sums come
// out equal to the bit. Both the statistics and the clustering need it; it
// lies under store because that is the only package both may import.
package pairwise

// bufferSize is the number of elements that add.reduce of older NumPy hands to
// the pairwise routine at a time.
const bufferSize = 8192

// blockSize is the length up to which the pairwise routine uses eight
// accumulators; longer runs are halved.
const blockSize = 128

// Sum returns the sum of a as numpy.sum of NumPy 1.24 adds up a contiguous
// float64 array: pieces of 8,192 elements from the left, each by pairwise
// summation. Sum of nothing is 0.
func Sum(a []float64) float64 {
	var s float64
	for len(a) > bufferSize {
		s += pairwise(a[:bufferSize])
		a = a[bufferSize:]
	}
	return s + pairwise(a)
}

// SumWhole returns the sum of a as numpy.sum of NumPy 2.4 does: by pairwise
// summation of all elements at once. Up to 8,192 elements it equals Sum.
// SumWhole of nothing is 0.
func SumWhole(a []float64) float64 {
	return pairwise(a)
}

func pairwise(a []float64) float64 {
	n := len(a)
	if n < 8 {
		var s float64
		for _, v := range a {
			s += v
		}
		return s
	}
	if n > blockSize {
		half := n / 2
		half -= half % 8
		return pairwise(a[:half]) + pairwise(a[half:])
	}
	r0, r1, r2, r3 := a[0], a[1], a[2], a[3]
	r4, r5, r6, r7 := a[4], a[5], a[6], a[7]
	i := 8
	for ; i+8 <= n; i += 8 {
		b := a[i : i+8 : i+8]
		r0 += b[0]
		r1 += b[1]
		r2 += b[2]
		r3 += b[3]
		r4 += b[4]
		r5 += b[5]
		r6 += b[6]
		r7 += b[7]
	}
	s := ((r0 + r1) + (r2 + r3)) + ((r4 + r5) + (r6 + r7))
	for _, v := range a[i:] {
		s += v
	}
	return s
}
