package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"go.etcd.io/bbolt"
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
	Vectors func(arrays *[NumArrays][]float64) (*[NumFeatures]Vector, error)

	// Place, if set, returns what the model of an assignment's fold makes of a
	// vector, to compare it. The distances are the check's until the next call.
	Place func(m *Model, v *Vector) (Label, []float64)

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
// errors are those of Open, but for ErrCorrupt, which is a problem.
func Check(path string, o CheckOptions, report func(Problem)) (Checked, error) {
	c := &checker{o: o, report: report}
	db, err := Open(path)
	if errors.Is(err, ErrCorrupt) {
		c.problem("file", "", "%v", err)
		return c.sum, nil
	}
	if err != nil {
		return c.sum, err
	}
	c.guarded("file", "", func() error { return db.bolt.View(c.check) })
	return c.sum, db.Close()
}

// A checker is one Check under way.
type checker struct {
	o      CheckOptions
	report func(Problem)
	sum    Checked

	tx     *bbolt.Tx
	state  State
	sound  bool // all pages are in order
	models map[Feature][]*Model
}

func (c *checker) problem(where, key, format string, args ...any) {
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

func (c *checker) check(tx *bbolt.Tx) (err error) {
	c.tx = tx
	c.guarded("page", "", c.pages)
	c.sound = c.sum.Problems == 0
	if c.state, err = readState(tx); err != nil {
		return err
	}
	for _, key := range [][]byte{createdKey, ingestedKey, writtenKey} {
		if _, err := readTime(tx, key); err != nil {
			return err
		}
	}
	c.guarded("tracks", "", c.tracks)
	c.guarded("arrays", "", c.allArrays)
	for _, f := range Features {
		c.guarded("vectors", f.String(), func() error { return c.vectors(f) })
	}
	c.guarded("files", "", c.files)
	c.guarded("clusterings", "", c.clusterings)
	return nil
}

// pages checks that every page is used once. Then it has bbolt check them again:
// bbolt does so in a goroutine of its own, where a number out of bounds would
// end the process.
func (c *checker) pages() error {
	ps, err := pagesOf(c.tx)
	if err != nil {
		return err
	}
	c.sum.Pages = len(ps.data) / ps.size
	before := c.sum.Problems
	used := make([]bool, c.sum.Pages)
	use := func(id uint64, count int) {
		for i := range uint64(count) {
			if used[id+i] {
				c.problem("page", fmt.Sprint(id+i), "used more than once")
			}
			used[id+i] = true
		}
	}
	if err := c.usePages(ps, use); err != nil {
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
	for err := range c.tx.Check() {
		c.problem("page", "", "%v", err)
	}
	return nil
}

// usePages calls use with all pages that the file has a use for, which includes
// being free.
func (c *checker) usePages(ps *pages, use func(id uint64, count int)) error {
	use(0, 2) // the headers
	tail, err := ps.raw(ps.tail)
	if err != nil {
		return err
	}
	use(ps.tail, len(tail)/ps.size)
	for at := 0; at < len(ps.free); at += 8 {
		id := binary.NativeEndian.Uint64(ps.free[at:])
		if id >= uint64(c.sum.Pages) {
			return damagedPage(id, "free, but out of bounds")
		}
		use(id, 1)
	}
	seen := func(p *page) error {
		use(p.id, len(p.data)/ps.size)
		return nil
	}
	top := &bucketTree{root: ps.root}
	if err := ps.visitBucket(top, &walk{branch: seen, leaf: seen}); err != nil {
		return err
	}
	return c.bucketPages(ps, top, seen)
}

// bucketPages calls seen with the pages of the buckets in a bucket, and in
// those.
func (c *checker) bucketPages(ps *pages, parent *bucketTree, seen func(p *page) error) error {
	return ps.visitBucket(parent, &walk{leaf: func(p *page) error {
		for i := range p.count {
			b, err := childBucket(parent, p, i)
			if err != nil {
				return err
			}
			if b.root != 0 {
				name := bytes.Join(b.path, []byte("/"))
				c.guarded("page", fmt.Sprintf("of %q", name), func() error {
					return ps.visitBucket(b, &walk{branch: seen, leaf: func(p *page) error {
						if holdsBuckets(b.path) {
							return seen(p)
						}
						return errors.Join(seen(p), checkLeaf(p, false))
					}})
				})
			}
			if holdsBuckets(b.path) {
				if err := c.bucketPages(ps, b, seen); err != nil {
					return err
				}
			}
		}
		return nil
	}})
}

// get is b.Get, with the care that unsound pages need.
func (c *checker) get(b *bbolt.Bucket, key []byte) ([]byte, error) {
	if c.sound {
		return b.Get(key), nil
	}
	return get(b, key)
}

// has reports whether a track is in the store.
func (c *checker) has(id []byte) bool {
	v, err := c.get(c.tx.Bucket(tracksBucket), id)
	return v != nil || err != nil // what is wrong with it is reported elsewhere
}

// tracks checks every track with its arrays and vectors.
func (c *checker) tracks() error {
	err := each(c.tx.Bucket(tracksBucket), func(key, sealed []byte) error {
		c.sum.Tracks++
		id := string(key)
		c.guarded("track", id, func() error {
			if _, err := ParseTrackID(id); err != nil {
				return err
			}
			_, err := unsealTrack(key, sealed)
			return err
		})
		c.guarded("track", id, func() error { return c.track(TrackID(id)) })
		if c.o.Progress != nil {
			c.o.Progress(c.sum.Tracks, int(c.state.Tracks))
		}
		return nil
	})
	if err == nil && uint64(c.sum.Tracks) != c.state.Tracks {
		err = fmt.Errorf("found %d tracks, the store was left with %d", c.sum.Tracks, c.state.Tracks)
	}
	return err
}

// track checks that a track has arrays and vectors, and computes these anew if
// asked to.
func (c *checker) track(id TrackID) error {
	arrays, err := c.arrays(id)
	if err != nil {
		return err
	}
	var want *[NumFeatures]Vector
	if c.o.Vectors != nil {
		if want, err = c.o.Vectors(&arrays); err != nil {
			return fmt.Errorf("compute vectors: %w", err)
		}
	}
	for _, f := range Features {
		where := "vector " + f.String()
		c.guarded(where, string(id), func() error {
			v, err := c.vector(f, id)
			if err == nil && want != nil && !sameBits(v[:], want[f][:]) {
				c.problem(where, string(id), "is not that of the track's arrays")
			}
			return err
		})
	}
	return nil
}

func (c *checker) arrays(id TrackID) (arrays [NumArrays][]float64, err error) {
	for g := featureArrays; g <= extraArrays; g++ {
		key := arraysKey(id, g)
		sealed, err := c.get(c.tx.Bucket(arraysBucket), key)
		switch {
		case err != nil:
			return arrays, err
		case sealed == nil && g == featureArrays:
			return arrays, errors.New("has no arrays")
		case sealed == nil:
			continue
		}
		value, err := unseal(key, sealed)
		if err == nil {
			err = decodeArrays(key, value, g, &arrays)
		}
		if err != nil {
			return arrays, err
		}
	}
	return arrays, nil
}

func (c *checker) vector(f Feature, id TrackID) (v Vector, err error) {
	key := vectorKey(f, id)
	sealed, err := c.get(c.tx.Bucket(vectorsBucket), key)
	switch {
	case err != nil:
		return v, err
	case sealed == nil:
		return v, errors.New("is missing")
	}
	return v, unsealVector(key, sealed, &v)
}

// sameBits reports whether two slices hold the same numbers, NaNs too.
func sameBits(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) })
}

// allArrays checks that arrays are those of a track.
func (c *checker) allArrays() error {
	return each(c.tx.Bucket(arraysBucket), func(key, _ []byte) error {
		switch {
		case len(key) != TrackIDLen+1 || key[TrackIDLen] > byte(extraArrays):
			c.problem("arrays", fmt.Sprintf("%q", key), "key is not that of a track and group")
		case !c.has(key[:TrackIDLen]):
			c.problem("arrays", string(key[:TrackIDLen]), "have no track")
		}
		return nil
	})
}

// vectors checks that vectors are those of a track.
func (c *checker) vectors(f Feature) error {
	return scan(c.tx.Bucket(vectorsBucket), []byte{byte(f)}, func(key, _ []byte) error {
		if len(key) != TrackIDLen+1 || !c.has(key[1:]) {
			c.problem("vector "+f.String(), string(key[1:]), "has no track")
		}
		return nil
	})
}

// files checks every file, and that the tracks it gave are there.
func (c *checker) files() error {
	return each(c.tx.Bucket(filesBucket), func(key, sealed []byte) error {
		c.sum.Files++
		c.guarded("file", fmt.Sprintf("%q", key), func() error {
			f, err := unsealFile(key, sealed)
			if err != nil {
				return err
			}
			for _, id := range f.Tracks {
				if !c.has([]byte(id)) {
					c.problem("file", fmt.Sprintf("%q", key), "gave track %s, which is missing", id)
				}
			}
			return nil
		})
		return nil
	})
}

// clusterings checks every clustering, and that each has a fit of its own.
func (c *checker) clusterings() error {
	fits := make(map[uint32]bool)
	return each(c.tx.Bucket(namesBucket), func(key, sealed []byte) error {
		c.sum.Clusterings++
		c.guarded("clustering", fmt.Sprintf("%q", key), func() error {
			cl, err := unsealClustering(key, sealed)
			if err != nil {
				return err
			}
			if fits[cl.fit] || cl.fit >= c.state.nextFit {
				return fmt.Errorf("fit %d is another's", cl.fit)
			}
			fits[cl.fit] = true
			return c.clustering(cl)
		})
		return nil
	})
}

func (c *checker) clustering(cl *Clustering) error {
	if err := CheckName(cl.Name); err != nil {
		return err
	}
	if len(cl.Features) == 0 || len(cl.Summaries) != len(cl.Features) {
		return fmt.Errorf("has %d features and %d summaries", len(cl.Features), len(cl.Summaries))
	}
	var buckets [len(fitBuckets)]*bbolt.Bucket
	for i, name := range fitBuckets {
		b, err := fitBucket(c.tx, cl, name)
		if err != nil {
			return err
		}
		buckets[i] = b
	}
	c.models = make(map[Feature][]*Model)
	for i, f := range cl.Features {
		if f >= NumFeatures || i > 0 && f <= cl.Features[i-1] && slices.Contains(cl.Features[:i], f) {
			return fmt.Errorf("features %v are not different ones", cl.Features)
		}
		if err := c.featureModels(cl, f, buckets[inModels]); err != nil {
			return err
		}
	}
	tracks, err := c.assignments(cl, buckets)
	if err != nil {
		return err
	}
	if cl.Generation == c.state.Generation && uint64(tracks) != c.state.Tracks {
		return fmt.Errorf("places %d tracks of %d", tracks, c.state.Tracks)
	}
	return c.members(cl, buckets)
}

// featureModels reads and checks the models of a feature, one for each fold.
func (c *checker) featureModels(cl *Clustering, f Feature, b *bbolt.Bucket) error {
	for fold := range cl.Folds {
		key := modelKey(f, Fold(fold))
		sealed, err := c.get(b, key)
		if err != nil {
			return err
		}
		if sealed == nil {
			return fmt.Errorf("model of %v, fold %d, is missing", f, fold)
		}
		m, err := unsealModel(key, sealed)
		if err != nil {
			return fmt.Errorf("model of %v, fold %d: %w", f, fold, err)
		}
		m.Feature, m.Fold = f, Fold(fold)
		numbers := slices.Sorted(slices.Values(m.Clusters))
		for i, n := range numbers {
			if int(n) != i {
				return fmt.Errorf("model of %v, fold %d, names clusters %v", f, fold, numbers)
			}
		}
		if len(m.Centroids) != cl.K {
			return fmt.Errorf("model of %v, fold %d, has %d centroids of %d", f, fold, len(m.Centroids), cl.K)
		}
		c.models[f] = append(c.models[f], m)
	}
	return nil
}

// assignments checks the places of all tracks and returns the number of tracks
// that have one.
func (c *checker) assignments(cl *Clustering, buckets [len(fitBuckets)]*bbolt.Bucket) (tracks int, err error) {
	var a Assignment
	var last TrackID
	features := 0 // of the last track
	whole := func() {
		if last != "" && features != len(cl.Features) {
			c.problem(cl.Name, string(last), "has a place by %d features of %d", features, len(cl.Features))
		}
	}
	err = each(buckets[inAssignments], func(key, sealed []byte) error {
		c.sum.Assignments++
		of, f, err := cl.splitAssignmentKey(key)
		if err != nil {
			c.problem(cl.Name, "", "%v", err)
			return nil
		}
		id := TrackID(of)
		if id != last {
			whole()
			tracks, last, features = tracks+1, id, 0
		}
		features++
		c.guarded(fmt.Sprintf("%s %v", cl.Name, f), string(id), func() error {
			if err := unsealAssignment(key, sealed, &a); err != nil {
				return err
			}
			member, err := c.get(buckets[inMembers], memberKey(f, a.Cluster, a.Distance(), id))
			if member == nil || err != nil {
				return errors.Join(err, fmt.Errorf("is missing among the members of cluster %d", a.Cluster))
			}
			return c.place(cl, f, id, &a)
		})
		return nil
	})
	whole()
	return tracks, err
}

// place checks an assignment against the model that made it.
func (c *checker) place(cl *Clustering, f Feature, id TrackID, a *Assignment) error {
	if int(a.Fold) >= cl.Folds || len(a.Distances) != cl.K {
		return fmt.Errorf("fold %d, %d distances: want one of %d folds, %d distances", a.Fold, len(a.Distances), cl.Folds, cl.K)
	}
	m := c.models[f][a.Fold]
	if m.Clusters[a.Label] != a.Cluster {
		return fmt.Errorf("label %d is cluster %d, not %d", a.Label, m.Clusters[a.Label], a.Cluster)
	}
	v, err := c.vector(f, id)
	if err != nil || c.o.Place == nil {
		return err
	}
	label, distances := c.o.Place(m, &v)
	if label != a.Label || !sameBits(distances, a.Distances) {
		return errors.New("label and distances are not those of its vector")
	}
	return nil
}

// members checks that each member of a cluster has its assignment.
func (c *checker) members(cl *Clustering, buckets [len(fitBuckets)]*bbolt.Bucket) error {
	where := cl.Name + " members"
	var a Assignment
	return each(buckets[inMembers], func(key, sealed []byte) error {
		c.guarded(where, fmt.Sprintf("%q", key), func() error {
			if _, err := unseal(key, sealed); err != nil {
				return err
			}
			distance, id, err := splitMemberKey(key)
			if err != nil {
				return err
			}
			assignment := assignmentKey(id, Feature(key[0]))
			place, err := c.get(buckets[inAssignments], assignment)
			if place == nil || err != nil {
				return errors.Join(err, errors.New("has no assignment"))
			}
			if err := unsealAssignment(assignment, place, &a); err != nil {
				return nil //nolint:nilerr // it is reported with the assignments
			}
			if !bytes.Equal(key, memberKey(Feature(key[0]), a.Cluster, a.Distance(), id)) {
				return fmt.Errorf("track %s is at distance %v of another cluster", id, distance)
			}
			return nil
		})
		return nil
	})
}
