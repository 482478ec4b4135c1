package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
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
	Features []store.Feature // the eight if empty
	Workers  int             // fits that run at once; 0 means one

	// Progress, if set, is called after each feature that has been fitted, which
	// is half of the way, and after each batch of tracks that has been stored.
	Progress func(done, total int)
}

// A Report tells what a clustering came to.
type Report struct {
	Tracks   int // that have any of the features
	Lacking  int // tracks that lack the sound features, if these are among the features
	Features []FeatureReport
}

// A FeatureReport tells what the fits of one feature came to.
type FeatureReport struct {
	Feature store.Feature
	store.Summary
}

// Run fits a clustering to all tracks of the writer's store and puts it in
// place of the one of the same name, in one step. A sound feature is fitted to the
// tracks that have it, as if there were no others. Tracks are taken in the order
// of their IDs; the result depends on nothing else. It is an error if a
// parameter is out of range, if there are fewer tracks than folds, or in a
// training fold fewer than clusters; then nothing has been done. When ctx is
// cancelled, what stood in the store before stands there still.
//
// Besides IDs, four features are in memory at a time, 240 bytes a track each, or
// 720 of a sound feature, with 48 bytes a track for the lists of members of two.
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
	err := r.fitFeatures(ctx)
	if err == nil {
		err = r.placeAll(ctx)
	}
	if err != nil {
		return nil, err
	}
	c, err := r.fit.Commit(r.fingerprint())
	if err != nil {
		return nil, err
	}
	report := &Report{Tracks: len(r.ids)}
	for i, f := range c.Features {
		report.Features = append(report.Features, FeatureReport{f, c.Summaries[i]})
	}
	if r.sound != nil {
		report.Lacking = int(r.state.Tracks - r.state.Sound)
	}
	return report, nil
}

// A runner is one Run under way.
type runner struct {
	w     *store.Writer
	p     Params
	state store.State
	ids   []store.TrackID // of the tracks that have any of the features
	eight *population     // nil when none of the eight is to be fitted
	sound *population     // nil when no sound feature is
	fit   *store.Fit

	fitters chan *Fitter                   // as many as fits may run at once
	storing sync.Mutex                     // one transaction at a time, so that none waits for the file's lock
	telling sync.Mutex                     // of progress
	fitted  labeller                       // the features that have been
	labels  [store.NumArrays][]store.Label // by feature, of the tracks that have it
	sums    [store.NumArrays][sha256.Size]byte
	batch   [store.NumArrays]Matrix // of the tracks that are placed, by feature
}

// A population is the tracks that have a feature.
type population struct {
	ids   []store.TrackID
	rows  []int    // of each of them, among all tracks that are fitted
	folds []uint16 // that holds out each of them
	all   []uint16 // the same, among all tracks that are fitted; noFold of one that lacks the feature
}

// noFold is no fold's number.
const noFold = math.MaxUint16

func (r *runner) population(f store.Feature) *population {
	if f.IsSound() {
		return r.sound
	}
	return r.eight
}

// open reads the IDs, checks the parameters against them and begins the fit.
func (r *runner) open() error {
	err := r.w.View(func(db *store.DB) (err error) {
		if r.state, err = db.State(); err != nil {
			return err
		}
		for _, f := range r.p.Features {
			p := &r.eight
			if f.IsSound() {
				p = &r.sound
			}
			if *p != nil {
				continue
			}
			if *p, err = r.newPopulation(db, f); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.fitters = make(chan *Fitter, r.fits())
	for range cap(r.fitters) {
		r.fitters <- NewFitter(r.p.Options)
	}
	r.fit, err = r.w.NewFit(store.Clustering{
		Name: r.p.Name, Features: r.p.Features, K: r.p.K, Folds: r.p.Folds, Seed: r.p.Seed,
		BatchSize: r.p.BatchSize, RandomStream: r.p.Stream.String(), Algorithm: AlgorithmVersion,
		Fitted: time.Now().UTC(), Generation: r.state.GenerationOf(r.p.Features),
	}, r.ids)
	return err
}

// newPopulation returns the tracks that have a feature. The first are all that are
// fitted: every track has the eight features.
func (r *runner) newPopulation(db *store.DB, f store.Feature) (*population, error) {
	n := int(r.state.TracksOf(f))
	if err := r.p.Check(n); err != nil {
		if f.IsSound() {
			return nil, fmt.Errorf("cluster %d tracks that have %v (ingest with --arrays all gives it to them): %w", n, f, err)
		}
		return nil, fmt.Errorf("cluster %d tracks: %w", n, err)
	}
	p := new(population)
	var err error
	switch {
	case r.ids != nil && n == len(r.ids): // so that its vectors need not be searched for IDs
		p.ids = r.ids
	case f.IsSound():
		p.ids, err = db.TrackIDsWith(f)
	default:
		p.ids, err = db.TrackIDs()
	}
	if err != nil {
		return nil, err
	}
	if r.ids == nil {
		r.ids = p.ids
	}
	if p.folds, err = Folds(n, r.p.Folds, r.p.Seed); err != nil {
		return nil, err
	}
	p.rows = make([]int, 0, n)
	p.all = make([]uint16, len(r.ids))
	for row, id := range r.ids {
		p.all[row] = noFold
		if i := len(p.rows); i < n && p.ids[i] == id {
			p.all[row] = p.folds[i]
			p.rows = append(p.rows, row)
		}
	}
	if len(p.rows) != n {
		return nil, fmt.Errorf("%w: vectors of %v without their track", store.ErrCorrupt, f)
	}
	return p, nil
}

// fits returns how many fits may run at once.
func (r *runner) fits() int { return max(1, r.p.Workers) }

// vectorLen returns the greatest length of a vector.
func (r *runner) vectorLen() int { return r.p.Features[len(r.p.Features)-1].VectorLen() }

// maxGarbage is about how large the garbage may grow, in bytes.
const maxGarbage = 256 << 20

// gcPercent returns the garbage collector's setting for so many tracks. By
// default the garbage may grow as large as all else, which here is matrices
// that cost nothing to look through.
func (r *runner) gcPercent() int {
	live := len(r.ids) * r.vectorLen() * 8 * readAhead
	return max(10, min(100, maxGarbage*100/live))
}

// A featureMatrix is a feature's vectors, a row for each track.
type featureMatrix struct {
	number int // of the feature among those to be fitted
	rows   Matrix
}

// readAhead is how many matrices are in memory: of two features that are fitted,
// enough to keep every fitter busy while one is labelled or stored, and of two
// that are read meanwhile.
const readAhead = 4

// fitFeatures fits the features, two at a time. Those that lie together are read
// two at a time too, since half the cost of reading a feature is to find it.
func (r *runner) fitFeatures(ctx context.Context) error {
	defer debug.SetGCPercent(debug.SetGCPercent(r.gcPercent()))
	g, ctx := errgroup.WithContext(ctx)
	free := make(chan Matrix, readAhead) // memory of matrices that are done with
	for range readAhead {
		free <- Matrix{}
	}
	read := make(chan featureMatrix)
	g.Go(func() error {
		defer close(read)
		for first, n := 0, 0; first < len(r.p.Features); first += n {
			features := r.p.Features[first:]
			if n = min(2, len(features)); features[n-1].IsSound() {
				n = 1
			}
			features = features[:n]
			matrices := make([]Matrix, n)
			for i := range matrices {
				select {
				case matrices[i] = <-free:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			if err := r.read(features, matrices); err != nil {
				return err
			}
			for i, rows := range matrices {
				select {
				case read <- featureMatrix{first + i, rows}:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}
		return nil
	})
	var done atomic.Int64
	for range 2 {
		g.Go(func() error {
			for m := range read {
				f := r.p.Features[m.number]
				if err := r.fitFeature(ctx, f, m.rows); err != nil {
					return fmt.Errorf("cluster %v: %w", f, err)
				}
				free <- m.rows
				r.progress(int(done.Add(1)))
			}
			return nil
		})
	}
	return g.Wait()
}

func (r *runner) fitFeature(ctx context.Context, f store.Feature, matrix Matrix) error {
	p := r.population(f)
	models, err := r.fitFolds(ctx, p, matrix)
	if err != nil {
		return err
	}
	clusters := Align(models)
	labels, spots, err := r.labelAll(ctx, p, models, clusters, matrix)
	if err != nil {
		return err
	}
	summary := r.summary(models, spots, labels, matrix)
	store.SortSpots(spots, r.p.K)
	return r.store(f, models, clusters, summary, spots)
}

// summary describes the fits of a feature; spots are in row order, labels each
// model's of all rows.
func (r *runner) summary(models []*Model, spots []store.Spot, labels [][]uint16, matrix Matrix) store.Summary {
	s := store.Summary{DistinctRows: uint64(distinctRows(matrix)), Sizes: make([]uint64, r.p.K)}
	for _, m := range models {
		s.Inertia += m.KMeans.Inertia / float64(len(models))
	}
	s.MeanAgreement, s.LeastAgreement = agreement(labels, r.p.K)
	for _, at := range spots {
		s.Sizes[at.Cluster]++
	}
	s.DaviesBouldin, s.CalinskiHarabasz = separation(matrix, spots, r.p.K)
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
	r.labels[f] = make([]store.Label, len(r.ids))
	for _, at := range spots {
		r.labels[f][at.Row] = at.Label
	}
	return r.fit.PutFeature(f, stored, s, spots)
}

// placeAll stores the places of all tracks. All features of a track are stored
// together, so the vectors are read again, a batch of tracks at a time. While
// one batch is written, the next is labelled; it has been read before, for
// nothing can be read while the file is written.
func (r *runner) placeAll(ctx context.Context) error {
	var writing errgroup.Group
	var memory, written [][]byte // of the batch, and of the one that is being written, by run
	size := batchTracks(8<<20, r.p.K, len(r.p.Features))
	next, err := r.readBatch(0, size)
	for done := 0; err == nil && done < len(r.ids); {
		b := next
		memory, written = written, memory
		var encoded []store.EncodedAssignments
		encoded, memory, err = r.encodeBatch(ctx, b, memory)
		if err := errors.Join(err, writing.Wait()); err != nil {
			return err
		}
		done += len(encoded)
		next, err = r.readBatch(done, size)
		writing = errgroup.Group{}
		writing.Go(func() error {
			if err := r.fit.PutAssignments(encoded); err != nil {
				return err
			}
			r.progress(len(r.p.Features) * (len(r.ids) + done) / len(r.ids))
			return nil
		})
	}
	return errors.Join(err, writing.Wait())
}

// encodeBatch returns the encoded places of a batch. They are in the memory, a
// slice for each run of placeRows tracks, that is given and returned.
func (r *runner) encodeBatch(ctx context.Context, b *batch, memory [][]byte) ([]store.EncodedAssignments, [][]byte, error) {
	encoded := make([]store.EncodedAssignments, len(b.ids))
	runs := (len(encoded) + placeRows - 1) / placeRows
	memory = slices.Grow(memory[:0], runs)[:runs]
	return encoded, memory, r.each(ctx, runs, func(_ *Fitter, run int) error {
		from, buf := run*placeRows, memory[run][:0]
		r.fitted.place(b, from, min(from+placeRows, len(encoded)), func(placed []store.Placed) {
			for i, p := range placed {
				encoded[from+i], buf = store.EncodeAssignments(buf, p.ID, p.Places)
			}
		})
		memory[run] = buf
		return nil
	})
}

// readBatch reads the vectors of the tracks from row first on, as many as given or
// as are left; nil when none are. They are in the memory of the batch before.
func (r *runner) readBatch(first, size int) (*batch, error) {
	end := min(first+size, len(r.ids))
	if first == end {
		return nil, nil
	}
	b := &batch{ids: r.ids[first:end], fold: func(f store.Feature, i int) (store.Fold, bool) {
		return store.Fold(r.population(f).all[first+i]), true
	}}
	matrices := make([]Matrix, len(r.p.Features))
	for i, f := range r.p.Features {
		b.labels[f] = r.labels[f][first:end]
		r.batch[f] = r.batch[f].resize(len(b.ids), f.VectorLen())
		matrices[i], b.matrix[f] = r.batch[f], r.batch[f]
	}
	return b, r.w.View(func(db *store.DB) error {
		done := 0
		for _, features := range together(r.p.Features) {
			of := matrices[done : done+len(features)]
			done += len(features)
			err := r.inParts(len(b.ids), func(from, to int) error {
				return eachVectors(db, features[0], b.ids[from:to], func(i int, v *store.Vectors) error {
					return vectorsInto(of, features, v, from+i)
				})
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// together divides features into those whose vectors lie together.
func together(features []store.Feature) (groups [][]store.Feature) {
	for len(features) > 0 {
		n := 1
		for n < len(features) && !features[n].IsSound() {
			n++
		}
		groups, features = append(groups, features[:n]), features[n:]
	}
	return groups
}

// eachVectors calls fn with the vectors, of a feature and of those that lie
// together with it, of tracks that follow each other in the store, and with their
// places among ids. Tracks that lack a sound feature are left out.
func eachVectors(db *store.DB, f store.Feature, ids []store.TrackID, fn func(i int, v *store.Vectors) error) error {
	n := 0
	for v, err := range db.Vectors(f, store.Run(ids[0], ids[len(ids)-1])) {
		if err != nil {
			return err
		}
		for f.IsSound() && n < len(ids) && string(ids[n]) < string(v.IDBytes()) {
			n++
		}
		if n >= len(ids) || string(v.IDBytes()) != string(ids[n]) {
			return fmt.Errorf("%w: vectors of %q have no track", store.ErrCorrupt, v.ID())
		}
		if err := fn(n, v); err != nil {
			return err
		}
		n++
	}
	if n != len(ids) && !f.IsSound() {
		return fmt.Errorf("%w: vectors of %d tracks, want %d", store.ErrCorrupt, n, len(ids))
	}
	return nil
}

// progress tells of steps done, of which there are two for each feature.
func (r *runner) progress(done int) {
	r.telling.Lock()
	defer r.telling.Unlock()
	if r.p.Progress != nil {
		r.p.Progress(done, 2*len(r.p.Features))
	}
}

// readTracks is how many tracks are read at a time: what a memory map shows of
// the file counts as memory of this process.
const readTracks = 1 << 16

// read makes matrices of the vectors of features that lie together, in the memory
// that they have if it is enough, and keeps their hashes.
func (r *runner) read(features []store.Feature, matrices []Matrix) error {
	all := r.population(features[0]).ids
	hashes := make([]rowHash, len(features))
	for i, f := range features {
		hashes[i].Hash = sha256.New()
		matrices[i] = matrices[i].resize(len(all), f.VectorLen())
	}
	r.storing.Lock()
	defer r.storing.Unlock()
	for first := 0; first < len(all); first += readTracks {
		ids := all[first:min(first+readTracks, len(all))]
		err := r.w.View(func(db *store.DB) error {
			return r.inParts(len(ids), func(from, to int) error {
				n := 0
				err := eachVectors(db, features[0], ids[from:to], func(_ int, v *store.Vectors) error {
					row := first + from + n
					n++
					return vectorsInto(matrices, features, v, row)
				})
				if err == nil && n != to-from {
					err = fmt.Errorf("%w: vectors of %d tracks, want %d", store.ErrCorrupt, n, to-from)
				}
				return err
			})
		})
		if err != nil {
			return err
		}
		var hashing sync.WaitGroup
		for i := range features {
			hashing.Go(func() {
				for n, id := range ids {
					hashes[i].add(id, matrices[i].Row(first+n))
				}
			})
		}
		hashing.Wait()
	}
	for i, f := range features {
		hashes[i].Sum(r.sums[f][:0])
	}
	return nil
}

// vectorsInto sets a row of each feature's matrix to the feature's vector.
func vectorsInto(matrices []Matrix, features []store.Feature, v *store.Vectors, row int) error {
	for i, f := range features {
		if err := v.Vector(f, matrices[i].Row(row)); err != nil {
			return err
		}
	}
	return nil
}

// inParts calls fn with ranges that together are the numbers below n, for as many
// at once as there are workers.
func (r *runner) inParts(n int, fn func(from, to int) error) error {
	var g errgroup.Group
	parts := max(1, min(r.p.Workers, runtime.GOMAXPROCS(0)))
	for part := range parts {
		if from, to := n*part/parts, n*(part+1)/parts; from < to {
			g.Go(func() error { return fn(from, to) })
		}
	}
	return g.Wait()
}

// A rowHash is of IDs and vectors.
type rowHash struct {
	hash.Hash
	buf []byte
}

func (h *rowHash) add(id store.TrackID, v store.Vector) {
	h.buf = append(h.buf[:0], id...)
	for _, x := range v {
		h.buf = binary.LittleEndian.AppendUint64(h.buf, math.Float64bits(x))
	}
	h.Write(h.buf)
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
func (r *runner) fitFolds(ctx context.Context, p *population, matrix Matrix) ([]*Model, error) {
	models := make([]*Model, r.p.Folds)
	return models, r.each(ctx, len(models), func(f *Fitter, fold int) error {
		m, err := f.FitFold(matrix, p.folds, fold)
		if errors.Is(err, ErrNotFinite) {
			id, value := p.farthest(matrix)
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
func (p *population) farthest(matrix Matrix) (id store.TrackID, value float64) {
	for i, v := range matrix.Values {
		if math.Abs(v) >= math.Abs(value) {
			id, value = p.ids[i/matrix.Cols], v
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
func (r *runner) labelAll(ctx context.Context, p *population, models []*Model, clusters [][]int, matrix Matrix) ([][]uint16, []store.Spot, error) {
	n := len(p.ids)
	all := make([][]uint16, len(models))
	spots := make([]store.Spot, n)
	return all, spots, r.each(ctx, len(models), func(_ *Fitter, fold int) error {
		m := models[fold]
		train, held := Split(p.folds, fold)
		all[fold] = make([]uint16, n)
		for i, row := range train {
			all[fold][row] = m.KMeans.Labels[i]
		}
		m.KMeans.Labels = nil // which nobody else asks for
		labels, distances := make([]int, len(held)), make([]float64, len(held))
		m.nearest(matrix, held, labels, distances)
		for i, row := range held {
			l := labels[i]
			all[fold][row] = uint16(l)
			spots[row] = store.Spot{
				Row: uint32(p.rows[row]), Fold: store.Fold(fold), Label: store.Label(l),
				Cluster: store.Cluster(clusters[fold][l]), Distance: distances[i],
			}
		}
		return nil
	})
}

func storedModel(m *Model, f store.Feature, fold int, clusters []int) *store.Model {
	out := &store.Model{
		Feature: f, Fold: store.Fold(fold),
		Mean: m.Scaler.Mean, Scale: m.Scaler.Scale,
		Inertia: m.KMeans.Inertia, Steps: uint32(m.KMeans.Steps),
	}
	for i := range m.KMeans.K {
		out.Centroids = append(out.Centroids, m.KMeans.Centroids.Row(i))
	}
	for _, c := range clusters {
		out.Clusters = append(out.Clusters, store.Cluster(c))
	}
	return out
}
