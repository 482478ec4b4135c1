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
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("name", completeNames(g)))
	cmd.AddCommand(newExportNPY(q),
		newExportTables(q, "parquet", "Parquet files, typed for pandas, polars and DuckDB", export.Parquet),
		newExportTables(q, "csv", "CSV files", export.CSV))
	return cmd
}

func newExportNPY(q *asker) *cobra.Command {
	var o export.NPYOptions
	cmd := &cobra.Command{
		Use:   "npy DIR",
		Short: "Write the notebook's .npy files",
		Long: `npy writes the files that the notebook saves: cluster_label_*.npy, int64 of shape
(n, 1), byte for byte as numpy.save would; and beside them cluster_distance_*.npy
(n, k), stats_*.npy (n, 30), of timbre and pitches (n, 90), fold_*.npy (n, 1) and
track_ids.txt. Rows are in the order of track IDs. DIR appears, or is replaced,
when all files are complete; a directory with other files in it is left alone.`,
		Example: `  tatum export npy labels
  tatum export npy --aligned clusters`,
		Args: wantArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return q.withClustering(func(db *store.DB, c *store.Clustering) error {
				return export.NPY(ctx, db, c, args[0], o)
			})
		},
	}
	cmd.Flags().BoolVar(&o.Aligned, "aligned", false, "write clusters, which mean the same in every fold, instead of labels")
	return cmd
}

// newExportTables makes the command of a format that holds tables.
func newExportTables(q *asker, format, short string, write func(context.Context, *store.DB, *store.Clustering, string) error) *cobra.Command {
	return &cobra.Command{
		Use:   format + " DIR",
		Short: "Write " + short,
		Long: format + ` writes two tables: the tracks with their clusters, labels, folds and
distances, and their statistics, one row per track and feature; and a third of
those of timbre and pitches, where tracks have them. Rows are in the order of
track IDs; a track without label has none there. A store that is not clustered
has no columns of clusters. DIR appears, or is replaced, when all files are
complete; a directory with other files in it is left alone.`,
		Example: "  tatum export " + format + " tables-" + format,
		Args:    wantArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			err := q.withClustering(func(db *store.DB, c *store.Clustering) error {
				return write(ctx, db, c, args[0])
			})
			if !errors.Is(err, store.ErrNotClustered) || cmd.Flags().Changed("name") {
				return err
			}
			return q.withStore(func(db *store.DB) error { return write(ctx, db, nil, args[0]) })
		},
	}
}
