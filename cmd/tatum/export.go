package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"tatum/query/export"
	"tatum/store"
)

func newExport(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write tracks, labels and statistics to files",
		Args:  noArgs,
		RunE:  help,
	}
	q := &asker{globals: g}
	cmd.PersistentFlags().StringVar(&q.name, "name", store.DefaultClustering, "`clustering` to export")
	cmd.AddCommand(newExportNPY(q))
	return cmd
}

func newExportNPY(q *asker) *cobra.Command {
	var o export.NPYOptions
	cmd := &cobra.Command{
		Use:   "npy DIR",
		Short: "Write the notebook's .npy files",
		Long: `npy writes the files that the notebook saves: cluster_label_*.npy, int64 of shape
(n, 1), byte for byte as numpy.save would; and beside them cluster_distance_*.npy
(n, k), stats_*.npy (n, 30), fold_*.npy and track_ids.txt. Rows are in the order
of track IDs. DIR appears, or is replaced, when all files are complete.`,
		Example: "  tatum export npy labels",
		Args:    wantArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runExportNPY(cmd.Context(), q, args[0], o)
		},
	}
	cmd.Flags().BoolVar(&o.Aligned, "aligned", false, "write clusters, which mean the same in every fold, instead of labels")
	return cmd
}

func runExportNPY(ctx context.Context, q *asker, dir string, o export.NPYOptions) error {
	db, c, err := q.open()
	if err != nil {
		return err
	}
	return errors.Join(export.NPY(ctx, db, c, dir, o), db.Close())
}
