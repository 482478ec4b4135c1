package store

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"
)

// An EncodedSong is a song in the store's own bytes. Encoding costs more than
// writing; so it is done where the song is read, in many processes at once,
// and the one writer only copies.
type EncodedSong struct {
	ID      TrackID
	track   []byte
	arrays  [2][]byte // by group; nil when the group was not read
	vectors [NumFeatures][]byte
}

// EncodeSong encodes a song and its stat vectors. The seven arrays beside the
// features are kept if any of them was read.
func EncodeSong(s *Song, vectors *[NumFeatures]Vector) *EncodedSong {
	e := &EncodedSong{ID: s.ID, track: sealTrack(&s.Track)}
	for g := featureArrays; g <= extraArrays; g++ {
		if first, end := g.span(); slices.ContainsFunc(s.Arrays[first:end], func(a []float64) bool { return a != nil }) {
			e.arrays[g] = seal(arraysKey(s.ID, g), appendArrays(nil, g, &s.Arrays))
		}
	}
	for _, f := range Features {
		e.vectors[f] = sealVector(vectorKey(f, s.ID), &vectors[f])
	}
	return e
}

// Size returns how many bytes the song takes.
func (s *EncodedSong) Size() int {
	n := 0
	for _, part := range s.parts() {
		n += len(*part)
	}
	return n
}

// MarshalBinary returns the song as bytes to be sent to the writer.
func (s *EncodedSong) MarshalBinary() ([]byte, error) {
	var e encoder
	e.string(string(s.ID))
	for _, part := range s.parts() {
		e.bytes(*part)
	}
	return e.buf, nil
}

// UnmarshalBinary is the inverse of MarshalBinary. The song shares memory with
// data.
func (s *EncodedSong) UnmarshalBinary(data []byte) error {
	d := decoder{buf: data}
	s.ID = TrackID(d.string())
	for _, part := range s.parts() {
		if *part = d.bytes(); len(*part) == 0 {
			*part = nil
		}
	}
	return d.end([]byte(s.ID))
}

func (s *EncodedSong) parts() []*[]byte {
	parts := []*[]byte{&s.track, &s.arrays[0], &s.arrays[1]}
	for f := range s.vectors {
		parts = append(parts, &s.vectors[f])
	}
	return parts
}

func sealTrack(t *Track) []byte {
	var e encoder
	for _, v := range []string{t.ArtistName, t.Title, t.Release, t.SongID, t.ArtistID, t.ArtistMBID} {
		e.string(v)
	}
	for _, v := range []int32{t.Artist7digitalID, t.Release7digitalID, t.Track7digitalID, t.Year, t.Key, t.Mode} {
		e.uint32(uint32(v))
	}
	e.float64s([]float64{t.Duration, t.Tempo, t.Loudness})
	e.string(t.Source.Path)
	e.uint32(t.Source.Row)
	return seal([]byte(t.ID), e.buf)
}

func unsealTrack(key, sealed []byte) (Track, error) {
	value, err := unseal(key, sealed)
	if err != nil {
		return Track{}, err
	}
	d := decoder{buf: value}
	t := Track{ID: TrackID(key)}
	for _, v := range []*string{&t.ArtistName, &t.Title, &t.Release, &t.SongID, &t.ArtistID, &t.ArtistMBID} {
		*v = d.string()
	}
	for _, v := range []*int32{&t.Artist7digitalID, &t.Release7digitalID, &t.Track7digitalID, &t.Year, &t.Key, &t.Mode} {
		*v = int32(d.uint32())
	}
	t.Duration, t.Tempo, t.Loudness = d.float64(), d.float64(), d.float64()
	t.Source = Source{Path: d.string(), Row: d.uint32()}
	return t, d.end(key)
}

func sealVector(key []byte, v *Vector) []byte {
	e := encoder{make([]byte, 0, 8*NumStats+sumLen)}
	e.float64s(v[:])
	return seal(key, e.buf)
}

func unsealVector(key, sealed []byte, v *Vector) error {
	value, err := unseal(key, sealed)
	if err != nil {
		return err
	}
	d := decoder{buf: value}
	d.float64s(v[:])
	return d.end(key)
}

// Track returns a track, or ErrTrackNotFound.
func (db *DB) Track(id TrackID) (t Track, err error) {
	err = db.view(func(tx *bbolt.Tx) error {
		t, err = getTrack(tx, id)
		return err
	})
	return t, err
}

func getTrack(tx *bbolt.Tx, id TrackID) (Track, error) {
	sealed, err := get(tx.Bucket(tracksBucket), []byte(id))
	if err != nil {
		return Track{}, err
	}
	if sealed == nil {
		return Track{}, trackNotFound(tx, id)
	}
	return unsealTrack([]byte(id), sealed)
}

// trackNotFound returns ErrTrackNotFound, or ErrCorrupt when a track or a vector
// of that ID is in the store: each has the other.
func trackNotFound(tx *bbolt.Tx, id TrackID) error {
	if !tx.Writable() {
		track, err1 := get(tx.Bucket(tracksBucket), []byte(id))
		vector, err2 := get(tx.Bucket(vectorsBucket), vectorKey(0, id))
		switch err := errors.Join(err1, err2); {
		case err != nil:
			return err
		case track != nil || vector != nil:
			return corrupt([]byte(id), "track without its vectors, or vectors without their track")
		}
	}
	return fmt.Errorf("%w: %q", ErrTrackNotFound, id)
}

// TrackIDs returns the IDs of all tracks in row order.
func (db *DB) TrackIDs() ([]TrackID, error) {
	var all []byte
	err := db.view(func(tx *bbolt.Tx) error {
		err := each(tx.Bucket(tracksBucket), func(key, sealed []byte) error {
			if len(key) != TrackIDLen {
				return corrupt(key, "track ID has the wrong length")
			}
			all = append(all, key...)
			_, err := unseal(key, sealed)
			return err
		})
		if err != nil {
			return err
		}
		return countTracks(tx, len(all)/TrackIDLen)
	})
	// One string for all: a million small ones would cost the collector more
	// than the IDs take.
	joined := string(all)
	ids := make([]TrackID, len(joined)/TrackIDLen)
	for i := range ids {
		ids[i] = TrackID(joined[i*TrackIDLen : (i+1)*TrackIDLen])
	}
	return ids, err
}

// countTracks returns ErrCorrupt unless the store has n tracks.
func countTracks(tx *bbolt.Tx, n int) error {
	state, err := readState(tx)
	if err == nil && state.Tracks != uint64(n) {
		err = fmt.Errorf("%w: found %d tracks of %d", ErrCorrupt, n, state.Tracks)
	}
	return err
}

// Arrays returns a track's raw arrays, nil for those that were not read, or
// ErrTrackNotFound. See [Song] for their shape.
func (db *DB) Arrays(id TrackID) (arrays [NumArrays][]float64, err error) {
	err = db.view(func(tx *bbolt.Tx) error {
		if _, err := getTrack(tx, id); err != nil {
			return err
		}
		for g := featureArrays; g <= extraArrays; g++ {
			key := arraysKey(id, g)
			sealed, err := get(tx.Bucket(arraysBucket), key)
			if err != nil {
				return err
			}
			if sealed == nil && g == featureArrays {
				return corrupt(key, "track has no arrays")
			}
			if sealed == nil {
				continue
			}
			value, err := unseal(key, sealed)
			if err != nil {
				return err
			}
			if err := decodeArrays(key, value, g, &arrays); err != nil {
				return err
			}
		}
		return nil
	})
	return arrays, err
}

// Vector returns a track's stat vector of a feature, or ErrTrackNotFound.
func (db *DB) Vector(f Feature, id TrackID) (v Vector, err error) {
	err = db.view(func(tx *bbolt.Tx) error {
		key := vectorKey(f, id)
		sealed, err := get(tx.Bucket(vectorsBucket), key)
		if err != nil {
			return err
		}
		if sealed == nil {
			return trackNotFound(tx, id)
		}
		return unsealVector(key, sealed, &v)
	})
	return v, err
}

// Vectors calls fn with every track's stat vector of a feature in row order.
// The vector is fn's until it returns.
func (db *DB) Vectors(f Feature, fn func(id TrackID, v *Vector) error) error {
	return db.view(func(tx *bbolt.Tx) error {
		var v Vector
		n := 0
		err := scan(tx.Bucket(vectorsBucket), []byte{byte(f)}, func(key, sealed []byte) error {
			n++
			if err := unsealVector(key, sealed, &v); err != nil {
				return err
			}
			return fn(TrackID(key[1:]), &v)
		})
		if err != nil {
			return err
		}
		return countTracks(tx, n)
	})
}

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
			for _, name := range [][]byte{tracksBucket, arraysBucket, vectorsBucket, filesBucket} {
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
		return putTime(tx, ingestedKey)
	})
	return out, err
}

func putSong(tx *bbolt.Tx, s *EncodedSong, gone func(path string) bool, state *State, out *Outcome) error {
	t, err := unsealTrack([]byte(s.ID), s.track)
	if err != nil {
		return err
	}
	old, err := getTrack(tx, s.ID)
	switch {
	case errors.Is(err, ErrTrackNotFound):
		out.Added++
		state.Tracks++
	case err != nil:
		return err
	case old.Source.Path == t.Source.Path, gone != nil && gone(old.Source.Path):
		out.Replaced++
	case old.Source.Path < t.Source.Path:
		out.Duplicates = append(out.Duplicates, Duplicate{s.ID, t.Source.Path, old.Source.Path})
		return nil
	default:
		out.Replaced++
		out.Duplicates = append(out.Duplicates, Duplicate{s.ID, old.Source.Path, t.Source.Path})
	}
	if err := putVectors(tx, s, state); err != nil {
		return err
	}
	for g, sealed := range s.arrays {
		key := arraysKey(s.ID, group(g))
		if len(sealed) == 0 {
			err = tx.Bucket(arraysBucket).Delete(key) // those of an older file
		} else {
			err = put(tx, arraysBucket, key, sealed)
		}
		if err != nil {
			return err
		}
	}
	return put(tx, tracksBucket, []byte(s.ID), s.track)
}

// putVectors writes a song's vectors. If they differ from what stood there, the
// track's labels no longer hold.
func putVectors(tx *bbolt.Tx, s *EncodedSong, state *State) error {
	same := true
	for _, f := range Features {
		key := vectorKey(f, s.ID)
		if bytes.Equal(tx.Bucket(vectorsBucket).Get(key), s.vectors[f]) {
			continue
		}
		same = false
		if err := put(tx, vectorsBucket, key, s.vectors[f]); err != nil {
			return err
		}
	}
	if same {
		return nil
	}
	state.Generation++
	return unassign(tx, s.ID)
}

// deleteTrack removes a track and all that is kept of it.
func deleteTrack(tx *bbolt.Tx, id TrackID, state *State) error {
	if err := unassign(tx, id); err != nil {
		return err
	}
	for _, f := range Features {
		if err := tx.Bucket(vectorsBucket).Delete(vectorKey(f, id)); err != nil {
			return err
		}
	}
	for g := featureArrays; g <= extraArrays; g++ {
		if err := tx.Bucket(arraysBucket).Delete(arraysKey(id, g)); err != nil {
			return err
		}
	}
	state.Tracks--
	state.Generation++
	return tx.Bucket(tracksBucket).Delete([]byte(id))
}
