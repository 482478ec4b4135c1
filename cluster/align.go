package cluster

import (
	"math"
	"slices"
)

// Align matches each model's labels one to one to those of the first and
// returns, for every model, the cluster number of each label; the first model
// keeps its numbers. A matching has the least possible sum of squared
// distances between matched centroids.
//
// Centroids of different folds live in differently scaled spaces. They are
// compared in the first model's: each is brought back to the statistics' own
// units by its own scaler and then scaled by the first model's. There every
// column counts as it did in the fits, where in their own units the counts of
// gaps would outweigh all else.
//
// Ties: two labels swap their clusters where the sum, up to rounding, does not
// grow, and those of them that some training row is nearest to come closer to
// their clusters; or, if that stays the same too, where the label that counts
// first gets the cluster that counts first. They count in the order of their
// numbers, but those that no row is nearest to last. So where equal rows made
// several centroids of one place, the one in use is matched to the one in use.
// Where a distance is NaN or infinite the two centroids count as far apart.
//
// It takes 8·K² bytes and up to K³ steps for each model but the first.
func Align(models []*Model) [][]int {
	clusters := make([][]int, len(models))
	base := models[0]
	k := base.KMeans.K
	clusters[0] = make([]int, k)
	for i := range clusters[0] {
		clusters[0][i] = i
	}
	target := commonSpace(base, &base.Scaler)
	rank := make([]int, k)
	order, _ := usedFirst(base.KMeans)
	for i, c := range order {
		rank[c] = i
	}
	for f, m := range models[1:] {
		cost := costs(commonSpace(m, &base.Scaler), target, k)
		columns := matching(cost)
		order, used := usedFirst(m.KMeans)
		ties := tieBreaker{cost: cost, columns: columns, order: order, used: used, rank: rank}
		ties.settle()
		clusters[f+1] = columns
	}
	return clusters
}

// usedFirst returns the labels of m in order, those that no training row is
// nearest to after the others, and the number of the others.
func usedFirst(m *KMeans) (order []int, used int) {
	var empty []int
	for l := range m.K {
		if m.Sizes != nil && m.Sizes[l] == 0 {
			empty = append(empty, l)
		} else {
			order = append(order, l)
		}
	}
	return append(order, empty...), len(order)
}

// costs returns the squared distances of k centroids to k others. In place of
// what is not finite stands a number that outweighs any sum of the others.
func costs(centroids, target []float64, k int) [][]float64 {
	const huge = 1e100
	cost := make([][]float64, k)
	far := 1.0
	for i := range cost {
		cost[i] = make([]float64, k)
		for j := range cost[i] {
			d := squaredDistance(rowAt(centroids, i), rowAt(target, j))
			cost[i][j] = d
			if d < huge {
				far = max(far, float64(2*k)*d)
			}
		}
	}
	for _, row := range cost {
		for j, d := range row {
			if !(d < huge) { // NaN too
				row[j] = far
			}
		}
	}
	return cost
}

// commonSpace returns the model's centroids as they are once their own scaling
// is undone and the given one applied.
func commonSpace(m *Model, s *Scaler) []float64 {
	out := make([]float64, len(m.KMeans.Centroids))
	for i, v := range m.KMeans.Centroids {
		j := i % cols
		own := float64(v*m.Scaler.Scale[j]) + m.Scaler.Mean[j]
		out[i] = (own - s.Mean[j]) / s.Scale[j]
	}
	return out
}

// matching returns for each row of a square matrix of finite costs the column
// it is matched to, so that the sum of costs is least. It is the Hungarian method
// with potentials: rows are added one by one, each along the shortest augmenting
// path, the one that ends in the lowest column of several, in O(n³) steps
// altogether.
func matching(cost [][]float64) []int {
	n := len(cost)
	rowPotential := make([]float64, n)
	colPotential := make([]float64, n+1)
	// Column n stands for the row being added, before it has a column.
	matched := make([]int, n+1) // row of each column, -1 for none
	for j := range matched {
		matched[j] = -1
	}
	for i := range cost {
		matched[n] = i
		from := shortestPath(cost, matched, rowPotential, colPotential)
		augment(matched, from)
	}
	columns := make([]int, n)
	for j, i := range matched[:n] {
		columns[i] = j
	}
	return columns
}

// A tieBreaker swaps the columns of rows as [Align] says of ties.
type tieBreaker struct {
	cost    [][]float64
	columns []int // by row
	order   []int // rows, in the order they count
	used    int   // how many of order are in use
	rank    []int // by column, its place in the order they count
	slack   float64
}

// rounding is up to which share of them sums count as equal.
const rounding = 1e-12

// settle swaps until nothing is left to swap; two passes are nearly always
// enough. The bound is there lest rounding goes round in circles.
func (b *tieBreaker) settle() {
	for _, row := range b.cost {
		// Nearly equal centroids are 1e-29 apart, and their distances to a third
		// differ in the last bits.
		b.slack = max(b.slack, 1e-15*slices.Max(row))
	}
	for range b.order {
		swapped := false
		for x := range b.order {
			for y := x + 1; y < len(b.order); y++ {
				if b.better(x, y) {
					i, j := b.order[x], b.order[y]
					b.columns[i], b.columns[j] = b.columns[j], b.columns[i]
					swapped = true
				}
			}
		}
		if !swapped {
			return
		}
	}
}

// better says whether the rows at places x < y of the order should swap.
func (b *tieBreaker) better(x, y int) bool {
	i, j := b.order[x], b.order[y]
	p, q := b.columns[i], b.columns[j]
	before := b.cost[i][p] + b.cost[j][q]
	slack := b.slack + rounding*before
	if b.cost[i][q]+b.cost[j][p] > before+slack {
		return false
	}
	var closer float64 // by which rows in use come closer
	if x < b.used {
		closer += b.cost[i][p] - b.cost[i][q]
	}
	if y < b.used {
		closer += b.cost[j][q] - b.cost[j][p]
	}
	return closer > slack || closer >= -slack && b.rank[q] < b.rank[p]
}

// A path leads from column n to a column without a row: previous holds for
// each column on it the one before.
type path struct {
	previous []int
	end      int
}

func augment(matched []int, p path) {
	for j := p.end; j != len(matched)-1; j = p.previous[j] {
		matched[j] = matched[p.previous[j]]
	}
}

// shortestPath finds the path of least reduced cost and moves the potentials so
// that the costs along it become zero.
func shortestPath(cost [][]float64, matched []int, rowPotential, colPotential []float64) path {
	n := len(cost)
	p := path{previous: make([]int, n), end: n}
	reach := make([]float64, n) // least reduced cost at which a column is reached
	for j := range reach {
		reach[j] = math.Inf(1)
	}
	visited := make([]bool, n+1)
	for matched[p.end] >= 0 {
		visited[p.end] = true
		i := matched[p.end]
		next, step := -1, math.Inf(1)
		for j := range n {
			if visited[j] {
				continue
			}
			if c := cost[i][j] - rowPotential[i] - colPotential[j]; c < reach[j] {
				reach[j], p.previous[j] = c, p.end
			}
			if next < 0 || reach[j] < step {
				next, step = j, reach[j]
			}
		}
		for j, seen := range visited {
			switch {
			case seen:
				rowPotential[matched[j]] += step
				colPotential[j] -= step
			case j < n:
				reach[j] -= step
			}
		}
		p.end = next
	}
	return p
}
