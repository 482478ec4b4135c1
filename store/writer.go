package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"go.etcd.io/bbolt"
)

// writeTimeout is how long a writer waits for readers to finish. Exports of
// millions of tracks take minutes.
const writeTimeout = 10 * time.Minute

// writePoll is how often a waiting writer tries again, and a reader looks whether it
// still waits. yieldTime is how long a reader lets it go first, and how long the mark
// of a writer that waits is good for.
const (
	writePoll = 5 * time.Millisecond
	yieldTime = 50 * time.Millisecond
)

// lockPoll is how often a process that waits for the writer's lock tries again.
const lockPoll = 20 * time.Millisecond

// fillPercent is how full bbolt leaves a page that it splits where keys come in
// ascending order: its own half would leave half the file empty. Where they come
// in between others, a full page would be split by the next one, and half is
// best.
const fillPercent = 0.95

// A Writer is the one process that may write to a store. It holds a lock file
// beside the store for as long as it lives, and bbolt's own lock only while a
// transaction runs, so that readers get in between.
type Writer struct {
	path string
	lock *flock.Flock
}

// OpenWriter makes this process the store's writer. When there is one already it
// waits for it for as long as wait says, or until ctx ends, and then returns
// ErrLocked with the other's command. The other errors are those of [Open].
func OpenWriter(ctx context.Context, path string, wait time.Duration) (*Writer, error) {
	if err := checkFile(path); err != nil {
		return nil, err // before a lock file is left beside nothing
	}
	lock, err := lockWriter(ctx, path, wait)
	if err != nil {
		return nil, err
	}
	return newWriter(path, lock)
}

// CreateWriter is OpenWriter, but makes a new store when nothing is at path.
func CreateWriter(ctx context.Context, path string, wait time.Duration) (*Writer, error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return OpenWriter(ctx, path, wait)
	}
	lock, err := lockWriter(ctx, path, wait)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("create store %q: no such directory", path)
	}
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) { // and no one else was faster
		if err := create(path); err != nil {
			lock.Close()
			return nil, fmt.Errorf("create store %q: %w", path, err)
		}
	}
	return newWriter(path, lock)
}

// newWriter tells a store from another file before any work is done.
func newWriter(path string, lock *flock.Flock) (*Writer, error) {
	w := &Writer{path, lock}
	if err := w.View(func(*DB) error { return nil }); err != nil {
		lock.Close()
		return nil, err
	}
	return w, nil
}

// Close lets another process write. Everything written stays.
func (w *Writer) Close() error { return w.lock.Close() }

// lockPath returns where the lock of the store at path is, whatever path calls it.
func lockPath(path string) string {
	if file, err := filepath.EvalSymlinks(path); err == nil {
		path = file
	}
	return path + ".lock"
}

// lockWriter takes the writer's lock, tries for as long as wait says, and leaves
// word who holds it. The file stays when the lock is gone: removing it would let
// two processes lock two files of the same name.
func lockWriter(ctx context.Context, path string, wait time.Duration) (*flock.Flock, error) {
	f, err := openLock(path)
	if err != nil {
		return nil, fmt.Errorf("lock store: %w", err)
	}
	defer f.Close()
	lock := flock.New(lockPath(path), flock.SetFlag(os.O_RDWR))
	if err := keepTrying(ctx, lock.TryLock, path, wait); err != nil {
		lock.Close()
		return nil, err
	}
	if err := writeHolder(f); err != nil {
		lock.Close()
		return nil, fmt.Errorf("lock store: %w", err)
	}
	return lock, nil
}

// keepTrying calls try, which takes a lock of the store's writer, until it has
// done so, for as long as wait says.
func keepTrying(ctx context.Context, try func() (bool, error), path string, wait time.Duration) error {
	for begun := time.Now(); ; {
		locked, err := try()
		switch {
		case err != nil:
			return fmt.Errorf("lock store: %w", err)
		case locked:
			return nil
		case time.Since(begun) >= wait:
			return fmt.Errorf("store %q: %w by %s, which has to finish first", path, ErrLocked, lockHolder(path))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockPoll):
		}
	}
}

// openFinished opens the store at path for reading when no process is its
// writer, for which it waits as [OpenWriter] does. Until it is closed no other
// process can write to it.
func openFinished(ctx context.Context, path string, wait time.Duration) (*DB, error) {
	if err := checkFile(path); err != nil {
		return nil, err
	}
	lock := flock.New(lockPath(path), flock.SetFlag(os.O_RDONLY))
	defer lock.Close()
	err := keepTrying(ctx, lock.TryRLock, path, wait)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // if it does, there is no writer
		return nil, err
	}
	return open(path)
}

// openLock opens the lock file of the store at path. Who may write to the store
// may lock it: the file has the store's mode and group.
func openLock(path string) (*os.File, error) {
	f, err := os.OpenFile(lockPath(path), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return f, nil // there is none yet
	}
	// Only the file's owner and root can do that. The lock of a store that is read-only
	// now may be needed again.
	_ = takeOwner(f.Name(), info)
	_ = f.Chmod(info.Mode().Perm() | 0o200)
	return f, nil
}

// The lock file says whether the store's writer waits for readers, and from
// holderAt on who it is. On Windows the first byte is what is locked, and no one
// else can read it.
const (
	waitsAt  = 1
	holderAt = 2
)

// What the lock file has at waitsAt.
const (
	isWaiting  = 'w'
	notWaiting = ' '
)

func writeHolder(f *os.File) error {
	const enough = 80 // bytes of the command line
	command := strings.Join(append([]string{filepath.Base(os.Args[0])}, os.Args[1:]...), " ")
	who := fmt.Sprintf("%q (process %d)", command[:min(enough, len(command))], os.Getpid())
	if err := f.Truncate(waitsAt); err != nil {
		return err
	}
	_, err := f.WriteAt(append([]byte{notWaiting}, who...), waitsAt)
	return err
}

// lockHolder returns who holds the store's lock, for an error's text. A process
// that has only just taken it has not left word yet.
func lockHolder(path string) string {
	const nobody = "another process"
	f, err := os.Open(lockPath(path))
	if err != nil {
		return nobody
	}
	defer f.Close()
	for range 20 {
		who, err := io.ReadAll(io.NewSectionReader(f, holderAt, 1<<10))
		if err != nil {
			break
		}
		if len(who) > 0 {
			return string(who)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nobody
}

// create makes an empty store at path: all of it or, if killed, nothing.
func create(path string) error {
	temp := path + ".new"
	if err := removeIfThere(temp); err != nil {
		return err
	}
	b, err := bbolt.Open(temp, 0o644, &bbolt.Options{FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	err = b.Update(func(tx *bbolt.Tx) error {
		for _, name := range topBuckets {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		if err := tx.Bucket(metaBucket).Put(formatKey, binary.LittleEndian.AppendUint32(nil, FormatVersion)); err != nil {
			return err
		}
		return errors.Join(putState(tx, State{}), putTime(tx, createdKey), putTime(tx, writtenKey), putEnds(tx))
	})
	if err := errors.Join(err, b.Close()); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return putInPlace(temp, path)
}

// update runs fn in a write transaction of its own. The file is opened for it
// and closed after it: bbolt locks the whole file, and readers are to get in.
// For the same reason the freelist is kept in the file (NoFreelistSync is off),
// else every opening would have to visit every page.
func (w *Writer) update(fn func(tx *bbolt.Tx) error) error {
	return w.open(func(b *bbolt.DB) error {
		return b.Update(func(tx *bbolt.Tx) error {
			if err := fn(tx); err != nil {
				return err
			}
			return errors.Join(putTime(tx, writtenKey), putEnds(tx))
		})
	})
}

// putTime records under one of the meta bucket's keys that now is when.
func putTime(tx *bbolt.Tx, key []byte) error {
	var e encoder
	e.uint64(uint64(time.Now().UnixNano()))
	return tx.Bucket(metaBucket).Put(key, seal(key, e.buf))
}

// updateState is update with the state, which is saved as fn leaves it.
func (w *Writer) updateState(fn func(tx *bbolt.Tx, state *State) error) error {
	return w.update(func(tx *bbolt.Tx) error {
		state, err := unsealState(tx.Bucket(metaBucket).Get(stateKey))
		if err != nil {
			return err
		}
		if err := fn(tx, &state); err != nil {
			return err
		}
		return putState(tx, state)
	})
}

func (w *Writer) open(fn func(b *bbolt.DB) error) error {
	b, err := w.openAlone()
	if err != nil {
		return err
	}
	err = guard(func() error { return fn(b) })
	if err := errors.Join(err, b.Close()); err != nil {
		return fmt.Errorf("write store %q: %w", w.path, err)
	}
	return nil
}

// openAlone opens the file once no reader has it open. Readers that keep coming
// would always be among themselves, so the writer marks the lock file while it
// waits, and those to come let it go first: see [yield].
func (w *Writer) openAlone() (*bbolt.DB, error) {
	try := func() (*bbolt.DB, error) {
		b, _, err := openBolt(w.path, &bbolt.Options{Timeout: time.Nanosecond, FreelistType: bbolt.FreelistMapType})
		return b, err
	}
	b, err := try()
	if !errors.Is(err, ErrLocked) {
		return b, err
	}
	defer func() { _ = mark(w.path, notWaiting) }() // if not, it is out of date soon
	for begun := time.Now(); errors.Is(err, ErrLocked); b, err = try() {
		if time.Since(begun) > writeTimeout {
			return nil, fmt.Errorf("%w by a reader that does not end", err)
		}
		if err := mark(w.path, isWaiting); err != nil {
			return nil, err
		}
		time.Sleep(writePoll)
	}
	return b, err
}

// mark writes to the lock file of the store at path whether its writer waits. The
// file's time tells when that was: a writer that was killed does not wait.
func mark(path string, waits byte) error {
	f, err := os.OpenFile(lockPath(path), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte{waits}, waitsAt)
	return errors.Join(err, f.Close())
}

// yield lets a writer that waits for the store at path go first, for a moment.
func yield(path string) {
	for begun := time.Now(); time.Since(begun) < yieldTime && writerWaits(path); {
		time.Sleep(writePoll)
	}
}

// writerWaits tells whether the writer of the store at path waits for readers. Who
// may not read the lock file takes it that none does.
func writerWaits(path string) bool {
	f, err := os.Open(lockPath(path))
	if err != nil {
		return false // no writer yet
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || time.Since(info.ModTime()).Abs() > yieldTime {
		return false
	}
	var b [1]byte
	_, err = f.ReadAt(b[:], waitsAt)
	return err == nil && b[0] == isWaiting
}

// View calls fn with the store opened for reading. The DB is closed when fn
// returns.
func (w *Writer) View(fn func(db *DB) error) error {
	db, err := open(w.path) // which waits for no writer: this is the one
	if err != nil {
		return err
	}
	return errors.Join(fn(db), db.Close())
}
