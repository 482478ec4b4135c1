package query

import (
	"math"

	"gonum.org/v1/gonum/mat"

	"tatum/store"
)

// A Map has the tracks of a store by the two directions in which a feature's
// vectors vary most. Each component of the vectors is taken less its mean over its
// deviation, both of all tracks. A direction is an eigenvector of their
// covariances; its entry of largest absolute value is positive. It is what
// scikit-learn's PCA gives.
type Map struct {
	Feature  store.Feature
	IDs      []store.TrackID
	X, Y     []float64  // by track
	Clusters []int32    // by track, -1 for none; nil unless asked for
	Shares   [2]float64 // of the variance, that the directions have
	Stars    []Star     // where the clustering's centroids are; empty without one

	mean, deviation []float64
	directions      [2][]float64
}

// A Star is the centroids of one cluster, by fold. Were the folds' models the
// same, they would be one point.
type Star struct {
	Cluster store.Cluster
	X, Y    []float64
}

// NewMap returns the map of a feature, with the stars of a clustering unless it is
// nil. It goes through all vectors twice. It returns store.ErrNotClustered when
// the clustering leaves out the feature.
func NewMap(db *store.DB, c *store.Clustering, f store.Feature) (*Map, error) {
	ids, err := db.TrackIDsWith(f)
	if err != nil {
		return nil, err
	}
	m := &Map{Feature: f, IDs: ids, X: make([]float64, len(ids)), Y: make([]float64, len(ids))}
	if len(ids) == 0 {
		return m, nil
	}
	var models []*store.Model
	if c != nil {
		if err := checkFeature(c, f); err != nil {
			return nil, err
		}
		if models, err = db.Models(c, f); err != nil {
			return nil, err
		}
	}
	if err := m.findDirections(db); err != nil {
		return nil, err
	}
	err = eachVector(db, ids, f, func(row int, v []float64) { m.X[row], m.Y[row] = m.point(v) })
	m.Stars = m.stars(models)
	return m, err
}

// AddClusters fills in the clusters of the tracks.
func (m *Map) AddClusters(db *store.DB, c *store.Clustering) (err error) {
	m.Clusters, err = clustersOf(db, c, m.Feature, m.IDs)
	return err
}

// findDirections goes through all vectors for their covariances.
func (m *Map) findDirections(db *store.DB) error {
	from, err := near(db, m.IDs, m.Feature)
	if err != nil {
		return err
	}
	columns, n := len(from), float64(len(m.IDs))
	sum, products := make([]float64, columns), make([]float64, columns*columns)
	shifted := make([]float64, columns)
	err = eachVector(db, m.IDs, m.Feature, func(_ int, v []float64) {
		for j, x := range v {
			shifted[j] = x - from[j]
		}
		for j, x := range shifted {
			sum[j] += x
			if x == 0 { // as many densities are
				continue
			}
			line := products[j*columns:][:columns]
			for i := j; i < columns; i++ {
				line[i] += float64(x * shifted[i])
			}
		}
	})
	if err != nil {
		return err
	}
	for j := range columns {
		m.mean = append(m.mean, from[j]+sum[j]/n)
		m.deviation = append(m.deviation, deviation(m.mean[j], sum[j], products[j*columns+j], n))
	}
	covariances := mat.NewSymDense(columns, nil)
	for j := range columns {
		for i := j; i < columns; i++ {
			covariance := (products[j*columns+i] - float64(sum[j]*sum[i]/n)) / max(1, n-1)
			covariances.SetSym(j, i, covariance/(m.deviation[j]*m.deviation[i]))
		}
	}
	m.eigen(covariances)
	return nil
}

func (m *Map) eigen(covariances *mat.SymDense) {
	var eigen mat.EigenSym
	columns := covariances.SymmetricDim()
	for i := range m.directions {
		m.directions[i] = make([]float64, columns)
		m.directions[i][i] = 1
	}
	if !eigen.Factorize(covariances, true) {
		return // as it would be with infinities, which no vector has
	}
	values := eigen.Values(nil)
	total := 0.0
	for _, v := range values {
		total += max(0, v)
	}
	if total == 0 {
		return
	}
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	for i := range m.directions {
		at := columns - 1 - i // they ascend
		m.Shares[i] = max(0, values[at]) / total
		mat.Col(m.directions[i], at, &vectors)
		turn(m.directions[i])
	}
}

// turn makes the entry of largest absolute value positive.
func turn(direction []float64) {
	largest := 0.0
	for _, x := range direction {
		if math.Abs(x) > math.Abs(largest) {
			largest = x
		}
	}
	if largest < 0 {
		for j := range direction {
			direction[j] = -direction[j]
		}
	}
}

// point returns where a vector is on the map.
func (m *Map) point(v []float64) (x, y float64) {
	for j := range v {
		z := (v[j] - m.mean[j]) / m.deviation[j]
		x += float64(z * m.directions[0][j])
		y += float64(z * m.directions[1][j])
	}
	return x, y
}

// stars returns where the models' centroids are.
func (m *Map) stars(models []*store.Model) []Star {
	if len(models) == 0 {
		return nil
	}
	stars := make([]Star, len(models[0].Centroids))
	for i := range stars {
		stars[i] = Star{store.Cluster(i), make([]float64, len(models)), make([]float64, len(models))}
	}
	own := make([]float64, len(m.mean))
	for fold, model := range models {
		for label, centroid := range model.Centroids {
			for j, x := range centroid {
				own[j] = float64(x*model.Scale[j]) + model.Mean[j]
			}
			s := &stars[model.Clusters[label]]
			s.X[fold], s.Y[fold] = m.point(own)
		}
	}
	return stars
}

// Nearest returns the track nearest to a point of the map, of equally near ones the
// first, and how far it is. ok is false when there are no tracks.
func (m *Map) Nearest(x, y float64) (id store.TrackID, distance float64, ok bool) {
	at, least := -1, math.Inf(1)
	for i := range m.X {
		if d := (m.X[i]-x)*(m.X[i]-x) + (m.Y[i]-y)*(m.Y[i]-y); d < least {
			at, least = i, d
		}
	}
	if at < 0 {
		return "", 0, false
	}
	return m.IDs[at], math.Sqrt(least), true
}
