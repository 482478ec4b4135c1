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
		for i := range batch.Files {
			if err := putFile(tx, &batch.Files[i], state); err != nil {
				return err
			}
		}
		// A song may have been passed over for that of a file which, later in the
		// batch, turned out to have it no longer.
		for i := range batch.Files {
			if err := forgetUnlessWhole(tx, &batch.Files[i], state); err != nil {
				return err
			}
		}
		return putTime(tx, ingestedKey)
	})
	return out, err
}

func putSong(tx *bbolt.Tx, s *EncodedSong, gone func(path string) bool, state *State, out *Outcome) error {
	old, err := storedTrack(tx, s.ID)
	switch {
	case errors.Is(err, ErrTrackNotFound):
		out.Added++
		state.Tracks++
	case err != nil:
		return err
	case old.Source.Path == s.path, gone != nil && gone(old.Source.Path):
		out.Replaced++
	case old.Source.Path < s.path:
		out.Duplicates = append(out.Duplicates, Duplicate{s.ID, s.path, old.Source.Path})
		return nil
	default:
		out.Replaced++
		out.Duplicates = append(out.Duplicates, Duplicate{s.ID, old.Source.Path, s.path})
	}
	if err := putVectors(tx, s, state); err != nil {
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

// storedTrack returns a track as the transaction finds it, or ErrTrackNotFound.
func storedTrack(tx *bbolt.Tx, id TrackID) (Track, error) {
	sealed := tx.Bucket(tracksBucket).Get([]byte(id))
	if sealed == nil {
		return Track{}, fmt.Errorf("%w: %q", ErrTrackNotFound, id)
	}
	return unsealTrack([]byte(id), sealed)
}

// putVectors writes a song's vectors. If they differ from what stood there, the
// track's labels no longer hold.
func putVectors(tx *bbolt.Tx, s *EncodedSong, state *State) error {
	key := vectorsKey(s.ID)
	if bytes.Equal(tx.Bucket(vectorsBucket).Get(key), s.vectors) {
		return nil
	}
	state.Generation++
	if err := state.put(tx, inVectors, key, s.vectors); err != nil {
		return err
	}
	return eachFit(tx, func(fit *bbolt.Bucket) error {
		return errors.Join(unassign(fit, s.ID), fit.Bucket(unassignedBucket).Put([]byte(s.ID), seal([]byte(s.ID), nil)))
	})
}

// deleteTrack removes a track and all that is kept of it, but for its folds.
func deleteTrack(tx *bbolt.Tx, id TrackID, state *State) error {
	err := eachFit(tx, func(fit *bbolt.Bucket) error {
		return errors.Join(unassign(fit, id), fit.Bucket(unassignedBucket).Delete([]byte(id)))
	})
	for g := range numGroups {
		err = errors.Join(err, state.remove(tx, inArrays, arraysKey(id, g)))
	}
	state.Tracks--
	state.Generation++
	return errors.Join(err, state.remove(tx, inVectors, vectorsKey(id)), state.remove(tx, inTracks, []byte(id)))
}
