package cluster

import "math"

// OpenBLAS has another kernel for small products of matrices of 32 columns or
// more, which adds up in another order than [panel.dots]. With 30 columns it never
// runs. With 90 it decides between twin centroids, and between candidates of
// k-means++ that leave the same potential.

// smallProduct reports whether the kernel for small products multiplies so many
// rows by so many points (dgemm_small_matrix_permit for AVX-512).
func smallProduct(cols, points, rows int) bool { return cols >= 32 && points*rows <= 1200 }

// lloydChunk is how many rows scikit-learn labels at a time.
const lloydChunk = 256

// firstSmall returns the first of n rows from which on they are labelled by small
// products: those of the last chunk, if it is small enough; all, if a full chunk
// is; or none.
func firstSmall(cols, k, n int) int {
	switch {
	case smallProduct(cols, k, min(n, lloydChunk)):
		return 0
	case smallProduct(cols, k, n%lloydChunk):
		return n - n%lloydChunk
	}
	return n
}

// smallDot returns the product of x and point i as that kernel adds up
// (dgemm_small_kernel_tn for AVX-512): fused in eight lanes, which are folded by
// neighbours; or by halves in the corner, where neither the rows nor the points
// fill a group of four.
func (p panel) smallDot(x []float64, i int, corner bool) float64 {
	var l [8]float64
	for j, v := range x {
		l[j%8] = math.FMA(v, p[j*width+i], l[j%8])
	}
	if corner {
		return ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]))
	}
	return ((l[0] + l[1]) + (l[2] + l[3])) + ((l[4] + l[5]) + (l[6] + l[7]))
}

// isCorner reports whether row i of so many, and point j of so many, are both in
// no group of four.
func isCorner(i, rows, j, points int) bool { return i >= rows&^3 && j >= points&^3 }

// labelSmall is [label] by small products with k points. The rows stand from place
// first on among those that are labelled together.
func labelSmall(matrix Matrix, panels panels, k, first, together int, labels []int) {
	for i := range labels {
		best := math.Inf(1)
		labels[i] = 0
		for c := range k {
			d := panels.at(c/width).smallDot(matrix.Row(i), c%width, isCorner(first+i, together, c, k))
			if v := float64(-2*d) + panels.norm(c); v < best {
				best, labels[i] = v, c
			}
		}
	}
}

// closerSmall is [closer] for panel number of those that have so many points, by
// small products.
func closerSmall(v []float64, stride int, matrix Matrix, norms []float64, p panel, number, points int, limit *[width]float64) {
	for t, norm := range norms {
		out := v[t*stride : t*stride+width]
		for j := range min(width, points-number*width) {
			d := p.smallDot(matrix.Row(t), j, isCorner(t, len(norms), number*width+j, points))
			s := max((float64(-2*d)+norm)+p.norms()[j], 0)
			out[j] = min(s, limit[j])
		}
	}
}

// equallyNear reports whether the two centroids, to which a row has the given
// distances, are equally near to it but for what small products may round
// otherwise.
func (m *KMeans) equallyNear(distances []float64, a, b int) bool {
	if m.Centroids.Cols < 32 || b >= m.K {
		return a == b
	}
	const rounding = 1e-13
	da, db := float64(distances[a]*distances[a]), float64(distances[b]*distances[b])
	return math.Abs(da-db) <= rounding*(da+db+m.panels.norm(a)+m.panels.norm(b))
}
