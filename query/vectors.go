package query

import (
	"cmp"
	"fmt"
	"math"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"tatum/store"
)

// StatNamesOf returns the names of what a feature's vectors have.
func StatNamesOf(f store.Feature) []string {
	if f.IsSound() {
		return SoundStatNames[:]
	}
	return StatNames[:]
}

// chunkRows is how many tracks are read in one go.
const chunkRows = 4096

// dropChunks is after how many chunks what was read leaves this process's memory.
const dropChunks = 4

// A chunk is the vectors of tracks that follow each other, a row each.
type chunk struct {
	first  int // row of the first
	matrix []float64
	err    error
}

// eachVector calls fn with the vector of each track by a feature, in row order, so
// that sums do not depend on how many processors read. The vector is fn's until it
// returns. IDs are [store.DB.TrackIDsWith] of the feature.
func eachVector(db *store.DB, ids []store.TrackID, f store.Feature, fn func(row int, v []float64)) error {
	columns := f.VectorLen()
	read := make(chan chan chunk, runtime.GOMAXPROCS(0)) // in order, as far as they may be ahead
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		defer close(read)
		for first := 0; first < len(ids); first += chunkRows {
			one := make(chan chunk, 1)
			select {
			case read <- one:
			case <-stop:
				return
			}
			go func() { one <- readChunk(db, ids, f, first) }()
		}
	}()
	for one := range read {
		c := <-one
		if c.err != nil {
			return c.err
		}
		if c.first%(dropChunks*chunkRows) == 0 {
			db.Drop()
		}
		for i := 0; i < len(c.matrix); i += columns {
			fn(c.first+i/columns, c.matrix[i:i+columns])
		}
	}
	return nil
}

func readChunk(db *store.DB, ids []store.TrackID, f store.Feature, first int) chunk {
	ids = ids[first:min(first+chunkRows, len(ids))]
	c := chunk{first: first, matrix: make([]float64, 0, len(ids)*f.VectorLen())}
	v := make(store.Vector, f.VectorLen())
	n := 0
	for vectors, err := range db.Vectors(f, store.Run(ids[0], ids[len(ids)-1])) {
		if err == nil && (n == len(ids) || string(vectors.IDBytes()) != string(ids[n])) {
			err = fmt.Errorf("%w: vectors of %q have no track", store.ErrCorrupt, vectors.ID())
		}
		if err == nil {
			err = vectors.Vector(f, v)
		}
		if err != nil {
			c.err = err
			return c
		}
		c.matrix = append(c.matrix, v...)
		n++
	}
	if n != len(ids) {
		c.err = fmt.Errorf("%w: vectors of %d tracks, want %d", store.ErrCorrupt, n, len(ids))
	}
	return c
}

// noCluster stands for the cluster of a track that has none.
const noCluster = -1

// clustersOf returns the cluster of each track by a feature, noCluster of those
// without a label.
func clustersOf(db *store.DB, c *store.Clustering, f store.Feature, ids []store.TrackID) ([]int32, error) {
	clusters := make([]int32, len(ids))
	for i := range clusters {
		clusters[i] = noCluster
	}
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for cluster := range c.K {
		g.Go(func() error {
			for m, err := range db.Members(c, f, store.Cluster(cluster)) {
				if err != nil {
					return err
				}
				row, found := slices.BinarySearchFunc(ids, m.ID, cmp.Compare[store.TrackID])
				if !found {
					return fmt.Errorf("%w: member %q has no track", store.ErrCorrupt, m.ID)
				}
				clusters[row] = int32(cluster)
			}
			db.Drop()
			return nil
		})
	}
	return clusters, g.Wait()
}

// near returns a point near the mean of a feature's vectors, from which to measure
// them so that sums of squares keep their digits: the mean of the first ones.
func near(db *store.DB, ids []store.TrackID, f store.Feature) ([]float64, error) {
	point := make([]float64, f.VectorLen())
	ids = ids[:min(chunkRows, len(ids))]
	return point, eachVector(db, ids, f, func(_ int, v []float64) {
		for j, x := range v {
			point[j] += x / float64(len(ids))
		}
	})
}

// deviation returns the population standard deviation of n numbers of that mean,
// by their sum and sum of squares measured from a point near it: 1 where it is no
// more than rounding.
func deviation(mean, sum, squares, n float64) float64 {
	shift := sum / n
	variance, slack := squares/n-float64(shift*shift), mean*0x1p-40
	if variance <= slack*slack {
		return 1
	}
	return math.Sqrt(variance)
}
