package cluster

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"tatum/cluster/mt19937"
)

// twins returns a matrix in which many points lie a rounding error apart, or on
// top of each other.
func twins(n, cols int) Matrix {
	rows := matrix{N: n, Cols: cols, Groups: 5, Distinct: n/2 + 1, Zero: 9}.make()
	s := mt19937.New(3)
	for i := range n {
		if s.Interval(2) == 0 {
			x := rows.Row(i)
			j := s.Interval(uint32(cols - 1))
			x[j] = math.Nextafter(x[j], 9)
		}
	}
	return rows
}

func TestKernelsAgree(t *testing.T) {
	for _, k := range []int{1, 2, 3, 7, 8, 9, 16, 31, 32, 33, 40, 63, 64, 65, 96, 127, 128, 129} {
		for _, n := range []int{1, 2, 3, 4, 5, 6, 63, 64, 65, 200} {
			for _, cols := range []int{cols, 90} {
				t.Run(fmt.Sprintf("k=%d,n=%d,cols=%d", k, n, cols), func(t *testing.T) { testKernels(t, k, n, cols) })
			}
		}
	}
}

func testKernels(t *testing.T, k, n, cols int) {
	rows := twins(max(n, k)+1, cols)
	panels := packed(rows.first(k))
	count := panels.count()
	norms := make([]float64, n)
	for i := range norms {
		norms[i] = squaredNorm(rows.Row(i))
	}
	limit := new([width]float64)
	for i := range limit {
		limit[i] = []float64{math.Inf(1), 0, 40}[i%3]
	}
	var labels [][]int
	var values [][]float64
	eachKernel(t, func(t *testing.T, _ bool) {
		l, v := make([]int, n), make([]float64, n+count*n*width)
		label(rows, panels, v[:n], l)
		for p := range count {
			closer(v[n+p*width:], count*width, rows, norms, panels.at(p), limit)
		}
		for i := range n {
			if want := plainLabel(rows, i, k); l[i] != want {
				t.Errorf("row %d: got label %d, want %d", i, l[i], want)
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

// TestScalingKernels has any number of columns, so that some fill no register, and
// rows in any order, some more than once.
func TestScalingKernels(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 5))
	number := func() float64 { return rng.NormFloat64() * math.Pow(10, float64(rng.IntN(30)-15)) }
	for _, cols := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 30, 31, 90} {
		for _, n := range []int{0, 1, 2, 3, 4, 5, 6, 9, 40} {
			rows := NewMatrix(20, cols)
			for i := range rows.Values {
				rows.Values[i] = number()
			}
			index := make([]int, n)
			for i := range index {
				index[i] = rng.IntN(20)
			}
			mean, deviation := make([]float64, cols), make([]float64, cols)
			for j := range cols {
				mean[j], deviation[j] = number(), math.Abs(number())
			}
			const untouched = -7
			var results [][]float64
			eachKernel(t, func(*testing.T, bool) {
				scaled := Matrix{cols, slices.Repeat([]float64{untouched}, (n+1)*cols)}
				transform(scaled, rows, index, mean, deviation)
				sums := slices.Repeat([]float64{untouched}, 3*cols+1)
				addRows(sums[:cols], rows, index)
				addDeviations(sums[cols:2*cols], sums[2*cols:3*cols], rows, index, mean)
				results = append(results, slices.Concat(scaled.Values, sums))
			})
			if !slices.EqualFunc(results[0], results[1], sameBits) {
				t.Errorf("%d columns, %d rows: got %v, want %v", cols, n, results[0], results[1])
			}
			if got := results[0]; got[n*cols] != untouched || got[len(got)-1] != untouched {
				t.Errorf("%d columns, %d rows: wrote behind the end", cols, n)
			}
		}
	}
}

func sameBits(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }

// packed returns points packed in panels.
func packed(points Matrix) panels {
	p := panels{}.resize(points.Rows(), points.Cols)
	p.pack(points)
	return p
}

// plainLabel is the definition of a label, without panels.
func plainLabel(rows Matrix, i, k int) int {
	best, at := math.Inf(1), 0
	for c := range k {
		var dot float64
		for j, v := range rows.Row(i) {
			dot = math.FMA(v, rows.Row(c)[j], dot)
		}
		if v := -2*dot + squaredNorm(rows.Row(c)); v < best {
			best, at = v, c
		}
	}
	return at
}

func TestKernelNotFinite(t *testing.T) {
	rows := twins(40, cols)
	rows.Row(3)[0] = math.NaN()
	rows.Row(4)[1] = math.Inf(1)
	rows.Row(5)[2] = 1e300
	m := NewModel(*unscaled(cols), twins(33, cols)).KMeans
	labels, distances := make([]int, 40), make([]float64, 40*33)
	m.Assign(rows, labels, distances)
	for i, l := range labels {
		if l < 0 || l >= 33 {
			t.Errorf("row %d: label %d", i, l)
		}
	}
}
