package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"tatum/cluster"
	"tatum/query"
	"tatum/query/render"
	"tatum/store"
)

func newCluster(g *globals) *cobra.Command {
	p := cluster.Params{Options: cluster.Defaults()}
	var stream string
	var features []string
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Cluster the stored tracks out of fold",
		Long: `cluster splits the tracks into folds and, for each feature and fold, fits a
scaler and mini-batch k-means to the other folds' tracks; the model that did not
see a track labels it. The labels and distances are those of scikit-learn's
KFold, StandardScaler and MiniBatchKMeans. A clustering of the same name is
replaced in one step when all is done; until then, and if cluster is
interrupted, the old one stands.

It prints, for each feature, how far the folds' models agree: the adjusted Rand
index between two models' labels of all tracks, mean and least of all pairs, 1
where they agree on every track and about 0 where by chance only. Inertia is
the mean of the folds, sizes count the tracks of a cluster. Silhouette is the mean
of (d2 - d1) / d2, of a track's distances to the nearest two centroids: 1 where it
is well inside its cluster, 0 between two; Davies-Bouldin index (less is better)
and Calinski-Harabasz index (more is better) are scikit-learn's, of all vectors,
standardised, with their clusters. What they can tell, see tatum cluster sweep.

Unless told otherwise it takes the eight features that every track has. With
--features all, or by name, it takes segments_timbre and segments_pitches too,
with the tracks that were ingested with --arrays all.

It is an error to have fewer tracks than folds, or a training fold with fewer
tracks than clusters.`,
		Example: `  tatum cluster
  tatum cluster -k 16 --features beats_start,tatums_start --name rhythm
  tatum cluster assign
  tatum cluster list`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if p.Stream, err = cluster.ParseRandomStream(stream); err != nil {
				return usageError{fmt.Errorf("--random-stream: %w", err)}
			}
			if p.Features, err = parseFeatures(features); err != nil {
				return err
			}
			if cmd.Flags().Changed("features") && len(p.Features) == 0 {
				return usageError{errors.New("--features: want at least one feature")}
			}
			if err := checkClusterFlags(&p); err != nil {
				return usageError{err}
			}
			return runCluster(cmd.Context(), g, p, cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.IntVarP(&p.K, "clusters", "k", p.K, "clusters per feature")
	flags.IntVar(&p.Folds, "folds", p.Folds, "folds to split the tracks into")
	flags.Uint32Var(&p.Seed, "seed", p.Seed, "seed of all random draws")
	flags.IntVar(&p.BatchSize, "batch-size", p.BatchSize, "rows drawn for one step of k-means")
	flags.StringVar(&stream, "random-stream", p.Stream.String(), "follow the random draws of sklearn-1.2, sklearn-1.3 (to 1.8) or sklearn-1.9")
	flags.StringSliceVar(&features, "features", nil, "features to cluster, or all (default the eight)")
	flags.StringVar(&p.Name, "name", store.DefaultClustering, "name of the clustering")
	flags.IntVar(&p.Workers, "workers", runtime.GOMAXPROCS(0), "fits that run at once")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("features", completeFeatures))
	g.addWait(cmd)
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("random-stream", completeWords(cluster.RandomStreams()...)))
	cmd.AddCommand(newClusterAssign(g), newClusterSweep(g), newClusterList(g), newClusterDelete(g))
	return cmd
}

// checkClusterFlags returns an error if a parameter is out of range whatever
// the number of tracks.
func checkClusterFlags(p *cluster.Params) error {
	for _, c := range []struct {
		flag                string
		value, least, limit int
	}{
		{"-k", p.K, 1, cluster.MaxClusters},
		{"--folds", p.Folds, 2, cluster.MaxFolds},
		{"--batch-size", p.BatchSize, 1, cluster.MaxBatchSize},
		{"--workers", p.Workers, 1, 1 << 16},
	} {
		if c.value < c.least || c.value > c.limit {
			return fmt.Errorf("%s %d: want %d to %d", c.flag, c.value, c.least, c.limit)
		}
	}
	return store.CheckName(p.Name)
}

func runCluster(ctx context.Context, g *globals, p cluster.Params, stdout io.Writer) error {
	o, err := g.outputOptions(stdout)
	if err != nil {
		return err
	}
	bar := newProgress(g.quiet, "cluster")
	p.Progress = func(done, total int) { bar.set(done, total, 0) }
	var report *cluster.Report
	err = g.withWriter(ctx, func(w *store.Writer) (err error) {
		report, err = cluster.Run(ctx, w, p)
		return err
	})
	bar.done()
	if err != nil {
		return err
	}
	if !g.quiet {
		noteEmpty(os.Stderr, p.K, report)
		noteLacking(os.Stderr, report)
	}
	out := render.NewWriter(stdout, o, render.Features, "")
	err = out.Heading(fmt.Sprintf("%d tracks, %d features, %d clusters, %d folds", report.Tracks, len(report.Features), p.K, p.Folds))
	for _, f := range report.Features {
		row := query.FeatureSummary(f)
		err = errors.Join(err, out.Write(&row))
	}
	return errors.Join(err, out.Close())
}

// noteEmpty says where clusters had to stay empty, and which.
func noteEmpty(w io.Writer, k int, report *cluster.Report) {
	for i := range report.Features {
		f := &report.Features[i]
		if f.DistinctRows < uint64(k) {
			fmt.Fprintf(w, "tatum: %v has only %d different vectors for %d clusters; empty: %s\n", f.Feature, f.DistinctRows, k, ranges(f.Empty()))
		}
	}
}

// noteLacking says how many tracks could not be clustered by sound features.
func noteLacking(w io.Writer, report *cluster.Report) {
	if report.Lacking > 0 {
		fmt.Fprintf(w, "tatum: tracks without sound features, which these leave out: %d; ingest --arrays all reads them\n", report.Lacking)
	}
}

// ranges lists ascending numbers, such as "3, 7-9".
func ranges(numbers []store.Cluster) string {
	var parts []string
	for len(numbers) > 0 {
		n := 1
		for n < len(numbers) && numbers[n] == numbers[0]+store.Cluster(n) {
			n++
		}
		part := fmt.Sprint(numbers[0])
		if n > 1 {
			part += fmt.Sprint("-", numbers[n-1])
		}
		parts = append(parts, part)
		numbers = numbers[n:]
	}
	return strings.Join(parts, ", ")
}

// allFeaturesName is what --features takes for all of them.
const allFeaturesName = "all"

// parseFeatures returns the features of the given names, in the order of
// tables and each once.
func parseFeatures(names []string) ([]store.Feature, error) {
	var chosen [store.NumArrays]bool
	for _, name := range names {
		if name == allFeaturesName {
			return store.AllFeatures, nil
		}
		f, err := parseFeature(name)
		if err != nil {
			return nil, err
		}
		chosen[f] = true
	}
	var features []store.Feature
	for _, f := range store.AllFeatures {
		if chosen[f] {
			features = append(features, f)
		}
	}
	return features, nil
}
