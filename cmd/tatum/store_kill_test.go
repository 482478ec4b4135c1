package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"tatum/store"
)

// TestStoreSurvivesKill kills each command that writes, TATUM_STORE_KILLS times
// at random moments. Then the store must open and check clean, have all tracks
// and clusterings it had before, and the same command must work.
func TestStoreSurvivesKill(t *testing.T) {
	skipShort(t)
	times := envCount(t, "TATUM_STORE_KILLS", 2)
	dir := t.TempDir()
	songs, base := filepath.Join(dir, "songs"), filepath.Join(dir, "base.db")
	makeDemo(t, songs, 40, 1)
	oldStore(t, base)
	shard := filepath.Join(dir, "shard.db")
	put(t, shard, madeBatch(t, 100, 1000, 1))
	for _, c := range []struct {
		name string
		args []string
	}{
		{"ingest", []string{"ingest", "--workers", "1", songs}},
		{"cluster", []string{"cluster", "-k", "4", "--folds", "3"}},
		{"assign", []string{"cluster", "assign"}},
		{"compact", []string{"store", "compact"}},
		{"merge", []string{"store", "merge", shard}},
		{"backup", []string{"store", "backup", "FILE"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := &killer{base: base, dir: t.TempDir(), args: c.args}
			if c.name == "assign" { // with more to do than the others leave
				k.base = filepath.Join(k.dir, "base.db")
				copyFile(t, k.base, base)
				put(t, k.base, madeBatch(t, 1000, 1400, 1))
			}
			k.measure(t)
			runs := 0
			for ; k.killed < times && runs < 10*times; runs++ {
				k.kill(t)
			}
			t.Logf("killed %d times; %d times the command was faster", k.killed, runs-k.killed)
		})
	}
}

// A killer kills one command.
type killer struct {
	base   string // store that it begins with
	dir    string
	args   []string
	took   time.Duration // of the command when it is not killed
	killed int           // how often it was, before its end
}

// start starts the command on a fresh copy of the store.
func (k *killer) start(t *testing.T) (db, backup string, cmd *exec.Cmd) {
	t.Helper()
	dir, err := os.MkdirTemp(k.dir, "run")
	if err != nil {
		t.Fatal(err)
	}
	db, backup = filepath.Join(dir, "tatum.db"), filepath.Join(dir, "backup.db")
	copyFile(t, db, k.base)
	cmd = k.command(db, backup)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return db, backup, cmd
}

func (k *killer) command(db, backup string) *exec.Cmd {
	args := []string{"--quiet", "--db", db}
	for _, arg := range k.args {
		if arg == "FILE" {
			arg = backup
		}
		args = append(args, arg)
	}
	return exec.Command("tatum", args...)
}

func (k *killer) measure(t *testing.T) {
	t.Helper()
	begun := time.Now()
	_, _, cmd := k.start(t)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	k.took = time.Since(begun)
}

func (k *killer) kill(t *testing.T) {
	t.Helper()
	db, backup, cmd := k.start(t)
	time.Sleep(rand.N(k.took))
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		k.killed++
	}
	for _, path := range []string{db, backup} {
		if _, err := os.Stat(path); err != nil && path == backup {
			continue // not made yet
		}
		if found := problems(t, path, false); len(found) > 0 {
			t.Fatalf("%s: %v", filepath.Base(path), found)
		}
		k.nothingLost(t, path)
	}
	if err := os.RemoveAll(backup); err != nil {
		t.Fatal(err)
	}
	if out, err := k.command(db, backup).CombinedOutput(); err != nil {
		t.Fatalf("again: %v: %s", err, out)
	}
	if found := problems(t, db, false); len(found) > 0 {
		t.Fatalf("after the command ran again: %v", found)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(db), "*")); err != nil || len(left) > 3 {
		t.Errorf("files left: %q, %v", left, err)
	}
	if err := os.RemoveAll(filepath.Dir(db)); err != nil {
		t.Fatal(err)
	}
}

// nothingLost fails the test unless the store at path has what it began with.
func (k *killer) nothingLost(t *testing.T, path string) {
	t.Helper()
	want, got := contents(t, k.base), contents(t, path)
	for key := range want {
		if !got[key] {
			t.Fatalf("%s is lost", key)
		}
	}
}

// contents returns the names of a store's tracks and clusterings.
func contents(t *testing.T, path string) map[string]bool {
	t.Helper()
	db, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	all := make(map[string]bool)
	ids, err := db.TrackIDs()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		all["track "+string(id)] = true
	}
	clusterings, err := db.Clusterings()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range clusterings {
		all[fmt.Sprintf("clustering %q", c.Name)] = true
	}
	return all
}
