package query

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"tatum/store"
)

// A Profile tells by which statistics the clusters of a feature differ.
type Profile struct {
	Feature    store.Feature
	Statistics []string  // names of the vectors' components
	Mean       []float64 // of all tracks, by statistic, in its own unit
	Deviation  []float64 // of all tracks, the population's; 1 where all are the same
	Clusters   []ClusterProfile
}

// A ClusterProfile is the means of a cluster's tracks.
type ClusterProfile struct {
	Size int
	Mean []float64 // by statistic, in its own unit; NaN when Size is 0
	Z    []float64 // by how many deviations of all tracks that is more than their mean
}

// Profiles returns the profile of a feature's clusters, of all tracks in the
// store; those without a label count for the means of all. It goes through all
// vectors. It returns store.ErrNotClustered when the clustering leaves out the
// feature.
func Profiles(db *store.DB, c *store.Clustering, f store.Feature) (*Profile, error) {
	if err := checkFeature(c, f); err != nil {
		return nil, err
	}
	ids, err := db.TrackIDsWith(f)
	if err != nil {
		return nil, err
	}
	clusters, err := clustersOf(db, c, f, ids)
	if err != nil {
		return nil, err
	}
	from, err := near(db, ids, f)
	if err != nil {
		return nil, err
	}
	columns := len(from)
	sum, squares, sums := make([]float64, columns), make([]float64, columns), make([]float64, c.K*columns)
	p := &Profile{Feature: f, Statistics: StatNamesOf(f), Clusters: make([]ClusterProfile, c.K)}
	err = eachVector(db, ids, f, func(row int, v []float64) {
		var own []float64
		if k := int(clusters[row]); k != noCluster {
			own = sums[k*columns:][:columns]
			p.Clusters[k].Size++
		}
		for j, x := range v {
			d := x - from[j]
			sum[j] += d
			squares[j] += float64(d * d)
			if own != nil {
				own[j] += d
			}
		}
	})
	if err != nil {
		return nil, err
	}
	n := float64(len(ids))
	for j := range columns {
		p.Mean = append(p.Mean, from[j]+sum[j]/n)
		p.Deviation = append(p.Deviation, deviation(p.Mean[j], sum[j], squares[j], n))
	}
	for k := range p.Clusters {
		own := &p.Clusters[k]
		for j := range columns {
			shift := sums[k*columns+j] / float64(own.Size)
			if own.Size == 0 {
				shift = math.NaN()
			}
			own.Mean = append(own.Mean, from[j]+shift)
			own.Z = append(own.Z, (shift-sum[j]/n)/p.Deviation[j])
		}
	}
	return p, nil
}

// A Deviation is a statistic that sets a cluster apart.
type Deviation struct {
	Feature     store.Feature
	Cluster     store.Cluster
	Rank        int    // 1 for that farthest from the mean of all tracks
	Statistic   string // name
	Group       string // what it stands for, such as all densities of the histogram; empty for itself only
	Z           float64
	ClusterMean float64 // in the statistic's own unit
	Mean        float64 // of all tracks
	Deviation   float64 // of all tracks
}

// Explain returns the statistics that set a cluster apart, the largest deviation
// first, and by their order in the vector among equals. Those that belong together
// stand together: of a histogram's densities, and of covariances, only that
// which deviates most is there. An empty cluster has none. It returns ErrNoCluster when there is no such
// cluster.
func (p *Profile) Explain(cluster store.Cluster) ([]Deviation, error) {
	if int(cluster) >= len(p.Clusters) {
		return nil, fmt.Errorf("%w: %d; there are clusters 0 to %d", ErrNoCluster, cluster, len(p.Clusters)-1)
	}
	c := &p.Clusters[cluster]
	if c.Size == 0 {
		return nil, nil
	}
	var all []Deviation
	for j, name := range p.Statistics {
		d := Deviation{p.Feature, cluster, 0, name, groupOf(name), c.Z[j], c.Mean[j], p.Mean[j], p.Deviation[j]}
		if last := len(all) - 1; d.Group != "" && last >= 0 && all[last].Group == d.Group {
			if math.Abs(d.Z) > math.Abs(all[last].Z) {
				all[last] = d
			}
			continue
		}
		all = append(all, d)
	}
	slices.SortStableFunc(all, func(a, b Deviation) int { return cmp.Compare(math.Abs(b.Z), math.Abs(a.Z)) })
	for i := range all {
		all[i].Rank = i + 1
	}
	return all, nil
}

// groupOf returns what a statistic belongs to with many others, of the histogram or
// the covariances.
func groupOf(statistic string) string {
	switch {
	case slices.Contains(StatNames[densitiesAt:], statistic):
		return "densities"
	case slices.Contains(SoundStatNames[store.SoundColumns:], statistic):
		return "covariances"
	}
	return ""
}
