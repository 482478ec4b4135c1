// Package madeup makes small stores of invented songs for the tests of package
// query and those below it. Everything in them follows from a song's number.
package madeup

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"tatum/store"
)

// K and Folds are the parameters of the clustering.
const (
	K     = 4
	Folds = 3
)

// ID returns the track ID of song i. IDs ascend with i.
func ID(i int) store.TrackID { return store.TrackID(fmt.Sprintf("TRAAAAA%011X", i)) }

// A Store is an open store of invented songs with a clustering.
type Store struct {
	*store.DB
	Clustering *store.Clustering
}

// New makes a store of labelled and then unlabelled songs. It is closed and
// removed when the test ends.
func New(tb testing.TB, labelled, unlabelled int) Store {
	tb.Helper()
	db, err := store.Open(Write(tb, labelled, unlabelled))
	check(tb, err)
	tb.Cleanup(func() { check(tb, db.Close()) })
	c, err := db.Clustering(store.DefaultClustering)
	check(tb, err)
	return Store{db, c}
}

// Write is New, but returns the path of the store and does not open it.
func Write(tb testing.TB, labelled, unlabelled int) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "made-up.db")
	w, err := store.CreateWriter(context.Background(), path, 0)
	check(tb, err)
	put(tb, w, 0, labelled)
	Fit(tb, w, store.DefaultClustering, store.Features[:], labelled)
	put(tb, w, labelled, labelled+unlabelled)
	check(tb, w.Close())
	return path
}

// Place returns a track's place by a feature.
func (s Store) Place(tb testing.TB, f store.Feature, id store.TrackID) store.Assignment {
	tb.Helper()
	places, err := s.TrackAssignments(s.Clustering, id)
	check(tb, err)
	return places[f]
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

var names = []store.Track{
	{ArtistName: "Sigur Rós", Title: "Glósóli", Release: "Takk…", Year: 2005},
	{ArtistName: "Perfume", Title: "ポリリズム", Release: "GAME", Year: 2008},
	{ArtistName: "Beyoncé", Title: "Déjà Vu", Release: "B'Day", Year: 2006},
	{ArtistName: "Pipe | Organ", Title: "Tab\there, \"quotes\"", Release: "new\nline"},
	{ArtistName: "Motörhead", Title: "Ace of Spades", Release: "Ace of Spades", Year: 1980},
	{ArtistName: "Godspeed You! Black Emperor", Title: "Storm: Lift Yr. Skinny Fists, Like Antennas to Heaven… / Gathering Storm", Release: "Lift Your Skinny Fists Like Antennas to Heaven", Year: 2000},
	{Title: "only a title \x1b[31mred"},
	{},
}

// Song returns song i.
func Song(i int) *store.Song {
	s := &store.Song{Track: names[i%len(names)]}
	s.ID = ID(i)
	s.SongID = fmt.Sprintf("SOAAAAA%011X", i)
	s.Key, s.Mode = int32(i%12), int32(i%2)
	s.Duration, s.Tempo, s.Loudness = 180+float64(i)/4, 120.125, -7.5
	if i%len(names) == 7 {
		s.Tempo = math.NaN()
	}
	s.Source.Path = fmt.Sprintf("/songs/%06d.h5", i)
	for a := range store.Array(store.NumFeatures) {
		s.Arrays[a] = []float64{0.25, 0.5 + float64(a), 1.75 + float64(i)}
	}
	s.Arrays[store.BarsConfidence] = []float64{}
	s.Arrays[store.SegmentsTimbre] = make([]float64, 24)
	for j := range s.Arrays[store.SegmentsTimbre] {
		s.Arrays[store.SegmentsTimbre][j] = float64(j) / 2
	}
	s.Arrays[store.SegmentsTimbre][1] = math.NaN()
	if HasSound(i) {
		s.Arrays[store.SegmentsPitches] = make([]float64, 24)
	}
	return s
}

// HasSound reports whether song i has the sound features.
func HasSound(i int) bool { return i%4 != 3 }

// Vectors returns the stat vectors of song i. They are no statistics of its
// arrays; some components are zero in all songs, as histograms are.
func Vectors(i int) *store.VectorSet {
	features := store.Features[:]
	if HasSound(i) {
		features = store.AllFeatures
	}
	v := store.NewVectors(features)
	rng := rand.New(rand.NewPCG(7, uint64(i)))
	for _, f := range store.Features {
		for j := range v[f] {
			if j < 25 {
				v[f][j] = rng.NormFloat64() + float64(i%K)
				if j >= 9 { // length and densities
					v[f][j] = math.Abs(v[f][j])
				}
			}
		}
	}
	for _, f := range features[store.NumFeatures:] {
		for j := range v[f] {
			v[f][j] = 10 * (rng.Float64() + float64(i%K)/2)
		}
	}
	return v
}

// batchSize bounds the nodes that bbolt builds in memory, whose insertions
// cost the square of their size.
const batchSize = 256

func put(tb testing.TB, w *store.Writer, first, end int) {
	tb.Helper()
	for ; first < end; first += batchSize {
		var batch store.Batch
		for i := first; i < min(first+batchSize, end); i++ {
			v := Vectors(i)
			batch.Songs = append(batch.Songs, *store.EncodeSong(Song(i), v))
		}
		_, err := w.Put(batch)
		check(tb, err)
	}
}

// clusterOf is the alignment: fold 0 keeps its numbers.
func clusterOf(fold store.Fold, label int) store.Cluster {
	return store.Cluster((label + int(fold)) % K)
}

// Fit clusters the first n songs by features, which ascend.
func Fit(tb testing.TB, w *store.Writer, name string, features []store.Feature, n int) {
	tb.Helper()
	var songs []int // that have any of the features
	var ids []store.TrackID
	for i := range n {
		if HasSound(i) || !features[0].IsSound() {
			songs, ids = append(songs, i), append(ids, ID(i))
		}
	}
	var state store.State
	check(tb, w.View(func(db *store.DB) (err error) {
		state, err = db.State()
		return err
	}))
	fit, err := w.NewFit(store.Clustering{
		Name: name, Features: features, K: K, Folds: Folds,
		Fitted: time.Unix(1700000000, 0).UTC(), Generation: state.GenerationOf(features),
	}, ids)
	check(tb, err)
	places := make([][]store.Assignment, len(ids))
	for _, f := range features {
		models := models(f)
		var spots []store.Spot
		sizes := make([]uint64, K)
		for row, i := range songs {
			if f.IsSound() && !HasSound(i) {
				continue
			}
			a := assignment(models, f, i)
			places[row] = append(places[row], *a)
			sizes[a.Cluster]++
			spots = append(spots, store.Spot{Row: uint32(row), Fold: a.Fold, Label: a.Label, Cluster: a.Cluster, Distance: a.Distance()})
		}
		store.SortSpots(spots, K)
		check(tb, fit.PutFeature(f, models, store.Summary{Sizes: sizes}, spots))
	}
	var encoded []store.EncodedAssignments
	for i, id := range ids {
		e, _ := store.EncodeAssignments(nil, id, places[i])
		encoded = append(encoded, e)
	}
	check(tb, fit.PutAssignments(encoded))
	_, err = fit.Commit([32]byte{})
	check(tb, err)
}

// models returns models whose centroids of one cluster are alike, but not the
// same, in all folds.
func models(f store.Feature) []*store.Model {
	var models []*store.Model
	for fold := range store.Fold(Folds) {
		m := &store.Model{Feature: f, Fold: fold, Mean: make(store.Vector, f.VectorLen()), Scale: make(store.Vector, f.VectorLen())}
		for j := range m.Scale {
			m.Scale[j] = 1
		}
		for label := range K {
			cluster := clusterOf(fold, label)
			centroid := make(store.Vector, f.VectorLen())
			for j := range centroid[:25] {
				centroid[j] = float64(cluster) + float64(fold)/64
			}
			m.Centroids = append(m.Centroids, centroid)
			m.Clusters = append(m.Clusters, cluster)
		}
		models = append(models, m)
	}
	return models
}

func assignment(models []*store.Model, f store.Feature, i int) *store.Assignment {
	m := models[i%Folds]
	v := Vectors(i)[f]
	a := &store.Assignment{Feature: f, Fold: m.Fold, Trained: true}
	for label, centroid := range m.Centroids {
		sum := 0.0
		for j := range v {
			sum += (v[j] - centroid[j]) * (v[j] - centroid[j])
		}
		a.Distances = append(a.Distances, math.Sqrt(sum))
		if a.Distances[label] < a.Distances[a.Label] {
			a.Label = store.Label(label)
		}
	}
	a.Cluster = m.Clusters[a.Label]
	return a
}
