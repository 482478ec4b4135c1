package cluster

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"tatum/store"
)

// A SweepRow tells what the fits of one feature with one number of clusters came
// to.
type SweepRow struct {
	Feature store.Feature
	K       int
	store.Summary
}

// Sweep fits each of the features as [Run] does with each number of clusters, and
// stores nothing. It calls fn with a row for each feature and number of clusters,
// in their order, feature by feature. The rows have the figures that Run would
// give; silhouettes may differ in their last bits.
//
// View calls its function with the store, which it may open for that long: each
// feature is read in one go, and nothing is held open while it is fitted. Errors
// are those of Run; a parameter that is out of range is found before any work.
func Sweep(ctx context.Context, view func(func(db *store.DB) error) error, p Params, ks []int, fn func(row *SweepRow) error) error {
	if len(p.Features) == 0 {
		p.Features = store.Features[:]
	}
	s := &sweeper{view: view, p: p, ks: slices.Compact(slices.Sorted(slices.Values(ks)))}
	if err := s.check(); err != nil {
		return err
	}
	for _, f := range slices.Sorted(slices.Values(p.Features)) {
		rows, err := s.feature(ctx, f)
		if err != nil {
			return fmt.Errorf("cluster %v: %w", f, err)
		}
		for i := range rows {
			if err := fn(&rows[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// A sweeper is one Sweep under way.
type sweeper struct {
	view func(func(db *store.DB) error) error
	p    Params
	ks   []int // ascending

	telling sync.Mutex // of progress
	done    int        // fits
}

// check returns an error if one of the fits cannot run.
func (s *sweeper) check() error {
	return s.view(func(db *store.DB) error {
		state, err := db.State()
		if err != nil {
			return err
		}
		for _, f := range s.p.Features {
			for _, k := range s.ks {
				o := s.p.Options
				o.K = k
				if err := o.Check(int(state.TracksOf(f))); err != nil {
					return fmt.Errorf("cluster %d tracks: %w", state.TracksOf(f), err)
				}
			}
		}
		return nil
	})
}

// feature returns the rows of one feature.
func (s *sweeper) feature(ctx context.Context, f store.Feature) ([]SweepRow, error) {
	r := &runner{p: s.p}
	r.p.Features, r.p.K = []store.Feature{f}, s.ks[len(s.ks)-1]
	var tracks *population
	var matrix Matrix
	err := s.view(func(db *store.DB) (err error) {
		if r.state, err = db.State(); err != nil {
			return err
		}
		if tracks, err = r.newPopulation(db, f); err != nil {
			return err
		}
		matrix = NewMatrix(len(tracks.ids), f.VectorLen())
		return eachVectors(db, f, tracks.ids, func(i int, v *store.Vectors) error { return v.Vector(f, matrix.Row(i)) })
	})
	if err != nil {
		return nil, err
	}
	rows := make([]SweepRow, len(s.ks))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2)                             // so that one is labelled while the other is fitted
	for i, k := range slices.Backward(s.ks) { // what takes longest first
		g.Go(func() error {
			own := &runner{p: r.p, ids: r.ids, fitters: make(chan *Fitter, r.fits())}
			own.p.K = k
			for range cap(own.fitters) {
				own.fitters <- NewFitter(own.p.Options)
			}
			summary, err := own.try(ctx, tracks, matrix)
			rows[i] = SweepRow{f, k, summary}
			s.progress()
			return err
		})
	}
	return rows, g.Wait()
}

// progress tells of one more fit.
func (s *sweeper) progress() {
	s.telling.Lock()
	defer s.telling.Unlock()
	if s.done++; s.p.Progress != nil {
		s.p.Progress(s.done, len(s.p.Features)*len(s.ks))
	}
}

// try fits a feature and returns what the fits came to.
func (r *runner) try(ctx context.Context, p *population, matrix Matrix) (store.Summary, error) {
	models, err := r.fitFolds(ctx, p, matrix)
	if err != nil {
		return store.Summary{}, err
	}
	labels, spots, err := r.labelAll(ctx, p, models, Align(models), matrix)
	if err != nil {
		return store.Summary{}, err
	}
	summary := r.summary(models, spots, labels, matrix)
	summary.Silhouette, err = r.silhouette(ctx, p, models, spots, matrix)
	return summary, err
}

// silhouette returns the mean silhouette of all tracks.
func (r *runner) silhouette(ctx context.Context, p *population, models []*Model, spots []store.Spot, matrix Matrix) (float64, error) {
	all := make([]float64, len(spots))
	err := r.each(ctx, len(models), func(_ *Fitter, fold int) error {
		_, held := Split(p.folds, fold)
		distances := make([]float64, placeRows*r.p.K)
		for some := range slices.Chunk(held, placeRows) {
			models[fold].Assign(matrix, some, nil, distances)
			for i, row := range some {
				a := store.Assignment{Label: spots[row].Label, Distances: distances[i*r.p.K : (i+1)*r.p.K]}
				all[row] = a.Silhouette()
			}
		}
		return nil
	})
	sum := 0.0
	for _, silhouette := range all {
		sum += silhouette
	}
	return sum / float64(len(all)), err
}
