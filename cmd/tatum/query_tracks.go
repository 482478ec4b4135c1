package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"tatum/query/render"
	"tatum/store"
)

func newQueryTracks(q *asker) *cobra.Command {
	return &cobra.Command{
		Use:   "tracks",
		Short: "Every track with what is known of it",
		Long: `tracks prints every track in the order of track IDs: artist, title, release, year,
duration in seconds, tempo in beats per minute, key (0 is C), mode (1 is major),
loudness in dB, and the file it was read from. Tracks are written as they are
read, so memory does not grow with their number.`,
		Example: `  tatum query tracks
  tatum query tracks -o csv`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runQueryTracks(cmd.Context(), q, cmd.OutOrStdout())
		},
	}
}

func runQueryTracks(ctx context.Context, q *asker, stdout io.Writer) error {
	o, err := q.outputOptions(stdout)
	if err != nil {
		return err
	}
	return q.withStore(func(db *store.DB) error {
		out := render.NewWriter(stdout, o, render.Tracks, "No tracks.")
		return out.CloseAfter(writeTracks(ctx, db, out))
	})
}

func writeTracks(ctx context.Context, db *store.DB, out *render.Writer[store.Track]) error {
	for t, err := range db.Tracks(store.Span{}) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if err := out.Write(t); err != nil {
			return err
		}
	}
	return nil
}
