package query

import "tatum/store"

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
