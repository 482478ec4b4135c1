package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"tatum/store/pages"
)

// FormatVersion is the version of the file format that this package writes.
const FormatVersion = 3

// readTimeout is how long a reader waits for a writer between whose batches it
// wants to get in; a batch takes a fraction of a second.
const readTimeout = 10 * time.Second

// A DB is a store opened for reading. Its methods may be called at once from
// several goroutines. While it is open no other process can write: close it
// as soon as the question is answered.
type DB struct {
	bolt     *bbolt.DB
	snapshot *snapshot
	lastFit  atomic.Pointer[storedFit]
}

// Open opens the store at path for reading. It returns ErrNoStore when there
// is none, ErrFormatVersion when it is of an unknown format, ErrCorrupt when it
// makes no sense, ErrLocked when a writer did not let go of it in time.
func Open(path string) (*DB, error) {
	yield(path)
	return open(path)
}

func open(path string) (*DB, error) {
	b, s, err := openBolt(path, &bbolt.Options{ReadOnly: true, Timeout: readTimeout})
	if errors.Is(err, ErrLocked) {
		return nil, fmt.Errorf("%w by %s", err, lockHolder(path))
	}
	if err != nil {
		return nil, err
	}
	return &DB{bolt: b, snapshot: s}, nil
}

// Close lets go of the file.
func (db *DB) Close() error { return db.bolt.Close() }

// checkFile refuses what bbolt would wait for, or turn into a new database.
func checkFile(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("open store %q: %w", path, ErrNoStore)
	case err != nil:
		return fmt.Errorf("open store: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("open store %q: %w: not a regular file", path, ErrNoStore)
	case info.Size() == 0:
		return fmt.Errorf("open store %q: %w: the file is empty", path, ErrNoStore)
	}
	return nil
}

// openBolt opens an existing store and checks that it is one of ours. The
// snapshot is what is in it then.
func openBolt(path string, opts *bbolt.Options) (b *bbolt.DB, s *snapshot, err error) {
	if err := checkFile(path); err != nil {
		return nil, nil, err
	}
	var file *os.File
	opts.OpenFile = func(name string, flag int, mode fs.FileMode) (_ *os.File, err error) {
		file, err = os.OpenFile(name, flag&^os.O_CREATE, mode) // it may have been renamed meanwhile
		return file, err
	}
	err = guard(func() (err error) {
		b, err = bbolt.Open(path, 0o644, opts)
		return err
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, nil, fmt.Errorf("open store %q: %w", path, ErrLocked)
	case errors.Is(err, bolterrors.ErrInvalid):
		return nil, nil, fmt.Errorf("open store %q: %w: not a bbolt file", path, ErrNoStore)
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, fmt.Errorf("open store %q: %w", path, ErrNoStore)
	case err != nil && isCutShort(path):
		return nil, nil, fmt.Errorf("open store %q: %w: the file is cut short", path, ErrCorrupt)
	case errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum):
		return nil, nil, fmt.Errorf("open store %q: %w: %w", path, ErrCorrupt, err)
	case err != nil:
		return nil, nil, fmt.Errorf("open store %q: %w", path, err)
	}
	err = guard(func() (err error) {
		s, err = checkOpened(b, file)
		return err
	})
	if err != nil {
		b.Close()
		return nil, nil, fmt.Errorf("open store %q: %w", path, err)
	}
	return b, s, nil
}

// isCutShort reports whether a file is shorter than any of bbolt's: it begins
// with four pages, which are of 4,096 bytes at least.
func isCutShort(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() < 4*4096
}

// checkOpened returns an error unless the file is a store of this format, and
// what every question relies on is whole.
func checkOpened(b *bbolt.DB, file *os.File) (s *snapshot, err error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if err := pages.CheckHeaders(b, info.Size()); err != nil {
		return nil, err
	}
	err = b.View(func(tx *bbolt.Tx) error {
		ps, err := pages.Of(tx)
		if err != nil {
			return err
		}
		if s, err = newSnapshot(ps); err != nil {
			return err
		}
		return s.checkEnds()
	})
	return s, err
}

// A snapshot is the store as a reading transaction finds it. It is good for as
// long as the file is open, since while it is open for reading nobody writes.
type snapshot struct {
	*pages.Pages
	top                                         pages.Bucket
	meta, tracks, arrays, vectors, files, names pages.Bucket
	fits                                        pages.Bucket
}

// newSnapshot finds the buckets of the store in its pages.
func newSnapshot(ps *pages.Pages) (*snapshot, error) {
	s := &snapshot{Pages: ps}
	var err error
	if s.top, err = ps.Top(); err != nil {
		return nil, err
	}
	if err := s.checkFormat(); err != nil {
		return nil, err
	}
	for _, b := range []struct {
		name []byte
		dst  *pages.Bucket
	}{
		{metaBucket, &s.meta}, {tracksBucket, &s.tracks}, {arraysBucket, &s.arrays}, {vectorsBucket, &s.vectors},
		{filesBucket, &s.files}, {namesBucket, &s.names}, {fitsBucket, &s.fits},
	} {
		var found bool
		*b.dst, found, err = s.top.Bucket(b.name, checkOf(b.name))
		if err == nil && !found {
			err = fmt.Errorf("%w: bucket %q is missing", ErrCorrupt, b.name)
		}
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// checkOf returns how the values of the bucket of that name are checked, nil if
// it holds buckets.
func checkOf(name []byte) pages.Check {
	switch string(name) {
	case string(fitsBucket):
		return nil
	case string(metaBucket):
		return checkMeta
	case string(vectorsBucket):
		return checkVectors
	}
	return checkSum
}

// checkMeta checks a value of the meta bucket, of which the format has no
// checksum.
func checkMeta(key, value []byte) error {
	if string(key) == string(formatKey) {
		return nil
	}
	return checkSum(key, value)
}

func (s *snapshot) checkFormat() error {
	meta, found, err := s.top.Bucket(metaBucket, checkMeta)
	if err != nil {
		return err
	}
	var v []byte
	if found {
		if v, err = meta.Get(formatKey); err != nil {
			return err
		}
	}
	if len(v) != 4 {
		return fmt.Errorf("%w: a bbolt file of another program", ErrNoStore)
	}
	if n := binary.LittleEndian.Uint32(v); n != FormatVersion {
		return fmt.Errorf("%w %d; this tatum reads format %d: ingest the songs into a new store", ErrFormatVersion, n, FormatVersion)
	}
	return nil
}

// view runs fn with the snapshot, which stays in memory until fn returns.
func (db *DB) view(fn func(s *snapshot) error) error {
	return guard(func() error {
		return db.bolt.View(func(*bbolt.Tx) error { return fn(db.snapshot) })
	})
}

// rows makes an iterator of a scan. An error of the scan comes last, with the
// zero T; a scan that yield tells to stop ends without one.
func rows[T any](db *DB, scan func(s *snapshot, yield func(T) bool) error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		outside := false // in the loop's body, whose panics are not ours
		err := guardUnless(&outside, func() error {
			return db.bolt.View(func(*bbolt.Tx) error {
				return scan(db.snapshot, func(v T) bool {
					outside = true
					more := yield(v, nil)
					outside = false
					return more
				})
			})
		})
		if err != nil {
			var none T
			yield(none, err)
		}
	}
}

// guard runs fn and turns a panic into ErrCorrupt: bbolt trusts its pages, and
// a damaged one makes it panic, or read outside the file's memory map.
func guard(fn func() error) error { return guardUnless(new(bool), fn) }

// guardUnless is guard, but lets a panic pass that comes while outside is set.
func guardUnless(outside *bool, fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if *outside {
			return
		}
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrCorrupt, p)
		}
	}()
	return fn()
}

// State is what the store says of itself without being searched.
type State struct {
	Tracks     uint64 // number of tracks
	Sound      uint64 // number of those that have the sound features
	Generation uint64 // grows whenever a track's vectors of the eight features are added, changed or removed
	Files      uint64 // song files remembered
	BadFiles   uint64 // those of them that could not be read

	soundGeneration uint64 // grows whenever vectors of sound features are added, changed or removed
	nextFit         uint32
	bytes           [numParts]uint64 // of keys and values
}

// TracksOf returns how many tracks have a feature.
func (s *State) TracksOf(f Feature) uint64 {
	if f.IsSound() {
		return s.Sound
	}
	return s.Tracks
}

// GenerationOf returns a number that grows whenever a vector is added, changed or
// removed by one of the features, which ascend.
func (s *State) GenerationOf(features []Feature) (n uint64) {
	if !features[0].IsSound() {
		n += s.Generation
	}
	if features[len(features)-1].IsSound() {
		n += s.soundGeneration
	}
	return n
}

// countVectors counts that a track's vectors change which lie together with those
// of a feature: whether it had any before, and whether it has now.
func (s *State) countVectors(f Feature, before, now bool) {
	if !f.IsSound() {
		s.Generation++
		return
	}
	s.soundGeneration++
	if f != SoundFeatures[0] {
		return // a track has both or neither
	}
	if before {
		s.Sound--
	}
	if now {
		s.Sound++
	}
}

// A part is a bucket whose bytes the state counts.
type part uint8

const (
	inTracks part = iota
	inArrays
	inVectors
	inFiles
	numParts
)

var partBuckets = [numParts][]byte{tracksBucket, arraysBucket, vectorsBucket, filesBucket}

// put changes a key's value from old, which must be what is there, to sealed, and
// counts the bytes. A nil value is none.
func (s *State) put(tx *bbolt.Tx, p part, key, old, sealed []byte) error {
	if bytes.Equal(old, sealed) {
		return nil
	}
	if old != nil {
		s.bytes[p] -= uint64(len(key) + len(old))
	}
	if sealed == nil {
		return tx.Bucket(partBuckets[p]).Delete(key)
	}
	s.bytes[p] += uint64(len(key) + len(sealed))
	return tx.Bucket(partBuckets[p]).Put(key, sealed)
}

// State returns the store's state.
func (db *DB) State() (state State, err error) {
	err = db.view(func(s *snapshot) error {
		state, err = s.state()
		return err
	})
	return state, err
}

func (s *snapshot) state() (State, error) {
	sealed, err := s.meta.Get(stateKey)
	if err != nil {
		return State{}, err
	}
	return unsealState(sealed)
}

func unsealState(sealed []byte) (State, error) {
	value, err := unseal(stateKey, sealed)
	if err != nil {
		return State{}, err
	}
	d := decoder{buf: value}
	s := State{Tracks: d.uint64(), Generation: d.uint64(), nextFit: d.uint32(), Files: d.uint64(), BadFiles: d.uint64(),
		Sound: d.uint64(), soundGeneration: d.uint64()}
	for p := range s.bytes {
		s.bytes[p] = d.uint64()
	}
	return s, d.end(stateKey)
}

func putState(tx *bbolt.Tx, s State) error {
	var e encoder
	e.uint64(s.Tracks)
	e.uint64(s.Generation)
	e.uint32(s.nextFit)
	e.uint64(s.Files)
	e.uint64(s.BadFiles)
	e.uint64(s.Sound)
	e.uint64(s.soundGeneration)
	for _, n := range s.bytes {
		e.uint64(n)
	}
	return tx.Bucket(metaBucket).Put(stateKey, seal(stateKey, e.buf))
}

// complete returns ErrCorrupt unless n tracks have a feature.
func (s *snapshot) complete(f Feature, n uint64) error {
	state, err := s.state()
	if err == nil && state.TracksOf(f) != n {
		err = fmt.Errorf("%w: found %d tracks of %d", ErrCorrupt, n, state.TracksOf(f))
	}
	return err
}

// A Span is a run of tracks in row order. The zero Span is all of them.
type Span struct {
	from, to TrackID // to is not of them; empty is without bound
}

// Prefix returns the span of the tracks whose IDs begin with prefix.
func Prefix(prefix string) Span {
	return Span{TrackID(prefix), TrackID(pages.After([]byte(prefix)))}
}

// Run returns the span of the tracks from first to last.
func Run(first, last TrackID) Span { return Span{first, last + "\x00"} }

// bounds returns the span as keys that have prefix before the ID.
func (s Span) bounds(prefix ...byte) (from, to []byte) {
	from = slices.Concat(prefix, []byte(s.from))
	if s.to == "" {
		return from, pages.After(prefix)
	}
	return from, slices.Concat(prefix, []byte(s.to))
}

// Spans divides all tracks into at most n spans of about the same size.
// Whoever goes through them must see to it that they hold all tracks: see
// [DB.Complete].
func (db *DB) Spans(n int) (spans []Span, err error) {
	err = db.view(func(s *snapshot) error {
		splits, err := s.tracks.Split(n)
		if err != nil {
			return err
		}
		var rest Span
		for _, key := range splits {
			spans = append(spans, Span{rest.from, TrackID(key)})
			rest.from = TrackID(key)
		}
		spans = append(spans, rest)
		return nil
	})
	return spans, err
}

// Complete returns ErrCorrupt unless n tracks have a feature. A scan of all tracks
// asks that itself.
func (db *DB) Complete(f Feature, n int) error {
	return db.view(func(s *snapshot) error { return s.complete(f, uint64(n)) })
}
