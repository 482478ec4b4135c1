package seqstat

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tatum/store"
)

// A goldenCase is one line of testdata/golden.json, which testdata/golden.py
// describes. Numbers are strings because JSON has no NaN.
type goldenCase struct {
	Name    string
	Samples string
	Gaps    string
	Count   int
	Want    string
	Error   string
}

func (g goldenCase) sequence(t *testing.T) []float64 {
	if g.Count == 0 {
		return parseFloats(t, g.Samples)
	}
	gaps := parseFloats(t, g.Gaps)
	seq := make([]float64, g.Count+1)
	for i := range g.Count {
		seq[i+1] = seq[i] + gaps[i%len(gaps)]
	}
	return seq
}

func parseFloats(t *testing.T, s string) []float64 {
	t.Helper()
	var out []float64
	for field := range strings.FieldsSeq(s) {
		v, err := strconv.ParseFloat(field, 64)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

func readGolden(t *testing.T) []goldenCase {
	t.Helper()
	data, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []goldenCase }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) == 0 {
		t.Fatal("testdata/golden.json has no cases")
	}
	return file.Cases
}

func TestVectorEqualsReference(t *testing.T) {
	var c Calculator
	for _, test := range readGolden(t) {
		t.Run(test.Name, func(t *testing.T) {
			got, err := c.Vector(test.sequence(t))
			if (err != nil) != (test.Error != "") {
				t.Fatalf("got error %v, want %q", err, test.Error)
			}
			if test.Error != "" {
				if !slices.Equal(got, make(store.Vector, store.NumStats)) {
					t.Errorf("got %v with an error, want zeros", got)
				}
				return
			}
			want := parseFloats(t, test.Want)
			if len(want) != len(got) {
				t.Fatalf("golden vector has %d values, want %d", len(want), len(got))
			}
			for i := range got {
				if !agree(i, got[i], want[i]) {
					t.Errorf("statistic %d: got %x, want %x", i, got[i], want[i])
				}
			}
		})
	}
}

// Places of the two statistics that depend on the C library's pow.
const (
	skewAt     = 4
	kurtosisAt = 5
)

// agree reports whether got is want to the bit or, for skew and kurtosis, as
// close as two correct implementations of pow let them be.
func agree(statistic int, got, want float64) bool {
	switch statistic {
	case skewAt:
		return ulps(got, want) <= 2
	case kurtosisAt:
		return ulps(got+3, want+3) <= 2
	}
	return math.Float64bits(got) == math.Float64bits(want)
}

// ulps returns how many float64 lie between a and b, plus one if they differ.
func ulps(a, b float64) uint64 {
	x, y := math.Float64bits(a), math.Float64bits(b)
	return max(x, y) - min(x, y)
}
