package cluster

import "math"

// This file adds numbers up in the orders of the libraries under
// scikit-learn. Each order is part of the result: twin centroids, which lie a
// rounding error apart, are common, and the last bit decides between them.
// Products are wrapped in float64() where Go might otherwise fuse them with
// the addition that follows. A row has a multiple of four columns and two more, as
// 30 and 90 are; how others end would have to be found out.

// squaredNorm returns Σx² as numpy.einsum("ij,ij->i") does with two lanes: even
// and odd positions apart, and in each group of eight the pairs from the last
// to the first.
func squaredNorm(x []float64) float64 {
	var even, odd float64
	for ; len(x) >= 8; x = x[8:] {
		g := (*[8]float64)(x)
		even += float64(g[6] * g[6])
		odd += float64(g[7] * g[7])
		even += float64(g[4] * g[4])
		odd += float64(g[5] * g[5])
		even += float64(g[2] * g[2])
		odd += float64(g[3] * g[3])
		even += float64(g[0] * g[0])
		odd += float64(g[1] * g[1])
	}
	for ; len(x) >= 2; x = x[2:] {
		even += float64(x[0] * x[0])
		odd += float64(x[1] * x[1])
	}
	return even + odd
}

// firstDot returns x·c for row i of m as OpenBLAS multiplies a matrix with one
// vector (dgemv_t for AVX-512): fused in four lanes, then the last two columns.
// Rows go through it in fours; one left over is not fused, two are added up in
// two lanes. Only distances to the first k-means++ centre are taken that way.
func firstDot(x, c []float64, i, m int) float64 {
	var l [4]float64
	fours, pairs := m&^3, m&^1
	two := len(x) - 2
	switch {
	case i < fours:
		for j := range two {
			l[j%4] = math.FMA(x[j], c[j], l[j%4])
		}
	case i < pairs:
		for j := range two {
			l[j%2] += float64(x[j] * c[j])
		}
	default:
		for j := range two {
			l[j%4] += float64(x[j] * c[j])
		}
	}
	s := (l[0] + l[2]) + (l[1] + l[3])
	return s + math.FMA(x[two], c[two], float64(x[two+1]*c[two+1]))
}

// squaredDistance returns Σ(x-c)² as scikit-learn's _euclidean_dense_dense
// does: four columns at a time, the last two one by one.
func squaredDistance(x, c []float64) float64 {
	var s float64
	for ; len(x) >= 4 && len(c) >= 4; x, c = x[4:], c[4:] {
		d0, d1, d2, d3 := x[0]-c[0], x[1]-c[1], x[2]-c[2], x[3]-c[3]
		s += float64(d0*d0) + float64(d1*d1) + float64(d2*d2) + float64(d3*d3)
	}
	d0, d1 := x[0]-c[0], x[1]-c[1]
	s += float64(d0 * d0)
	return s + float64(d1*d1)
}

// laneSum returns Σv for line t of lines of equal length as OpenBLAS
// multiplies a matrix with a vector of ones (dgemv_t for AVX-512): four lanes
// that are folded every 2,048 elements. Lines go through it in fours; if two or
// three are left over, the first two of them are added up in two lanes.
func laneSum(v []float64, t, lines int) float64 {
	const block = 2048
	fours := lines &^ 3
	two := lines-fours >= 2 && (t == fours || t == fours+1)
	var s float64
	body := len(v) &^ 3
	for start := 0; start < body; start += block {
		b := v[start:min(start+block, body)]
		if two {
			s += twoLanes(b)
		} else {
			s += fourLanes(b)
		}
	}
	switch t := v[body:]; len(t) {
	case 1:
		s += t[0]
	case 2:
		s += t[0] + t[1]
	case 3:
		s += (t[0] + t[1]) + t[2]
	}
	return s
}

func fourLanes(v []float64) float64 {
	var l0, l1, l2, l3 float64
	for ; len(v) >= 4; v = v[4:] {
		l0 += v[0]
		l1 += v[1]
		l2 += v[2]
		l3 += v[3]
	}
	return (l0 + l2) + (l1 + l3)
}

func twoLanes(v []float64) float64 {
	var l0, l1 float64
	for ; len(v) >= 2; v = v[2:] {
		l0 += v[0]
		l1 += v[1]
	}
	return l0 + l1
}

// onesDot returns Σv as OpenBLAS multiplies a vector with a vector of ones
// (ddot for AVX-512, one thread): 32 lanes, folded to 16, then to 4.
func onesDot(v []float64) float64 {
	var wide [32]float64
	var lane [16]float64
	n16 := len(v) &^ 15
	n32 := n16 &^ 31
	for i, x := range v[:n32] {
		wide[i%32] += x
	}
	for i := range lane {
		r, c := i/4, i%4
		lane[i] = wide[8*r+c] + wide[8*r+4+c]
	}
	for i, x := range v[n32:n16] {
		lane[i%16] += x
	}
	var c [4]float64
	for j := range c {
		c[j] = ((lane[j] + lane[4+j]) + lane[8+j]) + lane[12+j]
	}
	s := (c[0] + c[2]) + (c[1] + c[3])
	for _, x := range v[n16:] {
		s += x
	}
	return s
}

// blasDot returns x·c as OpenBLAS multiplies two vectors (ddot for AVX-512, one
// thread): as [onesDot] adds, fused.
func blasDot(x, c []float64) float64 {
	var wide [32]float64
	var lane [16]float64
	n16 := len(x) &^ 15
	n32 := n16 &^ 31
	for i, v := range x[:n32] {
		wide[i%32] = math.FMA(v, c[i], wide[i%32])
	}
	for i := range lane {
		r, col := i/4, i%4
		lane[i] = wide[8*r+col] + wide[8*r+4+col]
	}
	for i := n32; i < n16; i++ {
		lane[i%16] = math.FMA(x[i], c[i], lane[i%16])
	}
	var four [4]float64
	for j := range four {
		four[j] = ((lane[j] + lane[4+j]) + lane[8+j]) + lane[12+j]
	}
	s := (four[0] + four[2]) + (four[1] + four[3])
	for i := n16; i < len(x); i++ {
		s = math.FMA(x[i], c[i], s)
	}
	return s
}
