package main

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// TestMergeCuts divides songs in several ways, ingests each part into a shard and
// merges the shards: the store is that of one ingest of all songs. Some songs are
// there twice, some files are bad.
func TestMergeCuts(t *testing.T) {
	skipShort(t)
	dir := t.TempDir()
	songs := filepath.Join(dir, "songs")
	makeDemo(t, songs, 60, 1)
	files := songFiles(t, songs)
	for i, path := range files {
		switch {
		case i%6 == 0: // the track again, before and behind itself
			copyFile(t, filepath.Join(songs, fmt.Sprintf("%d.h5", i)), path)
			copyFile(t, filepath.Join(songs, "Z", fmt.Sprintf("z%d.h5", i)), path)
		case i%10 == 1:
			if err := os.WriteFile(filepath.Join(filepath.Dir(path), "bad.h5"), []byte("no song"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	whole := filepath.Join(dir, "whole.db")
	ingestSome(t, whole, songs)
	tracks, want := storeDigest(t, whole)
	t.Logf("one ingest: %d tracks, %x", tracks, want)
	files = songFiles(t, songs)
	rng := rand.New(rand.NewPCG(5, 6))
	for _, c := range []struct {
		name   string
		shards func(i int, path string) []int // of a file
	}{
		{"by ID", func(_ int, path string) []int { return []int{int(filepath.Base(path)[2]) / 7} }},
		{"by directory", func(_ int, path string) []int { return []int{int(path[len(songs)+1]) / 5} }},
		{"at random", func(int, string) []int { return []int{rng.IntN(3)} }},
		{"duplicates across shards", func(i int, _ string) []int { return []int{i % 4} }},
		{"files in two shards", func(i int, _ string) []int { return []int{i % 3, (i + 1) % 3} }},
		{"bad files apart", func(_ int, path string) []int {
			if filepath.Base(path) == "bad.h5" {
				return []int{1}
			}
			return []int{0}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			parts := make(map[int][]string)
			for i, path := range files {
				for _, shard := range c.shards(i, path) {
					parts[shard] = append(parts[shard], path)
				}
			}
			work := t.TempDir()
			merged := filepath.Join(work, "merged.db")
			args := []string{"store", "merge", "--quiet", "--db", merged}
			for shard, part := range parts { // in any order
				args = append(args, filepath.Join(work, fmt.Sprintf("shard-%d.db", shard)))
				ingestSome(t, args[len(args)-1], part...)
			}
			runTatum(t, args...)
			tracks, got := storeDigest(t, merged)
			t.Logf("%d shards: %d tracks, %x", len(parts), tracks, got)
			if got != want {
				t.Error("the store is not that of one ingest")
			}
			if found := problems(t, merged, true); len(found) > 0 {
				t.Error(found)
			}
		})
	}
}

func songFiles(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".h5" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// ingestSome ingests files, of which some may be bad.
func ingestSome(t *testing.T, db string, paths ...string) {
	t.Helper()
	cmd := exec.Command("tatum", append([]string{"ingest", "--quiet", "--arrays", "all", "--db", db}, paths...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if code := finish(t, cmd); code != exitDone && code != exitBadInput {
		t.Fatalf("ingest ended with %d", code)
	}
}

// TestKilledMergeGoesOn kills `tatum store merge` at random moments. Whatever is
// in the store then is whole, and the same command goes on from there.
func TestKilledMergeGoesOn(t *testing.T) {
	skipShort(t)
	t.Parallel()
	dir, n := t.TempDir(), kills(t)
	songs := 2500 // in two batches
	args := []string{"store", "merge", "--quiet", "--db", ""}
	for shard := range 3 {
		path := filepath.Join(dir, fmt.Sprintf("shard-%d.db", shard))
		makeBig(t, path, songs, 3, shard, false)
		args = append(args, path)
	}
	into := func(path string) []string { return slices.Concat(args[:4], []string{path}, args[5:]) }
	want, path := filepath.Join(dir, "want.db"), filepath.Join(dir, "merged.db")
	takes := runTatum(t, into(want)...)
	_, wanted := storeDigest(t, want)
	rng := rand.New(rand.NewPCG(11, 12))
	partly := 0
	for run := range n {
		killTatum(t, rng, takes, into(path)...)
		if _, err := os.Stat(path); err != nil {
			continue // killed before there was one
		}
		if found := problems(t, path, false); len(found) > 0 {
			t.Fatalf("run %d: %v", run, found)
		}
		if _, digest := storeDigest(t, path); digest != wanted {
			partly++
		}
		if run%2 == 0 {
			continue // the next one goes on
		}
		runTatum(t, into(path)...)
		if _, digest := storeDigest(t, path); digest != wanted {
			t.Fatalf("run %d: the store is not that of a merge that was not killed", run)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d runs killed, %d left a part", n, partly)
	runTatum(t, into(path)...)
	if _, digest := storeDigest(t, path); digest != wanted {
		t.Error("the store is not that of a merge that was not killed")
	}
}

// TestMergeRate prints how fast TATUM_MERGE tracks, in ten shards with IDs from
// everywhere, are merged, as a whole process. `make merge` runs it. It keeps the
// shards in the directory TATUM_MERGE_DIR, if that is set.
func TestMergeRate(t *testing.T) {
	n := envCount(t, "TATUM_MERGE", 0)
	if n == 0 {
		t.Skip("TATUM_MERGE is not set to a number of tracks")
	}
	dir := os.Getenv("TATUM_MERGE_DIR")
	if dir == "" {
		dir = t.TempDir()
	}
	const shards = 10
	out := filepath.Join(t.TempDir(), "merged.db")
	args := []string{"store", "merge", "--quiet", "--db", out}
	for shard := range shards {
		path := filepath.Join(dir, fmt.Sprintf("%d-%d.db", n, shard))
		if _, err := os.Stat(path); err != nil {
			makeBig(t, path, n, shards, shard, false)
		}
		args = append(args, path)
	}
	for _, what := range []string{"merged", "merged again"} {
		cmd := exec.Command("tatum", args...)
		begun := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		took := time.Since(begun).Seconds()
		info, err := os.Stat(out)
		if err != nil {
			t.Fatal(err)
		}
		state := cmd.ProcessState
		t.Logf("%d tracks of %d shards %s in %.1f s: %.0f per second, %.0f MB/s; processor %.1f s, peak %d MB",
			n, shards, what, took, float64(n)/took, float64(info.Size())/1e6/took,
			(state.UserTime() + state.SystemTime()).Seconds(), state.SysUsage().(*syscall.Rusage).Maxrss>>10)
	}
}
