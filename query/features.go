package query

import (
	"tatum/store"
	"tatum/store/randindex"
)

// A FeatureAgreement tells how far two features tell the same story.
type FeatureAgreement struct {
	Feature, Other store.Feature
	Agreement      float64 // adjusted Rand index of their clusters, over the tracks labelled by both
}

// FeatureAgreements returns the agreement of every feature of a clustering with
// every one, row by row in the order of features.
func FeatureAgreements(db *store.DB, c *store.Clustering) ([]FeatureAgreement, error) {
	ids, err := db.TrackIDs()
	if err != nil {
		return nil, err
	}
	clusters := make([][]int32, len(c.Features))
	for i, f := range c.Features {
		if clusters[i], err = clustersOf(db, c, f, ids); err != nil {
			return nil, err
		}
	}
	n := len(c.Features)
	all := make([]FeatureAgreement, n*n)
	var table randindex.Table
	var some, others []uint16
	for i, f := range c.Features {
		for j, other := range c.Features[:i+1] {
			some, others = some[:0], others[:0]
			for row, cluster := range clusters[i] {
				if cluster != noCluster && clusters[j][row] != noCluster {
					some, others = append(some, uint16(cluster)), append(others, uint16(clusters[j][row]))
				}
			}
			table.Count(some, others, c.K)
			index := table.AdjustedRand()
			all[i*n+j] = FeatureAgreement{f, other, index}
			all[j*n+i] = FeatureAgreement{other, f, index}
		}
	}
	return all, nil
}
