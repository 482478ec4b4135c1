package pairwise

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"
)

// A golden file is written by testdata/golden.py, which says what is in it.
type golden struct {
	Cases []struct {
		Length, Salt int
		Bits         string
	}
}

func readGolden(t *testing.T, name string) golden {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Cases) == 0 {
		t.Fatalf("%s has no cases", name)
	}
	return g
}

// number returns number i of the cases with that salt.
func number(salt, i int) float64 {
	z := (uint64(salt)<<32 + uint64(i)) * 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return math.Ldexp(float64(int64(z>>11)-1<<52), int(z&7))
}

func numbers(salt, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = number(salt, i)
	}
	return out
}

func TestAgainstNumPy(t *testing.T) {
	for name, sum := range map[string]func([]float64) float64{
		"testdata/golden-numpy-1.json": Sum,
		"testdata/golden-numpy-2.json": SumWhole,
	} {
		for _, c := range readGolden(t, name).Cases {
			got := fmt.Sprintf("%016x", math.Float64bits(sum(numbers(c.Salt, c.Length))))
			if got != c.Bits {
				t.Errorf("%s: %d numbers with salt %d: got bits %s, want %s", name, c.Length, c.Salt, got, c.Bits)
			}
		}
	}
}

// TestNumbersTellOrdersApart guards the golden values: numbers whose sum does
// not depend on the order would prove nothing.
func TestNumbersTellOrdersApart(t *testing.T) {
	for _, n := range []int{9, 17, 129, 257, 8193} {
		apart := 0
		for salt := 1; salt <= 3; salt++ {
			a := numbers(salt, n)
			forwards := SumWhole(a)
			slices.Reverse(a)
			if SumWhole(a) != forwards {
				apart++
			}
		}
		if apart == 0 {
			t.Errorf("%d numbers have the same sum forwards and backwards", n)
		}
	}
}
