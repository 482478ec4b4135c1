package cluster

import (
	"math"

	"tatum/store"
)

// separation tells how well the clusters of a feature's vectors are told apart,
// by two figures of scikit-learn: davies_bouldin_score, the mean over the clusters
// of how wide each and another are for the distance between them, less being
// better; and calinski_harabasz_score, the variance between the clusters for that
// within them, more being better. Clusters are those of the spots, one for each
// row of matrix, in row order. Empty ones are left out. Each column is taken less
// its mean over its deviation. Both figures are NaN where scikit-learn has none:
// with fewer than two clusters, or as many as rows.
//
// Sums run in the order of rows, whatever the number of processors.
func separation(matrix Matrix, spots []store.Spot, k int) (daviesBouldin, calinskiHarabasz float64) {
	g := &groups{matrix: matrix, all: allOf(matrix), spots: spots, sizes: make([]int, k), means: NewMatrix(k, matrix.Cols)}
	g.standardise()
	g.center()
	if g.count < 2 || g.count >= len(spots) {
		return math.NaN(), math.NaN()
	}
	within := g.spread()
	return g.daviesBouldin(), g.calinskiHarabasz(within)
}

// groups are the clusters of rows, in the space of standardised columns.
type groups struct {
	matrix  Matrix
	all     []int // its rows
	scaler  Scaler
	spots   []store.Spot
	sizes   []int // rows of each cluster
	count   int   // clusters that are not empty
	means   Matrix
	overall []float64 // mean of all rows
	widths  []float64 // mean distance of each cluster's rows to their mean
}

// standardise finds the scaler of all rows as NumPy's mean and std have it. It
// differs from [FitScaler]'s in last bits, and in columns that hardly vary.
func (g *groups) standardise() {
	cols, n := g.matrix.Cols, float64(len(g.all))
	mean, scale := make([]float64, cols), make([]float64, cols)
	square := make([]float64, cols)
	addRows(mean, g.matrix, g.all)
	for j := range mean {
		mean[j] /= n
	}
	addDeviations(make([]float64, cols), square, g.matrix, g.all, mean)
	for j := range square {
		if scale[j] = math.Sqrt(square[j] / n); scale[j] == 0 {
			scale[j] = 1
		}
	}
	g.scaler = Scaler{mean, scale}
}

// eachScaled calls fn with every row of the matrix, scaled, and its cluster.
func (g *groups) eachScaled(fn func(x []float64, cluster int)) {
	g.scaler.eachChunk(g.matrix, g.all, func(before int, scaled Matrix) {
		for i := range scaled.Rows() {
			fn(scaled.Row(i), int(g.spots[before+i].Cluster))
		}
	})
}

// center finds the means.
func (g *groups) center() {
	g.overall = make([]float64, g.matrix.Cols)
	g.eachScaled(func(x []float64, c int) {
		g.sizes[c]++
		add(g.means.Row(c), x)
	})
	for c, size := range g.sizes {
		if size == 0 {
			continue
		}
		g.count++
		mean := g.means.Row(c)
		for j, sum := range mean {
			g.overall[j] += sum / float64(len(g.spots))
			mean[j] = sum / float64(size)
		}
	}
}

// spread finds the widths, and returns the sum of squared distances of all rows
// to their clusters' means.
//
// A width is computed as scikit-learn does, from norms and products. That has an
// error of a hundred-millionth where rows lie on their mean, as the row of a
// cluster of one does; with several such clusters it is part of the figure.
func (g *groups) spread() (within float64) {
	g.widths = make([]float64, len(g.sizes))
	norms, seen := make([]float64, len(g.sizes)), make([]int, len(g.sizes))
	for c := range norms {
		norms[c] = squaredNorm(g.means.Row(c))
	}
	g.eachScaled(func(x []float64, c int) {
		mean := g.means.Row(c)
		within += squaredDistance(x, mean)
		var product float64
		if g.sizes[c] == 1 {
			product = blasDot(x, mean)
		} else {
			product = firstDot(x, mean, seen[c], g.sizes[c])
		}
		seen[c]++
		g.widths[c] += math.Sqrt(max(0, float64(-2*product)+squaredNorm(x)+norms[c]))
	})
	for c, size := range g.sizes {
		if size > 0 {
			g.widths[c] /= float64(size)
		}
	}
	return within
}

func (g *groups) daviesBouldin() float64 {
	// Closer means are in one place but for rounding, which scikit-learn leaves out
	// too.
	const same = 1e-10
	var sum float64
	for a := range g.sizes {
		worst := 0.0
		for b := range g.sizes {
			if a == b || g.sizes[a] == 0 || g.sizes[b] == 0 {
				continue
			}
			if apart := math.Sqrt(squaredDistance(g.means.Row(a), g.means.Row(b))); apart > same {
				worst = max(worst, (g.widths[a]+g.widths[b])/apart)
			}
		}
		sum += worst
	}
	return sum / float64(g.count)
}

func (g *groups) calinskiHarabasz(within float64) float64 {
	var between float64
	for c, size := range g.sizes {
		if size > 0 {
			between += float64(float64(size) * squaredDistance(g.means.Row(c), g.overall))
		}
	}
	if within == 0 {
		return 1 // as scikit-learn has it
	}
	return between * float64(len(g.spots)-g.count) / (within * float64(g.count-1))
}
