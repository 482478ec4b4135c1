package query_test

import (
	"math"
	"reflect"
	"runtime"
	"testing"

	"tatum/query"
	"tatum/query/internal/madeup"
	"tatum/store"
)

// TestMap checks that the directions are principal components: uncorrelated, the
// first with more variance, about the mean; and the same with one processor.
func TestMap(t *testing.T) {
	db := madeup.New(t, 300, 20)
	m, err := query.NewMap(db.DB, db.Clustering, 3)
	if err != nil {
		t.Fatal(err)
	}
	var x, y, xx, yy, xy float64
	for i := range m.X {
		x, y = x+m.X[i], y+m.Y[i]
		xx, yy, xy = xx+m.X[i]*m.X[i], yy+m.Y[i]*m.Y[i], xy+m.X[i]*m.Y[i]
	}
	if len(m.IDs) != 320 || math.Abs(x) > 1e-9 || math.Abs(y) > 1e-9 || math.Abs(xy) > 1e-9*xx || !(xx >= yy) || !(yy > 0) {
		t.Errorf("%d tracks, sums %v, %v, of products %v, %v, %v", len(m.IDs), x, y, xx, yy, xy)
	}
	// The madeup vectors have 25 components that vary.
	if total := 25 * 320.; math.Abs(m.Shares[0]-xx/total) > 1e-9 || math.Abs(m.Shares[1]-yy/total) > 1e-9 {
		t.Errorf("shares %v, want %v and %v", m.Shares, xx/total, yy/total)
	}
	if len(m.Stars) != madeup.K || len(m.Stars[0].X) != madeup.Folds {
		t.Errorf("stars %v", m.Stars)
	}
	if err := m.AddClusters(db.DB, db.Clustering); err != nil {
		t.Fatal(err)
	}
	for i, id := range m.IDs {
		want := int32(-1)
		if i < 300 {
			place := db.Place(t, 3, id)
			want = int32(place.Cluster)
		}
		if m.Clusters[i] != want {
			t.Fatalf("%s is in cluster %d, want %d", id, m.Clusters[i], want)
		}
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	again, err := query.NewMap(db.DB, db.Clustering, 3)
	if err != nil || !reflect.DeepEqual(again.X, m.X) || !reflect.DeepEqual(again.Stars, m.Stars) {
		t.Errorf("with one processor it is another map, %v", err)
	}
}

// TestProfiles adds up the deviations of all tracks' clusters.
func TestProfiles(t *testing.T) {
	db := madeup.New(t, 300, 0)
	p, err := query.Profiles(db.DB, db.Clustering, 2)
	if err != nil {
		t.Fatal(err)
	}
	for j, name := range p.Statistics {
		sum, size := 0.0, 0
		for _, c := range p.Clusters {
			sum, size = sum+c.Z[j]*float64(c.Size), size+c.Size
		}
		if size != 300 || math.Abs(sum) > 1e-9 {
			t.Errorf("%s: %d tracks, deviations add up to %v", name, size, sum)
		}
	}
	deviations, err := p.Explain(1)
	if err != nil || len(deviations) != 11 {
		t.Fatalf("%d deviations, %v", len(deviations), err)
	}
	for i, d := range deviations {
		if d.Rank != i+1 || i > 0 && math.Abs(d.Z) > math.Abs(deviations[i-1].Z) {
			t.Errorf("deviation %d: %+v", i, d)
		}
	}
}

func TestFeatureAgreements(t *testing.T) {
	db := madeup.New(t, 100, 5)
	all, err := query.FeatureAgreements(db.DB, db.Clustering)
	n := len(db.Clustering.Features)
	if err != nil || len(all) != n*n {
		t.Fatalf("%d agreements of %d features, %v", len(all), n, err)
	}
	for i, a := range all {
		f, other := store.Feature(i/n), store.Feature(i%n)
		if a.Feature != f || a.Other != other || a.Agreement != all[i%n*n+i/n].Agreement || f == other && a.Agreement != 1 {
			t.Errorf("%d: %+v", i, a)
		}
	}
}
