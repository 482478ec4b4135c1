package direct

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"path/filepath"
	"slices"

	"tatum/store"
)

// A Row is one song's row of the three songs tables.
type Row struct {
	store.Track
	// Start is the song's first row in each array.
	Start [store.NumArrays]int32
}

// A Column is one column of a songs table.
type Column struct {
	Name string
	// Size is the length in bytes of a string in files written, 0 for numbers.
	// Strings read may have any; they end at the first zero byte.
	Size int
	// Value returns where a row keeps the column, as *int32, *float64, *string
	// or *store.TrackID; or, for a column that is written only, what it holds.
	Value func(*Row) any
}

// A Table describes one songs table: its columns in the order of the MSD,
// which is the alphabet's, without gaps.
type Table struct {
	Path    string
	Title   string
	Columns []Column
}

// RowSize returns the length of a row in bytes in files written.
func (t *Table) RowSize() int {
	n := 0
	for _, c := range t.Columns {
		n += c.Width()
	}
	return n
}

// A Kind is the kind of a column's values.
type Kind int

// The kinds of columns.
const (
	Int   Kind = iota // int32
	Float             // float64
	Text              // of fixed length
)

// TypeName returns the type that files have for the kind, for messages.
func (k Kind) TypeName() string { return [...]string{Int32LE, Float64LE, "text of fixed length"}[k] }

// aRow is one to ask columns about, never written. A new one for each question
// would be on the heap.
var aRow Row

// Kind returns the kind of the column.
func (c *Column) Kind() Kind {
	switch c.Value(&aRow).(type) {
	case int32, *int32:
		return Int
	case float64, *float64:
		return Float
	}
	return Text
}

// Width returns the length of the column in bytes in files written.
func (c *Column) Width() int {
	switch c.Kind() {
	case Int:
		return 4
	case Float:
		return 8
	}
	return c.Size
}

// IsKept reports whether rows keep the column.
func (c *Column) IsKept() bool {
	switch c.Value(&aRow).(type) {
	case *int32, *float64, *string, *store.TrackID:
		return true
	}
	return false
}

// A Field is where in a file's rows a column is that rows keep. Its size is
// that of its kind, and any but 0 for texts.
type Field struct {
	*Column
	Offset, Size int // bytes
}

// HasField reports whether the column called name is among the fields.
func HasField(fields []Field, name string) bool {
	return slices.ContainsFunc(fields, func(f Field) bool { return f.Name == name })
}

// Decode sets the columns of a row from its bytes, which must reach to the end
// of each field: all of them, even if the track ID is none, for the song before
// needs to know where its arrays end. The error is that of the track ID.
func Decode(fields []Field, b []byte, dst *Row) (err error) {
	for i := range fields {
		f := &fields[i]
		field := b[f.Offset : f.Offset+f.Size]
		switch v := f.Value(dst).(type) {
		case *int32:
			*v = int32(binary.LittleEndian.Uint32(field))
		case *float64:
			*v = math.Float64frombits(binary.LittleEndian.Uint64(field))
		case *string:
			*v = untilZero(field)
		case *store.TrackID:
			*v, err = store.ParseTrackID(untilZero(field))
		}
	}
	return err
}

func untilZero(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

func fixed(name string, size int, v any) Column {
	return Column{Name: name, Size: size, Value: func(*Row) any { return v }}
}

// kept takes a function instead of a struct tag, so that the compiler checks it.
func kept(name string, size int, value func(*Row) any) Column {
	return Column{Name: name, Size: size, Value: value}
}

func indexOf(name string, a store.Array) Column {
	return Column{Name: "idx_" + name, Value: func(r *Row) any { return &r.Start[a] }}
}

// ArraysByName lists the arrays in the order of their names.
func ArraysByName() []store.Array {
	var list []store.Array
	for a := range store.Array(store.NumArrays) {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b store.Array) int { return cmp.Compare(a.String(), b.String()) })
	return list
}

// AnalysisTable is the table that says how many songs a file has.
var AnalysisTable = func() Table {
	c := []Column{
		fixed("analysis_sample_rate", 0, int32(22050)),
		fixed("audio_md5", 32, ""),
		fixed("danceability", 0, 0.0),
		kept("duration", 0, func(r *Row) any { return &r.Duration }),
		fixed("end_of_fade_in", 0, 0.0),
		fixed("energy", 0, 0.0),
	}
	for _, a := range ArraysByName() {
		c = append(c, indexOf(a.String(), a))
	}
	c = append(c,
		kept("key", 0, func(r *Row) any { return &r.Key }),
		fixed("key_confidence", 0, 0.0),
		kept("loudness", 0, func(r *Row) any { return &r.Loudness }),
		kept("mode", 0, func(r *Row) any { return &r.Mode }),
		fixed("mode_confidence", 0, 0.0),
		Column{Name: "start_of_fade_out", Value: func(r *Row) any { return r.Duration }},
		kept("tempo", 0, func(r *Row) any { return &r.Tempo }),
		fixed("time_signature", 0, int32(4)),
		fixed("time_signature_confidence", 0, 0.0),
		kept("track_id", 32, func(r *Row) any { return &r.ID }),
	)
	return Table{"/analysis/songs", "table of Echo Nest analysis for one song", c}
}()

// MetadataTable is the table of what people call the song.
var MetadataTable = Table{"/metadata/songs", "table of metadata for one song", []Column{
	fixed("analyzer_version", 32, ""),
	kept("artist_7digitalid", 0, func(r *Row) any { return &r.Artist7digitalID }),
	fixed("artist_familiarity", 0, 0.0),
	fixed("artist_hotttnesss", 0, 0.0),
	kept("artist_id", 32, func(r *Row) any { return &r.ArtistID }),
	fixed("artist_latitude", 0, math.NaN()),
	fixed("artist_location", 1024, ""),
	fixed("artist_longitude", 0, math.NaN()),
	kept("artist_mbid", 40, func(r *Row) any { return &r.ArtistMBID }),
	kept("artist_name", 1024, func(r *Row) any { return &r.ArtistName }),
	fixed("artist_playmeid", 0, int32(-1)),
	fixed("genre", 1024, ""),
	fixed("idx_artist_terms", 0, int32(0)),
	fixed("idx_similar_artists", 0, int32(0)),
	kept("release", 1024, func(r *Row) any { return &r.Release }),
	kept("release_7digitalid", 0, func(r *Row) any { return &r.Release7digitalID }),
	fixed("song_hotttnesss", 0, math.NaN()),
	kept("song_id", 32, func(r *Row) any { return &r.SongID }),
	kept("title", 1024, func(r *Row) any { return &r.Title }),
	kept("track_7digitalid", 0, func(r *Row) any { return &r.Track7digitalID }),
}}

// MusicbrainzTable is the table with the year.
var MusicbrainzTable = Table{"/musicbrainz/songs", "table of data coming from MusicBrainz", []Column{
	fixed("idx_artist_mbtags", 0, int32(0)),
	kept("year", 0, func(r *Row) any { return &r.Year }),
}}

// ArrayPath returns the array's path in a file.
func ArrayPath(a store.Array) string { return arrayPaths[a] }

var arrayPaths = func() (paths [store.NumArrays]string) {
	for a := range store.Array(store.NumArrays) {
		paths[a] = "/analysis/" + a.String()
	}
	return paths
}()

// RelPath returns where the MSD keeps the track's file below its top
// directory, such as A/B/C/TRABCDE128F0000000.h5: by the third to fifth letter
// of the ID.
func RelPath(id store.TrackID) string {
	s := string(id)
	return filepath.Join(s[2:3], s[3:4], s[4:5], s+".h5")
}
