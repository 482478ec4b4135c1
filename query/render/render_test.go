package render_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/olekukonko/tablewriter/pkg/twwidth"

	"tatum/query"
	"tatum/query/render"
	"tatum/store"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant as in %s\n%s", got, path, want)
	}
}

const trackID = "TRAAABD128F429CF47"

var song = store.Track{ID: trackID, ArtistName: "Sigur Rós", Title: "Glósóli", Release: "Takk…", Year: 2005}

var placements = []query.Placement{
	{TrackID: trackID, Feature: 0, Cluster: 7, Label: 31, Fold: 4, Distance: 0.1, RunnerUp: 2, RunnerUpDistance: 1.0 / 3, Margin: 1.0/3 - 0.1},
	{TrackID: trackID, Feature: 4, Cluster: 12, Label: 3, Fold: 4, Distance: 12.5, RunnerUp: 11, RunnerUpDistance: 12.5000001, Margin: 1e-7},
	{TrackID: trackID, Feature: 7, Cluster: 0, Label: 0, Fold: 0, Distance: 0, RunnerUpDistance: math.NaN(), Margin: math.NaN()},
}

var members = []query.Member{
	{Rank: 1, TrackID: "TRAAAAA00000000001", Artist: "Perfume", Title: "ポリリズム", Cluster: 7, Label: 3, Fold: 1, Distance: 0.25},
	{Rank: 2, TrackID: "TRAAAAA00000000002", Artist: "Beyoncé", Title: "De\u0301ja\u0300 Vu", Cluster: 7, Label: 3, Fold: 1, Distance: 1.5},
	{Rank: 3, TrackID: "TRAAAAA00000000003", Artist: "Pipe | Organ", Title: "Tab\there, \"quotes\", back\\slash\nnew line", Cluster: 7, Label: 0, Fold: 0, Distance: 10},
	{Rank: 4, TrackID: "TRAAAAA00000000004", Artist: "Godspeed You! Black Emperor", Title: "Storm: Lift Yr. Skinny Fists, Like Antennas to Heaven… / Gathering Storm", Cluster: 7, Label: 31, Fold: 4, Distance: 100.0625},
	{Rank: 10, TrackID: "TRAAAAA00000000005", Artist: "", Title: "\x1b[31mred\x1b[0m <b>&amp;</b>\u202e", Cluster: 7, Label: 31, Fold: 4, Distance: 1e-9},
}

// write returns rows in a format, under a heading unless that is empty.
func write[T any](t *testing.T, opts render.Options, table render.Table[T], heading string, rows []T) []byte {
	t.Helper()
	var out bytes.Buffer
	w := render.NewWriter(&out, opts, table, "Nothing found.")
	if heading != "" {
		if err := w.Heading(heading); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestGolden(t *testing.T) {
	for _, f := range render.Formats {
		opts := render.Options{Format: f}
		t.Run(string(f), func(t *testing.T) {
			golden(t, "placements."+string(f), write(t, opts, render.Placements, render.Song(&song), placements))
			golden(t, "members."+string(f), write(t, opts, render.Members, "Cluster 7 of beats_start", members))
			golden(t, "nothing."+string(f), write(t, opts, render.Members, "", nil))
		})
	}
}

func TestGoldenOthers(t *testing.T) {
	clusters := []query.ClusterSummary{
		{Feature: 1, Cluster: 0, Size: 30000, Share: 1, MeanDistance: 4.125, Silhouette: 0.25, Central: trackID},
		{Feature: 1, Cluster: 1, MeanDistance: math.NaN(), Silhouette: math.NaN()},
	}
	neighbours := []query.Neighbour{{QueryID: "TRAAAAA00000000001", Rank: 1, TrackID: trackID, Artist: "Sigur Rós", Title: "Glósóli", Distance: 0.0625}}
	matches := []query.Match{
		{TrackID: trackID, Artist: "Sigur Rós", Title: "Glósóli", Release: "Takk…", Year: 2005},
		{TrackID: "TRAAAAA00000000001"},
	}
	stats := []query.FeatureStats{
		{TrackID: trackID, Feature: 0, Vector: make(store.Vector, store.NumStats)},
		{TrackID: trackID, Feature: 4, Vector: make(store.Vector, store.NumStats)},
	}
	for i := range stats[0].Vector {
		stats[0].Vector[i], stats[1].Vector[i] = float64(i)/8, -float64(i*i*i)
	}
	stats[0].Vector[9] = 120
	arrays := []query.RawArray{
		{TrackID: trackID, Array: store.BarsStart, Rows: 3, Columns: 1, Values: []float64{0.1, 0.2, math.NaN()}},
		{TrackID: trackID, Array: store.SegmentsTimbre, Rows: 1, Columns: 12, Values: []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, -0.5}},
		{TrackID: trackID, Array: store.TatumsStart, Columns: 1, Values: []float64{}},
	}
	for _, f := range render.Formats {
		opts := render.Options{Format: f}
		t.Run(string(f), func(t *testing.T) {
			golden(t, "clusters."+string(f), write(t, opts, render.Clusters, "beats_start", clusters))
			golden(t, "neighbours."+string(f), write(t, opts, render.Neighbours, render.Song(&song), neighbours))
			golden(t, "matches."+string(f), write(t, opts, render.Matches, "", matches))
			golden(t, "stats."+string(f), write(t, opts, render.Stats, render.Song(&song), stats))
			golden(t, "arrays."+string(f), write(t, opts, render.Arrays, render.Song(&song), arrays))
		})
	}
	opts := render.Options{Format: render.FormatTable, Width: 40, Color: true}
	golden(t, "stats.40.table", write(t, opts, render.Stats, render.Song(&song), stats))
	opts = render.Options{Format: render.FormatTable, Width: 60}
	golden(t, "arrays.60.table", write(t, opts, render.Arrays, "", arrays))
}

func TestTerminal(t *testing.T) {
	for _, width := range []int{200, 100, 80, 20} {
		opts := render.Options{Format: render.FormatTable, Width: width}
		golden(t, "members."+strconv.Itoa(width)+".table", write(t, opts, render.Members, "", members))
	}
	opts := render.Options{Format: render.FormatTable, Width: 80, Color: true}
	golden(t, "placements.color.table", write(t, opts, render.Placements, render.Song(&song), placements))
}

// Two songs, of which the first has no rows.
func TestSections(t *testing.T) {
	for _, f := range []render.Format{render.FormatTable, render.FormatMarkdown, render.FormatJSON} {
		var out bytes.Buffer
		w := render.NewWriter(&out, render.Options{Format: f}, render.Placements, "No labels.")
		for _, rows := range [][]query.Placement{nil, placements} {
			if err := w.Heading(render.Song(&song)); err != nil {
				t.Fatal(err)
			}
			if err := w.WriteAll(rows); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		golden(t, "sections."+string(f), out.Bytes())
	}
}

func TestJSONReadsBack(t *testing.T) {
	type object struct {
		Rank     int
		TrackID  store.TrackID `json:"track_id"`
		Artist   string
		Title    string
		Cluster  store.Cluster
		Label    store.Label
		Fold     store.Fold
		Distance float64
	}
	var got []object
	if err := json.Unmarshal(write(t, render.Options{Format: render.FormatJSON}, render.Members, "", members), &got); err != nil {
		t.Fatal(err)
	}
	var lines []object
	d := json.NewDecoder(bytes.NewReader(write(t, render.Options{Format: render.FormatJSONL}, render.Members, "", members)))
	for d.More() {
		var o object
		if err := d.Decode(&o); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, o)
	}
	var want []object
	for _, m := range members {
		want = append(want, object(m))
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("json: got %+v, want %+v", got, want)
	}
	if !reflect.DeepEqual(lines, want) {
		t.Errorf("jsonl: got %+v, want %+v", lines, want)
	}
}

func TestSeparatedReadsBack(t *testing.T) {
	records, err := csv.NewReader(bytes.NewReader(write(t, render.Options{Format: render.FormatCSV}, render.Members, "", members))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	checkRecords(t, records)

	unescape := strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n", `\r`, "\r")
	records = nil
	for line := range strings.Lines(string(write(t, render.Options{Format: render.FormatTSV}, render.Members, "", members))) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		for i := range cells {
			cells[i] = unescape.Replace(cells[i])
		}
		records = append(records, cells)
	}
	checkRecords(t, records)
}

func checkRecords(t *testing.T, records [][]string) {
	t.Helper()
	if len(records) != len(members)+1 {
		t.Fatalf("got %d records, want %d", len(records), len(members)+1)
	}
	for i, m := range members {
		got := records[i+1]
		distance, err := strconv.ParseFloat(got[7], 64)
		if err != nil || distance != m.Distance {
			t.Errorf("distance: got %q, want %v", got[7], m.Distance)
		}
		if got[2] != m.Artist || got[3] != m.Title {
			t.Errorf("got %q, %q, want %q, %q", got[2], got[3], m.Artist, m.Title)
		}
	}
}

type number struct{ value any }

var numbers = render.Table[number]{Columns: []render.Column[number]{
	{Name: "value", Title: "Value", Digits: 2, Value: func(n *number) any { return n.value }},
}}

func TestValues(t *testing.T) {
	tests := []struct {
		value             any
		json, csv, people string
	}{
		{nil, "null", "", "–"},
		{math.Nextafter(0.3, 1), "0.30000000000000004", "0.30000000000000004", "0.30"},
		{math.NaN(), "null", "NaN", "–"},
		{math.Inf(1), "null", "inf", "+Inf"},
		{math.Inf(-1), "null", "-inf", "-Inf"},
		{math.MaxFloat64, "1.7976931348623157e+308", "1.7976931348623157e+308", strconv.FormatFloat(math.MaxFloat64, 'f', 2, 64)},
		{math.SmallestNonzeroFloat64, "5e-324", "5e-324", "0.00"},
		{1e20, "100000000000000000000", "100000000000000000000", "100000000000000000000.00"},
		{-7, "-7", "-7", "-7"},
		{"a\xffb", `"a\ufffdb"`, "a\ufffdb", "a\ufffdb"},
		{[]float64{1, math.NaN()}, "[1, null]", `"[1, null]"`, "1.00 –"},
		{[][]float64{{1}, {}}, "[[1], []]", `"[[1], []]"`, "[[1], []]"},
	}
	for _, test := range tests {
		rows := []number{{test.value}}
		if got, want := string(write(t, render.Options{Format: render.FormatJSONL}, numbers, "", rows)), `{"value": `+test.json+"}\n"; got != want {
			t.Errorf("jsonl of %v: got %s, want %s", test.value, got, want)
		}
		if got, want := string(write(t, render.Options{Format: render.FormatCSV}, numbers, "", rows)), "value\n"+test.csv+"\n"; got != want {
			t.Errorf("csv of %v: got %q, want %q", test.value, got, want)
		}
		got := strings.Split(string(write(t, render.Options{Format: render.FormatTable}, numbers, "", rows)), "\n")
		if strings.TrimSpace(got[2]) != test.people {
			t.Errorf("table of %v: got %q, want %q", test.value, got[2], test.people)
		}
	}
}

func TestSong(t *testing.T) {
	tests := []struct {
		track store.Track
		want  string
	}{
		{song, trackID + "  Sigur Rós – Glósóli (Takk…, 2005)"},
		{store.Track{ID: trackID, Title: "Glósóli", Year: 2005}, trackID + "  Glósóli (2005)"},
		{store.Track{ID: trackID, ArtistName: "Sigur Rós", Release: "Takk…"}, trackID + "  Sigur Rós (Takk…)"},
		{store.Track{ID: trackID}, trackID},
	}
	for _, test := range tests {
		if got := render.Song(&test.track); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestParseFormat(t *testing.T) {
	for _, f := range render.Formats {
		if got, err := render.ParseFormat(string(f)); got != f || err != nil {
			t.Errorf("ParseFormat(%q): got %q, %v", f, got, err)
		}
	}
	if _, err := render.ParseFormat("xml"); err == nil {
		t.Error(`ParseFormat("xml"): got no error`)
	}
}

// TestNarrow has tables that fit a terminal only with broken titles, with cut
// text, in parts, or turned on their side.
func TestNarrow(t *testing.T) {
	placements := slices.Clone(placements)
	placements[1].Feature = store.AllFeatures[4]
	stats := make([]query.FeatureStats, 6)
	for i := range stats {
		stats[i] = query.FeatureStats{TrackID: trackID, Feature: store.Feature(i), Vector: make(store.Vector, store.NumStats)}
		for j := range stats[i].Vector {
			stats[i].Vector[j] = float64(i*j) / 8
		}
	}
	long := song
	long.Title, long.Release = "ポリリズムポリリズムポリリズムポリリズムポリリズム", "De\u0301ja\u0300 Vu, the Second Version of It"
	for _, width := range []int{60, 80, 120} {
		for _, color := range []bool{false, true} {
			opts := render.Options{Format: render.FormatTable, Width: width, Color: color}
			var all []byte
			for _, table := range [][]byte{
				write(t, opts, render.Placements, render.Song(&long), placements),
				write(t, opts, render.Members, "Cluster 7 of beats_start", members),
				write(t, opts, render.Stats, render.Song(&long), stats),
			} {
				all = append(append(all, table...), '\n')
			}
			name := fmt.Sprintf("narrow.%d.table", width)
			if color {
				name = fmt.Sprintf("narrow.%d.color.table", width)
			}
			golden(t, name, all)
			for line := range strings.Lines(string(all)) {
				line = strings.NewReplacer("\x1b[1m", "", "\x1b[2m", "", "\x1b[0m", "", "\n", "").Replace(line)
				if n := twwidth.Width(line); n > width {
					t.Errorf("%d columns, want at most %d: %q", n, width, line)
				}
			}
		}
	}
}

// TestPieces writes more rows than are held in memory, and finds them all: in
// Markdown in one table, for people under their titles again.
func TestPieces(t *testing.T) {
	rows := make([]query.Match, 25_000)
	for i := range rows {
		rows[i] = query.Match{TrackID: store.TrackID(fmt.Sprintf("TRAAAAA%011X", i)), Year: 2005}
	}
	for format, titles := range map[render.Format]int{render.FormatTable: 3, render.FormatMarkdown: 1} {
		got := string(write(t, render.Options{Format: format}, render.Matches, "", rows))
		if n := strings.Count(got, "Track ID"); n != titles {
			t.Errorf("%s: got the titles %d times, want %d", format, n, titles)
		}
		if n := strings.Count(got, "TRAAAAA"); n != len(rows) {
			t.Errorf("%s: got %d rows, want %d", format, n, len(rows))
		}
		if strings.Contains(got, "\n\n\n") || format == render.FormatMarkdown && strings.Contains(got, "\n\n") {
			t.Errorf("%s: a blank line too many", format)
		}
	}
}

// TestNothingAfterError has no sentence for nothing found where it was not
// found for an error, but under the heading of what was.
func TestNothingAfterError(t *testing.T) {
	failed := errors.New("failed")
	for heading, want := range map[string]string{"": "", "Here": "Here\n\nNothing found.\n"} {
		var out bytes.Buffer
		w := render.NewWriter(&out, render.Options{Format: render.FormatTable}, render.Members, "Nothing found.")
		if heading != "" {
			if err := w.Heading(heading); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.CloseAfter(failed); !errors.Is(err, failed) {
			t.Errorf("got error %v, want %v", err, failed)
		}
		if got := out.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
