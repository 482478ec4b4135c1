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

func newQueryTrack(q *asker) *cobra.Command {
	return &cobra.Command{
		Use:   "track ID...",
		Short: "A track's clusters, one row per feature",
		Long: `track prints, for each feature, the cluster of a track, its label in the model of
its fold, the distance to that centroid, and the runner-up: the cluster second
nearest to it, with how much farther it is. Give - for IDs from standard input,
one a line.`,
		Example: `  tatum query track TRAAPOB12896A14E9C
  tatum query track -o json TRAAPOB12896A14E9C TRADWUV128A434E935`,
		Args:              wantArgs(cobra.MinimumNArgs(1)),
		ValidArgsFunction: completeTracks(q.globals),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runQueryTrack(q, args, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}

func runQueryTrack(q *asker, args []string, stdin io.Reader, stdout io.Writer) error {
	o, err := q.outputOptions(stdout)
	if err != nil {
		return err
	}
	return q.withClustering(func(db *store.DB, c *store.Clustering) error {
		out := render.NewWriter(stdout, o, render.Placements, "")
		return printTracks(db, trackIDs(args, stdin), out, func(id store.TrackID) ([]query.Placement, error) {
			rows, err := query.Track(db, c, id)
			if errors.Is(err, store.ErrNotAssigned) {
				err = fmt.Errorf("%w in clustering %q; run: tatum cluster assign --name %q", err, c.Name, c.Name)
			}
			return rows, err
		})
	})
}
