package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// TestReadersMeetWholeBatches has many readers ask while songs are stored and
// clustered. Each must be answered, and meet batches whole: a batch here is two
// songs of the same version.
func TestReadersMeetWholeBatches(t *testing.T) {
	w, path := testWriter(t)
	put := func(version int) error {
		var batch Batch
		for i := range 2 {
			batch.Songs = append(batch.Songs, *EncodeSong(testSong(testID(i), fmt.Sprint("/", i), version)))
		}
		_, err := w.Put(batch)
		return err
	}
	if err := put(0); err != nil {
		t.Fatal(err)
	}
	madeFit(t, w, "c", []TrackID{testID(0), testID(1)})
	stop := make(chan struct{})
	var readers errgroup.Group
	for range 8 {
		readers.Go(func() error {
			for {
				select {
				case <-stop:
					return nil
				default:
				}
				if err := askBoth(path); err != nil {
					return err
				}
			}
		})
	}
	for version := range 20 {
		if err := put(version); err != nil {
			t.Error(err)
		}
		madeFit(t, w, "c", []TrackID{testID(0), testID(1)})
	}
	close(stop)
	if err := readers.Wait(); err != nil {
		t.Error(err)
	}
}

// askBoth opens the store and returns an error unless both songs are of the same
// version, and both have a label or neither has.
func askBoth(path string) error {
	db, err := Open(path)
	if err != nil {
		return err
	}
	defer db.Close()
	var titles [2]string
	var labelled [2]bool
	c, err := db.Clustering("c")
	if err != nil {
		return err
	}
	for i := range titles {
		track, err := db.Track(testID(i))
		if err != nil {
			return err
		}
		titles[i] = track.Title
		_, err = db.TrackAssignments(c, testID(i))
		if err != nil && !errors.Is(err, ErrNotAssigned) {
			return err
		}
		labelled[i] = err == nil
	}
	if titles[0] != titles[1] || labelled[0] != labelled[1] {
		return fmt.Errorf("met half a batch: %q, labels %v", titles, labelled)
	}
	return nil
}

func TestManyReadersOfOneDB(t *testing.T) {
	w, path := testWriter(t)
	for i := range 20 {
		putTestSong(t, w, testID(i), fmt.Sprint("/", i), i)
	}
	view(t, path, func(db *DB) {
		var readers sync.WaitGroup
		for range 16 {
			readers.Go(func() {
				for i := range 20 {
					if _, err := db.Arrays(testID(i)); err != nil {
						t.Error(err)
					}
				}
				if ids, err := db.TrackIDs(); err != nil || len(ids) != 20 {
					t.Errorf("%d tracks, %v", len(ids), err)
				}
			})
		}
		readers.Wait()
	})
}

// TestOneOfManyWritersWins has writers open the store at once.
func TestOneOfManyWritersWins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tatum.db")
	var mutex sync.Mutex
	var winners []*Writer
	var group errgroup.Group
	for range 8 {
		group.Go(func() error {
			w, err := CreateWriter(context.Background(), path, 0)
			if errors.Is(err, ErrLocked) {
				return nil
			}
			mutex.Lock()
			defer mutex.Unlock()
			winners = append(winners, w)
			return err
		})
	}
	if err := group.Wait(); err != nil || len(winners) != 1 {
		t.Fatalf("%d writers, %v", len(winners), err)
	}
	if err := winners[0].Close(); err != nil {
		t.Error(err)
	}
}

func TestStaleLockFile(t *testing.T) {
	w, path := testWriter(t)
	w.Close()
	if err := os.WriteFile(lockPath(path), []byte(`"tatum ingest" (process 999999)`), 0o644); err != nil {
		t.Fatal(err)
	}
	w, err := OpenWriter(context.Background(), path, 0)
	if err != nil {
		t.Fatalf("a lock file that nobody holds: %v", err)
	}
	putTestSong(t, w, testID(1), "/a", 1)
	w.Close()
}

// TestReadersYield holds a store open until its writer says that it waits. Readers
// let it go first then, but not once it has written, or long after it was killed.
func TestReadersYield(t *testing.T) {
	w, path := testWriter(t)
	put := func(i int) error {
		_, err := w.Put(Batch{Songs: []EncodedSong{*EncodeSong(testSong(testID(i), fmt.Sprint("/", i), i))}})
		return err
	}
	if err := put(0); err != nil {
		t.Fatal(err)
	}
	if writerWaits(path) {
		t.Error("a writer is said to wait that had not to")
	}
	reader, err := open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close() }) // or else a test that failed would wait for it
	var writer errgroup.Group
	writer.Go(func() error { return put(1) })
	for begun := time.Now(); !writerWaits(path); time.Sleep(time.Millisecond) {
		if time.Since(begun) > time.Minute {
			t.Fatal("no one says that the writer waits")
		}
	}
	if err := errors.Join(reader.Close(), writer.Wait()); err != nil {
		t.Fatal(err)
	}
	if writerWaits(path) {
		t.Error("a writer is said to wait that has written")
	}

	yielded := false
	for range 100 { // a mark may be too old at once, on a busy machine
		if err := mark(path, isWaiting); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if yield(path); time.Since(begun) >= yieldTime/2 {
			yielded = true
			break
		}
	}
	if !yielded {
		t.Error("no reader lets a writer go first that waits")
	}
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(lockPath(path), long, long); err != nil {
		t.Fatal(err)
	}
	if writerWaits(path) {
		t.Error("a writer is said to wait that has been killed")
	}
}
