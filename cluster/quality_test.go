package cluster

import (
	"math"
	"testing"

	"tatum/store"
)

// spotsOf puts rows in clusters.
func spotsOf(clusters ...store.Cluster) []store.Spot {
	spots := make([]store.Spot, len(clusters))
	for i, c := range clusters {
		spots[i].Cluster = c
	}
	return spots
}

// TestSeparation compares with figures of scikit-learn 1.7.2 for the same rows: of
// two columns that vary, standardised, and of others that do not.
func TestSeparation(t *testing.T) {
	points := [][2]float64{{0, 0}, {1, 0}, {0, 1}, {10, 10}, {11, 10}, {10, 12}, {-5, 8}}
	matrix := NewMatrix(len(points), cols)
	for i, p := range points {
		copy(matrix.Row(i), p[:])
		matrix.Row(i)[5] = 0.1 // constant, but its sum is rounded
	}
	for name, test := range map[string]struct {
		clusters                        []store.Cluster
		k                               int
		daviesBouldin, calinskiHarabasz float64
	}{
		"three clusters, two empty": {[]store.Cluster{0, 0, 0, 3, 3, 3, 4}, 5, 0.10472569868378785, 156.5367136545339},
		"one cluster":               {make([]store.Cluster, 7), 5, math.NaN(), math.NaN()},
		"as many as rows":           {[]store.Cluster{0, 1, 2, 3, 4, 5, 6}, 7, math.NaN(), math.NaN()},
	} {
		t.Run(name, func(t *testing.T) {
			db, ch := separation(matrix, spotsOf(test.clusters...), test.k)
			if !nearOrNaN(db, test.daviesBouldin) || !nearOrNaN(ch, test.calinskiHarabasz) {
				t.Errorf("got %v and %v, want %v and %v", db, ch, test.daviesBouldin, test.calinskiHarabasz)
			}
		})
	}
}

func nearOrNaN(got, want float64) bool { return near(got, want) || math.IsNaN(got) && math.IsNaN(want) }

// TestSeparationOfEqualRows has clusters of equal rows only.
func TestSeparationOfEqualRows(t *testing.T) {
	matrix := NewMatrix(6, cols)
	for i := range 6 {
		matrix.Row(i)[0] = float64(i % 2)
	}
	if db, ch := separation(matrix, spotsOf(0, 1, 0, 1, 0, 1), 2); db != 0 || ch != 1 {
		t.Errorf("got %v and %v, want 0 and 1", db, ch)
	}
	if db, ch := separation(NewMatrix(6, cols), spotsOf(0, 1, 0, 1, 0, 1), 2); db != 0 || ch != 1 {
		t.Errorf("all rows equal: got %v and %v, want 0 and 1", db, ch)
	}
}
