package cluster

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// distanceTolerance is the largest relative error of a distance. All kept
// distances but those of a single centroid or row are equal to the bit.
const distanceTolerance = 1e-9

// zeroDistance is what rounding leaves of a distance of 0. With many columns it may
// be another for a row on its own, as tatum measures it, than for a few together.
const zeroDistance = 1e-6

// A golden file is written by testdata/golden.py, which says what is in it.
type golden struct {
	Stream, Made string
	Cases        []goldenCase
}

type goldenCase struct {
	Matrix    matrix
	Options   Options
	Labels    string
	Distances []string
	Steps     []int
	Inertia   []float64
}

func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/golden-*.json")
	if err != nil || len(files) != 3 {
		t.Fatalf("golden files: got %d (%v), want 3", len(files), err)
	}
	eachKernel(t, func(t *testing.T, portable bool) {
		for _, name := range files {
			t.Run(filepath.Base(name), func(t *testing.T) { testGolden(t, name, portable || testing.Short()) })
		}
	})
}

// testGolden runs all cases of a golden file, or if slow only the small ones.
func testGolden(t *testing.T, name string, slow bool) {
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Cases) == 0 {
		t.Fatal("no cases")
	}
	stream, err := ParseRandomStream(g.Stream)
	if err != nil {
		t.Fatal(err)
	}
	// One Fitter for all: what it fitted before must not matter.
	f := NewFitter(Options{})
	for _, c := range g.Cases {
		if slow && c.Matrix.N > 600 {
			continue
		}
		f.opts = c.Options
		f.opts.Stream = stream
		t.Run(fmt.Sprintf("%+v/%+v", c.Matrix, c.Options), func(t *testing.T) {
			c.compare(t, outOfFold(t, f, c.Matrix.make()))
		})
	}
}

func (c *goldenCase) compare(t *testing.T, got fits) {
	labels, err := hex.DecodeString(c.Labels)
	if err != nil || len(labels) != len(got.labels) {
		t.Fatalf("got %d labels, want %d (%v)", len(got.labels), len(labels), err)
	}
	wrong := 0
	for i, l := range labels {
		if int(l) != got.labels[i] {
			wrong++
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d labels differ", wrong, len(labels))
	}
	if !slices.Equal(got.steps, c.Steps) {
		t.Errorf("got steps %v, want %v", got.steps, c.Steps)
	}
	for i, want := range c.Inertia {
		if !near(got.inertia[i], want) {
			t.Errorf("fold %d: got inertia %v, want %v", i, got.inertia[i], want)
		}
	}
	for i, s := range c.Distances {
		bits, err := strconv.ParseUint(s, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		if d, want := got.distances[i*997], math.Float64frombits(bits); !near(d, want) && max(d, want) > zeroDistance {
			t.Errorf("distance %d: got %v, want %v", i*997, d, want)
		}
	}
}

// near says whether got is want up to distanceTolerance. An inertia that is the
// rounding error of 0, in columns with a variance of 1, counts as 0.
func near(got, want float64) bool {
	return math.Abs(got-want) <= distanceTolerance*math.Abs(want) || math.Abs(got-want) < 1e-20
}

type fits struct {
	labels    []int
	distances []float64
	steps     []int
	inertia   []float64
}

// outOfFold fits every fold of rows and labels the rows it holds out.
func outOfFold(t *testing.T, f *Fitter, rows Matrix) fits {
	t.Helper()
	n, k := rows.Rows(), f.opts.K
	out := fits{labels: make([]int, n), distances: make([]float64, n*k)}
	folds, err := Folds(n, f.opts.Folds, f.opts.Seed)
	if err != nil {
		t.Fatal(err)
	}
	for fold := range f.opts.Folds {
		m, err := f.FitFold(rows, folds, fold)
		if err != nil {
			t.Fatal(err)
		}
		_, held := Split(folds, fold)
		labels, distances := make([]int, len(held)), make([]float64, len(held)*k)
		m.nearest(rows, held, labels, make([]float64, len(held)))
		m.Assign(rows, held, nil, distances)
		for i, h := range held {
			out.labels[h] = labels[i]
			copy(out.distances[h*k:], distances[i*k:(i+1)*k])
		}
		out.steps = append(out.steps, m.KMeans.Steps)
		out.inertia = append(out.inertia, m.KMeans.Inertia)
	}
	return out
}
