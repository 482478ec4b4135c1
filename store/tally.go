package store

import (
	"fmt"
	"math"
	"math/bits"
)

// A tally tells how many members each cluster of a feature has and what their
// distances and silhouettes add up to, so that the members need not be gone
// through. It changes with every member that comes or goes, and must not depend
// on their order.
type tally struct{ clusters []clusterTally }

type clusterTally struct {
	size        uint64
	distances   exactSum
	silhouettes exactSum
}

// A tallied is what a tally takes in of one place.
type tallied struct {
	feature              Feature
	cluster              Cluster
	distance, silhouette float64
}

func talliedOf(a *Assignment) tallied {
	return tallied{a.Feature, a.Cluster, a.Distance(), a.Silhouette()}
}

// An exactSum is a sum of numbers that are not negative, in fixed point, of whole
// numbers and 2⁻⁶⁴ths: exact, so that it does not matter in what order they are
// added.
type exactSum struct {
	whole, parts uint64
	leftOut      uint64 // numbers too great for it, infinite or NaN
}

// tooGreat is more than any number that an exactSum takes in.
const tooGreat = 1 << 31

// fixed returns a number in fixed point; smaller parts than the least are cut
// off.
func fixed(d float64) (whole, parts uint64) {
	whole = uint64(d)
	return whole, uint64((d - float64(whole)) * 0x1p64)
}

func (s *exactSum) add(d float64) {
	if !(d < tooGreat) {
		s.leftOut++
		return
	}
	whole, parts := fixed(d)
	var carry uint64
	s.parts, carry = bits.Add64(s.parts, parts, 0)
	s.whole += whole + carry
}

func (s *exactSum) subtract(d float64) {
	if !(d < tooGreat) {
		s.leftOut--
		return
	}
	whole, parts := fixed(d)
	var borrow uint64
	s.parts, borrow = bits.Sub64(s.parts, parts, 0)
	s.whole -= whole + borrow
}

func (s *exactSum) float64() float64 { return float64(s.whole) + float64(s.parts)*0x1p-64 }

// plus adds what another sum came to.
func (s *exactSum) plus(o exactSum) {
	var carry uint64
	s.parts, carry = bits.Add64(s.parts, o.parts, 0)
	s.whole += o.whole + carry
	s.leftOut += o.leftOut
}

func (t *tally) add(p tallied) {
	c := &t.clusters[p.cluster]
	c.size++
	c.distances.add(p.distance)
	c.silhouettes.add(p.silhouette)
}

func (t *tally) subtract(p tallied) {
	c := &t.clusters[p.cluster]
	c.size--
	c.distances.subtract(p.distance)
	c.silhouettes.subtract(p.silhouette)
}

// silhouette returns the mean of all members' silhouettes: NaN when one has none,
// or there are no members.
func (t *tally) silhouette() float64 {
	var all clusterTally
	for _, c := range t.clusters {
		all.size += c.size
		all.silhouettes.plus(c.silhouettes)
	}
	return all.silhouette()
}

func (c *clusterTally) silhouette() float64 {
	if c.silhouettes.leftOut > 0 {
		return math.NaN()
	}
	return c.silhouettes.float64() / float64(c.size)
}

// members returns the number of members of all clusters.
func (t *tally) members() (n uint64) {
	for i := range t.clusters {
		n += t.clusters[i].size
	}
	return n
}

func sealTally(key []byte, t *tally) []byte {
	var e encoder
	e.uint16(uint16(len(t.clusters)))
	for _, c := range t.clusters {
		e.uint64(c.size)
		e.sum(c.distances)
		e.sum(c.silhouettes)
	}
	return seal(key, e.buf)
}

func (e *encoder) sum(s exactSum) {
	e.uint64(s.whole)
	e.uint64(s.parts)
	e.uint64(s.leftOut)
}

func (d *decoder) sum() exactSum { return exactSum{d.uint64(), d.uint64(), d.uint64()} }

func decodeTally(key, value []byte) (t tally, err error) {
	d := decoder{buf: value}
	t.clusters = make([]clusterTally, d.uint16())
	for i := range t.clusters {
		t.clusters[i] = clusterTally{d.uint64(), d.sum(), d.sum()}
	}
	return t, d.end(key)
}

func tallyKey(f Feature) []byte { return []byte{byte(f)} }

// fitBytesKey is the key, among the tallies, of how many bytes the keys and
// values of the fit's models, assignments and members have.
var fitBytesKey = []byte{255}

func (fit *storedFit) tally(f Feature) (tally, error) {
	key := tallyKey(f)
	sealed, err := fit.tallies.Get(key)
	if err == nil && sealed == nil {
		err = fmt.Errorf("%w: no tally of %v", ErrCorrupt, f)
	}
	if err != nil {
		return tally{}, err
	}
	return decodeTally(key, body(sealed))
}

func (fit *storedFit) bytes() (uint64, error) {
	sealed, err := fit.tallies.Get(fitBytesKey)
	if err == nil && sealed == nil {
		err = fmt.Errorf("%w: no count of the fit's bytes", ErrCorrupt)
	}
	if err != nil {
		return 0, err
	}
	d := decoder{buf: body(sealed)}
	return d.uint64(), d.end(fitBytesKey)
}

func sealFitBytes(n uint64) []byte {
	var e encoder
	e.uint64(n)
	return seal(fitBytesKey, e.buf)
}

// A ClusterSize tells how many tracks a cluster has, how far they are from their
// centroids, and how much farther from the next.
type ClusterSize struct {
	Tracks       uint64
	MeanDistance float64 // NaN when there are no tracks
	Silhouette   float64 // mean of [Assignment.Silhouette]; NaN when there are no tracks, or only one cluster
}

// ClusterSizes returns the sizes of a feature's clusters.
func (db *DB) ClusterSizes(c *Clustering, f Feature) ([]ClusterSize, error) {
	var t tally
	err := db.view(func(s *snapshot) error {
		fit, err := db.fit(s, c)
		if err != nil {
			return err
		}
		t, err = fit.tally(f)
		return err
	})
	if err != nil {
		return nil, err
	}
	sizes := make([]ClusterSize, len(t.clusters))
	for i := range sizes {
		n, sum := t.clusters[i].size, t.clusters[i].distances.float64()
		if t.clusters[i].distances.leftOut > 0 {
			if sum, err = db.sumDistances(c, f, Cluster(i)); err != nil {
				return nil, err
			}
		}
		sizes[i] = ClusterSize{n, sum / float64(n), t.clusters[i].silhouette()}
	}
	return sizes, nil
}

// sumDistances adds up the distances of a cluster's members, nearest first.
func (db *DB) sumDistances(c *Clustering, f Feature, cluster Cluster) (sum float64, err error) {
	for m, err := range db.Members(c, f, cluster) {
		if err != nil {
			return 0, err
		}
		sum += m.Distance
	}
	return sum, nil
}
