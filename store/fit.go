package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"
)

// fitBatch is how many assignments one transaction writes. It bounds the
// memory of a fit over any number of tracks, and how long a reader waits.
const fitBatch = 1 << 15

// A Fit is a clustering being written. Readers meet the one that it replaces
// until Commit, and then the new one.
type Fit struct {
	w *Writer
	c Clustering
}

// NewFit begins a clustering. What it leaves behind when the process is killed
// is removed by the next writer.
func (w *Writer) NewFit(c Clustering) (*Fit, error) {
	err := w.updateState(func(tx *bbolt.Tx, state *State) error {
		c.fit = state.nextFit
		state.nextFit++
		fit, err := tx.Bucket(fitsBucket).CreateBucket(fitKey(c.fit))
		if err != nil {
			return err
		}
		for _, name := range [][]byte{modelsBucket, assignmentsBucket, membersBucket} {
			if _, err := fit.CreateBucket(name); err != nil {
				return err
			}
		}
		return nil
	})
	return &Fit{w, c}, err
}

// PutModels saves models.
func (f *Fit) PutModels(models []*Model) error {
	return f.w.updateFit(&f.c, modelsBucket, func(b *bbolt.Bucket) error {
		for _, m := range models {
			key := modelKey(m.Feature, m.Fold)
			if err := b.Put(key, sealModel(key, m)); err != nil {
				return err
			}
		}
		return nil
	})
}

// PutAssignments saves the places of tracks among a feature's clusters. The IDs
// are in row order; at returns the place of ids[i], which is read before the
// next call.
func (f *Fit) PutAssignments(feature Feature, ids []TrackID, at func(i int) *Assignment) error {
	return f.w.putAssignments(&f.c, feature, ids, at)
}

func (w *Writer) putAssignments(c *Clustering, f Feature, ids []TrackID, at func(i int) *Assignment) error {
	type member struct {
		row      int
		cluster  Cluster
		distance float64
	}
	members := make([]member, 0, len(ids))
	for first := 0; first < len(ids); first += fitBatch {
		err := w.updateFit(c, assignmentsBucket, func(b *bbolt.Bucket) error {
			members = members[:first] // in case bbolt runs this again
			for i := first; i < min(first+fitBatch, len(ids)); i++ {
				a := at(i)
				key := featureKey(f, ids[i])
				if err := b.Put(key, sealAssignment(key, a)); err != nil {
					return err
				}
				members = append(members, member{i, a.Cluster, a.Distance()})
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	// Rows ascend with IDs, so this is the order of the keys, and bbolt fills
	// page after page.
	slices.SortFunc(members, func(a, b member) int {
		return cmp.Or(cmp.Compare(a.cluster, b.cluster), cmp.Compare(a.distance, b.distance), cmp.Compare(a.row, b.row))
	})
	for batch := range slices.Chunk(members, fitBatch) {
		err := w.updateFit(c, membersBucket, func(b *bbolt.Bucket) error {
			for _, m := range batch {
				key := memberKey(f, m.cluster, m.distance, ids[m.row])
				if err := b.Put(key, seal(key, nil)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// updateFit runs fn with a bucket of the clustering's fit in a write
// transaction.
func (w *Writer) updateFit(c *Clustering, name []byte, fn func(b *bbolt.Bucket) error) error {
	return w.update(func(tx *bbolt.Tx) error {
		b, err := fitBucket(tx, c, name)
		if err != nil {
			return err
		}
		b.FillPercent = fillPercent
		return fn(b)
	})
}

// Commit makes the clustering the one of its name, in place of an older one. The
// fingerprint is that of the IDs and vectors it was fitted on.
func (f *Fit) Commit(fingerprint [32]byte) error {
	f.c.Fingerprint = fingerprint
	return f.w.update(func(tx *bbolt.Tx) error {
		names := tx.Bucket(namesBucket)
		key := []byte(f.c.Name)
		if sealed := names.Get(key); sealed != nil {
			old, err := unsealClustering(key, sealed)
			if err != nil {
				return err
			}
			if err := tx.Bucket(fitsBucket).DeleteBucket(fitKey(old.fit)); err != nil {
				return fmt.Errorf("remove old clustering %q: %w", f.c.Name, err)
			}
		}
		return names.Put(key, sealClustering(&f.c))
	})
}

// Abort removes what the fit has written.
func (f *Fit) Abort() error { return f.w.dropOrphans() }

// dropOrphans removes fits that no name points to.
func (w *Writer) dropOrphans() error {
	var orphans [][]byte
	err := w.View(func(db *DB) error {
		return db.view(func(tx *bbolt.Tx) (err error) {
			orphans, err = orphanFits(tx)
			return err
		})
	})
	if err != nil || len(orphans) == 0 {
		return err // without a write transaction, which would change the file
	}
	return w.update(func(tx *bbolt.Tx) error {
		for _, fit := range orphans {
			if err := tx.Bucket(fitsBucket).DeleteBucket(fit); err != nil {
				return fmt.Errorf("remove unfinished fit: %w", err)
			}
		}
		return nil
	})
}

func orphanFits(tx *bbolt.Tx) (orphans [][]byte, err error) {
	named := make(map[uint32]bool)
	err = tx.Bucket(namesBucket).ForEach(func(key, sealed []byte) error {
		c, err := unsealClustering(key, sealed)
		if err != nil {
			return err
		}
		named[c.fit] = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = tx.Bucket(fitsBucket).ForEachBucket(func(key []byte) error {
		if len(key) != 4 || !named[binary.BigEndian.Uint32(key)] {
			orphans = append(orphans, bytes.Clone(key)) // it outlives the transaction
		}
		return nil
	})
	return orphans, err
}
