package store

import (
	"errors"
	"slices"
)

// A Rehearsal tells what batches would do to a store, and writes nothing. Between
// its calls others may write.
type Rehearsal struct {
	path   string
	tracks map[TrackID]string // the file that each track would be of now; "" is removed
	files  map[string]*File   // nil is forgotten
}

// NewRehearsal returns a rehearsal for the store at path, which need not be there.
func NewRehearsal(path string) *Rehearsal {
	return &Rehearsal{path, make(map[TrackID]string), make(map[string]*File)}
}

// View calls fn with the store opened for reading, nil when there is none.
func (r *Rehearsal) View(fn func(db *DB) error) error {
	db, err := Open(r.path)
	if errors.Is(err, ErrNoStore) {
		return fn(nil)
	}
	if err != nil {
		return err
	}
	return errors.Join(fn(db), db.Close())
}

// Put returns what [Writer.Put] would return. Songs that would have to be read
// again for all arrays count as stored.
func (r *Rehearsal) Put(batch Batch) (out Outcome, err error) {
	err = r.View(func(db *DB) error {
		for i := range batch.Songs {
			if err := r.putSong(db, &batch.Songs[i], &batch, &out); err != nil {
				return err
			}
		}
		for i := range batch.Files {
			if err := r.putFile(db, batch.Files[i], &out); err != nil {
				return err
			}
		}
		for i := range batch.Files {
			for _, id := range batch.Files[i].Tracks {
				if path, err := r.source(db, id); err != nil {
					return err
				} else if path == "" {
					r.files[batch.Files[i].Path] = nil
				}
			}
		}
		return nil
	})
	return out, err
}

// source returns the file that a track would be of, "" when there would be none.
func (r *Rehearsal) source(db *DB, id TrackID) (string, error) {
	if path, ok := r.tracks[id]; ok || db == nil {
		return path, nil
	}
	t, err := db.Track(id)
	if errors.Is(err, ErrTrackNotFound) {
		return "", nil
	}
	return t.Source.Path, err
}

func (r *Rehearsal) file(db *DB, path string) (*File, error) {
	if f, ok := r.files[path]; ok || db == nil {
		return f, nil
	}
	return db.File(path)
}

func (r *Rehearsal) putSong(db *DB, s *EncodedSong, batch *Batch, out *Outcome) error {
	old, err := r.source(db, s.ID)
	switch {
	case err != nil:
		return err
	case old == "":
		out.Added++
	default:
		m, err := meet(old, s, batch.Look, func() (bool, error) { return r.same(db, s) })
		if err != nil {
			return err
		}
		if out.count(m, old, s); m == passedOver {
			return nil
		}
	}
	r.tracks[s.ID] = s.path
	return nil
}

// same reports whether a song is that of its track. What this rehearsal has put
// is of files that are there, of which nobody asks.
func (r *Rehearsal) same(db *DB, s *EncodedSong) (same bool, err error) {
	if _, ok := r.tracks[s.ID]; ok || db == nil {
		return false, nil
	}
	err = db.view(func(snapshot *snapshot) error {
		old, err := snapshot.track(s.ID)
		if err != nil {
			return err
		}
		sealed, err := snapshot.arrays.Get(arraysKey(s.ID, featureGroup))
		if err == nil {
			same, err = sameSong(&old, s, sealed)
		}
		return err
	})
	return same, err
}

func (r *Rehearsal) putFile(db *DB, f File, out *Outcome) error {
	old, err := r.file(db, f.Path)
	if err != nil {
		return err
	}
	r.files[f.Path] = &f
	if old == nil {
		return nil
	}
	if f.Bad != nil {
		f.Tracks = slices.Concat(f.Tracks, slices.DeleteFunc(slices.Clone(old.Tracks), func(id TrackID) bool { return slices.Contains(f.Tracks, id) }))
	}
	for _, id := range old.Tracks {
		path, err := r.source(db, id)
		if err != nil {
			return err
		}
		if path == f.Path && !slices.Contains(f.Tracks, id) {
			r.tracks[id] = ""
			out.Removed = append(out.Removed, Removal{id, path, otherSong})
		}
	}
	return nil
}

// Sources calls yield with each track that there would be and the file that it
// would be of, in no order. The store is nil where there is none.
func (r *Rehearsal) Sources(db *DB, yield func(id TrackID, path string)) error {
	for id, path := range r.tracks {
		if path != "" {
			yield(id, path)
		}
	}
	if db == nil {
		return nil
	}
	for t, err := range db.Tracks(Span{}) {
		if err != nil {
			return err
		}
		if _, ok := r.tracks[t.ID]; !ok {
			yield(t.ID, t.Source.Path)
		}
	}
	return nil
}
