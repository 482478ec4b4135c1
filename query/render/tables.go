package render

import (
	"fmt"
	"strings"

	"tatum/query"
	"tatum/store"
)

// Song returns the heading of a track's table: its ID, and what a person knows
// it by as far as that is known, such as
//
//	TRAAABD128F429CF47  The Box Tops – Soul Deep (Dimensions, 1969)
func Song(t *store.Track) string {
	names := nonEmpty(t.ArtistName, t.Title)
	year := ""
	if t.Year != 0 {
		year = fmt.Sprint(t.Year)
	}
	text := strings.Join(names, " – ")
	if from := nonEmpty(t.Release, year); len(from) > 0 {
		text += " (" + strings.Join(from, ", ") + ")"
	}
	return strings.TrimSpace(string(t.ID) + "  " + strings.TrimSpace(text))
}

func nonEmpty(texts ...string) []string {
	var kept []string
	for _, text := range texts {
		if text != "" {
			kept = append(kept, text)
		}
	}
	return kept
}

// Placements is how the answers of query.Track are written, under a [Song].
var Placements = Table[query.Placement]{Columns: []Column[query.Placement]{
	{Name: "track_id", Value: func(p *query.Placement) any { return string(p.TrackID) }},
	{Name: "feature", Title: "Feature", Value: func(p *query.Placement) any { return p.Feature.String() }},
	{Name: "cluster", Title: "Cluster", Value: func(p *query.Placement) any { return int(p.Cluster) }},
	{Name: "label", Title: "Label", Value: func(p *query.Placement) any { return int(p.Label) }},
	{Name: "fold", Title: "Fold", Value: func(p *query.Placement) any { return int(p.Fold) }},
	{Name: "distance", Title: "Distance", Digits: 3, Value: func(p *query.Placement) any { return p.Distance }},
	{Name: "runner_up", Title: "Runner-up", Value: runnerUp},
	{Name: "runner_up_distance", Value: func(p *query.Placement) any { return p.RunnerUpDistance }}, // the margin tells people
	{Name: "margin", Title: "Margin", Digits: 3, Value: func(p *query.Placement) any { return p.Margin }},
}}

func runnerUp(p *query.Placement) any {
	if p.HasRunnerUp() {
		return int(p.RunnerUp)
	}
	return nil
}

// Members is how the answers of query.Members are written, under a heading
// that names the cluster.
var Members = Table[query.Member]{Columns: []Column[query.Member]{
	{Name: "rank", Title: "Rank", Value: func(m *query.Member) any { return m.Rank }},
	{Name: "track_id", Title: "Track ID", Value: func(m *query.Member) any { return string(m.TrackID) }},
	{Name: "artist", Title: "Artist", Shrink: true, Value: func(m *query.Member) any { return m.Artist }},
	{Name: "title", Title: "Title", Shrink: true, Value: func(m *query.Member) any { return m.Title }},
	{Name: "cluster", Value: func(m *query.Member) any { return int(m.Cluster) }},
	{Name: "label", Title: "Label", Value: func(m *query.Member) any { return int(m.Label) }},
	{Name: "fold", Title: "Fold", Value: func(m *query.Member) any { return int(m.Fold) }},
	{Name: "distance", Title: "Distance", Digits: 3, Value: func(m *query.Member) any { return m.Distance }},
}}

// Clusters is how the answers of query.Clusters are written, under a heading
// that names the feature.
var Clusters = Table[query.ClusterSummary]{Columns: []Column[query.ClusterSummary]{
	{Name: "feature", Value: func(s *query.ClusterSummary) any { return s.Feature.String() }},
	{Name: "cluster", Title: "Cluster", Value: func(s *query.ClusterSummary) any { return int(s.Cluster) }},
	{Name: "size", Title: "Size", Value: func(s *query.ClusterSummary) any { return s.Size }},
	{Name: "share", Title: "Share", Digits: 4, Value: func(s *query.ClusterSummary) any { return s.Share }},
	{Name: "mean_distance", Title: "Mean distance", Digits: 3, Value: func(s *query.ClusterSummary) any { return s.MeanDistance }},
	{Name: "silhouette", Title: "Silhouette", Digits: 3, Value: func(s *query.ClusterSummary) any { return s.Silhouette }},
	{Name: "central_track_id", Title: "Most central", Value: func(s *query.ClusterSummary) any { return textOrMissing(string(s.Central)) }},
}}

// Neighbours is how the answers of query.Similar are written, under a [Song].
var Neighbours = Table[query.Neighbour]{Columns: []Column[query.Neighbour]{
	{Name: "query_id", Value: func(n *query.Neighbour) any { return string(n.QueryID) }},
	{Name: "rank", Title: "Rank", Value: func(n *query.Neighbour) any { return n.Rank }},
	{Name: "track_id", Title: "Track ID", Value: func(n *query.Neighbour) any { return string(n.TrackID) }},
	{Name: "artist", Title: "Artist", Shrink: true, Value: func(n *query.Neighbour) any { return n.Artist }},
	{Name: "title", Title: "Title", Shrink: true, Value: func(n *query.Neighbour) any { return n.Title }},
	{Name: "distance", Title: "Distance", Digits: 3, Value: func(n *query.Neighbour) any { return n.Distance }},
}}

// Matches is how the answers of query.Search are written.
var Matches = Table[query.Match]{Columns: []Column[query.Match]{
	{Name: "track_id", Title: "Track ID", Value: func(m *query.Match) any { return string(m.TrackID) }},
	{Name: "artist", Title: "Artist", Shrink: true, Value: func(m *query.Match) any { return m.Artist }},
	{Name: "title", Title: "Title", Shrink: true, Value: func(m *query.Match) any { return m.Title }},
	{Name: "release", Title: "Release", Shrink: true, Value: func(m *query.Match) any { return m.Release }},
	{Name: "year", Title: "Year", Value: func(m *query.Match) any {
		if m.Year == 0 {
			return nil
		}
		return m.Year
	}},
}}

// Tracks is how the store's tracks are written.
var Tracks = Table[store.Track]{Columns: []Column[store.Track]{
	{Name: "track_id", Title: "Track ID", Value: func(t *store.Track) any { return string(t.ID) }},
	{Name: "artist", Title: "Artist", Shrink: true, Value: func(t *store.Track) any { return t.ArtistName }},
	{Name: "title", Title: "Title", Shrink: true, Value: func(t *store.Track) any { return t.Title }},
	{Name: "release", Title: "Release", Shrink: true, Value: func(t *store.Track) any { return t.Release }},
	{Name: "year", Title: "Year", Value: func(t *store.Track) any {
		if t.Year == 0 {
			return nil
		}
		return int(t.Year)
	}},
	{Name: "duration", Title: "Duration (s)", Digits: 1, Value: func(t *store.Track) any { return t.Duration }},
	{Name: "tempo", Title: "Tempo (bpm)", Digits: 1, Value: func(t *store.Track) any { return t.Tempo }},
	{Name: "key", Title: "Key", Value: func(t *store.Track) any { return int(t.Key) }},
	{Name: "mode", Title: "Mode", Value: func(t *store.Track) any { return int(t.Mode) }},
	{Name: "loudness", Title: "Loudness (dB)", Digits: 1, Value: func(t *store.Track) any { return t.Loudness }},
	{Name: "path", Title: "Path", Shrink: true, Value: func(t *store.Track) any { return t.Source.Path }},
}}

// Stats is how the answers of query.Stats are written, under a [Song]: for
// people a column per feature.
var Stats = Table[query.FeatureStats]{Columns: statColumns(query.StatNames[:]), Transpose: true}

// SoundStats is Stats of sound features.
var SoundStats = Table[query.FeatureStats]{Columns: statColumns(query.SoundStatNames[:]), Transpose: true}

func statColumns(names []string) []Column[query.FeatureStats] {
	columns := []Column[query.FeatureStats]{
		{Name: "track_id", Value: func(s *query.FeatureStats) any { return string(s.TrackID) }},
		{Name: "feature", Title: "Statistic", Value: func(s *query.FeatureStats) any { return s.Feature.String() }},
	}
	for i, name := range names {
		digits := 4
		if name == "length" { // a count
			digits = 0
		}
		columns = append(columns, Column[query.FeatureStats]{Name: name, Title: name, Digits: digits,
			Value: func(s *query.FeatureStats) any { return s.Vector[i] }})
	}
	return columns
}

// Arrays is how the answers of query.Arrays are written, under a [Song]. Values
// of arrays with several columns are nested.
var Arrays = Table[query.RawArray]{Columns: []Column[query.RawArray]{
	{Name: "track_id", Value: func(a *query.RawArray) any { return string(a.TrackID) }},
	{Name: "array", Title: "Array", Value: func(a *query.RawArray) any { return a.Array.String() }},
	{Name: "rows", Title: "Rows", Value: func(a *query.RawArray) any { return a.Rows }},
	{Name: "columns", Title: "Columns", Value: func(a *query.RawArray) any { return a.Columns }},
	{Name: "values", Title: "Values", Shrink: true, Value: func(a *query.RawArray) any {
		if a.Columns == 1 {
			return a.Values
		}
		return a.Nested()
	}},
}}

func textOrMissing(text string) any {
	if text == "" {
		return nil
	}
	return text
}
