package query

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"tatum/store"
)

// TestUnlikeAgrees compares what the machine does fastest with what it does
// anywhere, to the bit, and checks that a vector is not unlike itself.
func TestUnlikeAgrees(t *testing.T) {
	if reflect.ValueOf(unlike).Pointer() == reflect.ValueOf(unlikeGo).Pointer() {
		t.Log("this machine has no faster way: only unlikeGo is looked at")
	}
	rng := rand.New(rand.NewPCG(5, 6))
	odd := []float64{0, math.Copysign(0, -1), 1, -1, 5e-324, 1e-300, math.MaxFloat64, -math.MaxFloat64, math.Inf(1), math.Inf(-1), math.NaN()}
	vector := func(odds float64) store.Vector {
		v := make(store.Vector, store.NumStats)
		for i := range v {
			switch {
			case rng.Float64() < odds:
				v[i] = odd[rng.IntN(len(odd))]
			case i < densitiesAt:
				v[i] = 3 * rng.NormFloat64()
			case rng.IntN(3) > 0:
				v[i] = rng.ExpFloat64()
			}
		}
		return v
	}
	for run := range 20_000 {
		odds := float64(run%4) / 8
		a, b := vector(odds), vector(odds)
		if run%5 == 0 {
			clear(b[densitiesAt:])
		}
		p := newProfile(a)
		shape, moved := unlike(p, b)
		wantShape, wantMoved := unlikeGo(p, b)
		if !alike(shape, wantShape) || !alike(moved, wantMoved) {
			t.Fatalf("%v and %v: got %v, %v, want %v, %v", a, b, shape, moved, wantShape, wantMoved)
		}
		if shape, moved := unlike(p, a); odds == 0 && (shape != 0 || moved != 0) {
			t.Fatalf("%v: unlike itself by %v, %v", a, shape, moved)
		}
	}
}

// alike tells whether two numbers have the same bits, or are both none.
func alike(a, b float64) bool {
	return math.Float64bits(a) == math.Float64bits(b) || math.IsNaN(a) && math.IsNaN(b)
}

func BenchmarkUnlike(b *testing.B) {
	rng := rand.New(rand.NewPCG(5, 6))
	v := make(store.Vector, store.NumStats)
	for i := range v {
		v[i] = rng.ExpFloat64()
	}
	p := newProfile(v)
	for i, fn := range []func(*profile, store.Vector) (float64, float64){unlikeGo, unlike} {
		b.Run([]string{"anywhere", "here"}[i], func(b *testing.B) {
			for b.Loop() {
				fn(p, v)
			}
		})
	}
}
