package export_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/parquet-go/parquet-go"

	"tatum/query"
	"tatum/query/export"
	"tatum/query/internal/madeup"
	"tatum/store"
)

// trackRow has some columns of the table of tracks, read by name.
type trackRow struct {
	TrackID  string   `parquet:"track_id"`
	Artist   string   `parquet:"artist"`
	Title    string   `parquet:"title"`
	Release  string   `parquet:"release"`
	Year     *int32   `parquet:"year,optional"`
	Tempo    float64  `parquet:"tempo"`
	Key      int32    `parquet:"key"`
	Cluster  *int32   `parquet:"segments_start_cluster,optional"`
	Label    *int32   `parquet:"segments_start_label,optional"`
	Fold     *int32   `parquet:"segments_start_fold,optional"`
	Distance *float64 `parquet:"segments_start_distance,optional"`
}

func trackColumns() []string {
	names := []string{"track_id", "artist", "title", "release", "year", "duration", "tempo", "key", "mode", "loudness"}
	for _, f := range store.Features {
		for _, what := range []string{"cluster", "label", "fold", "distance"} {
			names = append(names, f.String()+"_"+what)
		}
	}
	return names
}

func statColumns() []string { return append([]string{"track_id", "feature"}, query.StatNames[:]...) }

// The made-up store of these tests has labelled and unlabelled songs.
const labelled, unlabelled = 20, 4

func TestParquet(t *testing.T) {
	db := madeup.New(t, labelled, unlabelled)
	dir := t.TempDir()
	if err := export.Parquet(context.Background(), db.DB, db.Clustering, dir); err != nil {
		t.Fatal(err)
	}
	f := openParquet(t, dir, "tracks.parquet")
	if got := columnNames(f); !slices.Equal(got, trackColumns()) {
		t.Errorf("tracks: got columns %v, want %v", got, trackColumns())
	}
	rows, err := parquet.ReadFile[trackRow](filepath.Join(dir, "tracks.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != labelled+unlabelled {
		t.Fatalf("got %d rows, want %d", len(rows), labelled+unlabelled)
	}
	for i := range rows {
		checkTrackRow(t, db, i, &rows[i])
	}

	f = openParquet(t, dir, "stats.parquet")
	if got := columnNames(f); !slices.Equal(got, statColumns()) {
		t.Errorf("stats: got columns %v, want %v", got, statColumns())
	}
	if f.NumRows() != (labelled+unlabelled)*store.NumFeatures {
		t.Fatalf("stats: got %d rows", f.NumRows())
	}
	r := parquet.NewReader(f)
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	buf := make([]parquet.Row, 1)
	for i := range int(f.NumRows()) {
		if n, err := r.ReadRows(buf); n != 1 {
			t.Fatal(err)
		}
		checkStats(t, i, buf[0][0].String(), buf[0][1].String(), func(j int) float64 { return buf[0][2+j].Double() })
	}
}

func TestParquetWithoutClustering(t *testing.T) {
	db := madeup.New(t, 0, 3)
	dir := t.TempDir()
	if err := export.Parquet(context.Background(), db.DB, nil, dir); err != nil {
		t.Fatal(err)
	}
	if got := columnNames(openParquet(t, dir, "tracks.parquet")); !slices.Equal(got, trackColumns()[:10]) {
		t.Errorf("got columns %v, want %v", got, trackColumns()[:10])
	}
}

func openParquet(t *testing.T, dir, name string) *parquet.File {
	t.Helper()
	b := read(t, dir, name)
	f, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func columnNames(f *parquet.File) []string {
	var names []string
	for _, path := range f.Schema().Columns() {
		names = append(names, path[0])
	}
	return names
}

// checkTrackRow compares the row of song i.
func checkTrackRow(t *testing.T, db madeup.Store, i int, got *trackRow) {
	t.Helper()
	s := madeup.Song(i)
	tempoBits := math.Float64bits(s.Tempo)
	if got.TrackID != string(s.ID) || got.Artist != s.ArtistName || got.Title != s.Title || got.Release != s.Release ||
		got.Key != s.Key || math.Float64bits(got.Tempo) != tempoBits || !is(got.Year, s.Year, s.Year != 0) {
		t.Errorf("got %+v, want %+v", *got, s.Track)
	}
	a := store.Assignment{Distances: []float64{0}}
	has := i < labelled
	if has {
		a = db.Place(t, store.Feature(store.SegmentsStart), s.ID)
	}
	if !is(got.Cluster, int32(a.Cluster), has) || !is(got.Label, int32(a.Label), has) || !is(got.Fold, int32(a.Fold), has) ||
		!is(got.Distance, a.Distance(), has) {
		t.Errorf("%s: got %+v, want %+v", s.ID, *got, a)
	}
}

// is reports whether got is want, or null unless there is to be a value.
func is[V comparable](got *V, want V, has bool) bool {
	if got == nil || !has {
		return got == nil && !has
	}
	return *got == want
}

// checkStats compares row i of the table of stat vectors.
func checkStats(t *testing.T, i int, id, feature string, stat func(j int) float64) {
	t.Helper()
	song, f := i/store.NumFeatures, store.Feature(i%store.NumFeatures)
	if id != string(madeup.ID(song)) || feature != f.String() {
		t.Errorf("row %d: got %s of %s, want %v of %s", i, feature, id, f, madeup.ID(song))
	}
	for j, want := range madeup.Vectors(song)[f] {
		if got := stat(j); got != want {
			t.Errorf("row %d, %s: got %v, want %v", i, query.StatNames[j], got, want)
		}
	}
}

func TestCSV(t *testing.T) {
	db := madeup.New(t, labelled, unlabelled)
	dir := t.TempDir()
	if err := export.CSV(context.Background(), db.DB, db.Clustering, dir); err != nil {
		t.Fatal(err)
	}
	records := readCSV(t, dir, "tracks.csv")
	if !slices.Equal(records[0], trackColumns()) || len(records) != 1+labelled+unlabelled {
		t.Fatalf("tracks: got %d records under %v", len(records), records[0])
	}
	for i, record := range records[1:] {
		checkTrackRow(t, db, i, parseTrack(t, records[0], record))
	}
	records = readCSV(t, dir, "stats.csv")
	if !slices.Equal(records[0], statColumns()) || len(records) != 1+(labelled+unlabelled)*store.NumFeatures {
		t.Fatalf("stats: got %d records under %v", len(records), records[0])
	}
	for i, record := range records[1:] {
		checkStats(t, i, record[0], record[1], func(j int) float64 { return *parseFloat(t, record[2+j]) })
	}
	records = readCSV(t, dir, "sound.csv")
	if want := append([]string{"track_id", "feature"}, query.SoundStatNames[:]...); !slices.Equal(records[0], want) {
		t.Errorf("sound: got columns %v, want %v", records[0], want)
	}
	records = records[1:]
	for _, f := range store.SoundFeatures {
		for song := range labelled + unlabelled {
			v := madeup.Vectors(song)[f]
			if v == nil {
				continue
			}
			if records[0][0] != string(madeup.ID(song)) || records[0][1] != f.String() {
				t.Fatalf("sound: got %v of %s, want %v of song %d", records[0][1], records[0][0], f, song)
			}
			for j, want := range v {
				if got := *parseFloat(t, records[0][2+j]); got != want {
					t.Errorf("sound, song %d, %s: got %v, want %v", song, query.SoundStatNames[j], got, want)
				}
			}
			records = records[1:]
		}
	}
	if len(records) > 0 {
		t.Errorf("sound: %d rows more than wanted", len(records))
	}
}

func readCSV(t *testing.T, dir, name string) [][]string {
	t.Helper()
	records, err := csv.NewReader(bytes.NewReader(read(t, dir, name))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func parseFloat(t *testing.T, field string) *float64 {
	t.Helper()
	if field == "" {
		return nil
	}
	x, err := strconv.ParseFloat(field, 64)
	if err != nil {
		t.Fatal(err)
	}
	return &x
}

func parseInt(t *testing.T, field string) *int32 {
	t.Helper()
	x := parseFloat(t, field)
	if x == nil {
		return nil
	}
	n := int32(*x)
	return &n
}

func parseTrack(t *testing.T, header, record []string) *trackRow {
	t.Helper()
	field := func(name string) string { return record[slices.Index(header, name)] }
	return &trackRow{
		TrackID: field("track_id"), Artist: field("artist"), Title: field("title"), Release: field("release"),
		Year: parseInt(t, field("year")), Tempo: *parseFloat(t, field("tempo")), Key: *parseInt(t, field("key")),
		Cluster:  parseInt(t, field("segments_start_cluster")),
		Label:    parseInt(t, field("segments_start_label")),
		Fold:     parseInt(t, field("segments_start_fold")),
		Distance: parseFloat(t, field("segments_start_distance")),
	}
}
