package cluster

import (
	"math"
	"sync"
	"testing"
)

// benchMatrix is a matrix of overlapping groups with some rows of zeros.
func benchMatrix(n int) Matrix { return matrix{N: n, Groups: 23, Zero: 20}.make() }

func BenchmarkFitKMeans(b *testing.B) {
	rows := benchMatrix(8000)
	s := FitScaler(rows, listTo(8000))
	s.Transform(rows, rows, listTo(8000))
	f := NewFitter(Defaults())
	for b.Loop() {
		if _, err := f.Fit(rows); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFortyFits is the notebook's work on 10,000 songs, eight features
// by five folds, on two goroutines.
func BenchmarkFortyFits(b *testing.B) {
	const n = 10000
	o := Defaults()
	rows := benchMatrix(n)
	folds, err := Folds(n, o.Folds, o.Seed)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				f := NewFitter(o)
				for fit := range 20 {
					m, err := f.FitFold(rows, folds, fit%o.Folds)
					if err != nil {
						b.Error(err)
						return
					}
					_, held := Split(folds, fit%o.Folds)
					m.Assign(rows, held, make([]int, len(held)), make([]float64, len(held)*o.K))
				}
			})
		}
		wg.Wait()
	}
}

func BenchmarkKernel(b *testing.B) {
	const n = 2048
	rows := benchMatrix(n)
	labels, best := make([]int, n), make([]float64, n)
	points := packed(rows.first(width)).at(0)
	norms, v, limit := make([]float64, n), make([]float64, n*width), new([width]float64)
	eachKernel(b, func(b *testing.B, _ bool) {
		b.Run("nearest", func(b *testing.B) {
			for b.Loop() {
				for i := range best {
					best[i] = math.Inf(1)
				}
				nearest(rows, points, 0, best, labels)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
		})
		b.Run("closer", func(b *testing.B) {
			for b.Loop() {
				closer(v, width, rows, norms, points, limit)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
		})
	})
}
