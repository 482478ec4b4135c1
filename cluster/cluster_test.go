package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"tatum/store"
)

func testID(i int) store.TrackID { return store.TrackID(fmt.Sprintf("TRAAAAA%011X", i)) }

// testOptions are small enough for the stores of these tests.
func testOptions() Options {
	return Options{K: 6, Folds: 4, BatchSize: 64, Seed: 42, Stream: Sklearn13}
}

// testStore makes a store of n tracks, put in random order.
func testStore(t *testing.T, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tatum.db")
	putTracks(t, path, rand.New(rand.NewPCG(5, 6)).Perm(n))
	return path
}

// testVectors returns the vectors of track i, which follow from i alone.
func testVectors(i int) *store.VectorSet {
	vectors := store.NewVectors(store.Features[:])
	for _, f := range store.Features {
		m := matrix{N: 1, Salt: uint64(f)}
		for c := range cols {
			group := int(m.bits(2, i, 0) % 9)
			vectors[f][c] = m.unit(3, group, c)*4 + m.unit(4, i, c)
		}
	}
	return vectors
}

func putTracks(t *testing.T, path string, tracks []int) {
	t.Helper()
	w, err := store.CreateWriter(context.Background(), path, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var batch store.Batch
	for _, i := range tracks {
		song := &store.Song{Track: store.Track{ID: testID(i), Source: store.Source{Path: fmt.Sprint("/", i)}}}
		song.Arrays[0] = []float64{}
		vectors := testVectors(i)
		batch.Songs = append(batch.Songs, *store.EncodeSong(song, vectors))
	}
	if _, err := w.Put(batch); err != nil {
		t.Fatal(err)
	}
}

// runOn is Run on the store at path.
func runOn(ctx context.Context, t *testing.T, path string, p Params) (report *Report, err error) {
	t.Helper()
	write(t, path, func(w *store.Writer) { report, err = Run(ctx, w, p) })
	return report, err
}

// assignOn is Assign on the store at path.
func assignOn(t *testing.T, path, name string, progress func(done, total int)) (n int, err error) {
	t.Helper()
	write(t, path, func(w *store.Writer) { n, err = Assign(t.Context(), w, name, progress) })
	return n, err
}

func write(t *testing.T, path string, fn func(w *store.Writer)) {
	t.Helper()
	w, err := store.OpenWriter(t.Context(), path, 0)
	if err != nil {
		t.Fatal(err)
	}
	fn(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func mustRun(t *testing.T, path string, p Params) *Report {
	t.Helper()
	report, err := runOn(t.Context(), t, path, p)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// A content is all that a clustering says of tracks.
type content map[store.TrackID][store.NumFeatures]store.Assignment

// contentOf returns what a clustering says of each track, and itself.
func contentOf(t *testing.T, path, name string) (content, *store.Clustering) {
	t.Helper()
	db, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c, err := db.Clustering(name)
	if err != nil {
		t.Fatal(err)
	}
	all := make(content)
	for p, err := range db.Assignments(c, store.Span{}) {
		if err != nil {
			t.Fatal(err)
		}
		var places [store.NumFeatures]store.Assignment
		for _, a := range p.Places {
			a.Distances = slices.Clone(a.Distances)
			places[a.Feature] = a
		}
		all[p.ID] = places
	}
	return all, c
}

func TestRunStoresWhatItReports(t *testing.T) {
	const n = 300
	path := testStore(t, n)
	report := mustRun(t, path, Params{Options: testOptions()})
	got, c := contentOf(t, path, store.DefaultClustering)
	if report.Tracks != n || len(report.Features) != store.NumFeatures || len(got) != n || c.Tracks != n {
		t.Fatalf("report of %d tracks and %d features, %d labelled", report.Tracks, len(report.Features), len(got))
	}
	for i, f := range report.Features {
		if !reflect.DeepEqual(f.Summary, c.Summaries[i]) {
			t.Errorf("%v: reported %+v, stored %+v", f.Feature, f.Summary, c.Summaries[i])
		}
		sizes := make([]uint64, c.K)
		for _, places := range got {
			sizes[places[f.Feature].Cluster]++
		}
		if !slices.Equal(f.Sizes, sizes) {
			t.Errorf("%v: sizes %v, want %v", f.Feature, f.Sizes, sizes)
		}
		if f.DistinctRows != n || f.MeanAgreement < f.LeastAgreement || f.MeanAgreement > 1 || f.Inertia <= 0 {
			t.Errorf("%v: %+v", f.Feature, f.Summary)
		}
	}
}

// TestRunDependsOnVectorsOnly runs with other workers and on a store that was
// filled in another order, beside another clustering.
func TestRunDependsOnVectorsOnly(t *testing.T) {
	path, other := testStore(t, 200), filepath.Join(t.TempDir(), "other.db")
	putTracks(t, other, listTo(200))
	mustRun(t, other, Params{Options: testOptions(), Name: "beside", Workers: 3, Features: []store.Feature{2}})
	mustRun(t, other, Params{Options: testOptions(), Workers: 7})
	mustRun(t, path, Params{Options: testOptions()})
	a, ca := contentOf(t, path, store.DefaultClustering)
	b, cb := contentOf(t, other, store.DefaultClustering)
	if !reflect.DeepEqual(a, b) || ca.Fingerprint != cb.Fingerprint || !reflect.DeepEqual(ca.Summaries, cb.Summaries) {
		t.Error("clusterings of the same tracks differ")
	}
	if all, _ := contentOf(t, other, "beside"); len(all) != 200 {
		t.Errorf("the other clustering has %d tracks", len(all))
	}
}

func TestRunRefusesBeforeAnyWork(t *testing.T) {
	path := testStore(t, 30)
	mustRun(t, path, Params{Options: testOptions()})
	before, _ := os.ReadFile(path)
	for name, change := range map[string]func(p *Params){
		"no clusters":        func(p *Params) { p.K = 0 },
		"too many clusters":  func(p *Params) { p.K = MaxClusters + 1 },
		"more than training": func(p *Params) { p.K = 23 },
		"one fold":           func(p *Params) { p.Folds = 1 },
		"more than tracks":   func(p *Params) { p.Folds = 31 },
		"no batch":           func(p *Params) { p.BatchSize = 0 },
		"too large a batch":  func(p *Params) { p.BatchSize = MaxBatchSize + 1 },
		"no stream":          func(p *Params) { p.Stream = 0 },
		"control character":  func(p *Params) { p.Name = "a\nb" },
	} {
		p := Params{Options: testOptions()}
		change(&p)
		if _, err := runOn(t.Context(), t, path, p); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the store has changed")
	}
}

func TestRunCancelled(t *testing.T) {
	path := testStore(t, 100)
	mustRun(t, path, Params{Options: testOptions()})
	before, c := contentOf(t, path, store.DefaultClustering)
	ctx, cancel := context.WithCancel(t.Context())
	p := Params{Options: testOptions(), Progress: func(int, int) { cancel() }}
	p.Seed++
	if _, err := runOn(ctx, t, path, p); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	after, d := contentOf(t, path, store.DefaultClustering)
	if !reflect.DeepEqual(before, after) || !reflect.DeepEqual(c, d) {
		t.Error("the old clustering has changed")
	}
}

func TestFewDistinctRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tatum.db")
	w, err := store.CreateWriter(context.Background(), path, 0)
	if err != nil {
		t.Fatal(err)
	}
	var batch store.Batch
	for i := range 50 {
		song := &store.Song{Track: store.Track{ID: testID(i)}}
		song.Arrays[0] = []float64{}
		vectors := testVectors(i % 3)
		batch.Songs = append(batch.Songs, *store.EncodeSong(song, vectors))
	}
	if _, err := w.Put(batch); err != nil {
		t.Fatal(err)
	}
	w.Close()
	report := mustRun(t, path, Params{Options: testOptions()})
	for _, f := range report.Features {
		if f.DistinctRows != 3 || len(f.Empty()) != 3 {
			t.Errorf("%v: %d distinct rows, empty %v, want 3 and three of six", f.Feature, f.DistinctRows, f.Empty())
		}
	}
}

func TestAssign(t *testing.T) {
	const fitted, n = 150, 400
	path := testStore(t, fitted)
	mustRun(t, path, Params{Options: testOptions()})
	before, _ := contentOf(t, path, store.DefaultClustering)
	putTracks(t, path, listTo(n)[fitted:])
	calls := 0
	got, err := assignOn(t, path, store.DefaultClustering, func(int, int) { calls++ })
	if got != n-fitted || err != nil || calls == 0 {
		t.Fatalf("assigned %d (%v), want %d", got, err, n-fitted)
	}
	all, c := contentOf(t, path, store.DefaultClustering)
	for i := range n {
		id := testID(i)
		for f, a := range all[id] {
			if i < fitted {
				if !reflect.DeepEqual(a, before[id][f]) {
					t.Fatalf("label of fitted track %d has changed", i)
				}
				continue
			}
			if a.Trained || a.Fold != AssignedFold(id, c.Folds) {
				t.Fatalf("track %d: %+v, want it assigned in fold %d", i, a, AssignedFold(id, c.Folds))
			}
			if want := labelAlone(t, path, c, store.Feature(f), i); !reflect.DeepEqual(a, want) {
				t.Fatalf("track %d, feature %d: got %+v, want %+v", i, f, a, want)
			}
		}
	}
	file, _ := os.ReadFile(path)
	if got, err := assignOn(t, path, store.DefaultClustering, nil); got != 0 || err != nil {
		t.Errorf("again: assigned %d (%v), want none", got, err)
	}
	if again, _ := os.ReadFile(path); !bytes.Equal(file, again) {
		t.Error("assign without anything to do has changed the store")
	}
	if _, err := assignOn(t, path, "other", nil); !errors.Is(err, store.ErrNotClustered) {
		t.Errorf("unknown clustering: got %v", err)
	}
}

// labelAlone returns what the stored model of its fold says of track i.
func labelAlone(t *testing.T, path string, c *store.Clustering, f store.Feature, i int) store.Assignment {
	t.Helper()
	db, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	models, err := db.Models(c, f)
	if err != nil {
		t.Fatal(err)
	}
	a := store.Assignment{Feature: f, Fold: AssignedFold(testID(i), c.Folds), Distances: make([]float64, c.K)}
	m, clusters := restoredModel(models[a.Fold])
	vectors := testVectors(i)
	label := make([]int, 1)
	m.Assign(Matrix{cols, vectors[f]}, []int{0}, label, a.Distances)
	a.Label, a.Cluster = store.Label(label[0]), store.Cluster(clusters[label[0]])
	return a
}

// TestAssignKeepsOutOfFold has tracks change, leave and come back: whatever
// becomes of them, the model that labels them has not seen them.
func TestAssignKeepsOutOfFold(t *testing.T) {
	const n = 120
	path := testStore(t, n)
	mustRun(t, path, Params{Options: testOptions()})
	before, _ := contentOf(t, path, store.DefaultClustering)
	changed := testVectors(1000)
	song := &store.Song{Track: store.Track{ID: testID(7), Source: store.Source{Path: "/7"}}}
	song.Arrays[0] = []float64{}
	write(t, path, func(w *store.Writer) {
		batch := store.Batch{Songs: []store.EncodedSong{*store.EncodeSong(song, changed)}}
		for i := range 40 {
			batch.Files = append(batch.Files, store.File{Path: fmt.Sprint("/", i), Tracks: []store.TrackID{testID(i)}})
		}
		_, err := w.Put(batch)
		if err != nil {
			t.Fatal(err)
		}
		var gone []string
		for i := 20; i < 40; i++ {
			gone = append(gone, fmt.Sprint("/", i))
		}
		if n, err := w.Forget(gone); n != 20 || err != nil {
			t.Fatalf("forgot %d, %v", n, err)
		}
	})
	putTracks(t, path, listTo(30)[20:]) // ten come back
	if n, err := assignOn(t, path, store.DefaultClustering, nil); n != 11 || err != nil {
		t.Fatalf("assigned %d (%v), want 11", n, err)
	}
	after, _ := contentOf(t, path, store.DefaultClustering)
	for i := range n {
		id := testID(i)
		switch places, there := after[id]; {
		case i >= 30 && i < 40:
			if there {
				t.Errorf("track %d is gone and has a label", i)
			}
		case i == 7:
			for f, a := range places {
				if a.Fold != before[id][f].Fold || !a.Trained {
					t.Errorf("changed track: fold %d, trained on %v, want %d", a.Fold, a.Trained, before[id][f].Fold)
				}
			}
		case !reflect.DeepEqual(places, before[id]):
			t.Errorf("track %d has another label than before", i)
		}
	}
	o := store.CheckOptions{Place: NewPlacer(), Folds: StoredFolds}
	if _, err := store.Check(t.Context(), path, o, func(p store.Problem) { t.Error(p) }); err != nil {
		t.Error(err)
	}
}

// TestAssignCompany assigns the same tracks one by one, backwards, and at once
// with others; those there and gone must not matter.
func TestAssignCompany(t *testing.T) {
	var contents []content
	for _, batches := range [][][]int{{{200, 201, 202, 203}}, {{203}, {202}, {201}, {200}}, {{202, 90000, 150}, {203, 201, 200}}} {
		path := testStore(t, 120)
		mustRun(t, path, Params{Options: testOptions()})
		for _, tracks := range batches {
			putTracks(t, path, tracks)
			if n, err := assignOn(t, path, store.DefaultClustering, nil); n != len(tracks) || err != nil {
				t.Fatalf("assigned %d of %v (%v)", n, tracks, err)
			}
		}
		all, _ := contentOf(t, path, store.DefaultClustering)
		delete(all, testID(90000))
		delete(all, testID(150))
		contents = append(contents, all)
	}
	for i, c := range contents[1:] {
		if !reflect.DeepEqual(c, contents[0]) {
			t.Errorf("order %d gives other labels", i+1)
		}
	}
}

func TestAssignCancelledGoesOn(t *testing.T) {
	path := testStore(t, 120)
	o := testOptions()
	mustRun(t, path, Params{Options: o})
	putTracks(t, path, listTo(400)[120:])
	w, err := store.OpenWriter(context.Background(), path, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n, err := Assign(ctx, w, store.DefaultClustering, nil)
	if n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("assigned %d (%v), want context.Canceled", n, err)
	}
	w.Close()
	if n, err := assignOn(t, path, store.DefaultClustering, nil); n != 280 || err != nil {
		t.Errorf("assigned %d (%v), want 280", n, err)
	}
}

func TestAssignedFold(t *testing.T) {
	// FNV-1a is fixed for good: stored labels depend on it.
	for id, want := range map[store.TrackID]store.Fold{"TRAAAAA00000000000": 2, "TRXLZUV128D41DB2A1": 2} {
		if got := AssignedFold(id, 5); got != want {
			t.Errorf("%s: got fold %d, want %d", id, got, want)
		}
	}
	count := make([]int, 7)
	for i := range 7000 {
		count[AssignedFold(testID(i), 7)]++
	}
	if slices.Min(count) < 800 || slices.Max(count) > 1200 {
		t.Errorf("7000 tracks fall into folds as %v", count)
	}
}
