package query_test

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"tatum/query"
	"tatum/query/internal/madeup"
	"tatum/store"
)

func TestTrack(t *testing.T) {
	db := madeup.New(t, 20, 1)
	for i := range 20 {
		rows, err := query.Track(db.DB, db.Clustering, madeup.ID(i))
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) != store.NumFeatures {
			t.Fatalf("song %d: got %d rows, want %d", i, len(rows), store.NumFeatures)
		}
		for f, row := range rows {
			checkPlacement(t, db, &row, store.Features[f], madeup.ID(i))
		}
	}
}

func checkPlacement(t *testing.T, db madeup.Store, row *query.Placement, f store.Feature, id store.TrackID) {
	t.Helper()
	a := db.Place(t, f, id)
	models, err := db.Models(db.Clustering, f)
	if err != nil {
		t.Fatal(err)
	}
	sorted := slices.Sorted(slices.Values(a.Distances))
	want := query.Placement{
		TrackID: id, Feature: f, Cluster: a.Cluster, Label: a.Label, Fold: a.Fold,
		Distance:         sorted[0],
		RunnerUp:         models[a.Fold].Clusters[slices.Index(a.Distances, sorted[1])],
		RunnerUpDistance: sorted[1],
		Margin:           sorted[1] - sorted[0],
	}
	if *row != want {
		t.Errorf("%v of %s: got %+v, want %+v", f, id, *row, want)
	}
}

func TestTrackNotThere(t *testing.T) {
	db := madeup.New(t, 20, 1)
	if _, err := query.Track(db.DB, db.Clustering, madeup.ID(21)); !errors.Is(err, store.ErrTrackNotFound) {
		t.Errorf("unknown track: got error %v, want ErrTrackNotFound", err)
	}
	if _, err := query.Track(db.DB, db.Clustering, madeup.ID(20)); !errors.Is(err, store.ErrNotAssigned) {
		t.Errorf("track ingested after the fit: got error %v, want ErrNotAssigned", err)
	}
}

// The look-up's budget is 20 microseconds at the 99th percentile. p99-µs is the
// 99th percentile of the look-ups, which ns/op cannot show.
func BenchmarkTrack(b *testing.B) {
	db := madeup.New(b, 1000, 0)
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		start := time.Now()
		if _, err := query.Track(db.DB, db.Clustering, madeup.ID(i*7919%1000)); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100])/1e3, "p99-µs")
}

func TestMembers(t *testing.T) {
	db := madeup.New(t, 200, 1)
	fold, label := store.Fold(1), store.Label(2)
	for _, f := range []store.Feature{0, 7} {
		total := 0
		for cluster := range store.Cluster(madeup.K) {
			all := members(t, db, f, cluster, query.MembersOptions{})
			total += len(all)
			checkMembers(t, db, f, cluster, all)
			if got := members(t, db, f, cluster, query.MembersOptions{Limit: 3, Offset: 2}); !slices.Equal(got, all[2:5]) {
				t.Errorf("limit 3, offset 2: got %+v, want %+v", got, all[2:5])
			}
			if got := members(t, db, f, cluster, query.MembersOptions{Offset: len(all)}); len(got) != 0 {
				t.Errorf("offset past the end: got %d members", len(got))
			}
			chosen := slices.DeleteFunc(slices.Clone(all), func(m query.Member) bool { return m.Fold != fold || m.Label != label })
			for i := range chosen {
				chosen[i].Rank = i + 1
			}
			if got := members(t, db, f, cluster, query.MembersOptions{Fold: &fold, Label: &label}); !slices.Equal(got, chosen) {
				t.Errorf("fold 1, label 2: got %+v, want %+v", got, chosen)
			}
		}
		if total != 200 {
			t.Errorf("%v: clusters have %d members together, want 200", f, total)
		}
	}
}

func members(t *testing.T, db madeup.Store, f store.Feature, cluster store.Cluster, opts query.MembersOptions) []query.Member {
	t.Helper()
	got, err := query.Members(db.DB, db.Clustering, f, cluster, opts)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func checkMembers(t *testing.T, db madeup.Store, f store.Feature, cluster store.Cluster, all []query.Member) {
	t.Helper()
	last := math.Inf(-1)
	for i, m := range all {
		a := db.Place(t, f, m.TrackID)
		track, err := db.Track(m.TrackID)
		if err != nil {
			t.Fatal(err)
		}
		want := query.Member{Rank: i + 1, TrackID: m.TrackID, Artist: track.ArtistName, Title: track.Title,
			Cluster: cluster, Label: a.Label, Fold: a.Fold, Distance: a.Distance()}
		if m != want || a.Cluster != cluster {
			t.Errorf("got %+v, want %+v", m, want)
		}
		if m.Distance < last {
			t.Errorf("rank %d is nearer than rank %d", m.Rank, m.Rank-1)
		}
		last = m.Distance
	}
}

func TestMembersNotThere(t *testing.T) {
	db := madeup.New(t, 20, 0)
	if _, err := query.Members(db.DB, db.Clustering, 0, madeup.K, query.MembersOptions{}); !errors.Is(err, query.ErrNoCluster) {
		t.Errorf("cluster k: got error %v, want ErrNoCluster", err)
	}
	c := *db.Clustering
	c.Features = c.Features[1:]
	if _, err := query.Members(db.DB, &c, 0, 0, query.MembersOptions{}); !errors.Is(err, store.ErrNotClustered) {
		t.Errorf("feature left out: got error %v, want ErrNotClustered", err)
	}
}
