package cluster

import "tatum/store"

// A labeller has the models of a clustering's features.
type labeller [store.NumFeatures]foldModels

// foldModels are the models of one feature, with the cluster of each of their
// labels, by fold.
type foldModels struct {
	models   []*Model
	clusters [][]int
}

// A batch is tracks to be labelled together.
type batch struct {
	ids    []store.TrackID
	matrix [store.NumFeatures][]float64 // their vectors, a row each

	// fold returns the fold whose model labels ids[i] by a feature, and whether
	// the clustering was trained on the track.
	fold func(f store.Feature, i int) (fold store.Fold, trained bool)
}

// batchTracks returns how many tracks make a batch: they have about eight
// million distances, 64 MB.
func batchTracks(k, features int) int { return max(1, (8<<20)/(k*features)) }

// add adds the vectors of the batch's next track.
func (b *batch) add(v *store.Vectors, features []store.Feature) error {
	var row store.Vector
	for _, f := range features {
		if err := v.Vector(f, &row); err != nil {
			return err
		}
		b.matrix[f] = append(b.matrix[f], row[:]...)
	}
	return nil
}

// placeRows is how many tracks of a batch are labelled in one go.
const placeRows = 256

// place returns the places of the batch's tracks from first on, before end, by
// all features that have models.
func (l *labeller) place(b *batch, first, end int) []store.Placed {
	placed := make([]store.Placed, end-first)
	for i := range placed {
		placed[i].ID = b.ids[first+i]
	}
	index, labels := make([]int, 0, len(placed)), make([]int, len(placed))
	for f := range store.Feature(store.NumFeatures) {
		for fold, m := range l[f].models {
			index = index[:0]
			for i := first; i < end; i++ {
				if of, _ := b.fold(f, i); int(of) == fold {
					index = append(index, i)
				}
			}
			k := m.KMeans.K
			distances := make([]float64, len(index)*k)
			m.Assign(b.matrix[f], index, labels, distances)
			for n, i := range index {
				_, trained := b.fold(f, i)
				p := &placed[i-first]
				p.Places = append(p.Places, store.Assignment{
					Feature: f, Fold: store.Fold(fold), Label: store.Label(labels[n]),
					Cluster: store.Cluster(l[f].clusters[fold][labels[n]]), Trained: trained,
					Distances: distances[n*k : (n+1)*k],
				})
			}
		}
	}
	return placed
}

// NewPlacer returns a function that labels vectors as a clustering does, for
// [store.CheckOptions].
func NewPlacer() func(m *store.Model, v *store.Vector) (store.Label, []float64) {
	models := make(map[*store.Model]*Model)
	var distances []float64
	return func(m *store.Model, v *store.Vector) (store.Label, []float64) {
		if models[m] == nil {
			models[m], _ = restoredModel(m)
		}
		var label [1]int
		distances = resize(distances, len(m.Centroids))
		models[m].Assign(v[:], []int{0}, label[:], distances)
		return store.Label(label[0]), distances
	}
}

// StoredFolds returns the folds of the tracks that a clustering was trained on,
// in row order, for [store.CheckOptions].
func StoredFolds(c *store.Clustering) ([]store.Fold, error) {
	folds, err := Folds(int(c.Tracks), c.Folds, c.Seed)
	out := make([]store.Fold, len(folds))
	for i, f := range folds {
		out[i] = store.Fold(f)
	}
	return out, err
}

// restoredModel is the inverse of storedModel, but for what only a fit knows.
func restoredModel(m *store.Model) (*Model, []int) {
	centroids := make([]float64, 0, len(m.Centroids)*cols)
	for i := range m.Centroids {
		centroids = append(centroids, m.Centroids[i][:]...)
	}
	clusters := make([]int, len(m.Clusters))
	for l, c := range m.Clusters {
		clusters[l] = int(c)
	}
	return NewModel(Scaler{Mean: m.Mean, Scale: m.Scale}, centroids), clusters
}
