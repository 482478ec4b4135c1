package cluster

import (
	"math"
	"testing"
)

// labelling returns n labels.
func labelling(n int, label func(i int) int) []uint16 {
	out := make([]uint16, n)
	for i := range out {
		out[i] = uint16(label(i))
	}
	return out
}

func TestAdjustedRand(t *testing.T) {
	mod32 := func(i int) int { return i % 32 }
	for _, c := range []struct {
		name string
		a, b []uint16
		want float64 // sklearn.metrics.adjusted_rand_score of scikit-learn 1.7.2
	}{
		{"same", []uint16{0, 0, 1, 1}, []uint16{0, 0, 1, 1}, 1},
		{"renamed", []uint16{0, 0, 1, 1}, []uint16{1, 1, 0, 0}, 1},
		{"split", []uint16{0, 0, 1, 2}, []uint16{0, 0, 1, 1}, 0.5714285714285714},
		{"one and all", []uint16{0, 0, 0, 0}, []uint16{0, 1, 2, 3}, 0},
		{"crossed", []uint16{0, 1, 0, 1}, []uint16{0, 0, 1, 1}, -0.5},
		{"one cluster", []uint16{0, 0, 0}, []uint16{0, 0, 0}, 1},
		{"each its own", []uint16{0, 1, 2}, []uint16{2, 1, 0}, 1},
		{"one row", []uint16{0}, []uint16{0}, 1},
		{"squares", labelling(1000, func(i int) int { return i * 7 % 5 }), labelling(1000, func(i int) int { return i * i % 5 }), 0.6144345812427634},
		{"shifted", labelling(5000, mod32), labelling(5000, func(i int) int { return (i + i/1000) % 32 }), 0.16907810806434787},
		{"a tenth moved", labelling(5000, mod32), labelling(5000, func(i int) int {
			if i%10 == 0 {
				return i / 10 % 32
			}
			return i % 32
		}), 0.8244066213195106},
	} {
		mean, least := agreement([][]uint16{c.a, c.b}, 32)
		if math.Abs(mean-c.want) > 1e-14 || least != mean {
			t.Errorf("%s: got %v and %v, want %v", c.name, mean, least, c.want)
		}
	}
}

func TestAgreementOfPairs(t *testing.T) {
	a, b := []uint16{0, 1, 0, 1}, []uint16{0, 0, 1, 1}
	mean, least := agreement([][]uint16{a, b, a}, 2)
	if want := (1 - 0.5 - 0.5) / 3.; math.Abs(mean-want) > 1e-15 || least != -0.5 {
		t.Errorf("got mean %v and least %v, want %v and -0.5", mean, least, want)
	}
	if mean, least := agreement([][]uint16{a}, 2); mean != 1 || least != 1 {
		t.Errorf("one labelling: got %v and %v, want 1", mean, least)
	}
}

func TestDistinctRows(t *testing.T) {
	for _, c := range []struct {
		name string
		rows Matrix
		want int
	}{
		{"none", Matrix{}, 0},
		{"all", matrix{N: 500, Groups: 3}.make(), 500},
		{"zeros", NewMatrix(9, cols), 1},
		{"repeated", matrix{N: 4000, Distinct: 3}.make(), 3},
	} {
		if got := distinctRows(c.rows); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
	rows := NewMatrix(2, cols)
	rows.Values[5] = math.Copysign(0, -1)
	if got := distinctRows(rows); got != 1 {
		t.Errorf("0 and -0: got %d, want 1", got)
	}
}
