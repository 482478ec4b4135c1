package cluster

import "golang.org/x/sys/cpu"

func init() {
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		nearest, closer = nearestAVX2, closerAVX2
	}
}

func nearestAVX2(matrix []float64, index []int, p *panel, base int, best []float64, labels []int) {
	if len(index) == 0 {
		return
	}
	// The assembly trusts its arguments.
	for _, i := range index {
		_ = matrix[i*cols : (i+1)*cols]
	}
	_, _ = best[len(index)-1], labels[len(index)-1]
	nearestPanel(&matrix[0], &index[0], len(index), p, base, &best[0], &labels[0])
}

func closerAVX2(v []float64, stride int, matrix, norms []float64, p *panel, limit *[width]float64) {
	n := len(norms)
	if n == 0 {
		return
	}
	_, _ = matrix[n*cols-1], v[(n-1)*stride+width-1]
	closerPanel(&v[0], stride, &matrix[0], &norms[0], n, p, limit)
}

// nearestPanel is [nearest] for n listed rows; n ≥ 1.
//
//go:noescape
func nearestPanel(matrix *float64, index *int, n int, p *panel, base int, best *float64, labels *int)

// closerPanel is [closer] for n rows; n ≥ 1.
//
//go:noescape
func closerPanel(v *float64, stride int, matrix, norms *float64, n int, p *panel, limit *[width]float64)
