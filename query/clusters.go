package query

import "tatum/store"

// A ClusterSummary describes one cluster of a feature.
type ClusterSummary struct {
	Feature      store.Feature
	Cluster      store.Cluster
	Size         int           // number of tracks
	Share        float64       // of the feature's labelled tracks, in [0, 1]
	MeanDistance float64       // of the tracks to their centroids, in scaled space; NaN when Size is 0
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
	summaries := make([]ClusterSummary, c.K)
	total := 0
	for i := range summaries {
		s := &summaries[i]
		*s = ClusterSummary{Feature: f, Cluster: store.Cluster(i)}
		sum := 0.0
		err := db.Members(c, f, s.Cluster, func(id store.TrackID, distance float64) bool {
			if s.Size == 0 {
				s.Central = id
			}
			s.Size++
			sum += distance
			return true
		})
		if err != nil {
			return nil, err
		}
		s.MeanDistance = sum / float64(s.Size) // 0/0 is NaN
		total += s.Size
	}
	for i := range summaries {
		if total > 0 {
			summaries[i].Share = float64(summaries[i].Size) / float64(total)
		}
	}
	return summaries, nil
}
