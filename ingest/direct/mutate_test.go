//go:build cgo

package direct_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tatum/ingest/direct"
	"tatum/ingest/msd"
	"tatum/store"
)

// workerEnv is set in the process that reads damaged files with libhdf5, which
// may crash.
const workerEnv = "TATUM_DIRECT_TEST_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(workerEnv) != "" {
		work(os.Stdin, os.Stdout)
		return
	}
	os.Exit(m.Run())
}

// work answers each path on r with what msd reads from it.
func work(r io.Reader, w io.Writer) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		songs, err := msd.Read(lines.Text(), store.AllArrays)
		var song *store.Song
		if len(songs) > 0 {
			song = songs[0]
		}
		fmt.Fprintf(w, "%d %s\n", len(songs), outcome(song, err))
	}
}

// outcome returns a line that is the same for the same song or error.
func outcome(song *store.Song, err error) string {
	if err != nil {
		var e *direct.Error
		if !errors.As(err, &e) {
			return strconv.Quote(err.Error())
		}
		return strconv.Quote(e.Step + ": " + e.Dataset + ": " + e.Err.Error())
	}
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %q %q %q %q", song.ID, song.ArtistName, song.Title, song.Release, song.SongID, song.ArtistID, song.ArtistMBID)
	fmt.Fprint(h, song.Artist7digitalID, song.Release7digitalID, song.Track7digitalID, song.Year, song.Key, song.Mode)
	fmt.Fprint(h, math.Float64bits(song.Duration), math.Float64bits(song.Tempo), math.Float64bits(song.Loudness))
	for _, a := range song.Arrays {
		fmt.Fprint(h, a == nil, len(a))
		for _, v := range a {
			_ = binary.Write(h, binary.LittleEndian, v)
		}
	}
	return fmt.Sprintf("song %x", h.Sum(nil)[:8])
}

// A worker is a process of work, started again when it has died.
type worker struct {
	t       *testing.T
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers chan string
}

func (w *worker) start() {
	w.cmd = exec.Command(os.Args[0])
	w.cmd.Env = append(os.Environ(), workerEnv+"=1", "HDF5_USE_FILE_LOCKING=FALSE", "GOMAXPROCS=1", "GOMEMLIMIT=512MiB")
	in, err := w.cmd.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.in, w.answers = in, make(chan string)
	go func(answers chan string) {
		defer close(answers)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			answers <- lines.Text()
		}
	}(w.answers)
}

func (w *worker) stop() {
	if w.cmd == nil {
		return
	}
	w.in.Close()
	_ = w.cmd.Process.Kill()
	for range w.answers {
	}
	_ = w.cmd.Wait()
	w.cmd = nil
}

// read returns what msd reads from the file: an outcome, "crash" or "hang".
func (w *worker) read(path string) (songs int, what string) {
	if w.cmd == nil {
		w.start()
	}
	fmt.Fprintln(w.in, path)
	select {
	case answer, ok := <-w.answers:
		if !ok {
			w.stop()
			return 0, "crash"
		}
		n, what, _ := strings.Cut(answer, " ")
		songs, _ = strconv.Atoi(n)
		return songs, what
	case <-time.After(20 * time.Second):
		w.stop()
		return 0, "hang"
	}
}

// originals returns the structures of the files to damage: those of testdata,
// made-up songs, and real ones where there are.
func originals(t *testing.T) []*structure {
	paths := append(madePaths(t), demoFiles(t, 8)...)
	real, _ := filepath.Glob(filepath.Join(realDir, "msd/A/*/*/*.h5"))
	paths = append(paths, real[:min(8, len(real))]...)
	var all []*structure
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, structureOf(b))
	}
	return all
}

// mutate returns a damaged copy of a file and says how it was damaged.
func mutate(r *rand.Rand, s *structure) (b []byte, kind, how string) {
	b = bytes.Clone(s.b)
	switch r.IntN(20) {
	case 0:
		n := r.IntN(len(b))
		return b[:n], "truncated", fmt.Sprintf("truncated to %d", n)
	case 1, 2:
		for range 1 + r.IntN(8) {
			at := r.IntN(len(b))
			b[at] ^= byte(1 + r.IntN(255))
			how += fmt.Sprintf("flip at %d ", at)
		}
		return b, "flips", how
	}
	kind = s.kinds[r.IntN(len(s.kinds))]
	how = s.damage(r, b, kind)
	if r.IntN(4) == 0 {
		how += "; " + s.damage(r, b, s.kinds[r.IntN(len(s.kinds))])
	}
	return b, kind, how
}

// TestMutated damages files and holds direct against msd: both are to read the
// same song, or find the same fault, or direct is to be unsure, for then msd is
// asked. TATUM_MUTATIONS says how many files to damage.
func TestMutated(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("TATUM_MUTATIONS"))
	if err != nil {
		n = 400
	}
	seed, _ := strconv.ParseUint(os.Getenv("TATUM_SEED"), 10, 64)
	r := rand.New(rand.NewPCG(7, seed))
	all := originals(t)
	path := filepath.Join(t.TempDir(), "song.h5")
	w := &worker{t: t}
	defer w.stop()

	counts := make(map[string]map[string]int) // by verdict and kind
	var reader direct.Reader
	var into store.Song
	var most uint64
	var slowest time.Duration
	for i := range n {
		b, kind, how := mutate(r, all[r.IntN(len(all))])
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		before, start := allocated(), time.Now()
		song, err := &into, reader.ReadTo(&into, path, store.AllArrays)
		if err != nil {
			song = nil
		}
		slowest, most = max(slowest, time.Since(start)), max(most, allocated()-before)

		songs, want := w.read(path)
		verdict := judge(song, err, songs, want)
		if counts[verdict] == nil {
			counts[verdict] = make(map[string]int)
		}
		counts[verdict][kind]++
		if strings.HasPrefix(verdict, "differ") {
			t.Logf("%d: %s: %s\ndirect %v\nmsd    %s", i, verdict, how, outcome(song, err), want)
			keep(t, verdict, i, b)
		}
	}
	for _, verdict := range slices.Sorted(maps.Keys(counts)) {
		total := 0
		for _, n := range counts[verdict] {
			total += n
		}
		t.Logf("%7d %s %v", total, verdict, counts[verdict])
	}
	t.Logf("largest allocation %d bytes, slowest file %v", most, slowest)
	for _, never := range []string{differError, differSong} {
		if len(counts[never]) > 0 {
			t.Errorf("%s: %v", never, counts[never])
		}
	}
	if most > maxAllocation || slowest > 2*time.Second {
		t.Errorf("largest allocation %d bytes, slowest file %v", most, slowest)
	}
}

// keep keeps a file that the readers differ in, for a look at it.
func keep(t *testing.T, verdict string, i int, b []byte) {
	dir := os.Getenv("TATUM_KEEP")
	if dir == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%06d.h5", i)), b, 0o644); err != nil {
		t.Log(verdict, err)
	}
}

// The verdicts that must not be.
const (
	differError = "differ: direct has an error, msd a song"
	differSong  = "differ: other songs"
)

func judge(song *store.Song, err error, songs int, want string) string {
	got := outcome(song, err)
	isSong := strings.HasPrefix(want, "song ")
	died := want == "crash" || want == "hang"
	switch {
	case errors.Is(err, direct.ErrUnsure) && isSong:
		return "unsure, msd reads a song"
	case errors.Is(err, direct.ErrUnsure) && died:
		return "unsure, msd: " + want
	case errors.Is(err, direct.ErrUnsure):
		return "unsure, msd has an error"
	case err != nil && got == want:
		return "same error"
	case err != nil && isSong:
		return differError
	case err != nil && died:
		return "error, msd: " + want
	case err != nil:
		return "differ: other errors"
	case died:
		return "song, msd: " + want
	case got == want && songs == 1:
		return "same song"
	case isSong:
		return differSong
	}
	return "differ: direct has a song, msd an error"
}
