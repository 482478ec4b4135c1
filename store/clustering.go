package store

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"tatum/store/pages"
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
	Features     []Feature // ascending; not all tracks have those of the sound
	K            int       // clusters per feature
	Folds        int
	Seed         uint32
	BatchSize    int
	RandomStream string // release of scikit-learn whose random draws were followed

	Algorithm   uint32    // version of the fitting code; grows when results change
	Fitted      time.Time // UTC
	Tracks      uint64    // number of tracks it was fitted on, by at least one feature
	Generation  uint64    // the store's generation then, see State.GenerationOf
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

	// How well the clusters are told apart; NaN where there are fewer than two.
	Silhouette       float64 // mean of [Assignment.Silhouette]
	DaviesBouldin    float64 // scikit-learn's davies_bouldin_score of the standardised vectors; less is better
	CalinskiHarabasz float64 // its calinski_harabasz_score; more is better
}

// Tracks returns how many tracks the feature was fitted on.
func (s *Summary) Tracks() (n uint64) {
	for _, size := range s.Sizes {
		n += size
	}
	return n
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
	e.float64(s.Silhouette)
	e.float64(s.DaviesBouldin)
	e.float64(s.CalinskiHarabasz)
}

func (d *decoder) summary() (s Summary) {
	s.Inertia, s.DistinctRows = d.float64(), d.uint64()
	s.MeanAgreement, s.LeastAgreement = d.float64(), d.float64()
	for n := d.uint16(); n > 0 && !d.short; n-- {
		s.Sizes = append(s.Sizes, d.uint64())
	}
	s.Silhouette, s.DaviesBouldin, s.CalinskiHarabasz = d.float64(), d.float64(), d.float64()
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
	e.uint16(uint16(len(m.Mean)))
	e.float64s(m.Mean)
	e.float64s(m.Scale)
	for i := range m.Centroids {
		e.float64s(m.Centroids[i])
		e.uint16(uint16(m.Clusters[i]))
	}
	e.float64(m.Inertia)
	e.uint32(m.Steps)
	return seal(key, e.buf)
}

func decodeModel(key, value []byte) (*Model, error) {
	d := decoder{buf: value}
	k, columns := int(d.uint16()), int(d.uint16())
	f := Feature(key[0])
	if columns != f.VectorLen() || 8*columns*k > len(value) {
		return nil, corrupt(key, fmt.Sprintf("model of %d centroids, %d columns", k, columns))
	}
	m := &Model{Feature: f, Centroids: make([]Vector, k), Clusters: make([]Cluster, k)}
	m.Mean, m.Scale = make(Vector, columns), make(Vector, columns)
	d.float64s(m.Mean)
	d.float64s(m.Scale)
	for i := range m.Centroids {
		m.Centroids[i] = make(Vector, columns)
		d.float64s(m.Centroids[i])
		m.Clusters[i] = Cluster(d.uint16())
	}
	m.Inertia, m.Steps = d.float64(), d.uint32()
	return m, d.end(key)
}

// Clustering returns the clustering of that name, or ErrNotClustered.
func (db *DB) Clustering(name string) (c *Clustering, err error) {
	err = db.view(func(s *snapshot) error {
		sealed, err := s.names.Get([]byte(name))
		if err != nil {
			return err
		}
		if sealed == nil {
			return fmt.Errorf("%w: no clustering %q", ErrNotClustered, name)
		}
		c, err = unsealClustering([]byte(name), sealed)
		return err
	})
	return c, err
}

// Clusterings returns all clusterings in the order of their names.
func (db *DB) Clusterings() (all []*Clustering, err error) {
	err = db.view(func(s *snapshot) error {
		for e, err := range s.names.Range(nil, nil) {
			if err != nil {
				return err
			}
			c, err := unsealClustering(e.Key, e.Value)
			if err != nil {
				return err
			}
			all = append(all, c)
		}
		return nil
	})
	return all, err
}

// A storedFit has the buckets of a fit.
type storedFit struct {
	number                                                   uint32
	models, assignments, members, tallies, unassigned, folds pages.Bucket

	clusters [NumArrays][]atomic.Pointer[[]Cluster] // by fold, those of the models that were asked for
}

// fit returns the buckets of a clustering's fit. A DB keeps those it was asked
// for last, for finding them takes as long as looking up a track.
func (db *DB) fit(s *snapshot, c *Clustering) (*storedFit, error) {
	if fit := db.lastFit.Load(); fit != nil && fit.number == c.fit {
		return fit, nil
	}
	fit, err := s.fit(c)
	if err == nil {
		db.lastFit.Store(fit)
	}
	return fit, err
}

func (s *snapshot) fit(c *Clustering) (*storedFit, error) {
	fit := &storedFit{number: c.fit}
	parent, found, err := s.fits.Bucket(fitKey(c.fit), nil)
	if err == nil && !found {
		err = fmt.Errorf("%w: clustering %q has no fit %d", ErrCorrupt, c.Name, c.fit)
	}
	if err != nil {
		return nil, err
	}
	for i, dst := range []*pages.Bucket{&fit.models, &fit.assignments, &fit.members, &fit.tallies, &fit.unassigned, &fit.folds} {
		*dst, found, err = parent.Bucket(fitBuckets[i], checkSum)
		if err == nil && !found {
			err = fmt.Errorf("%w: fit %d has no %s", ErrCorrupt, c.fit, fitBuckets[i])
		}
		if err != nil {
			return nil, err
		}
	}
	for _, f := range c.Features {
		fit.clusters[f] = make([]atomic.Pointer[[]Cluster], c.Folds)
	}
	return fit, nil
}

func (fit *storedFit) modelsOf(f Feature) (models []*Model, err error) {
	for e, err := range fit.models.Prefix([]byte{byte(f)}) {
		if err != nil {
			return nil, err
		}
		m, err := decodeModel(e.Key, body(e.Value))
		if err != nil {
			return nil, err
		}
		m.Fold = Fold(len(models))
		models = append(models, m)
	}
	return models, nil
}

// clustersOf returns the clusters, by label, of one model.
func (fit *storedFit) clustersOf(f Feature, fold Fold) ([]Cluster, error) {
	if int(fold) >= len(fit.clusters[f]) {
		return nil, fmt.Errorf("%w: %v has no model of fold %d", ErrCorrupt, f, fold)
	}
	if known := fit.clusters[f][fold].Load(); known != nil {
		return *known, nil
	}
	key := modelKey(f, fold)
	value, err := fit.models.Get(key)
	if err == nil && value == nil {
		err = corrupt(key, "no such model")
	}
	if err != nil {
		return nil, err
	}
	m, err := decodeModel(key, body(value))
	if err != nil {
		return nil, err
	}
	fit.clusters[f][fold].Store(&m.Clusters)
	return m.Clusters, nil
}

// Models returns the models of a clustering for one feature, by fold. It
// returns ErrNotClustered when the clustering leaves out the feature.
func (db *DB) Models(c *Clustering, f Feature) (models []*Model, err error) {
	err = db.view(func(s *snapshot) error {
		fit, err := db.fit(s, c)
		if err != nil {
			return err
		}
		models, err = fit.modelsOf(f)
		return err
	})
	switch {
	case err != nil:
	case len(models) == 0:
		err = fmt.Errorf("%w: clustering %q leaves out %v", ErrNotClustered, c.Name, f)
	case len(models) != c.Folds:
		err = fmt.Errorf("%w: %v has %d models of %d folds", ErrCorrupt, f, len(models), c.Folds)
	}
	return models, err
}

// Clusters returns the clusters, by label, of the model of a feature's fold. The
// slice must not be changed. It is read once.
func (db *DB) Clusters(c *Clustering, f Feature, fold Fold) (clusters []Cluster, err error) {
	err = db.view(func(s *snapshot) error {
		fit, err := db.fit(s, c)
		if err != nil {
			return err
		}
		clusters, err = fit.clustersOf(f, fold)
		return err
	})
	return clusters, err
}
