package export_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sbinet/npyio"

	"tatum/query/export"
	"tatum/query/internal/madeup"
	"tatum/store"
)

var npyNames = []string{"bars", "beats", "sections", "loudness", "loudness_time", "loudness_start", "segments_start", "tatums_start"}

func TestNPY(t *testing.T) {
	for _, aligned := range []bool{false, true} {
		db := madeup.New(t, 20, 0)
		dir := filepath.Join(t.TempDir(), "some", "where")
		if err := export.NPY(context.Background(), db.DB, db.Clustering, dir, export.NPYOptions{Aligned: aligned}); err != nil {
			t.Fatal(err)
		}
		if got := names(t, dir); len(got) != npyFiles {
			t.Errorf("got %d files, want %d: %v", len(got), npyFiles, got)
		}
		if got := names(t, filepath.Dir(dir)); !slices.Equal(got, []string{"where"}) {
			t.Errorf("beside the directory: got %v, want nothing else", got)
		}
		ids := strings.Fields(string(read(t, dir, "track_ids.txt")))
		if len(ids) != 20 {
			t.Fatalf("track_ids.txt: got %d IDs, want 20", len(ids))
		}
		for _, f := range store.SoundFeatures {
			checkSoundStats(t, dir, f, ids)
		}
		for f, name := range npyNames {
			checkFeature(t, db, store.Feature(f), dir, name, ids, aligned)
		}
	}
}

// npyFiles is how many files there are: of each of the eight features four, the
// stat vectors of the sound features, and the IDs.
const npyFiles = 4*store.NumFeatures + len(store.SoundFeatures) + 1

// checkSoundStats compares a sound feature's stat vectors, NaN of songs that lack
// it.
func checkSoundStats(t *testing.T, dir string, f store.Feature, ids []string) {
	t.Helper()
	var want []float64
	for i := range ids {
		v := madeup.Vectors(i)[f]
		if v == nil {
			v = slices.Repeat(store.Vector{math.NaN()}, f.VectorLen())
		}
		want = append(want, v...)
	}
	name := strings.TrimPrefix(f.String(), "segments_")
	compare(t, dir, "stats_"+name, want, f.VectorLen())
}

// checkFeature compares a feature's files with what the store says.
func checkFeature(t *testing.T, db madeup.Store, f store.Feature, dir, name string, ids []string, aligned bool) {
	t.Helper()
	var labels, folds []int64
	var distances, stats []float64
	models, err := db.Models(db.Clustering, f)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		a := db.Place(t, f, store.TrackID(id))
		vectors, err := db.TrackVectors(store.TrackID(id))
		if err != nil {
			t.Fatal(err)
		}
		folds = append(folds, int64(a.Fold))
		stats = append(stats, vectors[f][:]...)
		if !aligned {
			labels = append(labels, int64(a.Label))
			distances = append(distances, a.Distances...)
			continue
		}
		labels = append(labels, int64(a.Cluster))
		for cluster := range store.Cluster(madeup.K) {
			distances = append(distances, a.Distances[slices.Index(models[a.Fold].Clusters, cluster)])
		}
	}
	compare(t, dir, "cluster_label_"+name, labels, 1)
	compare(t, dir, "fold_"+name, folds, 1)
	compare(t, dir, "cluster_distance_"+name, distances, madeup.K)
	compare(t, dir, "stats_"+name, stats, store.NumStats)
}

// compare reads an array with npyio, a reader that is not ours.
func compare[E any](t *testing.T, dir, name string, want []E, columns int) {
	t.Helper()
	r, err := npyio.NewReader(bytes.NewReader(read(t, dir, name+".npy")))
	if err != nil {
		t.Fatal(err)
	}
	if shape := r.Header.Descr.Shape; !slices.Equal(shape, []int{len(want) / columns, columns}) || r.Header.Descr.Fortran {
		t.Errorf("%s: got header %v", name, r.Header)
	}
	var got []E
	if err := r.Read(&got); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) { // NaN for NaN
		t.Errorf("%s: got %v, want %v", name, got, want)
	}
}

// What numpy.save of NumPy 2.4.6 wrote before the numbers of arrays of
// float64 (10, 32), float64 (199, 30) and int64 (10000, 1).
var npyHeaders = []struct {
	dtype   string
	rows    uint64
	columns int
	header  string
}{
	{"<f8", 10, 32, "934e554d5059010076007b276465736372273a20273c6638272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a202831302c203332292c207d20202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200a"},
	{"<f8", 199, 30, "934e554d5059010076007b276465736372273a20273c6638272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a20283139392c203330292c207d202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200a"},
	{"<i8", 10000, 1, "934e554d5059010076007b276465736372273a20273c6938272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a202831303030302c2031292c207d2020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200a"},
}

func TestNPYHeader(t *testing.T) {
	for _, test := range npyHeaders {
		got := hex.EncodeToString([]byte(export.NPYHeader(test.dtype, test.rows, test.columns)))
		if got != test.header {
			t.Errorf("%s (%d, %d): got %s, want %s", test.dtype, test.rows, test.columns, got, test.header)
		}
	}
}

// The whole file of labels of shape (3, 1) is that of NumPy 2.4.6.
func TestNPYBytes(t *testing.T) {
	db := madeup.New(t, 3, 0)
	dir := t.TempDir()
	if err := export.NPY(context.Background(), db.DB, db.Clustering, dir, export.NPYOptions{}); err != nil {
		t.Fatal(err)
	}
	want, err := hex.DecodeString("934e554d5059010076007b276465736372273a20273c6938272c2027666f727472616e5f6f72646572273a2046616c73652c20277368617065273a2028332c2031292c207d202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020200a")
	if err != nil {
		t.Fatal(err)
	}
	for fold := range uint64(3) { // song i of the made-up store is in fold i
		want = binary.LittleEndian.AppendUint64(want, fold)
	}
	if got := read(t, dir, "fold_bars.npy"); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	distance := read(t, dir, "cluster_distance_bars.npy")
	a := db.Place(t, 0, madeup.ID(2))
	last := math.Float64frombits(binary.LittleEndian.Uint64(distance[len(distance)-8:]))
	if want := a.Distances[madeup.K-1]; last != want {
		t.Errorf("last distance: got %v, want %v", last, want)
	}
}

func TestNPYUnlabelled(t *testing.T) {
	db := madeup.New(t, 20, 2)
	dir := filepath.Join(t.TempDir(), "out")
	err := export.NPY(context.Background(), db.DB, db.Clustering, dir, export.NPYOptions{})
	var unlabelled *export.UnlabelledError
	if !errors.As(err, &unlabelled) || unlabelled.Tracks != 2 || !errors.Is(err, store.ErrNotAssigned) {
		t.Errorf("got error %v, want UnlabelledError of 2 tracks", err)
	}
	if got := names(t, filepath.Dir(dir)); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

func TestNPYCancelled(t *testing.T) {
	db := madeup.New(t, 20, 0)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	dir := filepath.Join(t.TempDir(), "out")
	if err := export.NPY(ctx, db.DB, db.Clustering, dir, export.NPYOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want context.Canceled", err)
	}
	if got := names(t, filepath.Dir(dir)); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

func TestReplaceDirectory(t *testing.T) {
	db := madeup.New(t, 20, 0)
	parent := t.TempDir()
	dir := filepath.Join(parent, "out")
	link := filepath.Join(parent, "link")
	if err := os.Symlink("out", link); err != nil {
		t.Fatal(err)
	}
	npy := func(dir string) error {
		return export.NPY(context.Background(), db.DB, db.Clustering, dir, export.NPYOptions{})
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, dir string }{{"empty", dir}, {"earlier export", dir}, {"through a link", link}} {
		if err := npy(test.dir); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if got := names(t, dir); len(got) != npyFiles {
			t.Errorf("%s: got %d files, want %d", test.name, len(got), npyFiles)
		}
		if got := names(t, parent); !slices.Equal(got, []string{"link", "out"}) {
			t.Errorf("%s: got %v beside the directory", test.name, got)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var occupied *export.OccupiedError
	if err := npy(dir); !errors.As(err, &occupied) || occupied.Name != "thesis.txt" {
		t.Errorf("another file: got error %v, want OccupiedError of thesis.txt", err)
	}
	if got := names(t, dir); len(got) != npyFiles+1 {
		t.Errorf("another file: got %d files, want the %d that were there", len(got), npyFiles+1)
	}
	if err := npy(filepath.Join(dir, "thesis.txt")); !errors.As(err, &occupied) {
		t.Errorf("a file: got error %v, want OccupiedError", err)
	}
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestKilledExports checks that the next export removes what killed ones have
// left beside it, and nothing else.
func TestKilledExports(t *testing.T) {
	if os.Getenv("TATUM_STAY") != "" { // as the process below
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	other := exec.Command(os.Args[0], "-test.run", "^TestKilledExports$")
	other.Env = append(os.Environ(), "TATUM_STAY=1")
	until, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		until.Close()
		if err := other.Wait(); err != nil {
			t.Error(err)
		}
	})
	db := madeup.New(t, 20, 0)
	parent := t.TempDir()
	dir := filepath.Join(parent, "out")
	const dead = "99999999" // more than there are processes
	alive := strconv.Itoa(other.Process.Pid)
	for _, path := range []string{
		"out.new-" + dead + "/track_ids.txt", "tables.new-" + dead + "/tracks.csv", "tables.new-" + dead + "/stats.csv",
		"out.old-" + dead + "/track_ids.txt", "lost.old-" + dead + "/tracks.parquet",
		"out.new-" + alive + "/track_ids.txt", "mine.new-" + dead + "/thesis.txt", "file.new-1/../note.new-" + dead, "x.new-2026-" + "/track_ids.txt",
	} {
		path = filepath.Join(parent, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"out", ""} { // while out is there, and when it is not
		want := []string{"lost", "mine.new-" + dead, "note.new-" + dead, "out", "out.new-" + alive, "x.new-2026-"}
		if name != "" {
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := export.NPY(t.Context(), db.DB, db.Clustering, dir, export.NPYOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := names(t, parent); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
