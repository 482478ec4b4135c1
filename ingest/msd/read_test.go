package msd

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"gonum.org/v1/hdf5"

	"tatum/ingest/direct"
	"tatum/store"
)

// A build changes what buildFile writes: by the path of a dataset or group, a
// function that writes something else in its place, or nil to leave it out.
type build map[string]func(w *writer, g *hdf5.Group)

// buildFile writes a file like those of two-row songs, with changes.
func buildFile(t *testing.T, rows []direct.Row, changes build) string {
	t.Helper()
	lock()
	defer unlock()
	path := filepath.Join(t.TempDir(), "TRX.h5")
	f, err := hdf5.CreateFile(path, hdf5.F_ACC_TRUNC)
	if err != nil {
		t.Fatal(err)
	}
	w := &writer{file: f, chunkBytes: 8 << 10}
	put := func(path string, g *hdf5.Group, usual func()) {
		if change, ok := changes[path]; !ok {
			usual()
		} else if change != nil {
			change(w, g)
		}
	}
	if _, left := changes["/analysis"]; !left {
		w.group("/analysis", "test", func(g *hdf5.Group) {
			put(direct.AnalysisTable.Path, g, func() { w.table(g, &direct.AnalysisTable, rows) })
			for a := range store.Array(store.NumArrays) {
				put(direct.ArrayPath(a), g, func() {
					values := make([]float64, 2*a.Columns())
					w.array(g, a.String(), "test", hdf5.T_IEEE_F64LE, 2, a.Columns(), &values)
				})
			}
		})
	}
	for _, table := range []*direct.Table{&direct.MetadataTable, &direct.MusicbrainzTable} {
		if _, left := changes[filepath.Dir(table.Path)]; !left {
			w.group(filepath.Dir(table.Path), "test", func(g *hdf5.Group) {
				put(table.Path, g, func() { w.table(g, table, rows) })
			})
		}
	}
	w.check(f.Close())
	if w.err != nil {
		t.Fatal(w.err)
	}
	return path
}

func oneRow() []direct.Row {
	return []direct.Row{{Track: store.Track{ID: "TRABCDE128F0123456", Title: "Title", Year: 1999, Tempo: 120}}}
}

// startRows returns three rows whose songs start at the given rows of bars_start,
// and at 0 in the other arrays.
func startRows(bars ...int32) []direct.Row {
	rows := slices.Repeat(oneRow(), len(bars))
	for i, b := range bars {
		rows[i].Start[store.BarsStart] = b
	}
	return rows
}

// values writes a dataset of rows and columns of some type and size.
func values(name string, typ *hdf5.Datatype, rows, columns int) func(*writer, *hdf5.Group) {
	return func(w *writer, g *hdf5.Group) {
		data := make([]byte, rows*columns*int(typ.Size()))
		w.array(g, name, "test", typ, rows, columns, &data)
	}
}

// unwritten creates a dataset of the space, without values.
func unwritten(name string, class hdf5.SpaceClass, dims ...uint) func(*writer, *hdf5.Group) {
	return func(w *writer, g *hdf5.Group) {
		space, err := hdf5.CreateDataspace(class)
		list := hdf5.P_DEFAULT
		if dims != nil && err == nil {
			space.Close()
			space, err = hdf5.CreateSimpleDataspace(dims, nil)
			if err == nil {
				list, err = newCreation(slices.Repeat([]uint{1000}, len(dims)))
			}
		}
		if !w.check(err) {
			return
		}
		defer space.Close()
		d, err := create(g, name, hdf5.T_IEEE_F64LE, space, list)
		if w.check(err) {
			d.Close()
		}
	}
}

// without returns the table less a column, and with a column of another type.
func without(t direct.Table, name string) *direct.Table {
	t.Columns = slices.DeleteFunc(slices.Clone(t.Columns), func(c direct.Column) bool { return c.Name == name })
	return &t
}

func with(t *direct.Table, c direct.Column) *direct.Table {
	t.Columns = append([]direct.Column{c}, t.Columns...)
	return t
}

// fixed returns a column that holds v in every row.
func fixed(name string, size int, v any) direct.Column {
	return direct.Column{Name: name, Size: size, Value: func(*direct.Row) any { return v }}
}

func writeTable(t *direct.Table, rows []direct.Row) func(*writer, *hdf5.Group) {
	return func(w *writer, g *hdf5.Group) { w.table(g, t, rows) }
}

func TestReadRefuses(t *testing.T) {
	badID := oneRow()
	badID[0].ID = "TRABCDE128F012345x"
	const bars, timbre, songs = "/analysis/bars_start", "/analysis/segments_timbre", "/analysis/songs"
	for _, c := range []struct {
		name    string
		rows    []direct.Row
		changes build
		dataset string
		step    string
		want    string // after `read song "…/TRX.h5": `
	}{
		{"no analysis", oneRow(), build{"/analysis": nil}, "", direct.StepOpen, "no group /analysis"},
		{"no songs", oneRow(), build{songs: nil}, songs, direct.StepOpen, "missing"},
		{"no rows", nil, nil, songs, direct.StepShape, "no rows, want one per song"},
		{"no track ID", oneRow(), build{songs: writeTable(without(direct.AnalysisTable, "track_id"), oneRow())}, songs, direct.StepShape, "no column track_id"},
		{"no array", oneRow(), build{bars: nil}, bars, direct.StepOpen, "missing"},
		{"group", oneRow(), build{bars: func(w *writer, g *hdf5.Group) {
			sub, err := g.CreateGroup("bars_start")
			if w.check(err) {
				sub.Close()
			}
		}}, bars, direct.StepOpen, "is a group, want a dataset"},
		{"float32", oneRow(), build{bars: values("bars_start", hdf5.T_IEEE_F32LE, 9, 1)}, bars, direct.StepType,
			"type is float32 little-endian, want float64 little-endian"},
		{"int32", oneRow(), build{bars: values("bars_start", hdf5.T_STD_I32LE, 9, 1)}, bars, direct.StepType,
			"type is int32 little-endian, want float64 little-endian"},
		{"big-endian", oneRow(), build{bars: values("bars_start", hdf5.T_IEEE_F64BE, 9, 1)}, bars, direct.StepType,
			"type is float64 big-endian, want float64 little-endian"},
		{"rank 2", oneRow(), build{bars: values("bars_start", hdf5.T_IEEE_F64LE, 9, 2)}, bars, direct.StepShape, "2 dimensions, want 1"},
		{"rank 1", oneRow(), build{timbre: values("segments_timbre", hdf5.T_IEEE_F64LE, 9, 1)}, timbre, direct.StepShape, "1 dimension, want 2"},
		{"11 columns", oneRow(), build{timbre: values("segments_timbre", hdf5.T_IEEE_F64LE, 9, 11)}, timbre, direct.StepShape, "11 columns, want 12"},
		{"scalar", oneRow(), build{bars: unwritten("bars_start", hdf5.S_SCALAR)}, bars, direct.StepShape, "is a single value, want 1 dimension"},
		{"null", oneRow(), build{bars: unwritten("bars_start", hdf5.S_NULL)}, bars, direct.StepShape, "is without dimensions, want 1 dimension"},
		{"2^40 rows", oneRow(), build{bars: unwritten("bars_start", hdf5.S_SIMPLE, 1<<40)}, bars, direct.StepShape, "1099511627776 rows cannot be in a file of "},
		{"2^60 rows", oneRow(), build{bars: unwritten("bars_start", hdf5.S_SIMPLE, 1<<60)}, bars, direct.StepShape, "1152921504606846976 rows"},
		{"chunk of 8 MB", oneRow(), build{bars: func(w *writer, g *hdf5.Group) {
			large := &writer{chunkBytes: 8 << 20}
			values("bars_start", hdf5.T_IEEE_F64LE, 9, 1)(large, g)
			w.check(large.err)
		}}, bars, direct.StepShape, "chunks of 1048576 values, want at most 524288"},
		{"table of text", oneRow(), build{songs: func(w *writer, g *hdf5.Group) {
			data := []float64{1}
			w.array(g, "songs", "test", hdf5.T_IEEE_F64LE, 1, 1, &data)
		}}, songs, direct.StepType, "type is float64 little-endian, want a table"},
		{"year of float64", oneRow(), build{"/musicbrainz/songs": writeTable(with(without(direct.MusicbrainzTable, "year"), fixed("year", 0, 1.5)), oneRow())},
			"/musicbrainz/songs", direct.StepType, "column year: type is float64 little-endian, want int32 little-endian"},
		{"title of int32", oneRow(), build{"/metadata/songs": writeTable(with(without(direct.MetadataTable, "title"), fixed("title", 0, int32(1))), oneRow())},
			"/metadata/songs", direct.StepType, "column title: type is int32 little-endian, want text of fixed length"},
		{"long rows", oneRow(), build{"/metadata/songs": writeTable(with(without(direct.MetadataTable, "genre"), fixed("genre", 65000, "")), oneRow())},
			"/metadata/songs", direct.StepType, "rows of 69296 bytes, want at most 65536"},
		{"other rows", oneRow(), build{"/metadata/songs": writeTable(&direct.MetadataTable, startRows(0, 0))}, "/metadata/songs", direct.StepShape,
			"2 rows, want 1 as in /analysis/songs"},
		{"bad track ID", badID, nil, songs, direct.StepDecode, `track ID "TRABCDE128F012345x": want TR, 5 letters and 11 of 0-9A-F`},
		{"no idx", startRows(0, 1), build{songs: writeTable(without(direct.AnalysisTable, "idx_bars_start"), startRows(0, 1))}, songs, direct.StepType,
			"2 songs, but no column idx_bars_start"},
		{"descending idx", startRows(1, 0), nil, songs, direct.StepDecode, "row 0: idx_bars_start gives rows 1 to 0 of 2"},
		{"negative idx", startRows(-1, 0), nil, songs, direct.StepDecode, "row 0: idx_bars_start gives rows -1 to 0 of 2"},
		{"idx beyond", startRows(0, 3), nil, songs, direct.StepDecode, "row 0: idx_bars_start gives rows 0 to 3 of 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := buildFile(t, c.rows, c.changes)
			songs, err := Read(path, store.AllArrays)
			checkError(t, err, path, c.dataset, c.step, c.want)
			if songs != nil {
				t.Errorf("got %d songs with the error", len(songs))
			}
			if len(c.rows) > 1 {
				checkDirectUnsure(t, path)
			} else {
				checkDirectError(t, path, err)
			}
		})
	}
}

// checkDirect checks that package direct reads the same song.
func checkDirect(t *testing.T, path string, arrays store.ArraySet, want *store.Song) {
	t.Helper()
	got, err := direct.Read(path, arrays)
	if err != nil {
		t.Errorf("direct: %v", err)
		return
	}
	sameSong(t, got, want, arrays)
}

// checkDirectError checks that package direct has the same to say of a file.
func checkDirectError(t *testing.T, path string, want error) {
	t.Helper()
	if _, got := direct.Read(path, store.AllArrays); got == nil || got.Error() != want.Error() || !sameStep(got, want) {
		t.Errorf("direct:\ngot  %v\nwant %v", got, want)
	}
}

func sameStep(a, b error) bool {
	var x, y *direct.Error
	return errors.As(a, &x) && errors.As(b, &y) && x.Step == y.Step
}

// checkDirectUnsure checks that package direct leaves a file to this one.
func checkDirectUnsure(t *testing.T, path string) {
	t.Helper()
	if _, err := direct.Read(path, store.AllArrays); !errors.Is(err, direct.ErrUnsure) {
		t.Errorf("direct: got %v, want ErrUnsure", err)
	}
}

// checkError checks that the error has the parts and a message of one line
// that starts as wanted.
func checkError(t *testing.T, err error, path, dataset, step, want string) {
	t.Helper()
	var e *direct.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	if e.Path != path || e.Dataset != dataset || e.Step != step {
		t.Errorf("got %q %q %q, want %q %q %q", e.Path, e.Dataset, e.Step, path, dataset, step)
	}
	message := `read song "` + path + `": `
	if dataset != "" {
		message += "dataset " + dataset + ": "
	}
	if got := err.Error(); !strings.HasPrefix(got, message+want) || strings.ContainsAny(got, "\n\r") {
		t.Errorf("got  %s\nwant %s", got, message+want)
	}
}

func TestReadRefusesFiles(t *testing.T) {
	dir := t.TempDir()
	whole, err := os.ReadFile(buildFile(t, oneRow(), nil))
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pipe := filepath.Join(dir, "pipe.h5")
	if err := syscall.Mkfifo(pipe, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{filepath.Join(dir, "none.h5"), "no such file or directory"},
		{dir, "is a directory"},
		{pipe, "not a regular file"},
		{file("empty.h5", nil), "the file is empty"},
		{file("text.h5", []byte("just text")), "not an HDF5 file"},
		{file("short.h5", whole[:len(whole)/2]), "HDF5 cannot open it: cut short, damaged or being written"},
	} {
		t.Run(filepath.Base(c.path), func(t *testing.T) {
			_, err := Read(c.path, store.FeatureArrays)
			checkError(t, err, c.path, "", direct.StepOpen, c.want)
			checkDirectError(t, c.path, err)
		})
	}
	if _, err := Read(filepath.Join(dir, "none.h5"), store.AllArrays); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
}

func TestReadRefusesUnreadable(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("skipped: root may read everything")
	}
	path := buildFile(t, oneRow(), nil)
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	_, err := Read(path, store.FeatureArrays)
	checkError(t, err, path, "", direct.StepOpen, "permission denied")
	checkDirectError(t, path, err)
}

// TestReadOptional checks what may be missing, moved or added.
func TestReadOptional(t *testing.T) {
	moved := with(without(*with(without(direct.AnalysisTable, "tempo"), fixed("tempo", 0, 120.0)), "loudness"), fixed("extra", 7, "more"))
	for _, c := range []struct {
		name    string
		changes build
		title   string
		year    int32
	}{
		{"all", nil, "Title", 1999},
		{"no metadata", build{"/metadata": nil}, "", 1999},
		{"no metadata songs", build{"/metadata/songs": nil}, "", 1999},
		{"no musicbrainz", build{"/musicbrainz": nil}, "Title", 0},
		{"no title", build{"/metadata/songs": writeTable(without(direct.MetadataTable, "title"), oneRow())}, "", 1999},
		{"moved", build{"/analysis/songs": writeTable(moved, oneRow())}, "Title", 1999},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := buildFile(t, oneRow(), c.changes)
			songs, err := Read(path, store.AllArrays)
			if err != nil {
				t.Fatal(err)
			}
			got := songs[0]
			checkDirect(t, path, store.AllArrays, got)
			if got.ID != oneRow()[0].ID || got.Title != c.title || got.Year != c.year || got.Tempo != 120 {
				t.Errorf("got %+v, want title %q, year %d, tempo 120", got.Track, c.title, c.year)
			}
		})
	}
}

// TestReadUnwritten checks that values never written read as zeros.
func TestReadUnwritten(t *testing.T) {
	path := buildFile(t, oneRow(), build{"/analysis/bars_start": unwritten("bars_start", hdf5.S_SIMPLE, 5000)})
	songs, err := Read(path, store.FeatureArrays)
	if err != nil {
		t.Fatal(err)
	}
	checkDirect(t, path, store.FeatureArrays, songs[0])
	if got := songs[0].Arrays[store.BarsStart]; !sameBits(got, make([]float64, 5000)) {
		t.Errorf("got %v, want 5000 zeros", got)
	}
}

// TestSongsStop checks that the loop may stop early and read another file
// meanwhile, and that nothing stays open.
func TestSongsStop(t *testing.T) {
	path := writeSongs(t, slices.Collect(Demo(5, 1))...)
	for song, err := range Songs(path, store.FeatureArrays) {
		if err != nil {
			t.Fatal(err)
		}
		if inner, err := Read(path, store.AllArrays); err != nil || len(inner) != 5 || inner[0].ID != song.ID {
			t.Fatalf("got %d songs, %v, want 5", len(inner), err)
		}
		break
	}
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		for _, fd := range fds {
			if to, _ := os.Readlink("/proc/self/fd/" + fd.Name()); to == path {
				t.Errorf("%s is still open", path)
			}
		}
	}
}

func TestSongsConcurrently(t *testing.T) {
	path := writeSongs(t, slices.Collect(Demo(5, 1))...)
	done := make(chan error)
	for range 4 {
		go func() {
			_, err := Read(path, store.AllArrays)
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestReadReal reads the real files and an aggregate of real songs.
func TestReadReal(t *testing.T) {
	for _, path := range realFiles(t) {
		songs, err := Read(path, store.AllArrays)
		if err != nil {
			t.Fatal(err)
		}
		if s := songs[0]; len(songs) != 1 || string(s.ID)+".h5" != filepath.Base(path) || s.Title == "" || len(s.Arrays[store.SegmentsTimbre]) != 12*len(s.Arrays[store.SegmentsStart]) {
			t.Errorf("%s: got %d songs, %+v", path, len(songs), s.Track)
		}
	}
	path := filepath.Join(realDir, "aggregate", "compact3.h5")
	if _, err := os.Stat(path); err != nil {
		t.Skip("skipped: no real aggregate file in " + realDir)
	}
	songs, err := Read(path, store.AllArrays)
	if err != nil || len(songs) != 3 {
		t.Fatalf("%s: got %d songs, %v, want 3", path, len(songs), err)
	}
}

// TestReadForeign reads files that the binding cannot write; see
// testdata/foreign.py.
func TestReadForeign(t *testing.T) {
	dir := filepath.Join("testdata", "foreign")
	songs, err := Read(filepath.Join(dir, "song.h5"), store.FeatureArrays)
	if err != nil {
		t.Fatal(err)
	}
	if s := songs[0]; s.ID != "TRABCDE128F0123456" || s.Tempo != 120 || !sameBits(s.Arrays[store.BarsStart], []float64{0, 1, 2}) {
		t.Errorf("got %+v", s)
	}
	checkDirect(t, filepath.Join(dir, "song.h5"), store.FeatureArrays, songs[0])
	const bars = "/analysis/bars_start"
	for _, c := range []struct{ name, dataset, step, want string }{
		{"link.h5", bars, direct.StepOpen, "is in another file, which is not read"},
		{"group.h5", "/analysis/songs", direct.StepOpen, "is in another file, which is not read"},
		{"external.h5", bars, direct.StepShape, "its values are in another file, which is not read"},
		{"virtual.h5", bars, direct.StepShape, "its values are in another file, which is not read"},
		{"filter.h5", bars, direct.StepRead, "its values cannot be read: filter 32000 is not in this libhdf5"},
		{"text.h5", "/analysis/songs", direct.StepType, "has a column of variable length"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(dir, c.name)
			_, err := Read(path, store.FeatureArrays)
			checkError(t, err, path, c.dataset, c.step, c.want)
			checkDirectUnsure(t, path)
		})
	}
}
