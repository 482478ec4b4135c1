package cluster

import (
	"slices"
	"sync"

	"tatum/store"
)

// A labeller has the models of a clustering's features, by feature.
type labeller [store.NumArrays]foldModels

// foldModels are the models of one feature, with the cluster of each of their
// labels, by fold.
type foldModels struct {
	models   []*Model
	clusters [][]int
}

// A batch is tracks to be labelled together.
type batch struct {
	ids    []store.TrackID
	matrix [store.NumArrays]Matrix // their vectors by feature, a row each

	// labels are those of the tracks by each feature, where they are known.
	labels [store.NumArrays][]store.Label

	// fold returns the fold whose model labels ids[i] by a feature, and whether
	// the clustering was trained on the track. It is noFold where the track lacks
	// the feature.
	fold func(f store.Feature, i int) (fold store.Fold, trained bool)
}

// batchTracks returns how many tracks make a batch of so many distances, of eight
// bytes each.
func batchTracks(distances, k, features int) int { return max(1, distances/(k*features)) }

// placeRows is how many tracks of a batch are labelled in one go.
const placeRows = 256

// A placer is memory to label placeRows tracks in.
type placer struct {
	placed    []store.Placed
	places    []store.Assignment
	distances []float64
	index     []int
	labels    []int
}

var placers = sync.Pool{New: func() any { return new(placer) }}

// place calls fn with the places of the batch's tracks from first on, before end,
// by all features that have models. They are fn's until it returns.
func (l *labeller) place(b *batch, first, end int, fn func(placed []store.Placed)) {
	p := placers.Get().(*placer)
	defer placers.Put(p)
	n := end - first
	p.placed, p.places, p.distances = resize(p.placed, n), resize(p.places, n*len(l)), p.distances[:0]
	for i := range p.placed {
		p.placed[i] = store.Placed{ID: b.ids[first+i], Places: p.places[i*len(l) : i*len(l) : (i+1)*len(l)]}
	}
	for _, f := range store.AllFeatures {
		if len(l[f].models) > 0 {
			l[f].place(p, b, f, first, end)
		}
	}
	fn(p.placed)
}

// place adds the places of tracks by one feature.
func (fm *foldModels) place(p *placer, b *batch, f store.Feature, first, end int) {
	k := fm.models[0].KMeans.K
	done := len(p.distances)
	p.distances = slices.Grow(p.distances, (end-first)*k)[:done+(end-first)*k]
	p.labels = resize(p.labels, end-first)
	for fold, m := range fm.models {
		p.index = p.index[:0]
		for i := first; i < end; i++ {
			if of, _ := b.fold(f, i); int(of) == fold {
				p.index = append(p.index, i)
			}
		}
		distances := p.distances[done:]
		if b.labels[f] != nil {
			m.Assign(b.matrix[f], p.index, nil, distances)
		} else {
			m.Assign(b.matrix[f], p.index, p.labels, distances)
		}
		for n, i := range p.index {
			label := store.Label(p.labels[n])
			if b.labels[f] != nil {
				label = b.labels[f][i]
			}
			_, trained := b.fold(f, i)
			at := &p.placed[i-first]
			at.Places = append(at.Places, store.Assignment{
				Feature: f, Fold: store.Fold(fold), Label: label,
				Cluster: store.Cluster(fm.clusters[fold][label]), Trained: trained,
				Distances: distances[n*k : (n+1)*k],
			})
		}
		done += len(p.index) * k
	}
}

// NewPlacer returns a function that labels vectors as a clustering does, for
// [store.CheckOptions]. Of two centroids that are equally near but for rounding it
// takes the one that is given.
func NewPlacer() func(m *store.Model, v store.Vector, given store.Label) (store.Label, []float64) {
	models := make(map[*store.Model]*Model)
	var distances []float64
	return func(m *store.Model, v store.Vector, given store.Label) (store.Label, []float64) {
		if models[m] == nil {
			models[m], _ = restoredModel(m)
		}
		var label [1]int
		distances = resize(distances, len(m.Centroids))
		models[m].Assign(Matrix{len(v), v}, []int{0}, label[:], distances)
		if models[m].KMeans.equallyNear(distances, label[0], int(given)) {
			return given, distances
		}
		return store.Label(label[0]), distances
	}
}

// StoredFolds returns the folds of so many tracks that a clustering was trained on,
// in row order, for [store.CheckOptions].
func StoredFolds(c *store.Clustering, tracks int) ([]store.Fold, error) {
	folds, err := Folds(tracks, c.Folds, c.Seed)
	out := make([]store.Fold, len(folds))
	for i, f := range folds {
		out[i] = store.Fold(f)
	}
	return out, err
}

// restoredModel is the inverse of storedModel, but for what only a fit knows.
func restoredModel(m *store.Model) (*Model, []int) {
	centroids := Matrix{Cols: len(m.Mean)}
	for _, c := range m.Centroids {
		centroids.Values = append(centroids.Values, c...)
	}
	clusters := make([]int, len(m.Clusters))
	for l, c := range m.Clusters {
		clusters[l] = int(c)
	}
	return NewModel(Scaler{Mean: m.Mean, Scale: m.Scale}, centroids), clusters
}
