package msd

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"gonum.org/v1/hdf5"

	"tatum/ingest/direct"
	"tatum/store"
)

// Write writes the songs to a new file at path as the MSD has them: one song
// makes a song file, several an aggregate file. Arrays that are nil are written
// as zeros, as many as the longest array of their kind (bars, beats, sections,
// segments or tatums) has rows. What a track does not keep is written as the
// MSD writes unknown values, terms and similar artists as none. The same songs
// give the same bytes with the same libhdf5 and zlib.
//
// The file appears whole or not at all, in place of one that is there. It is an
// error when there are no songs, when an array of pitches or timbre is not of
// whole rows, or when a text is too long for its column or holds a zero byte.
func Write(path string, songs []*store.Song) error {
	if err := write(path, songs); err != nil {
		return fmt.Errorf("write songs %q: %w", path, err)
	}
	return nil
}

func write(path string, songs []*store.Song) error {
	rows, err := rowsOf(songs)
	if err != nil {
		return err
	}
	// Hidden, so that a walk over the directory leaves it alone.
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp")
	f, err := os.Create(temp) // because libhdf5 would not say why it cannot
	if err != nil {
		return direct.WithoutPath(err)
	}
	defer os.Remove(temp)
	if err := f.Close(); err != nil {
		return direct.WithoutPath(err)
	}
	if err := writeFile(temp, songs, rows); err != nil {
		return cmp.Or(whyNotWritten(temp), err)
	}
	return os.Rename(temp, path)
}

// whyNotWritten returns what the system says when more is written to a file, for
// which libhdf5 has no words, such as that the disk is full.
func whyNotWritten(path string) error {
	const enough = 4 << 20 // bytes, more than a song takes
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		_, err = f.Write(make([]byte, enough))
		err = cmp.Or(err, f.Sync(), f.Close())
	}
	return direct.WithoutPath(err)
}

// rowsOf returns the songs' rows of the tables: each starts in every array
// where the song before it ends.
func rowsOf(songs []*store.Song) ([]direct.Row, error) {
	if len(songs) == 0 {
		return nil, errors.New("no songs")
	}
	rows := make([]direct.Row, len(songs))
	var next [store.NumArrays]int
	for i, s := range songs {
		rows[i].Track = s.Track
		for a := range store.Array(store.NumArrays) {
			if len(s.Arrays[a])%a.Columns() != 0 {
				return nil, fmt.Errorf("track %s: %s: %d values, want rows of %d", s.ID, a, len(s.Arrays[a]), a.Columns())
			}
			rows[i].Start[a] = int32(next[a])
			next[a] += rowsToWrite(s, a)
			if next[a] > math.MaxInt32 {
				return nil, fmt.Errorf("%s: more rows than int32 can count", a)
			}
		}
	}
	return rows, nil
}

// rowsToWrite returns how many rows of an array are written.
func rowsToWrite(s *store.Song, a store.Array) int {
	if s.Arrays[a] != nil {
		return len(s.Arrays[a]) / a.Columns()
	}
	group, _, _ := strings.Cut(a.String(), "_")
	most := 0
	for b := range store.Array(store.NumArrays) {
		if strings.HasPrefix(b.String(), group+"_") {
			most = max(most, len(s.Arrays[b])/b.Columns())
		}
	}
	return most
}

// A writer writes one file. After the first error it does nothing more.
type writer struct {
	file *hdf5.File
	// chunkBytes is what PyTables chooses: 8 KiB for song files, 64 KiB for
	// the larger aggregate files.
	chunkBytes int
	err        error
}

func writeFile(path string, songs []*store.Song, rows []direct.Row) (err error) {
	lock()
	defer unlock()
	w := &writer{chunkBytes: 8 << 10}
	if len(songs) > 1 {
		w.chunkBytes = 64 << 10
	}
	if w.file, err = hdf5.CreateFile(path, hdf5.F_ACC_TRUNC); err != nil {
		return errHDF5
	}
	w.group("/", "H5 Song File", nil)
	w.group("/analysis", "Echo Nest analysis of the song", func(g *hdf5.Group) {
		for _, a := range direct.ArraysByName() {
			w.songArrays(g, a, songs, int(rows[len(rows)-1].Start[a])+rowsToWrite(songs[len(songs)-1], a))
		}
		w.table(g, &direct.AnalysisTable, rows)
	})
	w.group("/metadata", "metadata about the song", func(g *hdf5.Group) {
		w.empty(g, "artist_terms", "array of terms (Echo Nest tags) for an artist", textType(256))
		w.empty(g, "artist_terms_freq", "array of term (Echo Nest tags) frequencies for an artist", hdf5.T_IEEE_F64LE)
		w.empty(g, "artist_terms_weight", "array of term (Echo Nest tags) weights for an artist", hdf5.T_IEEE_F64LE)
		w.empty(g, "similar_artists", "array of similar artists Echo Nest id", textType(20))
		w.table(g, &direct.MetadataTable, rows)
	})
	w.group("/musicbrainz", "data about the song coming from MusicBrainz", func(g *hdf5.Group) {
		w.empty(g, "artist_mbtags", "array of tags from MusicBrainz for an artist", textType(256))
		w.empty(g, "artist_mbtags_count", "array of tag counts from MusicBrainz for an artist", hdf5.T_STD_I32LE)
		w.table(g, &direct.MusicbrainzTable, rows)
	})
	w.check(w.file.Close())
	return w.err
}

// check keeps the first error.
func (w *writer) check(err error) bool {
	if w.err == nil && err != nil {
		w.err = err
	}
	return w.err == nil
}

// group writes a group with its attributes and then what fill puts into it.
func (w *writer) group(path, title string, fill func(*hdf5.Group)) {
	if w.err != nil {
		return
	}
	var g *hdf5.Group
	var err error
	if path == "/" {
		g, err = w.file.OpenGroup(path)
	} else {
		g, err = w.file.CreateGroup(path)
	}
	if !w.check(err) {
		return
	}
	defer g.Close()
	// PyTables counts the zero byte in the texts of arrays and tables only.
	w.text(g, "TITLE", title)
	w.text(g, "CLASS", "GROUP")
	w.text(g, "VERSION", "1.0")
	w.number(g, "FILTERS", hdf5.T_STD_I64LE, int64(65793)) // deflate 1, shuffled
	if path == "/" {
		w.text(g, "PYTABLES_FORMAT_VERSION", "2.0")
	}
	if fill != nil {
		fill(g)
	}
}

// songArrays writes one array of all songs, n rows, one after the other.
func (w *writer) songArrays(g *hdf5.Group, a store.Array, songs []*store.Song, n int) {
	values := make([]float64, 0, n*a.Columns())
	for _, s := range songs {
		if v := s.Arrays[a]; v != nil {
			values = append(values, v...)
		} else {
			values = values[:len(values)+rowsToWrite(s, a)*a.Columns()]
		}
	}
	w.array(g, a.String(), arrayTitles[a], hdf5.T_IEEE_F64LE, n, a.Columns(), &values)
}

// empty writes an array without rows.
func (w *writer) empty(g *hdf5.Group, name, title string, t *hdf5.Datatype) {
	w.array(g, name, title, t, 0, 1, nil)
	if t.Class() == hdf5.T_STRING {
		t.Close()
	}
}

// array writes an array from values, a pointer to a slice.
func (w *writer) array(g *hdf5.Group, name, title string, t *hdf5.Datatype, rows, columns int, values any) {
	w.dataset(g, name, t, rows, columns, values, func(d *hdf5.Dataset) {
		w.text(d, "CLASS", "EARRAY\x00")
		w.number(d, "EXTDIM", hdf5.T_STD_I32LE, int32(0))
		w.text(d, "TITLE", title+"\x00")
		w.text(d, "VERSION", "1.0\x00")
	})
}

// dataset writes a dataset that can grow, then what attributes adds to it.
func (w *writer) dataset(g *hdf5.Group, name string, t *hdf5.Datatype, rows, columns int, values any, attributes func(*hdf5.Dataset)) {
	if w.err != nil {
		return
	}
	size := int(t.Size()) * columns
	chunk := w.chunkBytes / size
	if chunk < 2 { // PyTables doubles, for /metadata/songs
		chunk = max(2*w.chunkBytes/size, 1)
	}
	dims, limits, chunks := []uint{uint(rows)}, []uint{^uint(0)}, []uint{uint(chunk)}
	if columns > 1 {
		dims, limits, chunks = append(dims, uint(columns)), append(limits, uint(columns)), append(chunks, uint(columns))
	}
	space, err := hdf5.CreateSimpleDataspace(dims, limits)
	if !w.check(err) {
		return
	}
	defer space.Close()
	creation, err := newCreation(chunks)
	if !w.check(err) {
		return
	}
	defer creation.Close()
	d, err := create(g, name, t, space, creation)
	if !w.check(err) {
		return
	}
	defer d.Close()
	attributes(d)
	if rows > 0 {
		w.check(d.Write(values))
	}
}

// An attributed can have attributes: a group or a dataset.
type attributed interface {
	CreateAttribute(string, *hdf5.Datatype, *hdf5.Dataspace) (*hdf5.Attribute, error)
}

// attribute writes an attribute of one value from first, a pointer to it.
func (w *writer) attribute(on attributed, name string, t *hdf5.Datatype, first any) {
	if w.err != nil {
		return
	}
	space, err := hdf5.CreateDataspace(hdf5.S_SCALAR)
	if !w.check(err) {
		return
	}
	defer space.Close()
	a, err := on.CreateAttribute(name, t, space)
	if !w.check(err) {
		return
	}
	defer a.Close()
	w.check(a.Write(first, t))
}

func (w *writer) text(on attributed, name, value string) {
	t := textType(len(value))
	defer t.Close()
	w.attribute(on, name, t, &[]byte(value)[0])
}

func (w *writer) number(on attributed, name string, t *hdf5.Datatype, value any) {
	switch v := value.(type) {
	case int64:
		w.attribute(on, name, t, &v)
	case int32:
		w.attribute(on, name, t, &v)
	case float64:
		w.attribute(on, name, t, &v)
	}
}

// textType returns a new type for text of size bytes. It panics where libhdf5
// refuses, which it does for no size used here.
func textType(size int) *hdf5.Datatype {
	t, err := hdf5.T_C_S1.Copy()
	if err == nil {
		err = t.SetSize(size)
	}
	if err != nil {
		panic(fmt.Sprintf("msd: no type for text of %d bytes: %v", size, err))
	}
	return t
}

// table writes a songs table.
func (w *writer) table(g *hdf5.Group, t *direct.Table, rows []direct.Row) {
	if w.err != nil {
		return
	}
	record, err := recordType(t)
	if !w.check(err) {
		return
	}
	defer record.Close()
	var data []byte
	for i := range rows {
		if data, err = appendRow(data, t, &rows[i]); !w.check(err) {
			return
		}
	}
	w.dataset(g, "songs", &record.Datatype, len(rows), 1, &data, func(d *hdf5.Dataset) {
		w.text(d, "CLASS", "TABLE\x00")
		for i := range t.Columns {
			w.fieldAttributes(d, i, &t.Columns[i])
		}
		w.number(d, "NROWS", hdf5.T_STD_I64LE, int64(len(rows)))
		w.text(d, "TITLE", t.Title+"\x00")
		w.text(d, "VERSION", "2.6\x00")
	})
}

// fieldAttributes writes PyTables' attributes of a table's column i.
func (w *writer) fieldAttributes(d *hdf5.Dataset, i int, c *direct.Column) {
	fill := fmt.Sprintf("FIELD_%d_FILL", i)
	switch c.Kind() {
	case direct.Int:
		w.number(d, fill, hdf5.T_STD_I32LE, int32(0))
	case direct.Float:
		w.number(d, fill, hdf5.T_IEEE_F64LE, 0.0)
	default:
		w.text(d, fill, "\x00")
	}
	w.text(d, fmt.Sprintf("FIELD_%d_NAME", i), c.Name+"\x00")
}

// recordType returns the type of a table's rows.
func recordType(t *direct.Table) (*hdf5.CompoundType, error) {
	record, err := hdf5.NewCompoundType(t.RowSize())
	if err != nil {
		return nil, err
	}
	offset := 0
	for i := range t.Columns {
		c := &t.Columns[i]
		switch c.Kind() {
		case direct.Int:
			err = record.Insert(c.Name, offset, hdf5.T_STD_I32LE)
		case direct.Float:
			err = record.Insert(c.Name, offset, hdf5.T_IEEE_F64LE)
		default:
			typ := textType(c.Size)
			err = record.Insert(c.Name, offset, typ)
			typ.Close()
		}
		if err != nil {
			record.Close()
			return nil, err
		}
		offset += c.Width()
	}
	return record, nil
}

// appendRow appends a row's bytes.
func appendRow(b []byte, t *direct.Table, r *direct.Row) ([]byte, error) {
	for i := range t.Columns {
		c := &t.Columns[i]
		switch v := c.Value(r).(type) {
		case int32:
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		case *int32:
			b = binary.LittleEndian.AppendUint32(b, uint32(*v))
		case float64:
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		case *float64:
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(*v))
		default:
			s := textOf(v)
			if len(s) >= c.Size || strings.Contains(s, "\x00") {
				return nil, fmt.Errorf("track %s: %s %q does not fit %d bytes ended by zero", r.ID, c.Name, s, c.Size)
			}
			b = append(b, s...)
			b = append(b, make([]byte, c.Size-len(s))...)
		}
	}
	return b, nil
}

func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case *string:
		return *v
	case *store.TrackID:
		return string(*v)
	}
	return ""
}

// arrayTitles are the MSD's, slips included.
var arrayTitles = [store.NumArrays]string{
	store.BarsStart:               "array of start times of bars",
	store.BarsConfidence:          "array of confidence of bars",
	store.BeatsStart:              "array of start times of beats",
	store.BeatsConfidence:         "array of confidence of sections",
	store.SectionsStart:           "array of start times of sections",
	store.SectionsConfidence:      "array of confidence of sections",
	store.SegmentsStart:           "array of start times of segments",
	store.SegmentsConfidence:      "array of confidence of segments",
	store.SegmentsLoudnessMax:     "array of max loudness of segments",
	store.SegmentsLoudnessMaxTime: "array of max loudness time of segments",
	store.SegmentsLoudnessStart:   "array of loudness of segments at start time",
	store.SegmentsPitches:         "array of pitches of segments (chromas)",
	store.SegmentsTimbre:          "array of timbre of segments (MFCC-like)",
	store.TatumsStart:             "array of start times of tatums",
	store.TatumsConfidence:        "array of confidence of tatums",
}
