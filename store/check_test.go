package store

import (
	"context"
	"encoding/binary"
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
	if _, err := Check(context.Background(), path, CheckOptions{}, func(p Problem) { all = append(all, p) }); err != nil {
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
		c.Generation = state.Generation
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	fit, err := w.NewFit(c, ids)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range c.Features {
		var models []*Model
		for fold := range Fold(2) {
			models = append(models, madeModel(f, fold, 2, 0, 1))
		}
		var spots []Spot
		for row, id := range ids {
			a := madePlace(f, id)
			spots = append(spots, Spot{uint32(row), a.Fold, a.Label, a.Cluster, a.Distance()})
		}
		SortSpots(spots, 3)
		if err := fit.PutFeature(f, models, Summary{Sizes: sizesOf(spots, 3)}, spots); err != nil {
			t.Fatal(err)
		}
	}
	var encoded []EncodedAssignments
	for _, id := range ids {
		e, _ := EncodeAssignments(nil, id, madePlaces(id, true))
		encoded = append(encoded, e)
	}
	if err := fit.PutAssignments(encoded); err != nil {
		t.Fatal(err)
	}
	if _, err := fit.Commit([32]byte{1}); err != nil {
		t.Fatal(err)
	}
}

// madeModel returns a model whose centroids are all at 0.
func madeModel(f Feature, fold Fold, clusters ...Cluster) *Model {
	zeros := make(Vector, f.VectorLen())
	return &Model{Feature: f, Fold: fold, Mean: zeros, Scale: zeros, Centroids: slices.Repeat([]Vector{zeros}, len(clusters)), Clusters: clusters}
}

func sizesOf(spots []Spot, k int) []uint64 {
	sizes := make([]uint64, k)
	for _, s := range spots {
		sizes[s.Cluster]++
	}
	return sizes
}

// madePlaces returns a track's places in the models of madeFit.
func madePlaces(id TrackID, trained bool) []Assignment {
	places := []Assignment{*madePlace(0, id), *madePlace(5, id)}
	for i := range places {
		places[i].Trained = trained
	}
	return places
}

// madePlace returns a place that follows from the ID, of a fit that was trained on
// the track.
func madePlace(f Feature, id TrackID) *Assignment {
	last := int(id[TrackIDLen-1])
	a := &Assignment{Feature: f, Fold: Fold(last % 2), Label: Label(last % 3), Trained: true, Distances: []float64{9, 9, 9}}
	a.Cluster = []Cluster{2, 0, 1}[a.Label]
	a.Distances[a.Label] = float64(last % 5)
	return a
}

// encodePlaces returns a track's places in the store's own bytes.
func encodePlaces(id TrackID, places []Assignment) []byte {
	e, _ := EncodeAssignments(nil, id, places)
	return e.sealed
}

// placeOf returns a track's place by a feature.
func placeOf(db *DB, c *Clustering, f Feature, id TrackID) (Assignment, error) {
	places, err := db.TrackAssignments(c, id)
	for _, a := range places {
		if a.Feature == f {
			return a, nil
		}
	}
	return Assignment{}, err
}

// TestCheckFinds breaks an invariant at a time, with values that are whole, and
// expects the check to say what is wrong with what.
func TestCheckFinds(t *testing.T) {
	ids := []TrackID{testID(1), testID(2), testID(3)}
	fit := func(tx *bbolt.Tx, name []byte) *bbolt.Bucket {
		return tx.Bucket(fitsBucket).Bucket(fitKey(0)).Bucket(name)
	}
	place := madePlace(0, ids[0])
	members := func(tx *bbolt.Tx) memberBlocks { return memberBlocks{fit(tx, membersBucket), new(int64)} }
	putPlaces := func(tx *bbolt.Tx, id TrackID, places []Assignment) error {
		return fit(tx, assignmentsBucket).Put([]byte(id), encodePlaces(id, places))
	}
	for name, c := range map[string]struct {
		spoil func(tx *bbolt.Tx) error
		want  string
	}{
		"track without vectors": {
			func(tx *bbolt.Tx) error { return tx.Bucket(vectorsBucket).Delete(vectorsKey(Features[0], ids[1])) },
			`key "TRAAAAA00000000002": track without its vectors`,
		},
		"track without arrays": {
			func(tx *bbolt.Tx) error { return tx.Bucket(arraysBucket).Delete(arraysKey(ids[1], featureGroup)) },
			"track has no arrays",
		},
		"vectors without track": {
			func(tx *bbolt.Tx) error {
				key := vectorsKey(Features[0], testID(9))
				return tx.Bucket(vectorsBucket).Put(key, sealVectors(key, Features[:], NewVectors(Features[:])))
			},
			"vectors TRAAAAA00000000009: have no track",
		},
		"bytes not counted": {
			func(tx *bbolt.Tx) error {
				key := vectorsKey(Features[0], testID(9))
				return tx.Bucket(vectorsBucket).Put(key, sealVectors(key, Features[:], NewVectors(Features[:])))
			},
			"vectors: have 7968 bytes, the store was left with 5976",
		},
		"arrays without track": {
			func(tx *bbolt.Tx) error {
				key := arraysKey(testID(9), otherGroup)
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
		"file not counted": {
			func(tx *bbolt.Tx) error {
				return tx.Bucket(filesBucket).Put([]byte("/x"), sealFile(&File{Path: "/x", Bad: &Failure{}}))
			},
			"found 4 files, 1 bad, the store was left with 3, 0 bad",
		},
		"model gone": {
			func(tx *bbolt.Tx) error { return fit(tx, modelsBucket).Delete(modelKey(5, 1)) },
			"segments_loudness_start has 1 models of 2 folds",
		},
		"place gone": {
			func(tx *bbolt.Tx) error { return putPlaces(tx, ids[0], madePlaces(ids[0], true)[:1]) },
			"has a place by [bars_start], want [bars_start segments_loudness_start]",
		},
		"assignments gone": {
			func(tx *bbolt.Tx) error { return fit(tx, assignmentsBucket).Delete([]byte(ids[0])) },
			"has 6 members, want 4",
		},
		"member gone": {
			func(tx *bbolt.Tx) error { return members(tx).remove(0, place.Cluster, memberOf(ids[0], place)) },
			"has 5 members, want 6",
		},
		"member of another label": {
			func(tx *bbolt.Tx) error {
				other := *place
				other.Label++
				other.Distances = []float64{place.Distance(), place.Distance(), place.Distance()}
				return errors.Join(
					members(tx).remove(0, place.Cluster, memberOf(ids[0], place)),
					members(tx).insert(0, place.Cluster, memberOf(ids[0], &other)))
			},
			"has other members than its places say",
		},
		"member too many": {
			func(tx *bbolt.Tx) error { return members(tx).insert(0, 1, memberOf(testID(9), place)) },
			"has 7 members, want 6",
		},
		"blocks that overlap": {
			func(tx *bbolt.Tx) error {
				block := memberBlock(slices.Concat(memberOf(testID(8), &Assignment{Distances: []float64{1}}), memberOf(testID(9), &Assignment{Distances: []float64{3}})))
				inside := memberBlock(memberOf(testID(9), &Assignment{Distances: []float64{2}}))
				return members(tx).replace(0, 1, nil, block, inside)
			},
			"block begins before the last one ends",
		},
		"blocks that share a member": {
			func(tx *bbolt.Tx) error {
				a, b, c := memberOf(testID(7), &Assignment{Distances: []float64{1}}), memberOf(testID(8), &Assignment{Distances: []float64{2}}), memberOf(testID(9), &Assignment{Distances: []float64{3}})
				return errors.Join(members(tx).replace(0, 1, nil, memberBlock(slices.Concat(a, b))), members(tx).replace(0, 1, nil, memberBlock(slices.Concat(b, c))))
			},
			"block begins before the last one ends",
		},
		"place in a cluster of none": {
			func(tx *bbolt.Tx) error {
				places := madePlaces(ids[0], true)
				places[0].Cluster = 3
				return putPlaces(tx, ids[0], places)
			},
			"c bars_start TRAAAAA00000000001: cluster 3 of 3",
		},
		"two clusterings of one fit": {
			func(tx *bbolt.Tx) error {
				return putClustering(tx, "d", 0)
			},
			`clustering "d": fit 0 is another's`,
		},
		"clustering of a fit to come": {
			func(tx *bbolt.Tx) error { return putClustering(tx, "c", 1) },
			`clustering "c": fit 1 is another's`,
		},
		"track of no ID": {
			func(tx *bbolt.Tx) error {
				key := []byte("TRAAAAA0000000000x")
				b := tx.Bucket(tracksBucket)
				return b.Put(key, seal(key, body(b.Get([]byte(ids[0])))))
			},
			`track TRAAAAA0000000000x: track ID "TRAAAAA0000000000x"`,
		},
		"tally of others": {
			func(tx *bbolt.Tx) error {
				t := &tally{make([]clusterTally, 3)}
				return fit(tx, talliesBucket).Put(tallyKey(5), sealTally(tallyKey(5), t))
			},
			"tally of segments_loudness_start is not that of its members",
		},
		"bytes of a fit": {
			func(tx *bbolt.Tx) error { return fit(tx, talliesBucket).Put(fitBytesKey, sealFitBytes(1)) },
			"bytes, it was left with 1",
		},
		"unassigned, but placed": {
			func(tx *bbolt.Tx) error {
				return fit(tx, unassignedBucket).Put([]byte(ids[0]), seal([]byte(ids[0]), nil))
			},
			"c TRAAAAA00000000001: is to be assigned, but has a place",
		},
		"folds besides a place": {
			func(tx *bbolt.Tx) error {
				key := []byte(ids[0])
				return fit(tx, foldsBucket).Put(key, sealFolds(key, []trainedFold{{0, 1}, {5, 1}}))
			},
			"track TRAAAAA00000000001 has a place and a fold besides",
		},
		"place of no training": {
			func(tx *bbolt.Tx) error { return putPlaces(tx, ids[0], madePlaces(ids[0], false)) },
			"knows the folds of 2 tracks, was trained on 3",
		},
		"place of another fold": {
			func(tx *bbolt.Tx) error {
				places := madePlaces(ids[0], true)
				places[1].Fold = 1 - places[1].Fold
				return errors.Join(putPlaces(tx, ids[0], places),
					members(tx).remove(5, places[1].Cluster, memberOf(ids[0], madePlace(5, ids[0]))),
					members(tx).insert(5, places[1].Cluster, memberOf(ids[0], &places[1])))
			},
			"c TRAAAAA00000000001: is of fold 1 by segments_loudness_start: its model has been trained on the track, or is none",
		},
		"label of another cluster": {
			func(tx *bbolt.Tx) error {
				places := madePlaces(ids[0], true)
				a := &places[0]
				a.Cluster++
				return errors.Join(putPlaces(tx, ids[0], places), members(tx).insert(0, a.Cluster, memberOf(ids[0], a)))
			},
			"label 1 is cluster 0, not 1",
		},
		"value of another key": {
			func(tx *bbolt.Tx) error {
				b := tx.Bucket(vectorsBucket)
				return b.Put(vectorsKey(Features[0], ids[0]), slices.Clone(b.Get(vectorsKey(Features[0], ids[1]))))
			},
			`store is damaged: key "\x00TRAAAAA00000000001": checksum differs`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, path := spoiltWriter(t)
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
			folds := func(*Clustering, int) ([]Fold, error) {
				var folds []Fold
				for _, id := range ids {
					folds = append(folds, madePlace(0, id).Fold)
				}
				return folds, nil
			}
			if _, err := Check(t.Context(), path, CheckOptions{Folds: folds}, func(p Problem) { lines = append(lines, p.String()) }); err != nil {
				t.Fatal(err)
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
	other := func(*[NumArrays][]float64) (*VectorSet, error) {
		_, vectors := testSong(testID(1), "/a", 1)
		vectors[3][7] = math.Nextafter(vectors[3][7], 9)
		return vectors, nil
	}
	place := func(*Model, Vector, Label) (Label, []float64) {
		a := madePlace(0, testID(1))
		return a.Label, append(a.Distances[:2:2], 8)
	}
	var got []string
	sum, err := Check(t.Context(), path, CheckOptions{Vectors: other, Place: place}, func(p Problem) { got = append(got, p.String()) })
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
		data[page*os.Getpagesize()+16+48] ^= 2 // bbolt would fall back to the other
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

// TestCheckPages gives pages to the list of free ones, or takes them from it.
func TestCheckPages(t *testing.T) {
	_, path := usedStore(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// As bbolt lays its header and the list out.
	le, page := binary.NativeEndian, os.Getpagesize()
	meta := whole[16:]
	if other := whole[page+16:]; le.Uint64(other[48:]) > le.Uint64(meta[48:]) {
		meta = other
	}
	at, last := int(le.Uint64(meta[32:]))*page, le.Uint64(meta[40:])-1
	count := int(le.Uint16(whole[at+10:]))
	if count == 0 {
		t.Fatal("the store has no free page")
	}
	end := at + 16 + 8*count
	free := le.Uint64(whole[end-8:])
	if free == last {
		t.Fatal("the store's last page is free")
	}
	for name, c := range map[string]struct {
		harm func(data []byte)
		want []string
	}{
		"whole": {func([]byte) {}, nil},
		"one less": {func(data []byte) {
			le.PutUint16(data[at+10:], uint16(count-1))
			le.PutUint64(data[end-8:], 0)
		}, []string{fmt.Sprintf("page %d: neither used nor free", free)}},
		"one more": {func(data []byte) {
			le.PutUint16(data[at+10:], uint16(count+1))
			le.PutUint64(data[end:], last)
		}, []string{fmt.Sprintf("page %d: used more than once", last)}},
	} {
		t.Run(name, func(t *testing.T) {
			data := slices.Clone(whole)
			c.harm(data)
			damaged := filepath.Join(t.TempDir(), "damaged.db")
			if err := os.WriteFile(damaged, data, 0o644); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range problemsOf(t, damaged) {
				got = append(got, p.String())
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// putClustering gives clustering "c" another name or fit.
func putClustering(tx *bbolt.Tx, name string, fit uint32) error {
	b := tx.Bucket(namesBucket)
	c, err := unsealClustering([]byte("c"), b.Get([]byte("c")))
	if err != nil {
		return err
	}
	c.Name, c.fit = name, fit
	return b.Put([]byte(name), sealClustering(c))
}

func TestCheckCounts(t *testing.T) {
	_, path := usedStore(t)
	got, err := Check(t.Context(), path, CheckOptions{}, func(Problem) {})
	if err != nil || got.Pages < 10 {
		t.Fatalf("%d pages, %v", got.Pages, err)
	}
	got.Pages = 0
	if want := (Checked{Tracks: 57, Files: 57, Clusterings: 1, Assignments: 2 * 57}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestMissingBuckets takes a bucket out of a store, and asks for what would be in it.
func TestMissingBuckets(t *testing.T) {
	cases := map[string]func(tx *bbolt.Tx) error{
		`bucket "files" is missing`:  func(tx *bbolt.Tx) error { return tx.DeleteBucket(filesBucket) },
		`bucket "arrays" is missing`: func(tx *bbolt.Tx) error { return tx.DeleteBucket(arraysBucket) },
		`clustering "c" has no fit`: func(tx *bbolt.Tx) error {
			return errors.Join(tx.Bucket(fitsBucket).DeleteBucket(fitKey(0)), putEnds(tx))
		},
	}
	for want, key := range map[string][]byte{"no tally of bars_start": tallyKey(0), "no count of the fit's bytes": fitBytesKey} {
		cases[want] = func(tx *bbolt.Tx) error {
			return errors.Join(tx.Bucket(fitsBucket).Bucket(fitKey(0)).Bucket(talliesBucket).Delete(key), putEnds(tx))
		}
	}
	for _, name := range fitBuckets {
		cases["has no "+string(name)] = func(tx *bbolt.Tx) error {
			return errors.Join(tx.Bucket(fitsBucket).Bucket(fitKey(0)).DeleteBucket(name), putEnds(tx))
		}
	}
	for want, spoil := range cases {
		t.Run(want, func(t *testing.T) {
			w, path := spoiltWriter(t)
			putTestSong(t, w, testID(1), "/a", 1)
			madeFit(t, w, "c", []TrackID{testID(1)})
			ask := func() error {
				db, err := Open(path)
				if err != nil {
					return err
				}
				defer db.Close()
				c, err := db.Clustering("c")
				if err != nil {
					return err
				}
				_, err = db.TrackAssignments(c, testID(1))
				_, labelledErr := db.Labelled(c)
				_, infoErr := db.Info()
				return errors.Join(err, labelledErr, infoErr)
			}
			if err := ask(); err != nil {
				t.Fatal(err)
			}
			if err := w.open(func(b *bbolt.DB) error { return b.Update(spoil) }); err != nil {
				t.Fatal(err)
			}
			if err := ask(); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %v: %s", err, ErrCorrupt, want)
			}
		})
	}
}

func TestComplete(t *testing.T) {
	w, path := testWriter(t)
	putTestSong(t, w, testID(1), "/a", 1)
	song, _ := testSong(testID(2), "/b", 2)
	for a := Array(NumFeatures); a < NumArrays; a++ {
		song.Arrays[a] = []float64{}
	}
	if _, err := w.Put(Batch{Songs: []EncodedSong{*EncodeSong(song, NewVectors(AllFeatures))}}); err != nil {
		t.Fatal(err)
	}
	view(t, path, func(db *DB) {
		for f, n := range map[Feature]int{0: 2, 7: 2, Pitches: 1, Timbre: 1} {
			if err := db.Complete(f, n); err != nil {
				t.Errorf("%v: %v", f, err)
			}
			for _, other := range []int{n - 1, n + 1} {
				if err := db.Complete(f, other); !errors.Is(err, ErrCorrupt) {
					t.Errorf("%v: %d tracks: got %v", f, other, err)
				}
			}
		}
	})
}
