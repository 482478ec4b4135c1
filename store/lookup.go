package store

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"
)

// labelClusters has the cluster of each label of each fold of each feature of
// one clustering. A DB keeps the one it used last: reading and checking the
// models takes as long as looking up twenty tracks.
type labelClusters struct {
	c      *Clustering
	models [NumFeatures][][]Cluster
}

func (db *DB) labelClusters(c *Clustering) (*labelClusters, error) {
	if l := db.labels.Load(); l != nil && l.c == c {
		return l, nil
	}
	l := &labelClusters{c: c}
	for _, f := range c.Features {
		models, err := db.Models(c, f)
		if err != nil {
			return nil, err
		}
		for _, m := range models {
			l.models[f] = append(l.models[f], m.Clusters)
		}
	}
	db.labels.Store(l)
	return l, nil
}

// TrackAssignments calls fn with a track's place among the clusters of each of
// the clustering's features, in the clustering's order, and with the clusters,
// by label, of the model that labelled the track. The place is fn's until it
// returns; the clusters must not be changed. It returns ErrTrackNotFound, or
// ErrNotAssigned when the track has no label.
//
// It is for looking up single tracks: everything is read in one transaction,
// the models only once for a clustering, which must not be changed meanwhile.
func (db *DB) TrackAssignments(c *Clustering, id TrackID, fn func(f Feature, a *Assignment, clusters []Cluster) error) error {
	l, err := db.labelClusters(c)
	if err != nil {
		return err
	}
	return db.viewFit(c, assignmentsBucket, func(b *bbolt.Bucket) error {
		places, err := newFinder(b)
		if err != nil {
			return err
		}
		var a Assignment
		key := assignmentKey(id, 0)
		for _, f := range c.Features {
			key[TrackIDLen] = byte(f)
			sealed, err := places.get(key)
			if err != nil {
				return err
			}
			if sealed == nil {
				if _, err := getTrack(b.Tx(), id); err != nil {
					return err
				}
				return fmt.Errorf("%w: %q", ErrNotAssigned, id)
			}
			if err := unsealAssignment(key, sealed, &a); err != nil {
				return err
			}
			if int(a.Fold) >= len(l.models[f]) || len(l.models[f][a.Fold]) != len(a.Distances) {
				return corrupt(key, fmt.Sprintf("fold %d has no model with %d centroids", a.Fold, len(a.Distances)))
			}
			if err := fn(f, &a, l.models[f][a.Fold]); err != nil {
				return err
			}
		}
		return nil
	})
}

// Tracks calls fn with every track in row order. The track is fn's until it
// returns.
func (db *DB) Tracks(fn func(t *Track) error) error {
	return db.view(func(tx *bbolt.Tx) error {
		n := 0
		err := each(tx.Bucket(tracksBucket), func(key, sealed []byte) error {
			n++
			t, err := unsealTrack(key, sealed)
			if err != nil {
				return err
			}
			return fn(&t)
		})
		if err != nil {
			return err
		}
		return countTracks(tx, n)
	})
}

// TrackIDsWith returns the IDs that begin with prefix, in row order and at most
// limit of them.
func (db *DB) TrackIDsWith(prefix string, limit int) (ids []TrackID, err error) {
	err = db.view(func(tx *bbolt.Tx) error {
		if err := verify(tx.Bucket(tracksBucket), []byte(prefix), afterPrefix([]byte(prefix)), false); err != nil {
			return err
		}
		c := tx.Bucket(tracksBucket).Cursor()
		key, _ := c.Seek([]byte(prefix))
		for ; bytes.HasPrefix(key, []byte(prefix)) && len(ids) < limit; key, _ = c.Next() {
			ids = append(ids, TrackID(key))
		}
		return nil
	})
	return ids, err
}

// TrackIDsAt returns the IDs of the tracks in the given rows, which ascend from
// row 0. It returns ErrCorrupt when there are fewer tracks. Other tracks' keys
// are not read, so it takes a fifth of the time of TrackIDs.
func (db *DB) TrackIDsAt(rows ...int) (ids []TrackID, err error) {
	err = db.view(func(tx *bbolt.Tx) error {
		if err := verify(tx.Bucket(tracksBucket), nil, nil, false); err != nil {
			return err
		}
		c := tx.Bucket(tracksBucket).Cursor()
		key, _ := c.First()
		at := 0
		for _, row := range rows {
			for ; at < row && key != nil; at++ {
				key, _ = c.Next()
			}
			if len(key) != TrackIDLen {
				return corrupt(key, fmt.Sprintf("no track in row %d", row))
			}
			ids = append(ids, TrackID(key))
		}
		return nil
	})
	return ids, err
}

// VectorRange calls fn with stat vectors of a feature: of the n tracks from
// first to last in row order, those with wanted(i), where i counts from 0. The
// ID's bytes and the vector are fn's until it returns. VectorRange returns
// ErrTrackNotFound when there is no track first and ErrCorrupt when there are
// fewer than n vectors. Vectors that are not wanted are not read, so they cost
// no more than a step.
func (db *DB) VectorRange(f Feature, first, last TrackID, n int, wanted func(i int) bool, fn func(i int, id []byte, v *Vector)) error {
	return db.view(func(tx *bbolt.Tx) error {
		if err := verify(tx.Bucket(vectorsBucket), vectorKey(f, first), afterPrefix(vectorKey(f, last)), false); err != nil {
			return err
		}
		c := tx.Bucket(vectorsBucket).Cursor()
		key, sealed := c.Seek(vectorKey(f, first))
		if !bytes.Equal(key, vectorKey(f, first)) {
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
				fn(i, key[1:], &v)
			}
			key, sealed = c.Next()
		}
		return nil
	})
}
