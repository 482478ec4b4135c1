//go:build cgo

package ingest

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tatum/ingest/msd"
	"tatum/ingest/seqstat"
	"tatum/store"
)

// TestMain makes the test binary a worker when it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "worker" {
		if err := work(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// testWorker returns the command of a worker: "good" is the real one, "odd"
// misbehaves at files of certain names, the others cannot be started.
func testWorker(kind string) []string { return []string{os.Args[0], "worker", kind} }

func work(kind string) error {
	switch kind {
	case "good":
		return Work(os.Stdin, os.Stdout)
	case "odd":
		return oddWork(os.Stdin, os.Stdout)
	case "slow":
		return Work(os.Stdin, slowWriter{os.Stdout})
	case "mute":
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	}
	return errors.New("no such library")
}

// A slowWriter is a pipe of a worker that takes its time.
type slowWriter struct{ io.Writer }

func (w slowWriter) Write(p []byte) (int, error) {
	time.Sleep(100 * time.Millisecond)
	return w.Writer.Write(p)
}

// oddWork is Work, but for files whose name says what is to happen.
func oddWork(stdin io.Reader, stdout io.Writer) error {
	r, w := bufio.NewReader(stdin), bufio.NewWriterSize(stdout, pipeBuffer)
	if err := writeMessage(w, done, text("")); err != nil {
		return err
	}
	var calc seqstat.Calculator
	for {
		if r.Buffered() == 0 {
			if err := w.Flush(); err != nil {
				return err
			}
		}
		m, err := readMessage(r)
		if err != nil {
			return nil
		}
		path, _, _ := strings.Cut(string(m.body[1:]), "\x00")
		switch what, _, _ := strings.Cut(filepath.Base(path), "-"); what {
		case "exit":
			fmt.Fprintln(os.Stderr, "\nheap is damaged")
			os.Exit(7)
		case "kill":
			if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
				return err
			}
		case "half":
			// The song comes, but not the end of the file.
			if err := errors.Join(writeSongs(w, &calc, path, path, store.FeatureArrays), w.Flush()); err != nil {
				return err
			}
			os.Exit(0)
		case "greedy":
			if err := limitMemory(); err != nil {
				return err
			}
			fmt.Fprintln(os.Stderr, len(make([]byte, 2*workerMemory)))
		case "hang":
			time.Sleep(time.Hour)
		case "garbage":
			if err := writeMessage(w, 'z', text("?")); err != nil {
				return err
			}
		case "long":
			if _, err := w.Write([]byte{byte(song), 0xff, 0xff, 0xff, 0xff}); err != nil {
				return err
			}
		case "nosong":
			if err := writeMessage(w, song, text("\xff\x01\x02")); err != nil {
				return err
			}
		}
		if err := answer(w, &calc, m); err != nil {
			return err
		}
	}
}

// demo returns the first made-up songs of a seed.
func demo(n int, seed uint64) []*store.Song { return slices.Collect(msd.Demo(n, seed)) }

// brief returns the first made-up songs of a seed, shortened: for tests of many
// files, which are written sooner then.
func brief(n int, seed uint64) []*store.Song {
	songs := demo(n, seed)
	for _, s := range songs {
		for a := range s.Arrays {
			const rows = 20
			s.Arrays[a] = s.Arrays[a][:min(rows*store.Array(a).Columns(), len(s.Arrays[a]))]
		}
	}
	return songs
}

// writeDemo writes songs to dir, each to a file of its own.
func writeDemo(t *testing.T, dir string, songs []*store.Song) {
	t.Helper()
	for _, s := range songs {
		write(t, filepath.Join(dir, string(s.ID)+".h5"), s)
	}
}

func write(t *testing.T, path string, songs ...*store.Song) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := msd.Write(path, songs); err != nil {
		t.Fatal(err)
	}
}

// run ingests with a good worker unless o says otherwise, and fails on an error.
func run(t *testing.T, db string, o Options) *Summary {
	t.Helper()
	if o.Process == nil {
		o.Process = testWorker("good")
	}
	sum, err := Run(t.Context(), db, o)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// checkCounts compares the counts of a summary.
func checkCounts(t *testing.T, got *Summary, added, replaced, pruned, unchanged, duplicates, bad int) {
	t.Helper()
	g := []int{got.Added, got.Replaced, got.Pruned, got.Unchanged, len(got.Duplicates), len(got.Bad)}
	if w := []int{added, replaced, pruned, unchanged, duplicates, bad}; !slices.Equal(g, w) {
		t.Errorf("added, replaced, pruned, unchanged, duplicate, bad: got %v, want %v; bad: %v", g, w, got.Bad)
	}
}

// contents returns all that a store holds of songs and files, for comparison:
// but for the time of failures, and a hash in place of numbers. It fails when
// the store contradicts itself.
func contents(t *testing.T, path string) map[string]string {
	t.Helper()
	db, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	all := make(map[string]string)
	ids, err := db.TrackIDs()
	if err != nil {
		t.Fatal(err)
	}
	state, err := db.State()
	if err != nil || state.Tracks != uint64(len(ids)) {
		t.Errorf("state counts %d tracks, %v, want %d", state.Tracks, err, len(ids))
	}
	for _, id := range ids {
		track, err := db.Track(id)
		if err != nil {
			t.Fatal(err)
		}
		arrays, err := db.Arrays(id)
		if err != nil {
			t.Fatal(err)
		}
		vectors, err := db.TrackVectors(id)
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		for a, values := range arrays {
			fmt.Fprint(h, a, values == nil, len(values))
			if err := binary.Write(h, binary.LittleEndian, values); err != nil {
				t.Fatal(err)
			}
		}
		for f, values := range vectors {
			fmt.Fprint(h, f, len(values))
			if err := binary.Write(h, binary.LittleEndian, values); err != nil {
				t.Fatal(err)
			}
		}
		all[string(id)] = fmt.Sprintf("%v %x", track, h.Sum(nil))
	}
	for f, err := range db.Files() {
		if err != nil {
			t.Fatal(err)
		}
		if f.Bad != nil {
			f.Bad.Time = time.Time{}
			all[f.Path] = fmt.Sprint(*f.Bad)
		}
		all[f.Path] += fmt.Sprint(f.Size, f.ModTime, f.Arrays, f.Tracks)
		for _, id := range f.Tracks {
			if all[string(id)] == "" {
				t.Errorf("file %s has track %s, which is not there", f.Path, id)
			}
		}
	}
	return all
}

func checkSame(t *testing.T, got, want map[string]string) {
	t.Helper()
	if reflect.DeepEqual(got, want) {
		return
	}
	for key := range want {
		if got[key] != want[key] {
			t.Errorf("%s: got %s, want %s", key, got[key], want[key])
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d tracks and files, want %d", len(got), len(want))
	}
}

// tempStore returns a directory for songs and the path of a store to be made.
func tempStore(t *testing.T) (dir, db string) {
	t.Helper()
	dir = t.TempDir()
	return filepath.Join(dir, "songs"), filepath.Join(dir, "tatum.db")
}

// TestOddWorkers checks that a process's end costs the file that it was at, and
// no other, whether the others are read by it or not.
func TestOddWorkers(t *testing.T) {
	for _, reader := range []Reader{Auto, LibHDF5} {
		t.Run(reader.String(), func(t *testing.T) {
			t.Parallel()
			testOddWorkers(t, reader)
		})
	}
}

func testOddWorkers(t *testing.T, reader Reader) {
	for _, c := range []struct{ name, want string }{
		{"exit", "reader died: exit status 7: heap is damaged"},
		{"kill", "reader died: signal: killed"},
		{"half", "reader died: <nil>"},
		{"greedy", "reader died: exit status "},
		{"hang", "no answer for 3s"},
		{"garbage", "reader gave nonsense: unknown message"},
		{"long", "reader gave nonsense: message of 4294967295 bytes"},
		{"nosong", "reader gave nonsense: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir, db := tempStore(t)
			songs := brief(8, 1)
			writeDemo(t, dir, songs)
			odd := filepath.Join(dir, string(songs[3].ID[:6]), c.name+"-x.h5")
			write(t, odd, brief(2, 2)...) // of two songs, for which libhdf5 is needed
			write(t, filepath.Join(dir, c.name+"-y.h5"), brief(4, 3)[2:]...)
			o := Options{Paths: []string{dir}, Reader: reader, Workers: 1, Process: testWorker("odd")}
			if c.name == "hang" { // the others may be slow
				o.Timeout = 3 * time.Second
			}
			sum := run(t, db, o)
			added := 8
			if c.name == "half" {
				added = 12
			}
			checkCounts(t, sum, added, 0, 0, 0, 0, 2)
			for _, bad := range sum.Bad {
				if bad.Step != "worker" || !strings.HasPrefix(bad.Reason, c.want) {
					t.Errorf("got %+v, want %q", bad, c.want)
				}
			}
			// A good worker takes them out of quarantine.
			checkCounts(t, run(t, db, Options{Paths: []string{dir}}), 12-added, added-8, 0, 8, 0, 0)
			checkSame(t, contents(t, db), ingested(t, Options{Paths: []string{dir}}))
		})
	}
}

// ingested returns the contents of a new store.
func ingested(t *testing.T, o Options) map[string]string {
	t.Helper()
	db := filepath.Join(t.TempDir(), "new.db")
	run(t, db, o)
	return contents(t, db)
}

// TestNoWorker checks that a worker that cannot be started is an error, and no
// fault of the files.
func TestNoWorker(t *testing.T) {
	for _, c := range []struct {
		name    string
		argv    []string
		timeout time.Duration
		want    string
	}{
		{"missing", []string{"/nonexistent/worker"}, 0, "start worker: fork/exec /nonexistent/worker: no such file or directory"},
		{"fails", testWorker("fails"), 0, "start worker: reader died: exit status 1: no such library"},
		{"mute", testWorker("mute"), time.Second, "start worker: no answer for 1s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, db := tempStore(t)
			writeDemo(t, dir, demo(5, 1))
			sum, err := Run(t.Context(), db, Options{Paths: []string{dir}, Reader: LibHDF5, Workers: 2, Process: c.argv, StartTimeout: c.timeout})
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			checkCounts(t, sum, 0, 0, 0, 0, 0, 0)
			if got := contents(t, db); len(got) > 0 {
				t.Errorf("store has %v", got)
			}
		})
	}
}

// TestReaders checks that the store is the same whatever the songs are read with,
// and that a process starts when it is needed.
func TestReaders(t *testing.T) {
	dir := t.TempDir()
	writeDemo(t, dir, demo(20, 1))
	write(t, filepath.Join(dir, "TRM", "many.h5"), demo(16, 3)...)
	if err := os.WriteFile(filepath.Join(dir, "text.h5"), []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	started := filepath.Join(t.TempDir(), "started")
	for _, arrays := range []store.ArraySet{store.FeatureArrays, store.AllArrays} {
		o := Options{Paths: []string{dir, plainSongs, foreignSongs}, Arrays: arrays, Workers: 2}
		o.Process = []string{"/bin/sh", "-c", `echo >> "$0"; exec "$@"`, started}
		o.Process = append(o.Process, testWorker("good")...)
		got := ingested(t, o)
		o.Reader = LibHDF5
		checkSame(t, got, ingested(t, o))
	}
	// Of the workers with libhdf5 alone each starts one.
	if lines, err := os.ReadFile(started); err != nil || len(lines) < 6 || len(lines) > 8 {
		t.Errorf("%d processes started, %v, want from 6 to 8", len(lines), err)
	}
}

// TestPanic checks that a file which makes its reader panic is left to the
// process, and that the next one is read.
func TestPanic(t *testing.T) {
	w := worker{ctx: t.Context(), o: &Options{}} // without a reader, whose first use panics
	if r := w.read(found{path: plainSongs + "/gzip.h5"}); r != nil {
		t.Errorf("got %+v, want nothing", r)
	}
	if r := w.read(found{path: plainSongs + "/gzip.h5"}); r == nil || r.bad != nil {
		t.Errorf("got %+v, want a song", r)
	}
}

// TestSlowSaving checks that a worker is not killed for songs that wait to be
// saved.
func TestSlowSaving(t *testing.T) {
	t.Parallel()
	dir, db := tempStore(t)
	writeDemo(t, dir, demo(jobFiles, 2))
	// This one makes a job of its own, and sorts last: its worker waits for those
	// before to be saved, with more songs than may wait.
	many := demo(300, 1)
	write(t, filepath.Join(dir, "many.h5"), many...)
	slow := func(Progress) { time.Sleep(800 * time.Millisecond) }
	sum := run(t, db, Options{Paths: []string{dir}, Arrays: store.AllArrays, Reader: LibHDF5, Workers: 2, Timeout: 3 * time.Second, Progress: slow})
	checkCounts(t, sum, jobFiles+len(many), 0, 0, 0, 0, 0)
}

// TestSlowWorker checks that a worker may take longer for the songs of a file
// than it may be silent.
func TestSlowWorker(t *testing.T) {
	t.Parallel()
	dir, db := tempStore(t)
	many := demo(200, 1)
	write(t, filepath.Join(dir, "many.h5"), many...)
	begun := time.Now()
	sum := run(t, db, Options{Paths: []string{dir}, Process: testWorker("slow"), Timeout: 3 * time.Second})
	checkCounts(t, sum, len(many), 0, 0, 0, 0, 0)
	if took := time.Since(begun); took < 3500*time.Millisecond {
		t.Errorf("took %v, not longer than the time-out: the test shows nothing", took)
	}
}

func TestJobLen(t *testing.T) {
	long := strings.Repeat("x", jobPaths/2)
	for _, c := range []struct {
		what    string
		files   []found
		workers int
		want    int
	}{
		{"one", make([]found, 1), 8, 1},
		{"many", make([]found, 100), 2, jobFiles},
		{"few for many workers", make([]found, 16), 4, 2},
		{"large", slices.Repeat([]found{{size: 2 * jobBytes}}, 100), 1, 1},
		{"second fits", append([]found{{size: 1}, {size: jobBytes - 1}}, slices.Repeat([]found{{size: 1}}, 98)...), 1, 2},
		{"second is too large", append([]found{{size: 1}}, slices.Repeat([]found{{size: jobBytes}}, 99)...), 1, 1},
		{"long paths", slices.Repeat([]found{{path: long}}, 100), 1, 1},
	} {
		if got := jobLen(c.files, c.workers); got != c.want {
			t.Errorf("%s: got %d, want %d", c.what, got, c.want)
		}
	}
}

// TestCancel checks that what was read is saved and that the same call goes on.
func TestCancel(t *testing.T) {
	dir, db := tempStore(t)
	const n = (maxQueued + 16) * jobFiles // more than are read ahead
	writeDemo(t, dir, brief(n, 1))
	o := Options{Paths: []string{dir}, Workers: 2, Process: testWorker("good")}
	ctx, cancel := context.WithCancel(t.Context())
	done := 0
	o.Progress = func(p Progress) {
		if done = p.Done; done == 10 {
			cancel()
		}
	}
	sum, err := Run(ctx, db, o)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
	if sum.Added < 10 || sum.Added >= n || sum.Added != done {
		t.Errorf("added %d songs of %d done, want from 10 to %d", sum.Added, done, n-1)
	}
	contents(t, db)
	o.Progress = nil
	checkCounts(t, run(t, db, o), n-sum.Added, 0, 0, sum.Added, 0, 0)
	checkSame(t, contents(t, db), ingested(t, o))

	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if sum, err := Run(ctx, db, o); !errors.Is(err, context.Canceled) || sum.Added+sum.Replaced > 0 {
		t.Errorf("cancelled before: got %+v, %v", sum, err)
	}
}

// TestSameStore checks that neither the order of arguments nor the number of
// workers decides which of two songs is kept.
func TestSameStore(t *testing.T) {
	dir, _ := tempStore(t)
	songs := demo(15, 1)
	a, b, c := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")
	writeDemo(t, a, songs[:10])
	for _, s := range songs[5:] { // the same tracks, but other songs
		other := *demo(1, 7)[0]
		other.ID = s.ID
		write(t, filepath.Join(b, string(s.ID)+".h5"), &other)
	}
	write(t, filepath.Join(c, "many.h5"), songs...)
	want := ingested(t, Options{Paths: []string{dir}})
	for i, o := range []Options{
		{Paths: []string{a, b, c}, Workers: 2},
		{Paths: []string{c, b, a}, Workers: 3},
		{Paths: []string{b, a, b, c}, Workers: 1},
	} {
		checkSame(t, ingested(t, o), want)
		// One after the other; duplicates are told each time.
		db := filepath.Join(t.TempDir(), "tatum.db")
		told := 0
		for _, path := range o.Paths {
			told += len(run(t, db, Options{Paths: []string{path}, Workers: o.Workers}).Duplicates)
		}
		checkSame(t, contents(t, db), want)
		if told != 20 {
			t.Errorf("options %d: %d duplicates told, want 20", i, told)
		}
	}
}

func TestChangedFiles(t *testing.T) {
	dir, db := tempStore(t)
	songs := demo(6, 1)
	writeDemo(t, dir, songs)
	o := Options{Paths: []string{dir}, Workers: 2}
	checkCounts(t, run(t, db, o), 6, 0, 0, 0, 0, 0)

	changed := *songs[2]
	changed.Title = "Another title, longer than the one before"
	changed.Arrays[store.BarsStart] = []float64{1, 2.5, 3}
	writeDemo(t, dir, []*store.Song{&changed})
	checkCounts(t, run(t, db, o), 0, 1, 0, 5, 0, 0)
	checkSame(t, contents(t, db), ingested(t, o))

	// Another track in the place of one.
	write(t, filepath.Join(dir, string(songs[4].ID)+".h5"), demo(1, 9)...)
	checkCounts(t, run(t, db, o), 1, 0, 0, 5, 0, 0)
	checkSame(t, contents(t, db), ingested(t, o))

	// Damaged, a file keeps its track; a dry run says all this and writes none.
	bad := filepath.Join(dir, string(songs[1].ID)+".h5")
	if err := os.WriteFile(bad, []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	before := contents(t, db)
	o.DryRun = true
	sum := run(t, db, o)
	checkCounts(t, sum, 0, 0, 0, 5, 0, 1)
	if sum.New != 0 || sum.Changed != 1 {
		t.Errorf("dry run: %d new, %d changed, want 0, 1", sum.New, sum.Changed)
	}
	checkSame(t, contents(t, db), before)
	o.DryRun = false
	checkCounts(t, run(t, db, o), 0, 0, 0, 5, 0, 1)
	after := contents(t, db)
	if got := after[string(songs[1].ID)]; got == "" || got != before[string(songs[1].ID)] {
		t.Errorf("track of a damaged file: got %q, want %q", got, before[string(songs[1].ID)])
	}
	checkCounts(t, run(t, db, o), 0, 0, 0, 5, 0, 1) // tried again

	// Repaired, it leaves quarantine.
	writeDemo(t, dir, songs[1:2])
	checkCounts(t, run(t, db, o), 0, 1, 0, 5, 0, 0)
	checkSame(t, contents(t, db), ingested(t, o))

	// All are read again when told to.
	o.Force = true
	checkCounts(t, run(t, db, o), 0, 6, 0, 0, 0, 0)
	checkSame(t, contents(t, db), ingested(t, o))
	o.Force = false

	// A file that is gone is forgotten when told to.
	if err := os.Remove(bad); err != nil {
		t.Fatal(err)
	}
	checkCounts(t, run(t, db, o), 0, 0, 0, 5, 0, 0)
	o.Prune = true
	checkCounts(t, run(t, db, o), 0, 0, 1, 5, 0, 0)
	checkSame(t, contents(t, db), ingested(t, o))
}

// TestAllArrays checks that the other arrays can be had later.
func TestAllArrays(t *testing.T) {
	dir, db := tempStore(t)
	writeDemo(t, dir, demo(5, 1))
	features, all := Options{Paths: []string{dir}}, Options{Paths: []string{dir}, Arrays: store.AllArrays}
	checkCounts(t, run(t, db, features), 5, 0, 0, 0, 0, 0)
	checkCounts(t, run(t, db, all), 0, 5, 0, 0, 0, 0)
	checkCounts(t, run(t, db, all), 0, 0, 0, 5, 0, 0)
	checkCounts(t, run(t, db, features), 0, 0, 0, 5, 0, 0) // and they stay
	got := contents(t, db)
	checkSame(t, got, ingested(t, all))
}

// TestAggregate checks that the songs of one file are stored as if each had a
// file of its own.
func TestAggregate(t *testing.T) {
	real := filepath.Join("..", "..", "shared", "data", "aggregate", "compact3.h5")
	made := filepath.Join(t.TempDir(), "many.h5")
	write(t, made, demo(16, 3)...) // one of them without bars
	for _, c := range []struct {
		path  string
		songs int
	}{{made, 16}, {real, 3}} {
		t.Run(filepath.Base(c.path), func(t *testing.T) {
			songs, err := msd.Read(c.path, store.AllArrays)
			if _, missing := os.Stat(c.path); missing != nil {
				t.Skip("skipped: no real aggregate file")
			}
			if err != nil || len(songs) != c.songs {
				t.Fatalf("got %d songs, %v, want %d", len(songs), err, c.songs)
			}
			single := t.TempDir()
			writeDemo(t, single, songs)
			for _, arrays := range []store.ArraySet{store.FeatureArrays, store.AllArrays} {
				got := ingested(t, Options{Paths: []string{c.path}, Arrays: arrays})
				want := ingested(t, Options{Paths: []string{single}, Arrays: arrays})
				for i, s := range songs {
					// Where a track comes from differs; all else is the same.
					path, err := filepath.Abs(c.path)
					if err != nil {
						t.Fatal(err)
					}
					source := fmt.Sprintf("{%s %d}", path, i)
					own := fmt.Sprintf("{%s 0}", filepath.Join(single, string(s.ID)+".h5"))
					if got, want := got[string(s.ID)], strings.Replace(want[string(s.ID)], own, source, 1); got != want || got == "" {
						t.Errorf("got %s, want %s", got, want)
					}
				}
			}
		})
	}
}

// TestAggregateOddities covers a track twice in one file and a file that grows
// and shrinks.
func TestAggregateOddities(t *testing.T) {
	dir, db := tempStore(t)
	path := filepath.Join(dir, "many.h5")
	songs := demo(5, 1)
	again := *songs[4]
	again.ID = songs[1].ID
	o := Options{Paths: []string{dir}}
	write(t, path, songs[0], songs[1], songs[2], &again)
	sum := run(t, db, o)
	checkCounts(t, sum, 3, 0, 0, 0, 1, 0)
	if d := sum.Duplicates[0]; d != (store.Duplicate{ID: again.ID, Path: path, Kept: path}) {
		t.Errorf("got duplicate %+v", d)
	}
	alone := ingested(t, o)
	checkSame(t, contents(t, db), alone)
	if !strings.Contains(alone[string(again.ID)], songs[1].Title) {
		t.Errorf("got %s, want the first: %q", alone[string(again.ID)], songs[1].Title)
	}
	write(t, path, songs[3], songs[1])
	checkCounts(t, run(t, db, o), 1, 1, 0, 0, 0, 0)
	checkSame(t, contents(t, db), ingested(t, o))
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	mk := func(names ...string) {
		for _, name := range names {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	mk("b/x.h5", "a/Y.H5", "a.h5", "a/notes.txt", "a/.hidden.h5", "a/._Y.H5", ".git/z.h5", "b/named", "elsewhere/far.h5")
	for _, link := range [][2]string{
		{"..", "a/up"}, {"../b", "a/b"}, {"self", "self"}, {"gone", "a/dangling.h5"}, {"../b/x.h5", "a/link.h5"}, {"gone", "a/dangling"},
		{"../elsewhere/far.h5", "b/text"},
	} {
		if err := os.Symlink(link[0], filepath.Join(dir, link[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "a", "dir.h5"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "a", "pipe.h5"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		paths []string
		files []string
		bad   []string
	}{
		// By path, each once; b is found where it is entered first.
		{"directory", []string{"."}, []string{"a.h5", "a/Y.H5", "a/b/x.h5", "a/link.h5", "elsewhere/far.h5"}, []string{"a/dangling.h5"}},
		{"in order", []string{"b", "a"}, []string{"a/Y.H5", "a/b/x.h5", "a/link.h5", "a/up/a.h5", "a/up/elsewhere/far.h5"}, []string{"a/dangling.h5"}},
		{"named and found", []string{"b/x.h5", "b", "b"}, []string{"b/x.h5"}, nil},
		{"any name", []string{"b/named", "a/.hidden.h5"}, []string{"a/.hidden.h5", "b/named"}, nil},
		{"missing", []string{"none.h5", "none"}, nil, []string{"none", "none.h5"}},
		{"pipe", []string{"a/pipe.h5"}, nil, []string{"a/pipe.h5"}},
		{"loop", []string{"self"}, nil, []string{"self"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i, p := range c.paths {
				c.paths[i] = filepath.Join(dir, p)
			}
			files, _, failures := find(t.Context(), c.paths)
			var got, bad []string
			for _, f := range files {
				rel, _ := filepath.Rel(dir, f.path)
				got = append(got, rel)
			}
			slices.SortFunc(failures, func(a, b Failure) int { return cmp.Compare(a.Path, b.Path) })
			for _, f := range failures {
				rel, _ := filepath.Rel(dir, f.Path)
				bad = append(bad, rel)
			}
			if !slices.Equal(got, c.files) || !slices.Equal(bad, c.bad) {
				t.Errorf("got %q and bad %q, want %q and %q", got, bad, c.files, c.bad)
			}
		})
	}
}

func TestFindUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("skipped: root may read everything")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "closed"), 0); err != nil {
		t.Fatal(err)
	}
	_, _, failures := find(t.Context(), []string{dir})
	if len(failures) != 1 || failures[0].Reason != "permission denied" {
		t.Errorf("got %v, want permission denied", failures)
	}
}

// TestMessages checks that what a worker writes comes out, and that what is cut
// short is an error.
func TestMessages(t *testing.T) {
	var b strings.Builder
	w := bufio.NewWriter(&b)
	body := strings.Repeat("x", 100_000)
	if err := errors.Join(writeMessage(w, song, text(body)), writeMessage(w, done, text("")), w.Flush()); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(strings.NewReader(b.String()))
	if m, err := readMessage(r); err != nil || m.kind != song || string(m.body) != body {
		t.Errorf("got %c of %d bytes, %v", m.kind, len(m.body), err)
	}
	if m, err := readMessage(r); err != nil || m.kind != done || len(m.body) != 0 {
		t.Errorf("got %c of %d bytes, %v", m.kind, len(m.body), err)
	}
	if _, err := readMessage(r); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want io.EOF", err)
	}
	for _, n := range []int{1, 4, 5, 1000} {
		if _, err := readMessage(strings.NewReader(b.String()[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes: got %v, want io.ErrUnexpectedEOF", n, err)
		}
	}
}
