package store

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"tatum/store/pages"
)

// A File is what the store remembers of a song file, so that it need not be
// read again while it stays as it is.
type File struct {
	Path    string   // absolute
	Size    int64    // bytes
	ModTime int64    // nanoseconds since 1970
	Arrays  ArraySet // that were read
	Tracks  []TrackID
	Bad     *Failure // nil when the file was read; else it is in quarantine

	// Archive says that the file is an archive. Its members are files of their
	// own, each with the archive's path before its name, and have the tracks. An
	// archive that is not bad is there only while all of its members are.
	Archive bool
}

// A Failure says why a file could not be read.
type Failure struct {
	Step   string // what was being done, such as "open" or "read"
	Reason string
	Time   time.Time
}

// Unchanged reports whether a file of this size and modification time need not
// be read again for the arrays.
func (f *File) Unchanged(size, modTime int64, arrays ArraySet) bool {
	return f.Bad == nil && f.Size == size && sameTime(f.ModTime, modTime) && f.Arrays >= arrays
}

// sameTime reports whether two modification times, in nanoseconds, are one as far
// as they tell it: most archives have whole seconds, some a time that went
// through a float64.
func sameTime(a, b int64) bool {
	const second, roundedBy = int64(time.Second), int64(time.Microsecond)
	a, b = min(a, b), max(a, b)
	return b-a < roundedBy || a%second == 0 && b-a < second
}

// The flags of a file: its ArraySet is the lowest bit.
const (
	fileArrays  = 1
	fileBad     = 2
	fileArchive = 4
)

func sealFile(f *File) []byte {
	var e encoder
	flags := uint8(f.Arrays)
	if f.Bad != nil {
		flags |= fileBad
	}
	if f.Archive {
		flags |= fileArchive
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
	return decodeFile(key, value)
}

func decodeFile(key, value []byte) (*File, error) {
	d := decoder{buf: value}
	flags := d.uint8()
	f := &File{Path: string(key), Arrays: ArraySet(flags & fileArrays), Archive: flags&fileArchive != 0}
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
	err = db.view(func(s *snapshot) error {
		f, err = s.file(path)
		return err
	})
	return f, err
}

func (s *snapshot) file(path string) (*File, error) {
	if path == "" {
		return nil, nil // which is no key
	}
	sealed, err := s.files.Get([]byte(path))
	if sealed == nil || err != nil {
		return nil, err
	}
	return decodeFile([]byte(path), body(sealed))
}

// Files yields every file the store remembers, in the order of paths.
func (db *DB) Files() iter.Seq2[*File, error] { return db.FilesUnder("") }

// FilesUnder yields the files whose paths begin with prefix, in the order of
// paths.
func (db *DB) FilesUnder(prefix string) iter.Seq2[*File, error] {
	return rows(db, func(s *snapshot, yield func(*File) bool) error {
		n := uint64(0)
		for e, err := range s.files.Range([]byte(prefix), pages.After([]byte(prefix))) {
			if err != nil {
				return err
			}
			f, err := decodeFile(e.Key, body(e.Value))
			if err != nil {
				return err
			}
			if n++; !yield(f) {
				return nil
			}
		}
		if prefix != "" {
			return nil
		}
		state, err := s.state()
		if err == nil && state.Files != n {
			err = fmt.Errorf("%w: found %d files of %d", ErrCorrupt, n, state.Files)
		}
		return err
	})
}

// storedFile returns what is remembered of a file as the transaction finds it,
// nil when nothing.
func storedFile(tx *bbolt.Tx, path string) (*File, error) {
	sealed := tx.Bucket(filesBucket).Get([]byte(path))
	if sealed == nil {
		return nil, nil
	}
	return unsealFile([]byte(path), sealed)
}

// putFiles remembers files whose songs have been put.
func putFiles(tx *bbolt.Tx, files []File, state *State, out *Outcome) error {
	released := make(map[TrackID]bool)
	for i := range files {
		if err := putFile(tx, &files[i], state, out, released); err != nil {
			return err
		}
	}
	if err := forgetDuplicates(tx, released, state); err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(out.left)) {
		if err := forgetLeft(tx, path, state); err != nil {
			return err
		}
	}
	// A song may have been passed over for that of a file which, later among
	// these, turned out to have it no longer.
	for i := range files {
		if err := forgetUnlessWhole(tx, &files[i], state); err != nil {
			return err
		}
	}
	return nil
}

// putFile remembers a file. Tracks that the file had and has no longer are
// removed, and added to released; a file that cannot be read any more keeps those
// it gave, and is to be read for the arrays they have.
func putFile(tx *bbolt.Tx, f *File, state *State, out *Outcome, released map[TrackID]bool) error {
	var old *File
	was := tx.Bucket(filesBucket).Get([]byte(f.Path))
	if was != nil {
		var err error
		if old, err = unsealFile([]byte(f.Path), was); err != nil {
			return err
		}
	}
	if old != nil && f.Bad != nil {
		f.Tracks = append(f.Tracks, slices.DeleteFunc(old.Tracks, func(id TrackID) bool { return slices.Contains(f.Tracks, id) })...)
		f.Arrays = max(f.Arrays, old.Arrays)
	}
	if f.Bad == nil && f.Arrays == FeatureArrays && hasAllArrays(tx, f) {
		f.Arrays = AllArrays // those of another file that had the same songs
	}
	state.countFile(old, f)
	if err := state.put(tx, inFiles, []byte(f.Path), was, sealFile(f)); old == nil || err != nil {
		return err
	}
	gone := slices.DeleteFunc(slices.Clone(old.Tracks), func(id TrackID) bool { return slices.Contains(f.Tracks, id) })
	removed, err := release(tx, f.Path, gone, state)
	for _, id := range removed {
		out.Removed = append(out.Removed, Removal{id, f.Path, otherSong})
		released[id] = true
	}
	return err
}

// otherSong is why a track is removed whose file has changed.
const otherSong = "its file has another song now"

// hasAllArrays reports whether tracks are of a file, all that it lists, and the
// store has all arrays of each of them.
func hasAllArrays(tx *bbolt.Tx, f *File) bool {
	for _, id := range f.Tracks {
		if tx.Bucket(arraysBucket).Get(arraysKey(id, otherGroup)) == nil {
			return false
		}
		if t, err := storedTrack(tx, id); err != nil || t.Source.Path != f.Path {
			return false
		}
	}
	return len(f.Tracks) > 0
}

// forgetLeft forgets a file that is not there, if other files have taken over all
// of its tracks.
func forgetLeft(tx *bbolt.Tx, path string, state *State) error {
	f, err := storedFile(tx, path)
	if f == nil || err != nil {
		return err
	}
	for _, id := range f.Tracks {
		t, err := storedTrack(tx, id)
		if err != nil && !errors.Is(err, ErrTrackNotFound) {
			return err
		}
		if err == nil && t.Source.Path == path {
			return nil
		}
	}
	return deleteFile(tx, path, state)
}

// countFile counts a file whose record changes; nil is one that is not there.
func (s *State) countFile(before, after *File) {
	if before != nil {
		s.Files--
		if before.Bad != nil {
			s.BadFiles--
		}
	}
	if after != nil {
		s.Files++
		if after.Bad != nil {
			s.BadFiles++
		}
	}
}

// release removes those of the tracks that were read from path, and returns
// them.
func release(tx *bbolt.Tx, path string, ids []TrackID, state *State) (released []TrackID, err error) {
	for _, id := range ids {
		t, err := storedTrack(tx, id)
		if errors.Is(err, ErrTrackNotFound) || err == nil && t.Source.Path != path {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := deleteTrack(tx, id, state); err != nil {
			return nil, err
		}
		released = append(released, id)
	}
	return released, nil
}

// forgetDuplicates forgets the files that have one of the tracks, a duplicate
// until now, so that the next ingest reads them. It looks at all files.
func forgetDuplicates(tx *bbolt.Tx, released map[TrackID]bool, state *State) error {
	if len(released) == 0 {
		return nil
	}
	var forget []string
	err := tx.Bucket(filesBucket).ForEach(func(key, sealed []byte) error {
		f, err := unsealFile(key, sealed)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(f.Tracks, func(id TrackID) bool { return released[id] }) {
			forget = append(forget, f.Path)
		}
		return nil
	})
	for _, path := range forget {
		err = errors.Join(err, deleteFile(tx, path, state))
	}
	return err
}

// forgetUnlessWhole forgets a file that lists a track which is not in the store,
// so that the next ingest reads it.
func forgetUnlessWhole(tx *bbolt.Tx, f *File, state *State) error {
	for _, id := range f.Tracks {
		if tx.Bucket(tracksBucket).Get([]byte(id)) == nil {
			return deleteFile(tx, f.Path, state)
		}
	}
	return nil
}

// deleteFile forgets a file, if it is remembered, and an archive that it is in:
// else the next ingest would not look into that.
func deleteFile(tx *bbolt.Tx, path string, state *State) error {
	f, err := storedFile(tx, path)
	if f == nil || err != nil {
		return err
	}
	state.countFile(f, nil)
	if err := state.put(tx, inFiles, []byte(path), tx.Bucket(filesBucket).Get([]byte(path)), nil); err != nil {
		return err
	}
	for i := lastSlash(path); i > 0; i = lastSlash(path[:i]) {
		in, err := storedFile(tx, path[:i])
		if err != nil {
			return err
		}
		if in != nil && in.Archive {
			return deleteFile(tx, in.Path, state)
		}
	}
	return nil
}

// lastSlash returns the index of the last separator of a path. It may have been
// recorded on another system.
func lastSlash(path string) int { return strings.LastIndexAny(path, `/\`) }

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
		err := w.updateState(func(tx *bbolt.Tx, state *State) error {
			for _, path := range batch {
				if err := deleteFile(tx, path, state); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
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
			f, err := storedFile(tx, path)
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
			if err := deleteFile(tx, path, state); err != nil {
				return err
			}
		}
		return putTime(tx, ingestedKey)
	})
	return tracks, err
}

// duplicatesOf returns the files, other than those at paths, that have a track
// which forgetting those will remove.
func (w *Writer) duplicatesOf(paths []string) (duplicates []string, err error) {
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
		if len(losing) == 0 {
			return nil
		}
		for f, err := range db.Files() {
			if err != nil {
				return err
			}
			if !leaving[f.Path] && slices.ContainsFunc(f.Tracks, func(id TrackID) bool { return losing[id] }) {
				duplicates = append(duplicates, f.Path)
			}
		}
		return nil
	})
	return duplicates, err
}
