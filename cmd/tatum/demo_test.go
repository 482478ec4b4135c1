package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"tatum/ingest/direct"
	"tatum/ingest/msd"
	"tatum/store"
)

// A demoFile is what `tatum demo` writes of a song.
type demoFile struct {
	path string // below its directory
	data []byte
}

// demoFiles holds, by seed, the songs written so far. libhdf5 takes 8 ms for
// each, and most tests begin with the same ones.
var demoFiles = struct {
	sync.Mutex
	bySeed map[uint64][]demoFile
}{bySeed: make(map[uint64][]demoFile)}

// writeDemo writes to dir what `tatum demo --songs n --seed seed dir` does.
func writeDemo(dir string, n int, seed uint64) error {
	files, err := demoSongs(n, seed)
	if err != nil {
		return err
	}
	for _, f := range files {
		path := filepath.Join(dir, f.path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// makeDemo is writeDemo for tests.
func makeDemo(t *testing.T, dir string, n int, seed uint64) {
	t.Helper()
	if err := writeDemo(dir, n, seed); err != nil {
		t.Fatal(err)
	}
}

func demoSongs(n int, seed uint64) ([]demoFile, error) {
	demoFiles.Lock()
	defer demoFiles.Unlock()
	files := demoFiles.bySeed[seed]
	if n <= len(files) {
		return files[:n], nil
	}
	temp, err := os.MkdirTemp("", "demo")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	i := 0
	for song := range msd.Demo(n, seed) {
		if i++; i <= len(files) {
			continue
		}
		path := filepath.Join(temp, "song.h5")
		if err := msd.Write(path, []*store.Song{song}); err != nil {
			return nil, err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		files = append(files, demoFile{direct.RelPath(song.ID), data})
	}
	demoFiles.bySeed[seed] = files
	return files, nil
}

// demo is writeDemo for scripts: demo DIR SONGS [SEED].
func demo(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: demo DIR SONGS [SEED]")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	seed := uint64(1)
	if len(args) > 2 {
		seed, err = strconv.ParseUint(args[2], 10, 64)
		ts.Check(err)
	}
	ts.Check(writeDemo(ts.MkAbs(args[0]), n, seed))
}

// TestDemo compares what the other tests take for the command's songs with them.
func TestDemo(t *testing.T) {
	ours, theirs := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	makeDemo(t, ours, 2, 9)
	makeDemo(t, ours, 5, 9)
	runTatum(t, "demo", "--songs", "5", "--seed", "9", theirs)
	if got, want := files(t, ours), files(t, theirs); len(want) != 5 || !maps.Equal(got, want) {
		t.Errorf("got other files, or %d and not 5", len(want))
	}
}

// files returns the contents of the files below dir, by path from there.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, dir)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
