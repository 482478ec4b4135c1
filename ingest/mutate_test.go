//go:build cgo

package ingest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"tatum/store"
)

// objectHeader is how an object header of version 1 begins; its messages, which
// say type, shape and layout of a dataset, follow.
var objectHeader = regexp.MustCompile(`(?s)\x01\x00[\x01-\x7f]\x00\x01\x00\x00\x00[^\x00]...\x00\x00\x00\x00`)

// mutations damage a song file's bytes, each in its way.
var mutations = []struct {
	name string
	do   func(r *rand.Rand, b []byte) []byte
}{
	{"truncated", func(r *rand.Rand, b []byte) []byte { return b[:r.IntN(len(b))] }},
	{"file header", func(r *rand.Rand, b []byte) []byte { return flip(r, b, 0, 512) }},
	{"object header", func(r *rand.Rand, b []byte) []byte {
		start := pickHeader(r, b)
		return flip(r, b, start, min(start+400, len(b)))
	}},
	{"anywhere", func(r *rand.Rand, b []byte) []byte { return flip(r, b, 0, len(b)) }},
	{"sizes", blowUp},
}

// flip changes up to eight bytes from start up to end.
func flip(r *rand.Rand, b []byte, start, end int) []byte {
	for range 1 + r.IntN(8) {
		b[start+r.IntN(end-start)] ^= byte(1 + r.IntN(255))
	}
	return b
}

func pickHeader(r *rand.Rand, b []byte) int {
	all := objectHeader.FindAllIndex(b, -1)
	return all[r.IntN(len(all))][0]
}

// blowUp makes a number of an object header, or of what describes chunks and
// groups, absurdly large.
func blowUp(r *rand.Rand, b []byte) []byte {
	start := pickHeader(r, b)
	if signs := regexp.MustCompile("TREE|HEAP|SNOD").FindAllIndex(b, -1); r.IntN(3) == 0 {
		start = signs[r.IntN(len(signs))][0]
	}
	var numbers []int
	for i := start; i+8 <= min(start+400, len(b)); i += 8 {
		if n := binary.LittleEndian.Uint64(b[i:]); n > 0 && n < 1<<24 {
			numbers = append(numbers, i)
		}
	}
	if len(numbers) == 0 {
		return flip(r, b, 0, len(b))
	}
	large := []uint64{1 << 20, 1 << 27, 1 << 31, 1<<32 - 1, 1 << 33, 1 << 40, 1 << 61, 1<<63 - 1, 1<<64 - 1}
	binary.LittleEndian.PutUint64(b[numbers[r.IntN(len(numbers))]:], large[r.IntN(len(large))])
	return b
}

// originals returns the files to damage: those of TATUM_MUTATE_DIR, or some
// that are made up.
func originals(t *testing.T) [][]byte {
	dir := os.Getenv("TATUM_MUTATE_DIR")
	if dir == "" {
		dir = t.TempDir()
		writeDemo(t, dir, demo(20, 1))
	}
	files, _, _ := find(t.Context(), []string{dir})
	if len(files) == 0 {
		t.Fatalf("no songs in %s", dir)
	}
	var all [][]byte
	for _, f := range files {
		b, err := os.ReadFile(f.path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// TestMutated ingests damaged files among good ones: each good one is stored,
// each that cannot be read is named with a reason, and nothing hangs. A damaged
// file that can be read none the less counts as read: the format has no sums to
// check values by. TATUM_MUTATIONS says how many files to damage.
func TestMutated(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("TATUM_MUTATIONS"))
	if err != nil {
		n = 150
	}
	dir, db := tempStore(t)
	good, bad := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	r := rand.New(rand.NewPCG(5, 6))
	songs := originals(t)
	mk := func(path string, b []byte) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i, b := range songs {
		mk(filepath.Join(good, fmt.Sprintf("%05d.h5", i)), b)
	}
	for i := range n {
		m := mutations[i%len(mutations)]
		b := m.do(r, bytes.Clone(songs[r.IntN(len(songs))]))
		mk(filepath.Join(bad, fmt.Sprintf("%05d-%s.h5", i, m.name)), b)
	}

	var slowest time.Duration
	last := time.Now()
	start := last
	sum := run(t, db, Options{Paths: []string{dir}, Workers: 1, Timeout: 20 * time.Second, Progress: func(Progress) {
		slowest, last = max(slowest, time.Since(last)), time.Now()
	}})
	t.Logf("%d good and %d damaged files in %v, slowest %v", len(songs), n, time.Since(start), slowest)

	count := make(map[string]map[string]int) // by mutation, then outcome
	tell := func(path, outcome string) {
		_, name, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".h5"), "-")
		if count[name] == nil {
			count[name] = make(map[string]int)
		}
		count[name][outcome]++
	}
	for _, f := range sum.Bad {
		if filepath.Dir(f.Path) != bad || f.Reason == "" || f.Step == "" || strings.ContainsAny(f.Reason, "\n\x00") {
			t.Errorf("got %+v", f)
		}
		switch {
		case strings.HasPrefix(f.Reason, "no answer"):
			t.Errorf("%s: %s", f.Path, f.Reason)
		case f.Step == "worker":
			tell(f.Path, "worker died")
			t.Logf("%s: %s", f.Path, f.Reason)
		default:
			tell(f.Path, "bad")
		}
	}
	kept := 0
	want := contents(t, db)
	for key, value := range want {
		if strings.HasPrefix(key, good) && strings.Contains(value, "[TR") {
			kept++
		}
		if strings.HasPrefix(key, bad) && strings.Contains(value, "[TR") {
			tell(key, "read")
		}
	}
	if kept != len(songs) {
		t.Errorf("%d good files stored, want %d", kept, len(songs))
	}
	for i := range songs {
		checkStored(t, want, filepath.Join(good, fmt.Sprintf("%05d.h5", i)))
	}
	for name, outcomes := range count {
		t.Logf("%s: %v", name, outcomes)
	}
}

// checkStored checks that the track of a file is the one in the store.
func checkStored(t *testing.T, all map[string]string, path string) {
	t.Helper()
	_, id, _ := strings.Cut(all[path], "[")
	if id = strings.TrimSuffix(id, "]"); len(id) != store.TrackIDLen || !strings.Contains(all[id], path) {
		t.Errorf("%s: its track %q is not from it: %s", path, id, all[id])
	}
}
