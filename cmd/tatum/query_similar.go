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

// defaultSimilar is how many similar tracks are listed unless asked otherwise.
const defaultSimilar = 10

func newQuerySimilar(q *asker) *cobra.Command {
	o := query.SimilarOptions{Limit: defaultSimilar}
	var feature string
	var maxDistance float64
	var sameCluster bool
	var w whyOptions
	cmd := &cobra.Command{
		Use:   "similar ID...",
		Short: "The tracks most like a track",
		Long: `similar prints the tracks whose statistics are nearest to those of a track, over
all eight features or one. Distances lie between 0 (the same statistics) and 1,
are symmetric, and depend on the two tracks alone. Every track is compared.` + whyHelp,
		Example: `  tatum query similar TRAAPOB12896A14E9C
  tatum query similar TRAAPOB12896A14E9C --feature beats_start --max-distance 0.1
  tatum query similar TRAAPOB12896A14E9C --limit 3 --why
  tatum query similar TRAAPOB12896A14E9C --to TRLEGTB128E859E021 --why -o csv`,
		Args:              wantArgs(cobra.MinimumNArgs(1)),
		ValidArgsFunction: completeTracks(q.globals),
		RunE: func(cmd *cobra.Command, args []string) error {
			if feature != "" {
				f, err := parseFeature(feature)
				if err != nil {
					return err
				}
				o.Feature = &f
			}
			if cmd.Flags().Changed("max-distance") {
				if !(maxDistance >= 0 && maxDistance <= 1) {
					return usageError{fmt.Errorf("--max-distance %v: want 0 to 1", maxDistance)}
				}
				o.MaxDistance = &maxDistance
			}
			if o.Limit < 0 {
				return usageError{errors.New("--limit must not be negative")}
			}
			if w.asked() {
				return runWhy(q, args, o, w, sameCluster, cmd.InOrStdin(), cmd.OutOrStdout())
			}
			return runQuerySimilar(q, args, o, sameCluster, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&feature, "feature", "", "compare this `feature` only")
	flags.IntVar(&o.Limit, "limit", o.Limit, "print at most this `many` tracks; 0 for all")
	flags.Float64Var(&maxDistance, "max-distance", 1, "leave out tracks farther away")
	flags.BoolVar(&w.why, "why", false, "split the distance into its parts")
	flags.StringVar(&w.to, "to", "", "compare with this track, an `ID`, only")
	flags.BoolVar(&sameCluster, "same-cluster", false, "only tracks of the same cluster in every feature compared")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("feature", completeFeatures))
	return cmd
}

func runQuerySimilar(q *asker, args []string, so query.SimilarOptions, sameCluster bool, stdin io.Reader, stdout io.Writer) error {
	o, err := q.outputOptions(stdout)
	if err != nil {
		return err
	}
	ask := func(db *store.DB) error {
		out := render.NewWriter(stdout, o, render.Neighbours, "No tracks.")
		return printTracks(db, trackIDs(args, stdin), out, func(id store.TrackID) ([]query.Neighbour, error) {
			return query.Similar(db, id, so)
		})
	}
	if !sameCluster {
		return q.withStore(ask)
	}
	return q.withClustering(func(db *store.DB, c *store.Clustering) error {
		so.SameCluster = c
		return ask(db)
	})
}
