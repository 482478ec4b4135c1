package query

import (
	"errors"
	"fmt"
	"slices"

	"tatum/store"
)

var (
	// ErrNoCluster is returned when a cluster number is not among the
	// clustering's 0 to k-1.
	ErrNoCluster = errors.New("no such cluster")

	// ErrNoFold is returned when a fold's number is not among the clustering's.
	ErrNoFold = errors.New("no such fold")

	// ErrNoLabel is returned when a label is not among the clustering's 0 to k-1.
	ErrNoLabel = errors.New("no such label")
)

// A Member is a track of one feature's cluster.
type Member struct {
	Rank     int // 1 for the track nearest to its centroid
	TrackID  store.TrackID
	Artist   string
	Title    string
	Cluster  store.Cluster
	Label    store.Label
	Fold     store.Fold
	Distance float64 // to the centroid of the track's fold model, in scaled space
}

// MembersOptions choose among a cluster's members. The zero value takes all.
type MembersOptions struct {
	Limit  int          // how many members to return at most; 0 for all
	Offset int          // how many to pass over first
	Fold   *store.Fold  // only tracks labelled by this fold's model, if not nil
	Label  *store.Label // only tracks of this label, if not nil
}

// Members returns a cluster's tracks, nearest to their centroid first and by
// track ID among equals. Ranks count the tracks that the options choose, from
// 1 before the offset. It returns ErrNoCluster, ErrNoFold or ErrNoLabel when the
// clustering has no such number, and store.ErrNotClustered when it leaves out
// the feature.
func Members(db *store.DB, c *store.Clustering, f store.Feature, cluster store.Cluster, opts MembersOptions) ([]Member, error) {
	if err := checkFeature(c, f); err != nil {
		return nil, err
	}
	if int(cluster) >= c.K {
		return nil, fmt.Errorf("%w: %d; clustering %q has clusters 0 to %d", ErrNoCluster, cluster, c.Name, c.K-1)
	}
	if opts.Fold != nil && int(*opts.Fold) >= c.Folds {
		return nil, fmt.Errorf("%w: %d; clustering %q has folds 0 to %d", ErrNoFold, *opts.Fold, c.Name, c.Folds-1)
	}
	if opts.Label != nil && int(*opts.Label) >= c.K {
		return nil, fmt.Errorf("%w: %d; clustering %q has labels 0 to %d", ErrNoLabel, *opts.Label, c.Name, c.K-1)
	}
	var members []Member
	rank := 0
	for at, err := range db.Members(c, f, cluster) {
		if err != nil {
			return nil, err
		}
		if !opts.choose(&at) {
			continue
		}
		if rank++; rank <= opts.Offset {
			continue
		}
		t, err := db.Track(at.ID)
		if err != nil {
			return nil, err
		}
		members = append(members, Member{rank, at.ID, t.ArtistName, t.Title, cluster, at.Label, at.Fold, at.Distance})
		if len(members) == opts.Limit {
			break
		}
	}
	return members, nil
}

// choose reports whether the options ask for a member.
func (opts *MembersOptions) choose(m *store.Member) bool {
	return (opts.Fold == nil || m.Fold == *opts.Fold) && (opts.Label == nil || m.Label == *opts.Label)
}

// checkFeature returns store.ErrNotClustered when the clustering leaves out
// the feature.
func checkFeature(c *store.Clustering, f store.Feature) error {
	if slices.Contains(c.Features, f) {
		return nil
	}
	return fmt.Errorf("%w: clustering %q leaves out %v", store.ErrNotClustered, c.Name, f)
}
