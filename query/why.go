package query

import (
	"math"

	"tatum/store"
)

// A FeatureDistance is how unlike two tracks are by one feature.
type FeatureDistance struct {
	QueryID, TrackID store.TrackID
	Feature          store.Feature
	Distance         float64 // see Distance and SoundDistance
}

// A Part is what one statistic adds to the distance of two tracks.
type Part struct {
	QueryID, TrackID store.TrackID
	Feature          store.Feature
	Statistic        string
	Query, Track     float64 // the statistic of each
	Part             float64 // the feature's Distance is the mean of all its parts
}

// FeatureDistances returns the distances of two tracks by each of the features, in
// their order. The mean is the distance that Similar gives. It returns
// store.ErrTrackNotFound when there is no such track, and ErrNoSound when one lacks
// a sound feature.
func FeatureDistances(db *store.DB, id, to store.TrackID, features []store.Feature) ([]FeatureDistance, error) {
	a, b, err := vectorsOfBoth(db, id, to, features)
	if err != nil {
		return nil, err
	}
	distances := make([]FeatureDistance, len(features))
	for i, f := range features {
		distances[i] = FeatureDistance{id, to, f, newMeasure(f, a[f]).distance(b[f], 1)}
	}
	return distances, nil
}

// Parts returns the parts of the distances of two tracks by each of the features:
// thirty for each, in the order of the features and StatNames; or for a sound
// feature twelve, one for each column, named by its mean. The errors are those of
// FeatureDistances. Of the densities each has ten times the difference of the two
// shares of gaps in its bin, half of which would have to move.
func Parts(db *store.DB, id, to store.TrackID, features []store.Feature) ([]Part, error) {
	a, b, err := vectorsOfBoth(db, id, to, features)
	if err != nil {
		return nil, err
	}
	var parts []Part
	for _, f := range features {
		names := StatNamesOf(f)
		for i, part := range newMeasure(f, a[f]).parts(b[f]) {
			parts = append(parts, Part{id, to, f, names[i], a[f][i], b[f][i], part})
		}
	}
	return parts, nil
}

func vectorsOfBoth(db *store.DB, id, to store.TrackID, features []store.Feature) (a, b store.VectorSet, err error) {
	if a, err = vectorsOf(db, id, features); err == nil {
		b, err = vectorsOf(db, to, features)
	}
	return a, b, err
}

// parts returns the parts whose mean is the distance to v.
func (p *profile) parts(v store.Vector) []float64 {
	parts := make([]float64, store.NumStats)
	for i, x := range p.shape {
		parts[i] = math.Abs(x - squash(v[i]))
		if i == skewAt || i == kurtosisAt {
			parts[i] = min(parts[i], 1)
		}
	}
	if longer := max(p.length, v[lengthAt]); longer > 0 {
		parts[lengthAt] = math.Abs(p.length-v[lengthAt]) / longer
	}
	scale := shareOf(v)
	for i, share := range p.shares {
		parts[densitiesAt+i] = numDensities / 2 * math.Abs(share-float64(v[densitiesAt+i]*scale))
	}
	return parts
}
