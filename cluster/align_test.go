package cluster

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// permutations calls fn with each order of 0 … n-1.
func permutations(n int, fn func(p []int)) {
	p := listTo(n)
	var from func(i int)
	from = func(i int) {
		if i == n {
			fn(p)
			return
		}
		for j := i; j < n; j++ {
			p[i], p[j] = p[j], p[i]
			from(i + 1)
			p[i], p[j] = p[j], p[i]
		}
	}
	from(0)
}

func total(cost [][]float64, columns []int) float64 {
	var sum float64
	for i, j := range columns {
		sum += cost[i][j]
	}
	return sum
}

func TestMatchingAgainstBruteForce(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := 1; n <= 7; n++ {
		for run := range 60 {
			cost := make([][]float64, n)
			for i := range cost {
				for range n {
					v := rng.Float64()
					if run%2 == 0 { // whole numbers, so that many matchings are equally good
						v = float64(rng.IntN(4))
					}
					cost[i] = append(cost[i], v)
				}
			}
			least := math.Inf(1)
			permutations(n, func(p []int) { least = min(least, total(cost, p)) })
			got := matching(cost)
			if sorted := slices.Sorted(slices.Values(got)); !slices.Equal(sorted, listTo(n)) {
				t.Fatalf("%v is not a permutation", got)
			}
			if sum := total(cost, got); math.Abs(sum-least) > 1e-9 {
				t.Errorf("%v: matching %v costs %v, want %v", cost, got, sum, least)
			}
		}
	}
}

// testModel returns a model whose centroids, in the statistics' own units, are
// those rows of centres that order lists.
func testModel(rng *rand.Rand, centres Matrix, order []int) *Model {
	s := Scaler{make([]float64, cols), make([]float64, cols)}
	for j := range cols {
		s.Mean[j], s.Scale[j] = 10*rng.Float64(), 0.5+rng.Float64()
	}
	centroids := NewMatrix(len(order), cols)
	s.Transform(centroids, centres, order)
	return NewModel(s, centroids)
}

func TestAlignFindsPermutation(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, k := range []int{1, 2, 5, 32, 100} {
		centres := matrix{N: k, Groups: k, Salt: uint64(k)}.make()
		models := []*Model{testModel(rng, centres, listTo(k))}
		var orders [][]int
		for range 4 {
			order := rng.Perm(k)
			orders = append(orders, order)
			models = append(models, testModel(rng, centres, order))
		}
		clusters := Align(models)
		if !slices.Equal(clusters[0], listTo(k)) {
			t.Errorf("k = %d: fold 0 became %v", k, clusters[0])
		}
		for f, order := range orders {
			if !slices.Equal(clusters[f+1], order) {
				t.Errorf("k = %d, fold %d: got %v, want %v", k, f+1, clusters[f+1], order)
			}
		}
	}
}

func TestAlignTiesByIndex(t *testing.T) {
	same := NewModel(*unscaled(cols), NewMatrix(6, cols))
	if got := Align([]*Model{same, same}); !slices.Equal(got[1], listTo(6)) {
		t.Errorf("equal centroids: got %v, want them in order", got[1])
	}
}

// TestAlignMatchesUsedCentroids has each row as two centroids of which one is in
// use, not always the lower.
func TestAlignMatchesUsedCentroids(t *testing.T) {
	const n = 4
	rows := matrix{N: n, Groups: n}.make()
	twins := func(used []int) *Model {
		m := NewModel(*unscaled(cols), Matrix{cols, slices.Concat(rows.Values, rows.Values)})
		m.KMeans.Sizes = make([]int, 2*n)
		for _, l := range used {
			m.KMeans.Sizes[l] = 1
		}
		return m
	}
	got := Align([]*Model{twins([]int{0, 1, 6, 7}), twins([]int{4, 1, 2, 7})})[1]
	for label, want := range map[int]int{4: 0, 1: 1, 2: 6, 7: 7} {
		if got[label] != want {
			t.Errorf("label %d became cluster %d, want %d", label, got[label], want)
		}
	}
}

// fewPlaces returns a model of k centroids that share a few places. Of the
// centroids of one place all but one are empty.
func fewPlaces(rng *rand.Rand, places Matrix, k int) *Model {
	order, sizes := make([]int, k), make([]int, k)
	for i := range order {
		order[i] = rng.IntN(places.Rows())
		if !slices.Contains(order[:i], order[i]) {
			sizes[i] = 1
		}
	}
	m := testModel(rng, places, order)
	m.KMeans.Sizes = sizes
	return m
}

// A worth is what Align judges a matching by, what comes first before what
// comes next.
type worth struct {
	all    float64 // sum of squared distances
	filled float64 // sum of those of centroids that are not empty
	unlike int     // pairs of which one is empty
}

func (a worth) compare(b worth) int {
	for _, c := range [][2]float64{{a.all, b.all}, {a.filled, b.filled}} {
		if d := c[0] - c[1]; math.Abs(d) > 1e-6 {
			return cmp.Compare(d, 0)
		}
	}
	return cmp.Compare(a.unlike, b.unlike)
}

func TestAlignOfEmptyAgainstBruteForce(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for run := range 300 {
		k := 2 + run%5
		places := matrix{N: 4, Groups: 4, Salt: uint64(run)}.make()
		base, m := fewPlaces(rng, places, k), fewPlaces(rng, places, k)
		squared, _ := distances(commonSpace(m, &base.Scaler), commonSpace(base, &base.Scaler))
		judge := func(columns []int) worth {
			w := worth{all: total(squared, columns)}
			for i, j := range columns {
				a, b := m.KMeans.empty(i), base.KMeans.empty(j)
				if !a {
					w.filled += squared[i][j]
				}
				if !b {
					w.filled += squared[i][j]
				}
				if a != b {
					w.unlike++
				}
			}
			return w
		}
		best := judge(listTo(k))
		permutations(k, func(p []int) {
			if w := judge(p); w.compare(best) < 0 {
				best = w
			}
		})
		got := Align([]*Model{base, m})[1]
		if w := judge(got); w.compare(best) > 0 {
			t.Errorf("run %d: matching %v is worth %v, want %v", run, got, w, best)
		}
	}
}

func TestAlignSurvivesWhatIsNotFinite(t *testing.T) {
	const k = 5
	s := *unscaled(cols)
	centres := matrix{N: k, Groups: k}.make()
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e200, math.MaxFloat64} {
		turned := Matrix{cols, slices.Concat(centres.after(3).Values, centres.first(3).Values)}
		turned.Values[0] = bad // of the label that is centre 3
		got := Align([]*Model{NewModel(s, centres), NewModel(s, turned)})
		if want := []int{3, 4, 0, 1, 2}; !slices.Equal(got[1], want) {
			t.Errorf("one centroid with %v: got %v, want %v", bad, got[1], want)
		}
		for i := range turned.Values {
			turned.Values[i] = bad
		}
		if got := Align([]*Model{NewModel(s, centres), NewModel(s, turned)}); !slices.Equal(got[1], listTo(k)) {
			t.Errorf("all %v: got %v, want them in order", bad, got[1])
		}
	}
}

// TestAlignKeepsWhatIsNotFiniteTogether has two pairs that lie far apart: even
// so they are better than two pairs more without a distance.
func TestAlignKeepsWhatIsNotFiniteTogether(t *testing.T) {
	at := func(places ...float64) *Model {
		centroids := NewMatrix(len(places), cols)
		for i, x := range places {
			centroids.Row(i)[0] = x
		}
		return NewModel(*unscaled(cols), centroids)
	}
	got := Align([]*Model{at(0, 100, math.NaN()), at(math.NaN(), 0, -100)})[1]
	if want := []int{2, 1, 0}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestAlignComparesInTheFirstSpace has models whose scaled centroids lie in
// another order than the centroids in their own units.
func TestAlignComparesInTheFirstSpace(t *testing.T) {
	model := func(mean, scale float64, places ...float64) *Model {
		centroids := NewMatrix(len(places), cols)
		s := *unscaled(cols)
		s.Mean[0], s.Scale[0] = mean, scale
		for i, x := range places {
			centroids.Row(i)[0] = (x - mean) / scale
		}
		return NewModel(s, centroids)
	}
	got := Align([]*Model{model(100, 10, 60, 110, 150), model(130, 50, 111, 149, 62)})[1]
	if want := []int{1, 2, 0}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
