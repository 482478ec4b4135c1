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
	return &cobra.Command{
		Use:   "clusters [FEATURE...]",
		Short: "The clusters of each feature: size, share, mean distance, silhouette",
		Long: `clusters describes the clusters of the given features, or of all: how many tracks
each has and what share of all, how far they are from their centroid, their
silhouette, and which track is most central. Over each feature stands what the
fit came to, as tatum cluster told it: how far the folds' models agree, mean and
least; silhouette, Davies-Bouldin and Calinski-Harabasz index.`,
		Example: `  tatum query clusters beats_start
  tatum query clusters -o csv`,
		ValidArgsFunction: completeFeatures,
		RunE: func(cmd *cobra.Command, args []string) error {
			features, err := parseFeatures(args)
			if err != nil {
				return err
			}
			return runQueryClusters(q, features, cmd.OutOrStdout())
		},
	}
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
