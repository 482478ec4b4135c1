package direct_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime/metrics"
	"slices"
	"sync"
	"testing"

	"tatum/ingest/direct"
	"tatum/store"
)

// maxAllocation is what no file may make a reader allocate: the values of the
// song, and the buffers.
const maxAllocation = 128 << 20

// madePaths returns the paths of the made-up songs of testdata/songs.py.
func madePaths(tb testing.TB) []string {
	tb.Helper()
	paths, err := filepath.Glob("testdata/songs/*.h5")
	if err != nil || len(paths) == 0 {
		tb.Fatalf("no files in testdata/songs: %v", err)
	}
	return paths
}

// TestReadStorages checks that the made-up songs, which are of various lengths
// and otherwise the same, are the same in whichever way they are stored.
func TestReadStorages(t *testing.T) {
	var r direct.Reader
	longest, err := r.Read("testdata/songs/gzip.h5", store.AllArrays)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"default", "empty", "compact", "shuffle", "both", "plain", "columns", "large", "deep", "shrunk"} {
		song, err := r.Read(filepath.Join("testdata/songs", name+".h5"), store.AllArrays)
		if err != nil {
			t.Error(err)
			continue
		}
		if song.Track != longest.Track || song.Title != "Night 夜" || song.Year != 1999 {
			t.Errorf("%s: got %+v, want %+v", name, song.Track, longest.Track)
		}
		for a := range store.Array(store.NumArrays) {
			if got := song.Arrays[a]; got == nil || !sameBits(got, longest.Arrays[a][:len(got)]) {
				t.Errorf("%s: %s differs", name, a)
			}
		}
	}
}

// TestReadersAtOnce reads with several Readers at once.
func TestReadersAtOnce(t *testing.T) {
	paths := madePaths(t)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			var r direct.Reader
			for _, path := range paths {
				if _, err := r.Read(path, store.AllArrays); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

func sameBits(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) })
}

// FuzzRead reads any bytes: it is to end, in little memory, with a song of the
// arrays asked for or with an error that says why.
func FuzzRead(f *testing.F) {
	for _, path := range madePaths(f) {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	path := filepath.Join(f.TempDir(), "song.h5")
	var r direct.Reader
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		before := allocated()
		song, err := r.Read(path, store.AllArrays)
		if n := allocated() - before; n > maxAllocation {
			t.Errorf("%d bytes allocated", n)
		}
		if err != nil {
			var e *direct.Error
			if song != nil || !errors.Is(err, direct.ErrUnsure) && (!errors.As(err, &e) || e.Err == nil || e.Step == "") {
				t.Errorf("got %v, %#v", song, err)
			}
			return
		}
		for a, values := range song.Arrays {
			if values == nil || len(values)%store.Array(a).Columns() != 0 {
				t.Errorf("%s: %d values", store.Array(a), len(values))
			}
		}
	})
}

// allocated returns how many bytes were ever allocated.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
