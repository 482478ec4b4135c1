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

	// Look, if set, says what is known of the file at a path that a track was read
	// from, which another file may take over when it is not there any more. Without
	// it all files are there.
	Look func(path string, id TrackID) Presence

	merged bool // from other stores: files cannot be read again, a song is taken with the arrays it has
}

// A Presence says whether a file is where it was.
type Presence uint8

// The presences.
const (
	There   Presence = iota
	Changed          // the file is there, and has the track no longer
	Gone             // the file is not there, its directory is
	Away             // nor is its directory: the file may lie on another machine, or a disk not be mounted
)

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
	Removed    []Removal

	// Short are the paths of songs that came without arrays that their tracks have,
	// and are other songs than these. If there are any the batch was not saved: they
	// have to be read again, for all arrays.
	Short []string

	left map[string]bool // files whose tracks were taken over, since they are not there
}

// A Removal is a track that left the store.
type Removal struct {
	ID     TrackID
	Path   string // the file that it was read from
	Reason string // such as "its file is gone"
}

// A Duplicate is a song that was not kept, because another file has a track of
// the same ID and a smaller path.
type Duplicate struct {
	ID   TrackID
	Path string // the file that was passed over
	Kept string // the file whose song is in the store
}

// Put saves a batch in one transaction. Of two files with the same track ID the
// one with the smaller path is kept, whichever came first. If the file that a
// track was read from is not there, the same song of another file takes its
// place; another song does so only when the file is Gone and not when it is Away.
//
// A track whose vectors changed loses its labels; a track that its file no longer
// holds is removed. Arrays beside the features stay when the same song comes
// without them. When another song does, the outcome is Short.
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
			if err := putSong(tx, &batch.Songs[i], &batch, state, &out); err != nil {
				return err
			}
		}
		if len(out.Short) > 0 {
			return errShort
		}
		if batch.merged {
			out.left = nil
		}
		return errors.Join(putFiles(tx, batch.Files, state, &out), putTime(tx, ingestedKey))
	})
	if errors.Is(err, errShort) {
		return Outcome{Short: out.Short}, nil
	}
	return out, err
}

// errShort ends the transaction of a batch that is not to be saved.
var errShort = errors.New("songs without arrays that their tracks have")

func putSong(tx *bbolt.Tx, s *EncodedSong, b *Batch, state *State, out *Outcome) error {
	was := songIn(tx, s.ID)
	switch {
	case s.loose && tx.Bucket(filesBucket).Get([]byte(s.path)) != nil:
		return nil
	case was.track == nil:
		out.Added++
		state.Tracks++
	default:
		old, err := unsealTrack([]byte(s.ID), was.track)
		if err != nil {
			return err
		}
		same := func() (bool, error) { return sameSong(&old, s, was.arrays[featureGroup]) }
		m, err := meet(old.Source.Path, s, b.Look, same)
		if err == nil && m != passedOver && !b.merged && s.arrays[otherGroup] == nil && was.arrays[otherGroup] != nil {
			var keep bool
			if keep, err = same(); keep {
				s = s.withArrays(was)
			} else {
				out.Short = append(out.Short, s.path)
				return err
			}
		}
		if err != nil {
			return err
		}
		if out.count(m, old.Source.Path, s); m == passedOver {
			return nil
		}
		if was.equal(s) {
			out.Same++
			return nil
		}
	}
	return replace(tx, was, s, state)
}

// songIn returns what the transaction finds of a song, in its memory. It has no
// track if there is none.
func songIn(tx *bbolt.Tx, id TrackID) *EncodedSong {
	s := &EncodedSong{ID: id, track: tx.Bucket(tracksBucket).Get([]byte(id))}
	if s.track == nil && tx.Bucket(vectorsBucket).Get(vectorsKey(Features[0], id)) == nil {
		return s // without track and vectors there is nothing else
	}
	for g, features := range vectorGroups {
		s.vectors[g] = tx.Bucket(vectorsBucket).Get(vectorsKey(features[0], id))
	}
	for g := range numGroups {
		s.arrays[g] = tx.Bucket(arraysBucket).Get(arraysKey(id, g))
	}
	return s
}

// equal reports whether two songs are the same bytes.
func (s *EncodedSong) equal(t *EncodedSong) bool {
	return slices.EqualFunc(s.parts(), t.parts(), func(a, b *[]byte) bool { return bytes.Equal(*a, *b) })
}

// withArrays returns the song with the arrays that it lacks and another has, and
// with the vectors of those. It shares their memory.
func (s *EncodedSong) withArrays(other *EncodedSong) *EncodedSong {
	whole := *s
	whole.arrays[otherGroup] = other.arrays[otherGroup]
	for g := range whole.vectors {
		if whole.vectors[g] == nil {
			whole.vectors[g] = other.vectors[g]
		}
	}
	return &whole
}

// replace writes s over was, which is what the store has of that song. Parts that s
// lacks are removed. A track whose vectors change by one of a clustering's features loses
// its labels there, which no longer hold, and is among those to be assigned if it
// has any such vectors now.
func replace(tx *bbolt.Tx, was, s *EncodedSong, state *State) error {
	var changed, has [len(vectorGroups)]bool
	for g, features := range vectorGroups {
		has[g] = len(s.vectors[g]) > 0
		if changed[g] = !bytes.Equal(was.vectors[g], s.vectors[g]); !changed[g] {
			continue
		}
		state.countVectors(features[0], was.vectors[g] != nil, has[g])
		if err := state.put(tx, inVectors, vectorsKey(features[0], s.ID), was.vectors[g], s.vectors[g]); err != nil {
			return err
		}
	}
	for g := range numGroups {
		if err := state.put(tx, inArrays, arraysKey(s.ID, g), was.arrays[g], s.arrays[g]); err != nil {
			return err
		}
	}
	if err := state.put(tx, inTracks, []byte(s.ID), was.track, s.track); err != nil {
		return err
	}
	if !slices.Contains(changed[:], true) {
		return nil
	}
	return eachFit(tx, func(_ []byte, fit *bbolt.Bucket) error {
		by := groupsOf(fit)
		if !overlap(by, changed) {
			return nil
		}
		if !overlap(by, has) {
			return errors.Join(unassign(fit, s.ID), fit.Bucket(unassignedBucket).Delete([]byte(s.ID)))
		}
		return errors.Join(unassign(fit, s.ID), fit.Bucket(unassignedBucket).Put([]byte(s.ID), seal([]byte(s.ID), nil)))
	})
}

// A meeting is what comes of a song whose track is in the store.
type meeting uint8

const (
	readAgain  meeting = iota // from the same file
	takesOver                 // from a file that is not there
	inherits                  // from a file that has it no longer
	replaces                  // from a file with a greater path
	passedOver                // the song is not kept
)

// meet decides what comes of a song whose track was read from the file at old.
// The function same says whether the songs are the same.
func meet(old string, s *EncodedSong, look func(path string, id TrackID) Presence, same func() (bool, error)) (meeting, error) {
	at := There
	if look != nil && old != s.path {
		at = look(old, s.ID)
	}
	switch {
	case old == s.path:
		return readAgain, nil
	case at == Gone:
		return takesOver, nil
	case at == Changed:
		return inherits, nil
	case at == Away:
		if ok, err := same(); err != nil || !ok {
			return passedOver, err
		}
		return takesOver, nil
	case old < s.path:
		return passedOver, nil
	}
	return replaces, nil
}

// count counts what came of a song.
func (out *Outcome) count(m meeting, old string, s *EncodedSong) {
	switch m {
	case takesOver:
		if out.left == nil {
			out.left = make(map[string]bool)
		}
		out.left[old] = true
	case replaces:
		out.Duplicates = append(out.Duplicates, Duplicate{s.ID, old, s.path})
	case passedOver:
		out.Duplicates = append(out.Duplicates, Duplicate{s.ID, s.path, old})
		return
	}
	out.Replaced++
}

// sameSong reports whether a song is the track old: what is known of it is the
// same, and so are the arrays of the features, of which sealed are the track's.
func sameSong(old *Track, s *EncodedSong, sealed []byte) (bool, error) {
	t, err := unsealTrack([]byte(s.ID), s.track)
	if err != nil {
		return false, err
	}
	t.Source = old.Source
	if !bytes.Equal(sealTrack(&t), sealTrack(old)) {
		return false, nil
	}
	if bytes.Equal(sealed, s.arrays[featureGroup]) {
		return true, nil
	}
	key := arraysKey(s.ID, featureGroup)
	// Another version may have packed them otherwise.
	var before, now [NumArrays][]float64
	for _, a := range []struct {
		sealed []byte
		dst    *[NumArrays][]float64
	}{{sealed, &before}, {s.arrays[featureGroup], &now}} {
		value, err := unseal(key, a.sealed)
		if err == nil {
			err = decodeArrays(key, value, featureGroup, a.dst)
		}
		if err != nil {
			return false, err
		}
	}
	for a := range before {
		if !sameBits(before[a], now[a]) {
			return false, nil
		}
	}
	return true, nil
}

// storedTrack returns a track as the transaction finds it, or ErrTrackNotFound.
func storedTrack(tx *bbolt.Tx, id TrackID) (Track, error) {
	sealed := tx.Bucket(tracksBucket).Get([]byte(id))
	if sealed == nil {
		return Track{}, fmt.Errorf("%w: %q", ErrTrackNotFound, id)
	}
	return unsealTrack([]byte(id), sealed)
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
	state.Tracks--
	return replace(tx, songIn(tx, id), &EncodedSong{ID: id}, state)
}
