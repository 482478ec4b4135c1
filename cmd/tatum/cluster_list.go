package main

import (
	"io"

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
		out := render.NewWriter(stdout, o, render.Clusterings, "No clusterings.")
		for _, c := range all {
			if err := out.Write(c); err != nil {
				return err
			}
		}
		return out.Close()
	})
}

func newClusterDelete(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a clustering",
		Long: `delete removes a clustering with its models and labels; tracks stay. The room that
it took in the file is for the next clustering, or compact gives it back.`,
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
