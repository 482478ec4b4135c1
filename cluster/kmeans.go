// Package cluster groups rows of statistics out of fold: shuffled folds,
// scaling, mini-batch k-means and the labels of held-out rows, equal to the bit
// to scikit-learn's KFold, StandardScaler and MiniBatchKMeans. It matches the
// labels of different folds with each other ([Align]) and tells how far the
// folds agree. [Run] does all that to the tracks of a store, and [Assign] labels
// tracks that came later.
package cluster

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"tatum/cluster/mt19937"
)

// A RandomStream names the scikit-learn releases whose random draws, and
// whose sums over candidates, a clustering follows. They share almost no
// labels with each other.
type RandomStream uint8

// The streams; the zero value is not one of them.
const (
	Sklearn12 RandomStream = iota + 1 // 1.2
	Sklearn13                         // 1.3 to 1.8
	Sklearn19                         // 1.9
)

var streamNames = [...]string{Sklearn12: "sklearn-1.2", Sklearn13: "sklearn-1.3", Sklearn19: "sklearn-1.9"}

// ParseRandomStream returns the stream called name, such as "sklearn-1.3".
func ParseRandomStream(name string) (RandomStream, error) {
	for s := Sklearn12; s <= Sklearn19; s++ {
		if streamNames[s] == name {
			return s, nil
		}
	}
	return 0, fmt.Errorf("no random stream %q: want sklearn-1.2, sklearn-1.3 or sklearn-1.9", name)
}

// RandomStreams returns the names of all streams.
func RandomStreams() []string { return streamNames[Sklearn12:] }

// String returns the stream's name.
func (s RandomStream) String() string {
	if s < Sklearn12 || s > Sklearn19 {
		return fmt.Sprintf("RandomStream(%d)", uint8(s))
	}
	return streamNames[s]
}

// Options are the parameters of a clustering. The zero value is not valid;
// start from [Defaults].
type Options struct {
	K         int    // centroids; 1 to MaxClusters
	Folds     int    // 2 to MaxFolds; not used by [FitKMeans]
	BatchSize int    // rows drawn for one step; 1 to MaxBatchSize
	Seed      uint32 // of the folds and of every fit
	Stream    RandomStream
}

// Defaults returns the notebook's parameters.
func Defaults() Options {
	return Options{K: 32, Folds: 5, BatchSize: 2048, Seed: 42, Stream: Sklearn13}
}

// The largest values of Options.
const (
	MaxClusters  = math.MaxUint16
	MaxFolds     = math.MaxUint16
	MaxBatchSize = math.MaxInt32
)

// Check returns an error if a clustering of n rows with these options cannot
// run: a parameter is out of range, there are fewer rows than folds, or a fold
// would train on fewer rows than K. What remains is [ErrNotFinite].
func (o Options) Check(n int) error {
	if err := checkFolds(n, o.Folds); err != nil {
		return err
	}
	return o.check(n - (n+o.Folds-1)/o.Folds)
}

// check returns an error if k-means with these options cannot run on n rows.
func (o *Options) check(n int) error {
	switch {
	case o.K < 1:
		return fmt.Errorf("%d clusters: want at least 1", o.K)
	case o.K > MaxClusters:
		return fmt.Errorf("%d clusters: want at most %d", o.K, MaxClusters)
	case o.BatchSize < 1:
		return fmt.Errorf("batch size %d: want at least 1", o.BatchSize)
	case o.BatchSize > MaxBatchSize:
		return fmt.Errorf("batch size %d: want at most %d", o.BatchSize, MaxBatchSize)
	case o.Stream < Sklearn12 || o.Stream > Sklearn19:
		return fmt.Errorf("no random stream %v", o.Stream)
	case n < o.K:
		return fmt.Errorf("%d training rows for %d clusters: want at least as many rows as clusters", n, o.K)
	case uint64(n) > math.MaxUint32:
		return fmt.Errorf("%d training rows: want at most %d", n, uint32(math.MaxUint32))
	}
	return nil
}

// ErrNotFinite is returned when a scaled training row has a NaN, an infinity
// or a value whose square overflows.
var ErrNotFinite = errors.New("training rows are not finite once scaled")

const (
	maxPasses         = 100  // steps draw at most this many times the training rows
	patience          = 10   // steps without a better smoothed inertia
	reassignmentRatio = 0.01 // of the largest weight; lighter centroids move
	seenPerCentroid   = 10   // rows drawn between two reassignments
)

// A KMeans is the result of one fit. It is read-only and may be shared.
type KMeans struct {
	K          int
	Centroids  Matrix   // K rows, in the space of the training rows
	Labels     []uint16 // nearest centroid of each training row
	Sizes      []int    // training rows nearest to each centroid; 0 is an empty cluster
	Inertia    float64  // sum of squared distances of training rows to their centroids
	Steps      int      // batches drawn
	Iterations int      // Steps in passes over the training rows, rounded up

	panels panels // Centroids, packed
}

// FitKMeans clusters rows, a matrix of scaled columns, as
// scikit-learn's MiniBatchKMeans(K, batch_size=BatchSize, random_state=Seed,
// n_init="auto").fit does. It runs at most 100·n/BatchSize steps and stops
// when the smoothed inertia has not fallen for ten. A row is nearest to the
// first of several equally near centroids. Centroids with less than a
// hundredth of the largest one's weight move to random rows; with fewer
// distinct rows than K some stay empty.
//
// It is an error if there are fewer rows than K, if an option is out of
// range, or if a row is not finite ([ErrNotFinite]).
func FitKMeans(rows Matrix, o Options) (*KMeans, error) {
	return NewFitter(o).Fit(rows)
}

// A Fitter runs one fit after another in the same memory: a scaled copy of the
// rows of a batch, another of those that k-means++ runs on, which are no more than
// 3·BatchSize or, if more, 3·K, and about 80 bytes for each of them. Use one
// Fitter per goroutine; results do not depend on what it fitted before.
type Fitter struct {
	opts Options
	rng  mt19937.Source

	matrix    Matrix // has the training rows
	train     []int  // which they are, n of them
	n         int
	scaler    *Scaler   // what they are scaled by
	centroids Matrix    // K rows
	next      Matrix    // centroids after the step
	weights   []float64 // rows each centroid has been given so far
	panels    panels    // centroids, packed

	index   []int     // rows of the batch
	batch   Matrix    // the same, scaled
	labels  []int     // their nearest centroids
	best    []float64 // scratch of nearest
	members []int     // rows of the batch by centroid
	order   []int     // scratch of reassign

	start start     // k-means++
	odds  []float64 // running sums of the rows' probabilities
}

// NewFitter returns a Fitter for fits with options o.
func NewFitter(o Options) *Fitter { return &Fitter{opts: o} }

// Fit is [FitKMeans] in the Fitter's memory. The result does not share it.
func (f *Fitter) Fit(rows Matrix) (*KMeans, error) {
	return f.fit(rows, allOf(rows), unscaled(rows.Cols), false)
}

// unscaled returns the scaler that leaves rows as they are.
func unscaled(cols int) *Scaler {
	return &Scaler{make([]float64, cols), slices.Repeat([]float64{1}, cols)}
}

// fit clusters the rows of a matrix that are listed in train, scaled. They are
// scaled when they are needed: most are needed twice, but a scaled copy of all
// would have to be written, and read from as far away as they are. Unless they are
// known to be finite then, it is found out.
func (f *Fitter) fit(matrix Matrix, train []int, scaler *Scaler, finite bool) (*KMeans, error) {
	if matrix.Cols%4 != 2 {
		panic("cluster: columns that no sum is written for") // see sums.go
	}
	if err := f.opts.check(len(train)); err != nil {
		return nil, err
	}
	f.matrix, f.train, f.n, f.scaler = matrix, train, len(train), scaler
	defer func() { f.matrix, f.train = Matrix{}, nil }() // the memory is not the Fitter's
	if !finite && !f.finite() {
		return nil, ErrNotFinite
	}
	batch := min(f.opts.BatchSize, f.n)
	f.reset(batch)
	f.startCentroids(batch)
	steps := f.run(batch)
	return f.result(batch, steps), nil
}

// finite reports whether the squared norms of the scaled training rows are.
func (f *Fitter) finite() bool {
	finite := true
	f.scaler.eachChunk(f.matrix, f.train, func(_ int, rows Matrix) {
		for i := range rows.Rows() {
			finite = finite && squaredNorm(rows.Row(i)) <= math.MaxFloat64
		}
	})
	return finite
}

// reset sizes the buffers and restarts the random stream.
func (f *Fitter) reset(batch int) {
	k, cols := f.opts.K, f.matrix.Cols
	f.rng.Seed(f.opts.Seed)
	f.centroids = f.centroids.resize(k, cols)
	f.next = f.next.resize(k, cols)
	f.weights = resize(f.weights, k)
	f.panels = f.panels.resize(k, cols)
	f.members = resize(f.members, k)
	f.index = resize(f.index, batch)
	f.batch = f.batch.resize(batch, cols)
	f.labels = resize(f.labels, batch)
	f.best = resize(f.best, batch)
	clear(f.weights)
}

// startCentroids chooses the first centroids among 3·batch rows.
func (f *Fitter) startCentroids(batch int) {
	size := 3 * batch
	if size < f.opts.K {
		size = 3 * f.opts.K
	}
	size = min(size, f.n)
	// The reference draws rows to compare several starts by. There is only
	// one start, but the draws move the stream.
	for range size {
		f.rng.Interval(uint32(f.n - 1))
	}
	f.order = resize(f.order, size)
	for i := range f.order {
		f.order[i] = i
	}
	if size < f.n {
		f.rng.Ints(f.order, f.n)
	}
	f.toRows(f.order)
	f.plusPlus(f.order)
}

// toRows turns places among the training rows into rows of the matrix.
func (f *Fitter) toRows(places []int) {
	for i, p := range places {
		places[i] = f.train[p]
	}
}

// run steps until convergence and returns the number of steps.
func (f *Fitter) run(batch int) int {
	if f.opts.Stream >= Sklearn19 {
		f.odds = equalOdds(f.odds, f.n)
	}
	c := newConvergence(batch, f.n)
	steps := maxPasses * f.n / batch
	seen := 0
	for step := 1; step <= steps; step++ {
		f.draw()
		seen += batch
		move := seen >= seenPerCentroid*f.opts.K || slices.Contains(f.weights, 0)
		inertia := f.step()
		if move {
			f.reassign()
			seen = 0
		}
		f.centroids, f.next = f.next, f.centroids
		if c.done(inertia / float64(batch)) {
			return step
		}
	}
	return steps
}

// draw chooses the rows of a batch; a row may come twice.
func (f *Fitter) draw() {
	if f.opts.Stream < Sklearn19 {
		f.rng.Ints(f.index, f.n)
	} else {
		for i := range f.index {
			f.index[i] = choose(f.odds, f.rng.Float64())
		}
	}
	f.toRows(f.index)
	f.scaler.Transform(f.batch, f.matrix, f.index)
}

// equalOdds returns the running sums of n equal probabilities as
// RandomState.choice forms them, in s's memory if that is large enough.
func equalOdds(s []float64, n int) []float64 {
	s = resize(s, n)
	p, sum := 1/float64(n), 0.0
	for i := range s {
		sum += p
		s[i] = sum
	}
	for i := range s {
		s[i] /= sum
	}
	return s
}

// choose returns the number of entries of odds that are at most u < 1.
func choose(odds []float64, u float64) int {
	// The odds are equal, so the place is known up to rounding.
	i := int(u * float64(len(odds)))
	for i > 0 && odds[i-1] > u {
		i--
	}
	for odds[i] <= u {
		i++
	}
	return i
}

// assign labels the rows of the batch with their nearest centroids.
func (f *Fitter) assign() {
	f.panels.pack(f.centroids)
	label(f.batch, f.panels, f.best, f.labels)
	small, n := firstSmall(f.batch.Cols, f.opts.K, len(f.labels)), len(f.labels)
	labelSmall(f.batch.after(small), f.panels, f.opts.K, small, n, f.labels[small:])
}

// label sets labels to the number of the point of panels that is nearest to
// each of the first rows of matrix. best is scratch; both are as long as there are
// such rows.
func label(matrix Matrix, panels panels, best []float64, labels []int) {
	for i := range best {
		best[i], labels[i] = math.Inf(1), 0
	}
	for p := range panels.count() {
		nearest(matrix, panels.at(p), p*width, best, labels)
	}
}

// step labels the batch with the old centroids, sets f.next to the means of
// all rows the centroids have been given so far, and returns the batch's
// inertia with respect to the old ones.
func (f *Fitter) step() float64 {
	f.assign()
	clear(f.members)
	for _, l := range f.labels {
		f.members[l]++
	}
	for c, m := range f.members {
		sum := f.next.Row(c)
		copy(sum, f.centroids.Row(c))
		if m > 0 {
			scale(sum, f.weights[c])
		}
	}
	inertia := f.addBatch()
	for c, m := range f.members {
		if m > 0 {
			f.weights[c] += float64(m)
			// Not a division: the reference multiplies by the reciprocal.
			scale(f.next.Row(c), 1/f.weights[c])
		}
	}
	return inertia
}

func scale(x []float64, by float64) {
	for j := range x {
		x[j] *= by
	}
}

// addBatch adds each row of the batch to its centroid's sum in f.next, in the
// order drawn, and returns the sum of squared distances to the old centroids.
func (f *Fitter) addBatch() float64 {
	var inertia float64
	for i, l := range f.labels {
		x := f.batch.Row(i)
		inertia += squaredDistance(x, f.centroids.Row(l))
		add(f.next.Row(l), x)
	}
	return inertia
}

// reassign moves the centroids of f.next that have too little weight to rows
// of the batch, at most half as many as the batch has rows, and gives them the
// least weight of the others.
func (f *Fitter) reassign() {
	low := f.low()
	if len(low) == 0 {
		return
	}
	f.order = resize(f.order, len(f.index))
	f.rng.Permutation(f.order)
	for n, c := range low {
		copy(f.next.Row(c), f.batch.Row(f.order[n]))
	}
	least := math.Inf(1)
	for c, w := range f.weights {
		if _, moved := slices.BinarySearch(low, c); !moved {
			least = min(least, w)
		}
	}
	for _, c := range low {
		f.weights[c] = least
	}
}

// low returns the centroids to reassign, ascending.
func (f *Fitter) low() []int {
	var low []int
	limit := reassignmentRatio * slices.Max(f.weights)
	for c, w := range f.weights {
		if w < limit {
			low = append(low, c)
		}
	}
	if half := len(f.index) / 2; 2*len(low) > len(f.index) {
		for _, c := range argsort(f.weights, f.opts.Stream)[half:] {
			if i, ok := slices.BinarySearch(low, c); ok {
				low = slices.Delete(low, i, i+1)
			}
		}
	}
	return low
}

// result labels all training rows and returns the fit.
func (f *Fitter) result(batch, steps int) *KMeans {
	k := f.opts.K
	m := &KMeans{
		K:          k,
		Centroids:  Matrix{f.centroids.Cols, slices.Clone(f.centroids.Values)},
		Labels:     make([]uint16, f.n),
		Sizes:      make([]int, k),
		Steps:      steps,
		Iterations: (steps*batch + f.n - 1) / f.n,
	}
	m.pack()
	var best [chunk]float64
	var labels [chunk]int
	f.scaler.eachChunk(f.matrix, f.train, func(first int, rows Matrix) {
		n := rows.Rows()
		label(rows, m.panels, best[:n], labels[:n])
		for i, l := range labels[:n] {
			m.Labels[first+i] = uint16(l)
			m.Sizes[l]++
			m.Inertia += squaredDistance(rows.Row(i), m.Centroids.Row(l))
		}
	})
	return m
}

// pack sets the panels to the centroids.
func (m *KMeans) pack() {
	m.panels = panels{}.resize(m.K, m.Centroids.Cols)
	m.panels.pack(m.Centroids)
}

// A convergence follows the exponentially weighted average of the inertia.
type convergence struct {
	alpha    float64
	started  bool // the first step's inertia, of the start, is behind
	averaged bool // average is set
	average  float64
	least    float64
	stale    int // steps since least
}

func newConvergence(batch, n int) *convergence {
	return &convergence{
		alpha: min(float64(batch)*2/float64(n+1), 1),
		least: math.Inf(1),
	}
}

// done takes in the inertia per row of one more step and says whether the
// average has stopped falling.
func (c *convergence) done(inertia float64) bool {
	if !c.started {
		c.started = true
		return false
	}
	if c.averaged {
		inertia = float64(c.average*(1-c.alpha)) + float64(inertia*c.alpha)
	}
	c.average, c.averaged = inertia, true
	if inertia < c.least {
		c.least, c.stale = inertia, 0
	} else {
		c.stale++
	}
	return c.stale >= patience
}

// chunk is the number of rows that Assign scales and measures at a time.
const chunk = 64

// A scratch is memory to scale and measure chunk rows in.
type scratch struct {
	scaled      Matrix
	best, norms [chunk]float64
	measured    [chunk * width]float64
	limit       [width]float64 // infinite
}

var scratches = sync.Pool{New: func() any {
	s := new(scratch)
	for i := range s.limit {
		s.limit[i] = math.Inf(1)
	}
	return s
}}

// Assign writes, for each row of the scaled matrix rows, the number of its
// nearest centroid to labels and its Euclidean distances to all K centroids to
// distances, K values a row: MiniBatchKMeans's predict and transform of each row
// on its own; with many columns, some rows together may come out otherwise by
// rounding (see small.go). The distances do not decide the label; rounding differs. Without distances (nil)
// only labels are written, without labels only distances. A row whose squares
// overflow has label 0 or that of some far centroid, and distances that are
// infinite or NaN.
func (m *KMeans) Assign(rows Matrix, labels []int, distances []float64) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	for n := rows.Rows(); n > 0; n = rows.Rows() {
		n = min(n, chunk)
		m.assign(s, rows.first(n), firstOf(labels, n), firstOf(distances, n*m.K))
		rows, labels, distances = rows.after(n), labels[min(n, len(labels)):], distances[min(n*m.K, len(distances)):]
	}
}

// assign is Assign for no more than chunk rows.
func (m *KMeans) assign(s *scratch, rows Matrix, labels []int, distances []float64) {
	n := rows.Rows()
	if labels != nil {
		label(rows, m.panels, s.best[:n], labels)
	}
	if distances == nil {
		return
	}
	for i := range n {
		s.norms[i] = squaredNorm(rows.Row(i))
	}
	for p := range m.panels.count() {
		closer(s.measured[:], width, rows, s.norms[:n], m.panels.at(p), &s.limit)
		m.spread(distances, s.measured[:n*width], p)
	}
}

// spread writes the roots of the squared distances to panel p's centroids to
// their places among the K distances of each row.
func (m *KMeans) spread(distances, squared []float64, p int) {
	first := p * width
	count := min(width, m.K-first)
	for i := 0; i < len(squared)/width; i++ {
		out := distances[i*m.K+first:][:count]
		for j, s := range squared[i*width:][:count] {
			out[j] = math.Sqrt(s)
		}
	}
}
