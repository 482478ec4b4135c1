//go:build unix

package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// TestLockFileOfSharedStore checks that whoever may write to a store may lock it.
func TestLockFileOfSharedStore(t *testing.T) {
	w, path := testWriter(t)
	w.Close()
	for _, mode := range []os.FileMode{0o666, 0o660, 0o600, 0o444, 0o644} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		w, err := OpenWriter(t.Context(), path, 0)
		if err != nil {
			t.Fatal(err)
		}
		w.Close()
		if info, err := os.Stat(lockPath(path)); err != nil || info.Mode().Perm() != mode|0o200 {
			t.Errorf("lock file %v, %v, want mode %v as the store, and writable", info.Mode(), err, mode)
		}
	}
	if os.Getuid() != 0 {
		t.Log("skipped: owner and group, which only root can give")
		return
	}
	const owner, group = 54320, 54321
	if err := os.Chown(path, owner, group); err != nil {
		t.Fatal(err)
	}
	w, err := OpenWriter(t.Context(), path, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	info, err := os.Stat(lockPath(path))
	if stat := info.Sys().(*syscall.Stat_t); err != nil || stat.Uid != owner || stat.Gid != group {
		t.Errorf("lock file %+v, %v, want owner %d and group %d", stat, err, owner, group)
	}
}

// TestLockThroughLink has a writer by each of a store's names.
func TestLockThroughLink(t *testing.T) {
	w, path := testWriter(t)
	w.Close()
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, names := range [][2]string{{path, link}, {link, path}, {link, link}} {
		w, err := OpenWriter(t.Context(), names[0], 0)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := OpenWriter(t.Context(), names[1], 0); !errors.Is(err, ErrLocked) {
			t.Errorf("%s and %s: got %v, %v, want %v", names[0], names[1], second, err, ErrLocked)
		}
		w.Close()
	}
}

// TestCompactBesideReader checks that a reader which began before keeps the old
// file, and that the new one has its mode.
func TestCompactBesideReader(t *testing.T) {
	w, path := usedStore(t)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	reader, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	before, after, err := w.Compact(t.Context())
	info, serr := os.Stat(path)
	if err != nil || serr != nil || after >= before || info.Mode().Perm() != 0o640 {
		t.Fatalf("Compact = %d, %d, %v; file %v, %v", before, after, err, info, serr)
	}
	if ids, err := reader.TrackIDs(); err != nil || len(ids) != 57 {
		t.Errorf("reader of the old file: %d tracks, %v", len(ids), err)
	}
}

func TestCompactFollowsLink(t *testing.T) {
	w, path := usedStore(t)
	w.Close()
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	w, err := OpenWriter(context.Background(), link, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if before, after, err := w.Compact(t.Context()); err != nil || after >= before {
		t.Fatalf("Compact = %d, %d, %v", before, after, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("link became %v, %v", info, err)
	}
}

// TestBackupFollowsLink replaces a backup through a link, which stays one.
func TestBackupFollowsLink(t *testing.T) {
	_, path := usedStore(t)
	dst, link := filepath.Join(t.TempDir(), "backup.db"), filepath.Join(t.TempDir(), "link.db")
	if err := errors.Join(os.WriteFile(dst, []byte("an older one"), 0o644), os.Symlink(dst, link)); err != nil {
		t.Fatal(err)
	}
	if _, err := Backup(t.Context(), path, link, true); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(link); to != dst || err != nil {
		t.Errorf("the link was replaced: %q, %v", to, err)
	}
	if got, want := entries(t, dst), entries(t, path); !slices.Equal(got, want) {
		t.Errorf("%d entries, want the same %d", len(got), len(want))
	}
}
