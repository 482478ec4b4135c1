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

// fitBytes is about how many bytes of a fit one transaction writes. A reader
// waits for one for less than a second.
const fitBytes = 80 << 20

// A Fit is a clustering being written. Readers meet the one that it replaces
// until Commit, and then the new one. Its methods must not be called at once
// from several goroutines.
type Fit struct {
	w       *Writer
	c       Clustering
	ids     []TrackID        // that it is trained on, in row order
	placed  int              // how many of ids have their assignments
	tallies [NumArrays]tally // of those, by feature
	bytes   uint64           // of keys and values written so far
}

// fitBuckets are the buckets of a fit.
var fitBuckets = [...][]byte{modelsBucket, assignmentsBucket, membersBucket, talliesBucket, unassignedBucket, foldsBucket}

// eachFit calls fn with the bucket of every fit that has a name.
func eachFit(tx *bbolt.Tx, fn func(key []byte, fit *bbolt.Bucket) error) error {
	return tx.Bucket(namesBucket).ForEach(func(name, sealed []byte) error {
		key, err := namedFit(name, sealed)
		if err != nil {
			return err
		}
		fit := tx.Bucket(fitsBucket).Bucket(key)
		if fit == nil {
			return corrupt(name, "has no fit")
		}
		return fn(key, fit)
	})
}

// namedFit returns the key of the fit that a name points to.
func namedFit(name, sealed []byte) ([]byte, error) {
	value, err := unseal(name, sealed)
	if err != nil {
		return nil, err
	}
	if len(value) < 4 {
		return nil, corrupt(name, "too short")
	}
	return fitKey(binary.LittleEndian.Uint32(value)), nil
}

// NewFit begins a clustering of the tracks of the given IDs, which are in row
// order. It takes the room of fits that have no name. It is an error if [CheckName]
// has one.
func (w *Writer) NewFit(c Clustering, ids []TrackID) (*Fit, error) {
	if err := CheckName(c.Name); err != nil {
		return nil, err
	}
	if err := w.dropNameless(); err != nil {
		return nil, err
	}
	c.Tracks = uint64(len(ids))
	c.Summaries = make([]Summary, len(c.Features))
	var tallies [NumArrays]tally
	for _, f := range c.Features {
		tallies[f].clusters = make([]clusterTally, c.K)
	}
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
		return fit.Bucket(talliesBucket).Put(fitBytesKey, sealFitBytes(0))
	})
	return &Fit{w: w, c: c, ids: ids, tallies: tallies}, err
}

// update is [Writer.update], and keeps count of the fit's bytes.
func (f *Fit) update(fn func(tx *bbolt.Tx) error) error {
	return f.w.update(func(tx *bbolt.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return f.bucket(tx, talliesBucket).Put(fitBytesKey, sealFitBytes(f.bytes))
	})
}

// bucket returns a bucket of the fit in a transaction that writes.
func (f *Fit) bucket(tx *bbolt.Tx, name []byte) *bbolt.Bucket {
	return tx.Bucket(fitsBucket).Bucket(fitKey(f.c.fit)).Bucket(name)
}

// A Spot is the place of one of a fit's tracks among a feature's clusters, as
// far as the list of the cluster's members has it.
type Spot struct {
	Row      uint32 // of the track, among the fit's
	Fold     Fold
	Label    Label
	Cluster  Cluster
	Distance float64
}

// SortSpots puts spots in the order in which [Fit.PutFeature] takes them: by
// cluster, then by distance, then by row. Rows ascend as given.
func SortSpots(spots []Spot, k int) {
	sorted, ends := make([]Spot, len(spots)), make([]int, k)
	for _, s := range spots {
		ends[s.Cluster]++
	}
	for c := 1; c < k; c++ {
		ends[c] += ends[c-1]
	}
	for _, s := range slices.Backward(spots) {
		ends[s.Cluster]--
		sorted[ends[s.Cluster]] = s
	}
	for c, start := range ends { // where the cluster begins, by now
		end := len(sorted)
		if c+1 < k {
			end = ends[c+1]
		}
		slices.SortFunc(sorted[start:end], Spot.compareDistance)
	}
	copy(spots, sorted)
}

// compareDistance compares as the keys of members do, by the bits of the distances.
func (s Spot) compareDistance(t Spot) int {
	if a, b := math.Float64bits(s.Distance), math.Float64bits(t.Distance); a != b {
		return cmp.Compare(a, b)
	}
	return cmp.Compare(s.Row, t.Row)
}

// PutFeature saves what the fits of one feature came to: the models, by fold,
// the summary but for its silhouette, and the spots of all tracks as [SortSpots]
// leaves them.
func (f *Fit) PutFeature(feature Feature, models []*Model, s Summary, spots []Spot) error {
	f.c.Summaries[slices.Index(f.c.Features, feature)] = s
	err := f.update(func(tx *bbolt.Tx) (err error) {
		for _, m := range models {
			key := modelKey(feature, m.Fold)
			sealed := sealModel(key, m)
			f.bytes += uint64(len(key) + len(sealed))
			err = errors.Join(err, f.bucket(tx, modelsBucket).Put(key, sealed))
		}
		return err
	})
	if err != nil {
		return err
	}
	var blocks [][]Spot
	for len(spots) > 0 {
		n := 1
		for n < min(len(spots), blockMembers) && spots[n].Cluster == spots[0].Cluster {
			n++
		}
		blocks, spots = append(blocks, spots[:n]), spots[n:]
	}
	return f.write(membersBucket, len(blocks), func(i int) (key, sealed []byte) {
		b := make(memberBlock, 0, blockMembers*memberLen+sumLen)
		for _, m := range blocks[i] {
			b = appendMember(b, f.ids[m.Row], m.Fold, m.Label, m.Distance)
		}
		key = blockKey(feature, blocks[i][0].Cluster, b.at(0))
		return key, seal(key, b)
	})
}

// PutAssignments saves the assignments of the next tracks of the fit, by all of
// its features.
func (f *Fit) PutAssignments(batch []EncodedAssignments) error {
	f.placed += len(batch)
	for i := range batch {
		for _, t := range batch[i].tallied[:batch[i].places] {
			f.tallies[t.feature].add(t)
		}
	}
	return f.write(assignmentsBucket, len(batch), func(i int) (key, sealed []byte) {
		return []byte(batch[i].ID), batch[i].sealed
	})
}

// write writes n entries, in ascending order, in transactions of bounded size.
func (f *Fit) write(bucket []byte, n int, entry func(i int) (key, sealed []byte)) error {
	for i := 0; i < n; {
		err := f.update(func(tx *bbolt.Tx) error {
			b := f.bucket(tx, bucket)
			b.FillPercent = fillPercent
			for written := 0; i < n && written < fitBytes; i++ {
				key, sealed := entry(i)
				written += len(key) + len(sealed)
				f.bytes += uint64(len(key) + len(sealed))
				if err := b.Put(key, sealed); err != nil {
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

// Commit makes the clustering the one of its name, in place of an older one. The
// fingerprint is that of the IDs and vectors it was fitted on. It returns the
// clustering as it is stored, with the summaries' silhouettes. It is an error if
// a track of the fit has no assignments.
func (f *Fit) Commit(fingerprint [32]byte) (*Clustering, error) {
	if f.placed != len(f.ids) {
		return nil, fmt.Errorf("%d tracks of %d have assignments", f.placed, len(f.ids))
	}
	f.c.Fingerprint = fingerprint
	for i, feature := range f.c.Features {
		f.c.Summaries[i].Silhouette = f.tallies[feature].silhouette()
	}
	return &f.c, f.update(func(tx *bbolt.Tx) error {
		for _, feature := range f.c.Features {
			key := tallyKey(feature)
			if err := f.bucket(tx, talliesBucket).Put(key, sealTally(key, &f.tallies[feature])); err != nil {
				return err
			}
		}
		return tx.Bucket(namesBucket).Put([]byte(f.c.Name), sealClustering(&f.c))
	})
}

// Assign gives tracks places in a clustering that has none for them, in one
// transaction. Whether a place says that the clustering was trained on the track
// is for Assign to find out; it is an error if the track's fold was another then.
func (w *Writer) Assign(c *Clustering, batch []Placed) error {
	return w.update(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(fitsBucket).Bucket(fitKey(c.fit))
		if bucket == nil {
			return fmt.Errorf("%w: clustering %q has no fit %d", ErrCorrupt, c.Name, c.fit)
		}
		e := fitEditor{fit: bucket}
		for i := range batch {
			if err := e.assign(&batch[i]); err != nil {
				return err
			}
		}
		return e.finish()
	})
}

// unassign removes a track's places from a fit, but keeps the folds of those
// that it was trained on.
func unassign(fit *bbolt.Bucket, id TrackID) error {
	e := fitEditor{fit: fit}
	return errors.Join(e.unassign(id), e.finish())
}

// A fitEditor changes the places of a complete fit, and in the end what is
// counted of them.
type fitEditor struct {
	fit     *bbolt.Bucket
	tallies [NumArrays]*tally // those needed so far, by feature
	bytes   int64             // more of them than before
}

func (e *fitEditor) bucket(name []byte) *bbolt.Bucket { return e.fit.Bucket(name) }

func (e *fitEditor) members() memberBlocks { return memberBlocks{e.bucket(membersBucket), &e.bytes} }

// tally returns a feature's tally, which finish will save.
func (e *fitEditor) tally(f Feature) (*tally, error) {
	if e.tallies[f] == nil {
		key := tallyKey(f)
		value, err := unseal(key, e.bucket(talliesBucket).Get(key))
		if err != nil {
			return nil, err
		}
		t, err := decodeTally(key, value)
		if err != nil {
			return nil, err
		}
		e.tallies[f] = &t
	}
	return e.tallies[f], nil
}

// finish saves the counts.
func (e *fitEditor) finish() error {
	if e.tallies == [NumArrays]*tally{} {
		return nil // nothing has changed
	}
	b := e.bucket(talliesBucket)
	value, err := unseal(fitBytesKey, b.Get(fitBytesKey))
	if err != nil {
		return err
	}
	n := binary.LittleEndian.Uint64(value) + uint64(e.bytes)
	err = b.Put(fitBytesKey, sealFitBytes(n))
	for _, f := range AllFeatures {
		if t := e.tallies[f]; t != nil {
			err = errors.Join(err, b.Put(tallyKey(f), sealTally(tallyKey(f), t)))
		}
	}
	return err
}

// assign gives a track its places.
func (e *fitEditor) assign(p *Placed) error {
	key := []byte(p.ID)
	if e.bucket(assignmentsBucket).Get(key) != nil {
		return corrupt(key, "has a place already")
	}
	folds, err := e.markTrained(p)
	if err != nil {
		return err
	}
	encoded, _ := EncodeAssignments(nil, p.ID, p.Places)
	sealed := encoded.sealed
	e.bytes += int64(len(key) + len(sealed))
	err = errors.Join(
		e.bucket(assignmentsBucket).Put(key, sealed),
		e.bucket(unassignedBucket).Delete(key),
		e.putFolds(key, folds))
	for i := range p.Places {
		a := &p.Places[i]
		t, tallyErr := e.tally(a.Feature)
		if tallyErr != nil {
			return tallyErr
		}
		t.add(talliedOf(a))
		err = errors.Join(err, e.members().insert(a.Feature, a.Cluster, memberOf(p.ID, a)))
	}
	return err
}

// markTrained sets which places are by features that the fit was trained on the
// track by. It returns the folds of the features that the track has no place by.
func (e *fitEditor) markTrained(p *Placed) ([]trainedFold, error) {
	folds, err := e.folds([]byte(p.ID))
	if err != nil {
		return nil, err
	}
	u := Unassigned{ID: p.ID, folds: folds}
	for i := range p.Places {
		a := &p.Places[i]
		var fold Fold
		if fold, a.Trained = u.Fold(a.Feature); a.Trained && a.Fold != fold {
			return nil, fmt.Errorf("track %s is labelled by fold %d: it was held out by fold %d", p.ID, a.Fold, fold)
		}
	}
	return slices.DeleteFunc(folds, func(t trainedFold) bool {
		return slices.ContainsFunc(p.Places, func(a Assignment) bool { return a.Feature == t.feature })
	}), nil
}

// folds returns the folds of features that the fit was trained on a track by, and
// that the track has no place by.
func (e *fitEditor) folds(key []byte) ([]trainedFold, error) {
	sealed := e.bucket(foldsBucket).Get(key)
	if sealed == nil {
		return nil, nil
	}
	value, err := unseal(key, sealed)
	if err != nil {
		return nil, err
	}
	return decodeFolds(key, value)
}

func (e *fitEditor) putFolds(key []byte, folds []trainedFold) error {
	if len(folds) == 0 {
		return e.bucket(foldsBucket).Delete(key)
	}
	return e.bucket(foldsBucket).Put(key, sealFolds(key, folds))
}

// unassign removes a track's places, if it has any.
func (e *fitEditor) unassign(id TrackID) error {
	key := []byte(id)
	sealed := e.bucket(assignmentsBucket).Get(key)
	if sealed == nil {
		return nil
	}
	value, err := unseal(key, sealed)
	if err != nil {
		return err
	}
	places, err := decodeAssignments(key, value, nil)
	if err != nil {
		return err
	}
	e.bytes -= int64(len(key) + len(sealed))
	folds, err := e.folds(key)
	if err != nil {
		return err
	}
	for i := range places {
		a := &places[i]
		if a.Trained {
			folds = append(folds, trainedFold{a.Feature, a.Fold})
		}
		t, err := e.tally(a.Feature)
		if err != nil {
			return err
		}
		if int(a.Cluster) >= len(t.clusters) {
			return corrupt(key, fmt.Sprintf("place in cluster %d of %d", a.Cluster, len(t.clusters)))
		}
		t.subtract(talliedOf(a))
		if err := e.members().remove(a.Feature, a.Cluster, memberOf(id, a)); err != nil {
			return err
		}
	}
	slices.SortFunc(folds, func(s, t trainedFold) int { return cmp.Compare(s.feature, t.feature) })
	return errors.Join(e.putFolds(key, folds), e.bucket(assignmentsBucket).Delete(key))
}

// DeleteClustering removes a clustering. Its room is for the next one, see
// [Writer.dropNameless]. It returns ErrNotClustered when there is none of that name.
func (w *Writer) DeleteClustering(name string) error {
	// A transaction that only finds this out would still change the file.
	err := w.View(func(db *DB) error {
		_, err := db.Clustering(name)
		return err
	})
	if err != nil {
		return err
	}
	return w.update(func(tx *bbolt.Tx) error { return tx.Bucket(namesBucket).Delete([]byte(name)) })
}

// dropNameless removes the fits that no name points to: those that were replaced or
// deleted, and what a killed process left.
//
// They stay till another fit needs their room. A fit has some 500 pages for every
// thousand tracks. If they were free, every transaction would read and write the
// numbers of all of them, whatever else it does.
func (w *Writer) dropNameless() error {
	var nameless [][]byte
	err := w.View(func(db *DB) error {
		return db.view(func(s *snapshot) (err error) {
			nameless, err = s.namelessFits()
			return err
		})
	})
	if err != nil || len(nameless) == 0 {
		return err // without a write transaction, which would change the file
	}
	return w.update(func(tx *bbolt.Tx) error {
		for _, fit := range nameless {
			if err := tx.Bucket(fitsBucket).DeleteBucket(fit); err != nil {
				return fmt.Errorf("remove a fit without a name: %w", err)
			}
		}
		return nil
	})
}

func (s *snapshot) namelessFits() (nameless [][]byte, err error) {
	named := make(map[string]bool)
	for e, err := range s.names.Range(nil, nil) {
		if err != nil {
			return nil, err
		}
		fit, err := namedFit(e.Key, e.Value)
		if err != nil {
			return nil, err
		}
		named[string(fit)] = true
	}
	for e, err := range s.fits.Buckets() {
		if err != nil {
			return nil, err
		}
		if !named[string(e.Key)] {
			nameless = append(nameless, bytes.Clone(e.Key)) // it outlives the transaction
		}
	}
	return nameless, nil
}
