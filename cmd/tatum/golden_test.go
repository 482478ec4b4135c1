package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"tatum/store"
)

// A golden holds the reference's numbers for the demo's songs, as
// testdata/parity/reference.py wrote them with the versions it names.
type golden struct {
	Versions string                   `json:"versions"`
	TrackIDs []store.TrackID          `json:"track_ids"`
	Features map[string]goldenFeature `json:"features"`
}

type goldenFeature struct {
	Labels          []store.Label `json:"labels"`
	Distances       []string      `json:"distances"` // to the label's centroid; hexadecimal
	Skew            []string      `json:"skew"`
	Kurtosis        []string      `json:"kurtosis"`
	StatsSHA256     string        `json:"stats_sha256"` // of the other 28 columns, row-major
	LabelFileSHA256 string        `json:"label_file_sha256"`
}

// TestGolden compares the whole job on the demo's songs with the reference.
func TestGolden(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/parity/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var want golden
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	if len(want.TrackIDs) < 100 || len(want.Features) != store.NumFeatures {
		t.Fatalf("golden.json has %d tracks and %d features", len(want.TrackIDs), len(want.Features))
	}
	dir := t.TempDir()
	songs, path, out := filepath.Join(dir, "songs"), filepath.Join(dir, "tatum.db"), filepath.Join(dir, "out")
	makeDemo(t, songs, len(want.TrackIDs), 1)
	runTatum(t, "ingest", "--db", path, songs)
	runTatum(t, "cluster", "--db", path)
	runTatum(t, "export", "npy", "--db", path, out)

	db, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c, err := db.Clustering(store.DefaultClustering)
	if err != nil {
		t.Fatal(err)
	}
	for name, w := range want.Features {
		f, err := store.ParseFeature(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			compareStats(t, db, f, &w, want.TrackIDs)
			comparePlaces(t, db, c, f, &w, want.TrackIDs)
		})
	}
	compareLabelFiles(t, out, want.Features)
}

func compareStats(t *testing.T, db *store.DB, f store.Feature, want *goldenFeature, ids []store.TrackID) {
	const skew, kurtosis = 4, 5
	h := sha256.New()
	row := 0
	v := make(store.Vector, f.VectorLen())
	for vectors, err := range db.Vectors(f, store.Span{}) {
		if err == nil {
			err = vectors.Vector(f, v)
		}
		if err != nil {
			t.Fatal(err)
		}
		id := vectors.ID()
		if id != ids[row] {
			t.Fatalf("row %d is %s, want %s", row, id, ids[row])
		}
		for i, x := range v {
			if i != skew && i != kurtosis {
				h.Write(binary.LittleEndian.AppendUint64(nil, math.Float64bits(x)))
			}
		}
		nearly(t, id, "skew", v[skew], parseHex(t, want.Skew[row]), 0)
		nearly(t, id, "kurtosis", v[kurtosis], parseHex(t, want.Kurtosis[row]), 3)
		row++
	}
	if row != len(ids) {
		t.Fatalf("%d vectors, want %d", row, len(ids))
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want.StatsSHA256 {
		t.Errorf("hash of the 28 exact statistics is %s, want %s", got, want.StatsSHA256)
	}
}

// nearly allows the few units in the last place, of the term before offset is
// subtracted, by which the C library's pow is off.
func nearly(t *testing.T, id store.TrackID, name string, got, want, offset float64) {
	t.Helper()
	if math.Abs(got-want) > 4*0x1p-52*math.Abs(want+offset) {
		t.Errorf("%s: %s %v, want %v", id, name, got, want)
	}
}

func comparePlaces(t *testing.T, db *store.DB, c *store.Clustering, f store.Feature, want *goldenFeature, ids []store.TrackID) {
	const tolerance = 1e-9 // relative
	for row, id := range ids {
		places, err := db.TrackAssignments(c, id)
		if err != nil {
			t.Fatal(err)
		}
		a := places[f]
		if a.Label != want.Labels[row] {
			t.Errorf("%s: label %d, want %d", id, a.Label, want.Labels[row])
		}
		if d := parseHex(t, want.Distances[row]); math.Abs(a.Distance()-d) > tolerance*math.Max(d, 1) {
			t.Errorf("%s: distance %v, want %v", id, a.Distance(), d)
		}
	}
}

func compareLabelFiles(t *testing.T, dir string, want map[string]goldenFeature) {
	left := make(map[string]string)
	for name, w := range want {
		left[w.LabelFileSHA256] = name
	}
	files, err := filepath.Glob(filepath.Join(dir, "cluster_label_*.npy"))
	if err != nil || len(files) != store.NumFeatures {
		t.Fatalf("%d label files, %v", len(files), err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		delete(left, hex.EncodeToString(sum[:]))
	}
	for _, name := range left {
		t.Errorf("label file of %s is not the reference's", name)
	}
}

func parseHex(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
