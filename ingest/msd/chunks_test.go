package msd

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"gonum.org/v1/hdf5"

	"tatum/store"
)

func needLibdeflate(t *testing.T) {
	if !hasLibdeflate() {
		t.Skip("skipped: no libdeflate on this system")
	}
}

// compareReaders checks that libdeflate and libhdf5 read the same.
func compareReaders(t *testing.T, paths []string) {
	t.Helper()
	read := func(path string) *store.Song {
		songs, err := Read(path, All)
		if err != nil {
			t.Fatal(err)
		}
		return songs[0]
	}
	has := hasLibdeflate
	defer func() { hasLibdeflate = has }()
	for _, path := range paths {
		hasLibdeflate = has
		got := read(path)
		hasLibdeflate = func() bool { return false }
		sameSong(t, got, read(path), All)
	}
}

func TestReadChunks(t *testing.T) {
	needLibdeflate(t)
	var paths []string
	for i, n := range []int{1, 2, 15, 16, 17, 1023, 1024, 1025, 2048, 5000} {
		r := rand.New(rand.NewPCG(1, uint64(i)))
		paths = append(paths, buildFile(t, oneRow(), build{"/analysis/bars_start": func(w *writer, g *hdf5.Group) {
			data := make([]float64, n)
			for k := range data {
				data[k] = r.NormFloat64()
			}
			w.array(g, "bars_start", "test", hdf5.T_IEEE_F64LE, n, 1, &data)
		}}))
	}
	for s := range Demo(20, 3) {
		paths = append(paths, writeSongs(t, s))
	}
	compareReaders(t, paths)
}

func TestReadChunksReal(t *testing.T) {
	needLibdeflate(t)
	compareReaders(t, realFiles(t))
}

// TestReadChunksTaken checks what libdeflate reads, and what it leaves to
// libhdf5.
func TestReadChunksTaken(t *testing.T) {
	needLibdeflate(t)
	for _, c := range []struct {
		what string
		path string
		bars bool
	}{
		{"as in the MSD", buildFile(t, oneRow(), nil), true},
		{"several chunks", buildFile(t, oneRow(), build{"/analysis/bars_start": values("bars_start", hdf5.T_IEEE_F64LE, 5000, 1)}), true},
		{"never written", buildFile(t, oneRow(), build{"/analysis/bars_start": unwritten("bars_start", hdf5.S_SIMPLE, 5000)}), false},
		{"not in chunks", "testdata/foreign/song.h5", false},
		{"another filter", "testdata/foreign/filter.h5", false},
	} {
		t.Run(c.what, func(t *testing.T) {
			r, err := openReader(c.path, Features)
			if err != nil {
				t.Fatal(err)
			}
			defer r.close()
			lock()
			defer unlock()
			if len(r.tables) == 3 {
				for _, o := range r.tables {
					if !o.readChunks(unsafe.Pointer(&make([]byte, o.rowSize)[0])) {
						t.Errorf("%s is left to libhdf5", o.path)
					}
				}
				s, err := r.openArray(store.SegmentsPitches)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				if !s.readChunks(unsafe.Pointer(&make([]float64, s.rows*s.columns)[0])) {
					t.Errorf("%s is left to libhdf5", s.path)
				}
			}
			s, err := r.openArray(store.BarsStart)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if got := s.readChunks(unsafe.Pointer(&make([]float64, s.rows)[0])); got != c.bars {
				t.Errorf("bars_start: read %t, want %t", got, c.bars)
			}
		})
	}
}
