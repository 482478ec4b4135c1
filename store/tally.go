package store

import (
	"fmt"
	"math/bits"
)

// A tally tells how many members each cluster of a feature has and what their
// distances add up to, so that the members need not be gone through. It changes
// with every member that comes or goes, and must not depend on their order.
type tally struct{ clusters []clusterTally }

type clusterTally struct {
	size uint64
	sum  distanceSum
}

// A distanceSum is a sum of distances in fixed point, of whole numbers and
// 2⁻⁶⁴ths: exact, so that it does not matter in what order they are added.
type distanceSum struct {
	whole, parts uint64
	leftOut      uint64 // distances too great for it, infinite or NaN
}

// tooGreat is more than any distance that a distanceSum takes in.
const tooGreat = 1 << 31

// fixed returns a distance in fixed point; smaller parts than the least are cut
// off.
func fixed(d float64) (whole, parts uint64) {
	whole = uint64(d)
	return whole, uint64((d - float64(whole)) * 0x1p64)
}

func (s *distanceSum) add(d float64) {
	if !(d < tooGreat) {
		s.leftOut++
		return
	}
	whole, parts := fixed(d)
	var carry uint64
	s.parts, carry = bits.Add64(s.parts, parts, 0)
	s.whole += whole + carry
}

func (s *distanceSum) subtract(d float64) {
	if !(d < tooGreat) {
		s.leftOut--
		return
	}
	whole, parts := fixed(d)
	var borrow uint64
	s.parts, borrow = bits.Sub64(s.parts, parts, 0)
	s.whole -= whole + borrow
}

func (s *distanceSum) float64() float64 { return float64(s.whole) + float64(s.parts)*0x1p-64 }

func (t *tally) add(c Cluster, distance float64) {
	t.clusters[c].size++
	t.clusters[c].sum.add(distance)
}

func (t *tally) subtract(c Cluster, distance float64) {
	t.clusters[c].size--
	t.clusters[c].sum.subtract(distance)
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
		e.uint64(c.sum.whole)
		e.uint64(c.sum.parts)
		e.uint64(c.sum.leftOut)
	}
	return seal(key, e.buf)
}

func decodeTally(key, value []byte) (t tally, err error) {
	d := decoder{buf: value}
	t.clusters = make([]clusterTally, d.uint16())
	for i := range t.clusters {
		t.clusters[i] = clusterTally{d.uint64(), distanceSum{d.uint64(), d.uint64(), d.uint64()}}
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

// A ClusterSize tells how many tracks a cluster has and how far they are from
// their centroids.
type ClusterSize struct {
	Tracks       uint64
	MeanDistance float64 // NaN when there are no tracks
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
		n, sum := t.clusters[i].size, t.clusters[i].sum.float64()
		if t.clusters[i].sum.leftOut > 0 {
			if sum, err = db.sumDistances(c, f, Cluster(i)); err != nil {
				return nil, err
			}
		}
		sizes[i] = ClusterSize{n, sum / float64(n)}
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
