package query

import (
	"math"

	"tatum/store"
)

// A Placement is a track's place among the clusters of one feature. Distances
// are Euclidean, in the scaled space of the track's fold model; they have no
// unit.
type Placement struct {
	TrackID          store.TrackID
	Feature          store.Feature
	Cluster          store.Cluster
	Label            store.Label
	Fold             store.Fold
	Distance         float64       // to the centroid of the track's own label
	RunnerUp         store.Cluster // the cluster second nearest to the track; see HasRunnerUp
	RunnerUpDistance float64       // to the runner-up's centroid; NaN when there is none
	Margin           float64       // RunnerUpDistance - Distance; NaN when there is none
}

// HasRunnerUp reports whether there is a second cluster at all: with k = 1
// there is not, and RunnerUp means nothing.
func (p *Placement) HasRunnerUp() bool { return !math.IsNaN(p.RunnerUpDistance) }

// Track returns a track's place in each feature of a clustering, in the
// clustering's order of features. Of equally near runners-up it takes the one
// of the lower label. It returns store.ErrTrackNotFound when there is no such
// track and store.ErrNotAssigned when it has no label in the clustering.
func Track(db *store.DB, c *store.Clustering, id store.TrackID) ([]Placement, error) {
	places, err := db.TrackAssignments(c, id)
	if err != nil {
		return nil, err
	}
	rows := make([]Placement, len(places))
	for i := range places {
		a := &places[i]
		p := Placement{
			TrackID: id, Feature: a.Feature,
			Cluster: a.Cluster, Label: a.Label, Fold: a.Fold,
			Distance:         a.Distance(),
			RunnerUpDistance: math.NaN(),
			Margin:           math.NaN(),
		}
		if label, ok := a.RunnerUp(); ok {
			clusters, err := db.Clusters(c, a.Feature, a.Fold)
			if err != nil {
				return nil, err
			}
			p.RunnerUp = clusters[label]
			p.RunnerUpDistance = a.Distances[label]
			p.Margin = p.RunnerUpDistance - p.Distance
		}
		rows[i] = p
	}
	return rows, nil
}
