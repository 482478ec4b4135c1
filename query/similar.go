package query

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"tatum/store"
)

// A Neighbour is a track similar to another.
type Neighbour struct {
	QueryID  store.TrackID // the track that it is similar to
	Rank     int           // 1 for the nearest
	TrackID  store.TrackID
	Artist   string
	Title    string
	Distance float64 // in [0, 1]; see Distance and SoundDistance
}

// SimilarOptions choose among a track's neighbours. The zero value compares the
// eight features and takes all tracks. With SameCluster those of the eight are
// compared that the clustering has.
type SimilarOptions struct {
	Feature     *store.Feature    // compare this feature only, if not nil; it may be a sound feature
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
func Distance(a, b store.Vector) float64 {
	return newProfile(a).distance(b, 1)
}

// The parts of a stat vector.
const (
	skewAt, kurtosisAt = 4, 5
	lengthAt           = 9 // what stands before it describes the gaps' shape
	densitiesAt        = 10
	numDensities       = store.NumStats - densitiesAt
)

// A profile is a stat vector made ready to be compared with many others. Its numbers
// lie as the vector's do: similar_amd64.s relies on it.
type profile struct {
	shape  [lengthAt]float64     // each x as x/(1+|x|)
	length float64               // number of gaps
	shares [numDensities]float64 // share of the gaps in each bin of the histogram
}

func newProfile(v store.Vector) *profile {
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
func shareOf(v store.Vector) float64 {
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
func (p *profile) distance(v store.Vector, _ float64) float64 {
	parts, moved := unlike(p, v)
	if longer := max(p.length, v[lengthAt]); longer > 0 {
		parts += math.Abs(p.length-v[lengthAt]) / longer
	}
	d := (parts + float64(numDensities/2*moved)) / store.NumStats
	if !(d <= 1) { // by rounding; or v is no vector that statistics give
		return 1
	}
	return d
}

// unlike returns the sum of the parts that the shapes of the profile's vector and v
// make, and that of the differences of their shares. The latter is twice the share
// of gaps that would have to move. It is what the machine does fastest; the order of
// additions, and so every bit, is the same everywhere.
var unlike = unlikeGo

func unlikeGo(p *profile, v store.Vector) (shape, moved float64) {
	part := func(i int) float64 { return math.Abs(p.shape[i] - squash(v[i])) }
	atMost1 := func(x float64) float64 {
		if x > 1 {
			return 1
		}
		return x // which may be no number
	}
	a, b := part(0)+atMost1(part(skewAt)), part(1)+atMost1(part(kurtosisAt))
	c, e := part(2)+part(6), part(3)+part(7)
	shape = (a + b) + (c + e) + part(8)

	d := (*[numDensities]float64)(v[densitiesAt:])
	scale := shareOf(v)
	a, b, c, e = 0, 0, 0, 0
	for i := 0; i < numDensities; i += 4 {
		// The conversions keep product and difference from being fused, which
		// would round other than newProfile does: distances would no longer be
		// symmetric, nor 0 between equal vectors.
		a += math.Abs(p.shares[i] - float64(d[i]*scale))
		b += math.Abs(p.shares[i+1] - float64(d[i+1]*scale))
		c += math.Abs(p.shares[i+2] - float64(d[i+2]*scale))
		e += math.Abs(p.shares[i+3] - float64(d[i+3]*scale))
	}
	return shape, (a + b) + (c + e)
}

// Similar returns the tracks nearest to a track, itself left out, nearest first
// and by track ID among equals. It compares the track with every other one
// that the options allow and that has the feature; nothing is approximated. It returns
// store.ErrTrackNotFound when there is no such track, ErrNoSound when it lacks the
// sound feature compared, and when SameCluster is
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
	profiles []measure       // of the track, by feature compared
}

// A measure compares a track's vector of one feature with those of others. If the
// distance is more than bound, what it returns is more than bound too.
type measure interface {
	distance(v store.Vector, bound float64) float64
	parts(v store.Vector) []float64 // whose mean is the distance
}

func newMeasure(f store.Feature, v store.Vector) measure {
	if f.IsSound() {
		return newSoundProfile(v)
	}
	return newProfile(v)
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
	} else if opts.SameCluster != nil {
		s.features = slices.DeleteFunc(slices.Clone(s.features), func(f store.Feature) bool {
			return !slices.Contains(opts.SameCluster.Features, f)
		})
		if len(s.features) == 0 {
			return nil, fmt.Errorf("%w: clustering %q has none of the features compared", store.ErrNotClustered, opts.SameCluster.Name)
		}
	}
	vectors, err := vectorsOf(db, id, s.features)
	if err != nil {
		return nil, err
	}
	for _, f := range s.features {
		s.profiles = append(s.profiles, newMeasure(f, vectors[f]))
	}
	return s, nil
}

// ErrNoSound is returned when a track lacks the sound features.
var ErrNoSound = errors.New("track has no sound features")

// vectorsOf returns a track's vectors of the features, or ErrNoSound when it lacks
// one.
func vectorsOf(db *store.DB, id store.TrackID, features []store.Feature) (store.VectorSet, error) {
	vectors, err := db.TrackVectors(id, features...)
	for _, f := range features {
		if err == nil && vectors[f] == nil {
			err = fmt.Errorf("%w: %q", ErrNoSound, id)
		}
	}
	return vectors, err
}

// sum returns a track's sum of distances, added up in the order of features. If
// the sum comes to more than bound, what it returns is more than bound too, but
// may not be all of it: the rest would only add to it. Scratch is for the
// vectors.
func (s *search) sum(vectors *store.Vectors, bound float64, scratch store.Vector) (float64, error) {
	sum := 0.0
	for i, f := range s.features {
		if err := vectors.Vector(f, scratch); err != nil {
			return 0, err
		}
		if sum += s.profiles[i].distance(scratch, bound-sum); sum > bound {
			break
		}
	}
	return sum, nil
}

// scan returns all tracks that may be among the nearest, with their sums. Each
// processor goes through a span of the tracks.
func (s *search) scan() ([]candidate, error) {
	spans, err := s.db.Spans(runtime.GOMAXPROCS(0))
	if err != nil {
		return nil, err
	}
	found := make([]shortlist, len(spans))
	var g errgroup.Group
	for i, span := range spans {
		g.Go(func() (err error) {
			found[i], err = s.scanSpan(span)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var all []candidate
	seen := 0
	for i := range found {
		all = append(all, found[i].candidates...)
		seen += found[i].seen
	}
	return all, s.db.Complete(s.features[0], seen)
}

// scanSpan returns those of the span's tracks that may be among the nearest.
func (s *search) scanSpan(span store.Span) (list shortlist, err error) {
	list.init(s)
	scratch := make(store.Vector, s.features[0].VectorLen())
	for v, err := range s.db.Vectors(s.features[0], span) {
		if err != nil {
			return list, err
		}
		sum, err := s.sum(v, list.bound, scratch)
		if err != nil {
			return list, err
		}
		list.seen++
		if sum <= list.bound {
			list.add(candidate{v.ID(), sum})
		}
	}
	return list, nil
}

// A shortlist keeps the nearest of the tracks seen.
type shortlist struct {
	seen       int
	bound      float64 // more than this no candidate's sum may be
	most       int     // candidates that are wanted; 0 for all
	candidates []candidate
}

func (l *shortlist) init(s *search) {
	l.bound = math.Inf(1)
	if s.opts.MaxDistance != nil {
		// A little more, as distances are compared after a division.
		l.bound = *s.opts.MaxDistance * float64(len(s.features)) * (1 + 1e-12)
	}
	if s.opts.Limit > 0 {
		l.most = min(s.opts.Limit, math.MaxInt/4) + 1 // with the track itself
	}
}

// add adds a candidate. With twice as many as are wanted it leaves out the
// farther half, and lowers the bound.
func (l *shortlist) add(c candidate) {
	l.candidates = append(l.candidates, c)
	if l.most == 0 || len(l.candidates) < 2*l.most {
		return
	}
	slices.SortFunc(l.candidates, candidate.compare)
	l.candidates = l.candidates[:l.most]
	l.bound = min(l.bound, l.candidates[l.most-1].sum)
}

// sharing returns the tracks that share the track's cluster in every feature
// compared, with their sums.
func (s *search) sharing(c *store.Clustering) ([]candidate, error) {
	for _, f := range s.features {
		if err := checkFeature(c, f); err != nil {
			return nil, err
		}
	}
	places, err := s.db.TrackAssignments(c, s.id)
	if err != nil {
		return nil, err
	}
	shared := make(map[store.TrackID]int) // number of features in which the cluster is shared
	for _, a := range places {
		if !slices.Contains(s.features, a.Feature) {
			continue
		}
		for m, err := range s.db.Members(c, a.Feature, a.Cluster) {
			if err != nil {
				return nil, err
			}
			shared[m.ID]++
		}
	}
	var all []candidate
	for id, n := range shared {
		if n < len(s.features) {
			continue
		}
		vectors, err := s.db.TrackVectors(id, s.features...)
		if err != nil {
			return nil, err
		}
		sum := 0.0
		for i, f := range s.features {
			sum += s.profiles[i].distance(vectors[f], math.Inf(1))
		}
		all = append(all, candidate{id, sum})
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
		neighbours[i] = Neighbour{s.id, i + 1, c.id, t.ArtistName, t.Title, c.sum / n}
	}
	return neighbours, nil
}
