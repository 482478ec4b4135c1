package store

import (
	"fmt"
	"iter"
)

// Track returns a track, or ErrTrackNotFound.
func (db *DB) Track(id TrackID) (t Track, err error) {
	err = db.view(func(s *snapshot) error {
		t, err = s.track(id)
		return err
	})
	return t, err
}

func (s *snapshot) track(id TrackID) (Track, error) {
	sealed, err := s.tracks.Get([]byte(id))
	if err != nil {
		return Track{}, err
	}
	if sealed == nil {
		return Track{}, s.trackNotFound(id)
	}
	return decodeTrack([]byte(id), body(sealed))
}

// trackNotFound returns ErrTrackNotFound, or ErrCorrupt when a track or vectors
// of that ID are in the store: each has the other.
func (s *snapshot) trackNotFound(id TrackID) error {
	track, err := s.tracks.Get([]byte(id))
	if err != nil {
		return err
	}
	vectors, err := s.vectors.Get(vectorsKey(Features[0], id))
	if err != nil {
		return err
	}
	if track != nil || vectors != nil {
		return corrupt([]byte(id), "track without its vectors, or vectors without their track")
	}
	return fmt.Errorf("%w: %q", ErrTrackNotFound, id)
}

// Tracks yields the tracks of a span in row order. What is yielded is the loop's
// until its next step.
func (db *DB) Tracks(span Span) iter.Seq2[*Track, error] {
	return tracks(db, span, func(t *Track, key, value []byte) (err error) {
		*t, err = decodeTrack(key, value)
		return err
	})
}

// Names are what a person calls a track, where they lie in the file.
type Names struct {
	Artist, Title, Release []byte

	key, value []byte
}

// ID returns the track's ID.
func (n *Names) ID() TrackID { return TrackID(n.key) }

// Track returns the whole track. It has to be asked for before the loop's next step.
func (n *Names) Track() (Track, error) { return decodeTrack(n.key, n.value) }

// Names yields the names of a span's tracks in row order, in less time than
// [DB.Tracks] takes. What is yielded is the loop's until its next step.
func (db *DB) Names(span Span) iter.Seq2[*Names, error] {
	return tracks(db, span, func(n *Names, key, value []byte) error {
		d := decoder{buf: value}
		*n = Names{d.bytes(), d.bytes(), d.bytes(), key, value}
		if d.short {
			return d.end(key)
		}
		return nil
	})
}

// tracks yields what decode makes of each track's key and value.
func tracks[T any](db *DB, span Span, decode func(t *T, key, value []byte) error) iter.Seq2[*T, error] {
	return rows(db, func(s *snapshot, yield func(*T) bool) error {
		n := uint64(0)
		var t T
		for e, err := range s.tracks.Range(span.bounds()) {
			if err != nil {
				return err
			}
			if err := decode(&t, e.Key, body(e.Value)); err != nil {
				return err
			}
			if n++; !yield(&t) {
				return nil
			}
		}
		if span != (Span{}) {
			return nil
		}
		return s.complete(Features[0], n)
	})
}

// Drop takes what was read of the file from this process's memory, for those who
// go through all of it: what a memory map shows of the file counts as memory. The
// system has it still, and reading goes on from there.
func (db *DB) Drop() { db.snapshot.Drop() }

// TrackIDs returns the IDs of all tracks in row order.
func (db *DB) TrackIDs() ([]TrackID, error) { return db.trackIDs(Features[0]) }

// TrackIDsWith returns the IDs of the tracks that have a feature, in row order.
func (db *DB) TrackIDsWith(f Feature) ([]TrackID, error) { return db.trackIDs(f) }

// dropTracks is after how many tracks what was read of them leaves this process's
// memory.
const dropTracks = 1 << 16

func (db *DB) trackIDs(f Feature) ([]TrackID, error) {
	var all []byte
	err := db.view(func(s *snapshot) error {
		bucket, prefix := &s.tracks, 0
		if f.IsSound() {
			bucket, prefix = &s.vectors, 1
		}
		for e, err := range bucket.Prefix(vectorsKey(f, "")[:prefix]) {
			if err != nil {
				return err
			}
			if len(e.Key) != prefix+TrackIDLen {
				return corrupt(e.Key, "track ID has the wrong length")
			}
			if all = append(all, e.Key[prefix:]...); len(all)%(dropTracks*TrackIDLen) == 0 {
				s.Drop()
			}
		}
		s.Drop()
		return s.complete(f, uint64(len(all)/TrackIDLen))
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

// Arrays returns a track's raw arrays, nil for those that were not read, or
// ErrTrackNotFound. See [Song] for their shape.
func (db *DB) Arrays(id TrackID) (arrays [NumArrays][]float64, err error) {
	err = db.view(func(s *snapshot) error {
		if _, err := s.track(id); err != nil {
			return err
		}
		arrays, err = s.arraysOf(id)
		return err
	})
	return arrays, err
}

func (s *snapshot) arraysOf(id TrackID) (arrays [NumArrays][]float64, err error) {
	for g := range numGroups {
		key := arraysKey(id, g)
		sealed, err := s.arrays.Get(key)
		switch {
		case err != nil:
			return arrays, err
		case sealed == nil && g == featureGroup:
			return arrays, corrupt(key, "track has no arrays")
		case sealed == nil:
			continue
		}
		if err := decodeArrays(key, body(sealed), g, &arrays); err != nil {
			return arrays, err
		}
	}
	return arrays, nil
}

// TrackVectors returns a track's stat vectors of the given features, of all that it
// has when none is given. Those of sound features are nil if the track lacks them.
// It returns ErrTrackNotFound when there is no such track.
func (db *DB) TrackVectors(id TrackID, features ...Feature) (all VectorSet, err error) {
	if len(features) == 0 {
		features = AllFeatures
	}
	err = db.view(func(s *snapshot) error {
		var v *Vectors // of the group read last
		for _, f := range features {
			if v == nil || v.key[0] != groupOf(f) {
				if v, err = s.vectorsOf(f, id); err != nil {
					return err
				}
			}
			if v.value == nil {
				continue
			}
			all[f] = make(Vector, f.VectorLen())
			if err := v.Vector(f, all[f]); err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

// vectorsOf returns those of a track's vectors that lie together with a feature's.
// Their value is nil when it is a sound feature and the track lacks it.
func (s *snapshot) vectorsOf(f Feature, id TrackID) (*Vectors, error) {
	key := vectorsKey(f, id)
	value, err := s.vectors.Get(key)
	switch {
	case err != nil || value != nil:
	case f.IsSound():
		_, err = s.track(id)
	default:
		err = s.trackNotFound(id)
	}
	v := newVectors(key, value)
	return &v, err
}

// Vectors yields those stat vectors of a span's tracks that lie together with a
// feature's, in row order: of the eight features, or of the sound feature and the
// tracks that have it. They are the loop's until its next step.
func (db *DB) Vectors(f Feature, span Span) iter.Seq2[*Vectors, error] {
	return rows(db, func(s *snapshot, yield func(*Vectors) bool) error {
		n := uint64(0)
		var v Vectors
		for e, err := range s.vectors.Range(span.bounds(groupOf(f))) {
			if err != nil {
				return err
			}
			if len(e.Key) != 1+TrackIDLen {
				return corrupt(e.Key, "key is not that of a track's vectors")
			}
			v = newVectors(e.Key, e.Value)
			if n++; !yield(&v) {
				return nil
			}
		}
		if span != (Span{}) {
			return nil
		}
		return s.complete(f, n)
	})
}
