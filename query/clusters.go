package query

import (
	"cmp"
	"fmt"
	"slices"

	"tatum/store"
)

// A ClusterSummary describes one cluster of a feature.
type ClusterSummary struct {
	Feature      store.Feature
	Cluster      store.Cluster
	Size         int           // number of tracks
	Share        float64       // of the feature's labelled tracks, in [0, 1]
	MeanDistance float64       // of the tracks to their centroids, in scaled space; NaN when Size is 0
	Silhouette   float64       // mean of the tracks' [store.Assignment.Silhouette]; NaN when Size is 0 or there is one cluster
	Central      store.TrackID // the track nearest to its centroid; empty when Size is 0
}

// Clusters describes all clusters of a feature in the order of their numbers,
// empty ones too. How well the folds agree on them, the clustering says itself,
// see store.Summary. It returns store.ErrNotClustered when the clustering leaves
// out the feature.
func Clusters(db *store.DB, c *store.Clustering, f store.Feature) ([]ClusterSummary, error) {
	if err := checkFeature(c, f); err != nil {
		return nil, err
	}
	sizes, err := db.ClusterSizes(c, f)
	if err != nil {
		return nil, err
	}
	total := uint64(0)
	for _, s := range sizes {
		total += s.Tracks
	}
	summaries := make([]ClusterSummary, len(sizes))
	for i, size := range sizes {
		s := ClusterSummary{Feature: f, Cluster: store.Cluster(i), Size: int(size.Tracks), MeanDistance: size.MeanDistance, Silhouette: size.Silhouette}
		if total > 0 {
			s.Share = float64(size.Tracks) / float64(total)
		}
		for m, err := range db.Members(c, f, s.Cluster) {
			if err != nil {
				return nil, err
			}
			s.Central = m.ID // the first is the nearest
			break
		}
		summaries[i] = s
	}
	return summaries, nil
}

// FoldSizes tells how many of a cluster's tracks each fold's model labelled.
type FoldSizes struct {
	Cluster store.Cluster
	Size    int
	Folds   []int // by fold
}

// SizesByFold returns the sizes of a feature's clusters in the order of their
// numbers. It goes through all members. It returns store.ErrNotClustered when the
// clustering leaves out the feature.
func SizesByFold(db *store.DB, c *store.Clustering, f store.Feature) ([]FoldSizes, error) {
	if err := checkFeature(c, f); err != nil {
		return nil, err
	}
	sizes := make([]FoldSizes, c.K)
	for i := range sizes {
		sizes[i] = FoldSizes{Cluster: store.Cluster(i), Folds: make([]int, c.Folds)}
		for m, err := range db.Members(c, f, store.Cluster(i)) {
			if err != nil {
				return nil, err
			}
			if int(m.Fold) >= c.Folds {
				return nil, fmt.Errorf("%w: member %q is of fold %d of %d", store.ErrCorrupt, m.ID, m.Fold, c.Folds)
			}
			sizes[i].Size++
			sizes[i].Folds[m.Fold]++
		}
	}
	return sizes, nil
}

// A FeatureSummary tells what the fits of one feature came to.
type FeatureSummary struct {
	Feature store.Feature
	store.Summary
}

// Features returns what the fits of a clustering's features came to, in their
// order.
func Features(c *store.Clustering) []FeatureSummary {
	rows := make([]FeatureSummary, len(c.Summaries))
	for i, s := range c.Summaries {
		rows[i] = FeatureSummary{c.Features[i], s}
	}
	return rows
}

// Central returns the most central track of each of a feature's largest clusters,
// of n at most: the largest cluster's first.
func Central(db *store.DB, c *store.Clustering, f store.Feature, n int) ([]Match, error) {
	clusters, err := Clusters(db, c, f)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(clusters, func(a, b ClusterSummary) int { return cmp.Compare(b.Size, a.Size) })
	var central []Match
	for _, s := range clusters[:min(n, len(clusters))] {
		if s.Size == 0 {
			break
		}
		t, err := db.Track(s.Central)
		if err != nil {
			return nil, err
		}
		central = append(central, MatchOf(&t))
	}
	return central, nil
}
