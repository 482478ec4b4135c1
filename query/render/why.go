package render

import "tatum/query"

// FeatureDistances is how the answers of query.FeatureDistances are written, under
// a heading that names both tracks.
var FeatureDistances = Table[query.FeatureDistance]{Columns: []Column[query.FeatureDistance]{
	{Name: "query_id", Value: func(d *query.FeatureDistance) any { return string(d.QueryID) }},
	{Name: "track_id", Value: func(d *query.FeatureDistance) any { return string(d.TrackID) }},
	{Name: "feature", Title: "Feature", Value: func(d *query.FeatureDistance) any { return d.Feature.String() }},
	{Name: "distance", Title: "Distance", Digits: 3, Value: func(d *query.FeatureDistance) any { return d.Distance }},
}}

// Deviations is how the answers of query.Profile.Explain are written, under a
// heading that names the cluster.
var Deviations = Table[query.Deviation]{Columns: []Column[query.Deviation]{
	{Name: "feature", Value: func(d *query.Deviation) any { return d.Feature.String() }},
	{Name: "cluster", Value: func(d *query.Deviation) any { return int(d.Cluster) }},
	{Name: "rank", Title: "Rank", Value: func(d *query.Deviation) any { return d.Rank }},
	{Name: "statistic", Title: "Statistic", Value: func(d *query.Deviation) any { return d.Statistic }},
	{Name: "group", Title: "Of", Value: func(d *query.Deviation) any { return textOrMissing(d.Group) }},
	{Name: "z", Title: "Deviations", Digits: 2, Value: func(d *query.Deviation) any { return d.Z }},
	{Name: "cluster_mean", Title: "Mean of the cluster", Digits: 4, Value: func(d *query.Deviation) any { return d.ClusterMean }},
	{Name: "mean", Title: "Mean of all", Digits: 4, Value: func(d *query.Deviation) any { return d.Mean }},
	{Name: "deviation", Value: func(d *query.Deviation) any { return d.Deviation }},
}}

// Parts is how the answers of query.Parts are written, under a heading that names
// both tracks and the feature.
var Parts = Table[query.Part]{Columns: []Column[query.Part]{
	{Name: "query_id", Value: func(p *query.Part) any { return string(p.QueryID) }},
	{Name: "track_id", Value: func(p *query.Part) any { return string(p.TrackID) }},
	{Name: "feature", Value: func(p *query.Part) any { return p.Feature.String() }},
	{Name: "statistic", Title: "Statistic", Value: func(p *query.Part) any { return p.Statistic }},
	{Name: "query_value", Title: "First", Digits: 4, Value: func(p *query.Part) any { return p.Query }},
	{Name: "track_value", Title: "Second", Digits: 4, Value: func(p *query.Part) any { return p.Track }},
	{Name: "part", Title: "Part", Digits: 4, Value: func(p *query.Part) any { return p.Part }},
}}
