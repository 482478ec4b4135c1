package cluster

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"

	"tatum/store"
)

// Assign gives the tracks of the store at path db that have no label in the
// clustering of that name one from its models, without fitting anew, and
// returns how many. It returns [store.ErrNotClustered] when there is no such
// clustering. progress, if not nil, is called after each batch.
//
// Such a track was in no fold's training set, so any model may label it: it is
// that of the fold which [AssignedFold] names. What a track is given depends on
// nothing but its ID, its vectors and the clustering. A batch is saved in one
// transaction; when ctx is cancelled, the batches before are done and the next
// call goes on behind them. When there is nothing to do, the store is not
// written to.
func Assign(ctx context.Context, db, name string, progress func(done, total int)) (int, error) {
	w, err := store.OpenWriter(db)
	if err != nil {
		return 0, err
	}
	n, err := assign(ctx, w, name, progress)
	return n, errors.Join(err, w.Close())
}

// AssignedFold returns the fold whose model labels a track that was ingested
// after the fit: the 64-bit FNV-1a hash of the ID's bytes, modulo folds.
func AssignedFold(id store.TrackID, folds int) store.Fold {
	h := fnv.New64a()
	h.Write([]byte(id))
	return store.Fold(h.Sum64() % uint64(folds))
}

func assign(ctx context.Context, w *store.Writer, name string, progress func(done, total int)) (done int, err error) {
	var l *lateLabeller
	total := 0
	err = w.View(func(db *store.DB) error {
		c, err := db.Clustering(name)
		if err != nil {
			return err
		}
		if l, err = newLateLabeller(db, c); err != nil {
			return err
		}
		return db.Unassigned(c, "", func(store.TrackID) bool {
			total++
			return true
		})
	})
	if err != nil {
		return 0, err
	}
	for done < total {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		if err := w.View(l.read); err != nil {
			return done, err
		}
		if err := w.Assign(l.clustering, l.ids, l.at); err != nil {
			return done, err
		}
		done += len(l.ids)
		if progress != nil {
			progress(done, total)
		}
	}
	return done, nil
}

// A labeller labels one batch of tracks after the other.
type labeller struct {
	ids    []store.TrackID // of the batch, in row order
	places map[store.Feature]*assigner
}

// at returns a track's place.
func (l *labeller) at(f store.Feature, i int) *store.Assignment { return l.places[f].at(i) }

// readRun makes the batch of ids, which follow each other in the store, ready
// to be labelled by the models of the given folds.
func (l *labeller) readRun(db *store.DB, folds []uint16) error {
	for f, a := range l.places {
		a.reset(folds)
		all := func(int) bool { return true }
		err := db.VectorRange(f, l.ids[0], l.ids[len(l.ids)-1], len(l.ids), all, func(_ int, _ []byte, v *store.Vector) {
			a.matrix = append(a.matrix, v[:]...)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// A lateLabeller labels tracks without label with stored models.
type lateLabeller struct {
	labeller
	clustering *store.Clustering
}

func newLateLabeller(db *store.DB, c *store.Clustering) (*lateLabeller, error) {
	l := &lateLabeller{labeller{places: make(map[store.Feature]*assigner)}, c}
	for _, f := range c.Features {
		stored, err := db.Models(c, f)
		if err != nil {
			return nil, err
		}
		if len(stored) != c.Folds {
			return nil, fmt.Errorf("%w: %v has %d models of %d folds", store.ErrCorrupt, f, len(stored), c.Folds)
		}
		a := new(assigner)
		for _, m := range stored {
			if len(m.Centroids) != c.K {
				return nil, fmt.Errorf("%w: model of %v, fold %d, has %d centroids of %d", store.ErrCorrupt, f, m.Fold, len(m.Centroids), c.K)
			}
			model, clusters := restoredModel(m)
			a.models, a.clusters = append(a.models, model), append(a.clusters, clusters)
		}
		l.places[f] = a
	}
	return l, nil
}

// restoredModel is the inverse of storedModel, but for what only a fit knows.
func restoredModel(m *store.Model) (*Model, []int) {
	centroids := make([]float64, 0, len(m.Centroids)*cols)
	for i := range m.Centroids {
		centroids = append(centroids, m.Centroids[i][:]...)
	}
	clusters := make([]int, len(m.Clusters))
	for l, c := range m.Clusters {
		clusters[l] = int(c)
	}
	return NewModel(Scaler{Mean: m.Mean, Scale: m.Scale}, centroids), clusters
}

// batchTracks returns how many tracks are labelled together: they have about a
// million distances, 8 MB, which one transaction writes.
func batchTracks(k, features int) int { return max(1, (1<<20)/(k*features)) }

// read makes the next batch of the tracks without label behind those of the
// last one.
func (l *lateLabeller) read(db *store.DB) error {
	c := l.clustering
	size := batchTracks(c.K, len(c.Features))
	after := store.TrackID("")
	if len(l.ids) > 0 {
		after = l.ids[len(l.ids)-1]
	}
	l.ids = l.ids[:0]
	err := db.Unassigned(c, after, func(id store.TrackID) bool {
		l.ids = append(l.ids, id)
		return len(l.ids) < size
	})
	if err != nil {
		return err
	}
	var folds []uint16
	for _, id := range l.ids {
		folds = append(folds, uint16(AssignedFold(id, c.Folds)))
	}
	for f, a := range l.places {
		a.reset(folds)
		for _, id := range l.ids {
			v, err := db.Vector(f, id)
			if err != nil {
				return err
			}
			a.matrix = append(a.matrix, v[:]...)
		}
	}
	return nil
}

// at returns a track's place, marked as assigned after the fit.
func (l *lateLabeller) at(f store.Feature, i int) *store.Assignment {
	a := l.labeller.at(f, i)
	a.Assigned = true
	return a
}
