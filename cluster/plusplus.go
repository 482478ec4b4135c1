package cluster

import (
	"math"
	"sort"

	"tatum/store/pairwise"
)

// A start is the memory of k-means++.
type start struct {
	points  panels    // the rows it runs on, packed
	closest []float64 // squared distance of each row to its closest centroid; 0 behind the last row
	running []float64 // running sums of closest
	trials  []float64 // what closest would be with each candidate, a candidate a line
	rows    Matrix    // the candidates
	norms   []float64 // their squared norms
	targets []float64
	picks   []int // the candidates' places among the rows
}

// plusPlus sets f.centroids to K of the rows listed in index by greedy
// k-means++, scikit-learn's _kmeans_plusplus: the first at random, every
// further one the best of 2+⌊ln K⌋ candidates drawn with probability
// proportional to the squared distance to the closest centroid so far.
func (f *Fitter) plusPlus(index []int) {
	k, s := f.opts.K, &f.start
	s.reset(len(index), f.matrix.Cols, 2+int(math.Log(float64(k))))
	f.scaler.eachChunk(f.matrix, index, func(before int, rows Matrix) {
		for i := range rows.Rows() {
			at := before + i
			s.points.at(at/width).set(at%width, rows.Row(i), squaredNorm(rows.Row(i)))
		}
	})
	at := f.firstPick(len(index))
	f.scaler.Transform(f.centroids, f.matrix, index[at:at+1])
	first := f.centroids.Row(0)
	norm := squaredNorm(first)
	f.scaler.eachChunk(f.matrix, index, func(before int, rows Matrix) {
		for i := range rows.Rows() {
			at := before + i
			d := float64(-2*firstDot(rows.Row(i), first, at, len(index))) + norm
			s.closest[at] = max(d+s.points.norm(at), 0)
		}
	})
	potential := f.firstPotential(s.closest[:len(index)])
	for c := 1; c < k; c++ {
		potential = f.extend(index, potential, c)
	}
}

func (s *start) reset(rows, cols, candidates int) {
	s.points = s.points.resize(rows, cols)
	panels := s.points.count()
	s.closest = resize(s.closest, panels*width)
	s.running = resize(s.running, rows)
	s.trials = resize(s.trials, candidates*panels*width)
	s.rows = s.rows.resize(candidates, cols)
	s.norms = resize(s.norms, candidates)
	s.targets = resize(s.targets, candidates)
	s.picks = resize(s.picks, candidates)
	clear(s.points.at(panels - 1))
	clear(s.closest[rows:])
}

// firstPick draws the place of the first centroid among m rows.
func (f *Fitter) firstPick(m int) int {
	if f.opts.Stream < Sklearn13 {
		return int(f.rng.Interval(uint32(m - 1)))
	}
	f.odds = equalOdds(f.odds, m)
	return choose(f.odds, f.rng.Float64())
}

// extend draws candidates, makes the one that leaves the smallest potential
// (the first of several) centroid c, and returns that potential.
func (f *Fitter) extend(index []int, potential float64, c int) float64 {
	s := &f.start
	for t := range s.targets {
		s.targets[t] = f.rng.Float64() * potential
	}
	s.pick(len(index))
	for t, p := range s.picks {
		f.scaler.Transform(s.rows.after(t), f.matrix, index[p:p+1])
		s.norms[t] = squaredNorm(s.rows.Row(t))
	}
	stride := len(s.closest)
	for p := range s.points.count() {
		limit := (*[width]float64)(s.closest[p*width:])
		if smallProduct(s.rows.Cols, len(index), len(s.norms)) {
			closerSmall(s.trials[p*width:], stride, s.rows, s.norms, s.points.at(p), p, len(index), limit)
			continue
		}
		closer(s.trials[p*width:], stride, s.rows, s.norms, s.points.at(p), limit)
	}
	winner, least := 0, math.Inf(1)
	for t := range s.picks {
		if v := f.potential(s.trials[t*stride:][:len(index)], t); v < least {
			winner, least = t, v
		}
	}
	copy(s.closest, s.trials[winner*stride:][:stride])
	copy(f.centroids.Row(c), s.rows.Row(winner))
	return least
}

// pick sets picks to the first of the rows at which the running sum of closest
// reaches each target, or the last row.
func (s *start) pick(rows int) {
	var sum float64
	for i, v := range s.closest[:rows] {
		sum += v
		s.running[i] = sum
	}
	for t, target := range s.targets {
		s.picks[t] = min(sort.SearchFloat64s(s.running, target), rows-1)
	}
}

// firstPotential and potential add up the squared distances to the closest
// centroid (with candidate t): 1.2 with numpy.sum, later releases with a
// product by the weights, which are all one.
func (f *Fitter) firstPotential(v []float64) float64 {
	if f.opts.Stream < Sklearn13 {
		return pairwise.Sum(v)
	}
	return onesDot(v)
}

func (f *Fitter) potential(v []float64, t int) float64 {
	if f.opts.Stream < Sklearn13 {
		return pairwise.Sum(v)
	}
	return laneSum(v, t, len(f.start.picks))
}
