package main

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"tatum/query"
	"tatum/query/render"
	"tatum/store"
)

// whyHelp is what similar says of --why and --to.
const whyHelp = `

With --why the distance of each track is split, if by rhythm into those of the
eight features, else into its parts, one for each statistic or column, the mean of
which it is. With --to ID two tracks are compared, feature by feature, and with
--why by all parts.`

// A whyOptions says how a distance is split.
type whyOptions struct {
	why bool
	to  string // compare with this track only
}

func (w *whyOptions) asked() bool { return w.why || w.to != "" }

// A splitNeighbour is a neighbour with its distance in its parts.
type splitNeighbour struct {
	query.Neighbour
	parts []float64
}

// splitTable is how they are written, with a column for each part.
func splitTable(names []string) render.Table[splitNeighbour] {
	var t render.Table[splitNeighbour]
	for _, c := range render.Neighbours.Columns {
		t.Columns = append(t.Columns, render.Column[splitNeighbour]{
			Name: c.Name, Title: c.Title, Digits: c.Digits, Shrink: c.Shrink,
			Value: func(n *splitNeighbour) any { return c.Value(&n.Neighbour) },
		})
	}
	for i, name := range names {
		t.Columns = append(t.Columns, render.Column[splitNeighbour]{
			Name: name, Title: name, Digits: 3, Value: func(n *splitNeighbour) any { return n.parts[i] },
		})
	}
	return t
}

func runWhy(q *asker, args []string, so query.SimilarOptions, w whyOptions, choose, sameCluster bool, stdin io.Reader, stdout io.Writer) error {
	o, err := q.outputOptions(stdout)
	if err != nil {
		return err
	}
	ask := func(db *store.DB) error {
		if choose && (so.SameCluster == nil || slices.Contains(so.SameCluster.Features, store.Timbre)) {
			if so.Feature, err = measureOf(db, args[0]); err != nil {
				return err
			}
		}
		features := store.Features[:]
		switch {
		case so.Feature != nil:
			features = []store.Feature{*so.Feature}
		case so.SameCluster != nil:
			features = slices.DeleteFunc(slices.Clone(so.SameCluster.Features), store.Feature.IsSound)
		}
		if w.to != "" {
			return runPair(db, args, features, w, o, stdout)
		}
		names, split := splitter(db, features)
		out := render.NewWriter(stdout, o, splitTable(names), "No tracks.")
		return printTracks(db, trackIDs(args, stdin), out, func(id store.TrackID) ([]splitNeighbour, error) {
			neighbours, err := query.Similar(db, id, so)
			if err != nil {
				return nil, err
			}
			rows := make([]splitNeighbour, len(neighbours))
			for i, n := range neighbours {
				rows[i].Neighbour = n
				if rows[i].parts, err = split(id, n.TrackID); err != nil {
					return nil, err
				}
			}
			return rows, nil
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

// measureOf returns by what a track is compared unless it is said: its timbre if it
// has it, else nil for the rhythm, as of tracks that are named on standard input.
func measureOf(db *store.DB, id string) (*store.Feature, error) {
	if id == "-" {
		return nil, nil
	}
	t, err := findTrack(db, id)
	if exitCode(err) == exitNotFound {
		return nil, nil // which is said of it when it is its turn
	}
	if err != nil {
		return nil, err
	}
	timbre := store.Timbre
	vectors, err := db.TrackVectors(t.ID, timbre)
	if err != nil || vectors[timbre] == nil {
		return nil, err
	}
	return &timbre, nil
}

// splitter returns the names of the parts of a distance by the features, and what
// splits the distance of two tracks.
func splitter(db *store.DB, features []store.Feature) (names []string, split func(id, to store.TrackID) ([]float64, error)) {
	if len(features) > 1 {
		for _, f := range features {
			names = append(names, f.String())
		}
		return names, func(id, to store.TrackID) (parts []float64, err error) {
			distances, err := query.FeatureDistances(db, id, to, features)
			for _, d := range distances {
				parts = append(parts, d.Distance)
			}
			return parts, err
		}
	}
	names = query.StatNamesOf(features[0])
	if features[0].IsSound() { // a part for each column
		names = names[:store.SoundColumns]
	}
	return names, func(id, to store.TrackID) (values []float64, err error) {
		parts, err := query.Parts(db, id, to, features)
		for _, p := range parts {
			values = append(values, p.Part)
		}
		return values, err
	}
}

// runPair compares two tracks.
func runPair(db *store.DB, args []string, features []store.Feature, w whyOptions, o render.Options, stdout io.Writer) error {
	if len(args) != 1 {
		return usageError{errors.New("--to: want one track to compare with")}
	}
	a, err := findTrack(db, args[0])
	if err != nil {
		return err
	}
	b, err := findTrack(db, w.to)
	if err != nil {
		return err
	}
	distances, err := query.FeatureDistances(db, a.ID, b.ID, features)
	if err != nil {
		return adviseSound(err)
	}
	mean := 0.0
	for _, d := range distances {
		mean += d.Distance / float64(len(distances))
	}
	heading := fmt.Sprintf("%s and %s: distance %.3f", render.Song(a), render.Song(b), mean)
	if !w.why {
		out := render.NewWriter(stdout, o, render.FeatureDistances, "")
		return out.CloseAfter(errors.Join(out.Heading(heading), out.WriteAll(distances)))
	}
	out := render.NewWriter(stdout, o, render.Parts, "")
	for i, f := range features {
		parts, err := query.Parts(db, a.ID, b.ID, []store.Feature{f})
		if err != nil {
			return err
		}
		heading := fmt.Sprintf("%s and %s by %v: distance %.3f", a.ID, b.ID, f, distances[i].Distance)
		if err := errors.Join(out.Heading(heading), out.WriteAll(parts)); err != nil {
			return err
		}
	}
	return out.Close()
}
