package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"tatum/store"
)

// kills is how often the tests below kill a process; TATUM_KILLS raises it.
func kills(t *testing.T) int {
	t.Helper()
	return envCount(t, "TATUM_KILLS", 3)
}

// putSongs stores made-up songs, those from first to before end.
func putSongs(t *testing.T, path string, first, end int) {
	t.Helper()
	w, err := store.CreateWriter(context.Background(), path, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var batch store.Batch
	for i := first; i < end; i++ {
		batch.Songs = append(batch.Songs, *scaleSong(i))
	}
	if _, err := w.Put(batch); err != nil {
		t.Fatal(err)
	}
}

// labelsIn returns a hash of what the default clustering says of each track,
// and fails unless every place has its entry among the cluster's members.
func labelsIn(t *testing.T, path string) map[store.TrackID]uint64 {
	t.Helper()
	db, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c, err := db.Clustering(store.DefaultClustering)
	if err != nil {
		t.Fatal(err)
	}
	type member struct {
		feature store.Feature
		id      store.TrackID
	}
	members := make(map[member]float64)
	for _, f := range c.Features {
		for k := range c.K {
			for m, err := range db.Members(c, f, store.Cluster(k)) {
				if err != nil {
					t.Fatal(err)
				}
				members[member{f, m.ID}] = m.Distance
			}
		}
	}
	labels := make(map[store.TrackID]uint64)
	for p, err := range db.Assignments(c, store.Span{}) {
		if err != nil {
			t.Fatal(err)
		}
		h := fnv.New64a()
		fmt.Fprint(h, p.Places)
		labels[p.ID] = h.Sum64()
		for i := range p.Places {
			key := member{p.Places[i].Feature, p.ID}
			if d, ok := members[key]; !ok || d != p.Places[i].Distance() {
				t.Errorf("%v is not among its cluster's members", key)
			}
			delete(members, key)
		}
	}
	if len(members) > 0 {
		t.Fatalf("%d members without a place", len(members))
	}
	return labels
}

// runTatum runs a command to its end and returns how long it took.
func runTatum(t *testing.T, args ...string) time.Duration {
	t.Helper()
	start := time.Now()
	if out, err := exec.Command("tatum", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
	return time.Since(start)
}

// killTatum runs a command and kills it after a random part of the time it
// takes, and tells whether it had ended before.
func killTatum(t *testing.T, rng *rand.Rand, takes time.Duration, args ...string) (ended bool) {
	t.Helper()
	cmd := exec.Command("tatum", args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Duration(rng.Float64() * float64(takes)))
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	return cmd.Wait() == nil
}

func copyFile(t *testing.T, dst, src string) {
	t.Helper()
	in, err := os.Open(src)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(dst)
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

// TestKilledClusterLeavesOldOne kills `tatum cluster` at random moments: the
// clustering in the store is the old one or, if it was done, the new one.
func TestKilledClusterLeavesOldOne(t *testing.T) {
	skipShort(t)
	t.Parallel()
	dir, n := t.TempDir(), kills(t)
	path := filepath.Join(dir, "tatum.db")
	putSongs(t, path, 0, 1500)
	args := func(seed int) []string {
		return []string{"cluster", "--quiet", "--db", path, "--seed", fmt.Sprint(seed)}
	}
	var want [2]map[store.TrackID]uint64
	var takes time.Duration
	for _, seed := range []int{1, 0} { // the first run has nothing to replace
		takes = runTatum(t, args(seed)...)
		want[seed] = labelsIn(t, path)
	}
	rng := rand.New(rand.NewPCG(7, 8))
	old, replaced := 0, 0
	for run := range n {
		ended := killTatum(t, rng, takes, args(1-old)...)
		got := labelsIn(t, path)
		switch {
		case maps.Equal(got, want[1-old]):
			old = 1 - old
			replaced++
		case !maps.Equal(got, want[old]):
			t.Fatalf("run %d: the clustering is neither the old nor the new one", run)
		case ended:
			t.Fatalf("run %d: ended, but left the old clustering", run)
		}
	}
	t.Logf("%d runs killed, %d of them after the clustering was in place", n, replaced)
	runTatum(t, args(1-old)...)
	if !maps.Equal(labelsIn(t, path), want[1-old]) {
		t.Error("the next run left another clustering")
	}
}

// TestKilledAssignGoesOn kills `tatum cluster assign` at random moments: tracks
// have the labels they get in the end, or none yet.
func TestKilledAssignGoesOn(t *testing.T) {
	skipShort(t)
	t.Parallel()
	dir, n := t.TempDir(), kills(t)
	base, path := filepath.Join(dir, "base.db"), filepath.Join(dir, "tatum.db")
	putSongs(t, base, 0, 600)
	runTatum(t, "cluster", "--quiet", "--db", base, "-k", "200") // so that a batch is small
	fitted := labelsIn(t, base)
	putSongs(t, base, 600, 3000)
	assign := []string{"cluster", "assign", "--quiet", "--db", path}
	copyFile(t, path, base)
	takes := runTatum(t, assign...)
	want := labelsIn(t, path)
	if len(want) != 3000 {
		t.Fatalf("%d tracks have labels, want 3000", len(want))
	}
	rng := rand.New(rand.NewPCG(9, 10))
	partly := 0
	copyFile(t, path, base)
	for run := range n {
		killTatum(t, rng, takes, assign...)
		got := labelsIn(t, path)
		for id, h := range got {
			if h != want[id] {
				t.Fatalf("run %d: %s has another label", run, id)
			}
		}
		if len(got) < len(fitted) {
			t.Fatalf("run %d: %d tracks have labels, fewer than were fitted", run, len(got))
		}
		if len(got) > len(fitted) && len(got) < len(want) {
			partly++
		}
		if len(got) == len(want) {
			copyFile(t, path, base)
		}
	}
	t.Logf("%d runs killed, %d left some tracks labelled and some not", n, partly)
	if n >= 20 && partly == 0 {
		t.Error("no run was killed half way")
	}
	runTatum(t, assign...)
	if !maps.Equal(labelsIn(t, path), want) {
		t.Error("the next run left other labels")
	}
}

// TestInterruptedAssignGoesOn ends `tatum cluster assign` with SIGINT half way.
// Where it had ended before, it is tried again.
func TestInterruptedAssignGoesOn(t *testing.T) {
	skipShort(t)
	base := filepath.Join(t.TempDir(), "base.db")
	putSongs(t, base, 0, 600)
	runTatum(t, "cluster", "--quiet", "--db", base, "-k", "400") // so that a batch is small
	putSongs(t, base, 600, 3000)
	path := filepath.Join(t.TempDir(), "tatum.db")
	for range 20 {
		copyFile(t, path, base)
		cmd := exec.Command("tatum", "cluster", "assign", "--quiet", "--db", path)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitForChange(path, 5*time.Second) // not before its first batch
		if err := cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		code := finish(t, cmd)
		if code == 0 {
			continue
		}
		if code != exitInterrupted {
			t.Fatalf("exit code %d, want %d", code, exitInterrupted)
		}
		if n := labelled(t, path); n == 600 || n == 3000 {
			continue
		}
		runTatum(t, "cluster", "assign", "--quiet", "--db", path)
		if n := labelled(t, path); n != 3000 {
			t.Errorf("%d tracks have labels in the end, want 3000", n)
		}
		return
	}
	t.Error("no command was interrupted half way")
}

// labelled returns how many tracks have a label in the default clustering.
func labelled(t *testing.T, path string) (n uint64) {
	t.Helper()
	db, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c, err := db.Clustering(store.DefaultClustering)
	if err == nil {
		n, err = db.Labelled(c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}
