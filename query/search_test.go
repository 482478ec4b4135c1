package query_test

import (
	"math"
	"slices"
	"testing"

	"tatum/query"
	"tatum/query/internal/madeup"
	"tatum/store"
)

func TestSearch(t *testing.T) {
	db := madeup.New(t, 0, 16) // every song of the list twice
	tests := []struct {
		text  string
		limit int
		want  []int
	}{
		{"sigur ros", 0, []int{0, 8}},
		{"SIGUR RÓS", 0, []int{0, 8}},
		{"Sigur Ro\u0301s", 0, []int{0, 8}},
		{"glos takk", 0, []int{0, 8}},
		{"ros", 1, []int{0}},
		{"リズム", 0, []int{1, 9}},
		{"ホリリスム", 0, []int{1, 9}}, // the marks of ポ and ズ count as accents
		{"deja VU", 0, []int{2, 10}},
		{"ｍｏｔｏｒｈｅａｄ", 0, []int{4, 12}},
		{"b'day", 0, []int{2, 10}},
		{"B’Day", 0, []int{2, 10}},
		{"beyonce spades", 0, nil},
		{"beyonce vu", 0, []int{2, 10}}, // words of different fields
		{"", 0, nil},
		{" ", 0, nil},
		{"nobody", 0, nil},
	}
	for _, test := range tests {
		matches, err := query.Search(db.DB, test.text, test.limit)
		if err != nil {
			t.Fatal(err)
		}
		var want []query.Match
		for _, i := range test.want {
			s := madeup.Song(i)
			want = append(want, query.Match{TrackID: s.ID, Artist: s.ArtistName, Title: s.Title, Release: s.Release, Year: int(s.Year)})
		}
		if !slices.Equal(matches, want) {
			t.Errorf("%q: got %+v, want %+v", test.text, matches, want)
		}
	}
}

// TestCatalogue holds a catalogue's answers against those of Search.
func TestCatalogue(t *testing.T) {
	for _, tracks := range []int{0, 1, 3, 600} {
		db := madeup.New(t, 0, tracks)
		c, err := query.NewCatalogue(db.DB)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, text := range []string{"", " ", "a", "E", "sigur ros", "takk…", "リズム", "spades ace of", "spades nobody", "s s s", "only \x1b", "beyonce vu"} {
			all, err := query.Search(db.DB, text, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, limit := range []int{0, 1, 7} {
				for _, offset := range []int{0, 1, 5, 100} {
					want := all[min(offset, len(all)):]
					if limit > 0 {
						want = want[:min(limit, len(want))]
					}
					got, err := c.Search(db.DB, text, offset, limit)
					if err != nil {
						t.Fatal(err)
					}
					if !slices.Equal(got, want) {
						t.Errorf("%d tracks, %q from %d, at most %d: got %+v, want %+v", tracks, text, offset, limit, got, want)
					}
					found += len(got)
				}
			}
		}
		if tracks == 600 && found < 1000 {
			t.Errorf("found only %d tracks", found)
		}
	}
}

func TestNearest(t *testing.T) {
	var features []string
	for _, f := range store.Features {
		features = append(features, f.String())
	}
	tests := []struct {
		word string
		want string // first of the guesses
	}{
		{"beats_satrt", "beats_start"},
		{"bar_start", "bars_start"},
		{"segments_loudness_start", "segments_loudness_start"},
		{"tatums", "tatums_start"},
		{"TATUMS_START", "tatums_start"},
		{"pitch", ""},
		{"", ""},
	}
	for _, test := range tests {
		got := append(query.Nearest(test.word, features), "")
		if got[0] != test.want {
			t.Errorf("%q: got %q, want %q first", test.word, got, test.want)
		}
	}
}

func TestClusters(t *testing.T) {
	db := madeup.New(t, 50, 2)
	for _, f := range []store.Feature{0, 7} {
		summaries, err := query.Clusters(db.DB, db.Clustering, f)
		if err != nil {
			t.Fatal(err)
		}
		if len(summaries) != madeup.K {
			t.Fatalf("%v: got %d clusters, want %d", f, len(summaries), madeup.K)
		}
		for i, s := range summaries {
			all := members(t, db, f, store.Cluster(i), query.MembersOptions{})
			sum, silhouettes := 0.0, 0.0
			for _, m := range all {
				place := db.Place(t, f, m.TrackID)
				sum += m.Distance
				silhouettes += place.Silhouette()
			}
			want := query.ClusterSummary{Feature: f, Cluster: store.Cluster(i), Size: len(all), Share: float64(len(all)) / 50,
				MeanDistance: sum / float64(len(all)), Central: all[0].TrackID}
			if math.Abs(s.MeanDistance-want.MeanDistance) < 1e-14*want.MeanDistance {
				want.MeanDistance = s.MeanDistance // it is added up in another order
			}
			if got, want := s.Silhouette, silhouettes/float64(len(all)); !(math.Abs(got-want) < 1e-14) {
				t.Errorf("silhouette %v, want %v", got, want)
			}
			want.Silhouette = s.Silhouette
			if s != want {
				t.Errorf("got %+v, want %+v", s, want)
			}
		}
	}
}

func TestClustersEmpty(t *testing.T) {
	db := madeup.New(t, 1, 0)
	summaries, err := query.Clusters(db.DB, db.Clustering, 0)
	if err != nil {
		t.Fatal(err)
	}
	full := 0
	for _, s := range summaries {
		if s.Size == 1 && s.Share == 1 {
			full++
		} else if s.Size != 0 || s.Share != 0 || !math.IsNaN(s.MeanDistance) || s.Central != "" {
			t.Errorf("empty cluster: got %+v", s)
		}
	}
	if full != 1 {
		t.Errorf("got %d clusters with the one track, want 1", full)
	}
}

func TestStats(t *testing.T) {
	db := madeup.New(t, 10, 0)
	rows, err := query.Stats(db.DB, madeup.ID(3))
	if err != nil {
		t.Fatal(err)
	}
	want := madeup.Vectors(3)
	for f, row := range rows {
		if row.TrackID != madeup.ID(3) || row.Feature != store.Feature(f) || !slices.Equal(row.Vector, want[f]) {
			t.Errorf("got %+v, want %v", row, want[f])
		}
	}
	rows, err = query.Stats(db.DB, madeup.ID(3), 5)
	if err != nil || len(rows) != 1 || !slices.Equal(rows[0].Vector, want[5]) {
		t.Errorf("feature 5: got %+v, %v, want %v", rows, err, want[5])
	}
}

func TestArrays(t *testing.T) {
	db := madeup.New(t, 10, 0)
	rows, err := query.Arrays(db.DB, madeup.ID(3))
	if err != nil {
		t.Fatal(err)
	}
	song := madeup.Song(3)
	var got []store.Array
	for _, row := range rows {
		got = append(got, row.Array)
		if !slices.EqualFunc(row.Values, song.Arrays[row.Array], func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }) {
			t.Errorf("%v: got %v, want %v", row.Array, row.Values, song.Arrays[row.Array])
		}
	}
	want := []store.Array{0, 1, 2, 3, 4, 5, 6, 7, store.BarsConfidence, store.SegmentsTimbre}
	if !slices.Equal(got, want) {
		t.Errorf("got arrays %v, want %v", got, want)
	}
	rows, err = query.Arrays(db.DB, madeup.ID(3), store.SegmentsTimbre, store.TatumsConfidence)
	if err != nil || len(rows) != 1 || rows[0].Rows != 2 || rows[0].Columns != 12 || rows[0].Nested()[1][0] != 6 {
		t.Errorf("timbre: got %+v, %v", rows, err)
	}
}

// BenchmarkSearch looks for what no track has, in memory.
func BenchmarkSearch(b *testing.B) {
	const n = 50_000
	db := madeup.New(b, n, 0)
	for b.Loop() {
		if _, err := query.Search(db.DB, "nowhere else", 10); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/track")
}
