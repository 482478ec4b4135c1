package store

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"
)

// A Batch is what one transaction of an ingest saves.
type Batch struct {
	Songs []EncodedSong
	Files []File // files whose last song is in this batch or an earlier one

	// Gone, if set, reports whether the file at a path is there no more; then
	// another file may take over its tracks.
	Gone func(path string) bool
}

// isRun reports whether the batch's songs are a run of their own: fewer tracks
// than they are stand between the first and the last of them.
func (b *Batch) isRun(tx *bbolt.Tx) bool {
	if len(b.Songs) == 0 {
		return true
	}
	byID := func(s, t EncodedSong) int { return cmp.Compare(s.ID, t.ID) }
	first, last := slices.MinFunc(b.Songs, byID).ID, slices.MaxFunc(b.Songs, byID).ID
	c := tx.Bucket(tracksBucket).Cursor()
	key, _ := c.Seek([]byte(first))
	for range b.Songs {
		if key == nil || TrackID(key) > last {
			return true
		}
		key, _ = c.Next()
	}
	return false
}

// An Outcome counts what a batch did.
type Outcome struct {
	Added      int
	Replaced   int
	Same       int // of those replaced, songs of which nothing changed
	Duplicates []Duplicate
}

// A Duplicate is a song that was not kept, because another file has a track of
// the same ID and a smaller path.
type Duplicate struct {
	ID   TrackID
	Path string // the file that was passed over
	Kept string // the file whose song is in the store
}

// Put saves a batch in one transaction. Of two files with the same track ID the
// one with the smaller path is kept, whichever came first. A track whose
// vectors changed loses its labels; a track that its file no longer holds is
// removed.
func (w *Writer) Put(batch Batch) (Outcome, error) {
	var out Outcome
	err := w.updateState(func(tx *bbolt.Tx, state *State) error {
		out = Outcome{}
		if batch.isRun(tx) {
			for _, name := range partBuckets {
				tx.Bucket(name).FillPercent = fillPercent
			}
		}
		for i := range batch.Songs {
			if err := putSong(tx, &batch.Songs[i], batch.Gone, state, &out); err != nil {
				return err
			}
		}
		return errors.Join(putFiles(tx, batch.Files, state), putTime(tx, ingestedKey))
	})
	return out, err
}

func putSong(tx *bbolt.Tx, s *EncodedSong, gone func(path string) bool, state *State, out *Outcome) error {
	old, err := storedTrack(tx, s.ID)
	switch {
	case err != nil && !errors.Is(err, ErrTrackNotFound):
		return err
	case s.loose && tx.Bucket(filesBucket).Get([]byte(s.path)) != nil:
		return nil
	case err != nil:
		out.Added++
		state.Tracks++
	case old.Source.Path == s.path, gone != nil && gone(old.Source.Path):
		out.Replaced++
	case old.Source.Path < s.path:
		out.Duplicates = append(out.Duplicates, Duplicate{s.ID, s.path, old.Source.Path})
		return nil
	default:
		out.Replaced++
		out.Duplicates = append(out.Duplicates, Duplicate{s.ID, old.Source.Path, s.path})
	}
	if isSame(tx, s) {
		out.Same++
		return nil
	}
	if err := putVectors(tx, s.ID, &s.vectors, state); err != nil {
		return err
	}
	for g, sealed := range s.arrays {
		key := arraysKey(s.ID, group(g))
		if len(sealed) == 0 {
			err = state.remove(tx, inArrays, key) // those of an older file
		} else {
			err = state.put(tx, inArrays, key, sealed)
		}
		if err != nil {
			return err
		}
	}
	return state.put(tx, inTracks, []byte(s.ID), s.track)
}

// isSame reports whether a song is in the store as it is to be.
func isSame(tx *bbolt.Tx, s *EncodedSong) bool {
	same := bytes.Equal(tx.Bucket(tracksBucket).Get([]byte(s.ID)), s.track)
	for g, features := range vectorGroups {
		same = same && bytes.Equal(tx.Bucket(vectorsBucket).Get(vectorsKey(features[0], s.ID)), s.vectors[g])
	}
	for g, sealed := range s.arrays {
		same = same && bytes.Equal(tx.Bucket(arraysBucket).Get(arraysKey(s.ID, group(g))), sealed)
	}
	return same
}

// storedTrack returns a track as the transaction finds it, or ErrTrackNotFound.
func storedTrack(tx *bbolt.Tx, id TrackID) (Track, error) {
	sealed := tx.Bucket(tracksBucket).Get([]byte(id))
	if sealed == nil {
		return Track{}, fmt.Errorf("%w: %q", ErrTrackNotFound, id)
	}
	return unsealTrack([]byte(id), sealed)
}

// putVectors writes a track's vectors, nil for those that it is to lack. A track
// whose vectors change by one of a clustering's features loses its labels there,
// which no longer hold, and is among those to be assigned if it has any such
// vectors now.
func putVectors(tx *bbolt.Tx, id TrackID, vectors *[len(vectorGroups)][]byte, state *State) error {
	var changed, has [len(vectorGroups)]bool
	any := false
	for g, features := range vectorGroups {
		key := vectorsKey(features[0], id)
		old := tx.Bucket(vectorsBucket).Get(key)
		has[g] = len(vectors[g]) > 0
		if changed[g] = !bytes.Equal(old, vectors[g]); !changed[g] {
			continue
		}
		any = true
		state.countVectors(features[0], old != nil, has[g])
		var err error
		if has[g] {
			err = state.put(tx, inVectors, key, vectors[g])
		} else {
			err = state.remove(tx, inVectors, key)
		}
		if err != nil {
			return err
		}
	}
	if !any {
		return nil
	}
	return eachFit(tx, func(fit *bbolt.Bucket) error {
		by := groupsOf(fit)
		if !overlap(by, changed) {
			return nil
		}
		if !overlap(by, has) {
			return errors.Join(unassign(fit, id), fit.Bucket(unassignedBucket).Delete([]byte(id)))
		}
		return errors.Join(unassign(fit, id), fit.Bucket(unassignedBucket).Put([]byte(id), seal([]byte(id), nil)))
	})
}

// groupsOf returns of which groups of vectors a fit has features.
func groupsOf(fit *bbolt.Bucket) (groups [len(vectorGroups)]bool) {
	tallies := fit.Bucket(talliesBucket)
	for g, features := range vectorGroups {
		groups[g] = slices.ContainsFunc(features, func(f Feature) bool { return tallies.Get(tallyKey(f)) != nil })
	}
	return groups
}

func overlap(a, b [len(vectorGroups)]bool) bool {
	for g := range a {
		if a[g] && b[g] {
			return true
		}
	}
	return false
}

// deleteTrack removes a track and all that is kept of it, but for its folds.
func deleteTrack(tx *bbolt.Tx, id TrackID, state *State) error {
	err := putVectors(tx, id, new([len(vectorGroups)][]byte), state)
	for g := range numGroups {
		err = errors.Join(err, state.remove(tx, inArrays, arraysKey(id, g)))
	}
	state.Tracks--
	return errors.Join(err, state.remove(tx, inTracks, []byte(id)))
}
