package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"

	"github.com/spf13/cobra"

	"tatum/cluster"
	"tatum/query/render"
	"tatum/store"
)

// A sweep is the fits of several numbers of clusters.
type sweep struct {
	ks       []int
	params   cluster.Params
	stream   string
	features []string
}

// addFlags adds the flags that say what is fitted, and how.
func (s *sweep) addFlags(cmd *cobra.Command) {
	s.params.Options = cluster.Defaults()
	flags := cmd.Flags()
	flags.IntSliceVarP(&s.ks, "clusters", "k", []int{4, 8, 16, 32, 64}, "`numbers` of clusters to fit")
	flags.IntVar(&s.params.Folds, "folds", s.params.Folds, "folds to split the tracks into")
	flags.Uint32Var(&s.params.Seed, "seed", s.params.Seed, "seed of all random draws")
	flags.IntVar(&s.params.BatchSize, "batch-size", s.params.BatchSize, "rows drawn for one step of k-means")
	flags.StringVar(&s.stream, "random-stream", s.params.Stream.String(), "follow the random draws of sklearn-1.2, sklearn-1.3 (to 1.8) or sklearn-1.9")
	flags.IntVar(&s.params.Workers, "workers", runtime.GOMAXPROCS(0), "fits that run at once")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("random-stream", completeWords(cluster.RandomStreams()...)))
}

// check reads the flags.
func (s *sweep) check() (err error) {
	if s.params.Stream, err = cluster.ParseRandomStream(s.stream); err != nil {
		return usageError{fmt.Errorf("--random-stream: %w", err)}
	}
	if len(s.ks) == 0 {
		return usageError{errors.New("-k: want at least one number of clusters")}
	}
	for _, k := range s.ks {
		p := s.params
		p.Name, p.K = store.DefaultClustering, k
		if err := checkClusterFlags(&p); err != nil {
			return usageError{err}
		}
	}
	s.params.Features, err = parseFeatures(s.features)
	return err
}

// run fits, and calls fn with each row.
func (s *sweep) run(ctx context.Context, g *globals, fn func(row *cluster.SweepRow) error) error {
	bar := newProgress(g.quiet, "sweep")
	defer bar.done()
	p := s.params
	p.Progress = func(done, total int) { bar.set(done, total, 0) }
	q := &asker{globals: g}
	return cluster.Sweep(ctx, q.withStore, p, s.ks, fn)
}

func newClusterSweep(g *globals) *cobra.Command {
	s := new(sweep)
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "Fit several numbers of clusters without storing them, to choose one",
		Long: `sweep fits each feature with each number of clusters, as tatum cluster would, and
prints what the fits came to. It stores nothing, and holds nothing open while it
fits. It declares no winner, for none of its figures can:

  inertia            falls with every cluster more, needed or not. The elbow that
                     one looks for is there in data without clusters too, and moves
                     with the scale of the axes.
  silhouette         how much nearer tracks are to their own centroid than to the
                     next: 1 apart, 0 between two. The simplified one, by
                     centroids, out of fold. It favours few, round clusters.
  Davies-Bouldin     how wide clusters are for the distance between them; less is
                     better. Clusters of one track are perfect to it.
  Calinski-Harabasz  variance between clusters for that within; more is better. It
                     favours few clusters of one size.
  agreement          of the folds' models, mean and least: whether other tracks
                     would have given the same clusters. Low, the clusters are
                     chance's. High, they need not be good: it cannot see that k is
                     too small, for two clusters of a crowd are found every time.
  smallest, empty    clusters that hardly any track is in, or none.

Look at several, at tatum plot k, and at the clusters themselves: tatum query
clusters --explain, tatum plot profile.`,
		Example: `  tatum cluster sweep -k 4,8,16 --features beats_start
  tatum cluster sweep -k 8,32 -o csv`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.check(); err != nil {
				return err
			}
			return runClusterSweep(cmd.Context(), g, s, cmd.OutOrStdout())
		},
	}
	s.addFlags(cmd)
	cmd.Flags().StringSliceVar(&s.features, "features", nil, "features to cluster, or all (default the eight)")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("features", completeFeatures))
	return cmd
}

func runClusterSweep(ctx context.Context, g *globals, s *sweep, stdout io.Writer) error {
	o, err := g.outputOptions(stdout)
	if err != nil {
		return err
	}
	out := render.NewWriter(stdout, o, sweepTable, "")
	return errors.Join(s.run(ctx, g, out.Write), out.Close())
}

// sweepTable is how the rows of a sweep are written.
var sweepTable = render.Table[cluster.SweepRow]{Columns: []render.Column[cluster.SweepRow]{
	{Name: "feature", Title: "Feature", Value: func(r *cluster.SweepRow) any { return r.Feature.String() }},
	{Name: "k", Title: "Clusters", Value: func(r *cluster.SweepRow) any { return r.K }},
	{Name: "inertia", Title: "Inertia", Digits: 1, Value: func(r *cluster.SweepRow) any { return r.Inertia }},
	{Name: "silhouette", Title: "Silhouette", Digits: 3, Value: func(r *cluster.SweepRow) any { return r.Silhouette }},
	{Name: "davies_bouldin", Title: "Davies-Bouldin", Digits: 3, Value: func(r *cluster.SweepRow) any { return r.DaviesBouldin }},
	{Name: "calinski_harabasz", Title: "Calinski-Harabasz", Digits: 1, Value: func(r *cluster.SweepRow) any { return r.CalinskiHarabasz }},
	{Name: "agreement", Title: "Agreement", Digits: 3, Value: func(r *cluster.SweepRow) any { return r.MeanAgreement }},
	{Name: "least_agreement", Title: "Least", Digits: 3, Value: func(r *cluster.SweepRow) any { return r.LeastAgreement }},
	{Name: "smallest", Title: "Smallest", Value: func(r *cluster.SweepRow) any { return int(slices.Min(r.Sizes)) }},
	{Name: "empty", Title: "Empty", Value: func(r *cluster.SweepRow) any { return len(r.Empty()) }},
}}
