package cluster

import "math"

// Align gives the labels of all models numbers that mean the same: it returns,
// for every model, the cluster number of each label. The first model's labels
// are the cluster numbers. Those of every other model are matched one to one to
// the first model's, so that the squared distances between matched centroids
// have the least possible sum.
//
// Each model has scaled its rows by a scaler of its own, so centroids are
// compared in the first model's space: their own scaler is undone, the first
// model's applied. There every column counts as it did in the fits. In the
// statistics' own units the counts of gaps would outweigh all other columns.
//
// Where equal rows have made several centroids of one place, training rows are
// nearest to one of these only; the others are empty. Many matchings have the
// least sum then, and two rules choose among them:
//
//   - Centroids that are not empty are matched with the nearest they can be.
//   - Empty centroids are matched with empty ones where they can be.
//
// To this end a distance counts less by emptyDiscount for either of its ends
// that is empty, and a pair of which one is empty costs unlikePenalty more.
// Sums that differ by less than that count as equal.
//
// A distance that is NaN or infinite counts as more than all others together.
// Align takes 8·K² bytes and up to K³ steps for each model but the first.
func Align(models []*Model) [][]int {
	clusters := make([][]int, len(models))
	base := models[0]
	clusters[0] = make([]int, base.KMeans.K)
	for i := range clusters[0] {
		clusters[0][i] = i
	}
	for f, m := range models[1:] {
		clusters[f+1] = matching(costs(m, base))
	}
	return clusters
}

const (
	emptyDiscount = 1e-9  // of the distance itself
	unlikePenalty = 1e-12 // of the largest distance
)

// costs returns what it costs to match each label of m to each of base.
func costs(m, base *Model) [][]float64 {
	cost, largest := distances(commonSpace(m, &base.Scaler), commonSpace(base, &base.Scaler))
	// What is not finite costs more than any sum of distances that are.
	far := max(1, float64(2*len(cost))*largest)
	for i, row := range cost {
		for j, d := range row {
			if !(d <= largest) { // NaN too
				row[j] = far
				continue
			}
			switch a, b := m.KMeans.empty(i), base.KMeans.empty(j); {
			case a && b:
				row[j] -= float64(2 * emptyDiscount * d)
			case a || b:
				row[j] += float64(unlikePenalty*largest) - float64(emptyDiscount*d)
			}
		}
	}
	return cost
}

// empty says whether no training row is nearest to centroid i. That is known of
// fitted models only.
func (m *KMeans) empty(i int) bool { return m.Sizes != nil && m.Sizes[i] == 0 }

// distances returns the squared distances of centroids to as many others, and
// the largest of them that is below 1e100: sums of more might overflow.
func distances(centroids, others Matrix) (squared [][]float64, largest float64) {
	squared = make([][]float64, centroids.Rows())
	for i := range squared {
		squared[i] = make([]float64, len(squared))
		for j := range squared[i] {
			d := squaredDistance(centroids.Row(i), others.Row(j))
			squared[i][j] = d
			if d < 1e100 {
				largest = max(largest, d)
			}
		}
	}
	return squared, largest
}

// commonSpace returns the model's centroids as they are once their own scaling
// is undone and the given one applied.
func commonSpace(m *Model, s *Scaler) Matrix {
	out := NewMatrix(m.KMeans.K, m.KMeans.Centroids.Cols)
	for i, v := range m.KMeans.Centroids.Values {
		j := i % out.Cols
		own := float64(v*m.Scaler.Scale[j]) + m.Scaler.Mean[j]
		out.Values[i] = (own - s.Mean[j]) / s.Scale[j]
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
