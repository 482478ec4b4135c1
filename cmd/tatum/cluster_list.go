package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"tatum/query/render"
	"tatum/store"
)

func newClusterList(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the clusterings, how and when they were fitted, and how well",
		Long: `list prints the clusterings: how they were fitted, and each feature's silhouette,
Davies-Bouldin and Calinski-Harabasz index, in the order of the features. What
these are, see tatum cluster.`,
		Example: "  tatum cluster list -o json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runClusterList(g, cmd.OutOrStdout())
		},
	}
}

func runClusterList(g *globals, stdout io.Writer) error {
	o, err := g.outputOptions(stdout)
	if err != nil {
		return err
	}
	q := &asker{globals: g}
	return q.withStore(func(db *store.DB) error {
		all, err := db.Clusterings()
		if err != nil {
			return err
		}
		out := render.NewWriter(stdout, o, clusteringTable, "No clusterings.")
		for _, c := range all {
			if err := out.Write(c); err != nil {
				return err
			}
		}
		return out.Close()
	})
}

// clusteringTable is how clusterings are listed.
var clusteringTable = render.Table[store.Clustering]{Columns: []render.Column[store.Clustering]{
	{Name: "name", Title: "Name", Value: func(c *store.Clustering) any { return c.Name }},
	{Name: "features", Title: "Features", Shrink: true, Value: func(c *store.Clustering) any { return featureNames(c.Features) }},
	{Name: "k", Title: "Clusters", Value: func(c *store.Clustering) any { return c.K }},
	{Name: "folds", Title: "Folds", Value: func(c *store.Clustering) any { return c.Folds }},
	{Name: "seed", Title: "Seed", Value: func(c *store.Clustering) any { return int(c.Seed) }},
	{Name: "batch_size", Title: "Batch size", Value: func(c *store.Clustering) any { return c.BatchSize }},
	{Name: "random_stream", Title: "Random stream", Value: func(c *store.Clustering) any { return c.RandomStream }},
	{Name: "tracks", Title: "Tracks", Value: func(c *store.Clustering) any { return int(c.Tracks) }},
	{Name: "fitted", Title: "Fitted", Value: func(c *store.Clustering) any { return c.Fitted.Format(time.RFC3339) }},
	{Name: "algorithm", Title: "Algorithm", Value: func(c *store.Clustering) any { return int(c.Algorithm) }},
	{Name: "fingerprint", Value: func(c *store.Clustering) any { return fmt.Sprintf("%x", c.Fingerprint) }},
	{Name: "silhouette", Title: "Silhouette", Digits: 2, Shrink: true, Value: eachSummary(func(s *store.Summary) float64 { return s.Silhouette })},
	{Name: "davies_bouldin", Title: "Davies-Bouldin", Digits: 2, Shrink: true, Value: eachSummary(func(s *store.Summary) float64 { return s.DaviesBouldin })},
	{Name: "calinski_harabasz", Title: "Calinski-Harabasz", Digits: 1, Shrink: true, Value: eachSummary(func(s *store.Summary) float64 { return s.CalinskiHarabasz })},
}}

// eachSummary returns a figure of the clustering's features, in their order.
func eachSummary(figure func(s *store.Summary) float64) func(c *store.Clustering) any {
	return func(c *store.Clustering) any {
		figures := make([]float64, len(c.Summaries))
		for i := range c.Summaries {
			figures[i] = figure(&c.Summaries[i])
		}
		return figures
	}
}

func featureNames(features []store.Feature) []string {
	names := make([]string, len(features))
	for i, f := range features {
		names[i] = f.String()
	}
	return names
}

func newClusterDelete(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "delete NAME",
		Short:   "Delete a clustering",
		Long:    "delete removes a clustering with its models and labels; tracks stay.",
		Example: "  tatum cluster delete rhythm",
		Args:    wantArgs(cobra.ExactArgs(1)),

		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return completeNames(g)(cmd, args, typed)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.withWriter(cmd.Context(), func(w *store.Writer) error { return w.DeleteClustering(args[0]) })
		},
	}
	g.addWait(cmd)
	return cmd
}
