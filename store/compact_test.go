package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// usedStore makes a store with free room in it.
func usedStore(t *testing.T) (*Writer, string) {
	t.Helper()
	w, path := testWriter(t)
	var ids []TrackID
	for i := range 60 {
		putTestSong(t, w, testID(i), fmt.Sprintf("/%03d", i), i)
		ids = append(ids, testID(i))
	}
	for range 3 {
		madeFit(t, w, "c", ids)
	}
	if err := w.dropNameless(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Forget([]string{"/001", "/002", "/003"}); err != nil {
		t.Fatal(err)
	}
	return w, path
}

// entries returns everything in a store, as lines.
func entries(t *testing.T, path string) []string {
	t.Helper()
	var lines []string
	var walk func(path string, b *bbolt.Bucket) error
	walk = func(path string, b *bbolt.Bucket) error {
		return b.ForEach(func(k, v []byte) error {
			if v == nil {
				return walk(fmt.Sprintf("%s/%x", path, k), b.Bucket(k))
			}
			lines = append(lines, fmt.Sprintf("%s/%x = %x", path, k, v))
			return nil
		})
	}
	view(t, path, func(db *DB) {
		err := db.bolt.View(func(tx *bbolt.Tx) error {
			return tx.ForEach(func(name []byte, b *bbolt.Bucket) error { return walk(string(name), b) })
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	return lines
}

func TestCompact(t *testing.T) {
	w, path := usedStore(t)
	want := entries(t, path)
	before, after, err := w.Compact(t.Context())
	info, serr := os.Stat(path)
	if err != nil || serr != nil || after >= before || info.Size() != after {
		t.Fatalf("Compact = %d, %d, %v; file %v, %v", before, after, err, info, serr)
	}
	if got := entries(t, path); !slices.Equal(got, want) {
		t.Errorf("%d entries, want the same %d", len(got), len(want))
	}
	if found := problemsOf(t, path); len(found) > 0 {
		t.Error(found)
	}
	again, same, err := w.Compact(t.Context())
	if err != nil || again != after || same != after {
		t.Errorf("second Compact = %d, %d, %v, want it left at %d", again, same, err, after)
	}
	if left, err := filepath.Glob(path + "*"); err != nil || !slices.Equal(left, []string{path, lockPath(path)}) {
		t.Errorf("files %q, %v", left, err)
	}
	putTestSong(t, w, testID(99), "/x", 99) // it can be written to
}

func TestCompactAndBackupRefuseDamage(t *testing.T) {
	w, path := usedStore(t)
	var vectors []byte
	err := w.update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(vectorsBucket)
		vectors = bytes.Clone(b.Get(vectorsKey(Features[0], testID(7))))
		return b.Delete(vectorsKey(Features[0], testID(7)))
	})
	if err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Compact(t.Context()); !errors.Is(err, ErrCorrupt) {
		t.Errorf("Compact: %v, want ErrCorrupt", err)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, old) {
		t.Errorf("Compact changed the store, %v", err)
	}
	dst := filepath.Join(t.TempDir(), "backup.db")
	if _, err := Backup(t.Context(), path, dst, false); !errors.Is(err, ErrCorrupt) {
		t.Errorf("Backup: %v, want ErrCorrupt", err)
	}
	var out bytes.Buffer
	if _, err := BackupTo(t.Context(), path, &out); !errors.Is(err, ErrCorrupt) || out.Len() > 0 {
		t.Errorf("BackupTo: %v after %d bytes, want ErrCorrupt before any", err, out.Len())
	}
	if left, _ := filepath.Glob(dst + "*"); len(left) > 0 {
		t.Errorf("Backup left %q", left)
	}
	// Make it whole again for the check that ends the test.
	err = w.update(func(tx *bbolt.Tx) error {
		return tx.Bucket(vectorsBucket).Put(vectorsKey(Features[0], testID(7)), vectors)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBackup(t *testing.T) {
	_, path := usedStore(t)
	dst := filepath.Join(t.TempDir(), "backup.db")
	reader, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	size, err := Backup(t.Context(), path, dst, false)
	info, serr := os.Stat(dst)
	if err != nil || serr != nil || info.Size() != size {
		t.Fatalf("Backup = %d, %v; file %v, %v", size, err, info, serr)
	}
	if got, want := entries(t, dst), entries(t, path); !slices.Equal(got, want) {
		t.Errorf("%d entries, want the same %d", len(got), len(want))
	}
	if _, err := Backup(t.Context(), path, dst, false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second Backup: %v, want it refused", err)
	}
	if _, err := Backup(t.Context(), path, filepath.Join(dst, "none"), false); err == nil {
		t.Error("Backup into a file as directory has no error")
	}
	if left, _ := filepath.Glob(dst + "*"); !slices.Equal(left, []string{dst}) {
		t.Errorf("files %q", left)
	}
}

func TestBackupReplaces(t *testing.T) {
	_, path := usedStore(t)
	dst := filepath.Join(t.TempDir(), "backup.db")
	if err := os.WriteFile(dst, []byte("an older one"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Backup(t.Context(), path, dst, true); err != nil {
		t.Fatal(err)
	}
	if got, want := entries(t, dst), entries(t, path); !slices.Equal(got, want) {
		t.Errorf("%d entries, want the same %d", len(got), len(want))
	}
	if _, err := Backup(t.Context(), path, path, true); err == nil || !strings.Contains(err.Error(), "the store itself") {
		t.Errorf("Backup onto the store: got error %v", err)
	}
	if _, err := Backup(t.Context(), path, filepath.Dir(dst), true); err == nil || !strings.Contains(err.Error(), "not a file") {
		t.Errorf("Backup onto a directory: got error %v", err)
	}
	if left, _ := filepath.Glob(dst + "*"); !slices.Equal(left, []string{dst}) {
		t.Errorf("files %q", left)
	}
}

func TestBackupTo(t *testing.T) {
	_, path := usedStore(t)
	var out bytes.Buffer
	size, err := BackupTo(t.Context(), path, &out)
	if err != nil || int64(out.Len()) != size {
		t.Fatalf("BackupTo = %d, %v; wrote %d bytes", size, err, out.Len())
	}
	dst := filepath.Join(t.TempDir(), "backup.db")
	if err := os.WriteFile(dst, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, want := entries(t, dst), entries(t, path); !slices.Equal(got, want) {
		t.Errorf("%d entries, want the same %d", len(got), len(want))
	}
	full := errors.New("disk full")
	if _, err := BackupTo(t.Context(), path, failingWriter{full}); err == nil || !strings.Contains(err.Error(), full.Error()) {
		t.Errorf("got error %v, want %v", err, full)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestLinks(t *testing.T) {
	w, path := usedStore(t)
	if n, err := w.Links(); n != 1 || err != nil {
		t.Errorf("got %d, %v, want 1", n, err)
	}
	if err := os.Link(path, path+".link"); err != nil {
		t.Skipf("skipped: no hard links here: %v", err)
	}
	if n, err := w.Links(); n != 2 || err != nil {
		t.Errorf("got %d, %v, want 2", n, err)
	}
}

func TestInfo(t *testing.T) {
	w, path := usedStore(t)
	bad := File{Path: "/bad", Bad: &Failure{Step: "open", Reason: "why"}}
	if _, err := w.Put(Batch{Files: []File{bad}}); err != nil {
		t.Fatal(err)
	}
	var used int64 // bytes of pages
	err := w.open(func(b *bbolt.DB) error {
		return b.View(func(tx *bbolt.Tx) error {
			stats := b.Stats()
			used = tx.Size() - int64((stats.FreePageN+stats.PendingPageN)*b.Info().PageSize)
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	view(t, path, func(db *DB) {
		info, err := db.Info()
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Bytes.Total - info.Bytes.Free; got != used {
			t.Errorf("%d bytes are not free, bbolt uses %d", got, used)
		}
		if info.Tracks != 57 || info.Files != 58 || info.BadFiles != 1 || len(info.Clusterings) != 1 || info.FormatVersion != FormatVersion {
			t.Errorf("Info = %+v", info)
		}
		if info.Created.IsZero() || info.Ingested.Before(info.Created) || info.Written.Before(info.Ingested) {
			t.Errorf("created %v, ingested %v, written %v", info.Created, info.Ingested, info.Written)
		}
		b := info.Bytes
		if sum := b.Tracks + b.Arrays + b.Vectors + b.Files + b.Clusterings + b.Free + b.Other; sum != b.Total {
			t.Errorf("parts add up to %d: %+v", sum, b)
		}
		if b.Other <= 0 || b.Other > b.Total-b.Free || b.Free <= 0 || b.Vectors < 57*NumFeatures*240 {
			t.Errorf("bytes %+v", b)
		}
	})
}

// TestInterruptedUpkeep checks that a check, a backup and a compaction end with
// their context, before they begin and on their way, and leave nothing behind.
func TestInterruptedUpkeep(t *testing.T) {
	w, path := usedStore(t)
	want := entries(t, path)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name string
		run  func(ctx context.Context) error
	}{
		{"check", func(ctx context.Context) error {
			_, err := Check(ctx, path, CheckOptions{}, func(p Problem) { t.Errorf("an interrupt is reported as a problem: %v", p) })
			return err
		}},
		{"backup", func(ctx context.Context) error {
			_, err := Backup(ctx, path, path+".copy", false)
			return err
		}},
		{"compact", func(ctx context.Context) error {
			_, _, err := w.Compact(ctx)
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.run(ended); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want context.Canceled", err)
			}
			// A context that ends when it has been asked n times.
			asked := 1
			for ; ; asked *= 2 {
				ctx := &patience{Context: t.Context(), left: asked}
				if err := c.run(ctx); err == nil {
					_ = os.Remove(path + ".copy")
					break
				} else if !errors.Is(err, context.Canceled) {
					t.Errorf("asked %d times: got %v, want context.Canceled", asked, err)
				}
				if left, err := filepath.Glob(path + "*"); err != nil || !slices.Equal(left, []string{path, lockPath(path)}) {
					t.Errorf("asked %d times: files %q, %v", asked, left, err)
				}
			}
			if asked < 64 {
				t.Errorf("a context that ends after %d questions is not heard", asked)
			}
		})
	}
	if got := entries(t, path); !slices.Equal(got, want) {
		t.Errorf("%d entries, want the same %d", len(got), len(want))
	}
}

// patience is a context that ends when it has been asked so many times.
type patience struct {
	context.Context
	left int
}

func (p *patience) Err() error {
	if p.left--; p.left < 0 {
		return context.Canceled
	}
	return nil
}
