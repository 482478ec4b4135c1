package cluster

import "math"

// A Model labels rows the way one fold does.
type Model struct {
	Scaler Scaler
	KMeans *KMeans
}

// NewModel returns the model with the given scaler and centroids, such as
// those of a stored fit; there is at least one centroid.
func NewModel(s Scaler, centroids Matrix) *Model {
	m := &KMeans{K: centroids.Rows(), Centroids: centroids}
	m.pack()
	return &Model{Scaler: s, KMeans: m}
}

// FitFold fits the scaler and k-means to the rows of matrix that fold f does
// not hold out. It has one row per entry of folds, as [Folds] returns them. Errors are those of [FitKMeans].
func (f *Fitter) FitFold(matrix Matrix, folds []uint16, fold int) (*Model, error) {
	train, _ := Split(folds, fold)
	if err := f.opts.check(len(train)); err != nil {
		return nil, err
	}
	scaler, finite := fitScaler(matrix, train)
	m := &Model{Scaler: scaler}
	var err error
	m.KMeans, err = f.fit(matrix, train, &m.Scaler, finite)
	return m, err
}

// Assign scales the rows of matrix listed in index and writes the label of
// the n-th of them to labels[n] and its distances from distances[n*K] on. See
// [KMeans.Assign]; the distances are in the scaled space.
func (m *Model) Assign(matrix Matrix, index []int, labels []int, distances []float64) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	for len(index) > 0 {
		n := min(len(index), chunk)
		s.scaled = s.scaled.resize(n, matrix.Cols)
		m.Scaler.Transform(s.scaled, matrix, index[:n])
		m.KMeans.assign(s, s.scaled, firstOf(labels, n), firstOf(distances, n*m.KMeans.K))
		index, labels, distances = index[n:], labels[min(n, len(labels)):], distances[min(n*m.KMeans.K, len(distances)):]
	}
}

// firstOf returns the first n elements, nil of nil.
func firstOf[T any](s []T, n int) []T {
	if s == nil {
		return nil
	}
	return s[:n]
}

// nearest gives the rows of matrix listed in index the labels that scikit-learn's
// predict gives to all of them together, and measures the distance of each to the
// centroid of its label, to the bit that Assign gives.
func (m *Model) nearest(matrix Matrix, index []int, labels []int, distances []float64) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	k, together := m.KMeans.K, len(index)
	small := firstSmall(matrix.Cols, k, together) // which ends a run of chunk rows
	for len(index) > 0 {
		n := min(len(index), chunk)
		s.scaled = s.scaled.resize(n, matrix.Cols)
		m.Scaler.Transform(s.scaled, matrix, index[:n])
		if at := together - len(index); at >= small {
			labelSmall(s.scaled, m.KMeans.panels, k, at, together, labels[:n])
		} else {
			m.KMeans.assign(s, s.scaled, labels[:n], nil)
		}
		for i, l := range labels[:n] {
			distances[i] = m.KMeans.distance(s.scaled.Row(i), l)
		}
		index, labels, distances = index[n:], labels[n:], distances[n:]
	}
}

// distance returns the distance of a scaled row to a centroid, to the bit that
// [KMeans.Assign] gives.
func (m *KMeans) distance(x []float64, label int) float64 {
	norm := squaredNorm(x)
	if !(norm <= math.MaxFloat64) { // what the kernels make of that is up to them
		var labels [1]int
		distances := make([]float64, m.K)
		m.Assign(Matrix{len(x), x}, labels[:], distances)
		return distances[label]
	}
	c := m.Centroids.Row(label)[:len(x)]
	var dot float64
	for j, v := range x {
		dot = math.FMA(v, c[j], dot)
	}
	return math.Sqrt(max((float64(-2*dot)+norm)+m.panels.norm(label), 0))
}
