package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"math"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"tatum/store"
)

// AlgorithmVersion is stored with every clustering. It grows when the same
// options on the same vectors give other numbers.
const AlgorithmVersion = 2

// Params says what to cluster and how.
type Params struct {
	Options
	Name     string          // of the clustering; store.DefaultClustering if empty
	Features []store.Feature // all if empty
	Workers  int             // fits that run at once; 0 means one

	// Progress, if set, is called after each feature that has been fitted, which
	// is half of the way, and after each batch of tracks that has been stored.
	Progress func(done, total int)
}

// A Report tells what a clustering came to.
type Report struct {
	Tracks   int
	Features []FeatureReport
}

// A FeatureReport tells what the fits of one feature came to.
type FeatureReport struct {
	Feature store.Feature
	store.Summary
}

// Run fits a clustering to all tracks of the writer's store and puts it in
// place of the one of the same name, in one step. Tracks are taken in the order
// of their IDs; the result depends on nothing else. It is an error if a
// parameter is out of range, if there are fewer tracks than folds, or in a
// training fold fewer than clusters; then nothing has been done. When ctx is
// cancelled, what stood in the store before stands there still.
//
// Besides IDs, two features are in memory at a time, 240 bytes a track each, with
// 24 bytes a track for the lists of members, and for each fit that runs at once a
// scaled copy of its training rows.
func Run(ctx context.Context, w *store.Writer, p Params) (*Report, error) {
	r := &runner{w: w, p: p}
	if r.p.Name == "" {
		r.p.Name = store.DefaultClustering
	}
	if len(r.p.Features) == 0 {
		r.p.Features = store.Features[:]
	}
	r.p.Features = slices.Sorted(slices.Values(r.p.Features))
	if err := r.open(); err != nil {
		return nil, err
	}
	defer debug.SetGCPercent(debug.SetGCPercent(r.gcPercent()))
	reports, err := r.fitFeatures(ctx)
	if err == nil {
		err = r.placeAll(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, r.fit.Abort())
	}
	return &Report{len(r.ids), reports}, r.fit.Commit(r.fingerprint())
}

// A runner is one Run under way.
type runner struct {
	w     *store.Writer
	p     Params
	ids   []store.TrackID
	folds []uint16
	fit   *store.Fit

	fitters chan *Fitter // as many as fits may run at once
	storing sync.Mutex   // one transaction at a time, so that none waits for the file's lock
	fitted  labeller     // the features that have been
	sums    [store.NumFeatures][sha256.Size]byte
}

// open reads the IDs, checks the parameters against them and begins the fit.
func (r *runner) open() error {
	var state store.State
	err := r.w.View(func(db *store.DB) (err error) {
		if state, err = db.State(); err != nil {
			return err
		}
		r.ids, err = db.TrackIDs()
		return err
	})
	if err != nil {
		return err
	}
	if err := r.p.Check(len(r.ids)); err != nil {
		return fmt.Errorf("cluster %d tracks: %w", len(r.ids), err)
	}
	if r.folds, err = Folds(len(r.ids), r.p.Folds, r.p.Seed); err != nil {
		return err
	}
	r.fitters = make(chan *Fitter, r.fits())
	for range cap(r.fitters) {
		r.fitters <- NewFitter(r.p.Options)
	}
	r.fit, err = r.w.NewFit(store.Clustering{
		Name: r.p.Name, Features: r.p.Features, K: r.p.K, Folds: r.p.Folds, Seed: r.p.Seed,
		BatchSize: r.p.BatchSize, RandomStream: r.p.Stream.String(), Algorithm: AlgorithmVersion,
		Fitted: time.Now().UTC(), Generation: state.Generation,
	}, r.ids)
	return err
}

// copiesLimit is how many bytes the scaled copies of training rows may take
// together, unless a single one takes more.
const copiesLimit = 512 << 20

// fits returns how many fits may run at once.
func (r *runner) fits() int {
	afford := copiesLimit / (len(r.ids) * cols * 8)
	return max(1, min(r.p.Workers, afford))
}

// maxGarbage is about how large the garbage may grow, in bytes.
const maxGarbage = 256 << 20

// gcPercent returns the garbage collector's setting for so many tracks. By
// default the garbage may grow as large as all else, which here is matrices
// that cost nothing to look through.
func (r *runner) gcPercent() int {
	live := len(r.ids) * cols * 8 * (2 + cap(r.fitters))
	return max(10, min(100, maxGarbage*100/live))
}

// fitFeatures fits the features, two at a time: enough to keep every fitter
// busy while one feature is read or stored, without having all in memory.
func (r *runner) fitFeatures(ctx context.Context) ([]FeatureReport, error) {
	reports := make([]FeatureReport, len(r.p.Features))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2)
	var done int
	for i, f := range r.p.Features {
		g.Go(func() error {
			report, err := r.fitFeature(ctx, f)
			if err != nil {
				return fmt.Errorf("cluster %v: %w", f, err)
			}
			reports[i] = *report
			r.storing.Lock()
			defer r.storing.Unlock()
			done++
			r.progress(done)
			return nil
		})
	}
	return reports, g.Wait()
}

func (r *runner) fitFeature(ctx context.Context, f store.Feature) (*FeatureReport, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	matrix, err := r.read(f)
	if err != nil {
		return nil, err
	}
	models, err := r.fitFolds(ctx, matrix)
	if err != nil {
		return nil, err
	}
	clusters := Align(models)
	labels, spots, err := r.labelAll(ctx, models, clusters, matrix)
	if err != nil {
		return nil, err
	}
	store.SortSpots(spots)
	report := &FeatureReport{f, r.summary(models, spots, labels, matrix)}
	return report, r.store(f, models, clusters, report.Summary, spots)
}

// summary describes the fits of a feature; labels are each model's of all rows.
func (r *runner) summary(models []*Model, spots []store.Spot, labels [][]uint16, matrix []float64) store.Summary {
	s := store.Summary{DistinctRows: uint64(distinctRows(matrix)), Sizes: make([]uint64, r.p.K)}
	for _, m := range models {
		s.Inertia += m.KMeans.Inertia / float64(len(models))
	}
	s.MeanAgreement, s.LeastAgreement = agreement(labels, r.p.K)
	for _, at := range spots {
		s.Sizes[at.Cluster]++
	}
	return s
}

// store hands a feature's results to the fit.
func (r *runner) store(f store.Feature, models []*Model, clusters [][]int, s store.Summary, spots []store.Spot) error {
	stored := make([]*store.Model, len(models))
	for fold, m := range models {
		stored[fold] = storedModel(m, f, fold, clusters[fold])
	}
	r.storing.Lock()
	defer r.storing.Unlock()
	r.fitted[f] = foldModels{models, clusters}
	return r.fit.PutFeature(f, stored, s, spots)
}

// placeAll stores the places of all tracks. All features of a track are stored
// together, so the vectors are read again, a batch of tracks at a time. While
// one batch is written, the next is labelled.
func (r *runner) placeAll(ctx context.Context) error {
	var writing errgroup.Group
	for first := 0; first < len(r.ids); {
		if err := ctx.Err(); err != nil {
			return errors.Join(err, writing.Wait())
		}
		end := min(first+batchTracks(r.p.K, len(r.p.Features)), len(r.ids))
		// Nothing may be read while the file is written.
		b, err := r.readBatch(first, end)
		if err != nil {
			return errors.Join(err, writing.Wait())
		}
		encoded := make([]store.EncodedAssignments, end-first)
		err = r.each(ctx, (end-first+placeRows-1)/placeRows, func(_ *Fitter, run int) error {
			from := run * placeRows
			for i, p := range r.fitted.place(b, from, min(from+placeRows, len(encoded))) {
				encoded[from+i] = store.EncodeAssignments(p.ID, p.Places)
			}
			return nil
		})
		if err := errors.Join(err, writing.Wait()); err != nil {
			return err
		}
		done := end
		writing = errgroup.Group{}
		writing.Go(func() error {
			r.storing.Lock()
			defer r.storing.Unlock()
			if err := r.fit.PutAssignments(encoded); err != nil {
				return err
			}
			r.progress(len(r.p.Features) * (len(r.ids) + done) / len(r.ids))
			return nil
		})
		first = end
	}
	return writing.Wait()
}

// readBatch reads the vectors of the tracks from row first on, before end.
func (r *runner) readBatch(first, end int) (*batch, error) {
	r.storing.Lock()
	defer r.storing.Unlock()
	b := &batch{ids: r.ids[first:end], fold: func(_ store.Feature, i int) (store.Fold, bool) {
		return store.Fold(r.folds[first+i]), true
	}}
	return b, r.w.View(func(db *store.DB) error {
		return eachVectors(db, b.ids, func(v *store.Vectors) error { return b.add(v, r.p.Features) })
	})
}

// eachVectors calls fn with the vectors of tracks that follow each other in the
// store.
func eachVectors(db *store.DB, ids []store.TrackID, fn func(v *store.Vectors) error) error {
	n := 0
	for v, err := range db.Vectors(store.Run(ids[0], ids[len(ids)-1])) {
		if err != nil {
			return err
		}
		if n >= len(ids) || string(v.IDBytes()) != string(ids[n]) {
			return fmt.Errorf("%w: vectors of %q have no track", store.ErrCorrupt, v.ID())
		}
		if err := fn(v); err != nil {
			return err
		}
		n++
	}
	if n != len(ids) {
		return fmt.Errorf("%w: vectors of %d tracks, want %d", store.ErrCorrupt, n, len(ids))
	}
	return nil
}

// progress tells of steps done, of which there are two for each feature.
func (r *runner) progress(done int) {
	if r.p.Progress != nil {
		r.p.Progress(done, 2*len(r.p.Features))
	}
}

// readTracks is how many tracks are read at a time: what a memory map shows of
// the file counts as memory of this process.
const readTracks = 1 << 16

// read returns a feature's vectors as a matrix of one row per track, and keeps
// their hash.
func (r *runner) read(f store.Feature) ([]float64, error) {
	matrix := make([]float64, 0, len(r.ids)*cols)
	h := sha256.New()
	var row store.Vector
	r.storing.Lock()
	defer r.storing.Unlock()
	for ids := range slices.Chunk(r.ids, readTracks) {
		err := r.w.View(func(db *store.DB) error {
			return eachVectors(db, ids, func(v *store.Vectors) error {
				if err := v.Vector(f, &row); err != nil {
					return err
				}
				hashRow(h, v.IDBytes(), &row)
				matrix = append(matrix, row[:]...)
				return nil
			})
		})
		if err != nil {
			return nil, err
		}
	}
	h.Sum(r.sums[f][:0])
	return matrix, nil
}

func hashRow(h hash.Hash, id []byte, v *store.Vector) {
	var buf [store.TrackIDLen + 8*store.NumStats]byte
	b := append(buf[:0], id...)
	for _, x := range v {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
	}
	h.Write(b)
}

// fingerprint returns the hash of all IDs and vectors that were fitted on.
func (r *runner) fingerprint() [sha256.Size]byte {
	h := sha256.New()
	for _, f := range r.p.Features {
		h.Write([]byte{byte(f)})
		h.Write(r.sums[f][:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// each calls fn for the numbers below n, for as many at once as there are
// fitters, each with one of its own.
func (r *runner) each(ctx context.Context, n int, fn func(f *Fitter, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for i := range n {
		g.Go(func() error {
			fitter := <-r.fitters
			defer func() { r.fitters <- fitter }()
			if err := ctx.Err(); err != nil {
				return err
			}
			return fn(fitter, i)
		})
	}
	return g.Wait()
}

// fitFolds fits one model for each fold.
func (r *runner) fitFolds(ctx context.Context, matrix []float64) ([]*Model, error) {
	models := make([]*Model, r.p.Folds)
	return models, r.each(ctx, len(models), func(f *Fitter, fold int) error {
		m, err := f.FitFold(matrix, r.folds, fold)
		if errors.Is(err, ErrNotFinite) {
			id, value := r.farthest(matrix)
			return fmt.Errorf("%w: track %s has a statistic of %g", err, id, value)
		}
		if err != nil {
			return fmt.Errorf("fold %d: %w", fold, err)
		}
		models[fold] = m
		return nil
	})
}

// farthest returns the track with the statistic farthest from 0, the likely
// cause of an overflow.
func (r *runner) farthest(matrix []float64) (id store.TrackID, value float64) {
	for i, v := range matrix {
		if math.Abs(v) >= math.Abs(value) {
			id, value = r.ids[i/cols], v
		}
	}
	return id, value
}

// labelAll returns the labels that each model gives to all rows, those it was
// fitted to as well, and what the list of members has of each row: its place by
// the model that was not fitted to it.
//
// The labels of all models tell how far the folds agree. They are not kept:
// [runner.placeAll] computes the places anew, with all distances, once every
// feature has been fitted. To keep the distances till then would take 256 bytes
// for each track and feature, more than the vectors do.
func (r *runner) labelAll(ctx context.Context, models []*Model, clusters [][]int, matrix []float64) ([][]uint16, []store.Spot, error) {
	n := len(r.ids)
	all := make([][]uint16, len(models))
	for fold := range all {
		all[fold] = make([]uint16, n)
	}
	spots := make([]store.Spot, n)
	err := r.each(ctx, (n+labelRows-1)/labelRows, func(_ *Fitter, run int) error {
		first, end := run*labelRows, min((run+1)*labelRows, n)
		index, labels := make([]int, 0, labelRows), make([]int, labelRows)
		distances := make([]float64, labelRows*r.p.K)
		for fold, m := range models {
			index = index[:0]
			for i := first; i < end; i++ {
				index = append(index, i)
			}
			m.Assign(matrix, index, labels, nil)
			for i, l := range labels[:len(index)] {
				all[fold][first+i] = uint16(l)
			}
			index = slices.DeleteFunc(index, func(i int) bool { return int(r.folds[i]) != fold })
			m.Assign(matrix, index, labels, distances)
			for n, i := range index {
				l := labels[n]
				spots[i] = store.Spot{
					Row: uint32(i), Fold: store.Fold(fold), Label: store.Label(l),
					Cluster: store.Cluster(clusters[fold][l]), Distance: distances[n*r.p.K+l],
				}
			}
		}
		return nil
	})
	return all, spots, err
}

// labelRows is how many rows are labelled in a run, by one model after the
// other: so few that they stay in the processor's cache.
const labelRows = 1024

func storedModel(m *Model, f store.Feature, fold int, clusters []int) *store.Model {
	out := &store.Model{
		Feature: f, Fold: store.Fold(fold),
		Mean: m.Scaler.Mean, Scale: m.Scaler.Scale,
		Inertia: m.KMeans.Inertia, Steps: uint32(m.KMeans.Steps),
	}
	for centroid := range slices.Chunk(m.KMeans.Centroids, cols) {
		out.Centroids = append(out.Centroids, store.Vector(centroid))
	}
	for _, c := range clusters {
		out.Clusters = append(out.Clusters, store.Cluster(c))
	}
	return out
}
