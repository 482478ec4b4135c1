package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"tatum/store"
)

var update = flag.Bool("update", false, "write what the scripts' commands print over what they expect")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tatum": main, "hold": hold})
}

// hold is a command that is a store's writer for a while: hold FILE DURATION.
// FILE.held is there once it is.
func hold() {
	howLong, err := time.ParseDuration(os.Args[2])
	if err == nil {
		var w *store.Writer
		if w, err = store.OpenWriter(context.Background(), os.Args[1], 0); err == nil {
			if err = os.WriteFile(os.Args[1]+".held", nil, 0o666); err == nil {
				time.Sleep(howLong)
			}
			err = errors.Join(err, w.Close())
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// skipShort skips, with -short, a test that starts hundreds of processes. Under the
// race detector they take ten minutes and show no races that the scripts do not.
func skipShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("skipped: hundreds of processes, which -short leaves out")
	}
}

// scriptCommands are those that scripts have besides testscript's.
var scriptCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"demo":  demo,
	"exits": exits,
	"flip":  flip,
	"held":  held,
	"same":  same,
	"paths": paths,
}

// TestScripts runs the commands as a user would; see testdata/script.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Cmds:          scriptCommands,
		Setup: func(env *testscript.Env) error {
			env.Setenv("SHARED", sharedDir())
			return nil
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// held waits until hold is the store's writer: held FILE. It does not touch the
// lock, which hold would then find taken.
func held(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: held FILE")
	}
	for range 6000 {
		err := os.Remove(ts.MkAbs(args[0]) + ".held")
		if err == nil {
			return
		}
		if !errors.Is(err, fs.ErrNotExist) {
			ts.Check(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("nobody writes to %s", args[0])
}

// same compares what two stores hold of songs and files, but for when files could
// not be read: same FILE FILE.
func same(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: same FILE FILE")
	}
	a, b := storeLines(ts, args[0]), storeLines(ts, args[1])
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			ts.Fatalf("%s has %s\n%s has %s", args[0], a[i], args[1], b[i])
		}
	}
	if len(a) != len(b) {
		ts.Fatalf("%s has %d tracks and files, %s has %d", args[0], len(a), args[1], len(b))
	}
}

// storeLines returns a line for each track and each file of a store.
func storeLines(ts *testscript.TestScript, path string) (lines []string) {
	db, err := store.Open(ts.MkAbs(path))
	ts.Check(err)
	defer db.Close()
	ids, err := db.TrackIDs()
	ts.Check(err)
	for _, id := range ids {
		track, err := db.Track(id)
		ts.Check(err)
		arrays, err := db.Arrays(id)
		ts.Check(err)
		vectors, err := db.TrackVectors(id)
		ts.Check(err)
		lines = append(lines, fmt.Sprintf("%v %x", track, sha256.Sum256(fmt.Appendf(nil, "%x %x", arrays, vectors))))
	}
	for f, err := range db.Files() {
		ts.Check(err)
		line := fmt.Sprintf("%q %d %d %v %v %v", f.Path, f.Size, f.ModTime, f.Arrays, f.Tracks, f.Archive)
		if f.Bad != nil {
			line += fmt.Sprintf(" %s %s", f.Bad.Step, f.Bad.Reason)
		}
		lines = append(lines, line)
	}
	return lines
}

// paths prints the paths of the files that a store remembers, quoted, below
// the working directory as they are from there: paths FILE.
func paths(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: paths FILE")
	}
	db, err := store.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close()
	var names strings.Builder
	for f, err := range db.Files() {
		ts.Check(err)
		fmt.Fprintf(&names, "%q\n", strings.TrimPrefix(f.Path, ts.MkAbs(".")+"/"))
	}
	_, err = fmt.Fprint(ts.Stdout(), names.String())
	ts.Check(err)
}

// exits runs a command that is to end with the given exit code: exits CODE
// COMMAND ARG...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := err.(interface{ ExitCode() int }); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// flip damages a file: flip FILE OFFSET inverts the byte there; flip FILE -N
// cuts the last N bytes off.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip FILE OFFSET")
	}
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	if at < 0 {
		data = data[:len(data)+at]
	} else {
		data[at] ^= 0xff
	}
	ts.Check(os.WriteFile(path, data, 0o644))
}

// sharedDir returns the directory of real songs beside the project, which may
// not be there.
func sharedDir() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	return dir + "/../../../shared"
}
