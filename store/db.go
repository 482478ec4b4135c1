package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// FormatVersion is the version of the file format that this package writes.
const FormatVersion = 2

// readTimeout is how long a reader waits for a writer between whose batches it
// wants to get in; a batch takes a fraction of a second.
const readTimeout = 10 * time.Second

// A DB is a store opened for reading. Its methods may be called at once from
// several goroutines. While it is open no other process can write: close it
// as soon as the question is answered.
type DB struct {
	bolt   *bbolt.DB
	labels atomic.Pointer[labelClusters]
}

// Open opens the store at path for reading. It returns ErrNoStore when there
// is none, ErrFormatVersion when it is of an unknown format, ErrCorrupt when it
// makes no sense, ErrLocked when a writer did not let go of it in time.
func Open(path string) (*DB, error) {
	yield(path)
	return open(path)
}

func open(path string) (*DB, error) {
	b, err := openBolt(path, &bbolt.Options{ReadOnly: true, Timeout: readTimeout})
	if errors.Is(err, ErrLocked) {
		return nil, fmt.Errorf("%w by %s", err, lockHolder(path))
	}
	if err != nil {
		return nil, err
	}
	return &DB{bolt: b}, nil
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

// openBolt opens an existing store and checks that it is one of ours.
func openBolt(path string, opts *bbolt.Options) (*bbolt.DB, error) {
	if err := checkFile(path); err != nil {
		return nil, err
	}
	var b *bbolt.DB
	var file *os.File
	opts.OpenFile = func(name string, flag int, mode fs.FileMode) (_ *os.File, err error) {
		file, err = os.OpenFile(name, flag&^os.O_CREATE, mode) // it may have been renamed meanwhile
		return file, err
	}
	err := guard(func() (err error) {
		b, err = bbolt.Open(path, 0o644, opts)
		return err
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("open store %q: %w", path, ErrLocked)
	case errors.Is(err, bolterrors.ErrInvalid):
		return nil, fmt.Errorf("open store %q: %w: not a bbolt file", path, ErrNoStore)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("open store %q: %w", path, ErrNoStore)
	case err != nil && isCutShort(path):
		return nil, fmt.Errorf("open store %q: %w: the file is cut short", path, ErrCorrupt)
	case errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum):
		return nil, fmt.Errorf("open store %q: %w: %w", path, ErrCorrupt, err)
	case err != nil:
		return nil, fmt.Errorf("open store %q: %w", path, err)
	}
	if err := guard(func() error { return checkOpened(b, file) }); err != nil {
		b.Close()
		return nil, fmt.Errorf("open store %q: %w", path, err)
	}
	return b, nil
}

// isCutShort reports whether a file is shorter than any of bbolt's: it begins
// with four pages, which are of 4,096 bytes at least.
func isCutShort(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() < 4*4096
}

// checkOpened returns an error unless the file is a store of this format, and
// what every question relies on is whole.
func checkOpened(b *bbolt.DB, file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if err := checkHeaders(b, info.Size()); err != nil {
		return err
	}
	return b.View(func(tx *bbolt.Tx) error {
		ps, err := pagesOf(tx)
		if err != nil {
			return err
		}
		if err := checkFormat(ps); err != nil {
			return err
		}
		sealed, err := ps.metaValue(endsKey)
		if err != nil {
			return err
		}
		ends, err := unseal(endsKey, sealed)
		if err != nil || len(ends) != 4 {
			return corrupt(endsKey, "checksum differs")
		}
		if err := checkBuckets(ps, binary.LittleEndian.Uint32(ends)); err != nil {
			return err
		}
		for _, name := range topBuckets {
			if tx.Bucket(name) == nil {
				return fmt.Errorf("%w: bucket %q is missing", ErrCorrupt, name)
			}
		}
		return nil
	})
}

func checkFormat(ps *pages) error {
	v, err := ps.metaValue(formatKey)
	switch {
	case err != nil:
		return err
	case len(v) != 4:
		return fmt.Errorf("%w: a bbolt file of another program", ErrNoStore)
	}
	if n := binary.LittleEndian.Uint32(v); n != FormatVersion {
		return fmt.Errorf("%w %d; this tatum reads format %d", ErrFormatVersion, n, FormatVersion)
	}
	return nil
}

// view runs fn in a read transaction.
func (db *DB) view(fn func(tx *bbolt.Tx) error) error {
	return guard(func() error { return db.bolt.View(fn) })
}

// guard runs fn and turns a panic into ErrCorrupt: bbolt trusts its pages, and
// a damaged one makes it panic, or read outside the file's memory map.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrCorrupt, p)
		}
	}()
	return fn()
}

// State is what the store says of itself without being searched.
type State struct {
	Tracks     uint64 // number of tracks
	Generation uint64 // grows whenever a track is added, changed or removed
	nextFit    uint32
}

// State returns the store's state.
func (db *DB) State() (s State, err error) {
	err = db.view(func(tx *bbolt.Tx) error {
		s, err = readState(tx)
		return err
	})
	return s, err
}

func readState(tx *bbolt.Tx) (State, error) {
	value, err := unseal(stateKey, tx.Bucket(metaBucket).Get(stateKey))
	if err != nil {
		return State{}, err
	}
	d := decoder{buf: value}
	s := State{Tracks: d.uint64(), Generation: d.uint64(), nextFit: d.uint32()}
	return s, d.end(stateKey)
}

func putState(tx *bbolt.Tx, s State) error {
	var e encoder
	e.uint64(s.Tracks)
	e.uint64(s.Generation)
	e.uint32(s.nextFit)
	return tx.Bucket(metaBucket).Put(stateKey, seal(stateKey, e.buf))
}
