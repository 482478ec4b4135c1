package store

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// testFeature is the feature that tests cluster by.
const testFeature = Feature(BarsStart)

func testID(i int) TrackID { return TrackID(fmt.Sprintf("TRAAAAA%011X", i)) }

// testSong returns a song whose arrays and vectors depend on seed.
func testSong(id TrackID, path string, seed int) (*Song, *[NumFeatures]Vector) {
	s := &Song{Track: Track{
		ID: id, ArtistName: "Björk", Title: fmt.Sprint("Song ", seed), Release: "R", SongID: "SO1", ArtistID: "AR1",
		Year: 1997, Key: 11, Mode: 1, Duration: 200.5, Tempo: 120.25, Loudness: -4.5,
		Source: Source{Path: path, Row: 3},
	}}
	var vectors [NumFeatures]Vector
	for _, f := range Features {
		s.Arrays[f] = []float64{0.1, 0.25, float64(seed)}
		for i := range vectors[f] {
			vectors[f][i] = float64(seed) + float64(i)/3
		}
	}
	return s, &vectors
}

func testWriter(t *testing.T) (*Writer, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tatum.db")
	w, err := CreateWriter(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.Close()
		checkInvariants(t, path)
	})
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
		err = db.view(func(tx *bbolt.Tx) error {
			if n := tx.Bucket(vectorsBucket).Stats().KeyN; n != len(ids)*NumFeatures {
				t.Errorf("%d vectors of %d tracks", n, len(ids))
			}
			for _, id := range ids {
				if tx.Bucket(arraysBucket).Get(arraysKey(id, featureArrays)) == nil {
					t.Errorf("track %s has no arrays", id)
				}
			}
			return tx.Bucket(fitsBucket).ForEachBucket(func(fit []byte) error {
				b := tx.Bucket(fitsBucket).Bucket(fit)
				assignments, members := b.Bucket(assignmentsBucket).Stats().KeyN, b.Bucket(membersBucket).Stats().KeyN
				if assignments != members {
					t.Errorf("fit %x has %d assignments and %d members", fit, assignments, members)
				}
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	})
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
		for _, f := range Features {
			v, err := db.Vector(f, song.ID)
			if err != nil || v != vectors[f] {
				t.Errorf("Vector(%v) = %v, %v, want %v", f, v, err, vectors[f])
			}
		}
		if _, err := db.Track(testID(2)); !errors.Is(err, ErrTrackNotFound) {
			t.Errorf("Track of an unknown ID: %v", err)
		}
		if _, err := db.Arrays(testID(2)); !errors.Is(err, ErrTrackNotFound) {
			t.Errorf("Arrays of an unknown ID: %v", err)
		}
		if _, err := db.Vector(testFeature, testID(2)); !errors.Is(err, ErrTrackNotFound) {
			t.Errorf("Vector of an unknown ID: %v", err)
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
		if f.Unchanged(9, 0, false) {
			t.Error("a bad file counts as unchanged")
		}
	})
}

func testFit(t *testing.T, w *Writer, name string, ids ...TrackID) {
	t.Helper()
	f := testFeature
	fit, err := w.NewFit(Clustering{Name: name, Features: []Feature{f}, K: 2, Folds: 2, RandomStream: "x", Fitted: time.Unix(1, 2).UTC()})
	if err != nil {
		t.Fatal(err)
	}
	model := &Model{Feature: f, Fold: 1, Centroids: make([]Vector, 2), Clusters: []Cluster{1, 0}, Inertia: 3, Steps: 4}
	err = errors.Join(
		fit.PutModels([]*Model{model}),
		fit.PutAssignments(ids, func(_ Feature, i int) *Assignment {
			return &Assignment{Fold: 1, Label: 0, Cluster: 1, Distances: []float64{float64(10 - i), 20}}
		}),
		fit.Commit([32]byte{1}))
	if err != nil {
		t.Fatal(err)
	}
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
		err = db.Members(c, testFeature, 1, func(id TrackID, _ float64) bool {
			members = append(members, id)
			return len(members) < 2
		})
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
		if err != nil || len(models) != 1 || models[0].Clusters[0] != 1 || models[0].Steps != 4 {
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
			if _, err := db.Assignment(c, testFeature, id); !errors.Is(err, ErrNotAssigned) {
				t.Errorf("assignment of changed track %s: %v", id, err)
			}
		}
		if a, err := db.Assignment(c, testFeature, ids[2]); err != nil || a.Distance() != 8 {
			t.Errorf("Assignment = %+v, %v", a, err)
		}
		if state, err := db.State(); err != nil || state.Generation == c.Generation {
			t.Errorf("generation is still %d, %v", state.Generation, err)
		}
	})
}

// TestStrayAssignment turns an assignment's key into one by a feature that the
// clustering leaves out, as damage may: it must not be passed over.
func TestStrayAssignment(t *testing.T) {
	w, path := testWriter(t)
	putTestSong(t, w, testID(1), "/1", 1)
	testFit(t, w, "default", testID(1))
	var c *Clustering
	view(t, path, func(db *DB) { c, _ = db.Clustering("default") })
	err := w.update(func(tx *bbolt.Tx) error {
		b, err := fitBucket(tx, c, assignmentsBucket)
		if err != nil {
			return err
		}
		key := assignmentKey(testID(1), testFeature+1)
		return errors.Join(b.Delete(assignmentKey(testID(1), testFeature)), b.Put(key, sealAssignment(key, madePlace(testID(1)))))
	})
	if err != nil {
		t.Fatal(err)
	}
	view(t, path, func(db *DB) {
		err := db.Assignments(c, testFeature, func(TrackID, *Assignment) error { return nil })
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("got error %v, want ErrCorrupt", err)
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
	if _, err := w.NewFit(Clustering{Name: "a\tb"}); err == nil {
		t.Error("a fit with a tab in its name was begun")
	}
}

func TestAssign(t *testing.T) {
	w, path := testWriter(t)
	ids := []TrackID{testID(1), testID(3), testID(5), testID(7), testID(9)}
	for i, id := range ids {
		putTestSong(t, w, id, fmt.Sprint("/", i), i)
	}
	testFit(t, w, "default", ids[1], ids[3])
	unassigned := func(after TrackID, limit int) (got []TrackID) {
		view(t, path, func(db *DB) {
			c, err := db.Clustering("default")
			if err != nil {
				t.Fatal(err)
			}
			err = db.Unassigned(c, after, func(id TrackID) bool {
				got = append(got, id)
				return len(got) < limit
			})
			if err != nil {
				t.Error(err)
			}
		})
		return got
	}
	for _, c := range []struct {
		after TrackID
		limit int
		want  []TrackID
	}{
		{"", 9, []TrackID{ids[0], ids[2], ids[4]}},
		{"", 2, []TrackID{ids[0], ids[2]}},
		{ids[0], 9, []TrackID{ids[2], ids[4]}},
		{ids[1], 9, []TrackID{ids[2], ids[4]}},
		{testID(6), 9, []TrackID{ids[4]}},
		{ids[4], 9, nil},
	} {
		if got := unassigned(c.after, c.limit); !reflect.DeepEqual(got, c.want) {
			t.Errorf("behind %q, %d: got %v, want %v", c.after, c.limit, got, c.want)
		}
	}
	var c *Clustering
	view(t, path, func(db *DB) { c, _ = db.Clustering("default") })
	late := Assignment{Fold: 1, Label: 1, Cluster: 1, Assigned: true, Distances: []float64{7, 3}}
	if err := w.Assign(c, []TrackID{ids[0], ids[4]}, func(Feature, int) *Assignment { return &late }); err != nil {
		t.Fatal(err)
	}
	if got, want := unassigned("", 9), []TrackID{ids[2]}; !reflect.DeepEqual(got, want) {
		t.Errorf("after Assign: got %v, want %v", got, want)
	}
	view(t, path, func(db *DB) {
		if a, err := db.Assignment(c, testFeature, ids[4]); err != nil || !reflect.DeepEqual(a, late) {
			t.Errorf("got %+v, %v, want %+v", a, err, late)
		}
	})
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
		err = db.view(func(tx *bbolt.Tx) error {
			if n := tx.Bucket(fitsBucket).Stats().BucketN; n != 1+4 {
				t.Errorf("%d buckets of fits, want one fit with three", n)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestUnfinishedFitIsRemoved(t *testing.T) {
	w, path := testWriter(t)
	putTestSong(t, w, testID(1), "/a", 1)
	testFit(t, w, "default", testID(1))
	if _, err := w.NewFit(Clustering{Name: "default"}); err != nil {
		t.Fatal(err)
	}
	w.Close() // as if killed
	w, err := OpenWriter(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	view(t, path, func(db *DB) {
		if _, err := db.Clustering("default"); err != nil {
			t.Error(err)
		}
		err := db.view(func(tx *bbolt.Tx) error {
			orphans, err := orphanFits(tx)
			if len(orphans) > 0 {
				t.Errorf("unfinished fits %x are still there", orphans)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
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
		if _, werr := OpenWriter(path); !errors.Is(werr, ErrNoStore) {
			t.Errorf("OpenWriter of %s: %v, want ErrNoStore", name, werr)
		}
		if name != "missing" {
			if _, werr := CreateWriter(path); !errors.Is(werr, ErrNoStore) {
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
	_, err := OpenWriter(path)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprintf("(process %d)", os.Getpid())) {
		t.Errorf("second writer: %v", err)
	}
	if _, err := CreateWriter(path); !errors.Is(err, ErrLocked) {
		t.Errorf("second writer: %v", err)
	}
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
	file := &File{Path: "/a", Size: 5, ModTime: 6, Extras: true, Tracks: []TrackID{song.ID}, Bad: &Failure{"open", "why", time.Unix(0, 8)}}
	clustering := &Clustering{Name: "n", Features: []Feature{1, 7}, K: 32, Folds: 5, Seed: 42, BatchSize: 2048, RandomStream: "s", Algorithm: 1, Fitted: time.Unix(0, 9), Tracks: 10, Generation: 11, Fingerprint: [32]byte{1}, fit: 12,
		Summaries: []Summary{{Inertia: 1.5, DistinctRows: 9, MeanAgreement: 0.5, LeastAgreement: 0.25, Sizes: []uint64{10, 0}}, {}}}
	model := &Model{Centroids: make([]Vector, 1), Clusters: []Cluster{3}, Inertia: 1.5, Steps: 7}
	assignment := &Assignment{Fold: 4, Label: 1, Cluster: 2, Assigned: true, Distances: []float64{1.5, 0.5}}
	for _, g := range []struct {
		name, want string
		got        []byte
	}{
		{"track", goldenTrack, encoded.track},
		{"arrays", goldenArrays, encoded.arrays[featureArrays]},
		{"vector", goldenVector, encoded.vectors[0][:24]},
		{"file", goldenFile, sealFile(file)},
		{"clustering", goldenClustering, sealClustering(clustering)},
		{"model", goldenModel, sealModel(modelKey(1, 2), model)[2+3*240:]},
		{"assignment", goldenAssignment, sealAssignment(assignmentKey(song.ID, 1), assignment)},
		{"member key", goldenMember, memberKey(1, 2, 0.5, song.ID)},
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
	for g, a := range map[group]Array{featureArrays: BeatsStart, extraArrays: TatumsConfidence} {
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
	f.Add(value(encoded.track))
	f.Add(value(encoded.arrays[0]))
	f.Add(value(sealFile(&File{Path: "/a", Bad: &Failure{}})))
	f.Add(value(sealClustering(&Clustering{Features: []Feature{1}, Summaries: []Summary{{Sizes: []uint64{1}}}})))
	f.Add(value(sealModel(nil, &Model{Centroids: make([]Vector, 1), Clusters: []Cluster{0}})))
	f.Add(value(sealAssignment(nil, &Assignment{Distances: []float64{1}})))
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
		m, err := unsealModel(key, sealed)
		same("model", err, func() []byte { return sealModel(key, m) })
		var a Assignment
		err = unsealAssignment(key, sealed, &a)
		same("assignment", err, nil)
		var v Vector
		err = unsealVector(key, sealed, &v)
		same("vector", err, func() []byte { return sealVector(key, &v) })
		var arrays [NumArrays][]float64
		same("arrays", decodeArrays(key, data, featureArrays, &arrays), nil)
		var s EncodedSong
		same("song", s.UnmarshalBinary(data), nil)
	})
}

// The encodings of format 1, in hexadecimal.
const (
	goldenTrack      = "06426ac3b6726b06536f6e672037015203534f310341523100000000000000000000000000cd0700000b0000000100000000000000001069400000000000105e4000000000000012c0022f610300000062cdb9cc"
	goldenArrays     = "182203022203022203022203022203022203022203022203021328b52ffd201855000018140a2801540302120628b52ffd201855000018000005015403021206fed9f7d0"
	goldenVector     = "0000000000001c405555555555551d40abaaaaaaaaaa1e40"
	goldenFile       = "030500000000000000060000000000000001000000545241414141413030303030303030303031046f70656e0377687908000000000000003769637a"
	goldenClustering = "0c0000000201072000000000000000050000000000000000080000000000002a00000001730100000009000000000000000a000000000000000b0000000000000020010000000000000000000000000000000000000000000000000000000000000002000000000000f83f0900000000000000000000000000e03f000000000000d03f02000a0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000017fdf3ef"
	goldenModel      = "0300000000000000f83f07000000fec8f397"
	goldenAssignment = "04000100020001000000000000f83f000000000000e03fb9352476"
	goldenMember     = "0100023fe0000000000000545241414141413030303030303030303031"
)
