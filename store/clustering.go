package store

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.etcd.io/bbolt"
)

// A Fold numbers one of a clustering's cross-validation folds, from 0.
type Fold uint16

// A Label is the index of a centroid in one fold's model. Labels of different
// folds have nothing to do with each other.
type Label uint16

// A Cluster is a label after the folds' models were aligned: the same number
// means the same in every fold.
type Cluster uint16

// DefaultClustering is the name of the clustering that commands use unless told
// otherwise.
const DefaultClustering = "default"

// maxNameLen is the length that a clustering's name may have, in bytes.
const maxNameLen = 255

// CheckName returns an error unless name can be a clustering's: it is not
// empty, no longer than 255 bytes, and valid UTF-8 without control characters.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("the name of a clustering must not be empty")
	case len(name) > maxNameLen:
		return fmt.Errorf("the name of a clustering has %d bytes: want at most %d", len(name), maxNameLen)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("clustering %q: want a name without control characters", name)
	}
	return nil
}

// A Clustering describes one fit over all tracks then in the store.
type Clustering struct {
	Name         string
	Features     []Feature
	K            int // clusters per feature
	Folds        int
	Seed         uint32
	BatchSize    int
	RandomStream string // release of scikit-learn whose random draws were followed

	Algorithm   uint32    // version of the fitting code; grows when results change
	Fitted      time.Time // UTC
	Tracks      uint64    // number of tracks it was fitted on
	Generation  uint64    // the store's generation then
	Fingerprint [32]byte  // SHA-256 of the IDs and vectors it was fitted on
	Summaries   []Summary // what the fits came to, by feature in the order of Features

	fit uint32
}

// A Summary tells what the fits of one feature came to, over the tracks that
// they were fitted on.
type Summary struct {
	Inertia        float64  // sum of squared distances of training rows to their centroids, mean of the folds
	DistinctRows   uint64   // different vectors; with fewer than K, clusters stay empty
	MeanAgreement  float64  // adjusted Rand index between two folds' models, mean of all pairs
	LeastAgreement float64  // that of the two that agree least
	Sizes          []uint64 // tracks in each cluster
}

// Empty returns the clusters that got no track, ascending.
func (s *Summary) Empty() []Cluster {
	var empty []Cluster
	for c, size := range s.Sizes {
		if size == 0 {
			empty = append(empty, Cluster(c))
		}
	}
	return empty
}

// A Model is what one fold learnt about one feature from the tracks it was
// shown: how to scale a vector, and the centroids of the scaled vectors.
type Model struct {
	Feature   Feature
	Fold      Fold
	Mean      Vector    // subtracted first
	Scale     Vector    // then divided by
	Centroids []Vector  // by label, in scaled space
	Clusters  []Cluster // by label
	Inertia   float64   // sum of squared distances, training rows to their centroids
	Steps     uint32    // mini-batches used
}

// An Assignment is a track's place in one feature's clusters.
type Assignment struct {
	Fold      Fold
	Label     Label
	Cluster   Cluster
	Assigned  bool      // labelled after the fit, by a model of it
	Distances []float64 // to the fold model's centroids, by label, in scaled space
}

// Distance returns the distance to the centroid of the track's own label.
func (a *Assignment) Distance() float64 { return a.Distances[a.Label] }

func sealClustering(c *Clustering) []byte {
	var e encoder
	e.uint32(c.fit)
	e.uint8(uint8(len(c.Features)))
	for _, f := range c.Features {
		e.uint8(uint8(f))
	}
	for _, v := range []int{c.K, c.Folds, c.BatchSize} {
		e.uint64(uint64(v))
	}
	e.uint32(c.Seed)
	e.string(c.RandomStream)
	e.uint32(c.Algorithm)
	e.uint64(uint64(c.Fitted.UnixNano()))
	e.uint64(c.Tracks)
	e.uint64(c.Generation)
	e.bytes(c.Fingerprint[:])
	e.uint8(uint8(len(c.Summaries)))
	for i := range c.Summaries {
		e.summary(&c.Summaries[i])
	}
	return seal([]byte(c.Name), e.buf)
}

func (e *encoder) summary(s *Summary) {
	e.float64(s.Inertia)
	e.uint64(s.DistinctRows)
	e.float64(s.MeanAgreement)
	e.float64(s.LeastAgreement)
	e.uint16(uint16(len(s.Sizes)))
	for _, size := range s.Sizes {
		e.uint64(size)
	}
}

func (d *decoder) summary() (s Summary) {
	s.Inertia, s.DistinctRows = d.float64(), d.uint64()
	s.MeanAgreement, s.LeastAgreement = d.float64(), d.float64()
	for n := d.uint16(); n > 0 && !d.short; n-- {
		s.Sizes = append(s.Sizes, d.uint64())
	}
	return s
}

func unsealClustering(key, sealed []byte) (*Clustering, error) {
	value, err := unseal(key, sealed)
	if err != nil {
		return nil, err
	}
	d := decoder{buf: value}
	c := &Clustering{Name: string(key), fit: d.uint32()}
	for range d.uint8() {
		c.Features = append(c.Features, Feature(d.uint8()))
	}
	c.K, c.Folds, c.BatchSize = int(d.uint64()), int(d.uint64()), int(d.uint64())
	c.Seed = d.uint32()
	c.RandomStream = d.string()
	c.Algorithm = d.uint32()
	c.Fitted = time.Unix(0, int64(d.uint64())).UTC()
	c.Tracks, c.Generation = d.uint64(), d.uint64()
	copy(c.Fingerprint[:], d.bytes())
	for range d.uint8() {
		c.Summaries = append(c.Summaries, d.summary())
	}
	return c, d.end(key)
}

func sealModel(key []byte, m *Model) []byte {
	var e encoder
	e.uint16(uint16(len(m.Centroids)))
	e.float64s(m.Mean[:])
	e.float64s(m.Scale[:])
	for i := range m.Centroids {
		e.float64s(m.Centroids[i][:])
		e.uint16(uint16(m.Clusters[i]))
	}
	e.float64(m.Inertia)
	e.uint32(m.Steps)
	return seal(key, e.buf)
}

func unsealModel(key, sealed []byte) (*Model, error) {
	value, err := unseal(key, sealed)
	if err != nil {
		return nil, err
	}
	d := decoder{buf: value}
	k := int(d.uint16())
	m := &Model{Centroids: make([]Vector, k), Clusters: make([]Cluster, k)}
	d.float64s(m.Mean[:])
	d.float64s(m.Scale[:])
	for i := range m.Centroids {
		d.float64s(m.Centroids[i][:])
		m.Clusters[i] = Cluster(d.uint16())
	}
	m.Inertia, m.Steps = d.float64(), d.uint32()
	return m, d.end(key)
}

const assignedLater = 1 // flag of an assignment made after the fit

func sealAssignment(key []byte, a *Assignment) []byte {
	var e encoder
	e.assignment(a)
	return seal(key, e.buf)
}

func (e *encoder) assignment(a *Assignment) {
	e.uint16(uint16(a.Fold))
	e.uint16(uint16(a.Label))
	e.uint16(uint16(a.Cluster))
	var flags uint8
	if a.Assigned {
		flags |= assignedLater
	}
	e.uint8(flags)
	e.float64s(a.Distances)
}

// unsealAssignment decodes into a, whose Distances it reuses.
func unsealAssignment(key, sealed []byte, a *Assignment) error {
	value, err := unseal(key, sealed)
	if err != nil {
		return err
	}
	d := decoder{buf: value}
	a.Fold, a.Label, a.Cluster = Fold(d.uint16()), Label(d.uint16()), Cluster(d.uint16())
	a.Assigned = d.uint8()&assignedLater != 0
	k := len(d.buf) / 8
	if cap(a.Distances) < k {
		a.Distances = make([]float64, k)
	}
	a.Distances = a.Distances[:k]
	d.float64s(a.Distances)
	if int(a.Label) >= k {
		return corrupt(key, "label has no distance")
	}
	return d.end(key)
}

// Clustering returns the clustering of that name, or ErrNotClustered.
func (db *DB) Clustering(name string) (c *Clustering, err error) {
	err = db.view(func(tx *bbolt.Tx) error {
		c, err = getClustering(tx, name)
		return err
	})
	return c, err
}

func getClustering(tx *bbolt.Tx, name string) (*Clustering, error) {
	sealed, err := get(tx.Bucket(namesBucket), []byte(name))
	if err != nil {
		return nil, err
	}
	if sealed == nil {
		return nil, fmt.Errorf("%w: no clustering %q", ErrNotClustered, name)
	}
	return unsealClustering([]byte(name), sealed)
}

// Clusterings returns all clusterings in the order of their names.
func (db *DB) Clusterings() (all []*Clustering, err error) {
	err = db.view(func(tx *bbolt.Tx) error {
		return each(tx.Bucket(namesBucket), func(key, sealed []byte) error {
			c, err := unsealClustering(key, sealed)
			all = append(all, c)
			return err
		})
	})
	return all, err
}

// fitBucket returns a bucket of the clustering's fit.
func fitBucket(tx *bbolt.Tx, c *Clustering, name []byte) (*bbolt.Bucket, error) {
	fit := tx.Bucket(fitsBucket).Bucket(fitKey(c.fit))
	if fit == nil {
		return nil, fmt.Errorf("%w: clustering %q has no fit %d", ErrCorrupt, c.Name, c.fit)
	}
	b := fit.Bucket(name)
	if b == nil {
		return nil, fmt.Errorf("%w: fit %d has no %s", ErrCorrupt, c.fit, name)
	}
	return b, nil
}

// viewFit runs fn with a bucket of the clustering's fit.
func (db *DB) viewFit(c *Clustering, name []byte, fn func(b *bbolt.Bucket) error) error {
	return db.view(func(tx *bbolt.Tx) error {
		b, err := fitBucket(tx, c, name)
		if err != nil {
			return err
		}
		return fn(b)
	})
}

// Models returns the models of a clustering for one feature, by fold. It
// returns ErrNotClustered when the clustering leaves out the feature.
func (db *DB) Models(c *Clustering, f Feature) (models []*Model, err error) {
	err = db.viewFit(c, modelsBucket, func(b *bbolt.Bucket) error {
		return scan(b, []byte{byte(f)}, func(key, sealed []byte) error {
			m, err := unsealModel(key, sealed)
			if err != nil {
				return err
			}
			m.Feature, m.Fold = f, Fold(len(models))
			models = append(models, m)
			return nil
		})
	})
	if err == nil && len(models) == 0 {
		err = fmt.Errorf("%w: clustering %q leaves out %v", ErrNotClustered, c.Name, f)
	}
	return models, err
}

// Assignment returns a track's place among a feature's clusters, or
// ErrNotAssigned.
func (db *DB) Assignment(c *Clustering, f Feature, id TrackID) (a Assignment, err error) {
	err = db.viewFit(c, assignmentsBucket, func(b *bbolt.Bucket) error {
		key := assignmentKey(id, f)
		sealed, err := get(b, key)
		if err != nil {
			return err
		}
		if sealed == nil {
			return fmt.Errorf("%w: %q", ErrNotAssigned, id)
		}
		return unsealAssignment(key, sealed, &a)
	})
	return a, err
}

// Assignments calls fn with every labelled track's place among a feature's
// clusters, in row order. The assignment is fn's until it returns.
func (db *DB) Assignments(c *Clustering, f Feature, fn func(id TrackID, a *Assignment) error) error {
	return db.viewFit(c, assignmentsBucket, func(b *bbolt.Bucket) error {
		var a Assignment
		return each(b, func(key, sealed []byte) error {
			id, of, err := c.splitAssignmentKey(key)
			if err != nil || of != f {
				return err
			}
			if err := unsealAssignment(key, sealed, &a); err != nil {
				return err
			}
			return fn(TrackID(id), &a)
		})
	})
}

// errStop ends a scan early.
var errStop = errors.New("stop")

// Members calls fn with a cluster's tracks, nearest to their centroid first and
// by ID among equals, until fn returns false. Only the members that fn is
// called with are read.
func (db *DB) Members(c *Clustering, f Feature, cluster Cluster, fn func(id TrackID, distance float64) bool) error {
	err := db.viewFit(c, membersBucket, func(b *bbolt.Bucket) error {
		return scan(b, clusterKey(f, cluster), func(key, sealed []byte) error {
			if _, err := unseal(key, sealed); err != nil {
				return err
			}
			distance, id, err := splitMemberKey(key)
			if err != nil {
				return err
			}
			if !fn(id, distance) {
				return errStop
			}
			return nil
		})
	})
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}

// Unassigned calls fn with the tracks behind the ID after that have no place in
// the clustering, in row order, until fn returns false. With an empty ID it
// begins at the first track.
func (db *DB) Unassigned(c *Clustering, after TrackID, fn func(id TrackID) bool) error {
	return db.view(func(tx *bbolt.Tx) error {
		b, err := fitBucket(tx, c, assignmentsBucket)
		if err != nil {
			return err
		}
		if err := errors.Join(verify(b, []byte(after), nil, false), verify(tx.Bucket(tracksBucket), []byte(after), nil, false)); err != nil {
			return err
		}
		// A track has a place in all features or in none.
		assigned, tracks := b.Cursor(), tx.Bucket(tracksBucket).Cursor()
		place, _ := assigned.Seek([]byte(after))
		for key, _ := tracks.Seek([]byte(after)); key != nil; key, _ = tracks.Next() {
			for place != nil && bytes.Compare(place, key) < 0 {
				place, _ = assigned.Next()
			}
			if !bytes.HasPrefix(place, key) && TrackID(key) != after && !fn(TrackID(key)) {
				return nil
			}
		}
		return nil
	})
}

// unassign removes a track's labels from every fit.
func unassign(tx *bbolt.Tx, id TrackID) error {
	fits := tx.Bucket(fitsBucket)
	return fits.ForEachBucket(func(fit []byte) error {
		assignments := fits.Bucket(fit).Bucket(assignmentsBucket)
		members := fits.Bucket(fit).Bucket(membersBucket)
		var a Assignment
		for _, f := range Features {
			key := assignmentKey(id, f)
			sealed := assignments.Get(key)
			if sealed == nil {
				continue
			}
			if err := unsealAssignment(key, sealed, &a); err != nil {
				return err
			}
			if err := members.Delete(memberKey(f, a.Cluster, a.Distance(), id)); err != nil {
				return err
			}
			if err := assignments.Delete(key); err != nil {
				return err
			}
		}
		return nil
	})
}
