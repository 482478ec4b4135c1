package export

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"

	"tatum/query"
	"tatum/store"
)

// rowGroup is how many rows the Parquet writer holds in memory.
const rowGroup = 1 << 16

// Parquet writes tracks.parquet and stats.parquet into dir, and sound.parquet if
// tracks have sound features, as the package comment describes them. Without a clustering, when c is nil, tracks have no
// labels. Tracks ingested since the fit have null. It returns an
// [OccupiedError] when dir holds other files and the context's error when it
// ends early; in every case of an error dir stays as it was.
func Parquet(ctx context.Context, db *store.DB, c *store.Clustering, dir string) error {
	return writeTables(ctx, db, c, dir, "parquet", newParquetTable)
}

// CSV writes tracks.csv, stats.csv and sound.csv into dir: the tables of [Parquet] with a
// header line, null as an empty field, NaN as NaN.
func CSV(ctx context.Context, db *store.DB, c *store.Clustering, dir string) error {
	return writeTables(ctx, db, c, dir, "csv", newCSVTable)
}

// A column is one column of a table.
type column struct {
	name string
	node parquet.Node
}

// A table is a file that is written row by row, values in the order of columns.
type table interface {
	write(row []parquet.Value) error
	finish() error // completes the table, but leaves the file open
}

// newTable begins a table in a file.
type newTable func(out *file, columns []column) table

// tablesOwned lists the files that an export of tables ever writes.
func tablesOwned(extension string) []string {
	return []string{"tracks." + extension, "stats." + extension, "sound." + extension}
}

func writeTables(ctx context.Context, db *store.DB, c *store.Clustering, dir, extension string, begin newTable) error {
	owned := tablesOwned(extension)
	tracks, stats, sound := owned[0], owned[1], owned[2]
	state, err := db.State()
	if err != nil {
		return err
	}
	return writeDir(dir, owned, func(d *dirWriter) error {
		err := d.writeTable(tracks, trackColumns(c), begin, func(t table) error { return writeTracks(ctx, db, c, t) })
		if err != nil {
			return err
		}
		err = d.writeTable(stats, statColumns(query.StatNames[:]), begin, func(t table) error {
			return writeStats(ctx, db, store.Features[:], t)
		})
		if err != nil || state.Sound == 0 {
			return err
		}
		return d.writeTable(sound, statColumns(query.SoundStatNames[:]), begin, func(t table) error {
			for _, f := range store.SoundFeatures {
				if err := writeStats(ctx, db, []store.Feature{f}, t); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func (d *dirWriter) writeTable(name string, columns []column, begin newTable, write func(t table) error) error {
	out, err := d.create(name)
	if err != nil {
		return err
	}
	t := begin(out, columns)
	err = write(t)
	if err == nil {
		err = t.finish()
	}
	return out.finish(err)
}

// trackColumns returns the columns of the table of tracks and labels.
func trackColumns(c *store.Clustering) []column {
	columns := []column{
		{"track_id", parquet.String()},
		{"artist", words()},
		{"title", parquet.String()},
		{"release", words()},
		{"year", parquet.Optional(parquet.Int(32))},
		{"duration", parquet.Leaf(parquet.DoubleType)},
		{"tempo", parquet.Leaf(parquet.DoubleType)},
		{"key", parquet.Int(32)},
		{"mode", parquet.Int(32)},
		{"loudness", parquet.Leaf(parquet.DoubleType)},
	}
	for _, f := range features(c) {
		columns = append(columns,
			column{f.String() + "_cluster", parquet.Optional(parquet.Int(32))},
			column{f.String() + "_label", parquet.Optional(parquet.Int(32))},
			column{f.String() + "_fold", parquet.Optional(parquet.Int(32))},
			column{f.String() + "_distance", parquet.Optional(parquet.Leaf(parquet.DoubleType))})
	}
	return columns
}

func features(c *store.Clustering) []store.Feature {
	if c == nil {
		return nil
	}
	return c.Features
}

// words is a text column in which texts recur.
func words() parquet.Node { return parquet.Encoded(parquet.String(), &parquet.RLEDictionary) }

func statColumns(names []string) []column {
	columns := []column{{"track_id", words()}, {"feature", words()}}
	for _, name := range names {
		columns = append(columns, column{name, parquet.Leaf(parquet.DoubleType)})
	}
	return columns
}

// A row is built value by value, from the first column to the last.
type row []parquet.Value

// text adds a text. Readers of all formats refuse a whole file for one byte that
// is not UTF-8, as some old song files have in their titles.
func (r *row) text(v string) {
	r.add(parquet.ByteArrayValue([]byte(strings.ToValidUTF8(v, "\uFFFD"))), 0)
}

func (r *row) int32(v int32)     { r.add(parquet.Int32Value(v), 0) }
func (r *row) float64(v float64) { r.add(parquet.DoubleValue(v), 0) }

// The values of optional columns.
func (r *row) maybeInt32(v int32)     { r.add(parquet.Int32Value(v), 1) }
func (r *row) maybeFloat64(v float64) { r.add(parquet.DoubleValue(v), 1) }
func (r *row) null()                  { r.add(parquet.NullValue(), 0) }

func (r *row) add(v parquet.Value, definition int) {
	*r = append(*r, v.Level(0, definition, len(*r)))
}

func writeTracks(ctx context.Context, db *store.DB, c *store.Clustering, t table) error {
	var labels labelStream
	if c != nil {
		labels.next, labels.stop = iter.Pull2(db.Assignments(c, store.Span{}))
		defer labels.stop()
	}
	var r row
	for track, err := range db.Tracks(store.Span{}) {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		places, err := labels.of(track.ID)
		if err != nil {
			return err
		}
		r = r[:0]
		r.track(track)
		for _, f := range features(c) {
			if len(places) == 0 || places[0].Feature != f {
				r.labels(nil)
				continue
			}
			r.labels(&places[0])
			places = places[1:]
		}
		if err := t.write(r); err != nil {
			return err
		}
	}
	return labels.end()
}

// A labelStream hands out the places of tracks, in step with a scan of the
// tracks. The zero labelStream has none.
type labelStream struct {
	next func() (*store.Placed, error, bool)
	stop func()
	last *store.Placed // was not handed out yet
}

// of returns a track's places, nil when it has none, until the next call. Calls
// go through the tracks in row order.
func (s *labelStream) of(id store.TrackID) ([]store.Assignment, error) {
	if s.last == nil && s.next != nil {
		p, err, _ := s.next()
		if err != nil {
			return nil, err
		}
		s.last = p
	}
	switch {
	case s.last == nil || s.last.ID > id:
		return nil, nil
	case s.last.ID < id:
		return nil, fmt.Errorf("%w: places of %q, but no track", store.ErrCorrupt, s.last.ID)
	}
	places := s.last.Places
	s.last = nil
	return places, nil
}

// end returns an error if there are places behind those of the last track, or
// fewer than there should be.
func (s *labelStream) end() error {
	if s.next == nil {
		return nil
	}
	if s.last == nil {
		var err error
		if s.last, err, _ = s.next(); err != nil {
			return err
		}
	}
	if s.last != nil {
		return fmt.Errorf("%w: places of %q, but no track", store.ErrCorrupt, s.last.ID)
	}
	return nil
}

func (r *row) track(t *store.Track) {
	r.text(string(t.ID))
	r.text(t.ArtistName)
	r.text(t.Title)
	r.text(t.Release)
	if t.Year == 0 {
		r.null()
	} else {
		r.maybeInt32(t.Year)
	}
	r.float64(t.Duration)
	r.float64(t.Tempo)
	r.int32(t.Key)
	r.int32(t.Mode)
	r.float64(t.Loudness)
}

func (r *row) labels(a *store.Assignment) {
	if a == nil {
		r.null()
		r.null()
		r.null()
		r.null()
		return
	}
	r.maybeInt32(int32(a.Cluster))
	r.maybeInt32(int32(a.Label))
	r.maybeInt32(int32(a.Fold))
	r.maybeFloat64(a.Distance())
}

// writeStats writes the stat vectors of features that lie together.
func writeStats(ctx context.Context, db *store.DB, features []store.Feature, t table) error {
	var r row
	vector := make(store.Vector, features[0].VectorLen())
	for v, err := range db.Vectors(features[0], store.Span{}) {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		id := string(v.ID())
		for _, f := range features {
			if err := v.Vector(f, vector); err != nil {
				return err
			}
			r = r[:0]
			r.text(id)
			r.text(f.String())
			for _, x := range vector {
				r.float64(x)
			}
			if err := t.write(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// A parquetTable writes Parquet.
type parquetTable struct {
	w    *parquet.GenericWriter[any]
	rows []parquet.Row // one
}

func newParquetTable(out *file, columns []column) table {
	schema := parquet.NewSchema("tatum", newOrdered(columns))
	return &parquetTable{
		w: parquet.NewGenericWriter[any](out, schema,
			parquet.Compression(&parquet.Zstd),
			parquet.MaxRowsPerRowGroup(rowGroup),
			parquet.CreatedBy("tatum", "", "")),
		rows: make([]parquet.Row, 1),
	}
}

func (t *parquetTable) write(r []parquet.Value) error {
	t.rows[0] = r
	_, err := t.w.WriteRows(t.rows)
	return err
}

func (t *parquetTable) finish() error { return t.w.Close() }

// ordered is a group whose fields keep their order; those of parquet.Group are
// sorted by name.
type ordered struct {
	parquet.Group
	fields []parquet.Field
}

func newOrdered(columns []column) *ordered {
	o := &ordered{Group: make(parquet.Group)}
	for _, c := range columns {
		o.Group[c.name] = c.node
	}
	byName := make(map[string]parquet.Field)
	for _, f := range o.Group.Fields() {
		byName[f.Name()] = f
	}
	for _, c := range columns {
		o.fields = append(o.fields, byName[c.name])
	}
	return o
}

func (o *ordered) Fields() []parquet.Field { return o.fields }

// A csvTable writes CSV.
type csvTable struct {
	w      *csv.Writer
	record []string
	err    error // of the header
}

func newCSVTable(out *file, columns []column) table {
	t := &csvTable{w: csv.NewWriter(out)}
	for _, c := range columns {
		t.record = append(t.record, c.name)
	}
	t.err = t.w.Write(t.record)
	return t
}

func (t *csvTable) write(r []parquet.Value) error {
	for i := range r {
		t.record[i] = plain(&r[i])
	}
	return errors.Join(t.err, t.w.Write(t.record))
}

func (t *csvTable) finish() error {
	t.w.Flush()
	return errors.Join(t.err, t.w.Error())
}

// plain returns a value in full precision.
func plain(v *parquet.Value) string {
	switch {
	case v.IsNull():
		return ""
	case v.Kind() == parquet.Double:
		return strconv.FormatFloat(v.Double(), 'g', -1, 64)
	case v.Kind() == parquet.Int32:
		return strconv.Itoa(int(v.Int32()))
	}
	return string(v.ByteArray())
}
