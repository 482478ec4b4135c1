package query_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"tatum/query"
	"tatum/query/internal/madeup"
	"tatum/store"
)

// plainDistance is the definition of Distance, word for word.
func plainDistance(a, b store.Vector) float64 {
	s := func(x float64) float64 { return x / (1 + math.Abs(x)) }
	var parts float64
	for _, i := range []int{0, 1, 2, 3, 6, 7, 8} {
		parts += math.Abs(s(a[i]) - s(b[i]))
	}
	for _, i := range []int{4, 5} {
		parts += min(1, math.Abs(s(a[i])-s(b[i])))
	}
	if a[9] != b[9] {
		parts += math.Abs(a[9]-b[9]) / max(a[9], b[9])
	}
	share := func(v store.Vector, bin int) float64 {
		var all float64
		for _, density := range v[10:] {
			all += density
		}
		if all == 0 {
			return 0
		}
		return v[10+bin] / all
	}
	var moved float64 // gaps that leave their bin, and as many that come to it
	for bin := range 20 {
		moved += math.Abs(share(a, bin) - share(b, bin))
	}
	return (parts + 20*moved/2) / 30
}

func TestDistanceIsWhatItsCommentSays(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	vector := func() store.Vector {
		v := make(store.Vector, store.NumStats)
		for i := range v[:9] {
			v[i] = 3 * rng.NormFloat64()
		}
		v[9] = float64(rng.IntN(1000))
		for i := range v[10:] {
			if rng.IntN(3) > 0 {
				v[10+i] = rng.ExpFloat64()
			}
		}
		return v
	}
	for run := range 500 {
		a, b := vector(), vector()
		switch run % 10 {
		case 0:
			clear(b[10:]) // no histogram
		case 1:
			copy(b, a)
		case 2:
			a[9], b[9] = 0, 0
		}
		if got, want := query.Distance(a, b), plainDistance(a, b); math.Abs(got-want) > 1e-14 {
			t.Fatalf("distance of %v and %v: got %v, want %v", a, b, got, want)
		}
	}
}

// TestSimilarAmongMany has more songs than are compared in full, so that most
// are left out by the bound.
func TestSimilarAmongMany(t *testing.T) {
	const n = 700
	db := madeup.New(t, n, 0)
	for _, of := range []int{0, 5, n - 1} {
		v := madeup.Vectors(of)
		var all []query.Neighbour
		for i := range n {
			if i == of {
				continue
			}
			w := madeup.Vectors(i)
			var sum float64
			for _, f := range store.Features {
				sum += query.Distance(v[f], w[f])
			}
			s := madeup.Song(i)
			all = append(all, query.Neighbour{QueryID: madeup.ID(of), TrackID: s.ID, Artist: s.ArtistName, Title: s.Title, Distance: sum / store.NumFeatures})
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
		}{
			{1, nil, 1}, {7, nil, 7}, {300, nil, 300}, {n - 2, nil, n - 2}, {n - 1, nil, n - 1}, {n, nil, n - 1}, {0, nil, n - 1},
			{2, &third, 2}, {5, &third, 3}, {0, &third, 3},
		} {
			got, err := query.Similar(db.DB, madeup.ID(of), query.SimilarOptions{Limit: c.limit, MaxDistance: c.within})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, all[:c.want]) {
				t.Errorf("song %d, limit %d: got %d neighbours, want %d, or others", of, c.limit, len(got), c.want)
			}
		}
	}
}

func TestMembersOfFoldOrLabel(t *testing.T) {
	db := madeup.New(t, 60, 0)
	fold, label := store.Fold(2), store.Label(1)
	choices := map[string]struct {
		opts   query.MembersOptions
		chosen func(m query.Member) bool
	}{
		"fold":  {query.MembersOptions{Fold: &fold}, func(m query.Member) bool { return m.Fold == fold }},
		"label": {query.MembersOptions{Label: &label}, func(m query.Member) bool { return m.Label == label }},
	}
	for name, choice := range choices {
		found := 0
		for cluster := range store.Cluster(madeup.K) {
			var want []query.Member
			for _, m := range members(t, db, 3, cluster, query.MembersOptions{}) {
				if choice.chosen(m) {
					m.Rank = len(want) + 1
					want = append(want, m)
				}
			}
			found += len(want)
			if got := members(t, db, 3, cluster, choice.opts); !slices.Equal(got, want) {
				t.Errorf("%s, cluster %d: got %+v, want %+v", name, cluster, got, want)
			}
		}
		if found == 0 || found == 60 {
			t.Errorf("%s: %d of 60 songs chosen, so the test tells nothing", name, found)
		}
	}
}

func TestMembersNamesTheClusters(t *testing.T) {
	db := madeup.New(t, 5, 0)
	_, err := query.Members(db.DB, db.Clustering, 0, 99, query.MembersOptions{})
	want := fmt.Sprintf(`%v: 99; clustering "default" has clusters 0 to 3`, query.ErrNoCluster)
	if err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}

func TestClustersOfNobody(t *testing.T) {
	db := madeup.New(t, 0, 3)
	summaries, err := query.Clusters(db.DB, db.Clustering, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range summaries {
		if s.Size != 0 || s.Share != 0 || !math.IsNaN(s.MeanDistance) || s.Central != "" {
			t.Errorf("got %+v, want an empty cluster with share 0", s)
		}
	}
}

func TestNearestCountsEdits(t *testing.T) {
	for _, c := range []struct {
		word string
		near []string // each a guess
		far  []string // none a guess
	}{
		// Of three letters one may be wrong.
		{"abc", []string{"abc", "abx", "xbc", "ab", "bc", "abcd", "xabc", "acb", "bac"}, []string{"axy", "xyc", "cab", "bca", "cba", "a", "abxyz"}},
		// Of six letters two may be wrong.
		{"abcdef", []string{"badcef", "abcdfe", "abcd", "xxcdef", "abcdxy", "fabcde"}, []string{"badcfe", "abc", "xyzdef", "abxyzf"}},
		{"x", []string{"x", "y", "xyz"}, []string{"yx2", "abc"}},
	} {
		for _, text := range c.near {
			if len(query.Nearest(c.word, []string{text})) == 0 {
				t.Errorf("%q: %q is no guess", c.word, text)
			}
		}
		for _, text := range c.far {
			if len(query.Nearest(c.word, []string{text})) != 0 {
				t.Errorf("%q: %q is a guess", c.word, text)
			}
		}
	}
	got := query.Nearest("abcd", []string{"abcx", "abcd1", "abcd", "ABCD", "bacd"})
	if want := []string{"abcd", "ABCD", "abcx"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
