package seqstat

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

func TestPow3HalfIsCorrectlyRounded(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		x := math.Exp2(rng.Float64()*200 - 100)
		root := new(big.Float).SetPrec(400).SetFloat64(x)
		root.Sqrt(root)
		exact := new(big.Float).SetPrec(400).SetFloat64(x)
		want, _ := exact.Mul(exact, root).Float64()
		if got := pow3half(x); got != want {
			t.Fatalf("pow3half(%x): got %x, want %x", x, got, want)
		}
	}
}

func TestPow3HalfOverflows(t *testing.T) {
	for _, x := range []float64{1e206, math.MaxFloat64, math.Inf(1)} {
		if got := pow3half(x); !math.IsInf(got, 1) {
			t.Errorf("pow3half(%g): got %v, want +Inf", x, got)
		}
	}
}
