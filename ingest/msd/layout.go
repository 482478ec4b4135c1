package msd

import (
	"cmp"
	"math"
	"path/filepath"
	"slices"

	"tatum/store"
)

// A row is one song's row of the three songs tables.
type row struct {
	store.Track
	// start is the song's first row in each array.
	start [store.NumArrays]int32
}

// A column is one column of a songs table.
type column struct {
	name string
	// size is the length in bytes of a string in files written, 0 for numbers.
	// Strings read may have any; they end at the first zero byte.
	size int
	// value returns where a row keeps the column, as *int32, *float64, *string
	// or *store.TrackID; or, for a column that is written only, what it holds.
	value func(*row) any
}

// A table describes one songs table: its columns in the order of the MSD,
// which is the alphabet's, without gaps.
type table struct {
	path    string
	title   string
	columns []column
}

// rowSize returns the length of a row in bytes in files written.
func (t *table) rowSize() int {
	n := 0
	for _, c := range t.columns {
		n += c.width()
	}
	return n
}

// The kinds of columns.
const (
	intColumn   = iota // int32
	floatColumn        // float64
	textColumn
)

// kind returns the kind of the column, and width its length in bytes in files
// written.
func (c *column) kind() int {
	switch c.value(&row{}).(type) {
	case int32, *int32:
		return intColumn
	case float64, *float64:
		return floatColumn
	}
	return textColumn
}

func (c *column) width() int {
	switch c.kind() {
	case intColumn:
		return 4
	case floatColumn:
		return 8
	}
	return c.size
}

func fixed(name string, size int, v any) column {
	return column{name: name, size: size, value: func(*row) any { return v }}
}

// kept takes a function instead of a struct tag, so that the compiler checks it.
func kept(name string, size int, value func(*row) any) column {
	return column{name: name, size: size, value: value}
}

func indexOf(name string, a store.Array) column {
	return column{name: "idx_" + name, value: func(r *row) any { return &r.start[a] }}
}

// byName lists the arrays in the order of their names.
var byName = func() (list []store.Array) {
	for a := range store.Array(store.NumArrays) {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b store.Array) int { return cmp.Compare(a.String(), b.String()) })
	return list
}()

var analysisTable = func() table {
	c := []column{
		fixed("analysis_sample_rate", 0, int32(22050)),
		fixed("audio_md5", 32, ""),
		fixed("danceability", 0, 0.0),
		kept("duration", 0, func(r *row) any { return &r.Duration }),
		fixed("end_of_fade_in", 0, 0.0),
		fixed("energy", 0, 0.0),
	}
	for _, a := range byName {
		c = append(c, indexOf(a.String(), a))
	}
	c = append(c,
		kept("key", 0, func(r *row) any { return &r.Key }),
		fixed("key_confidence", 0, 0.0),
		kept("loudness", 0, func(r *row) any { return &r.Loudness }),
		kept("mode", 0, func(r *row) any { return &r.Mode }),
		fixed("mode_confidence", 0, 0.0),
		column{name: "start_of_fade_out", value: func(r *row) any { return r.Duration }},
		kept("tempo", 0, func(r *row) any { return &r.Tempo }),
		fixed("time_signature", 0, int32(4)),
		fixed("time_signature_confidence", 0, 0.0),
		kept("track_id", 32, func(r *row) any { return &r.ID }),
	)
	return table{"/analysis/songs", "table of Echo Nest analysis for one song", c}
}()

var metadataTable = table{"/metadata/songs", "table of metadata for one song", []column{
	fixed("analyzer_version", 32, ""),
	kept("artist_7digitalid", 0, func(r *row) any { return &r.Artist7digitalID }),
	fixed("artist_familiarity", 0, 0.0),
	fixed("artist_hotttnesss", 0, 0.0),
	kept("artist_id", 32, func(r *row) any { return &r.ArtistID }),
	fixed("artist_latitude", 0, math.NaN()),
	fixed("artist_location", 1024, ""),
	fixed("artist_longitude", 0, math.NaN()),
	kept("artist_mbid", 40, func(r *row) any { return &r.ArtistMBID }),
	kept("artist_name", 1024, func(r *row) any { return &r.ArtistName }),
	fixed("artist_playmeid", 0, int32(-1)),
	fixed("genre", 1024, ""),
	fixed("idx_artist_terms", 0, int32(0)),
	fixed("idx_similar_artists", 0, int32(0)),
	kept("release", 1024, func(r *row) any { return &r.Release }),
	kept("release_7digitalid", 0, func(r *row) any { return &r.Release7digitalID }),
	fixed("song_hotttnesss", 0, math.NaN()),
	kept("song_id", 32, func(r *row) any { return &r.SongID }),
	kept("title", 1024, func(r *row) any { return &r.Title }),
	kept("track_7digitalid", 0, func(r *row) any { return &r.Track7digitalID }),
}}

var musicbrainzTable = table{"/musicbrainz/songs", "table of data coming from MusicBrainz", []column{
	fixed("idx_artist_mbtags", 0, int32(0)),
	kept("year", 0, func(r *row) any { return &r.Year }),
}}

// arrayPath returns the array's path in a file.
func arrayPath(a store.Array) string { return arrayPaths[a] }

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
