package render

import (
	"fmt"
	"slices"
	"time"

	"tatum/query"
	"tatum/store"
)

// Clusterings is how clusterings are listed.
var Clusterings = Table[store.Clustering]{Columns: []Column[store.Clustering]{
	{Name: "name", Title: "Name", Value: func(c *store.Clustering) any { return c.Name }},
	{Name: "features", Title: "Features", Shrink: true, Value: func(c *store.Clustering) any { return featureNames(c.Features) }},
	{Name: "k", Title: "Clusters", Value: func(c *store.Clustering) any { return c.K }},
	{Name: "folds", Title: "Folds", Value: func(c *store.Clustering) any { return c.Folds }},
	{Name: "seed", Title: "Seed", Value: func(c *store.Clustering) any { return int(c.Seed) }},
	{Name: "batch_size", Title: "Batch size", Value: func(c *store.Clustering) any { return c.BatchSize }},
	{Name: "random_stream", Title: "Random stream", Value: func(c *store.Clustering) any { return c.RandomStream }},
	{Name: "tracks", Title: "Tracks", Value: func(c *store.Clustering) any { return int(c.Tracks) }},
	{Name: "fitted", Title: "Fitted", Value: func(c *store.Clustering) any { return c.Fitted.Format(time.RFC3339) }},
	{Name: "algorithm", Title: "Algorithm", Value: func(c *store.Clustering) any { return int(c.Algorithm) }},
	{Name: "fingerprint", Value: func(c *store.Clustering) any { return fmt.Sprintf("%x", c.Fingerprint) }},
	{Name: "silhouette", Title: "Silhouette", Digits: 2, Shrink: true, Value: eachSummary(func(s *store.Summary) float64 { return s.Silhouette })},
	{Name: "davies_bouldin", Title: "Davies-Bouldin", Digits: 2, Shrink: true, Value: eachSummary(func(s *store.Summary) float64 { return s.DaviesBouldin })},
	{Name: "calinski_harabasz", Title: "Calinski-Harabasz", Digits: 1, Shrink: true, Value: eachSummary(func(s *store.Summary) float64 { return s.CalinskiHarabasz })},
}}

// eachSummary returns a figure of the clustering's features, in their order.
func eachSummary(figure func(s *store.Summary) float64) func(c *store.Clustering) any {
	return func(c *store.Clustering) any {
		figures := make([]float64, len(c.Summaries))
		for i := range c.Summaries {
			figures[i] = figure(&c.Summaries[i])
		}
		return figures
	}
}

func featureNames(features []store.Feature) []string {
	names := make([]string, len(features))
	for i, f := range features {
		names[i] = f.String()
	}
	return names
}

// BadFiles is how files in quarantine are listed.
var BadFiles = Table[store.File]{Columns: []Column[store.File]{
	{Name: "path", Title: "Path", Value: func(f *store.File) any { return f.Path }},
	{Name: "step", Title: "Step", Value: func(f *store.File) any { return f.Bad.Step }},
	{Name: "reason", Title: "Reason", Shrink: true, Value: func(f *store.File) any { return f.Bad.Reason }},
	{Name: "time", Title: "Last tried", Value: func(f *store.File) any { return Time(f.Bad.Time.UTC()) }},
}}

// Info is how a store is described: for people a line for each field.
var Info = Table[store.Info]{Transpose: true, Columns: []Column[store.Info]{
	{Name: "path", Title: "Store", Value: func(i *store.Info) any { return i.Path }},
	{Name: "format", Title: "Format", Value: func(i *store.Info) any { return i.FormatVersion }},
	{Name: "tracks", Title: "Tracks", Value: func(i *store.Info) any { return i.Tracks }},
	{Name: "sound", Title: "with sound features", Value: func(i *store.Info) any { return i.Sound }},
	{Name: "files", Title: "Files", Value: func(i *store.Info) any { return i.Files }},
	{Name: "bad_files", Title: "Bad files", Value: func(i *store.Info) any { return i.BadFiles }},
	{Name: "clusterings", Title: "Clusterings", Value: clusteringNames},
	{Name: "created", Title: "Created", Value: func(i *store.Info) any { return Time(i.Created) }},
	{Name: "ingested", Title: "Songs last written", Value: func(i *store.Info) any { return Time(i.Ingested) }},
	{Name: "clustered", Title: "Last clustered", Value: func(i *store.Info) any { return Time(lastFitted(i)) }},
	{Name: "written", Title: "Last written", Value: func(i *store.Info) any { return Time(i.Written) }},
	{Name: "bytes", Title: "Bytes", Value: func(i *store.Info) any { return int(i.Bytes.Total) }},
	{Name: "bytes_tracks", Title: "of tracks", Value: func(i *store.Info) any { return int(i.Bytes.Tracks) }},
	{Name: "bytes_arrays", Title: "of arrays", Value: func(i *store.Info) any { return int(i.Bytes.Arrays) }},
	{Name: "bytes_vectors", Title: "of vectors", Value: func(i *store.Info) any { return int(i.Bytes.Vectors) }},
	{Name: "bytes_files", Title: "of files", Value: func(i *store.Info) any { return int(i.Bytes.Files) }},
	{Name: "bytes_clusterings", Title: "of clusterings", Value: func(i *store.Info) any { return int(i.Bytes.Clusterings) }},
	{Name: "bytes_free", Title: "free", Value: func(i *store.Info) any { return int(i.Bytes.Free) }},
	{Name: "bytes_other", Title: "other", Value: func(i *store.Info) any { return int(i.Bytes.Other) }},
}}

func clusteringNames(i *store.Info) any {
	names := make([]string, len(i.Clusterings))
	for n, c := range i.Clusterings {
		names[n] = c.Name
	}
	return names
}

func lastFitted(i *store.Info) (last time.Time) {
	for _, c := range i.Clusterings {
		if c.Fitted.After(last) {
			last = c.Fitted
		}
	}
	return last
}

// Time returns a time as a value of a column, nil when it is zero.
func Time(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Format(time.RFC3339)
}

// Features is how the answers of query.Features are written.
var Features = Table[query.FeatureSummary]{Columns: []Column[query.FeatureSummary]{
	{Name: "feature", Title: "Feature", Value: func(r *query.FeatureSummary) any { return r.Feature.String() }},
	{Name: "agreement", Title: "Agreement", Digits: 3, Value: func(r *query.FeatureSummary) any { return r.MeanAgreement }},
	{Name: "least_agreement", Title: "Least", Digits: 3, Value: func(r *query.FeatureSummary) any { return r.LeastAgreement }},
	{Name: "inertia", Title: "Inertia", Digits: 1, Value: func(r *query.FeatureSummary) any { return r.Inertia }},
	{Name: "silhouette", Title: "Silhouette", Digits: 3, Value: func(r *query.FeatureSummary) any { return r.Silhouette }},
	{Name: "davies_bouldin", Title: "Davies-Bouldin", Digits: 3, Value: func(r *query.FeatureSummary) any { return r.DaviesBouldin }},
	{Name: "calinski_harabasz", Title: "Calinski-Harabasz", Digits: 1, Value: func(r *query.FeatureSummary) any { return r.CalinskiHarabasz }},
	{Name: "distinct_rows", Title: "Different vectors", Value: func(r *query.FeatureSummary) any { return int(r.DistinctRows) }},
	{Name: "smallest", Title: "Smallest", Value: func(r *query.FeatureSummary) any { return int(slices.Min(r.Sizes)) }},
	{Name: "largest", Title: "Largest", Value: func(r *query.FeatureSummary) any { return int(slices.Max(r.Sizes)) }},
	{Name: "empty", Title: "Empty", Value: func(r *query.FeatureSummary) any { return len(r.Empty()) }},
	{Name: "empty_clusters", Value: func(r *query.FeatureSummary) any { return ints(r.Empty()) }},
	{Name: "sizes", Value: func(r *query.FeatureSummary) any { return ints(r.Sizes) }},
}}

// ints returns whole numbers as values that render writes as a list.
func ints[T store.Cluster | uint64](numbers []T) []int {
	out := make([]int, len(numbers))
	for i, n := range numbers {
		out[i] = int(n)
	}
	return out
}
