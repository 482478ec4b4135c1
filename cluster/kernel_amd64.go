package cluster

import "golang.org/x/sys/cpu"

func init() {
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		nearest, closer = nearestAVX2, closerAVX2
	}
}

func nearestAVX2(matrix Matrix, index []int, p panel, base int, best []float64, labels []int) {
	if len(index) == 0 {
		return
	}
	// The assembly trusts its arguments.
	for _, i := range index {
		_ = matrix.Row(i)
	}
	_, _, _ = best[len(index)-1], labels[len(index)-1], p[(matrix.Cols+1)*width-1]
	nearestPanel(&matrix.Values[0], matrix.Cols, &index[0], len(index), &p[0], base, &best[0], &labels[0])
}

func closerAVX2(v []float64, stride int, matrix Matrix, norms []float64, p panel, limit *[width]float64) {
	n := len(norms)
	if n == 0 {
		return
	}
	_, _, _ = matrix.Row(n-1), v[(n-1)*stride+width-1], p[(matrix.Cols+1)*width-1]
	closerPanel(&v[0], stride, &matrix.Values[0], matrix.Cols, &norms[0], n, &p[0], limit)
}

// nearestPanel is [nearest] for n listed rows of cols columns; both ≥ 1.
//
//go:noescape
func nearestPanel(matrix *float64, cols int, index *int, n int, p *float64, base int, best *float64, labels *int)

// closerPanel is [closer] for n rows of cols columns; both ≥ 1.
//
//go:noescape
func closerPanel(v *float64, stride int, matrix *float64, cols int, norms *float64, n int, p *float64, limit *[width]float64)
