package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tatum/query"
	"tatum/query/render"
	"tatum/store"
)

// defaultSimilar is how many similar tracks are listed unless asked otherwise.
const defaultSimilar = 10

func newQuerySimilar(q *asker) *cobra.Command {
	o := query.SimilarOptions{Limit: defaultSimilar}
	var feature, by string
	var maxDistance float64
	var sameCluster bool
	var w whyOptions
	cmd := &cobra.Command{
		Use:   "similar ID...",
		Short: "The tracks most like a track",
		Long: `similar prints the tracks nearest to a track: by timbre, which is what songs sound
like, by pitches, or by rhythm, the statistics of all eight features. Without
--by it is timbre for a track that has it, being ingested with --arrays all,
else rhythm. Distances lie between 0 and 1, are symmetric, and depend on the two
tracks alone: of timbre and pitches, the mean over the twelve columns of the
Hellinger distance of two normal distributions with the columns' means and
variances; of rhythm, the mean of thirty parts, one for each statistic. Every
track is compared that has what is compared by.` + whyHelp,
		Example: `  tatum query similar TRAAPOB12896A14E9C
  tatum query similar TRAAPOB12896A14E9C --by rhythm --max-distance 0.2
  tatum query similar TRAAPOB12896A14E9C --feature beats_start
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
			if by != "" && feature != "" {
				return usageError{errors.New("--by and --feature: want one of them")}
			}
			if cmd.Flags().Changed("by") {
				timbre, pitches := store.Timbre, store.Pitches
				measures := map[string]*store.Feature{byTimbre: &timbre, byPitches: &pitches, byRhythm: nil}
				f, ok := measures[by]
				if !ok {
					return usageError{fmt.Errorf("--by %q: want %s", by, strings.Join(similarMeasures, ", "))}
				}
				o.Feature = f
			}
			choose := feature == "" && by == ""
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
				return runWhy(q, args, o, w, choose, sameCluster, cmd.InOrStdin(), cmd.OutOrStdout())
			}
			return runQuerySimilar(q, args, o, choose, sameCluster, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&by, "by", "", "compare by `measure`: timbre, pitches or rhythm (default timbre where the track has it)")
	flags.StringVar(&feature, "feature", "", "compare this `feature` only")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("by", completeWords(similarMeasures...)))
	flags.IntVar(&o.Limit, "limit", o.Limit, "print at most this `many` tracks; 0 for all")
	flags.Float64Var(&maxDistance, "max-distance", 1, "leave out tracks farther away")
	flags.BoolVar(&w.why, "why", false, "split the distance into its parts")
	flags.StringVar(&w.to, "to", "", "compare with this track, an `ID`, only")
	flags.BoolVar(&sameCluster, "same-cluster", false, "only tracks of the same cluster in every feature compared")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("feature", completeFeatures))
	return cmd
}

// The measures that similar compares by.
const (
	byTimbre  = "timbre"
	byPitches = "pitches"
	byRhythm  = "rhythm"
)

var similarMeasures = []string{byTimbre, byPitches, byRhythm}

func runQuerySimilar(q *asker, args []string, so query.SimilarOptions, choose, sameCluster bool, stdin io.Reader, stdout io.Writer) error {
	o, err := q.outputOptions(stdout)
	if err != nil {
		return err
	}
	noted := false
	ask := func(db *store.DB) error {
		out := render.NewWriter(stdout, o, render.Neighbours, "No tracks.")
		return printTracks(db, trackIDs(args, stdin), out, func(id store.TrackID) ([]query.Neighbour, error) {
			so := so
			if choose && (so.SameCluster == nil || slices.Contains(so.SameCluster.Features, store.Timbre)) {
				timbre := store.Timbre
				so.Feature = &timbre
				neighbours, err := query.Similar(db, id, so)
				if !errors.Is(err, query.ErrNoSound) {
					return neighbours, err
				}
				so.Feature = nil
				if !q.quiet && !noted {
					noted = true
					fmt.Fprintln(os.Stderr, "tatum: compared by rhythm; by timbre tells better what sounds alike, of tracks read by: tatum ingest --arrays all")
				}
			}
			neighbours, err := query.Similar(db, id, so)
			return neighbours, adviseSound(err)
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

// adviseSound adds to an error of a track without sound features what to do about it.
func adviseSound(err error) error {
	if errors.Is(err, query.ErrNoSound) {
		return fmt.Errorf("%w; run: tatum ingest --arrays all", err)
	}
	return err
}
