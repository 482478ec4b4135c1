package query_test

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"testing"

	"tatum/query"
	"tatum/query/internal/madeup"
	"tatum/store"
)

func TestDistance(t *testing.T) {
	vectors := []store.Vector{make(store.Vector, store.NumStats)} // no gaps
	for i := range 12 {
		v := madeup.Vectors(i)[0]
		vectors = append(vectors, v)
	}
	for i := range vectors {
		a := vectors[i]
		if d := query.Distance(a, a); d != 0 {
			t.Errorf("distance of %d to itself: got %v, want 0", i, d)
		}
		for j := range vectors {
			b := vectors[j]
			ab := query.Distance(a, b)
			if ba := query.Distance(b, a); ab != ba {
				t.Errorf("distance of %d and %d: got %v one way and %v the other", i, j, ab, ba)
			}
			if i != j && !(ab > 0 && ab <= 1) {
				t.Errorf("distance of %d and %d: got %v, want in (0, 1]", i, j, ab)
			}
			for k := range vectors {
				if ac, cb := query.Distance(a, vectors[k]), query.Distance(vectors[k], b); ab > ac+cb+1e-15 {
					t.Errorf("distance of %d and %d is %v, but by way of %d %v", i, j, ab, k, ac+cb)
				}
			}
		}
	}
}

func TestDistanceParts(t *testing.T) {
	with := func(at int, x float64) store.Vector {
		v := make(store.Vector, store.NumStats)
		v[at] = x
		return v
	}
	tests := []struct {
		name string
		a, b store.Vector
		want float64
	}{
		{"mean 1 and 3", with(0, 1), with(0, 3), 0.25 / 30},
		{"skew -1 and 1", with(4, -1), with(4, 1), 1. / 30},
		{"length 100 and 75", with(9, 100), with(9, 75), 0.25 / 30},
		{"one bin, narrow and wide", with(10, 3), with(10, 7), 0},
		{"one bin and another", with(10, 3), with(20, 3), 20. / 30},
		{"not a vector", with(0, math.NaN()), with(0, 0), 1},
	}
	for _, test := range tests {
		if got := query.Distance(test.a, test.b); math.Abs(got-test.want) > 1e-15 {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

const songs = 100

// naive returns what Similar should, by other means.
func naive(t *testing.T, db madeup.Store, of int, opts query.SimilarOptions) []query.Neighbour {
	t.Helper()
	features := store.Features[:]
	if opts.Feature != nil {
		features = []store.Feature{*opts.Feature}
	}
	a := madeup.Vectors(of)
	var all []query.Neighbour
	for i := range songs {
		b := madeup.Vectors(i)
		n := query.Neighbour{QueryID: madeup.ID(of), TrackID: madeup.ID(i), Artist: madeup.Song(i).ArtistName, Title: madeup.Song(i).Title}
		same := true
		for _, f := range features {
			n.Distance += query.Distance(a[f], b[f]) / float64(len(features))
			if opts.SameCluster != nil {
				same = same && clusterOf(t, db, f, of) == clusterOf(t, db, f, i)
			}
		}
		if i != of && same && (opts.MaxDistance == nil || n.Distance <= *opts.MaxDistance) {
			all = append(all, n)
		}
	}
	slices.SortFunc(all, func(a, b query.Neighbour) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.TrackID, b.TrackID))
	})
	for i := range all {
		all[i].Rank = i + 1
	}
	if opts.Limit > 0 {
		all = all[:min(opts.Limit, len(all))]
	}
	return all
}

func clusterOf(t *testing.T, db madeup.Store, f store.Feature, song int) store.Cluster {
	t.Helper()
	a := db.Place(t, f, madeup.ID(song))
	return a.Cluster
}

func TestSimilar(t *testing.T) {
	db := madeup.New(t, songs, 0)
	feature := store.Feature(3)
	within := naive(t, db, 13, query.SimilarOptions{})[9].Distance + 1e-9
	tests := []struct {
		name string
		opts query.SimilarOptions
	}{
		{"all", query.SimilarOptions{}},
		{"limit", query.SimilarOptions{Limit: 7}},
		{"feature", query.SimilarOptions{Feature: &feature, Limit: 20}},
		{"distance", query.SimilarOptions{MaxDistance: &within}},
		{"cluster", query.SimilarOptions{SameCluster: db.Clustering}},
		{"cluster of a feature", query.SimilarOptions{SameCluster: db.Clustering, Feature: &feature, Limit: 5}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := query.Similar(db.DB, madeup.ID(13), test.opts)
			if err != nil {
				t.Fatal(err)
			}
			want := naive(t, db, 13, test.opts)
			if len(want) == 0 {
				t.Fatal("the test has no neighbours to find")
			}
			if !slices.EqualFunc(got, want, alike) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// alike compares neighbours whose distances were added up in another order.
func alike(a, b query.Neighbour) bool {
	near := math.Abs(a.Distance-b.Distance) < 1e-14
	a.Distance, b.Distance = 0, 0
	return near && a == b
}

func TestSimilarIsSymmetric(t *testing.T) {
	db := madeup.New(t, 30, 0)
	for i := range 30 {
		neighbours, err := query.Similar(db.DB, madeup.ID(i), query.SimilarOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range neighbours {
			back, err := query.Similar(db.DB, n.TrackID, query.SimilarOptions{})
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(back, func(b query.Neighbour) bool { return b.TrackID == madeup.ID(i) })
			if back[at].Distance != n.Distance {
				t.Errorf("song %d and %s: got %v one way and %v the other", i, n.TrackID, n.Distance, back[at].Distance)
			}
		}
	}
}

func TestSimilarNotThere(t *testing.T) {
	db := madeup.New(t, 5, 1)
	if _, err := query.Similar(db.DB, madeup.ID(6), query.SimilarOptions{}); !errors.Is(err, store.ErrTrackNotFound) {
		t.Errorf("unknown track: got error %v, want ErrTrackNotFound", err)
	}
	opts := query.SimilarOptions{SameCluster: db.Clustering}
	if _, err := query.Similar(db.DB, madeup.ID(5), opts); !errors.Is(err, store.ErrNotAssigned) {
		t.Errorf("track without label: got error %v, want ErrNotAssigned", err)
	}
}

// BenchmarkSimilar compares a track with all others, in memory.
func BenchmarkSimilar(b *testing.B) {
	const n = 20_000
	db := madeup.New(b, n, 0)
	for b.Loop() {
		if _, err := query.Similar(db.DB, madeup.ID(7), query.SimilarOptions{Limit: 10}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/track")
}
