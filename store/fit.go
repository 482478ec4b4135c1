package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"go.etcd.io/bbolt"
)

// The bytes of a fit that one transaction writes: few at first, for memory costs
// time; then more, since every transaction opens the file anew. A reader waits
// for one for less than a second.
const (
	firstFitBytes = 8 << 20
	maxFitBytes   = 32 << 20
)

// A Fit is a clustering being written. Readers meet the one that it replaces
// until Commit, and then the new one. Its methods must not be called at once
// from several goroutines.
type Fit struct {
	w *Writer
	c Clustering

	ids     []TrackID             // those placed so far
	members [NumFeatures][]member // of their clusters

	pending []entry // not written yet
	data    []byte  // their keys and values
	limit   int     // length at which data is written
	written int     // bytes written so far
	value   encoder // scratch
}

// An entry is a key and its value in one of a fit's buckets: places in data,
// since millions of pointers would keep the garbage collector busy.
type entry struct {
	bucket     uint8 // number in fitBuckets
	start, end int   // of key and value
	keyLen     int
}

var fitBuckets = [...][]byte{modelsBucket, assignmentsBucket, membersBucket}

const (
	inModels = iota
	inAssignments
	inMembers
)

// NewFit begins a clustering. What it leaves behind when the process is killed
// is removed by the next writer. It is an error if [CheckName] has one.
func (w *Writer) NewFit(c Clustering) (*Fit, error) {
	if err := CheckName(c.Name); err != nil {
		return nil, err
	}
	c.Summaries = make([]Summary, len(c.Features))
	err := w.updateState(func(tx *bbolt.Tx, state *State) error {
		c.fit = state.nextFit
		state.nextFit++
		fit, err := tx.Bucket(fitsBucket).CreateBucket(fitKey(c.fit))
		if err != nil {
			return err
		}
		for _, name := range fitBuckets {
			if _, err := fit.CreateBucket(name); err != nil {
				return err
			}
		}
		return nil
	})
	return &Fit{w: w, c: c, limit: firstFitBytes, data: make([]byte, 0, firstFitBytes*9/8)}, err
}

// PutModels saves models.
func (f *Fit) PutModels(models []*Model) error {
	for _, m := range models {
		key := modelKey(m.Feature, m.Fold)
		if err := f.put(inModels, key, sealModel(key, m)); err != nil {
			return err
		}
	}
	return nil
}

// PutSummary saves what the fits of a feature came to.
func (f *Fit) PutSummary(feature Feature, s Summary) {
	f.c.Summaries[slices.Index(f.c.Features, feature)] = s
}

// PutAssignments saves the places of tracks among the clusters of the
// clustering's features. The IDs are in row order, behind those of the call
// before; at returns the place of ids[i] by a feature, which is read before the
// next call.
func (f *Fit) PutAssignments(ids []TrackID, at func(feature Feature, i int) *Assignment) error {
	features := slices.Sorted(slices.Values(f.c.Features))
	for i, id := range ids {
		for _, feature := range features {
			a := at(feature, i)
			f.members[feature] = append(f.members[feature], member{uint32(len(f.ids)), a.Cluster, a.Distance()})
			key := assignmentKey(id, feature)
			f.value.buf = f.value.buf[:0]
			f.value.assignment(a)
			f.value.buf = seal(key, f.value.buf)
			if err := f.put(inAssignments, key, f.value.buf); err != nil {
				return err
			}
		}
		f.ids = append(f.ids, id)
	}
	return nil
}

// putMembers saves the members of the clusters, once all tracks are placed: in
// the order of the keys, so that bbolt fills page after page.
func (f *Fit) putMembers() error {
	for feature, members := range f.members {
		slices.SortFunc(members, member.compare)
		for _, m := range members {
			key := memberKey(Feature(feature), m.cluster, m.distance, f.ids[m.row])
			if err := f.put(inMembers, key, seal(key, nil)); err != nil {
				return err
			}
		}
	}
	return nil
}

type member struct {
	row      uint32 // place in the fit's ids, which ascend
	cluster  Cluster
	distance float64
}

func (m member) compare(n member) int {
	return cmp.Or(cmp.Compare(m.cluster, n.cluster), cmp.Compare(m.distance, n.distance), cmp.Compare(m.row, n.row))
}

// put collects an entry, and writes what has been collected once it is much.
func (f *Fit) put(bucket uint8, key, value []byte) error {
	start := len(f.data)
	f.data = append(append(f.data, key...), value...)
	f.pending = append(f.pending, entry{bucket, start, len(f.data), len(key)})
	if len(f.data) < f.limit {
		return nil
	}
	f.written += len(f.data)
	err := f.write()
	f.limit = max(f.limit, min(f.written/4, maxFitBytes))
	return err
}

// write writes the entries collected in a transaction.
func (f *Fit) write() error {
	// bbolt refers to values until the transaction is over.
	err := f.w.update(f.flush)
	f.pending, f.data = f.pending[:0], f.data[:0]
	return err
}

// flush writes the entries collected, by bucket, for then keys ascend, and bbolt
// need not move what it has.
func (f *Fit) flush(tx *bbolt.Tx) error {
	for bucket, name := range fitBuckets {
		b, err := fitBucket(tx, &f.c, name)
		if err != nil {
			return err
		}
		b.FillPercent = fillPercent
		for _, e := range f.pending {
			if int(e.bucket) != bucket {
				continue
			}
			value := e.start + e.keyLen
			if err := b.Put(f.data[e.start:value], f.data[value:e.end]); err != nil {
				return err
			}
		}
	}
	return nil
}

// Assign gives tracks places in a clustering that has none for them, in one
// transaction: a track is in all features or in none. The IDs are in row order;
// at returns the place of ids[i], which is read before the next call.
func (w *Writer) Assign(c *Clustering, ids []TrackID, at func(f Feature, i int) *Assignment) error {
	fit := Fit{w: w, c: *c, limit: math.MaxInt}
	if err := errors.Join(fit.PutAssignments(ids, at), fit.putMembers()); err != nil {
		return err
	}
	return fit.write()
}

// Commit makes the clustering the one of its name, in place of an older one. The
// fingerprint is that of the IDs and vectors it was fitted on.
func (f *Fit) Commit(fingerprint [32]byte) error {
	f.c.Fingerprint = fingerprint
	if err := f.putMembers(); err != nil {
		return err
	}
	return f.w.update(func(tx *bbolt.Tx) error {
		if err := f.flush(tx); err != nil {
			return err
		}
		err := deleteClustering(tx, f.c.Name)
		if err != nil && !errors.Is(err, ErrNotClustered) {
			return fmt.Errorf("replace clustering: %w", err)
		}
		return tx.Bucket(namesBucket).Put([]byte(f.c.Name), sealClustering(&f.c))
	})
}

// DeleteClustering removes a clustering. It returns ErrNotClustered when there
// is none of that name.
func (w *Writer) DeleteClustering(name string) error {
	// A transaction that only finds this out would still change the file.
	err := w.View(func(db *DB) error {
		_, err := db.Clustering(name)
		return err
	})
	if err != nil {
		return err
	}
	return w.update(func(tx *bbolt.Tx) error { return deleteClustering(tx, name) })
}

func deleteClustering(tx *bbolt.Tx, name string) error {
	c, err := getClustering(tx, name)
	if err != nil {
		return err
	}
	if err := tx.Bucket(fitsBucket).DeleteBucket(fitKey(c.fit)); err != nil {
		return fmt.Errorf("remove fit of clustering %q: %w", name, err)
	}
	return tx.Bucket(namesBucket).Delete([]byte(name))
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
