package store

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"
)

// LabelClusters maps the labels of one fold's model to clusters. It is a view
// of the store's memory and valid only within the call that it was given to.
type LabelClusters struct{ model []byte }

// The layout of a sealed model, see sealModel.
const (
	modelHeadLen     = 2 + 2*8*NumStats
	modelCentroidLen = 8*NumStats + 2
)

// Cluster returns the cluster of a label, or ErrCorrupt when the model has no
// such label.
func (m LabelClusters) Cluster(l Label) (Cluster, error) {
	if len(m.model) < 2 || int(l) >= int(binary.LittleEndian.Uint16(m.model)) {
		return 0, fmt.Errorf("%w: model has no label %d", ErrCorrupt, l)
	}
	end := modelHeadLen + modelCentroidLen*(int(l)+1)
	if end > len(m.model) {
		return 0, fmt.Errorf("%w: model is too short", ErrCorrupt)
	}
	return Cluster(binary.LittleEndian.Uint16(m.model[end-2:])), nil
}

// TrackAssignments calls fn with a track's place among the clusters of each of
// the clustering's features, in the clustering's order, and with the clusters
// of the model that labelled the track. Both are fn's until it returns. It
// returns ErrTrackNotFound, or ErrNotAssigned when the track has no label.
//
// It is for looking up single tracks: everything is read in one transaction
// and no centroid is decoded.
func (db *DB) TrackAssignments(c *Clustering, id TrackID, fn func(f Feature, a *Assignment, m LabelClusters) error) error {
	return db.view(func(tx *bbolt.Tx) error {
		assignmentsBucket, err := fitBucket(tx, c, assignmentsBucket)
		if err != nil {
			return err
		}
		modelsBucket, err := fitBucket(tx, c, modelsBucket)
		if err != nil {
			return err
		}
		// One cursor for all: Get would allocate one each time, which took
		// half of the look-up.
		assignments, models := assignmentsBucket.Cursor(), modelsBucket.Cursor()
		var a Assignment
		for _, f := range c.Features {
			key := featureKey(f, id)
			sealed := seekExactly(assignments, key)
			if sealed == nil {
				if _, err := getTrack(tx, id); err != nil {
					return err
				}
				return fmt.Errorf("%w: %q", ErrNotAssigned, id)
			}
			if err := unsealAssignment(key, sealed, &a); err != nil {
				return err
			}
			key = modelKey(f, a.Fold)
			model, err := unseal(key, seekExactly(models, key))
			if err != nil {
				return err
			}
			if err := fn(f, &a, LabelClusters{model}); err != nil {
				return err
			}
		}
		return nil
	})
}

// seekExactly returns the value of a key, nil when there is none.
func seekExactly(c *bbolt.Cursor, key []byte) []byte {
	found, value := c.Seek(key)
	if !bytes.Equal(found, key) {
		return nil
	}
	return value
}

// Tracks calls fn with every track in row order. The track is fn's until it
// returns.
func (db *DB) Tracks(fn func(t *Track) error) error {
	return db.view(func(tx *bbolt.Tx) error {
		return tx.Bucket(tracksBucket).ForEach(func(key, sealed []byte) error {
			t, err := unsealTrack(key, sealed)
			if err != nil {
				return err
			}
			return fn(&t)
		})
	})
}

// VectorRange calls fn with stat vectors of a feature: of the n tracks from
// first on in row order, those with wanted(i), where i counts from 0. The
// vector is fn's until it returns. It returns ErrTrackNotFound when there is no
// track first and ErrCorrupt when there are fewer than n vectors. Vectors that
// are not wanted are not read, so they cost no more than a step.
func (db *DB) VectorRange(f Feature, first TrackID, n int, wanted func(i int) bool, fn func(i int, v *Vector)) error {
	return db.view(func(tx *bbolt.Tx) error {
		c := tx.Bucket(vectorsBucket).Cursor()
		key, sealed := c.Seek(featureKey(f, first))
		if !bytes.Equal(key, featureKey(f, first)) {
			return fmt.Errorf("%w: %q", ErrTrackNotFound, first)
		}
		var v Vector
		for i := range n {
			if wanted(i) {
				if len(key) != 1+TrackIDLen || key[0] != byte(f) {
					return corrupt(key, fmt.Sprintf("%d vectors of %v follow, want %d", i, f, n))
				}
				if err := unsealVector(key, sealed, &v); err != nil {
					return err
				}
				fn(i, &v)
			}
			key, sealed = c.Next()
		}
		return nil
	})
}
