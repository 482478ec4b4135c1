package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// testFeature is the feature that tests cluster by.
const testFeature = Feature(BarsStart)

func testID(i int) TrackID { return TrackID(fmt.Sprintf("TRAAAAA%011X", i)) }

// testSong returns a song whose arrays and vectors depend on seed.
func testSong(id TrackID, path string, seed int) (*Song, *VectorSet) {
	s := &Song{Track: Track{
		ID: id, ArtistName: "Björk", Title: fmt.Sprint("Song ", seed), Release: "R", SongID: "SO1", ArtistID: "AR1",
		Year: 1997, Key: 11, Mode: 1, Duration: 200.5, Tempo: 120.25, Loudness: -4.5,
		Source: Source{Path: path, Row: 3},
	}}
	vectors := NewVectors(Features[:])
	for _, f := range Features {
		s.Arrays[f] = []float64{0.1, 0.25, float64(seed)}
		for i := range vectors[f] {
			vectors[f][i] = float64(seed) + float64(i)/3
		}
	}
	return s, vectors
}

// testWriter returns the writer of a new store, which has to be whole at the end.
func testWriter(t *testing.T) (*Writer, string) {
	t.Helper()
	w, path := spoiltWriter(t)
	t.Cleanup(func() {
		w.Close()
		checkInvariants(t, path)
	})
	return w, path
}

// spoiltWriter returns the writer of a new store that the test will damage.
func spoiltWriter(t *testing.T) (*Writer, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tatum.db")
	w, err := CreateWriter(context.Background(), path, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w, path
}

// putTestSong stores a song as a file of its own.
func putTestSong(t *testing.T, w *Writer, id TrackID, path string, seed int) Outcome {
	t.Helper()
	out, err := w.Put(Batch{
		Songs: []EncodedSong{*EncodeSong(testSong(id, path, seed))},
		Files: []File{{Path: path, Size: int64(seed), Tracks: []TrackID{id}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func view(t *testing.T, path string, fn func(db *DB)) {
	t.Helper()
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	fn(db)
}

// checkInvariants fails the test unless the store keeps what the package
// comment promises.
func checkInvariants(t *testing.T, path string) {
	t.Helper()
	view(t, path, func(db *DB) {
		state, err := db.State()
		if err != nil {
			t.Fatal(err)
		}
		ids, err := db.TrackIDs()
		if err != nil {
			t.Fatal(err)
		}
		if uint64(len(ids)) != state.Tracks {
			t.Errorf("state counts %d tracks, there are %d", state.Tracks, len(ids))
		}
		n := 0
		for _, err := range db.Vectors(Features[0], Span{}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != len(ids) {
			t.Errorf("vectors of %d tracks, want %d", n, len(ids))
		}
	})
	for _, p := range problemsOf(t, path) {
		t.Error(p)
	}
}

func TestParseTrackID(t *testing.T) {
	for _, s := range []string{"TRAAABD128F429CF47", "TRZZZZZ00000000000"} {
		if id, err := ParseTrackID(s); err != nil || string(id) != s {
			t.Errorf("ParseTrackID(%q) = %q, %v", s, id, err)
		}
	}
	for _, s := range []string{"", "TRAAABD128F429CF4", "TRAAABD128F429CF477", "SOAAABD128F429CF47", "TRaaabd128F429CF47", "TRAAA1D128F429CF47", "TRAAABD128F429CF4G", "TRAAABDX28F429CF47", "TRAAABD128f429CF47"} {
		if _, err := ParseTrackID(s); err == nil {
			t.Errorf("ParseTrackID(%q) has no error", s)
		}
	}
}

func TestPutAndRead(t *testing.T) {
	w, path := testWriter(t)
	song, vectors := testSong(testID(1), "/songs/a.h5", 7)
	song.Arrays[SegmentsPitches] = make([]float64, 24)
	out, err := w.Put(Batch{Songs: []EncodedSong{*EncodeSong(song, vectors)}})
	if err != nil || out.Added != 1 {
		t.Fatalf("Put = %+v, %v", out, err)
	}
	view(t, path, func(db *DB) {
		track, err := db.Track(song.ID)
		if err != nil || track != song.Track {
			t.Errorf("Track = %+v, %v, want %+v", track, err, song.Track)
		}
		arrays, err := db.Arrays(song.ID)
		if err != nil || !reflect.DeepEqual(arrays, song.Arrays) {
			t.Errorf("Arrays = %v, %v, want %v", arrays, err, song.Arrays)
		}
		if v, err := db.TrackVectors(song.ID); err != nil || !reflect.DeepEqual(v, *vectors) {
			t.Errorf("TrackVectors = %v, %v, want %v", v, err, vectors)
		}
		if _, err := db.Track(testID(2)); !errors.Is(err, ErrTrackNotFound) {
			t.Errorf("Track of an unknown ID: %v", err)
		}
		if _, err := db.Arrays(testID(2)); !errors.Is(err, ErrTrackNotFound) {
			t.Errorf("Arrays of an unknown ID: %v", err)
		}
		if _, err := db.TrackVectors(testID(2)); !errors.Is(err, ErrTrackNotFound) {
			t.Errorf("TrackVectors of an unknown ID: %v", err)
		}
	})
}

func TestPutKeepsSmallestPath(t *testing.T) {
	id := testID(1)
	for _, order := range [][]string{{"/a", "/b"}, {"/b", "/a"}} {
		w, path := testWriter(t)
		var last Outcome
		for _, p := range order {
			last = putTestSong(t, w, id, p, len(p))
		}
		want := []Duplicate{{ID: id, Path: "/b", Kept: "/a"}}
		if !reflect.DeepEqual(last.Duplicates, want) {
			t.Errorf("order %v: duplicates %v, want %v", order, last.Duplicates, want)
		}
		view(t, path, func(db *DB) {
			if track, err := db.Track(id); err != nil || track.Source.Path != "/a" {
				t.Errorf("order %v: kept that of %q, %v", order, track.Source.Path, err)
			}
		})
	}
}

func TestForgetLetsDuplicateIn(t *testing.T) {
	w, path := testWriter(t)
	id := testID(1)
	putTestSong(t, w, id, "/a", 1)
	putTestSong(t, w, id, "/b", 2)
	if n, err := w.Forget([]string{"/a", "/never"}); n != 1 || err != nil {
		t.Fatalf("Forget = %d, %v", n, err)
	}
	view(t, path, func(db *DB) {
		if _, err := db.Track(id); !errors.Is(err, ErrTrackNotFound) {
			t.Errorf("track is still there: %v", err)
		}
		for _, p := range []string{"/a", "/b"} {
			if f, err := db.File(p); f != nil || err != nil {
				t.Errorf("File(%q) = %v, %v: want it forgotten, so that the duplicate is read", p, f, err)
			}
		}
	})
}

func TestPutRemovesTracksTheirFileHasNoMore(t *testing.T) {
	w, path := testWriter(t)
	putTestSong(t, w, testID(1), "/a", 1)
	putTestSong(t, w, testID(2), "/a", 2)
	view(t, path, func(db *DB) {
		ids, err := db.TrackIDs()
		if want := []TrackID{testID(2)}; err != nil || !reflect.DeepEqual(ids, want) {
			t.Errorf("tracks %v, %v, want %v", ids, err, want)
		}
	})
}

func TestBadFileKeepsItsTracks(t *testing.T) {
	w, path := testWriter(t)
	putTestSong(t, w, testID(1), "/a", 1)
	bad := File{Path: "/a", Size: 9, Bad: &Failure{Step: "open", Reason: "no signature", Time: time.Unix(5, 6)}}
	if _, err := w.Put(Batch{Files: []File{bad}}); err != nil {
		t.Fatal(err)
	}
	view(t, path, func(db *DB) {
		if _, err := db.Track(testID(1)); err != nil {
			t.Error(err)
		}
		f, err := db.File("/a")
		bad.Tracks = []TrackID{testID(1)}
		if err != nil || !reflect.DeepEqual(*f, bad) {
			t.Errorf("File = %+v, %v, want %+v", f, err, bad)
		}
		if f.Unchanged(9, 0, FeatureArrays) {
			t.Error("a bad file counts as unchanged")
		}
	})
}

// TestAllArraysStay reads songs with all arrays, then with fewer: the arrays and the
// vectors of sound stay, and the file says so if all of its tracks have them.
func TestAllArraysStay(t *testing.T) {
	w, path := testWriter(t)
	read := func(file string, arrays ArraySet, ids ...TrackID) Outcome {
		t.Helper()
		batch := Batch{Files: []File{{Path: file, Arrays: arrays, Tracks: ids}}}
		for _, id := range ids {
			song, vectors := testSong(id, file, 1)
			if arrays == AllArrays {
				addSound(song, vectors, 1)
			}
			batch.Songs = append(batch.Songs, *EncodeSong(song, vectors))
		}
		out, err := w.Put(batch)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	generation := uint64(0)
	check := func(what string, sound uint64, grows bool, want map[string]ArraySet) {
		t.Helper()
		view(t, path, func(db *DB) {
			state, err := db.State()
			if err != nil {
				t.Fatal(err)
			}
			if got := state.TracksOf(Timbre); got != sound {
				t.Errorf("%s: %d tracks have sound, want %d", what, got, sound)
			}
			now := state.GenerationOf(SoundFeatures[:])
			if (now > generation) != grows {
				t.Errorf("%s: generation of sound was %d, is %d", what, generation, now)
			}
			generation = now
			for file, arrays := range want {
				if f, err := db.File(file); err != nil || f.Arrays != arrays {
					t.Errorf("%s: file %s is %+v, %v, want arrays %v", what, file, f, err, arrays)
				}
			}
		})
	}
	read("/a", AllArrays, testID(1))
	check("all", 1, true, map[string]ArraySet{"/a": AllArrays})
	if out := read("/a", FeatureArrays, testID(1)); out.Same != 1 {
		t.Errorf("read again: %+v, want the same song", out)
	}
	check("again with fewer", 1, false, map[string]ArraySet{"/a": AllArrays})
	read("/b", FeatureArrays, testID(2))
	check("another song", 1, false, map[string]ArraySet{"/a": AllArrays, "/b": FeatureArrays})
	read("/c", FeatureArrays, testID(1))
	read("/d", FeatureArrays)
	check("a duplicate, and no song", 1, false, map[string]ArraySet{"/c": FeatureArrays, "/d": FeatureArrays})
	read("/a", FeatureArrays, testID(1), testID(3))
	check("a song besides", 1, false, map[string]ArraySet{"/a": FeatureArrays})
	read("/b", AllArrays, testID(2))
	check("more arrays", 2, true, map[string]ArraySet{"/b": AllArrays})
	read("/b", FeatureArrays, testID(4))
	check("the song is gone", 1, true, map[string]ArraySet{"/b": FeatureArrays})
}

// testFit writes a clustering by one feature, of two folds and two clusters. All
// tracks are in cluster 1, the later ones nearer to its centroid.
func testFit(t *testing.T, w *Writer, name string, ids ...TrackID) {
	t.Helper()
	f := testFeature
	fit, err := w.NewFit(Clustering{Name: name, Features: []Feature{f}, K: 2, Folds: 2, RandomStream: "x", Fitted: time.Unix(1, 2).UTC()}, ids)
	if err != nil {
		t.Fatal(err)
	}
	var models []*Model
	for fold := range Fold(2) {
		m := madeModel(f, fold, 1, 0)
		m.Inertia, m.Steps = 3, 4
		models = append(models, m)
	}
	var spots []Spot
	var encoded []EncodedAssignments
	for i, id := range ids {
		a := Assignment{Feature: f, Fold: 1, Label: 0, Cluster: 1, Trained: true, Distances: []float64{float64(10 - i), 20}}
		spots = append(spots, Spot{uint32(i), 1, 0, 1, a.Distance()})
		e, _ := EncodeAssignments(nil, id, []Assignment{a})
		encoded = append(encoded, e)
	}
	SortSpots(spots, 2)
	err = errors.Join(
		fit.PutFeature(f, models, Summary{Sizes: sizesOf(spots, 2)}, spots),
		fit.PutAssignments(encoded),
		commit(fit))
	if err != nil {
		t.Fatal(err)
	}
}

func commit(fit *Fit) error {
	_, err := fit.Commit([32]byte{1})
	return err
}

func TestFit(t *testing.T) {
	w, path := testWriter(t)
	ids := []TrackID{testID(1), testID(2), testID(3)}
	for i, id := range ids {
		putTestSong(t, w, id, fmt.Sprint("/", i), i)
	}
	testFit(t, w, "default", ids...)
	testFit(t, w, "default", ids...) // replaces the first
	view(t, path, func(db *DB) {
		c, err := db.Clustering("default")
		if err != nil || c.K != 2 || c.Fingerprint[0] != 1 || !c.Fitted.Equal(time.Unix(1, 2)) {
			t.Fatalf("Clustering = %+v, %v", c, err)
		}
		var members []TrackID
		for m, merr := range db.Members(c, testFeature, 1) {
			err = merr
			if members = append(members, m.ID); len(members) == 2 {
				break
			}
		}
		if want := []TrackID{testID(3), testID(2)}; err != nil || !reflect.DeepEqual(members, want) {
			t.Errorf("Members = %v, %v, want %v", members, err, want)
		}
		if _, err := db.Clustering("other"); !errors.Is(err, ErrNotClustered) {
			t.Errorf("unknown clustering: %v", err)
		}
		if _, err := db.Models(c, 3); !errors.Is(err, ErrNotClustered) {
			t.Errorf("models of a feature that is left out: %v", err)
		}
		models, err := db.Models(c, testFeature)
		if err != nil || len(models) != 2 || models[0].Clusters[0] != 1 || models[0].Steps != 4 {
			t.Errorf("Models = %+v, %v", models, err)
		}
	})
	putTestSong(t, w, ids[0], "/0", 99) // its vectors change
	if _, err := w.Forget([]string{"/1"}); err != nil {
		t.Fatal(err)
	}
	view(t, path, func(db *DB) {
		c, err := db.Clustering("default")
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids[:2] {
			if _, err := db.TrackAssignments(c, id); !errors.Is(err, ErrNotAssigned) && !errors.Is(err, ErrTrackNotFound) {
				t.Errorf("assignment of changed track %s: %v", id, err)
			}
		}
		if a, err := placeOf(db, c, testFeature, ids[2]); err != nil || a.Distance() != 8 {
			t.Errorf("Assignment = %+v, %v", a, err)
		}
		if state, err := db.State(); err != nil || state.Generation == c.Generation {
			t.Errorf("generation is still %d, %v", state.Generation, err)
		}
	})
}

// TestStrayPlace makes a place one by a feature that the clustering leaves out:
// it must not be passed over.
func TestStrayPlace(t *testing.T) {
	w, path := spoiltWriter(t)
	putTestSong(t, w, testID(1), "/1", 1)
	testFit(t, w, "default", testID(1))
	err := w.update(func(tx *bbolt.Tx) error {
		a := Assignment{Feature: testFeature + 1, Distances: []float64{1, 2}}
		b := tx.Bucket(fitsBucket).Bucket(fitKey(0)).Bucket(assignmentsBucket)
		return b.Put([]byte(testID(1)), encodePlaces(testID(1), []Assignment{a}))
	})
	if err != nil {
		t.Fatal(err)
	}
	view(t, path, func(db *DB) {
		c, err := db.Clustering("default")
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range db.Assignments(c, Span{}) {
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("scan: %v, want ErrCorrupt", err)
			}
		}
		if _, err := db.TrackAssignments(c, testID(1)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("look-up: %v, want ErrCorrupt", err)
		}
	})
}

func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{
		"default": true, "märz 2": true, strings.Repeat("a", 255): true,
		"": false, "a\nb": false, "\x1b[31m": false, "\x7f": false, "\xff": false, strings.Repeat("a", 256): false,
	} {
		if err := CheckName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
	w, _ := testWriter(t)
	if _, err := w.NewFit(Clustering{Name: "a\tb"}, nil); err == nil {
		t.Error("a fit with a tab in its name was begun")
	}
}

func TestAssign(t *testing.T) {
	w, path := testWriter(t)
	ids := []TrackID{testID(1), testID(3), testID(5), testID(7), testID(9)}
	for i, id := range ids {
		putTestSong(t, w, id, fmt.Sprint("/", i), i)
	}
	testFit(t, w, "default", ids...)
	late := testID(8)
	putTestSong(t, w, late, "/8", 8)
	putTestSong(t, w, ids[1], "/1", 77) // its vectors change
	if n, err := w.Forget([]string{"/3"}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	var c *Clustering
	unassigned := func() (got []TrackID) {
		view(t, path, func(db *DB) {
			c, _ = db.Clustering("default")
			for u, err := range db.Unassigned(c) {
				if err != nil {
					t.Fatal(err)
				}
				if fold, trained := u.Fold(testFeature); trained != (u.ID != late) || trained && fold != 1 {
					t.Errorf("%s: fold %d, trained on %v", u.ID, fold, trained)
				}
				got = append(got, u.ID)
			}
		})
		return got
	}
	if got, want := unassigned(), []TrackID{ids[1], late}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	putTestSong(t, w, ids[3], "/back", 3) // one comes back
	if got, want := unassigned(), []TrackID{ids[1], ids[3], late}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	place := func(fold Fold) []Assignment {
		return []Assignment{{Feature: testFeature, Fold: fold, Label: 1, Cluster: 0, Distances: []float64{7, 3}}}
	}
	if err := w.Assign(c, []Placed{{ids[1], place(0)}}); err == nil {
		t.Error("a track trained on was labelled by a model that has seen it")
	}
	if err := w.Assign(c, []Placed{{ids[1], place(1)}, {ids[3], place(1)}, {late, place(0)}}); err != nil {
		t.Fatal(err)
	}
	if got := unassigned(); got != nil {
		t.Errorf("after Assign: %v", got)
	}
	view(t, path, func(db *DB) {
		for _, id := range []TrackID{ids[1], ids[3], late} {
			a, err := placeOf(db, c, testFeature, id)
			if err != nil || a.Trained != (id != late) || a.Distance() != 3 {
				t.Errorf("%s: %+v, %v", id, a, err)
			}
		}
		sizes, err := db.ClusterSizes(c, testFeature)
		if want := []ClusterSize{{3, 3, 4. / 7}, {3, (10 + 8 + 6) / 3., (10 + 12 + 14) / 60.}}; err != nil || !slices.Equal(sizes, want) {
			t.Errorf("sizes %v, %v, want %v", sizes, err, want)
		}
	})
}

// TestExactSum adds distances and takes them away in another order.
func TestExactSum(t *testing.T) {
	distances := []float64{0, 1e-300, 0.1, 0.7, 1.5, 3, 1 << 30, 1<<31 - 1, 0x1p-64, math.Pi, 1 << 31, math.Inf(1), math.NaN(), math.MaxFloat64}
	var s, reversed, some exactSum
	for i, d := range distances {
		s.add(d)
		reversed.add(distances[len(distances)-1-i])
	}
	for at := range distances {
		var first, rest exactSum
		for i, d := range distances {
			if i < at {
				first.add(d)
			} else {
				rest.add(d)
			}
		}
		if first.plus(rest); first != s {
			t.Errorf("parted at %d: %+v, want %+v", at, first, s)
		}
	}
	if s != reversed || s.leftOut != 4 {
		t.Errorf("got %+v and %+v in reverse", s, reversed)
	}
	for _, d := range distances[6:10] {
		some.add(d)
	}
	for _, d := range slices.Concat(distances[:6], distances[10:]) {
		s.subtract(d)
	}
	if s != some {
		t.Errorf("after subtracting: %+v, want %+v", s, some)
	}
	if got, want := some.float64(), 1<<30+1<<31-1+math.Pi; math.Abs(got-float64(want)) > 1e-6 {
		t.Errorf("sum %v, want %v", got, want)
	}
}

// TestClusterSizesOfGreatDistances has distances that no tally takes in.
func TestClusterSizesOfGreatDistances(t *testing.T) {
	w, path := testWriter(t)
	putTestSong(t, w, testID(1), "/1", 1)
	testFit(t, w, "default", testID(1))
	putTestSong(t, w, testID(2), "/2", 1)
	var c *Clustering
	view(t, path, func(db *DB) { c, _ = db.Clustering("default") })
	far := Assignment{Feature: testFeature, Label: 0, Cluster: 1, Distances: []float64{1e12, 1e300}}
	if err := w.Assign(c, []Placed{{testID(2), []Assignment{far}}}); err != nil {
		t.Fatal(err)
	}
	view(t, path, func(db *DB) {
		sizes, err := db.ClusterSizes(c, testFeature)
		if err != nil || sizes[1] != (ClusterSize{2, (10 + 1e12) / 2, (0.5 + 1) / 2}) || !math.IsNaN(sizes[0].MeanDistance) {
			t.Errorf("sizes %v, %v", sizes, err)
		}
	})
}

// TestMemberBlocks inserts and removes members of clusters in random order, more
// than a block takes.
func TestMemberBlocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	b, err := bbolt.Open(path, 0o644, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	rng := rand.New(rand.NewPCG(3, 4))
	err = b.Update(func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucket([]byte("members"))
		if err != nil {
			return err
		}
		var size int64
		blocks := memberBlocks{bucket, &size}
		want := make(map[string]bool) // by cluster key and member
		for step := range 6000 {
			f, c := Feature(rng.IntN(2)), Cluster(rng.IntN(3))
			id := testID(rng.IntN(400))
			m := memberOf(id, &Assignment{Fold: 1, Distances: []float64{float64(int(id[17]) % 7)}})
			key := string(clusterKey(f, c)) + string(m)
			if want[key] {
				delete(want, key)
				err = blocks.remove(f, c, m)
			} else {
				want[key] = true
				err = blocks.insert(f, c, m)
			}
			if err != nil {
				return err
			}
			if step%500 == 499 {
				checkBlocks(t, bucket, size, want, 6+2*len(want)/blockMembers)
			}
		}
		if err := blocks.remove(0, 0, memberOf(testID(9999), &Assignment{Distances: []float64{1}})); !errors.Is(err, ErrCorrupt) {
			t.Errorf("removing a member that is not there: %v", err)
		}
		for key := range want {
			if err := blocks.remove(Feature(key[0]), Cluster(key[2]), encodedMember(key[3:])); err != nil {
				return err
			}
			delete(want, key)
		}
		checkBlocks(t, bucket, size, want, 6+2*len(want)/blockMembers)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestEmptiedMemberBlocks removes the members of many leaves in one transaction,
// which leaves them empty until it ends, and inserts others.
func TestEmptiedMemberBlocks(t *testing.T) {
	b, err := bbolt.Open(filepath.Join(t.TempDir(), "test.db"), 0o644, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var size int64
	member := func(i int) (Cluster, encodedMember) {
		return Cluster(i % 8), memberOf(testID(i), &Assignment{Distances: []float64{float64(i * 7919 % 1009)}})
	}
	edit := func(fn func(bs memberBlocks) error) {
		err := b.Update(func(tx *bbolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists([]byte("members"))
			if err != nil {
				return err
			}
			return fn(memberBlocks{bucket, &size})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	const n = 3000
	insert := func(bs memberBlocks, i int) error { c, m := member(i); return bs.insert(0, c, m) }
	remove := func(bs memberBlocks, i int) error { c, m := member(i); return bs.remove(0, c, m) }
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 5))
		edit(func(bs memberBlocks) error {
			for _, i := range rng.Perm(n) {
				if err := insert(bs, i); err != nil {
					return err
				}
			}
			return nil
		})
		edit(func(bs memberBlocks) error {
			for at, i := range rng.Perm(n) {
				if err := remove(bs, i); err != nil {
					return fmt.Errorf("seed %d, removal %d: %w", seed, at, err)
				}
				if at == n-1 { // into what is empty
					if err := insert(bs, n+i); err != nil {
						return err
					}
				}
			}
			return nil
		})
		want := make(map[string]bool)
		edit(func(bs memberBlocks) error {
			err := bs.bucket.ForEach(func(key, sealed []byte) error {
				for m := range memberBlock(body(sealed)).all() {
					want[string(key[:clusterKeyLen])+string(m)] = true
				}
				return nil
			})
			checkBlocks(t, bs.bucket, size, want, 60)
			return err
		})
		if len(want) != 1 {
			t.Fatalf("%d members are left, want 1", len(want))
		}
		size = 0
		if err := b.Update(func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("members")) }); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDuplicateOfAFileThatLosesIt has, in one batch, a file that no longer has a
// track, and another that has it and is passed over for the first.
func TestDuplicateOfAFileThatLosesIt(t *testing.T) {
	w, path := testWriter(t)
	putTestSong(t, w, testID(1), "/a", 1)
	for range 2 { // the second time /b is read again
		_, err := w.Put(Batch{
			Songs: []EncodedSong{*EncodeSong(testSong(testID(2), "/a", 2)), *EncodeSong(testSong(testID(1), "/b", 1))},
			Files: []File{{Path: "/a", Tracks: []TrackID{testID(2)}}, {Path: "/b", Tracks: []TrackID{testID(1)}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problemsOf(t, path) {
			t.Error(p)
		}
	}
	view(t, path, func(db *DB) {
		if track, err := db.Track(testID(1)); err != nil || track.Source.Path != "/b" {
			t.Errorf("track %+v, %v, want it from /b", track, err)
		}
	})
}

// checkBlocks fails the test unless the blocks have the wanted members in order,
// none is too large, and there are not more of them than most.
func checkBlocks(t *testing.T, bucket *bbolt.Bucket, size int64, want map[string]bool, most int) {
	t.Helper()
	n, blocks, last := 0, 0, ""
	err := bucket.ForEach(func(key, sealed []byte) error {
		blocks++
		size -= int64(len(key) + len(sealed))
		value, err := unseal(key, sealed)
		if err != nil {
			return err
		}
		b, err := decodeMembers(key, value)
		if err != nil {
			return err
		}
		if b.count() >= 2*blockMembers {
			t.Errorf("block of %d members", b.count())
		}
		for m := range b.all() {
			n++
			at := string(key[:clusterKeyLen]) + string(m)
			if !want[at] || at <= last {
				t.Errorf("member %x: wanted %v, after %x", at, want[at], last)
			}
			last = at
		}
		return nil
	})
	if err != nil || n != len(want) || size != 0 || blocks > most {
		t.Errorf("%d members, want %d, in %d blocks; %d bytes not counted, %v", n, len(want), blocks, size, err)
	}
}

// TestAssignmentsComeBack encodes distances that can be packed and that cannot.
func TestAssignmentsComeBack(t *testing.T) {
	for name, distances := range map[string][]float64{
		"alike":             {3, 1.25, 2.5, math.Pi},
		"one":               {7},
		"own one is 0":      {3, 0, 2.5, math.Nextafter(2, 3)},
		"15 exponents":      {1, 1, 0x1p15, 0x1.fffffffffffffp0},
		"16 exponents":      {1, 1, 0x1p16, 0x1.fffffffffffffp0},
		"another is 0":      {0, 0, 1},
		"infinite":          {1, 2, math.Inf(1)},
		"not a number":      {1, 2, math.NaN()},
		"subnormal":         {1, 2, 5e-324},
		"all subnormal":     {5e-324, 1e-310, 2e-320},
		"greatest":          {1, 2, math.MaxFloat64},
		"negative zero":     {1, 2, math.Copysign(0, -1)},
		"own one is not a.": {2, math.NaN(), 3},
	} {
		places := []Assignment{{Feature: 2, Fold: 513, Label: Label(min(1, len(distances)-1)), Cluster: 65535, Trained: true, Distances: distances}}
		sealed := encodePlaces(testID(1), places)
		got, err := decodeAssignments(nil, body(sealed), nil)
		if err != nil || !sameBits(got[0].Distances, distances) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, distances)
			continue
		}
		got[0].Distances, places[0].Distances = nil, nil
		if !reflect.DeepEqual(got, places) {
			t.Errorf("%s: got %+v, want %+v", name, got, places)
		}
	}
}

// TestDistancesArePacked looks at the length of places whose distances are just
// near enough to each other to be packed, and just not.
func TestDistancesArePacked(t *testing.T) {
	const packed = 2 + 3*packedLen // the greatest exponent, and the distances but the own
	for name, c := range map[string]struct {
		distances []float64
		want      int // bytes of them, but for the own
	}{
		"alike":                  {[]float64{1, 0, 2, 3}, packed},
		"as far apart as can be": {[]float64{1, 0, 1, math.Ldexp(1, maxOffset)}, packed},
		"further":                {[]float64{1, 0, 1, math.Ldexp(1, maxOffset+1)}, 3 * 8},
		"the greatest":           {slices.Repeat([]float64{math.MaxFloat64}, 4), packed},
		"one is 0":               {[]float64{1, 1, 0, 1}, 3 * 8},
	} {
		length := func(distances []float64) int {
			return len(encodePlaces(testID(1), []Assignment{{Label: Label(min(1, len(distances)-1)), Distances: distances}}))
		}
		none := length(c.distances[:1]) - 2 // which has an exponent, of no distances
		if got := length(c.distances) - none; got != c.want {
			t.Errorf("%s: %d bytes of distances, want %d", name, got, c.want)
		}
	}
}

func TestRunnerUp(t *testing.T) {
	for _, c := range []struct {
		label     Label
		distances []float64
		want      Label
		ok        bool
	}{
		{0, []float64{1}, 0, false},
		{0, []float64{1, 3, 2}, 2, true},
		{1, []float64{5, 1, 6}, 0, true},
		{1, []float64{2, 1, 2}, 0, true},
		{0, []float64{1, 2, 2}, 1, true},
		{2, []float64{2, 2, 2}, 0, true},
	} {
		a := &Assignment{Label: c.label, Distances: c.distances}
		if got, ok := a.RunnerUp(); got != c.want || ok != c.ok {
			t.Errorf("%v, label %d: got %d, %v, want %d, %v", c.distances, c.label, got, ok, c.want, c.ok)
		}
	}
}

func TestCheckPlaces(t *testing.T) {
	clustering := &Clustering{Features: []Feature{0, 5, Pitches, Timbre}, K: 2, Folds: 3}
	places := func(fold Fold, k int, features ...Feature) (all []Assignment) {
		for _, f := range features {
			all = append(all, Assignment{Feature: f, Fold: fold, Distances: make([]float64, k)})
		}
		return all
	}
	for name, c := range map[string]struct {
		places []Assignment
		whole  bool
	}{
		"as fitted":         {places(2, 2, 0, 5, Pitches, Timbre), true},
		"no sound":          {places(0, 2, 0, 5), true},
		"none":              {nil, false},
		"half of the sound": {places(0, 2, 0, 5, Pitches), false},
		"a feature less":    {places(0, 2, 0), false},
		"fold of none":      {places(3, 2, 0, 5), false},
		"a distance less":   {places(0, 1, 0, 5), false},
		"a distance more":   {places(0, 3, 0, 5), false},
	} {
		if err := clustering.checkPlaces(nil, c.places); (err == nil) != c.whole {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestDeleteClustering(t *testing.T) {
	w, path := testWriter(t)
	putTestSong(t, w, testID(1), "/a", 1)
	testFit(t, w, "one", testID(1))
	testFit(t, w, "two", testID(1))
	before, _ := os.ReadFile(path)
	if err := w.DeleteClustering("three"); !errors.Is(err, ErrNotClustered) {
		t.Errorf("unknown clustering: %v", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("deleting what is not there changed the file")
	}
	if err := w.DeleteClustering("one"); err != nil {
		t.Fatal(err)
	}
	view(t, path, func(db *DB) {
		all, err := db.Clusterings()
		if err != nil || len(all) != 1 || all[0].Name != "two" {
			t.Errorf("left are %v, %v", all, err)
		}
	})
}

// TestFitsWithoutName has a fit that was replaced, one that was deleted and one that
// a killed process left. They stay, as room for the next.
func TestFitsWithoutName(t *testing.T) {
	w, path := testWriter(t)
	putTestSong(t, w, testID(1), "/a", 1)
	testFit(t, w, "default", testID(1))
	testFit(t, w, "default", testID(1))
	testFit(t, w, "other", testID(1))
	if err := w.DeleteClustering("other"); err != nil {
		t.Fatal(err)
	}
	f, err := w.NewFit(Clustering{Name: "default", Features: Features[:1], K: 1}, []TrackID{testID(1)})
	if err != nil {
		t.Fatal(err)
	}
	wantFits(t, path, 1, 3) // the fit of the others was removed
	if err := f.PutFeature(Features[0], nil, Summary{}, []Spot{{}}); err != nil {
		t.Fatal(err)
	}
	w.Close() // as if killed
	if w, err = OpenWriter(context.Background(), path, 0); err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	wantFits(t, path, 1, 3)
	free := freeOf(t, path)

	// A change is none of theirs.
	putTestSong(t, w, testID(1), "/a", 2)
	putTestSong(t, w, testID(2), "/b", 3)
	if _, err := w.Forget([]string{"/a"}); err != nil {
		t.Fatal(err)
	}
	if found := problemsOf(t, path); len(found) > 0 {
		t.Error(found)
	}
	if before, after, err := w.Compact(t.Context()); err != nil || after >= before {
		t.Errorf("Compact = %d, %d, %v", before, after, err)
	}
	wantFits(t, path, 1)
	if after := freeOf(t, path); after >= free {
		t.Errorf("%d bytes are free after compaction, %d before", after, free)
	}
	if found := problemsOf(t, path); len(found) > 0 {
		t.Error(found)
	}
}

// TestReplacedFitIsNotFree has so many tracks that a fit takes many pages. Whoever
// opens the store reads the number of each free one.
func TestReplacedFitIsNotFree(t *testing.T) {
	w, path := testWriter(t)
	var ids []TrackID
	for i := range 200 {
		ids = append(ids, testID(i))
		putTestSong(t, w, testID(i), fmt.Sprintf("/%03d", i), i)
	}
	freePages := func() (n int) {
		view(t, path, func(db *DB) {
			if err := db.view(func(s *snapshot) error { n = s.FreeCount(); return nil }); err != nil {
				t.Fatal(err)
			}
		})
		return n
	}
	for range 3 {
		madeFit(t, w, "c", ids)
	}
	replaced := freePages()
	if err := w.dropNameless(); err != nil {
		t.Fatal(err)
	}
	if dropped := freePages(); 4*replaced > dropped {
		t.Errorf("%d free pages beside a fit that was replaced, %d without it", replaced, dropped)
	}
}

// wantFits compares the numbers of the fits that are there, with a name or without.
func wantFits(t *testing.T, path string, want ...uint32) {
	t.Helper()
	var got []uint32
	view(t, path, func(db *DB) {
		for e, err := range db.snapshot.fits.Buckets() {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, binary.BigEndian.Uint32(e.Key))
		}
	})
	if !slices.Equal(got, want) {
		t.Errorf("fits %v, want %v", got, want)
	}
}

func freeOf(t *testing.T, path string) (free int64) {
	t.Helper()
	view(t, path, func(db *DB) {
		info, err := db.Info()
		if err != nil {
			t.Fatal(err)
		}
		free = info.Bytes.Free
	})
	return free
}

func TestPutSameSongAgainKeepsGeneration(t *testing.T) {
	w, path := testWriter(t)
	putTestSong(t, w, testID(1), "/a", 1)
	var before, after State
	view(t, path, func(db *DB) { before, _ = db.State() })
	putTestSong(t, w, testID(1), "/a", 1)
	view(t, path, func(db *DB) { after, _ = db.State() })
	if before != after {
		t.Errorf("state changed from %+v to %+v", before, after)
	}
}

func TestOpenRefusesWhatIsNoStore(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	foreign := filepath.Join(dir, "foreign.db")
	b, err := bbolt.Open(foreign, 0o644, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	for name, path := range map[string]string{
		"missing":   filepath.Join(dir, "missing.db"),
		"directory": dir,
		"empty":     write("empty.db", nil),
		"text":      write("text.db", []byte("not a database")),
		"zeros":     write("zeros.db", make([]byte, 1<<16)),
		"foreign":   foreign,
	} {
		_, err := Open(path)
		if !errors.Is(err, ErrNoStore) {
			t.Errorf("Open of %s: %v, want ErrNoStore", name, err)
		}
		if _, werr := OpenWriter(context.Background(), path, 0); !errors.Is(werr, ErrNoStore) {
			t.Errorf("OpenWriter of %s: %v, want ErrNoStore", name, werr)
		}
		if name != "missing" {
			if _, werr := CreateWriter(context.Background(), path, 0); !errors.Is(werr, ErrNoStore) {
				t.Errorf("CreateWriter of %s: %v, want ErrNoStore", name, werr)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "missing.db.lock")); err == nil {
		t.Error("OpenWriter left a lock file beside nothing")
	}
}

func TestOpenRefusesOtherFormat(t *testing.T) {
	w, path := testWriter(t)
	w.Close()
	setFormat := func(version byte) {
		b, err := bbolt.Open(path, 0o644, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		if err := b.Update(func(tx *bbolt.Tx) error {
			return tx.Bucket(metaBucket).Put(formatKey, []byte{version, 0, 0, 0})
		}); err != nil {
			t.Fatal(err)
		}
	}
	setFormat(FormatVersion + 1)
	if _, err := Open(path); !errors.Is(err, ErrFormatVersion) {
		t.Errorf("Open of a newer format: %v", err)
	}
	setFormat(FormatVersion)
}

func TestSecondWriterIsRefused(t *testing.T) {
	_, path := testWriter(t)
	_, err := OpenWriter(context.Background(), path, 0)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprintf("(process %d)", os.Getpid())) {
		t.Errorf("second writer: %v", err)
	}
	if _, err := CreateWriter(context.Background(), path, 0); !errors.Is(err, ErrLocked) {
		t.Errorf("second writer: %v", err)
	}
}

// TestWriterWaits has a second writer wait for the first, and give up.
func TestWriterWaits(t *testing.T) {
	w, path := testWriter(t)
	begun := time.Now()
	if _, err := OpenWriter(t.Context(), path, 50*time.Millisecond); !errors.Is(err, ErrLocked) || time.Since(begun) < 50*time.Millisecond {
		t.Errorf("got %v after %v, want ErrLocked after 50ms", err, time.Since(begun))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := OpenWriter(ctx, path, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
	go func() {
		time.Sleep(30 * time.Millisecond)
		w.Close()
	}()
	second, err := OpenWriter(t.Context(), path, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
}

func TestChecksumBindsValueToKey(t *testing.T) {
	sealed := seal([]byte("key"), []byte("value"))
	if v, err := unseal([]byte("key"), sealed); err != nil || string(v) != "value" {
		t.Fatalf("unseal = %q, %v", v, err)
	}
	if _, err := unseal([]byte("other"), sealed); !errors.Is(err, ErrCorrupt) {
		t.Errorf("value of another key: %v", err)
	}
	for i := range sealed {
		damaged := bytes.Clone(sealed)
		damaged[i] ^= 1
		if _, err := unseal([]byte("key"), damaged); !errors.Is(err, ErrCorrupt) {
			t.Errorf("byte %d flipped: %v", i, err)
		}
	}
	if _, err := unseal(nil, nil); !errors.Is(err, ErrCorrupt) {
		t.Errorf("no value: %v", err)
	}
}

// TestGoldenBytes fails when an encoding changes. A change needs a new
// FormatVersion and its line in the package comment.
func TestGoldenBytes(t *testing.T) {
	song, vectors := testSong(testID(1), "/a", 7)
	encoded := EncodeSong(song, vectors)
	zeros := make(Vector, NumStats)
	file := &File{Path: "/a", Size: 5, ModTime: 6, Arrays: AllArrays, Tracks: []TrackID{song.ID}, Bad: &Failure{"open", "why", time.Unix(0, 8)}}
	clustering := &Clustering{Name: "n", Features: []Feature{1, 7}, K: 32, Folds: 5, Seed: 42, BatchSize: 2048, RandomStream: "s", Algorithm: 1, Fitted: time.Unix(0, 9), Tracks: 10, Generation: 11, Fingerprint: [32]byte{1}, fit: 12,
		Summaries: []Summary{{Inertia: 1.5, DistinctRows: 9, MeanAgreement: 0.5, LeastAgreement: 0.25, Sizes: []uint64{10, 0},
			Silhouette: 0.125, DaviesBouldin: 2.5, CalinskiHarabasz: 100}, {}}}
	model := &Model{Mean: zeros, Scale: zeros, Centroids: []Vector{zeros}, Clusters: []Cluster{3}, Inertia: 1.5, Steps: 7}
	sound := NewVectors(AllFeatures)
	sound[Timbre][NumSoundStats-1] = 2.5
	sealedSound := EncodeSong(song, sound).vectors
	places := []Assignment{
		{Feature: 1, Fold: 4, Label: 1, Cluster: 2, Trained: true, Distances: []float64{1.5, 0.5, 0x1.23456789abcdep-3}},
		{Feature: 7, Fold: 3, Label: 0, Cluster: 1, Distances: []float64{0, 0, 1}},
	}
	counted := &tally{[]clusterTally{{3, exactSum{1, 2, 0}, exactSum{0, 5, 0}}, {1, exactSum{0, 0, 1}, exactSum{0, 0, 1}}}}
	for _, g := range []struct {
		name, want string
		got        []byte
	}{
		{"track", goldenTrack, encoded.track},
		{"arrays", goldenArrays, encoded.arrays[featureGroup]},
		{"vectors", goldenVectors, encoded.vectors[0][:21+24]},
		{"last vector", goldenLastVector, encoded.vectors[0][len(encoded.vectors[0])-12:]},
		{"sound vector", goldenSoundVector, append(sealedSound[2][:7:7], sealedSound[2][7+8*89:]...)},
		{"file", goldenFile, sealFile(file)},
		{"clustering", goldenClustering, sealClustering(clustering)},
		{"model", goldenModel, sealModel(modelKey(1, 2), model)[4+3*240:]},
		{"assignments", goldenAssignments, encodePlaces(song.ID, places)},
		{"tally", goldenTally, sealTally(tallyKey(1), counted)},
		{"folds", goldenFolds, sealFolds([]byte(song.ID), []trainedFold{{1, 4}, {7, 3}})},
		{"member", goldenMember, memberOf(song.ID, &places[0])},
		{"block key", goldenBlockKey, blockKey(1, 2, memberOf(song.ID, &places[0]))},
	} {
		if got := hex.EncodeToString(g.got); got != g.want {
			t.Errorf("%s: got %s, want %s", g.name, got, g.want)
		}
	}
}

func TestSpecialValuesComeBack(t *testing.T) {
	values := []float64{0, math.Copysign(0, -1), math.NaN(), math.Float64frombits(0x7ff8000000000123), math.Inf(1), math.Inf(-1), 5e-324, math.MaxFloat64, 0.1, 1e300}
	for n := range len(values) + 1 {
		roundTrip(t, values[:n])
	}
	roundTrip(t, []float64{1e15, -1e15, 9007199254740993, 0.12345, -60.001})
	roundTrip(t, []float64{})
}

// roundTrip checks that values come back bit for bit, in each group.
func roundTrip(t *testing.T, values []float64) {
	t.Helper()
	for g, a := range map[group]Array{featureGroup: BeatsStart, otherGroup: TatumsConfidence} {
		var in, out [NumArrays][]float64
		in[a] = values
		if err := decodeArrays(nil, appendArrays(nil, g, &in), g, &out); err != nil {
			t.Fatalf("%v: %v", values, err)
		}
		if len(out[a]) != len(values) || out[a] == nil {
			t.Fatalf("got %v, want %v", out[a], values)
		}
		for i, v := range values {
			if math.Float64bits(out[a][i]) != math.Float64bits(v) {
				t.Fatalf("value %d: got %x, want %x", i, math.Float64bits(out[a][i]), math.Float64bits(v))
			}
		}
	}
}

func FuzzArraysRoundTrip(f *testing.F) {
	f.Add([]byte{1, 2, 3}, uint8(5))
	f.Fuzz(func(t *testing.T, data []byte, decimals uint8) {
		var values []float64
		for d := (decoder{buf: data}); len(d.buf) >= 8; {
			v := d.float64()
			if decimals < 12 { // a decimal, as in the data set
				v = math.Round(math.Mod(v, 1e6)*math.Pow10(int(decimals))) / math.Pow10(int(decimals))
			}
			values = append(values, v)
		}
		roundTrip(t, append([]float64{}, values...))
	})
}

// FuzzDecoders checks that no decoder panics, whatever the bytes, and that what
// it accepts is encoded back to the same bytes.
func FuzzDecoders(f *testing.F) {
	song, vectors := testSong(testID(1), "/a", 7)
	encoded := EncodeSong(song, vectors)
	value := func(sealed []byte) []byte { return sealed[:len(sealed)-sumLen] }
	zeros := make(Vector, NumStats)
	f.Add(value(encoded.track))
	f.Add(value(encoded.arrays[0]))
	f.Add(value(sealFile(&File{Path: "/a", Bad: &Failure{}})))
	f.Add(value(sealClustering(&Clustering{Features: []Feature{1}, Summaries: []Summary{{Sizes: []uint64{1}}}})))
	f.Add(value(sealModel(nil, &Model{Mean: zeros, Scale: zeros, Centroids: []Vector{zeros}, Clusters: []Cluster{0}})))
	f.Add(value(encodePlaces("", []Assignment{{Distances: []float64{1, 2, 3}}})))
	f.Add(value(sealTally(nil, &tally{make([]clusterTally, 2)})))
	f.Add(value(sealFolds(nil, []trainedFold{{1, 2}})))
	f.Add(encoded.vectors[0])
	f.Add(EncodeSong(song, NewVectors(AllFeatures)).vectors[1])
	f.Fuzz(func(t *testing.T, data []byte) {
		key := []byte(testID(1))
		sealed := seal(key, bytes.Clone(data))
		same := func(name string, err error, again func() []byte) {
			switch {
			case err != nil && !errors.Is(err, ErrCorrupt):
				t.Errorf("%s: %v is not ErrCorrupt", name, err)
			case err == nil && again != nil && !bytes.Equal(again(), sealed):
				t.Errorf("%s: accepted other bytes than it writes", name)
			}
		}
		track, err := unsealTrack(key, sealed)
		same("track", err, nil) // uvarints have longer forms
		_ = track
		_, err = unsealFile(key, sealed)
		same("file", err, nil)
		_, err = unsealClustering(key, sealed)
		same("clustering", err, nil)
		m, err := decodeModel(key, data)
		same("model", err, func() []byte { return sealModel(key, m) })
		places, err := decodeAssignments(key, data, nil)
		same("assignments", err, nil) // what is packed can be plain as well
		if err == nil && len(places) > 0 {
			for i := range places {
				places[i].Distances = slices.Clone(places[i].Distances)
			}
			again, err := decodeAssignments(key, body(encodePlaces(testID(1), places)), nil)
			if err != nil || !slices.EqualFunc(again, places, func(a, b Assignment) bool { return sameBits(a.Distances, b.Distances) }) {
				t.Errorf("assignments: %v, %v, want %v", again, err, places)
			}
		}
		c, err := decodeTally(key, data)
		same("tally", err, func() []byte { return sealTally(key, &c) })
		folds, err := decodeFolds(key, data)
		same("folds", err, func() []byte { return sealFolds(key, folds) })
		if err := checkVectors(key, data); err == nil {
			v := newVectors(key, data)
			for _, f := range slices.Concat(AllFeatures, []Feature{Timbre, 5, 5, 2}) {
				same("vector", v.Vector(f, make(Vector, f.VectorLen())), nil)
			}
		}
		var arrays [NumArrays][]float64
		same("arrays", decodeArrays(key, data, featureGroup, &arrays), nil)
		var s EncodedSong
		same("song", s.UnmarshalBinary(data), nil)
	})
}

// The encodings of format 3, in hexadecimal.
const (
	goldenTrack       = "06426ac3b6726b06536f6e672037015203534f310341523100000000000000000000000000cd0700000b0000000100000000000000001069400000000000105e4000000000000012c0022f610300000062cdb9cc"
	goldenArrays      = "182203022203022203022203022203022203022203022203021328b52ffd201855000018140a2801540302120628b52ffd201855000018000005015403021206fed9f7d0"
	goldenVectors     = "08001e011e021e031e041e051e061e071eb17a8f9a0000000000001c405555555555551d40abaaaaaaaaaa1e40"
	goldenSoundVector = "010d5a2b17d1cf0000000000000440a09e515d"
	goldenLastVector  = "aaaaaaaaaaaa3040a57b3363"
	goldenFile        = "030500000000000000060000000000000001000000545241414141413030303030303030303031046f70656e0377687908000000000000003769637a"
	goldenClustering  = "0c0000000201072000000000000000050000000000000000080000000000002a00000001730100000009000000000000000a000000000000000b0000000000000020010000000000000000000000000000000000000000000000000000000000000002000000000000f83f0900000000000000000000000000e03f000000000000d03f02000a000000000000000000000000000000000000000000c03f000000000000044000000000000059400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000006b326fb"
	goldenModel       = "0300000000000000f83f070000001f8ecf95"
	goldenAssignments = "0300020103040001000200000000000000e03fff0300000000000008debc9a78563432070003000000010000000000000000000000000000000000000000000000f03f939a66e6"
	goldenTally       = "0200030000000000000001000000000000000200000000000000000000000000000000000000000000000500000000000000000000000000000001000000000000000000000000000000000000000000000001000000000000000000000000000000000000000000000001000000000000007500f9e1"
	goldenFolds       = "02010400070300f3b06243"
	goldenBlockKey    = "0100023fe0000000000000545241414141413030303030303030303031"
	goldenMember      = "3fe000000000000054524141414141303030303030303030303104000100"
)

func TestSilhouette(t *testing.T) {
	for name, test := range map[string]struct {
		a    Assignment
		want float64
	}{
		"nearer to its own":     {Assignment{Label: 1, Distances: []float64{4, 1, 8}}, 0.75},
		"on its centroid":       {Assignment{Label: 0, Distances: []float64{0, 2}}, 1},
		"on both":               {Assignment{Label: 0, Distances: []float64{0, 0}}, 0},
		"farther by rounding":   {Assignment{Label: 0, Distances: []float64{1 + 0x1p-52, 1}}, 0},
		"one centroid":          {Assignment{Label: 0, Distances: []float64{1}}, math.NaN()},
		"no number":             {Assignment{Label: 0, Distances: []float64{1, math.NaN()}}, math.NaN()},
		"the other is infinite": {Assignment{Label: 0, Distances: []float64{1, math.Inf(1)}}, math.NaN()},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.a.Silhouette(); got != test.want && !(math.IsNaN(got) && math.IsNaN(test.want)) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestUnchanged(t *testing.T) {
	read := File{Size: 7, ModTime: 2_000_000_000, Arrays: FeatureArrays}
	bad, all := read, read
	bad.Bad, all.Arrays = &Failure{}, AllArrays
	for _, c := range []struct {
		what          string
		file          File
		size, modTime int64
		arrays        ArraySet
		want          bool
	}{
		{"same", read, 7, read.ModTime, FeatureArrays, true},
		{"another size", read, 8, read.ModTime, FeatureArrays, false},
		{"rounded to seconds", read, 7, 2_999_999_999, FeatureArrays, true},
		{"a second later", read, 7, 3_000_000_000, FeatureArrays, false},
		{"before a whole second", read, 7, 1_999_999_000, FeatureArrays, false},
		{"just before a whole second", read, 7, 1_999_999_001, FeatureArrays, true},
		{"another time", read, 7, read.ModTime + 5_000_000_000, FeatureArrays, false},
		{"more arrays wanted", read, 7, read.ModTime, AllArrays, false},
		{"fewer arrays wanted", all, 7, read.ModTime, FeatureArrays, true},
		{"all arrays", all, 7, read.ModTime, AllArrays, true},
		{"bad", bad, 7, read.ModTime, FeatureArrays, false},
	} {
		if got := c.file.Unchanged(c.size, c.modTime, c.arrays); got != c.want {
			t.Errorf("%s: got %v", c.what, got)
		}
	}
}

// TestScansAreCounted checks that files, tracks or vectors which are there, but not
// counted, or the other way round, are no answer. A part of the tracks is one.
func TestScansAreCounted(t *testing.T) {
	for _, more := range []uint64{1, math.MaxUint64} {
		w, path := spoiltWriter(t)
		putTestSong(t, w, testID(1), "/a", 1)
		for what, c := range map[string]struct {
			count func(state *State) *uint64
			scan  func(db *DB) (n int, err error)
		}{
			"files": {
				func(state *State) *uint64 { return &state.Files },
				func(db *DB) (n int, err error) {
					for _, err = range db.Files() {
						n++
					}
					return n, err
				},
			},
			"track IDs": {
				func(state *State) *uint64 { return &state.Tracks },
				func(db *DB) (n int, err error) {
					ids, err := db.TrackIDs()
					return len(ids), err
				},
			},
			"tracks": {
				func(state *State) *uint64 { return &state.Tracks },
				func(db *DB) (n int, err error) {
					for _, err = range db.Tracks(Span{}) {
						n++
					}
					return n, err
				},
			},
			"vectors": {
				func(state *State) *uint64 { return &state.Tracks },
				func(db *DB) (n int, err error) {
					for _, err := range db.Vectors(0, Prefix("TR")) {
						if err != nil {
							t.Errorf("a part: %v", err)
						}
					}
					for _, err = range db.Vectors(0, Span{}) {
						n++
					}
					return n, err
				},
			},
		} {
			scan := func() (n int, err error) {
				view(t, path, func(db *DB) { n, err = c.scan(db) })
				return n, err
			}
			add := func(more uint64) {
				t.Helper()
				err := w.updateState(func(_ *bbolt.Tx, state *State) error {
					*c.count(state) += more
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if n, err := scan(); n != 1 || err != nil {
				t.Fatalf("%s: %d, %v", what, n, err)
			}
			add(more)
			if _, err := scan(); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%d %s too many: got %v, want %v", int64(more), what, err, ErrCorrupt)
			}
			add(-more)
		}
	}
}

// TestMembersAreCounted checks that a cluster which lacks members, or has some that
// are not counted, is no answer, unless its first ones were asked for.
func TestMembersAreCounted(t *testing.T) {
	for _, more := range []uint64{1, math.MaxUint64} {
		w, path := spoiltWriter(t)
		ids := []TrackID{testID(1), testID(2)}
		for i, id := range ids {
			putTestSong(t, w, id, fmt.Sprint("/", i), i)
		}
		testFit(t, w, "c", ids...)
		err := w.updateState(func(tx *bbolt.Tx, _ *State) error {
			tallies, key := tx.Bucket(fitsBucket).Bucket(fitKey(0)).Bucket(talliesBucket), tallyKey(testFeature)
			counted, err := decodeTally(key, body(tallies.Get(key)))
			counted.clusters[1].size += more
			return errors.Join(err, tallies.Put(key, sealTally(key, &counted)))
		})
		if err != nil {
			t.Fatal(err)
		}
		view(t, path, func(db *DB) {
			c, err := db.Clustering("c")
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, err = range db.Members(c, testFeature, 1) {
				if err == nil {
					n++
				}
			}
			if n != len(ids) || !errors.Is(err, ErrCorrupt) {
				t.Errorf("%d members too many: got %d and %v, want %v", int64(more), n, err, ErrCorrupt)
			}
			for _, err := range db.Members(c, testFeature, 1) {
				if err != nil {
					t.Error(err)
				}
				break
			}
		})
	}
}

func TestCheckEachVector(t *testing.T) {
	_, vectors := testSong(testID(1), "/a", 1)
	key := vectorsKey(Features[0], testID(1))
	value := sealVectors(key, Features[:], vectors)
	if err := checkEachVector(key, value); err != nil {
		t.Error(err)
	}
	for what, spoilt := range map[string][]byte{
		"cut within the last checksum": value[:len(value)-1],
		"cut before it":                value[:len(value)-sumLen],
		"cut within the last vector":   value[:len(value)-sumLen-1],
		"a byte too long":              append(slices.Clone(value), 0),
		"of another number":            slices.Concat(value[:len(value)-sumLen-1], []byte{1}, value[len(value)-sumLen:]),
	} {
		if err := checkEachVector(key, slices.Clip(spoilt)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got %v, want %v", what, err, ErrCorrupt)
		}
	}
}

func TestDecoderRunsShort(t *testing.T) {
	for _, c := range []struct {
		buf   []byte
		want  string
		short bool
	}{
		{[]byte{0}, "", false},
		{[]byte{2, 'a', 'b'}, "ab", false},
		{[]byte{2, 'a'}, "", true},
		{nil, "", true},
		{[]byte{0x80}, "", true},
	} {
		d := decoder{buf: c.buf}
		got := d.string()
		if err := d.end(nil); got != c.want || (err != nil) != c.short {
			t.Errorf("% x: got %q, %v, want %q", c.buf, got, err, c.want)
		}
	}
}

// TestUpdateSum compares what the machine does fastest with crc32.Update.
func TestUpdateSum(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	memory := make([]byte, 1024)
	for i := range memory {
		memory[i] = byte(rng.Uint32())
	}
	for words := range 100 {
		for at := range 9 {
			sum, numbers := rng.Uint32(), memory[at:at+8*words]
			if got, want := updateSum(sum, numbers), crc32.Update(sum, castagnoli, numbers); got != want {
				t.Fatalf("%d words at %d, after %x: got %x, want %x", words, at, sum, got, want)
			}
		}
	}
}
