package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"tatum/store"
)

// finish waits for a command and returns its exit code.
func finish(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

// storeDigest returns how many tracks a store has and a hash of all that it
// holds of songs. It fails when the store contradicts itself.
func storeDigest(t *testing.T, path string) (tracks int, digest [32]byte) {
	t.Helper()
	db, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ids, err := db.TrackIDs()
	if err != nil {
		t.Fatal(err)
	}
	if state, err := db.State(); err != nil || state.Tracks != uint64(len(ids)) {
		t.Fatalf("state counts %d tracks, %v, want %d", state.Tracks, err, len(ids))
	}
	h := sha256.New()
	known := make(map[store.TrackID]bool)
	for _, id := range ids {
		known[id] = true
		track, err := db.Track(id)
		if err != nil {
			t.Fatal(err)
		}
		arrays, err := db.Arrays(id)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(h, track)
		for a, values := range arrays {
			if values == nil && a < store.NumFeatures {
				t.Fatalf("track %s has no %v", id, store.Array(a))
			}
			writeFloats(h, values)
		}
	}
	for _, id := range ids {
		all, err := db.TrackVectors(id)
		if err != nil {
			t.Fatal(err)
		}
		for f := range all {
			writeFloats(h, all[f])
		}
	}
	for f, err := range db.Files() {
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range f.Tracks {
			if !known[id] {
				t.Fatalf("file %s has track %s, which is not there", f.Path, id)
			}
		}
		fmt.Fprint(h, f.Path, f.Size, f.ModTime, f.Arrays, f.Tracks)
		if f.Bad != nil {
			fmt.Fprint(h, f.Bad.Step, f.Bad.Reason)
		}
	}
	return len(ids), [32]byte(h.Sum(nil))
}

// TestIngestProcess runs what watches `tatum ingest` from outside on the same
// songs.
func TestIngestProcess(t *testing.T) {
	skipShort(t)
	n := kills(t)
	songs := ingestSongs{n: 300}
	if n >= 100 {
		songs.n = 2000
	}
	songs.dir = filepath.Join(t.TempDir(), "songs")
	makeDemo(t, songs.dir, songs.n, 1)
	t.Run("Killed", func(t *testing.T) { testKilledIngest(t, songs, n, songs.dir) })
	t.Run("KilledArchive", func(t *testing.T) { testKilledIngest(t, songs, n, songs.archive(t)) })
	t.Run("Interrupted", func(t *testing.T) { testInterruptedIngest(t, songs) })
	t.Run("Signals", testSignals)
	t.Run("Readers", func(t *testing.T) { testReadersDuringIngest(t, songs) })
	t.Run("Unchanged", func(t *testing.T) { testUnchangedStore(t, songs) })
	t.Run("FullDisk", func(t *testing.T) { testFullDisk(t, songs) })
}

type ingestSongs struct {
	dir string
	n   int
}

// archive returns an archive of the songs.
func (s ingestSongs) archive(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "songs.tar.gz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewWriterLevel(f, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	if err := errors.Join(w.AddFS(os.DirFS(s.dir)), w.Close(), z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// some returns a directory of a few of the songs.
func (s ingestSongs) some() string { return filepath.Join(s.dir, "A") }

// writeFloats writes how many values there are, and their bits.
func writeFloats(h hash.Hash, values []float64) {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(values)))
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	h.Write(b)
}

// testKilledIngest kills `tatum ingest` at random moments, half of them while a
// batch is written. Whatever is in the store then is whole, and the same command
// goes on from there. The path is that of the songs. TATUM_KILLS says how often to
// kill.
func testKilledIngest(t *testing.T, songs ingestSongs, n int, from string) {
	work := t.TempDir()
	want, path := filepath.Join(work, "want.db"), filepath.Join(work, "tatum.db")
	args := func(db string) []string { return []string{"ingest", "--quiet", "--db", db, from} }
	takes := runTatum(t, args(want)...)
	_, wanted := storeDigest(t, want)

	rng := rand.New(rand.NewPCG(3, 4))
	finished, part := 0, 0
	for i := range n {
		if _, err := os.Stat(path); i%3 == 1 && errors.Is(err, fs.ErrNotExist) && from == songs.dir {
			runTatum(t, "ingest", "--quiet", "--db", path, songs.some())
		}
		cmd := exec.Command("tatum", args(path)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			time.Sleep(time.Duration(rng.Float64() * float64(takes)))
		} else {
			waitForChange(path, takes)
			time.Sleep(time.Duration(rng.Float64() * float64(50*time.Millisecond)))
		}
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		finish(t, cmd)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue // killed before there was one
		}
		tracks, digest := storeDigest(t, path)
		if tracks > 0 && tracks < songs.n {
			part++
		}
		if tracks < songs.n {
			continue // the next command goes on
		}
		finished++
		runTatum(t, args(path)...) // killed after its last batch, it has nothing to do
		if from != songs.dir {     // but to look for the end of the archive
			_, digest = storeDigest(t, path)
		}
		if digest != wanted {
			t.Fatalf("kill %d: the store is not that of an ingest that was not killed", i)
		}
		if i < n-1 {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d kills: %d stores with some of the songs, %d with all", n, part, finished)
	runTatum(t, args(path)...)
	if _, digest := storeDigest(t, path); digest != wanted {
		t.Error("the store is not that of an ingest that was not killed")
	}
	for _, db := range []string{want, path} {
		runTatum(t, "cluster", "--quiet", "-k", "4", "--db", db)
		runTatum(t, "export", "npy", "--quiet", "--db", db, db+".out")
	}
	checkSameFiles(t, path+".out", want+".out")
}

// waitForChange waits until a file changes, or for as long as a command takes.
func waitForChange(path string, takes time.Duration) {
	stamp := func() string {
		info, err := os.Stat(path)
		if err != nil {
			return ""
		}
		return fmt.Sprint(info.Size(), info.ModTime())
	}
	before := stamp()
	for end := time.Now().Add(takes); stamp() == before && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

// checkSameFiles compares the files of two directories byte for byte.
func checkSameFiles(t *testing.T, got, want string) {
	t.Helper()
	entries, err := os.ReadDir(want)
	if err != nil || len(entries) == 0 {
		t.Fatalf("%s: %d files, %v", want, len(entries), err)
	}
	for _, e := range entries {
		a, err := os.ReadFile(filepath.Join(got, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(want, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s differs", e.Name())
		}
	}
}

// testInterruptedIngest sends what Ctrl-C sends. Where that comes too late, it is
// tried again.
func testInterruptedIngest(t *testing.T, songs ingestSongs) {
	for range 20 {
		db := filepath.Join(t.TempDir(), "tatum.db")
		var stdout, stderr bytes.Buffer
		cmd := exec.Command("tatum", "ingest", "--quiet", "--workers", "1", "--arrays", "all", "--db", db, songs.dir)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitForFile(t, db)
		time.Sleep(20 * time.Millisecond)
		if err := cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		code := finish(t, cmd)
		if code == 0 {
			continue
		}
		if code != exitInterrupted {
			t.Fatalf("exit code %d, want %d; %s", code, exitInterrupted, stderr.String())
		}
		tracks, _ := storeDigest(t, db)
		if tracks == songs.n {
			continue
		}
		if want := fmt.Sprintf("%d added, ", tracks); !strings.HasPrefix(stdout.String(), want) {
			t.Errorf("got %q, want %q", stdout.String(), want)
		}
		if want := "tatum: interrupted; the same command goes on from there\n"; stderr.String() != want {
			t.Errorf("standard error: got %q, want %q", stderr.String(), want)
		}
		out, err := exec.Command("tatum", "ingest", "--db", db, songs.dir).Output()
		if want := fmt.Sprintf("%d added, 0 replaced, %d unchanged, 0 duplicate, 0 bad\n", songs.n-tracks, tracks); string(out) != want || err != nil {
			t.Errorf("got %q, %v, want %q", out, err, want)
		}
		return
	}
	t.Error("no ingest was interrupted half way")
}

// testSignals ends an ingest of standard input, which says nothing, by each of the
// signals that end a command.
func testSignals(t *testing.T) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as by nohup, for the commands that are started too
		signals = append(signals, syscall.SIGHUP)
	}
	for _, signal := range signals {
		db := filepath.Join(t.TempDir(), "tatum.db")
		cmd := exec.Command("tatum", "ingest", "--db", db, "-")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitForFile(t, db)
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if code := finish(t, cmd); code != exitInterrupted || stderr.String() != interrupted+"\n" {
			t.Errorf("%v: exit code %d, %q, want %d", signal, code, stderr.String(), exitInterrupted)
		}
		stdin.Close()
	}
}

func waitForFile(t *testing.T, path string) {
	t.Helper()
	for range 1000 {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s does not come to be", path)
}

// testReadersDuringIngest starts another ingest while one waits for the archive
// of its songs, and then asks for a stored track again and again while the first
// runs.
func testReadersDuringIngest(t *testing.T, songs ingestSongs) {
	db := filepath.Join(t.TempDir(), "tatum.db")
	first := filepath.Join(t.TempDir(), "first")
	makeDemo(t, first, 12, 5)
	runTatum(t, "ingest", "--quiet", "--db", db, first)
	runTatum(t, "cluster", "--quiet", "-k", "2", "--db", db)
	id := func() string {
		r, err := store.Open(db)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		ids, err := r.TrackIDs()
		if err != nil {
			t.Fatal(err)
		}
		return string(ids[0])
	}()
	cmd := exec.Command("tatum", "ingest", "--quiet", "--wait", "1m", "--workers", "1", "--arrays", "all", "--db", db, "-")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	running := func() bool {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("%v: %s", err, stderr.String())
			}
			return false
		default:
			return true
		}
	}
	// Until it has the lock another ingest may come first; it waits for that one.
	for refused := false; !refused; {
		if !running() {
			t.Fatal("it ended without its archive")
		}
		second := exec.Command("tatum", "ingest", "--quiet", "--db", db, first)
		out, _ := second.CombinedOutput()
		if refused = second.ProcessState.ExitCode() == exitLocked; !refused {
			continue
		}
		if !regexp.MustCompile(`store is locked by "tatum ingest [^"]*" \(process \d+\), which has to finish first`).Match(out) {
			t.Errorf("second ingest: got %s", out)
		}
	}
	go func() {
		w := tar.NewWriter(stdin)
		if err := errors.Join(w.AddFS(os.DirFS(songs.dir)), w.Close(), stdin.Close()); err != nil {
			t.Error(err)
		}
	}()
	var longest time.Duration
	answers := 0
	for ; running(); answers++ {
		longest = max(longest, runTatum(t, "query", "track", "--db", db, id))
	}
	t.Logf("%d answers, the slowest after %v", answers, longest)
}

// testUnchangedStore checks that an ingest with nothing to do changes no byte of
// the store.
func testUnchangedStore(t *testing.T, songs ingestSongs) {
	db := filepath.Join(t.TempDir(), "tatum.db")
	runTatum(t, "ingest", "--db", db, songs.dir)
	before, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{songs.dir}, {"--prune", songs.dir}, {"--dry-run", songs.dir}, {"--dry-run", "--force", songs.some()}} {
		runTatum(t, append([]string{"ingest", "--db", db}, args...)...)
		after, err := os.ReadFile(db)
		if err != nil || !bytes.Equal(before, after) {
			t.Errorf("%v changed the store, %v", args, err)
		}
	}
}

// testFullDisk ingests onto a disk that is too small, and then is not.
func testFullDisk(t *testing.T, songs ingestSongs) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("skipped: cannot mount: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	out, err := exec.Command("tatum", "demo", "--quiet", "--songs", "100", filepath.Join(disk, "songs")).CombinedOutput()
	if !regexp.MustCompile(`^tatum: .*no space left on device\n$`).Match(out) || err == nil {
		t.Errorf("demo: got %s, %v", out, err)
	}
	if err := os.RemoveAll(filepath.Join(disk, "songs")); err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(disk, "tatum.db")
	runTatum(t, "ingest", "--db", db, songs.some())
	stored, _ := storeDigest(t, db)
	for range 2 {
		var stderr bytes.Buffer
		cmd := exec.Command("tatum", "ingest", "--quiet", "--workers", "1", "--arrays", "all", "--db", db, songs.dir)
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if code := finish(t, cmd); code != exitFailed {
			t.Errorf("exit code %d, want %d", code, exitFailed)
		}
		if !regexp.MustCompile(`^tatum: write store ".*/tatum.db": .*no space left on device\n$`).Match(stderr.Bytes()) {
			t.Errorf("got %q", stderr.String())
		}
		if n, _ := storeDigest(t, db); n != stored {
			t.Errorf("%d tracks, want %d", n, stored)
		}
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=256m"); err != nil {
		t.Fatal(err)
	}
	runTatum(t, "ingest", "--db", db, songs.dir)
	runTatum(t, "ingest", "--db", db, songs.some())
	if n, _ := storeDigest(t, db); n != songs.n {
		t.Errorf("%d tracks, want %d", n, songs.n)
	}
}
