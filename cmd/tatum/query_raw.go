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

var errNoID = errors.New("want at least one track ID")

func newQueryStats(q *asker) *cobra.Command {
	return &cobra.Command{
		Use:   "stats ID... [FEATURE...]",
		Short: "A track's thirty statistics of each feature",
		Long: `stats prints the statistics that tracks are clustered by: of the gaps between
onsets, divided by their median, mean, deviation, quantiles and histogram. Of
segments_timbre and segments_pitches, named in a question of their own, it prints
the means of the twelve columns and their covariances.`,
		Example: `  tatum query stats TRAAPOB12896A14E9C
  tatum query stats TRAAPOB12896A14E9C beats_start -o csv`,
		Args:              wantArgs(cobra.MinimumNArgs(1)),
		ValidArgsFunction: completeTracksAnd(q.globals, allFeatures()),
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, names := splitArgs(args)
			features, err := parseFeatures(names)
			if err != nil {
				return err
			}
			if len(ids) == 0 {
				return usageError{errNoID}
			}
			for _, f := range features {
				if f.IsSound() != features[0].IsSound() {
					return usageError{fmt.Errorf("%v and %v have different statistics: ask for them one after the other", features[0], f)}
				}
			}
			return runQueryStats(q, ids, features, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}

func runQueryStats(q *asker, ids []string, features []store.Feature, stdin io.Reader, stdout io.Writer) error {
	o, err := q.outputOptions(stdout)
	if err != nil {
		return err
	}
	return q.withStore(func(db *store.DB) error {
		table := render.Stats
		if len(features) > 0 && features[0].IsSound() {
			table = render.SoundStats
		}
		out := render.NewWriter(stdout, o, table, "")
		return printTracks(db, trackIDs(ids, stdin), out, func(id store.TrackID) ([]query.FeatureStats, error) {
			rows, err := query.Stats(db, id, features...)
			if err == nil && len(rows) < max(1, len(features)) {
				err = adviseSound(fmt.Errorf("%w: %q", query.ErrNoSound, id))
			}
			return rows, err
		})
	})
}

func newQueryArrays(q *asker) *cobra.Command {
	return &cobra.Command{
		Use:   "arrays ID... [ARRAY...]",
		Short: "A track's raw arrays",
		Long: `arrays prints the analysis arrays as the song's file had them, to the bit: the
eight features, and the seven others if they were ingested with --arrays all.`,
		Example: `  tatum query arrays TRAAPOB12896A14E9C
  tatum query arrays TRAAPOB12896A14E9C beats_start -o json`,
		Args:              wantArgs(cobra.MinimumNArgs(1)),
		ValidArgsFunction: completeTracksAnd(q.globals, arrayNames()),
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, names := splitArgs(args)
			arrays := make([]store.Array, len(names))
			for i, name := range names {
				var err error
				if arrays[i], err = parseArray(name); err != nil {
					return err
				}
			}
			if len(ids) == 0 {
				return usageError{errNoID}
			}
			return runQueryArrays(q, ids, arrays, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}

func runQueryArrays(q *asker, ids []string, arrays []store.Array, stdin io.Reader, stdout io.Writer) error {
	o, err := q.outputOptions(stdout)
	if err != nil {
		return err
	}
	return q.withStore(func(db *store.DB) error {
		out := render.NewWriter(stdout, o, render.Arrays, "")
		return printTracks(db, trackIDs(ids, stdin), out, func(id store.TrackID) ([]query.RawArray, error) {
			rows, err := query.Arrays(db, id, arrays...)
			if err == nil && len(rows) < len(arrays) {
				err = fmt.Errorf("%w: %s has not all of these arrays in the store; run: tatum ingest --arrays all", errNotFound, id)
			}
			return rows, err
		})
	})
}
