package cluster

import "cmp"

// cols is how many columns the matrices of most tests have.
const cols = 30

// A matrix describes a made-up matrix that testdata/golden.py makes too, bit
// for bit: integers mixed by splitmix64, and arithmetic that rounds nowhere
// differently.
type matrix struct {
	N        int    // rows
	Cols     int    // if 0, cols
	Salt     uint64 // another matrix of the same kind
	Groups   int    // rows are spread about so many centres; 0 is 1
	Distinct int    // if not 0, only so many different rows
	Zero     int    // if not 0, about one row in Zero is all zeros
	Constant int    // if not 0, columns c with c%Constant == 1 hold 0.1
}

// unit returns the number in [0, 1) that belongs to the place (a, b) of
// stream s.
func (m matrix) unit(s, a, b int) float64 {
	return float64(m.bits(s, a, b)>>11) / (1 << 53)
}

func (m matrix) bits(s, a, b int) uint64 {
	z := (m.Salt<<40 + uint64(s)<<36 + uint64(a)<<8 + uint64(b)) * 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (m matrix) make() Matrix {
	out := NewMatrix(m.N, cmp.Or(m.Cols, cols))
	for i := range m.N {
		id := i
		if m.Distinct > 0 {
			id = int(m.bits(0, i, 0) % uint64(m.Distinct))
		}
		if m.Zero > 0 && m.bits(1, id, 0)%uint64(m.Zero) == 0 {
			continue
		}
		group := int(m.bits(2, id, 0) % uint64(max(m.Groups, 1)))
		for c := range out.Cols {
			// Explicit conversions: Go may fuse a product with a sum.
			x := float64(m.unit(3, group, c)*4) + m.unit(4, id, c) + m.unit(5, id, c)
			if m.Constant > 0 && c%m.Constant == 1 {
				x = 0.1
			}
			out.Row(i)[c] = x
		}
	}
	return out
}

// listTo returns 0 … n-1.
func listTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// eachKernel runs f with the kernels this machine uses and with the portable
// ones.
func eachKernel[T interface {
	Run(string, func(T)) bool
}](t T, f func(t T, portable bool)) {
	t.Run("default", func(t T) { f(t, false) })
	n, c, s, a, d := nearest, closer, transform, addRows, addDeviations
	defer func() { nearest, closer, transform, addRows, addDeviations = n, c, s, a, d }()
	nearest, closer = nearestGeneric, closerGeneric
	transform, addRows, addDeviations = transformGeneric, addRowsGeneric, addDeviationsGeneric
	t.Run("portable", func(t T) { f(t, true) })
}
