package query_test

import (
	"cmp"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"tatum/query"
	"tatum/query/internal/madeup"
	"tatum/store"
)

// plainSoundDistance is the definition of SoundDistance, word for word.
func plainSoundDistance(a, b store.Vector) float64 {
	var sum float64
	at := 12
	for i := range 12 {
		v1, v2 := max(a[at], 1e-6), max(b[at], 1e-6)
		s := (v1 + v2) / 2
		alike := math.Sqrt(math.Sqrt(v1*v2)/s) * math.Exp(-(a[i]-b[i])*(a[i]-b[i])/(8*s))
		sum += math.Sqrt(max(0, 1-alike))
		at += 12 - i
	}
	return sum / 12
}

func soundVectors(n int) []store.Vector {
	rng := rand.New(rand.NewPCG(1, 2))
	vectors := make([]store.Vector, n)
	for i := range vectors {
		vectors[i] = make(store.Vector, store.NumSoundStats)
		for j := range vectors[i] {
			vectors[i][j] = 20 * rng.NormFloat64()
			if j >= 12 && rng.IntN(4) > 0 {
				vectors[i][j] = 100 * rng.ExpFloat64()
			}
		}
	}
	return append(vectors, make(store.Vector, store.NumSoundStats)) // of no rows
}

func TestSoundDistance(t *testing.T) {
	vectors := soundVectors(30)
	for i, a := range vectors {
		if d := query.SoundDistance(a, a); d != 0 {
			t.Errorf("distance of %d to itself: got %v, want 0", i, d)
		}
		for j, b := range vectors {
			d := query.SoundDistance(a, b)
			// The root of a difference from 1 enlarges rounding.
			if want := plainSoundDistance(a, b); math.Abs(d*d-want*want) > 1e-14 {
				t.Errorf("distance of %d and %d: got %v, want %v", i, j, d, want)
			}
			if back := query.SoundDistance(b, a); d != back {
				t.Errorf("distance of %d and %d: got %v one way and %v the other", i, j, d, back)
			}
			if i != j && !(d > 0 && d <= 1) {
				t.Errorf("distance of %d and %d: got %v, want in (0, 1]", i, j, d)
			}
			for k, c := range vectors {
				if by := query.SoundDistance(a, c) + query.SoundDistance(c, b); d > by+1e-15 {
					t.Errorf("distance of %d and %d is %v, but by way of %d %v", i, j, d, k, by)
				}
			}
		}
	}
}

func TestSoundDistanceIsTheMeanOfItsParts(t *testing.T) {
	db := madeup.New(t, 10, 0)
	features := store.SoundFeatures[:]
	parts, err := query.Parts(db.DB, madeup.ID(0), madeup.ID(5), features)
	if err != nil || len(parts) != 2*store.SoundColumns {
		t.Fatalf("got %d parts, %v, want 24", len(parts), err)
	}
	distances, err := query.FeatureDistances(db.DB, madeup.ID(0), madeup.ID(5), features)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range distances {
		sum := 0.0
		for j, p := range parts[i*store.SoundColumns:][:store.SoundColumns] {
			if p.Feature != d.Feature || p.Statistic != query.SoundStatNames[j] {
				t.Errorf("part %d: got %v of %v", j, p.Statistic, p.Feature)
			}
			sum += p.Part
		}
		if d.Distance != sum/store.SoundColumns {
			t.Errorf("%v: got %v, want %v", d.Feature, d.Distance, sum/store.SoundColumns)
		}
	}
	if _, err := query.Parts(db.DB, madeup.ID(0), madeup.ID(3), features); !errors.Is(err, query.ErrNoSound) {
		t.Errorf("song without: got %v, want ErrNoSound", err)
	}
}

func TestSoundDistanceOfWhatIsFar(t *testing.T) {
	zero, far := make(store.Vector, store.NumSoundStats), make(store.Vector, store.NumSoundStats)
	for i := range 12 {
		far[i] = []float64{1e-3, 1, 1e10, 1e200, math.NaN()}[i%5]
	}
	d := query.SoundDistance(zero, far)
	if want := (3*math.Sqrt(1-math.Exp(-1e-6/8e-6)) + 9) / 12; math.Abs(d-want) > 1e-14 {
		t.Errorf("got %v, want %v", d, want)
	}
}

// TestSimilarBySound compares with all distances sorted, among more songs than are
// compared in full, of which some lack the sound features.
func TestSimilarBySound(t *testing.T) {
	const n = 400
	db := madeup.New(t, n, 0)
	for _, f := range store.SoundFeatures {
		for _, of := range []int{0, 5, 398} {
			v := madeup.Vectors(of)
			var all []query.Neighbour
			for i := range n {
				if i == of || !madeup.HasSound(i) {
					continue
				}
				s := madeup.Song(i)
				d := query.SoundDistance(v[f], madeup.Vectors(i)[f])
				all = append(all, query.Neighbour{QueryID: madeup.ID(of), TrackID: s.ID, Artist: s.ArtistName, Title: s.Title, Distance: d})
			}
			slices.SortFunc(all, func(a, b query.Neighbour) int {
				return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.TrackID, b.TrackID))
			})
			for i := range all {
				all[i].Rank = i + 1
			}
			third := all[2].Distance
			for _, c := range []struct {
				limit  int
				within *float64
				want   int
			}{{1, nil, 1}, {7, nil, 7}, {0, nil, len(all)}, {n, nil, len(all)}, {0, &third, 3}, {2, &third, 2}} {
				got, err := query.Similar(db.DB, madeup.ID(of), query.SimilarOptions{Feature: &f, Limit: c.limit, MaxDistance: c.within})
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got, all[:c.want]) {
					t.Errorf("%v, song %d, limit %d: got %d neighbours, want %d, or others", f, of, c.limit, len(got), c.want)
				}
			}
		}
		if _, err := query.Similar(db.DB, madeup.ID(3), query.SimilarOptions{Feature: &f}); !errors.Is(err, query.ErrNoSound) {
			t.Errorf("song without %v: got %v, want ErrNoSound", f, err)
		}
	}
}
