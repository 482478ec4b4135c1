package store

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"slices"
)

// An Assignment is a track's place among one feature's clusters.
type Assignment struct {
	Feature   Feature
	Fold      Fold
	Label     Label
	Cluster   Cluster
	Trained   bool      // whether the clustering was trained on the track; its fold's model was not
	Distances []float64 // to the fold model's centroids, by label, in scaled space
}

// Distance returns the distance to the centroid of the track's own label.
func (a *Assignment) Distance() float64 { return a.Distances[a.Label] }

// RunnerUp returns the label nearest to the track after its own, of equally near
// ones the lower. ok is false when there is no other.
func (a *Assignment) RunnerUp() (label Label, ok bool) {
	for i, d := range a.Distances {
		if l := Label(i); l != a.Label && (!ok || d < a.Distances[label]) {
			label, ok = l, true
		}
	}
	return label, ok
}

// Silhouette returns how much nearer the track is to its own centroid than to the
// next one of the same model, (d2 - d1) / d2 in [0, 1], and 0 when d2 is 0. It is
// the simplified silhouette, and no number for scikit-learn's silhouette_score. It
// is NaN when there is no other centroid, or a distance is not finite.
func (a *Assignment) Silhouette() float64 {
	next, ok := a.RunnerUp()
	if !ok {
		return math.NaN()
	}
	own, other := a.Distance(), a.Distances[next]
	if other == 0 {
		return 0
	}
	// The label was not decided by the distances, whose rounding differs.
	return max(0, (other-own)/other)
}

// The flags of a place.
const (
	placeTrained = 1 << iota
	placePacked
)

const (
	mantissaBits = 52
	packedLen    = 7  // bytes of a packed distance
	maxOffset    = 15 // of a packed exponent
)

// EncodedAssignments are a track's assignments in the store's own bytes, by all
// features of a clustering.
type EncodedAssignments struct {
	ID      TrackID
	sealed  []byte
	places  int // how many there are
	tallied [NumFeatures + len(SoundFeatures)]tallied
}

// EncodeAssignments encodes a track's assignments, which ascend by feature. All
// have the same number of distances. They are appended to buf; the result shares
// its memory, and the extended buf is for the next call.
func EncodeAssignments(buf []byte, id TrackID, places []Assignment) (EncodedAssignments, []byte) {
	start := len(buf)
	e := encoder{buf}
	e.uint16(uint16(len(places[0].Distances)))
	e.uint8(uint8(len(places)))
	for i := range places {
		e.place(&places[i])
	}
	e.uint32(checksum([]byte(id), e.buf[start:]))
	encoded := EncodedAssignments{ID: id, sealed: e.buf[start:len(e.buf):len(e.buf)], places: len(places)}
	for i := range places {
		encoded.tallied[i] = talliedOf(&places[i])
	}
	return encoded, e.buf
}

func (e *encoder) place(a *Assignment) {
	var flags uint8
	if a.Trained {
		flags |= placeTrained
	}
	greatest, ok := packedExponent(a)
	if ok {
		flags |= placePacked
	}
	e.uint8(uint8(a.Feature))
	e.uint8(flags)
	e.uint16(uint16(a.Fold))
	e.uint16(uint16(a.Label))
	e.uint16(uint16(a.Cluster))
	e.float64(a.Distance())
	if ok {
		e.uint16(greatest)
	}
	for label, d := range a.Distances {
		switch {
		case Label(label) == a.Label:
		case ok:
			e.packed(d, greatest)
		default:
			e.float64(d)
		}
	}
}

// exponent returns the exponent of a number that is not negative, as IEEE has it.
func exponent(d float64) uint16 { return uint16(math.Float64bits(d) >> mantissaBits) }

// packedExponent returns the greatest exponent of the distances to other
// centroids than the label's, and whether the distances can be packed. The
// label's own is kept apart, since it may be much less than the others.
func packedExponent(a *Assignment) (greatest uint16, ok bool) {
	least := uint16(math.MaxUint16)
	for label, d := range a.Distances {
		if Label(label) == a.Label {
			continue
		}
		if !(d > 0 && d <= math.MaxFloat64) {
			return 0, false
		}
		greatest, least = max(greatest, exponent(d)), min(least, exponent(d))
	}
	return greatest, least > greatest || greatest-least <= maxOffset
}

// packed appends a distance as seven bytes.
func (e *encoder) packed(d float64, greatest uint16) {
	const mantissa = 1<<mantissaBits - 1
	bits := math.Float64bits(d)&mantissa | uint64(greatest-exponent(d))<<mantissaBits
	e.uint64(bits)
	e.buf = e.buf[:len(e.buf)-(8-packedLen)]
}

// packed is the inverse of the encoder's.
func (d *decoder) packed(greatest uint16) float64 {
	b := d.take(packedLen)
	if b == nil {
		return 0
	}
	bits := uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[3:]))>>8<<32
	offset := uint16(bits >> mantissaBits)
	return math.Float64frombits(bits&(1<<mantissaBits-1) | uint64(greatest-offset)<<mantissaBits)
}

// place decodes the next place into a, whose Distances it reuses.
func (d *decoder) place(a *Assignment, k int) {
	a.Feature = Feature(d.uint8())
	flags := d.uint8()
	a.Trained = flags&placeTrained != 0
	a.Fold, a.Label, a.Cluster = Fold(d.uint16()), Label(d.uint16()), Cluster(d.uint16())
	own := d.float64()
	var greatest uint16
	if flags&placePacked != 0 {
		greatest = d.uint16()
	}
	a.Distances = slices.Grow(a.Distances[:0], k)[:k]
	for label := range a.Distances {
		switch {
		case Label(label) == a.Label:
			a.Distances[label] = own
		case flags&placePacked != 0:
			a.Distances[label] = d.packed(greatest)
		default:
			a.Distances[label] = d.float64()
		}
	}
}

// decodeAssignments decodes a track's places into those of dst, whose memory it
// reuses.
func decodeAssignments(key, value []byte, dst []Assignment) ([]Assignment, error) {
	d := decoder{buf: value}
	k, n := int(d.uint16()), int(d.uint8())
	if n*k > len(value) { // a place has more bytes than that
		return nil, corrupt(key, "value is too short")
	}
	if cap(dst) < n || n > 0 && cap(dst[:n][0].Distances) < k {
		dst = make([]Assignment, n)
		distances := make([]float64, n*k)
		for i := range dst {
			dst[i].Distances = distances[i*k : (i+1)*k : (i+1)*k]
		}
	}
	dst = dst[:n]
	for i := range dst {
		a := &dst[i]
		d.place(a, k)
		switch {
		case int(a.Label) >= k:
			return nil, corrupt(key, "label has no distance")
		case !slices.Contains(AllFeatures, a.Feature) || i > 0 && a.Feature <= dst[i-1].Feature:
			return nil, corrupt(key, fmt.Sprintf("no place by feature %d here", a.Feature))
		}
	}
	return dst, d.end(key)
}

// features returns the features of places.
func features(places []Assignment) []Feature {
	all := make([]Feature, len(places))
	for i := range places {
		all[i] = places[i].Feature
	}
	return all
}

// checkPlaces returns ErrCorrupt unless the places are by the clustering's
// features, those of the sound left out or not, in its folds, with k distances.
func (c *Clustering) checkPlaces(key []byte, places []Assignment) error {
	if n := len(places); n == 0 || !slices.Equal(features(places), c.Features) && !slices.Equal(features(places), c.withoutSound()) {
		return corrupt(key, fmt.Sprintf("has a place by %v, want %v", features(places), c.Features))
	}
	for i := range places {
		a := &places[i]
		if int(a.Fold) >= c.Folds || len(a.Distances) != c.K {
			return corrupt(key, fmt.Sprintf("fold %d, %d distances: want one of %d folds, %d distances", a.Fold, len(a.Distances), c.Folds, c.K))
		}
	}
	return nil
}

// withoutSound returns the clustering's features but for those of the sound.
func (c *Clustering) withoutSound() []Feature {
	i := slices.IndexFunc(c.Features, Feature.IsSound)
	if i < 0 {
		return c.Features
	}
	return c.Features[:i]
}

// TrackAssignments returns a track's place by each of the clustering's features
// that it has, in their order. It returns ErrTrackNotFound, or ErrNotAssigned when the track
// has no label.
func (db *DB) TrackAssignments(c *Clustering, id TrackID) (places []Assignment, err error) {
	err = db.view(func(s *snapshot) error {
		fit, err := db.fit(s, c)
		if err != nil {
			return err
		}
		key := []byte(id)
		sealed, err := fit.assignments.Get(key)
		if err != nil {
			return err
		}
		if sealed == nil {
			if _, err := s.track(id); err != nil {
				return err
			}
			return fmt.Errorf("%w: %q", ErrNotAssigned, id)
		}
		if places, err = decodeAssignments(key, body(sealed), nil); err == nil {
			err = c.checkPlaces(key, places)
		}
		return err
	})
	return places, err
}

// A Placed is a track with its place by each of a clustering's features that it
// has, in their order.
type Placed struct {
	ID     TrackID
	Places []Assignment
}

// Clone returns a copy that shares no memory with p.
func (p *Placed) Clone() Placed {
	c := Placed{p.ID, slices.Clone(p.Places)}
	for i := range c.Places {
		c.Places[i].Distances = slices.Clone(c.Places[i].Distances)
	}
	return c
}

// Assignments yields the labelled tracks of a span in row order. What is yielded
// is the loop's until its next step.
func (db *DB) Assignments(c *Clustering, span Span) iter.Seq2[*Placed, error] {
	return rows(db, func(s *snapshot, yield func(*Placed) bool) error {
		fit, err := db.fit(s, c)
		if err != nil {
			return err
		}
		var n [NumArrays]uint64 // places by each feature
		var p Placed
		for e, err := range fit.assignments.Range(span.bounds()) {
			if err != nil {
				return err
			}
			if p.Places, err = decodeAssignments(e.Key, body(e.Value), p.Places); err != nil {
				return err
			}
			if err := c.checkPlaces(e.Key, p.Places); err != nil {
				return err
			}
			for i := range p.Places {
				n[p.Places[i].Feature]++
			}
			if p.ID = TrackID(e.Key); !yield(&p) {
				return nil
			}
		}
		if span != (Span{}) {
			return nil
		}
		return fit.complete(c, &n)
	})
}

// complete returns ErrCorrupt unless so many tracks have a place by each feature.
func (fit *storedFit) complete(c *Clustering, n *[NumArrays]uint64) error {
	for _, f := range c.Features {
		t, err := fit.tally(f)
		if err != nil {
			return err
		}
		if want := t.members(); n[f] != want {
			return fmt.Errorf("%w: found %d labelled tracks of %d", ErrCorrupt, n[f], want)
		}
	}
	return nil
}

// Labelled returns how many tracks have a label in the clustering. Each has one by
// the first of its features.
func (db *DB) Labelled(c *Clustering) (n uint64, err error) {
	err = db.view(func(s *snapshot) error {
		fit, err := db.fit(s, c)
		if err != nil {
			return err
		}
		t, err := fit.tally(c.Features[0])
		n = t.members()
		return err
	})
	return n, err
}

// An Unassigned is a track without a place in a clustering.
type Unassigned struct {
	ID    TrackID
	folds []trainedFold
}

// A trainedFold is the fold that held a track out when the clustering was fitted
// by a feature.
type trainedFold struct {
	feature Feature
	fold    Fold
}

// Fold returns the fold that held the track out when the clustering was fitted
// by a feature, or false if it was not trained on the track.
func (u *Unassigned) Fold(f Feature) (Fold, bool) {
	i := slices.IndexFunc(u.folds, func(t trainedFold) bool { return t.feature == f })
	if i < 0 {
		return 0, false
	}
	return u.folds[i].fold, true
}

func sealFolds(key []byte, folds []trainedFold) []byte {
	var e encoder
	e.uint8(uint8(len(folds)))
	for _, t := range folds {
		e.uint8(uint8(t.feature))
		e.uint16(uint16(t.fold))
	}
	return seal(key, e.buf)
}

func decodeFolds(key, value []byte) ([]trainedFold, error) {
	d := decoder{buf: value}
	folds := make([]trainedFold, d.uint8())
	for i := range folds {
		folds[i] = trainedFold{Feature(d.uint8()), Fold(d.uint16())}
	}
	return folds, d.end(key)
}

// Unassigned yields the tracks that have no place in the clustering, in row
// order.
func (db *DB) Unassigned(c *Clustering) iter.Seq2[*Unassigned, error] {
	return rows(db, func(s *snapshot, yield func(*Unassigned) bool) error {
		fit, err := db.fit(s, c)
		if err != nil {
			return err
		}
		for e, err := range fit.unassigned.Range(nil, nil) {
			if err != nil {
				return err
			}
			u := &Unassigned{ID: TrackID(e.Key)}
			sealed, err := fit.folds.Get(e.Key)
			if err == nil && sealed != nil {
				u.folds, err = decodeFolds(e.Key, body(sealed))
			}
			if err != nil {
				return err
			}
			if !yield(u) {
				return nil
			}
		}
		return nil
	})
}
