package direct

import "math"

// unshuffle decodes as many values as there is place for out of shuffled ones,
// from value first on: b holds the first bytes of all values, then the second
// ones, and so on.
func unshuffle(values []float64, b []byte, first int) {
	n := len(b) / 8
	var planes [8][]byte // byte k of the values
	for k := range planes {
		planes[k] = b[k*n+first:][:len(values)]
	}
	i := 0
	for ; i+8 <= len(values); i += 8 {
		transpose((*[8]float64)(values[i:]), &planes, i)
	}
	for ; i < len(values); i++ {
		var v uint64
		for k := range planes {
			v |= uint64(planes[k][i]) << (8 * k)
		}
		values[i] = math.Float64frombits(v)
	}
}

// transpose decodes eight values at once, from value i on. Their bytes are a
// matrix of eight by eight, which is turned by swapping blocks of four by four,
// then two by two, then single bytes. Variables stay in registers, where an
// array would not.
func transpose(values *[8]float64, planes *[8][]byte, i int) {
	const fours, twos, ones = 0x00000000ffffffff, 0x0000ffff0000ffff, 0x00ff00ff00ff00ff
	a, b, c, d := le.Uint64(planes[0][i:]), le.Uint64(planes[1][i:]), le.Uint64(planes[2][i:]), le.Uint64(planes[3][i:])
	e, f, g, h := le.Uint64(planes[4][i:]), le.Uint64(planes[5][i:]), le.Uint64(planes[6][i:]), le.Uint64(planes[7][i:])

	a, e = swap(a, e, 32, fours)
	b, f = swap(b, f, 32, fours)
	c, g = swap(c, g, 32, fours)
	d, h = swap(d, h, 32, fours)

	a, c = swap(a, c, 16, twos)
	b, d = swap(b, d, 16, twos)
	e, g = swap(e, g, 16, twos)
	f, h = swap(f, h, 16, twos)

	a, b = swap(a, b, 8, ones)
	c, d = swap(c, d, 8, ones)
	e, f = swap(e, f, 8, ones)
	g, h = swap(g, h, 8, ones)

	values[0], values[1], values[2], values[3] = math.Float64frombits(a), math.Float64frombits(b), math.Float64frombits(c), math.Float64frombits(d)
	values[4], values[5], values[6], values[7] = math.Float64frombits(e), math.Float64frombits(f), math.Float64frombits(g), math.Float64frombits(h)
}

// swap swaps the parts of x above the mask with those of y under it.
func swap(x, y uint64, shift uint, mask uint64) (uint64, uint64) {
	t := (x>>shift ^ y) & mask
	return x ^ t<<shift, y ^ t
}
