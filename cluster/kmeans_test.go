package cluster

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"sync"
	"testing"

	"tatum/store/pairwise"
)

func TestFolds(t *testing.T) {
	got, err := Folds(13, 4, 42)
	// scikit-learn 1.7.2, KFold(4, shuffle=True, random_state=42)
	want := []uint16{0, 1, 1, 3, 2, 1, 3, 2, 0, 0, 3, 0, 2}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	train, held := Split(got, 2)
	if !slices.Equal(held, []int{4, 7, 12}) || len(train) != 10 || !slices.IsSorted(train) {
		t.Errorf("fold 2: got %v, %v", train, held)
	}
}

func TestFoldsErrors(t *testing.T) {
	for _, c := range []struct{ n, folds int }{{4, 5}, {0, 2}, {9, 1}, {9, 0}, {9, -1}, {100000, 65536}} {
		if _, err := Folds(c.n, c.folds, 42); err == nil {
			t.Errorf("%d rows, %d folds: no error", c.n, c.folds)
		}
	}
}

func TestScalerConstantColumns(t *testing.T) {
	rows := NewMatrix(6, cols)
	for i := range 6 {
		x := rows.Row(i)
		x[1] = 0.1                   // the mean of 0.1s is not 0.1
		x[2] = 1e9 + float64(i)*1e-7 // varies by less than rounding shows
		x[3] = float64(i)
		x[4] = 1e-300 * float64(i) // squares vanish
	}
	rows.Row(5)[0] = 99 // not listed, so column 0 is constant
	s := FitScaler(rows, listTo(5))
	for j, want := range []float64{1, 1, 1, math.Sqrt2, 1, 1} {
		if s.Scale[j] != want {
			t.Errorf("scale of column %d: got %v, want %v", j, s.Scale[j], want)
		}
	}
	out := NewMatrix(2, cols)
	s.Transform(out, rows, []int{5, 0})
	if got, want := [2]float64{out.Values[0], out.Values[3]}, [2]float64{99, 3 / math.Sqrt2}; got != want {
		t.Errorf("scaled: got %v, want %v", got, want)
	}
}

func TestSumsAreSums(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 4, 5, 15, 16, 31, 32, 33, 47, 48, 63, 2047, 2048, 2050, 5003} {
		v := make([]float64, n)
		for i := range v {
			v[i] = float64(i%7 + i) // small integers add up exactly in any order
		}
		want := pairwise.Sum(v)
		if got := onesDot(v); got != want {
			t.Errorf("onesDot of %d: got %v, want %v", n, got, want)
		}
		for lines := 1; lines < 9; lines++ {
			for line := range lines {
				if got := laneSum(v, line, lines); got != want {
					t.Errorf("laneSum of %d, line %d of %d: got %v, want %v", n, line, lines, got, want)
				}
			}
		}
	}
	x, c := make([]float64, cols), make([]float64, cols)
	for j := range x {
		x[j], c[j] = float64(j), float64(j%4)
	}
	var norm, dot, distance float64
	for j := range x {
		norm += x[j] * x[j]
		dot += x[j] * c[j]
		distance += (x[j] - c[j]) * (x[j] - c[j])
	}
	if got := squaredNorm(x); got != norm {
		t.Errorf("squaredNorm: got %v, want %v", got, norm)
	}
	for m := 1; m < 9; m++ {
		for i := range m {
			if got := firstDot(x, c, i, m); got != dot {
				t.Errorf("firstDot, row %d of %d: got %v, want %v", i, m, got, dot)
			}
		}
	}
	if got := squaredDistance(x, c); got != distance {
		t.Errorf("squaredDistance: got %v, want %v", got, distance)
	}
}

func TestArgsort(t *testing.T) {
	v := []float64{0, 0, 3, 0, 1, 0, 0, 2, 5, 0, 0, 3, 0, 0, 0, 1, 4, 0, 0, 0, 2, 0}
	for _, c := range []struct {
		stream RandomStream
		want   []int
	}{
		// numpy.argsort of NumPy 1.24.2 and, with AVX-512, 2.4.6
		{Sklearn12, []int{0, 19, 18, 17, 14, 13, 12, 9, 10, 6, 5, 3, 1, 21, 4, 15, 7, 20, 11, 2, 16, 8}},
		{Sklearn13, []int{0, 1, 3, 5, 6, 13, 10, 9, 14, 12, 18, 17, 21, 19, 4, 15, 20, 7, 2, 11, 16, 8}},
	} {
		if got := argsort(v, c.stream); !slices.Equal(got, c.want) {
			t.Errorf("%v: got %v, want %v", c.stream, got, c.want)
		}
	}
	for n := range 300 {
		v := make([]float64, n)
		for i := range v {
			v[i] = float64(i * 7919 % 31)
		}
		for s := Sklearn12; s <= Sklearn19; s++ {
			order := argsort(v, s)
			if !slices.IsSortedFunc(order, func(a, b int) int { return int(v[a] - v[b]) }) {
				t.Errorf("%v, %d values: not sorted", s, n)
			}
			slices.Sort(order)
			if !slices.Equal(order, listTo(n)) {
				t.Errorf("%v, %d values: not a permutation", s, n)
			}
		}
	}
}

func TestRandomStream(t *testing.T) {
	for s := Sklearn12; s <= Sklearn19; s++ {
		if got, err := ParseRandomStream(s.String()); got != s || err != nil {
			t.Errorf("ParseRandomStream(%q): got %v, %v", s, got, err)
		}
	}
	for _, name := range []string{"", "sklearn", "sklearn-1.7"} {
		if _, err := ParseRandomStream(name); err == nil {
			t.Errorf("ParseRandomStream(%q): no error", name)
		}
	}
	if got := RandomStream(9).String(); got != "RandomStream(9)" {
		t.Errorf("got %q", got)
	}
}

func TestFitErrors(t *testing.T) {
	rows := matrix{N: 40, Groups: 3}.make()
	for name, change := range map[string]func(*Options){
		"zero":         func(o *Options) { *o = Options{} },
		"no clusters":  func(o *Options) { o.K = 0 },
		"too many":     func(o *Options) { o.K = 41 },
		"no batch":     func(o *Options) { o.BatchSize = 0 },
		"no stream":    func(o *Options) { o.Stream = 0 },
		"wrong stream": func(o *Options) { o.Stream = 4 },
	} {
		o := Defaults()
		change(&o)
		if _, err := FitKMeans(rows, o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for _, v := range []float64{math.NaN(), math.Inf(1), 1e200} {
		rows := Matrix{cols, slices.Clone(rows.Values)}
		rows.Values[77] = v
		if _, err := FitKMeans(rows, Defaults()); !errors.Is(err, ErrNotFinite) {
			t.Errorf("%v: got %v, want ErrNotFinite", v, err)
		}
	}
	folds, _ := Folds(39, 5, 42)
	if _, err := NewFitter(Defaults()).FitFold(rows.first(39), folds, 0); err == nil {
		t.Error("31 training rows for 32 clusters: no error")
	}
}

func TestCheck(t *testing.T) {
	o := Defaults()
	for n, ok := range map[int]bool{0: false, 4: false, 39: false, 40: true, 41: true, 1000000: true} {
		if err := o.Check(n); (err == nil) != ok {
			t.Errorf("%d rows: got %v", n, err)
		}
	}
}

// TestSchedule fits the folds at once and backwards; -race watches.
func TestSchedule(t *testing.T) {
	o := Defaults()
	rows := matrix{N: 700, Groups: 11, Zero: 8}.make()
	folds, err := Folds(700, o.Folds, o.Seed)
	if err != nil {
		t.Fatal(err)
	}
	models := make([]*Model, o.Folds)
	var wg sync.WaitGroup
	for fold := range models {
		wg.Go(func() { models[fold], _ = NewFitter(o).FitFold(rows, folds, fold) })
	}
	wg.Wait()
	f := NewFitter(o)
	for fold := o.Folds - 1; fold >= 0; fold-- {
		m, err := f.FitFold(rows, folds, fold)
		if err != nil || !reflect.DeepEqual(m, models[fold]) {
			t.Errorf("fold %d: models differ (%v)", fold, err)
		}
	}
}

func TestModelAssign(t *testing.T) {
	o := Defaults()
	rows := matrix{N: 300, Groups: 11, Zero: 8}.make()
	folds, err := Folds(300, o.Folds, o.Seed)
	if err != nil {
		t.Fatal(err)
	}
	fitted, err := NewFitter(o).FitFold(rows, folds, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := pairwise.Sum(toFloats(fitted.KMeans.Sizes)); got != 240 {
		t.Errorf("sizes add up to %v, want 240", got)
	}
	stored := NewModel(fitted.Scaler, fitted.KMeans.Centroids)
	labels, distances := make([]int, 300), make([]float64, 300*o.K)
	fitted.Assign(rows, listTo(300), labels, distances)
	for i := range 300 {
		// One row at a time, from a stored model, without distances too.
		one, d := make([]int, 1), make([]float64, o.K)
		stored.Assign(rows, []int{i}, one, d)
		if one[0] != labels[i] || !slices.Equal(d, distances[i*o.K:(i+1)*o.K]) {
			t.Fatalf("row %d alone: got label %d, want %d, or distances differ", i, one[0], labels[i])
		}
		one[0] = -1
		stored.Assign(rows, []int{i}, one, nil)
		if one[0] != labels[i] {
			t.Fatalf("row %d without distances: got label %d, want %d", i, one[0], labels[i])
		}
	}
}

func toFloats(a []int) []float64 {
	out := make([]float64, len(a))
	for i, v := range a {
		out[i] = float64(v)
	}
	return out
}
