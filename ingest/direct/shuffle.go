package direct

import "math"

// unshuffle decodes as many values as there is place for out of shuffled ones,
// from value first on: b holds the first bytes of all values, then the second
// ones, and so on.
func unshuffle(values []float64, b []byte, first int) {
	n := len(b) / 8
	var plane [8][]byte // byte k of the values
	for k := range plane {
		plane[k] = b[k*n+first:][:len(values)]
	}
	i := 0
	for ; i+8 <= len(values); i += 8 {
		transpose((*[8]float64)(values[i:]), &plane, i)
	}
	for ; i < len(values); i++ {
		var v uint64
		for k := range plane {
			v |= uint64(plane[k][i]) << (8 * k)
		}
		values[i] = math.Float64frombits(v)
	}
}

// transpose decodes eight values at once: as a matrix of eight by eight bytes,
// it is turned in blocks of four, two and one.
func transpose(values *[8]float64, plane *[8][]byte, i int) {
	var x [8]uint64
	for k := range x {
		x[k] = le.Uint64(plane[k][i:])
	}
	for k := range 4 {
		t := (x[k]>>32 ^ x[k+4]) & 0x00000000ffffffff
		x[k], x[k+4] = x[k]^t<<32, x[k+4]^t
	}
	for _, k := range [4]int{0, 1, 4, 5} {
		t := (x[k]>>16 ^ x[k+2]) & 0x0000ffff0000ffff
		x[k], x[k+2] = x[k]^t<<16, x[k+2]^t
	}
	for k := 0; k < 8; k += 2 {
		t := (x[k]>>8 ^ x[k+1]) & 0x00ff00ff00ff00ff
		x[k], x[k+1] = x[k]^t<<8, x[k+1]^t
	}
	for k := range x {
		values[k] = math.Float64frombits(x[k])
	}
}
