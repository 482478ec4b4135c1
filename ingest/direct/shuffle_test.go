package direct

import (
	"math"
	"testing"
)

// TestUnshuffle checks all parts of chunks of some lengths.
func TestUnshuffle(t *testing.T) {
	for n := range 40 {
		b := make([]byte, 8*n)
		for i := range n {
			for k := range 8 {
				b[k*n+i] = byte(i*31 + k*7 + 1)
			}
		}
		for first := range n {
			values := make([]float64, n-first)
			unshuffle(values, b, first)
			for i, v := range values {
				for k := range 8 {
					if got, want := byte(math.Float64bits(v)>>(8*k)), byte((first+i)*31+k*7+1); got != want {
						t.Fatalf("%d values from %d: byte %d of value %d is %d, want %d", n, first, k, i, got, want)
					}
				}
			}
		}
	}
}

func BenchmarkUnshuffle(b *testing.B) {
	shuffled, values := make([]byte, 8192), make([]float64, 1024)
	b.SetBytes(8192)
	for b.Loop() {
		unshuffle(values, shuffled, 0)
	}
}
