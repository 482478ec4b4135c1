package query

import (
	"cmp"
	"math"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"tatum/store"
)

// A Neighbour is a track similar to another.
type Neighbour struct {
	Rank     int // 1 for the nearest
	TrackID  store.TrackID
	Artist   string
	Title    string
	Distance float64 // in [0, 1]; see Distance
}

// SimilarOptions choose among a track's neighbours. The zero value compares all
// features and takes all tracks.
type SimilarOptions struct {
	Feature     *store.Feature    // compare this feature only, if not nil
	Limit       int               // how many tracks to return at most; 0 for all
	MaxDistance *float64          // leave out tracks farther away, if not nil
	SameCluster *store.Clustering // only tracks that share the track's cluster in every feature compared, if not nil
}

// Distance returns how unlike two stat vectors of one feature are: 0 when they
// are equal, at most 1. It depends on nothing but the two vectors, is symmetric
// to the bit, and a metric. With s(x) = x/(1+|x|) it is the mean of 30 parts,
// one for each statistic as in the clustering:
//
//	mean, std, iqr, cv, q10, q50, q90   |s(a) - s(b)| each
//	skew, kurtosis                      min(1, |s(a) - s(b)|) each
//	length                              |a - b| / max(a, b)
//	the 20 densities                    20 times the share of gaps that would have to move to
//	                                    another bin to make the histograms equal, whatever the
//	                                    width of their bins
//
// Between two tracks it is the mean of the distances of the features compared.
func Distance(a, b *store.Vector) float64 {
	return newProfile(a).distance(b)
}

// The parts of a stat vector.
const (
	skewAt, kurtosisAt = 4, 5
	lengthAt           = 9 // what stands before it describes the gaps' shape
	densitiesAt        = 10
	numDensities       = store.NumStats - densitiesAt
)

// A profile is a stat vector made ready to be compared with many others.
type profile struct {
	shape  [lengthAt]float64     // each x as x/(1+|x|)
	length float64               // number of gaps
	shares [numDensities]float64 // share of the gaps in each bin of the histogram
}

func newProfile(v *store.Vector) *profile {
	p := &profile{length: v[lengthAt]}
	for i := range p.shape {
		p.shape[i] = squash(v[i])
	}
	scale := shareOf(v)
	for i, density := range v[densitiesAt:] {
		p.shares[i] = float64(density * scale)
	}
	return p
}

// squash maps all numbers to (-1, 1), small ones to nearly themselves.
func squash(x float64) float64 { return x / (1 + math.Abs(x)) }

// shareOf returns what turns the densities of a vector into shares: the width
// of a bin, or 0 when there is no histogram.
func shareOf(v *store.Vector) float64 {
	d := (*[numDensities]float64)(v[densitiesAt:])
	// Four sums at once, none of which waits for another.
	var a, b, c, e float64
	for i := 0; i < numDensities; i += 4 {
		a += d[i]
		b += d[i+1]
		c += d[i+2]
		e += d[i+3]
	}
	if sum := (a + b) + (c + e); sum > 0 {
		return 1 / sum
	}
	return 0
}

// distance returns the Distance of the profile's vector to v.
func (p *profile) distance(v *store.Vector) float64 {
	var parts float64
	for i, x := range p.shape {
		part := math.Abs(x - squash(v[i]))
		if (i == skewAt || i == kurtosisAt) && part > 1 {
			part = 1
		}
		parts += part
	}
	if longer := max(p.length, v[lengthAt]); longer > 0 {
		parts += math.Abs(p.length-v[lengthAt]) / longer
	}
	d := (parts + numDensities/2*p.moved(v)) / store.NumStats
	if !(d <= 1) { // by rounding; or v is no vector that statistics give
		return 1
	}
	return d
}

// moved returns the sum of the differences of shares. That is twice the share
// of gaps that would have to move.
func (p *profile) moved(v *store.Vector) float64 {
	d := (*[numDensities]float64)(v[densitiesAt:])
	scale := shareOf(v)
	var a, b, c, e float64
	for i := 0; i < numDensities; i += 4 {
		// The conversions keep product and difference from being fused, which
		// would round other than newProfile does: distances would no longer be
		// symmetric, nor 0 between equal vectors.
		a += math.Abs(p.shares[i] - float64(d[i]*scale))
		b += math.Abs(p.shares[i+1] - float64(d[i+1]*scale))
		c += math.Abs(p.shares[i+2] - float64(d[i+2]*scale))
		e += math.Abs(p.shares[i+3] - float64(d[i+3]*scale))
	}
	return (a + b) + (c + e)
}

// Similar returns the tracks nearest to a track, itself left out, nearest first
// and by track ID among equals. It compares the track with every other one
// that the options allow; nothing is approximated. It returns
// store.ErrTrackNotFound when there is no such track, and when SameCluster is
// set, store.ErrNotAssigned when the track has no label in it and
// store.ErrNotClustered when it leaves out a feature compared.
func Similar(db *store.DB, id store.TrackID, opts SimilarOptions) ([]Neighbour, error) {
	s, err := newSearch(db, id, opts)
	if err != nil {
		return nil, err
	}
	var all []candidate
	if opts.SameCluster == nil {
		all, err = s.scan()
	} else {
		all, err = s.sharing(opts.SameCluster)
	}
	if err != nil {
		return nil, err
	}
	return s.nearest(all)
}

// A search looks for the neighbours of one track.
type search struct {
	db       *store.DB
	id       store.TrackID
	opts     SimilarOptions
	features []store.Feature // those compared
	profiles []*profile      // of the track, by feature compared
}

// A candidate is a track that may become a neighbour.
type candidate struct {
	id  store.TrackID
	sum float64 // of the distances of the features
}

func (a candidate) compare(b candidate) int {
	return cmp.Or(cmp.Compare(a.sum, b.sum), cmp.Compare(a.id, b.id))
}

func newSearch(db *store.DB, id store.TrackID, opts SimilarOptions) (*search, error) {
	s := &search{db: db, id: id, opts: opts, features: store.Features[:]}
	if opts.Feature != nil {
		s.features = []store.Feature{*opts.Feature}
	}
	for _, f := range s.features {
		v, err := db.Vector(f, id)
		if err != nil {
			return nil, err
		}
		s.profiles = append(s.profiles, newProfile(&v))
	}
	return s, nil
}

// sum returns a track's sum of distances, added up in the order of features as
// totals.add does.
func (s *search) sum(id store.TrackID) (float64, error) {
	sum := 0.0
	for i, f := range s.features {
		v, err := s.db.Vector(f, id)
		if err != nil {
			return 0, err
		}
		sum += s.profiles[i].distance(&v)
	}
	return sum, nil
}

// scan returns all tracks that may be among the nearest, with their sums.
func (s *search) scan() ([]candidate, error) {
	t, err := s.newTotals()
	if err != nil {
		return nil, err
	}
	if err := t.add(0, 1, math.Inf(1)); err != nil {
		return nil, err
	}
	bound, err := t.bound()
	if err != nil {
		return nil, err
	}
	if err := t.add(1, len(s.features), bound); err != nil {
		return nil, err
	}
	var all []candidate
	for row, sum := range t.sums {
		if sum <= bound {
			all = append(all, candidate{t.id(row), sum})
		}
	}
	return all, nil
}

// totals has the sums of all tracks, by row.
type totals struct {
	*search
	sums   []float64
	ids    [][store.TrackIDLen]byte // known when the first feature has been added
	shares []share
}

// A share is the run of rows that one worker adds to.
type share struct {
	from, to    int           // number of the first row, and of the row after the last
	first, last store.TrackID // tracks of the first row and of the last
}

func (s *search) newTotals() (*totals, error) {
	state, err := s.db.State()
	if err != nil {
		return nil, err
	}
	n := int(state.Tracks)
	t := &totals{search: s, sums: make([]float64, n), ids: make([][store.TrackIDLen]byte, n)}
	workers := min(runtime.GOMAXPROCS(0), n)
	var ends []int
	for w := range workers {
		s := share{from: w * n / workers, to: (w + 1) * n / workers}
		t.shares = append(t.shares, s)
		ends = append(ends, s.from, s.to-1)
	}
	ids, err := s.db.TrackIDsAt(ends...)
	if err != nil {
		return nil, err
	}
	for w := range t.shares {
		t.shares[w].first, t.shares[w].last = ids[2*w], ids[2*w+1]
	}
	return t, nil
}

func (t *totals) id(row int) store.TrackID { return store.TrackID(t.ids[row][:]) }

// add adds to the sums the distances of the features from first to before end,
// leaving alone sums that exceed bound: they would only grow.
func (t *totals) add(first, end int, bound float64) error {
	var group errgroup.Group
	for _, w := range t.shares {
		sums, ids := t.sums[w.from:w.to], t.ids[w.from:w.to]
		group.Go(func() error {
			for i := first; i < end; i++ {
				err := t.db.VectorRange(t.features[i], w.first, w.last, len(sums),
					func(row int) bool { return sums[row] <= bound },
					func(row int, id []byte, v *store.Vector) {
						sums[row] += t.profiles[i].distance(v)
						if i == 0 {
							copy(ids[row][:], id)
						}
					})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// boundSample is how many tracks beyond those wanted are compared in full in
// order to find a bound. More give a lower bound, but cost look-ups.
const boundSample = 200

// bound returns a sum that none of the nearest tracks exceeds, when the sums
// have the first feature: as many tracks as are wanted do not exceed it.
func (t *totals) bound() (float64, error) {
	bound := math.Inf(1)
	if t.opts.MaxDistance != nil {
		// A little more, as distances are compared after a division.
		bound = *t.opts.MaxDistance * float64(len(t.features)) * (1 + 1e-12)
	}
	if t.opts.Limit == 0 || t.opts.Limit >= len(t.sums)-1 {
		return bound, nil
	}
	wanted := t.opts.Limit + 1 // with the track itself
	rows := least(len(t.sums), min(wanted+boundSample, len(t.sums)), func(a, b int) int {
		return cmp.Or(cmp.Compare(t.sums[a], t.sums[b]), cmp.Compare(a, b))
	})
	var sums []float64
	for _, row := range rows {
		sum, err := t.sum(t.id(row))
		if err != nil {
			return 0, err
		}
		sums = append(sums, sum)
	}
	slices.Sort(sums)
	return min(bound, sums[wanted-1]), nil
}

// sharing returns the tracks that share the track's cluster in every feature
// compared, with their sums.
func (s *search) sharing(c *store.Clustering) ([]candidate, error) {
	shared := make(map[store.TrackID]int) // number of features in which the cluster is shared
	for _, f := range s.features {
		if err := checkFeature(c, f); err != nil {
			return nil, err
		}
		a, err := s.db.Assignment(c, f, s.id)
		if err != nil {
			return nil, err
		}
		err = s.db.Members(c, f, a.Cluster, func(member store.TrackID, _ float64) bool {
			shared[member]++
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	var all []candidate
	for member, n := range shared {
		if n < len(s.features) {
			continue
		}
		sum, err := s.sum(member)
		if err != nil {
			return nil, err
		}
		all = append(all, candidate{member, sum})
	}
	return all, nil
}

// nearest returns those of the candidates that the options ask for.
func (s *search) nearest(all []candidate) ([]Neighbour, error) {
	n := float64(len(s.features))
	all = slices.DeleteFunc(all, func(c candidate) bool {
		return c.id == s.id || s.opts.MaxDistance != nil && c.sum/n > *s.opts.MaxDistance
	})
	slices.SortFunc(all, candidate.compare)
	if s.opts.Limit > 0 && s.opts.Limit < len(all) {
		all = all[:s.opts.Limit]
	}
	neighbours := make([]Neighbour, len(all))
	for i, c := range all {
		t, err := s.db.Track(c.id)
		if err != nil {
			return nil, err
		}
		neighbours[i] = Neighbour{i + 1, c.id, t.ArtistName, t.Title, c.sum / n}
	}
	return neighbours, nil
}

// least returns the n least of the numbers below end, in order.
func least(end, n int, compare func(a, b int) int) []int {
	// A sorted head of n, into which few of the others ever come: as they are
	// in no order, about n·ln(end/n).
	head := make([]int, n)
	for i := range head {
		head[i] = i
	}
	slices.SortFunc(head, compare)
	for i := n; i < end; i++ {
		if compare(i, head[n-1]) >= 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(head, i, compare)
		copy(head[at+1:], head[at:n-1])
		head[at] = i
	}
	return head
}
