package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"tatum/store/pages"
)

// A Problem is something in a store that is not as it should be.
type Problem struct {
	Where string // what is wrong: "page", "track", "vector beats_start", "default members" …
	Key   string // of which track, file or clustering; empty for the whole file
	What  string
}

// String returns the problem as a line of text.
func (p Problem) String() string {
	if p.Key == "" {
		return p.Where + ": " + p.What
	}
	return fmt.Sprintf("%s %s: %s", p.Where, p.Key, p.What)
}

// CheckOptions say what a check does beside reading everything.
type CheckOptions struct {
	// Vectors, if set, computes vectors from arrays, to compare them.
	Vectors func(arrays *[NumArrays][]float64) (*VectorSet, error)

	// Place, if set, returns what the model of an assignment's fold makes of a
	// vector, to compare it; it may take the label given for another that is equally
	// near. The distances are the check's until the next call.
	Place func(m *Model, v Vector, given Label) (Label, []float64)

	// Folds, if set, returns the fold that holds out each of so many tracks that a
	// clustering was trained on by a feature, in row order, to compare them.
	Folds func(c *Clustering, tracks int) ([]Fold, error)

	// Progress, if set, is called after each track.
	Progress func(done, total int)
}

// Checked counts what a check has read.
type Checked struct {
	Pages, Tracks, Files, Clusterings, Assignments int
	Problems                                       int
}

// Check reads the whole store at path and calls report with each problem: every
// page is in place and used once; every value is as it was written; every
// invariant of the package comment holds. While it runs, nobody can write. The
// errors are those of Open, but for ErrCorrupt, which is a problem, and ctx's when
// that ends.
func Check(ctx context.Context, path string, o CheckOptions, report func(Problem)) (Checked, error) {
	c := &checker{ctx: ctx, o: o, report: report}
	db, err := Open(path)
	if errors.Is(err, ErrCorrupt) {
		c.problem("file", "", "%v", err)
		return c.sum, nil
	}
	if err != nil {
		return c.sum, err
	}
	tx, err := db.bolt.Begin(false)
	if err != nil {
		return c.sum, errors.Join(err, db.Close())
	}
	c.guarded("file", "", func() error { return c.check(tx, db.snapshot) })
	end := func() error { return errors.Join(tx.Rollback(), db.Close()) }
	if c.going != nil {
		go func() {
			for range c.going { // which needs the file
			}
			_ = end()
		}()
		return c.sum, ctx.Err()
	}
	return c.sum, errors.Join(ctx.Err(), end())
}

// A checker is one Check under way.
type checker struct {
	*snapshot
	ctx    context.Context
	o      CheckOptions
	report func(Problem)
	sum    Checked
	going  <-chan error // what bbolt finds, if it could not be waited for

	state  State  // as the store has it
	sound  uint64 // tracks with sound features
	bytes  [numParts]uint64
	models map[Feature][]*Model

	scratch [NumSoundStats]float64 // for a vector
}

// problem reports a problem, unless it is that the check was ended.
func (c *checker) problem(where, key, format string, args ...any) {
	if c.ctx.Err() != nil {
		return
	}
	c.sum.Problems++
	what := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "; ")
	c.report(Problem{where, key, what})
}

// guarded reports fn's error, and a panic as one.
func (c *checker) guarded(where, key string, fn func() error) {
	if err := guard(fn); err != nil {
		c.problem(where, key, "%v", err)
	}
}

func (c *checker) check(tx *bbolt.Tx, s *snapshot) (err error) {
	c.snapshot = s
	c.guarded("page", "", func() error { return c.pages(tx) })
	if c.state, err = c.snapshot.state(); err != nil {
		return err
	}
	for _, key := range [][]byte{createdKey, ingestedKey, writtenKey} {
		if _, err := c.time(key); err != nil {
			return err
		}
	}
	c.guarded("tracks", "", c.allTracks)
	c.guarded("arrays", "", c.allArrays)
	c.guarded("vectors", "", c.allVectors)
	c.guarded("files", "", c.allFiles)
	for p, want := range c.state.bytes {
		if got := c.bytes[p]; got != want {
			c.problem(string(partBuckets[p]), "", "have %d bytes, the store was left with %d", got, want)
		}
	}
	c.guarded("clusterings", "", c.clusterings)
	return nil
}

// pages checks that every page is used once. Then it has bbolt check them again:
// bbolt does so in a goroutine of its own, where a number out of bounds would
// end the process.
func (c *checker) pages(tx *bbolt.Tx) error {
	c.sum.Pages = c.Count()
	before := c.sum.Problems
	used := make([]bool, c.sum.Pages)
	use := func(r pages.Run) {
		for id := r.ID; id < r.ID+uint64(r.Count); id++ {
			if used[id] {
				c.problem("page", fmt.Sprint(id), "used more than once")
			}
			used[id] = true
		}
	}
	for r, err := range c.Administration() {
		if err != nil {
			return err
		}
		use(r)
	}
	err := c.eachBucket(func(path [][]byte, b *pages.Bucket) error {
		c.guarded("page", fmt.Sprintf("of %q", bytes.Join(path, []byte("/"))), func() error {
			for r, err := range b.Runs() {
				if err := cmp.Or(err, c.ctx.Err()); err != nil {
					return err
				}
				use(r)
			}
			return nil
		})
		return nil
	})
	if err != nil {
		return err
	}
	for id, used := range used {
		if !used {
			c.problem("page", fmt.Sprint(id), "neither used nor free")
		}
	}
	if c.sum.Problems > before {
		return nil
	}
	found := tx.Check()
	for {
		select {
		case err, more := <-found:
			if !more {
				return nil
			}
			c.problem("page", "", "%v", err)
		case <-c.ctx.Done():
			c.going = found
			return c.ctx.Err()
		}
	}
}

// each calls fn with the entries of a bucket, which the caller names, as far as
// its pages let them be found, and counts their bytes.
func (c *checker) each(b *pages.Bucket, bytes *uint64, fn func(e pages.Entry) error) error {
	for e, err := range b.Range(nil, nil) {
		if err := cmp.Or(err, c.ctx.Err()); err != nil {
			return err
		}
		*bytes += uint64(len(e.Key) + len(e.Value))
		if err := fn(e); err != nil {
			return err
		}
	}
	return nil
}

// has reports whether a track is in the store.
func (c *checker) has(id []byte) bool {
	v, err := c.tracks.Get(id)
	return v != nil || err != nil // what is wrong with it is reported elsewhere
}

// allTracks checks every track with its arrays and vectors.
func (c *checker) allTracks() error {
	err := c.each(&c.tracks, &c.bytes[inTracks], func(e pages.Entry) error {
		c.sum.Tracks++
		id := string(e.Key)
		c.guarded("track", id, func() error {
			if _, err := ParseTrackID(id); err != nil {
				return err
			}
			_, err := decodeTrack(e.Key, body(e.Value))
			return err
		})
		c.guarded("track", id, func() error { return c.checkTrack(TrackID(id)) })
		if c.o.Progress != nil {
			c.o.Progress(c.sum.Tracks, int(c.state.Tracks))
		}
		return nil
	})
	switch {
	case err != nil:
	case uint64(c.sum.Tracks) != c.state.Tracks:
		err = fmt.Errorf("found %d tracks, the store was left with %d", c.sum.Tracks, c.state.Tracks)
	case c.sound != c.state.Sound:
		err = fmt.Errorf("found %d tracks with sound features, the store was left with %d", c.sound, c.state.Sound)
	}
	return err
}

// checkTrack checks that a track has arrays and vectors, and computes these anew
// if asked to.
func (c *checker) checkTrack(id TrackID) error {
	arrays, err := c.arraysOf(id)
	if err != nil {
		return err
	}
	var want *VectorSet
	if c.o.Vectors != nil {
		if want, err = c.o.Vectors(&arrays); err != nil {
			return fmt.Errorf("compute vectors: %w", err)
		}
	}
	hasSound := arrays[Pitches] != nil && arrays[Timbre] != nil
	if hasSound {
		c.sound++
	}
	var vectors *Vectors // of the group read last
	for _, f := range AllFeatures {
		where := "vector " + f.String()
		c.guarded(where, string(id), func() error {
			if vectors == nil || vectors.key[0] != groupOf(f) {
				if vectors, err = c.vectorsOf(f, id); err != nil {
					return err
				}
			}
			switch {
			case vectors.value == nil && hasSound:
				return errors.New("is missing")
			case vectors.value == nil:
				return nil
			case f.IsSound() && !hasSound:
				return errors.New("is there, but not the arrays")
			}
			v := c.scratch[:f.VectorLen()]
			err := vectors.Vector(f, v)
			if err == nil && want != nil && !sameBits(v, want[f]) {
				c.problem(where, string(id), "is not that of the track's arrays")
			}
			return err
		})
	}
	return nil
}

// sameBits reports whether two slices hold the same numbers, NaNs too.
func sameBits(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) })
}

// allArrays checks that arrays are those of a track.
func (c *checker) allArrays() error {
	return c.each(&c.arrays, &c.bytes[inArrays], func(e pages.Entry) error {
		switch {
		case len(e.Key) != TrackIDLen+1 || e.Key[TrackIDLen] >= byte(numGroups):
			c.problem("arrays", fmt.Sprintf("%q", e.Key), "key is not that of a track and group")
		case !c.has(e.Key[:TrackIDLen]):
			c.problem("arrays", string(e.Key[:TrackIDLen]), "have no track")
		}
		return nil
	})
}

// allVectors checks that vectors are those of a track.
func (c *checker) allVectors() error {
	return c.each(&c.vectors, &c.bytes[inVectors], func(e pages.Entry) error {
		switch {
		case len(e.Key) != 1+TrackIDLen || groupOf(Feature(e.Key[0])) != e.Key[0]:
			c.problem("vectors", fmt.Sprintf("%q", e.Key), "key is not that of a group and track")
		case !c.has(e.Key[1:]):
			c.problem("vectors", string(e.Key[1:]), "have no track")
		}
		return nil
	})
}

// allFiles checks every file, and that the tracks it gave are there.
func (c *checker) allFiles() error {
	var counted State
	err := c.each(&c.files, &c.bytes[inFiles], func(e pages.Entry) error {
		c.sum.Files++
		c.guarded("file", fmt.Sprintf("%q", e.Key), func() error {
			f, err := decodeFile(e.Key, body(e.Value))
			if err != nil {
				return err
			}
			counted.countFile(nil, f)
			for _, id := range f.Tracks {
				if !c.has([]byte(id)) {
					c.problem("file", fmt.Sprintf("%q", e.Key), "gave track %s, which is missing", id)
				}
			}
			return nil
		})
		return nil
	})
	if err == nil && (counted.Files != c.state.Files || counted.BadFiles != c.state.BadFiles) {
		err = fmt.Errorf("found %d files, %d bad, the store was left with %d, %d bad",
			counted.Files, counted.BadFiles, c.state.Files, c.state.BadFiles)
	}
	return err
}

// clusterings checks every clustering, and that each has a fit of its own.
func (c *checker) clusterings() error {
	fits := make(map[uint32]bool)
	for e, err := range c.names.Range(nil, nil) {
		if err != nil {
			return err
		}
		c.sum.Clusterings++
		c.guarded("clustering", fmt.Sprintf("%q", e.Key), func() error {
			cl, err := unsealClustering(e.Key, e.Value)
			if err != nil {
				return err
			}
			if fits[cl.fit] || cl.fit >= c.state.nextFit {
				return fmt.Errorf("fit %d is another's", cl.fit)
			}
			fits[cl.fit] = true
			return c.clustering(cl)
		})
	}
	return nil
}

func (c *checker) clustering(cl *Clustering) error {
	if err := CheckName(cl.Name); err != nil {
		return err
	}
	if len(cl.Features) == 0 || len(cl.Summaries) != len(cl.Features) {
		return fmt.Errorf("has %d features and %d summaries", len(cl.Features), len(cl.Summaries))
	}
	for i, f := range cl.Features {
		if !slices.Contains(AllFeatures, f) || i > 0 && f <= cl.Features[i-1] {
			return fmt.Errorf("features %v are not ascending ones", cl.Features)
		}
	}
	fit, err := c.fit(cl)
	if err != nil {
		return err
	}
	k := &fitChecker{checker: c, c: cl, fit: fit}
	return k.check()
}

// A fitChecker is the check of one fit under way.
type fitChecker struct {
	*checker
	c       *Clustering
	fit     *storedFit
	bytes   uint64
	tallies [NumArrays]tally // counted, by feature
	trained []trainedTrack
	placed  uint64 // tracks that are
	places  uint64 // of all of them
	derived uint64 // sum of the hashes of the members that follow from the places
}

// A trainedTrack is a track that the fit was trained on.
type trainedTrack struct {
	id    TrackID
	folds []trainedFold
}

func (k *fitChecker) check() error {
	k.models = make(map[Feature][]*Model)
	for _, f := range k.c.Features {
		k.tallies[f].clusters = make([]clusterTally, k.c.K)
		if err := k.featureModels(f); err != nil {
			return err
		}
	}
	err := errors.Join(k.each(&k.fit.models, &k.bytes, func(pages.Entry) error { return nil }), k.assignments(), k.members())
	if err != nil {
		return err
	}
	for _, f := range k.c.Features {
		t, err := k.fit.tally(f)
		if err != nil {
			return err
		}
		if !slices.Equal(t.clusters, k.tallies[f].clusters) {
			return fmt.Errorf("tally of %v is not that of its members", f)
		}
	}
	if n, err := k.fit.bytes(); err != nil || n != k.bytes {
		return errors.Join(err, fmt.Errorf("has %d bytes, it was left with %d", k.bytes, n))
	}
	if err := k.unassigned(); err != nil {
		return err
	}
	return k.trainedFolds()
}

// featureModels reads and checks the models of a feature, one for each fold.
func (k *fitChecker) featureModels(f Feature) error {
	models, err := k.fit.modelsOf(f)
	if err != nil {
		return err
	}
	if len(models) != k.c.Folds {
		return fmt.Errorf("%v has %d models of %d folds", f, len(models), k.c.Folds)
	}
	for fold, m := range models {
		numbers := slices.Sorted(slices.Values(m.Clusters))
		for i, n := range numbers {
			if int(n) != i {
				return fmt.Errorf("model of %v, fold %d, names clusters %v", f, fold, numbers)
			}
		}
		if len(m.Centroids) != k.c.K {
			return fmt.Errorf("model of %v, fold %d, has %d centroids of %d", f, fold, len(m.Centroids), k.c.K)
		}
	}
	k.models[f] = models
	return nil
}

// assignments checks the places of all tracks.
func (k *fitChecker) assignments() error {
	var places []Assignment
	return k.each(&k.fit.assignments, &k.bytes, func(e pages.Entry) error {
		k.placed++
		id := string(e.Key)
		if !k.has(e.Key) {
			k.problem(k.c.Name, id, "has a place, but no track")
			return nil
		}
		k.guarded(k.c.Name, id, func() (err error) {
			if places, err = decodeAssignments(e.Key, body(e.Value), places); err != nil {
				return err
			}
			if err = k.c.checkPlaces(e.Key, places); err != nil {
				places = nil
			}
			return err
		})
		t := trainedTrack{id: TrackID(id)}
		for i := range places {
			a := &places[i]
			k.sum.Assignments++
			k.places++
			if a.Trained {
				t.folds = append(t.folds, trainedFold{a.Feature, a.Fold})
			}
			k.guarded(fmt.Sprintf("%s %v", k.c.Name, a.Feature), id, func() error { return k.place(t.id, a) })
		}
		if t.folds != nil {
			k.trained = append(k.trained, t)
		}
		return nil
	})
}

// place checks an assignment against the model that made it.
func (k *fitChecker) place(id TrackID, a *Assignment) error {
	if int(a.Cluster) >= k.c.K {
		return fmt.Errorf("cluster %d of %d", a.Cluster, k.c.K)
	}
	k.tallies[a.Feature].add(talliedOf(a))
	k.derived += memberHash(a.Feature, a.Cluster, memberOf(id, a))
	m := k.models[a.Feature][a.Fold]
	if m.Clusters[a.Label] != a.Cluster {
		return fmt.Errorf("label %d is cluster %d, not %d", a.Label, m.Clusters[a.Label], a.Cluster)
	}
	if k.o.Place == nil {
		return nil
	}
	vectors, err := k.vectorsOf(a.Feature, id)
	if err == nil && vectors.value == nil {
		err = errors.New("has no vector")
	}
	if err != nil {
		return err
	}
	v := k.scratch[:a.Feature.VectorLen()]
	if err := vectors.Vector(a.Feature, v); err != nil {
		return err
	}
	label, distances := k.o.Place(m, v, a.Label)
	if label != a.Label || !sameBits(distances, a.Distances) {
		return errors.New("label and distances are not those of its vector")
	}
	return nil
}

// members checks that the members are those derived from the places: as many,
// and with the same sum of hashes.
func (k *fitChecker) members() error {
	n, sum := uint64(0), uint64(0)
	var last []byte // the member before, with its cluster
	err := k.each(&k.fit.members, &k.bytes, func(e pages.Entry) error {
		b, err := decodeMembers(e.Key, body(e.Value))
		if err != nil {
			return err
		}
		if bytes.Compare(last, e.Key) >= 0 {
			return corrupt(e.Key, "block begins before the last one ends")
		}
		f, c := Feature(e.Key[0]), Cluster(binary.BigEndian.Uint16(e.Key[1:]))
		for m := range b.all() {
			n++
			sum += memberHash(f, c, m)
		}
		last = blockKey(f, c, b.at(b.count()-1))
		return nil
	})
	switch want := k.places; {
	case err != nil:
		return err
	case n != want:
		return fmt.Errorf("has %d members, want %d", n, want)
	case sum != k.derived:
		return errors.New("has other members than its places say")
	}
	return nil
}

// memberHash returns a hash of a member of a cluster.
func memberHash(f Feature, c Cluster, m encodedMember) uint64 {
	h := fnv.New64a()
	h.Write(clusterKey(f, c))
	h.Write(m)
	return h.Sum64()
}

// unassigned checks that each track that has the fit's features, or some of them,
// is either placed or among the unassigned.
func (k *fitChecker) unassigned() error {
	n := k.placed
	for e, err := range k.fit.unassigned.Range(nil, nil) {
		if err := cmp.Or(err, k.ctx.Err()); err != nil {
			return err
		}
		n++
		place, err := k.fit.assignments.Get(e.Key)
		if err != nil {
			return err
		}
		if place != nil || !k.has(e.Key) {
			k.problem(k.c.Name, string(e.Key), "is to be assigned, but has a place or no track")
		}
	}
	if want := k.state.TracksOf(k.c.Features[0]); n != want {
		return fmt.Errorf("has or lacks places of %d tracks, there are %d", n, want)
	}
	return nil
}

// trainedFolds checks that the tracks that the fit was trained on are those that
// it was, and that the fold of each is the one that held it out: so none has a
// label by a model that has seen it.
func (k *fitChecker) trainedFolds() error {
	for e, err := range k.fit.folds.Range(nil, nil) {
		if err := cmp.Or(err, k.ctx.Err()); err != nil {
			return err
		}
		folds, err := decodeFolds(e.Key, body(e.Value))
		if err != nil {
			return err
		}
		k.trained = append(k.trained, trainedTrack{TrackID(e.Key), folds})
	}
	slices.SortStableFunc(k.trained, func(a, b trainedTrack) int { return cmp.Compare(a.id, b.id) })
	byFeature := make(map[Feature][]trainedTrack)
	tracks := uint64(0)
	for i, t := range k.trained {
		if i == 0 || t.id != k.trained[i-1].id {
			tracks++
		}
		for _, fold := range t.folds {
			of := byFeature[fold.feature]
			if len(of) > 0 && of[len(of)-1].id == t.id {
				return fmt.Errorf("track %s has a place and a fold besides", t.id)
			}
			byFeature[fold.feature] = append(of, trainedTrack{t.id, []trainedFold{fold}})
		}
	}
	if tracks != k.c.Tracks {
		return fmt.Errorf("knows the folds of %d tracks, was trained on %d", tracks, k.c.Tracks)
	}
	for i, f := range k.c.Features {
		if n, want := uint64(len(byFeature[f])), k.c.Summaries[i].Tracks(); n != want {
			return fmt.Errorf("knows the folds of %d tracks by %v, was trained on %d", n, f, want)
		}
	}
	if k.o.Folds == nil {
		return nil
	}
	for _, f := range k.c.Features {
		want, err := k.o.Folds(k.c, len(byFeature[f]))
		if err != nil {
			return err
		}
		for i, t := range byFeature[f] {
			if t.folds[0].fold != want[i] {
				k.problem(k.c.Name, string(t.id), "is of fold %d by %v: its model has been trained on the track, or is none", want[i], f)
			}
		}
	}
	return nil
}
