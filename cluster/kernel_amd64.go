package cluster

import "golang.org/x/sys/cpu"

func init() {
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		nearest, closer = nearestAVX2, closerAVX2
		transform, addRows, addDeviations = transformAVX2, addRowsAVX2, addDeviationsAVX2
	}
}

// The assembly trusts its arguments, so what calls it looks at them.

func nearestAVX2(matrix Matrix, p panel, base int, best []float64, labels []int) {
	n := len(best)
	if n == 0 {
		return
	}
	_, _, _ = matrix.Row(n-1), labels[n-1], p[(matrix.Cols+1)*width-1]
	nearestPanel(&matrix.Values[0], matrix.Cols, n, &p[0], base, &best[0], &labels[0])
}

func closerAVX2(v []float64, stride int, matrix Matrix, norms []float64, p panel, limit *[width]float64) {
	n := len(norms)
	if n == 0 {
		return
	}
	_, _, _ = matrix.Row(n-1), v[(n-1)*stride+width-1], p[(matrix.Cols+1)*width-1]
	closerPanel(&v[0], stride, &matrix.Values[0], matrix.Cols, &norms[0], n, &p[0], limit)
}

func transformAVX2(dst, matrix Matrix, index []int, mean, deviation []float64) {
	n := len(index)
	if n == 0 {
		return
	}
	matrix.check(index)
	_, _, _ = dst.Row(n - 1)[matrix.Cols-1], mean[matrix.Cols-1], deviation[matrix.Cols-1]
	if dst.Cols != matrix.Cols {
		panic("cluster: rows of another length")
	}
	transformRows(&dst.Values[0], &matrix.Values[0], matrix.Cols, &index[0], n, &mean[0], &deviation[0])
}

func addRowsAVX2(sum []float64, matrix Matrix, index []int) {
	if len(index) == 0 {
		return
	}
	matrix.check(index)
	_ = sum[matrix.Cols-1]
	sumRows(&sum[0], &matrix.Values[0], matrix.Cols, &index[0], len(index))
}

func addDeviationsAVX2(shift, square []float64, matrix Matrix, index []int, mean []float64) {
	if len(index) == 0 {
		return
	}
	matrix.check(index)
	_, _, _ = shift[matrix.Cols-1], square[matrix.Cols-1], mean[matrix.Cols-1]
	deviateRows(&shift[0], &square[0], &matrix.Values[0], matrix.Cols, &index[0], len(index), &mean[0])
}

// check panics unless the matrix has all listed rows.
func (m Matrix) check(index []int) {
	for _, i := range index {
		_ = m.Row(i)
	}
}

// nearestPanel is [nearest] for n rows of cols columns; both ≥ 1.
//
//go:noescape
func nearestPanel(matrix *float64, cols int, n int, p *float64, base int, best *float64, labels *int)

// closerPanel is [closer] for n rows of cols columns; both ≥ 1.
//
//go:noescape
func closerPanel(v *float64, stride int, matrix *float64, cols int, norms *float64, n int, p *float64, limit *[width]float64)

// transformRows is [transform] for n listed rows of cols columns; both ≥ 1. So are the
// others.
//
//go:noescape
func transformRows(dst *float64, matrix *float64, cols int, index *int, n int, mean *float64, deviation *float64)

//go:noescape
func sumRows(sum *float64, matrix *float64, cols int, index *int, n int)

//go:noescape
func deviateRows(shift *float64, square *float64, matrix *float64, cols int, index *int, n int, mean *float64)
