package store

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// problemsOf returns what a check finds in the store at path.
func problemsOf(t testing.TB, path string) []Problem {
	t.Helper()
	var all []Problem
	if _, err := Check(path, CheckOptions{}, func(p Problem) { all = append(all, p) }); err != nil {
		t.Fatal(err)
	}
	return all
}

// A fataler is a test, be it rapid's or not.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

// madeFit writes a whole clustering of two features, whose labels follow from
// the IDs.
func madeFit(t fataler, w *Writer, name string, ids []TrackID) {
	t.Helper()
	c := Clustering{Name: name, Features: []Feature{0, 5}, K: 3, Folds: 2, Fitted: time.Unix(9, 0).UTC()}
	err := w.View(func(db *DB) error {
		state, err := db.State()
		c.Generation, c.Tracks = state.Generation, state.Tracks
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	fit, err := w.NewFit(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range c.Features {
		for fold := range Fold(2) {
			m := &Model{Feature: f, Fold: fold, Centroids: make([]Vector, 3), Clusters: []Cluster{2, 0, 1}}
			if err := fit.PutModels([]*Model{m}); err != nil {
				t.Fatal(err)
			}
		}
		fit.PutSummary(f, Summary{Sizes: make([]uint64, 3)})
	}
	if err := fit.PutAssignments(ids, func(_ Feature, i int) *Assignment { return madePlace(ids[i]) }); err != nil {
		t.Fatal(err)
	}
	if err := fit.Commit([32]byte{1}); err != nil {
		t.Fatal(err)
	}
}

// madePlace returns a place that follows from the ID, in the models of madeFit.
func madePlace(id TrackID) *Assignment {
	last := int(id[TrackIDLen-1])
	a := &Assignment{Fold: Fold(last % 2), Label: Label(last % 3), Distances: []float64{9, 9, 9}}
	a.Cluster = []Cluster{2, 0, 1}[a.Label]
	a.Distances[a.Label] = float64(last % 5)
	return a
}

// TestCheckFinds breaks an invariant at a time, with values that are whole, and
// expects the check to say what is wrong with what.
func TestCheckFinds(t *testing.T) {
	ids := []TrackID{testID(1), testID(2), testID(3)}
	fit := func(tx *bbolt.Tx, name []byte) *bbolt.Bucket {
		return tx.Bucket(fitsBucket).Bucket(fitKey(0)).Bucket(name)
	}
	place := madePlace(ids[0])
	for name, c := range map[string]struct {
		spoil func(tx *bbolt.Tx) error
		want  string
	}{
		"track without vector": {
			func(tx *bbolt.Tx) error { return tx.Bucket(vectorsBucket).Delete(vectorKey(2, ids[1])) },
			"vector sections_start TRAAAAA00000000002: is missing",
		},
		"track without arrays": {
			func(tx *bbolt.Tx) error { return tx.Bucket(arraysBucket).Delete(arraysKey(ids[1], featureArrays)) },
			"track TRAAAAA00000000002: has no arrays",
		},
		"vector without track": {
			func(tx *bbolt.Tx) error {
				key := vectorKey(0, testID(9))
				return tx.Bucket(vectorsBucket).Put(key, sealVector(key, new(Vector)))
			},
			"vector bars_start TRAAAAA00000000009: has no track",
		},
		"arrays without track": {
			func(tx *bbolt.Tx) error {
				key := arraysKey(testID(9), extraArrays)
				return tx.Bucket(arraysBucket).Put(key, seal(key, nil))
			},
			"arrays TRAAAAA00000000009: have no track",
		},
		"track gone": {
			func(tx *bbolt.Tx) error { return tx.Bucket(tracksBucket).Delete([]byte(ids[2])) },
			"found 2 tracks, the store was left with 3",
		},
		"file without its track": {
			func(tx *bbolt.Tx) error {
				f := &File{Path: "/x", Tracks: []TrackID{testID(9)}}
				return tx.Bucket(filesBucket).Put([]byte("/x"), sealFile(f))
			},
			`file "/x": gave track TRAAAAA00000000009, which is missing`,
		},
		"model gone": {
			func(tx *bbolt.Tx) error { return fit(tx, modelsBucket).Delete(modelKey(5, 1)) },
			"model of segments_loudness_start, fold 1, is missing",
		},
		"assignment gone": {
			func(tx *bbolt.Tx) error { return fit(tx, assignmentsBucket).Delete(assignmentKey(ids[0], 5)) },
			"has a place by 1 features of 2",
		},
		"member gone": {
			func(tx *bbolt.Tx) error {
				return fit(tx, membersBucket).Delete(memberKey(0, place.Cluster, place.Distance(), ids[0]))
			},
			"c bars_start TRAAAAA00000000001: is missing among the members",
		},
		"member too many": {
			func(tx *bbolt.Tx) error {
				key := memberKey(0, 1, 0.5, testID(9))
				return fit(tx, membersBucket).Put(key, seal(key, nil))
			},
			"has no assignment",
		},
		"label of another cluster": {
			func(tx *bbolt.Tx) error {
				a := *place
				a.Cluster++
				key := assignmentKey(ids[0], 0)
				member := memberKey(0, a.Cluster, a.Distance(), ids[0])
				return errors.Join(fit(tx, assignmentsBucket).Put(key, sealAssignment(key, &a)), fit(tx, membersBucket).Put(member, seal(member, nil)))
			},
			"label 1 is cluster 0, not 1",
		},
		"value of another key": {
			func(tx *bbolt.Tx) error {
				b := tx.Bucket(vectorsBucket)
				return b.Put(vectorKey(0, ids[0]), slices.Clone(b.Get(vectorKey(0, ids[1]))))
			},
			`vector bars_start TRAAAAA00000000001: store is damaged: key "\x00TRAAAAA00000000001": checksum differs`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "tatum.db")
			w, err := CreateWriter(path)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			for i, id := range ids {
				putTestSong(t, w, id, fmt.Sprint("/", i), i)
			}
			madeFit(t, w, "c", ids)
			if found := problemsOf(t, path); len(found) > 0 {
				t.Fatalf("before: %v", found)
			}
			if err := w.update(c.spoil); err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, p := range problemsOf(t, path) {
				lines = append(lines, p.String())
			}
			if got := strings.Join(lines, "\n"); !strings.Contains(got, c.want) {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestCheckComparesWithRecomputed(t *testing.T) {
	w, path := testWriter(t)
	putTestSong(t, w, testID(1), "/a", 1)
	madeFit(t, w, "c", []TrackID{testID(1)})
	other := func(*[NumArrays][]float64) (*[NumFeatures]Vector, error) {
		_, vectors := testSong(testID(1), "/a", 1)
		vectors[3][7] = math.Nextafter(vectors[3][7], 9)
		return vectors, nil
	}
	place := func(*Model, *Vector) (Label, []float64) {
		a := madePlace(testID(1))
		return a.Label, append(a.Distances[:2:2], 8)
	}
	var got []string
	sum, err := Check(path, CheckOptions{Vectors: other, Place: place}, func(p Problem) { got = append(got, p.String()) })
	want := []string{
		"vector segments_loudness_max TRAAAAA00000000001: is not that of the track's arrays",
		"c bars_start TRAAAAA00000000001: label and distances are not those of its vector",
		"c segments_loudness_start TRAAAAA00000000001: label and distances are not those of its vector",
	}
	if err != nil || !slices.Equal(got, want) || sum.Problems != len(want) {
		t.Errorf("Check = %+v, %v, %q, want %q", sum, err, got, want)
	}
}

func TestTruncatedFileIsDamaged(t *testing.T) {
	w, path := testWriter(t)
	for i := range 200 {
		putTestSong(t, w, testID(i), fmt.Sprint("/", i), i)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.db")
	for _, length := range []int{1, 100, 4095, 4096, 4097, 8191, 8192, 12288, len(data) / 4} {
		if err := os.WriteFile(cut, data[:length], 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Open(cut)
		if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNoStore) {
			t.Errorf("Open of the first %d bytes of %d: %v", length, len(data), err)
		}
		if err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("Open of the first %d bytes: %v: want one line", length, err)
		}
	}
}

func TestDamagedHeaderIsReported(t *testing.T) {
	w, path := testWriter(t)
	putTestSong(t, w, testID(1), "/a", 1)
	putTestSong(t, w, testID(2), "/b", 1)
	for page := range 2 {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[page*os.Getpagesize()+pageHeaderLen+48] ^= 2 // bbolt would fall back to the other
		damaged := filepath.Join(t.TempDir(), "damaged.db")
		if err := os.WriteFile(damaged, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(damaged); !errors.Is(err, ErrCorrupt) {
			t.Errorf("header %d: %v, want ErrCorrupt", page, err)
		}
		if found := problemsOf(t, damaged); len(found) != 1 {
			t.Errorf("header %d: problems %v, want one", page, found)
		}
	}
}
