package cluster

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// TestFuzzAgainstReference compares the cases that testdata/fuzz.py has written
// to the directory TATUM_FUZZ_DIR. It tells which have a differing label; the
// script's "again" tells whether the reference differs from itself there.
func TestFuzzAgainstReference(t *testing.T) {
	dir := os.Getenv("TATUM_FUZZ_DIR")
	if dir == "" {
		t.Skip("TATUM_FUZZ_DIR is not set")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in %q (%v)", dir, err)
	}
	runs, differing := 0, 0
	var worst float64
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var g golden
		if err := json.Unmarshal(data, &g); err != nil {
			t.Fatal(err)
		}
		stream, err := ParseRandomStream(g.Stream)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range g.Cases {
			c.Options.Stream = stream
			labels, distance := c.differences(t)
			if runs++; labels > 0 {
				differing++
				t.Errorf("%s, case %d: %d labels differ: %+v %+v", name, i, labels, c.Matrix, c.Options)
				continue
			}
			worst = max(worst, distance)
		}
	}
	t.Logf("%d runs, %d with a differing label; worst relative error of a distance %.2g", runs, differing, worst)
	if worst > distanceTolerance {
		t.Errorf("worst relative error of a distance is %v, want at most %v", worst, distanceTolerance)
	}
}

// differences returns how many labels differ and the largest relative error of
// a distance.
func (c *goldenCase) differences(t *testing.T) (labels int, distance float64) {
	t.Helper()
	want, err := hex.DecodeString(c.Labels)
	got := outOfFold(t, NewFitter(c.Options), c.Matrix.make())
	if err != nil || len(want) != len(got.labels) || len(want) == 0 {
		t.Fatalf("got %d labels, want %d (%v)", len(got.labels), len(want), err)
	}
	for i, l := range want {
		if int(l) != got.labels[i] {
			labels++
		}
	}
	for i, s := range c.Distances {
		bits, err := strconv.ParseUint(s, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		d, want := got.distances[i*997], math.Float64frombits(bits)
		if !near(d, want) && max(d, want) < zeroDistance {
			continue
		}
		if d != want {
			distance = max(distance, math.Abs(d-want)/want)
		}
	}
	return labels, distance
}
