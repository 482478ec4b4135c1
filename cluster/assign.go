package cluster

import (
	"context"
	"fmt"
	"hash/fnv"
	"runtime"

	"golang.org/x/sync/errgroup"

	"tatum/store"
)

// Assign gives the tracks of the writer's store that have no label in the
// clustering of that name one from its models, without fitting anew, and
// returns how many. It returns [store.ErrNotClustered] when there is no such
// clustering. progress, if not nil, is called after each batch.
//
// A track that the clustering was trained on, and that changed since or left the
// store and came back, is labelled by the model of the fold that held it out. Of
// another any model may do: it is that of the fold which [AssignedFold] names.
// What a track is given depends on nothing but its ID, its vectors and the
// clustering. A batch is saved in one transaction; when ctx is cancelled, the
// batches before are done and the next call does the others. When there is
// nothing to do, the store is not written to.
func Assign(ctx context.Context, w *store.Writer, name string, progress func(done, total int)) (done int, err error) {
	a := &assigner{w: w}
	if err := w.View(func(db *store.DB) error { return a.open(db, name) }); err != nil {
		return 0, err
	}
	for done < a.total {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		n, err := a.assignBatch()
		if err != nil {
			return done, err
		}
		done += n
		if progress != nil {
			progress(done, a.total)
		}
	}
	return done, nil
}

// AssignedFold returns the fold whose model labels a track that the clustering
// was not trained on: the 64-bit FNV-1a hash of the ID's bytes, modulo folds.
func AssignedFold(id store.TrackID, folds int) store.Fold {
	h := fnv.New64a()
	h.Write([]byte(id))
	return store.Fold(h.Sum64() % uint64(folds))
}

// An assigner is one Assign under way.
type assigner struct {
	w          *store.Writer
	clustering *store.Clustering
	labeller   labeller
	total      int // tracks without label
}

func (a *assigner) open(db *store.DB, name string) error {
	c, err := db.Clustering(name)
	if err != nil {
		return err
	}
	a.clustering = c
	state, err := db.State()
	if err != nil {
		return err
	}
	labelled, err := db.Labelled(c)
	if err != nil {
		return err
	}
	tracks := state.TracksOf(c.Features[0])
	if labelled > tracks {
		return fmt.Errorf("%w: clustering %q has places of %d tracks, there are %d", store.ErrCorrupt, name, labelled, tracks)
	}
	if a.total = int(tracks - labelled); a.total == 0 {
		return nil // so that no models need be read
	}
	for _, f := range c.Features {
		stored, err := db.Models(c, f)
		if err != nil {
			return err
		}
		for _, m := range stored {
			model, clusters := restoredModel(m)
			a.labeller[f].models = append(a.labeller[f].models, model)
			a.labeller[f].clusters = append(a.labeller[f].clusters, clusters)
		}
	}
	return nil
}

// assignBatch labels the first of the tracks without label, and returns how many.
func (a *assigner) assignBatch() (int, error) {
	c := a.clustering
	b, err := a.read(batchTracks(1<<20, c.K, len(c.Features))) // one transaction writes it
	if err != nil {
		return 0, err
	}
	if len(b.ids) == 0 {
		return 0, fmt.Errorf("%w: clustering %q has no places of some tracks, and does not say of which", store.ErrCorrupt, c.Name)
	}
	placed := make([]store.Placed, len(b.ids))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for from := 0; from < len(placed); from += placeRows {
		g.Go(func() error {
			a.labeller.place(b, from, min(from+placeRows, len(placed)), func(some []store.Placed) {
				for i, p := range some {
					placed[from+i] = p.Clone()
				}
			})
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	return len(placed), a.w.Assign(c, placed)
}

// read returns the first of the tracks without label, with their vectors.
func (a *assigner) read(limit int) (*batch, error) {
	var tracks []*store.Unassigned
	b := new(batch)
	lacking := make(map[store.TrackID]bool) // the sound features
	b.fold = func(f store.Feature, i int) (store.Fold, bool) {
		if f.IsSound() && lacking[b.ids[i]] {
			return noFold, false
		}
		if fold, trained := tracks[i].Fold(f); trained {
			return fold, true
		}
		return AssignedFold(tracks[i].ID, a.clustering.Folds), false
	}
	return b, a.w.View(func(db *store.DB) error {
		for u, err := range db.Unassigned(a.clustering) {
			if err != nil {
				return err
			}
			tracks, b.ids = append(tracks, u), append(b.ids, u.ID)
			if len(tracks) == limit {
				break
			}
		}
		for _, f := range a.clustering.Features {
			b.matrix[f] = NewMatrix(len(b.ids), f.VectorLen())
		}
		for i, id := range b.ids {
			vectors, err := db.TrackVectors(id, a.clustering.Features...)
			if err != nil {
				return err
			}
			for _, f := range a.clustering.Features {
				if vectors[f] == nil {
					lacking[id] = true
				}
				copy(b.matrix[f].Row(i), vectors[f])
			}
		}
		return nil
	})
}
