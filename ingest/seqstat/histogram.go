package seqstat

// bins is the number of histogram bins in a stat vector.
const bins = 20

// binEdges are the bounds of the bins: bin i holds edges[i] ≤ x < edges[i+1],
// the last one also x = edges[bins].
type binEdges [bins + 1]float64

// newBinEdges divides the range from lo to hi as numpy.histogram does. If they
// are equal, the range reaches 0.5 to either side.
func newBinEdges(lo, hi float64) binEdges {
	if lo == hi {
		lo -= 0.5
		hi += 0.5
	}
	var edges binEdges
	// A range so small that step is 0 has coinciding edges in NumPy as well,
	// by another formula.
	step := (hi - lo) / bins
	for i := range bins {
		edges[i] = float64(float64(i)*step) + lo
	}
	edges[bins] = hi
	return edges
}

// ascending reports whether every bin has a width. NumPy makes no histogram
// otherwise.
func (e *binEdges) ascending() bool {
	for i := range bins {
		if e[i] >= e[i+1] {
			return false
		}
	}
	return true
}

// densities sets dst, of length bins, to numpy.histogram(x, density=True): the
// share of x in each bin divided by the bin's width. All of x must lie within
// the edges.
func (e *binEdges) densities(dst, x []float64) {
	counts := e.count(x)
	n := float64(len(x))
	for i, count := range counts {
		dst[i] = float64(count) / (e[i+1] - e[i]) / n
	}
}

// count returns how many of x lie in each bin.
func (e *binEdges) count(x []float64) (counts [bins]int) {
	lo, width := e[0], e[bins]-e[0]
	for _, v := range x {
		i := min(int((v-lo)/width*bins), bins-1)
		// The guess may be one bin off, because the edges are rounded too.
		if v < e[i] {
			i--
		}
		if i < bins-1 && v >= e[i+1] {
			i++
		}
		counts[i]++
	}
	return counts
}
