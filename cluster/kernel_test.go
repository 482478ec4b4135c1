package cluster

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"tatum/cluster/mt19937"
)

// twins returns the first k rows of a matrix in which many points lie a
// rounding error apart, or on top of each other.
func twins(n int) []float64 {
	rows := matrix{N: n, Groups: 5, Distinct: n/2 + 1, Zero: 9}.make()
	s := mt19937.New(3)
	for i := range n {
		if s.Interval(2) == 0 {
			x := rowAt(rows, i)
			j := s.Interval(cols - 1)
			x[j] = math.Nextafter(x[j], 9)
		}
	}
	return rows
}

func TestKernelsAgree(t *testing.T) {
	for _, k := range []int{1, 2, 3, 7, 8, 9, 16, 31, 32, 33, 40, 63, 64, 65, 96, 127, 128, 129} {
		for _, n := range []int{1, 2, 3, 4, 5, 6, 63, 64, 65, 200} {
			t.Run(fmt.Sprintf("k=%d,n=%d", k, n), func(t *testing.T) { testKernels(t, k, n) })
		}
	}
}

func testKernels(t *testing.T, k, n int) {
	rows := twins(max(n, k) + 1)
	panels := make([]panel, panelsFor(k))
	packCentroids(panels, rows, k)
	index := make([]int, n)
	mt19937.New(1).Ints(index, len(rows)/cols)
	norms := make([]float64, n)
	for i := range norms {
		norms[i] = squaredNorm(rowAt(rows, i))
	}
	limit := new([width]float64)
	for i := range limit {
		limit[i] = []float64{math.Inf(1), 0, 40}[i%3]
	}
	var labels [][]int
	var values [][]float64
	eachKernel(t, func(t *testing.T, _ bool) {
		l, v := make([]int, n), make([]float64, n+len(panels)*n*width)
		label(rows, index, panels, v[:n], l)
		for p := range panels {
			closer(v[n+p*width:], len(panels)*width, rows, norms, &panels[p], limit)
		}
		for i, x := range index {
			if want := plainLabel(rows, x, k); l[i] != want {
				t.Errorf("row %d: got label %d, want %d", x, l[i], want)
			}
		}
		labels, values = append(labels, l), append(values, v)
	})
	if !slices.Equal(labels[0], labels[1]) {
		t.Errorf("labels: got %v, want %v", labels[0], labels[1])
	}
	if !slices.EqualFunc(values[0], values[1], sameBits) {
		t.Error("least values or squared distances differ")
	}
}

func sameBits(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }

// plainLabel is the definition of a label, without panels.
func plainLabel(rows []float64, i, k int) int {
	best, at := math.Inf(1), 0
	for c := range k {
		var dot float64
		for j, v := range rowAt(rows, i) {
			dot = math.FMA(v, rowAt(rows, c)[j], dot)
		}
		if v := -2*dot + squaredNorm(rowAt(rows, c)); v < best {
			best, at = v, c
		}
	}
	return at
}

func TestKernelNotFinite(t *testing.T) {
	rows := twins(40)
	rowAt(rows, 3)[0] = math.NaN()
	rowAt(rows, 4)[1] = math.Inf(1)
	rowAt(rows, 5)[2] = 1e300
	m := NewModel(Scaler{}, twins(33)).KMeans
	labels, distances := make([]int, 40), make([]float64, 40*33)
	m.Assign(rows, labels, distances)
	for i, l := range labels {
		if l < 0 || l >= 33 {
			t.Errorf("row %d: label %d", i, l)
		}
	}
}
