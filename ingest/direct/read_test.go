//go:build cgo

package direct_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tatum/ingest/direct"
	"tatum/ingest/msd"
	"tatum/store"
)

// realDir holds real files of the MSD, which are not part of the project.
const realDir = "../../../shared/data"

// realFiles returns the real song files.
func realFiles(tb testing.TB) []string {
	tb.Helper()
	var paths []string
	err := filepath.WalkDir(filepath.Join(realDir, "msd"), func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".h5") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil || len(paths) == 0 {
		tb.Skip("skipped: no real song files in " + realDir)
	}
	return paths
}

var bothArrays = []struct {
	name   string
	arrays store.ArraySet
}{{"features", store.FeatureArrays}, {"all", store.AllArrays}}

// difference returns what differs first in two songs, bit for bit, or nothing.
func difference(got, want *store.Song) string {
	g, w := got.Track, want.Track
	for _, t := range []*store.Track{&g, &w} { // compared as bits below
		t.Duration, t.Tempo, t.Loudness = 0, 0, 0
	}
	numbers := func(t *store.Track) []float64 { return []float64{t.Duration, t.Tempo, t.Loudness} }
	if g != w || !sameBits(numbers(&got.Track), numbers(&want.Track)) {
		return "track"
	}
	for a := range store.Array(store.NumArrays) {
		if (got.Arrays[a] == nil) != (want.Arrays[a] == nil) || !sameBits(got.Arrays[a], want.Arrays[a]) {
			return a.String()
		}
	}
	return ""
}

// checkSame checks that direct reads the files, and as msd does.
func checkSame(t *testing.T, paths []string) {
	t.Helper()
	if len(paths) == 0 {
		t.Fatal("no files")
	}
	var r direct.Reader
	got := new(store.Song) // all are read into it, the large and the small
	for _, path := range paths {
		for _, c := range bothArrays {
			err := r.ReadTo(got, path, c.arrays)
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			want, err := msd.Read(path, c.arrays)
			if err != nil {
				t.Fatal(err)
			}
			if d := difference(got, want[0]); d != "" {
				t.Errorf("%s: %s differs", path, d)
			}
		}
	}
}

func TestReadReal(t *testing.T) { checkSame(t, realFiles(t)) }

// BenchmarkRead reads the real files, when there, one a loop.
func BenchmarkRead(b *testing.B) {
	paths := realFiles(b)
	for _, c := range bothArrays {
		var r direct.Reader
		b.Run("direct/"+c.name, func(b *testing.B) {
			benchmark(b, paths, func(path string) error { _, err := r.Read(path, c.arrays); return err })
		})
		b.Run("msd/"+c.name, func(b *testing.B) {
			benchmark(b, paths, func(path string) error { _, err := msd.Read(path, c.arrays); return err })
		})
	}
}

func benchmark(b *testing.B, paths []string, read func(path string) error) {
	b.ReportAllocs()
	start, n := cpuSeconds(), 0
	for b.Loop() {
		if err := read(paths[n%len(paths)]); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric((cpuSeconds()-start)*1e6/float64(n), "cpu-µs/op")
}

// cpuSeconds returns the CPU time the process has used.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// TestReadMade reads made-up songs, stored in all ways that direct knows; see
// testdata/songs.py.
func TestReadMade(t *testing.T) { checkSame(t, madePaths(t)) }

// demoFiles writes made-up songs, one with odd values first.
func demoFiles(t *testing.T, n int) []string {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for s := range msd.Demo(n, 1) {
		path := filepath.Join(dir, string(s.ID)+".h5")
		if err := msd.Write(path, []*store.Song{s}); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

func TestReadDemo(t *testing.T) { checkSame(t, demoFiles(t, 100)) }
