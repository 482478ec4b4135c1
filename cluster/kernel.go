package cluster

import "math"

// width is the number of points in a panel: eight AVX2 registers of four
// lanes, enough independent sums to hide the latency of a fused multiply-add.
const width = 32

// A panel holds up to width points (centroids, or rows in k-means++) turned
// round so that one column of all of them lies together, width values a column,
// and behind the last column their squared norms. Lanes are different points, so
// every dot product is added up from the first column to the last with one fused
// multiply-add a column, whatever the machine: the order of OpenBLAS's dgemm for
// AVX-512.
type panel []float64

// norms returns the squared norms of the panel's points.
func (p panel) norms() *[width]float64 { return (*[width]float64)(p[len(p)-width:]) }

// set makes x, with squared norm n, the panel's point i.
func (p panel) set(i int, x []float64, n float64) {
	for j, v := range x {
		p[j*width+i] = v
	}
	p.norms()[i] = n
}

// panels are panels that follow each other.
type panels struct {
	cols   int
	values []float64
}

// resize returns panels for so many points, with unspecified values, in p's memory
// if that is large enough.
func (p panels) resize(points, cols int) panels {
	n := (points + width - 1) / width
	return panels{cols, resize(p.values, n*(cols+1)*width)}
}

func (p panels) count() int { return len(p.values) / ((p.cols + 1) * width) }

func (p panels) at(i int) panel {
	size := (p.cols + 1) * width
	return p.values[i*size : (i+1)*size : (i+1)*size]
}

// norm returns the squared norm of a point.
func (p panels) norm(i int) float64 { return p.at(i / width).norms()[i%width] }

// pack makes the points the rows of a matrix. The lanes left over get infinite
// norms, so that no row is nearest to them.
func (p panels) pack(centroids Matrix) {
	k := centroids.Rows()
	for i := range k {
		c := centroids.Row(i)
		p.at(i/width).set(i%width, c, squaredNorm(c))
	}
	if rest := k % width; rest > 0 {
		last := p.at(p.count() - 1)
		for j := range p.cols {
			clear(last[j*width+rest : (j+1)*width])
		}
		for i := rest; i < width; i++ {
			last.norms()[i] = math.Inf(1)
		}
	}
}

// The kernels, which are replaced at start-up where the machine has something
// faster that gives the same bits.
//
// nearest compares the first len(best) rows of matrix with the points of p, which
// are numbered from base on. Where ‖c‖² - 2x·c of a point is below best[i],
// it becomes best[i] and the point's number labels[i]; the first point wins a
// tie. labels is as long as best. Values must not be NaN.
//
// closer sets v[t*stride+i], for each row t of matrix and point i of p, to the
// squared distance (-2x·c + ‖x‖²) + ‖c‖², no less than 0 and no more than
// limit[i]. norms[t] is the squared norm of row t; len(norms) rows are used.
//
// transform sets the n-th row of dst to row index[n] of matrix, less mean and divided
// by deviation.
//
// addRows adds the rows of matrix listed in index to a row, from the first to the last.
//
// addDeviations adds to shift what each of these rows differs from mean, and to square
// the square of that.
var (
	nearest       = nearestGeneric
	closer        = closerGeneric
	transform     = transformGeneric
	addRows       = addRowsGeneric
	addDeviations = addDeviationsGeneric
)

func nearestGeneric(matrix Matrix, p panel, base int, best []float64, labels []int) {
	var dots [width]float64
	norms := p.norms()
	for i := range best {
		p.dots(&dots, matrix.Row(i))
		for j, d := range dots {
			if v := float64(-2*d) + norms[j]; v < best[i] {
				best[i], labels[i] = v, base+j
			}
		}
	}
}

func closerGeneric(v []float64, stride int, matrix Matrix, norms []float64, p panel, limit *[width]float64) {
	var dots [width]float64
	squared := p.norms()
	for t, norm := range norms {
		p.dots(&dots, matrix.Row(t))
		out := v[t*stride : t*stride+width]
		for j, d := range dots {
			s := max((float64(-2*d)+norm)+squared[j], 0)
			out[j] = min(s, limit[j])
		}
	}
}

// dots sets dst[i] to the dot product of x and point i.
func (p panel) dots(dst *[width]float64, x []float64) {
	// math.FMA must be called by name to become one instruction.
	for i := 0; i < width; i += 4 {
		var s0, s1, s2, s3 float64
		for j, v := range x {
			q := (*[4]float64)(p[j*width+i:])
			s0 = math.FMA(v, q[0], s0)
			s1 = math.FMA(v, q[1], s1)
			s2 = math.FMA(v, q[2], s2)
			s3 = math.FMA(v, q[3], s3)
		}
		dst[i], dst[i+1], dst[i+2], dst[i+3] = s0, s1, s2, s3
	}
}

func transformGeneric(dst, matrix Matrix, index []int, mean, deviation []float64) {
	for n, i := range index {
		x, out := matrix.Row(i), dst.Row(n)
		mean, deviation, out := mean[:len(x)], deviation[:len(x)], out[:len(x)]
		for j, v := range x {
			// A division: multiplying by 1/deviation rounds differently.
			out[j] = (v - mean[j]) / deviation[j]
		}
	}
}

func addRowsGeneric(sum []float64, matrix Matrix, index []int) {
	for _, i := range index {
		add(sum, matrix.Row(i))
	}
}

func addDeviationsGeneric(shift, square []float64, matrix Matrix, index []int, mean []float64) {
	for _, i := range index {
		x := matrix.Row(i)
		mean, shift, square := mean[:len(x)], shift[:len(x)], square[:len(x)]
		for j, v := range x {
			d := v - mean[j]
			shift[j] += d
			square[j] += float64(d * d)
		}
	}
}
