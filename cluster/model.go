package cluster

// A Model labels rows the way one fold does.
type Model struct {
	Scaler Scaler
	KMeans *KMeans
}

// NewModel returns the model with the given scaler and centroids, such as
// those of a stored fit; centroids are k × 30 and k is at least 1.
func NewModel(s Scaler, centroids []float64) *Model {
	k := len(centroids) / cols
	m := &KMeans{K: k, Centroids: centroids, panels: make([]panel, panelsFor(k))}
	packCentroids(m.panels, centroids, k)
	return &Model{Scaler: s, KMeans: m}
}

// FitFold fits the scaler and k-means to the rows of matrix that fold f does
// not hold out. matrix is row-major with 30 columns and one row per entry of
// folds, as [Folds] returns them. Errors are those of [FitKMeans].
func (f *Fitter) FitFold(matrix []float64, folds []uint16, fold int) (*Model, error) {
	train, _ := Split(folds, fold)
	if err := f.opts.check(len(train)); err != nil {
		return nil, err
	}
	m := &Model{Scaler: FitScaler(matrix, train)}
	f.scaled = resize(f.scaled, len(train)*cols)
	m.Scaler.Transform(f.scaled, matrix, train)
	var err error
	m.KMeans, err = f.Fit(f.scaled)
	return m, err
}

// Assign scales the rows of matrix listed in index and writes the label of
// the n-th of them to labels[n] and its distances from distances[n*K] on. See
// [KMeans.Assign]; the distances are in the scaled space.
func (m *Model) Assign(matrix []float64, index []int, labels []int, distances []float64) {
	var scaled [chunk * cols]float64
	k := m.KMeans.K
	for len(index) > 0 {
		n := min(len(index), chunk)
		m.Scaler.Transform(scaled[:], matrix, index[:n])
		if distances != nil {
			m.KMeans.Assign(scaled[:n*cols], labels[:n], distances[:n*k])
			distances = distances[n*k:]
		} else {
			m.KMeans.Assign(scaled[:n*cols], labels[:n], nil)
		}
		index, labels = index[n:], labels[n:]
	}
}
