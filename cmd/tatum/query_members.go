package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"tatum/query"
	"tatum/query/render"
	"tatum/store"
)

func newQueryMembers(q *asker) *cobra.Command {
	var o query.MembersOptions
	var fold, label uint16
	cmd := &cobra.Command{
		Use:   "members FEATURE CLUSTER",
		Short: "A cluster's tracks, nearest first",
		Long: `members prints the tracks of one cluster of a feature, the one nearest to the
centroid first. Only as much of the cluster is read as is printed.`,
		Example: `  tatum query members beats_start 7
  tatum query members beats_start 7 --limit 5 -o json`,
		Args:              wantArgs(cobra.ExactArgs(2)),
		ValidArgsFunction: completeCluster(q),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := parseFeature(args[0])
			if err != nil {
				return err
			}
			cluster, err := strconv.ParseUint(args[1], 10, 16)
			if err != nil {
				return usageError{fmt.Errorf("cluster %q: want a number from 0 to 65535", args[1])}
			}
			if o.Limit < 0 || o.Offset < 0 {
				return usageError{errors.New("--limit and --offset must not be negative")}
			}
			if cmd.Flags().Changed("fold") {
				f := store.Fold(fold)
				o.Fold = &f
			}
			if cmd.Flags().Changed("label") {
				l := store.Label(label)
				o.Label = &l
			}
			return runQueryMembers(q, f, store.Cluster(cluster), o, cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&o.Limit, "limit", 0, "print at most this `many` tracks (default all)")
	flags.IntVar(&o.Offset, "offset", 0, "pass over this `many` tracks first")
	flags.Uint16Var(&fold, "fold", 0, "only tracks of this `fold` (default all)")
	flags.Uint16Var(&label, "label", 0, "only tracks with this `label` (default all)")
	return cmd
}

func runQueryMembers(q *asker, f store.Feature, cluster store.Cluster, mo query.MembersOptions, stdout io.Writer) error {
	o, err := q.outputOptions(stdout)
	if err != nil {
		return err
	}
	return q.withClustering(func(db *store.DB, c *store.Clustering) error {
		members, err := query.Members(db, c, f, cluster, mo)
		if err != nil {
			return err
		}
		out := render.NewWriter(stdout, o, render.Members, "No tracks.")
		return errors.Join(
			out.Heading(fmt.Sprintf("Cluster %d of %v", cluster, f)),
			out.WriteAll(members),
			out.Close())
	})
}
