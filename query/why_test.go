package query

import (
	"math"
	"math/rand/v2"
	"testing"

	"tatum/store"
)

// TestPartsOfDistance adds the parts of distances up.
func TestPartsOfDistance(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	made := func() store.Vector {
		v := make(store.Vector, store.NumStats)
		for i := range v {
			v[i] = math.Abs(rng.NormFloat64()) * 3
		}
		return v
	}
	vectors := []store.Vector{make(store.Vector, store.NumStats), made(), made(), made()}
	for i, a := range vectors {
		for j, b := range vectors {
			sum := 0.0
			for _, part := range newProfile(a).parts(b) {
				sum += part
			}
			if want := Distance(a, b); math.Abs(sum/store.NumStats-want) > 1e-14 {
				t.Errorf("%d and %d: mean of the parts %v, distance %v", i, j, sum/store.NumStats, want)
			}
		}
	}
}
