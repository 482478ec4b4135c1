//go:build unix

package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tatum/store"
)

// TestSecondUser has two users write to a shared store by turns, whoever made
// its files. It needs root, who alone can be both of them.
func TestSecondUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("skipped: only root can be two users")
	}
	const group, other = 30000, 30009
	t.Run("Group", func(t *testing.T) {
		testSecondUser(t, 0o660, [2]uint32{group, group})
	})
	t.Run("Everyone", func(t *testing.T) {
		testSecondUser(t, 0o666, [2]uint32{group, other})
	})
}

// testSecondUser is TestSecondUser for a store of that mode and users of those
// groups.
func testSecondUser(t *testing.T, mode os.FileMode, groups [2]uint32) {
	const first, second, stranger = 30001, 30002, 30003
	// t.TempDir lies below a directory of root's alone.
	shared, err := os.MkdirTemp("", "tatum-shared")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(shared) })
	if err := os.Chown(shared, -1, int(groups[0])); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(shared, mode|0o115); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(shared, "tatum")
	copyProgram(t, program)
	db := filepath.Join(shared, "tatum.db")
	as := func(user, group uint32, args ...string) (string, error) {
		cmd := exec.Command(program, args...)
		cmd.Env = append(os.Environ(), "TATUM_DB="+db)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: group}}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := as(second, groups[1], "version"); err != nil {
		t.Skipf("skipped: a second user cannot run a program here: %v %s", err, out)
	}
	songs := filepath.Join(shared, "songs")
	makeDemo(t, songs, 120, 1)
	steps := []struct {
		user uint32
		args []string
	}{
		{first, []string{"ingest", "--quiet", filepath.Join(songs, "A"), filepath.Join(songs, "B")}},
		{first, []string{"cluster", "--quiet", "-k", "2"}}, // with the mode below
		{second, []string{"ingest", "--quiet", songs}},
		{second, []string{"cluster", "assign", "--quiet"}},
		{second, []string{"store", "compact"}}, // which makes the file his own
		{first, []string{"cluster", "--quiet", "-k", "3"}},
		{second, []string{"cluster", "delete", "default"}},
		{first, []string{"store", "check"}},
	}
	for i, step := range steps {
		if i == 2 { // the second user's ingest has to wait for a reader, and to say so
			go closeWhenAsked(t, db)()
		}
		if out, err := as(step.user, groups[step.user-first], step.args...); err != nil {
			t.Fatalf("user %d, %v: %v: %s", step.user, step.args, err, out)
		}
		if i == 0 {
			if err := os.Chmod(db, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, path := range []string{db, db + ".lock"} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != mode {
			t.Errorf("%s: got mode %v, want %v", filepath.Base(path), got, mode)
		}
	}
	closed := filepath.Join(shared, "closed") // whose files are listed, but not to be looked at
	if err := os.Mkdir(closed, 0o755); err != nil {
		t.Fatal(err)
	}
	song := filepath.Join(closed, "song.h5")
	if err := errors.Join(os.WriteFile(song, nil, 0o644), os.Chmod(closed, 0o744)); err != nil {
		t.Fatal(err)
	}
	if out, err := as(second, groups[1], "ingest", "--quiet", closed); err == nil {
		t.Errorf("a file that is not to be looked at was no error: %s", out)
	}
	if out, err := as(first, groups[0], "store", "info", "--bad"); err != nil || !strings.Contains(out, song) {
		t.Errorf("bad files: got %s, %v, want %s", out, err, song)
	}
	out, err := as(stranger, stranger, "ingest", "--quiet", songs)
	if everyone := mode&0o006 != 0; everyone {
		if err != nil {
			t.Errorf("a third user got %v: %s", err, out)
		}
		return
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitFailed || !strings.Contains(out, "permission denied") || strings.Count(out, "\n") != 1 {
		t.Errorf("a stranger got %v: %s", err, out)
	}
}

// copyProgram puts a copy of tatum where every user can run it.
func copyProgram(t *testing.T, path string) {
	t.Helper()
	from, err := exec.LookPath("tatum")
	if err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// closeWhenAsked opens a store for reading and returns what closes it again, once a
// writer has changed the lock file some times. Two changes are those of its start.
func closeWhenAsked(t *testing.T, db string) func() {
	t.Helper()
	reader, err := store.Open(db)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		defer reader.Close()
		var last time.Time
		changes := 0
		for range 12_000 {
			info, err := os.Stat(db + ".lock")
			if err == nil && !info.ModTime().Equal(last) {
				last = info.ModTime()
				if changes++; changes > 5 {
					return
				}
			}
			time.Sleep(5 * time.Millisecond)
		}
		t.Error("no writer asked for the store")
	}
}
