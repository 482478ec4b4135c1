package store

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// A File is what the store remembers of a song file, so that it need not be
// read again while it stays as it is.
type File struct {
	Path    string // absolute
	Size    int64  // bytes
	ModTime int64  // nanoseconds since 1970
	Extras  bool   // whether all fifteen arrays were read, not only the features
	Tracks  []TrackID
	Bad     *Failure // nil when the file was read; else it is in quarantine
}

// A Failure says why a file could not be read.
type Failure struct {
	Step   string // what was being done, such as "open" or "read"
	Reason string
	Time   time.Time
}

// Unchanged reports whether a file of this size and modification time need not
// be read again.
func (f *File) Unchanged(size, modTime int64, extras bool) bool {
	return f.Bad == nil && f.Size == size && f.ModTime == modTime && (f.Extras || !extras)
}

const (
	fileExtras = 1 << iota
	fileBad
)

func sealFile(f *File) []byte {
	var e encoder
	var flags uint8
	if f.Extras {
		flags |= fileExtras
	}
	if f.Bad != nil {
		flags |= fileBad
	}
	e.uint8(flags)
	e.uint64(uint64(f.Size))
	e.uint64(uint64(f.ModTime))
	e.uint32(uint32(len(f.Tracks)))
	for _, id := range f.Tracks {
		e.buf = append(e.buf, id...)
	}
	if f.Bad != nil {
		e.string(f.Bad.Step)
		e.string(f.Bad.Reason)
		e.uint64(uint64(f.Bad.Time.UnixNano()))
	}
	return seal([]byte(f.Path), e.buf)
}

func unsealFile(key, sealed []byte) (*File, error) {
	value, err := unseal(key, sealed)
	if err != nil {
		return nil, err
	}
	d := decoder{buf: value}
	flags := d.uint8()
	f := &File{Path: string(key), Extras: flags&fileExtras != 0}
	f.Size, f.ModTime = int64(d.uint64()), int64(d.uint64())
	for n := d.uint32(); n > 0 && !d.short; n-- {
		f.Tracks = append(f.Tracks, TrackID(d.take(TrackIDLen)))
	}
	if flags&fileBad != 0 {
		f.Bad = &Failure{Step: d.string(), Reason: d.string(), Time: time.Unix(0, int64(d.uint64()))}
	}
	return f, d.end(key)
}

// File returns what the store remembers of the file at path, nil when nothing.
func (db *DB) File(path string) (f *File, err error) {
	err = db.view(func(tx *bbolt.Tx) error {
		f, err = getFile(tx, path)
		return err
	})
	return f, err
}

func getFile(tx *bbolt.Tx, path string) (*File, error) {
	sealed, err := get(tx.Bucket(filesBucket), []byte(path))
	if sealed == nil || err != nil {
		return nil, err
	}
	return unsealFile([]byte(path), sealed)
}

// Files calls fn with every file the store remembers, in the order of paths.
func (db *DB) Files(fn func(f *File) error) error {
	return db.view(func(tx *bbolt.Tx) error {
		return each(tx.Bucket(filesBucket), func(key, sealed []byte) error {
			f, err := unsealFile(key, sealed)
			if err != nil {
				return err
			}
			return fn(f)
		})
	})
}

// putFile remembers a file. Tracks that the file had and has no longer are
// removed; a file that cannot be read any more keeps those it gave.
func putFile(tx *bbolt.Tx, f *File, state *State) error {
	old, err := getFile(tx, f.Path)
	if err != nil {
		return err
	}
	if old != nil && f.Bad != nil {
		f.Tracks = append(f.Tracks, slices.DeleteFunc(old.Tracks, func(id TrackID) bool { return slices.Contains(f.Tracks, id) })...)
	}
	if old != nil {
		gone := slices.DeleteFunc(slices.Clone(old.Tracks), func(id TrackID) bool { return slices.Contains(f.Tracks, id) })
		released, err := release(tx, f.Path, gone, state)
		if err != nil {
			return err
		}
		if err := forgetDuplicates(tx, released); err != nil {
			return err
		}
	}
	return put(tx, filesBucket, []byte(f.Path), sealFile(f))
}

// release removes those of the tracks that were read from path, and returns
// them.
func release(tx *bbolt.Tx, path string, ids []TrackID, state *State) (map[TrackID]bool, error) {
	released := make(map[TrackID]bool)
	for _, id := range ids {
		t, err := getTrack(tx, id)
		if errors.Is(err, ErrTrackNotFound) || err == nil && t.Source.Path != path {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := deleteTrack(tx, id, state); err != nil {
			return nil, err
		}
		released[id] = true
	}
	return released, nil
}

// forgetDuplicates forgets the files that have one of the tracks, a duplicate
// until now, so that the next ingest reads them.
func forgetDuplicates(tx *bbolt.Tx, released map[TrackID]bool) error {
	if len(released) == 0 {
		return nil
	}
	var forget [][]byte
	err := tx.Bucket(filesBucket).ForEach(func(key, sealed []byte) error {
		f, err := unsealFile(key, sealed)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(f.Tracks, func(id TrackID) bool { return released[id] }) {
			forget = append(forget, key)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return deleteFiles(tx, forget)
}

func deleteFiles(tx *bbolt.Tx, paths [][]byte) error {
	for _, path := range paths {
		if err := tx.Bucket(filesBucket).Delete(path); err != nil {
			return fmt.Errorf("forget %q: %w", path, err)
		}
	}
	return nil
}

// forgetBatch is how many files one transaction forgets.
const forgetBatch = 1024

// Forget removes files from the store with the tracks read from them, and
// returns the number of tracks removed. Other files that have one of the tracks
// are forgotten first, so that the next ingest reads them, even if this process
// is killed.
func (w *Writer) Forget(paths []string) (tracks int, err error) {
	duplicates, err := w.duplicatesOf(paths)
	if err != nil {
		return 0, err
	}
	for batch := range slices.Chunk(duplicates, forgetBatch) {
		if err := w.update(func(tx *bbolt.Tx) error { return deleteFiles(tx, batch) }); err != nil {
			return 0, err
		}
	}
	for batch := range slices.Chunk(paths, forgetBatch) {
		n, err := w.forget(batch)
		if err != nil {
			return tracks, err
		}
		tracks += n
	}
	return tracks, nil
}

func (w *Writer) forget(paths []string) (tracks int, err error) {
	err = w.updateState(func(tx *bbolt.Tx, state *State) error {
		tracks = 0
		for _, path := range paths {
			f, err := getFile(tx, path)
			if err != nil {
				return err
			}
			if f == nil {
				continue
			}
			released, err := release(tx, path, f.Tracks, state)
			if err != nil {
				return err
			}
			tracks += len(released)
			if err := deleteFiles(tx, [][]byte{[]byte(path)}); err != nil {
				return err
			}
		}
		return putTime(tx, ingestedKey)
	})
	return tracks, err
}

// duplicatesOf returns the files, other than those at paths, that have a track
// which forgetting those will remove.
func (w *Writer) duplicatesOf(paths []string) (duplicates [][]byte, err error) {
	leaving := make(map[string]bool, len(paths))
	losing := make(map[TrackID]bool)
	err = w.View(func(db *DB) error {
		for _, path := range paths {
			leaving[path] = true
			f, err := db.File(path)
			if err != nil {
				return err
			}
			if f == nil {
				continue
			}
			for _, id := range f.Tracks {
				t, err := db.Track(id)
				if err != nil && !errors.Is(err, ErrTrackNotFound) {
					return err
				}
				if err == nil && t.Source.Path == path {
					losing[id] = true
				}
			}
		}
		return db.Files(func(f *File) error {
			if !leaving[f.Path] && slices.ContainsFunc(f.Tracks, func(id TrackID) bool { return losing[id] }) {
				duplicates = append(duplicates, []byte(f.Path))
			}
			return nil
		})
	})
	return duplicates, err
}
