package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tatum/query"
	"tatum/query/render"
	"tatum/store"
)

func newQueryClusters(q *asker) *cobra.Command {
	return &cobra.Command{
		Use:   "clusters [FEATURE...]",
		Short: "The clusters of each feature: size, share, mean distance",
		Long: `clusters describes the clusters of the given features, or of all: how many tracks
each has and what share of all, how far they are from their centroid, and which
track is most central. Over each feature stands how far the folds' models agree:
the adjusted Rand index between every two, mean and least.`,
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
			if err := errors.Join(out.Heading(agreement(c, f)), out.WriteAll(clusters)); err != nil {
				return err
			}
		}
		return out.Close()
	})
}

// agreement returns the heading of a feature's clusters.
func agreement(c *store.Clustering, f store.Feature) string {
	for i, s := range c.Summaries {
		if c.Features[i] == f {
			return fmt.Sprintf("%v: folds agree to %.3f, at least %.3f", f, s.MeanAgreement, s.LeastAgreement)
		}
	}
	return f.String()
}
