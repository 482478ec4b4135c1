package cluster

import "math"

// argsort returns the indexes of v in ascending order of value. Which of
// several equal values comes first is what numpy.argsort makes of it: it
// decides which of many empty centroids move. The releases of scikit-learn
// went with NumPy before 1.25 (1.2) and with later ones, which use vector
// instructions.
func argsort(v []float64, stream RandomStream) []int {
	if stream < Sklearn13 {
		order := make([]int, len(v))
		for i := range order {
			order[i] = i
		}
		introsort(v, order)
		return order
	}
	return bitonicSort(v)
}

// bitonicSort sorts by the network of x86-simd-sort, which NumPy uses from
// 1.25 on with AVX-512 and from 2.0 on with AVX2; it is the same for both. NumPy
// splits more than 256 values first, which is not done here: beyond 256
// centroids and with batches of less than twice that, ties may fall otherwise.
func bitonicSort(v []float64) []int {
	size := 1
	for size < len(v) {
		size *= 2
	}
	keys, order := make([]float64, size), make([]int, size)
	for i := range keys {
		keys[i], order[i] = math.Inf(1), i
		if i < len(v) {
			keys[i] = v[i]
		}
	}
	exchange := func(flip int) {
		for i := range keys {
			if j := i ^ flip; j > i && keys[i] > keys[j] {
				keys[i], keys[j] = keys[j], keys[i]
				order[i], order[j] = order[j], order[i]
			}
		}
	}
	for block := 2; block <= size; block *= 2 {
		exchange(block - 1)
		for distance := block / 4; distance > 0; distance /= 2 {
			exchange(distance)
		}
	}
	return order[:len(v)]
}

// introsort sorts order by value as NumPy before 1.25 does: quicksort with the
// median of three, and insertion sort for runs of up to sixteen.
func introsort(v []float64, order []int) {
	for len(order) > 16 {
		i := partition(v, order)
		// Which side comes first does not change the result.
		introsort(v, order[:i])
		order = order[i+1:]
	}
	for i := 1; i < len(order); i++ {
		for j := i; j > 0 && v[order[j-1]] > v[order[j]]; j-- {
			order[j-1], order[j] = order[j], order[j-1]
		}
	}
}

// partition moves a pivot to the place it returns, no greater values to its
// left and no smaller ones to its right.
func partition(v []float64, order []int) int {
	last := len(order) - 1
	mid := last / 2
	swap := func(a, b int) { order[a], order[b] = order[b], order[a] }
	less := func(a, b int) bool { return v[order[a]] < v[order[b]] }
	if less(mid, 0) {
		swap(mid, 0)
	}
	if less(last, mid) {
		swap(last, mid)
	}
	if less(mid, 0) {
		swap(mid, 0)
	}
	pivot := v[order[mid]]
	swap(mid, last-1)
	i, j := 0, last-1
	for {
		for i++; v[order[i]] < pivot; i++ {
		}
		for j--; v[order[j]] > pivot; j-- {
		}
		if i >= j {
			break
		}
		swap(i, j)
	}
	swap(i, last-1)
	return i
}
