package cluster

import (
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"sort"
	"testing"

	"tatum/cluster/mt19937"
	"tatum/store/pairwise"
)

// The tests here take the steps of a fit apart. That whole fits are equal to
// scikit-learn's is what the golden tests are for.

func TestCheckLimits(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(o *Options)
		n      int
		ok     bool
	}{
		{"as many rows as clusters", func(*Options) {}, 32, true},
		{"one row too few", func(*Options) {}, 31, false},
		{"one cluster", func(o *Options) { o.K = 1 }, 1, true},
		{"no rows", func(o *Options) { o.K = 1 }, 0, false},
		{"most clusters", func(o *Options) { o.K = MaxClusters }, MaxClusters, true},
		{"too many clusters", func(o *Options) { o.K = MaxClusters + 1 }, 1 << 20, false},
		{"batches of one", func(o *Options) { o.BatchSize = 1 }, 32, true},
		{"largest batch", func(o *Options) { o.BatchSize = MaxBatchSize }, 32, true},
		{"batch too large", func(o *Options) { o.BatchSize = MaxBatchSize + 1 }, 32, false},
		{"most rows", func(*Options) {}, math.MaxUint32, true},
		{"too many rows", func(*Options) {}, math.MaxUint32 + 1, false},
	} {
		o := Defaults()
		c.change(&o)
		if err := o.check(c.n); (err == nil) != c.ok {
			t.Errorf("%s: got error %v", c.name, err)
		}
	}
}

func TestConvergence(t *testing.T) {
	c := newConvergence(10, 99) // new values count a fifth
	if c.done(1) {
		t.Error("done after one step")
	}
	for step, want := range []float64{10, 10.5, 10} {
		if c.done([]float64{10, 12.5, 8}[step]) || math.Abs(c.average-want) > 1e-12 {
			t.Errorf("step %d: got average %v, want %v, and not done", step+2, c.average, want)
		}
	}
	// The least is 10 still, or a rounding less. From here on it falls once.
	c.done(5)
	for i := 1; i < patience; i++ {
		if c.done(1000) {
			t.Fatalf("done after %d steps without a new least average", i)
		}
	}
	if !c.done(1000) {
		t.Error("not done after ten steps without a new least average")
	}
	if c.least != 9 {
		t.Errorf("got least average %v, want 9", c.least)
	}
	constant := newConvergence(5, 5)
	for i := range 12 {
		if got := constant.done(3); got != (i == 11) {
			t.Errorf("equal inertia, step %d: got done %v", i+1, got)
		}
	}
	if a := newConvergence(50, 60).alpha; a != 1 {
		t.Errorf("got weight %v of new values, want at most 1", a)
	}
}

func TestChoose(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	for _, n := range []int{1, 2, 3, 7, 10, 49, 1000} {
		odds := equalOdds(nil, n)
		if len(odds) != n || odds[n-1] != 1 {
			t.Fatalf("%d odds end with %v, want 1", len(odds), odds[len(odds)-1])
		}
		us := []float64{0, math.Nextafter(1, 0)}
		for range 300 {
			us = append(us, rng.Float64())
		}
		for _, odd := range odds[:n-1] {
			us = append(us, math.Nextafter(odd, 0), odd, math.Nextafter(odd, 1))
		}
		for _, u := range us {
			want := sort.Search(n, func(i int) bool { return odds[i] > u })
			if got := choose(odds, u); got != want {
				t.Errorf("%d odds: chose %d for %v, want %d", n, got, u, want)
			}
		}
		// The reference adds up 1/n from the left and divides by the last sum.
		var sum float64
		for i := range n {
			sum += 1 / float64(n)
			if i == n/2 {
				if last := sumOf(1/float64(n), n); odds[i] != sum/last {
					t.Errorf("%d odds: got %v in the middle, want %v", n, odds[i], sum/last)
				}
			}
		}
	}
}

func sumOf(x float64, n int) (sum float64) {
	for range n {
		sum += x
	}
	return sum
}

func TestLow(t *testing.T) {
	for _, c := range []struct {
		name    string
		weights []float64
		batch   int
		want    []int
	}{
		{"none", []float64{5, 5, 5}, 100, nil},
		{"below a hundredth", []float64{200, 1.99, 2, 0, 150}, 100, []int{1, 3}},
		{"half of the batch", []float64{200, 1.99, 2, 0, 150}, 4, []int{1, 3}},
		{"more than half of the batch", []float64{200, 1.99, 2, 0, 150}, 3, []int{3}},
		{"batch of one", []float64{200, 1.99, 2, 0, 150}, 1, nil},
		{"most are low", []float64{0.5, 0.3, 0.4, 0.1, 0.2, 100}, 7, []int{1, 3, 4}},
	} {
		for s := Sklearn12; s <= Sklearn19; s++ {
			f := NewFitter(Options{K: len(c.weights), Stream: s})
			f.weights, f.index = c.weights, make([]int, c.batch)
			if got := f.low(); !slices.Equal(got, c.want) {
				t.Errorf("%s, %v: got %v, want %v", c.name, s, got, c.want)
			}
		}
	}
}

func TestReassign(t *testing.T) {
	f := NewFitter(Options{K: 5, Stream: Sklearn13})
	f.batch = matrix{N: 8, Groups: 4}.make()
	f.index = make([]int, 8)
	f.weights = []float64{300, 1, 40, 2, 50}
	f.next = NewMatrix(5, cols)
	f.rng.Seed(5)
	f.reassign()
	picks := make([]int, len(f.index))
	mt19937.New(5).Permutation(picks)
	want := NewMatrix(5, cols)
	copy(want.Row(1), f.batch.Row(picks[0]))
	copy(want.Row(3), f.batch.Row(picks[1]))
	if !slices.Equal(f.next.Values, want.Values) {
		t.Error("centroids 1 and 3, and only these, should have moved to the first picks of the batch")
	}
	if want := []float64{300, 40, 40, 40, 50}; !slices.Equal(f.weights, want) {
		t.Errorf("got weights %v, want %v", f.weights, want)
	}
	f.reassign() // none is low now
	if after := mt19937.New(5); f.rng.Uint32() != drawn(after, len(picks)).Uint32() {
		t.Error("nothing to move, but the stream has moved")
	}
}

// drawn moves s on by one permutation.
func drawn(s *mt19937.Source, n int) *mt19937.Source {
	s.Permutation(make([]int, n))
	return s
}

// TestStep has two centroids and one without members.
func TestStep(t *testing.T) {
	f := NewFitter(Options{K: 3, Stream: Sklearn13})
	f.matrix = NewMatrix(0, cols)
	f.reset(5)
	clear(f.centroids.Values)
	clear(f.batch.Values)
	for i, x := range []float64{1, 2, 9, 13, 13} { // a row may come twice
		f.batch.Row(i)[0] = x
	}
	for c, x := range []float64{0, 10, 100} {
		f.centroids.Row(c)[0] = x
	}
	copy(f.weights, []float64{2, 0, 7})
	inertia := f.step()
	if want := 1.0 + 4 + 1 + 9 + 9; inertia != want {
		t.Errorf("got inertia %v, want %v", inertia, want)
	}
	for c, want := range []float64{0.75, (9. + 13 + 13) * (1. / 3), 100} {
		if got := f.next.Row(c)[0]; got != want {
			t.Errorf("centroid %d moved to %v, want %v", c, got, want)
		}
	}
	if want := []float64{4, 3, 7}; !slices.Equal(f.weights, want) {
		t.Errorf("got weights %v, want %v", f.weights, want)
	}
}

func TestPick(t *testing.T) {
	s := start{
		closest: []float64{1, 0, 2, 0, 4, 99}, running: make([]float64, 5),
		targets: []float64{0, 0.5, 1, 1.5, 3, 3.5, 7, 7.5}, picks: make([]int, 8),
	}
	s.pick(5)
	if want := []int{0, 0, 0, 2, 2, 4, 4, 4}; !slices.Equal(s.picks, want) {
		t.Errorf("got %v, want %v", s.picks, want)
	}
}

// TestPotentials has numbers whose sums differ in the last bits.
func TestPotentials(t *testing.T) {
	v := matrix{N: 21, Groups: 3}.make().Values
	for s := Sklearn12; s <= Sklearn19; s++ {
		f := NewFitter(Options{K: 8, Stream: s})
		f.start.reset(len(v), cols, 4)
		first, later := onesDot(v), laneSum(v, 1, 4)
		if s == Sklearn12 {
			first, later = pairwise.Sum(v), pairwise.Sum(v)
		}
		if got := f.firstPotential(v); got != first {
			t.Errorf("%v: got first potential %v, want %v", s, got, first)
		}
		if got := f.potential(v, 1); got != later {
			t.Errorf("%v: got potential %v, want %v", s, got, later)
		}
	}
	if a, b, c := pairwise.Sum(v), onesDot(v), laneSum(v, 1, 4); a == b || a == c {
		t.Errorf("the sums are %v, %v and %v, so the test tells nothing", a, b, c)
	}
}

// TestFitAddsUp compares what a fit tells of itself with its centroids.
func TestFitAddsUp(t *testing.T) {
	for _, n := range []int{33, 64, 500, 2049} {
		rows := matrix{N: n, Groups: 7, Zero: 9}.make()
		o := Defaults()
		o.BatchSize = 150
		m, err := FitKMeans(rows, o)
		if err != nil {
			t.Fatal(err)
		}
		sizes, inertia := make([]int, o.K), 0.0
		for i := range n {
			l := plainNearest(rows.Row(i), m.Centroids, o.K)
			sizes[l]++
			inertia += squaredDistance(rows.Row(i), m.Centroids.Row(l))
		}
		if !reflect.DeepEqual(sizes, m.Sizes) || inertia != m.Inertia {
			t.Errorf("%d rows: got sizes %v and inertia %v, want %v and %v", n, m.Sizes, m.Inertia, sizes, inertia)
		}
		batch := min(n, o.BatchSize)
		if most := 100 * n / batch; m.Steps < 2 || m.Steps > most {
			t.Errorf("%d rows: got %d steps, want 2 to %d", n, m.Steps, most)
		}
		if want := int(math.Ceil(float64(m.Steps*batch) / float64(n))); m.Iterations != want {
			t.Errorf("%d rows: %d steps are %d iterations, want %d", n, m.Steps, m.Iterations, want)
		}
	}
}

// plainDot is the definition of a dot product in the kernels.
func plainDot(x, c []float64) (dot float64) {
	for j, v := range x {
		dot = math.FMA(v, c[j], dot)
	}
	return dot
}

func plainNearest(x []float64, centroids Matrix, k int) int {
	best, at := math.Inf(1), 0
	for c := range k {
		y := centroids.Row(c)
		if v := -2*plainDot(x, y) + squaredNorm(y); v < best {
			best, at = v, c
		}
	}
	return at
}

// TestAssignPlainly has numbers of rows and centroids around the sizes of a
// chunk and a panel.
func TestAssignPlainly(t *testing.T) {
	eachKernel(t, func(t *testing.T, _ bool) {
		for _, k := range []int{1, 31, 32, 33, 64, 65} {
			m := NewModel(*unscaled(cols), twins(k, cols)).KMeans
			for _, n := range []int{0, 1, 63, 64, 65, 128, 130} {
				rows := matrix{N: n, Groups: 5, Salt: 3}.make()
				const untouched = -7
				labels, distances := []int{untouched}, []float64{untouched}
				for range n {
					labels = append(labels, untouched)
				}
				distances = append(distances, make([]float64, n*k)...)
				m.Assign(rows, labels[1:], distances[1:])
				if labels[0] != untouched || distances[0] != untouched {
					t.Fatal("wrote before the beginning")
				}
				for i := range n {
					x := rows.Row(i)
					if want := plainNearest(x, m.Centroids, k); labels[1+i] != want {
						t.Fatalf("k = %d, row %d of %d: got label %d, want %d", k, i, n, labels[1+i], want)
					}
					for c := range k {
						y := m.Centroids.Row(c)
						want := math.Sqrt(max(0, (-2*plainDot(x, y)+squaredNorm(x))+squaredNorm(y)))
						if got := distances[1+i*k+c]; got != want {
							t.Fatalf("k = %d, row %d of %d, centroid %d: got distance %v, want %v", k, i, n, c, got, want)
						}
					}
				}
			}
		}
	})
}

// TestCloserPlainly has limits below, among and above the squared distances.
func TestCloserPlainly(t *testing.T) {
	const n, stride = 5, 2*width + 1
	points, rows := twins(width, cols), matrix{N: n, Groups: 2, Salt: 5}.make()
	copy(rows.Values, points.first(2).Values) // at distance 0, up to rounding
	points32 := packed(points).at(0)
	norms := make([]float64, n)
	for i := range norms {
		norms[i] = squaredNorm(rows.Row(i))
	}
	limit := new([width]float64)
	for i := range limit {
		limit[i] = []float64{0, 30, math.Inf(1)}[i%3]
	}
	eachKernel(t, func(t *testing.T, _ bool) {
		const untouched = -7
		v := slices.Repeat([]float64{untouched}, n*stride)
		closer(v, stride, rows, norms, points32, limit)
		for i, got := range v {
			row, at := i/stride, i%stride
			want := float64(untouched)
			if at < width {
				y := points.Row(at)
				want = min(limit[at], max(0, (-2*plainDot(rows.Row(row), y)+norms[row])+squaredNorm(y)))
			}
			if got != want {
				t.Errorf("row %d, place %d: got %v, want %v", row, at, got, want)
			}
		}
	})
}

// TestKernelsTrustNobody calls the kernels with slices that are too short: the
// assembly must not run past their ends.
func TestKernelsTrustNobody(t *testing.T) {
	rows := twins(4, cols)
	points := packed(rows).at(0)
	limit := new([width]float64)
	two := make([]float64, 2)
	eachKernel(t, func(t *testing.T, portable bool) {
		mean, sum := make([]float64, cols), make([]float64, cols)
		short := sum[: cols-1 : cols-1]
		nearest(Matrix{}, points, 0, nil, nil)
		closer(nil, width, Matrix{}, nil, points, limit)
		transform(Matrix{}, rows, nil, mean, mean)
		addRows(sum, rows, nil)
		addDeviations(sum, sum, rows, nil, mean)
		nearest(rows, points, 0, two, make([]int, 2))
		closer(make([]float64, 2*width), width, rows.first(2), two, points, limit)
		transform(NewMatrix(2, cols), rows, []int{0, 3}, mean, mean)
		calls := map[string]func(){
			"fewer rows than least values": func() { nearest(Matrix{cols, rows.Values[: 2*cols-1 : 2*cols-1]}, points, 0, two, make([]int, 2)) },
			"labels too short":             func() { nearest(rows, points, 0, two, make([]int, 1)) },
			"matrix too short": func() {
				closer(make([]float64, 2*width), width, Matrix{cols, rows.Values[: 2*cols-1 : 2*cols-1]}, two, points, limit)
			},
			"results too short":        func() { closer(make([]float64, 2*width-1), width, rows, two, points, limit) },
			"row behind the matrix":    func() { transform(NewMatrix(2, cols), rows, []int{0, 4}, mean, mean) },
			"row before the matrix":    func() { transform(NewMatrix(2, cols), rows, []int{-1, 0}, mean, mean) },
			"no room for scaled rows":  func() { transform(NewMatrix(1, cols), rows, []int{0, 1}, mean, mean) },
			"means too short":          func() { transform(NewMatrix(1, cols), rows, []int{0}, short, mean) },
			"deviations too short":     func() { transform(NewMatrix(1, cols), rows, []int{0}, mean, short) },
			"sum of a row behind":      func() { addRows(sum, rows, []int{4}) },
			"sum too short":            func() { addRows(short, rows, []int{0}) },
			"deviations of row before": func() { addDeviations(sum, sum, rows, []int{-1}, mean) },
			"shifts too short":         func() { addDeviations(short, sum, rows, []int{0}, mean) },
			"squares too short":        func() { addDeviations(sum, short, rows, []int{0}, mean) },
			"their means too short":    func() { addDeviations(sum, sum, rows, []int{0}, short) },
		}
		if !portable { // which a panel too short gives other norms
			calls["panel too short"] = func() { nearest(rows, points[:len(points)-1:len(points)-1], 0, two, make([]int, 2)) }
		}
		for name, call := range calls {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: no panic", name)
					}
				}()
				for i := range two {
					two[i] = math.Inf(1)
				}
				call()
			}()
		}
	})
}

func TestScalerPlainly(t *testing.T) {
	const n = 200
	rows := matrix{N: n, Groups: 3, Zero: 5}.make()
	index := listTo(n)[10 : n-10]
	eachKernel(t, func(t *testing.T, _ bool) { testScalerPlainly(t, rows, index) })
}

func testScalerPlainly(t *testing.T, rows Matrix, index []int) {
	s := FitScaler(rows, index)
	for j := range cols {
		var sum, square float64
		for _, i := range index {
			sum += rows.Row(i)[j]
		}
		mean := sum / float64(len(index))
		for _, i := range index {
			d := rows.Row(i)[j] - mean
			square += d * d
		}
		if want := math.Sqrt(square / float64(len(index))); s.Mean[j] != mean || math.Abs(s.Scale[j]-want) > 1e-14*want {
			t.Errorf("column %d: got mean %v and scale %v, want %v and %v", j, s.Mean[j], s.Scale[j], mean, want)
		}
	}
}

// TestScalerCorrectsTheMean has values whose mean cannot be written down: the
// deviations from the rounded mean are all off by the same amount.
func TestScalerCorrectsTheMean(t *testing.T) {
	rows := NewMatrix(3, cols)
	for i, x := range []float64{0, 0, 1} {
		rows.Row(i)[0] = 1<<40 + x
	}
	s := FitScaler(rows, listTo(3))
	if want := math.Sqrt(2. / 9); math.Abs(s.Scale[0]-want) > 1e-15 {
		t.Errorf("got scale %v, want %v", s.Scale[0], want)
	}
}

// TestScalerTellsFinite compares what is known of scaled rows with what they are.
func TestScalerTellsFinite(t *testing.T) {
	const n = 12
	rng := rand.New(rand.NewPCG(3, 4))
	known := 0
	for run := range 3000 {
		rows := matrix{N: n, Groups: 3, Zero: 5, Salt: uint64(run)}.make()
		exponent := rng.IntN(616) - 308
		for i := range n {
			x := &rows.Row(i)[7]
			switch *x = math.Pow(10, float64(exponent)); run % 4 {
			case 1:
				*x *= rng.Float64()
			case 2:
				*x = math.Nextafter(*x, float64(rng.IntN(2)))
			case 3:
				*x = []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, *x}[rng.IntN(5)]
			}
		}
		s, finite := fitScaler(rows, listTo(n))
		is := true
		s.eachChunk(rows, listTo(n), func(_ int, scaled Matrix) {
			for i := range n {
				is = is && squaredNorm(scaled.Row(i)) <= math.MaxFloat64
			}
		})
		if finite && !is {
			t.Errorf("run %d: rows that are not finite are said to be", run)
		}
		if finite {
			known++
		}
		// A fit in which it is not known finds it out.
		o := Options{K: 2, Folds: 2, BatchSize: 4, Seed: 1, Stream: Sklearn13}
		folds := slices.Repeat([]uint16{1}, n)
		if _, err := NewFitter(o).FitFold(rows, folds, 0); errors.Is(err, ErrNotFinite) == is {
			t.Errorf("run %d: rows that are finite (%v): got error %v", run, is, err)
		}
	}
	if known < 1000 {
		t.Errorf("only %d runs of 3,000 are known to be finite", known)
	}
}
