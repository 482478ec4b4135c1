package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/spf13/cobra"

	"tatum/query"
	"tatum/query/render"
	"tatum/store"
)

func newQueryClusters(q *asker) *cobra.Command {
	explain := false
	cmd := &cobra.Command{
		Use:   "clusters [FEATURE...]",
		Short: "The clusters of each feature: size, share, mean distance, silhouette",
		Long: `clusters describes the clusters of the given features, or of all: how many tracks
each has and what share of all, how far they are from their centroid, their
silhouette, and which track is most central. Over each feature stands what the
fit came to, as tatum cluster told it: how far the folds' models agree, mean and
least; silhouette, Davies-Bouldin and Calinski-Harabasz index.

With --explain, a FEATURE and maybe a CLUSTER it tells what sets each cluster
apart: the mean of its tracks by each statistic, as deviations of all tracks from
the mean of all (z), largest first, and both means in the statistic's own unit. Of
the twenty densities of the histogram only that which deviates most is there. It
describes; it does not test: clusters are made to differ, so a test would find
that they do.`,
		Example: `  tatum query clusters beats_start
  tatum query clusters --explain beats_start 7
  tatum query clusters -o csv`,
		ValidArgsFunction: completeCluster(q),
		RunE: func(cmd *cobra.Command, args []string) error {
			if explain {
				return runExplain(q, args, cmd.OutOrStdout())
			}
			features, err := parseFeatures(args)
			if err != nil {
				return err
			}
			return runQueryClusters(q, features, cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&explain, "explain", false, "tell what sets the clusters of FEATURE apart, or one CLUSTER")
	return cmd
}

// runExplain tells what sets the clusters of a feature apart, or one.
func runExplain(q *asker, args []string, stdout io.Writer) error {
	if len(args) < 1 || len(args) > 2 {
		return usageError{errors.New("--explain: want FEATURE, or FEATURE and CLUSTER")}
	}
	f, err := parseFeature(args[0])
	if err != nil {
		return err
	}
	clusters, err := parseClusters(args[1:])
	if err != nil {
		return err
	}
	o, err := q.outputOptions(stdout)
	if err != nil {
		return err
	}
	return q.withClustering(func(db *store.DB, c *store.Clustering) error {
		profile, err := query.Profiles(db, c, f)
		if err != nil {
			return err
		}
		if len(clusters) == 0 {
			for k := range profile.Clusters {
				clusters = append(clusters, store.Cluster(k))
			}
		}
		out := render.NewWriter(stdout, o, render.Deviations, "The cluster is empty.")
		for _, k := range clusters {
			deviations, err := profile.Explain(k)
			if err == nil {
				heading := fmt.Sprintf("Cluster %d of %v: %d tracks", k, f, profile.Clusters[k].Size)
				err = errors.Join(out.Heading(heading), out.WriteAll(deviations))
			}
			if err != nil {
				return err
			}
		}
		return out.Close()
	})
}

func runQueryClusters(q *asker, features []store.Feature, stdout io.Writer) error {
	o, err := q.outputOptions(stdout)
	if err != nil {
		return err
	}
	return q.withClustering(func(db *store.DB, c *store.Clustering) error {
		if len(features) == 0 {
			features = c.Features
		}
		out := render.NewWriter(stdout, o, render.Clusters, "")
		for _, f := range features {
			clusters, err := query.Clusters(db, c, f)
			if err != nil {
				return err
			}
			if err := errors.Join(out.Heading(quality(c, f)), out.WriteAll(clusters)); err != nil {
				return err
			}
		}
		return out.Close()
	})
}

// quality returns the heading of a feature's clusters.
func quality(c *store.Clustering, f store.Feature) string {
	i := slices.Index(c.Features, f)
	s := &c.Summaries[i]
	text := fmt.Sprintf("%v: folds agree to %.3f, at least %.3f", f, s.MeanAgreement, s.LeastAgreement)
	for _, figure := range []struct {
		name  string
		value float64
	}{{"silhouette", s.Silhouette}, {"Davies-Bouldin", s.DaviesBouldin}, {"Calinski-Harabasz", s.CalinskiHarabasz}} {
		if !math.IsNaN(figure.value) {
			text += fmt.Sprintf("; %s %.3f", figure.name, figure.value)
		}
	}
	return text
}
