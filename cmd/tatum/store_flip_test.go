package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"tatum/cluster"
	"tatum/query"
	"tatum/query/export"
	"tatum/store"
)

const madeSongs = 120

// oldStore makes a store that has been in use: songs replaced, forgotten and back
// again, two clusterings, one of them replaced, the other by some features only,
// tracks assigned later and tracks without label.
func oldStore(t testing.TB, path string) {
	t.Helper()
	put(t, path, madeBatch(t, 0, madeSongs/2, 1))
	put(t, path, madeBatch(t, madeSongs/2, madeSongs, 1))
	fit(t, path, "default")
	other := madeParams("other")
	other.Features = []store.Feature{store.Feature(store.BeatsStart), store.Feature(store.SegmentsStart)}
	clusterStore(t, path, other)
	put(t, path, madeBatch(t, 10, 14, 2))
	forget := func(i int) {
		write(t, path, func(w *store.Writer) error {
			_, err := w.Forget([]string{madeSong(i, 1).Source.Path})
			return err
		})
	}
	forget(3)
	fit(t, path, "default")
	put(t, path, madeBatch(t, madeSongs, madeSongs+8, 1))
	put(t, path, madeBatch(t, 20, 22, 3))
	forget(30)
	forget(31)
	put(t, path, madeBatch(t, 31, 32, 1))
	write(t, path, func(w *store.Writer) error {
		_, err := cluster.Assign(context.Background(), w, "default", nil)
		return err
	})
	put(t, path, madeBatch(t, madeSongs+8, madeSongs+10, 1))
	bad := store.File{Path: "/songs/bad.h5", Bad: &store.Failure{Step: "open", Reason: "not an HDF5 file"}}
	put(t, path, store.Batch{Files: []store.File{bad}})
}

// write makes this process the writer of the store at path while fn runs.
func write(t testing.TB, path string, fn func(w *store.Writer) error) {
	t.Helper()
	w, err := store.CreateWriter(context.Background(), path, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(fn(w), w.Close()); err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, path string, batch store.Batch) {
	t.Helper()
	write(t, path, func(w *store.Writer) error {
		_, err := w.Put(batch)
		return err
	})
}

func fit(t testing.TB, path, name string) {
	t.Helper()
	clusterStore(t, path, madeParams(name))
}

func clusterStore(t testing.TB, path string, p cluster.Params) {
	t.Helper()
	write(t, path, func(w *store.Writer) error {
		_, err := cluster.Run(context.Background(), w, p)
		return err
	})
}

// answers asks the store at path all kinds of questions and returns the answers
// by question. An answer that is an error of damage is left out.
func answers(t testing.TB, path string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	db, err := store.Open(path)
	if err != nil {
		return all
	}
	defer db.Close()
	ask := func(answer any, err error, question ...any) {
		switch {
		case errors.Is(err, store.ErrCorrupt):
		case err != nil:
			all[fmt.Sprint(question...)] = err.Error()
		default:
			all[fmt.Sprint(question...)] = fmt.Sprint(answer)
		}
	}
	for i := range madeSongs + 12 { // the last ones are not there
		id := madeID(i)
		track, err := db.Track(id)
		ask(track, err, "song ", i)
		arrays, err := query.Arrays(db, id)
		ask(arrays, err, "arrays ", i)
		stats, err := query.Stats(db, id)
		ask(stats, err, "stats ", i)
		if i%40 == 0 {
			similar, err := query.Similar(db, id, query.SimilarOptions{Limit: 5})
			ask(similar, err, "similar ", i)
		}
	}
	feature, far := store.Feature(store.BarsStart), 0.3
	similar, err := query.Similar(db, madeID(7), query.SimilarOptions{Feature: &feature, MaxDistance: &far})
	ask(similar, err, "similar by one feature")
	ids, err := db.TrackIDs()
	ask(ids, err, "IDs")
	var offered []store.TrackID
	err = nil
	for track, trackErr := range db.Tracks(store.Prefix("TRMADEU0000000000")) { // as completion does
		if err = trackErr; err == nil {
			offered = append(offered, track.ID)
		}
	}
	ask(offered, err, "completion")
	info, err := db.Info()
	if err == nil {
		info.Path, info.Clusterings = "", nil
	}
	ask(info, err, "info")
	askExports(t, db, nil, ask)
	matches, err := query.Search(db, "artist 1", 0)
	ask(matches, err, "search")
	var files []string
	err = nil
	for f, fileErr := range db.Files() {
		if err = fileErr; err == nil {
			files = append(files, fmt.Sprint(f.Path, f.Size, f.ModTime, f.Tracks, f.Bad))
		}
	}
	ask(files, err, "files")
	names, err := db.Clusterings()
	ask(len(names), err, "clusterings")
	for _, name := range []string{"default", "other", "none"} {
		c, err := db.Clustering(name)
		ask("", err, name)
		if err != nil {
			continue
		}
		askPlaces(t, db, c, ask)
	}
	return all
}

func askPlaces(t testing.TB, db *store.DB, c *store.Clustering, ask func(answer any, err error, question ...any)) {
	ask(*c, nil, c.Name, " itself")
	for i := range madeSongs + 12 {
		places, err := query.Track(db, c, madeID(i))
		ask(places, err, c.Name, " track ", i)
	}
	for _, f := range c.Features {
		clusters, err := query.Clusters(db, c, f)
		ask(clusters, err, c.Name, " clusters ", f)
		for n := range c.K {
			members, err := query.Members(db, c, f, store.Cluster(n), query.MembersOptions{Limit: 4})
			ask(members, err, c.Name, " members ", f, n)
		}
		for _, o := range someMembers {
			members, err := query.Members(db, c, f, 0, o)
			ask(members, err, c.Name, " some members ", f, o.Offset)
		}
	}
	for _, i := range []int{0, 20, madeSongs + 3} {
		similar, err := query.Similar(db, madeID(i), query.SimilarOptions{SameCluster: c, Feature: &c.Features[1]})
		ask(similar, err, c.Name, " similar in cluster ", i)
	}
	var missing []store.TrackID
	var err error
	for u, missingErr := range db.Unassigned(c) {
		if err = missingErr; err == nil {
			missing = append(missing, u.ID)
		}
	}
	ask(missing, err, c.Name, " unassigned")
	labelled, err := db.Labelled(c)
	ask(labelled, err, c.Name, " labelled")
	askExports(t, db, c, ask)
}

var someMembers = []query.MembersOptions{
	{Fold: new(store.Fold), Limit: 3},
	{Label: new(store.Label), Offset: 1},
}

// askExports asks for what the export commands write.
func askExports(t testing.TB, db *store.DB, c *store.Clustering, ask func(answer any, err error, question ...any)) {
	t.Helper()
	dir := filepath.Join(memoryDir(t), "export")
	name := ""
	if c != nil {
		name = c.Name
	}
	exports := map[string]func(dir string) error{
		"parquet": func(dir string) error { return export.Parquet(context.Background(), db, c, dir) },
		"csv":     func(dir string) error { return export.CSV(context.Background(), db, c, dir) },
	}
	if c != nil {
		exports["npy"] = func(dir string) error { return export.NPY(context.Background(), db, c, dir, export.NPYOptions{}) }
		exports["npy aligned"] = func(dir string) error {
			return export.NPY(context.Background(), db, c, dir, export.NPYOptions{Aligned: true})
		}
	}
	for kind, write := range exports {
		err := write(dir)
		h := sha256.New()
		if err == nil {
			files, _ := filepath.Glob(filepath.Join(dir, "*")) // in order
			for _, file := range files {
				data, readErr := os.ReadFile(file)
				if readErr != nil {
					t.Fatal(readErr)
				}
				fmt.Fprint(h, filepath.Base(file), len(data))
				h.Write(data)
			}
		}
		ask(hex.EncodeToString(h.Sum(nil)), err, name, " export ", kind)
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
}

// memoryDir returns a directory that is in memory, if the system has one: there
// nothing waits for the disk.
func memoryDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "tatum")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// problems returns what a check finds.
func problems(t testing.TB, path string, recompute bool) []store.Problem {
	t.Helper()
	var all []store.Problem
	_, err := store.Check(context.Background(), path, checkOptions(recompute), func(p store.Problem) { all = append(all, p) })
	if err != nil {
		all = append(all, store.Problem{What: err.Error()}) // the command fails with it
	}
	return all
}

// TestFlippedBytes changes a byte of a store, TATUM_FLIPS times: each change
// must be without any effect, or check must report it; and no question may get
// another answer than before, unless it is told of the damage.
func TestFlippedBytes(t *testing.T) {
	skipShort(t)
	t.Parallel()
	flips := envCount(t, "TATUM_FLIPS", 40)
	path := filepath.Join(t.TempDir(), "tatum.db")
	oldStore(t, path)
	if found := problems(t, path, true); len(found) > 0 {
		t.Fatalf("before any change: %v", found)
	}
	want := answers(t, path)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(uint64(envCount(t, "TATUM_SEED", 1)), 0))
	damaged := filepath.Join(memoryDir(t), "tatum.db")
	harmless, reported := make(map[string]int), make(map[string]int)
	for range flips {
		at, change := flipAt(rng, data), byte(1+rng.IntN(255))
		changed := bytes.Clone(data)
		changed[at] ^= change
		if err := os.WriteFile(damaged, changed, 0o644); err != nil {
			t.Fatal(err)
		}
		found := len(problems(t, damaged, false)) > 0
		if found {
			reported[kindAt(data, at)]++
		} else {
			harmless[kindAt(data, at)]++
		}
		compare(t, want, answers(t, damaged), !found, at, change)
	}
	t.Logf("%d bytes of %d changed; harmless: %v, reported: %v", flips, len(data), harmless, reported)
}

// kindAt tells what kind of page a byte is in, and whether it is of the page's
// structure, which stands at its beginning.
func kindAt(data []byte, at int) string {
	page := data[at&^4095:]
	kind, found := map[uint16]string{1: "branch", 2: "leaf", 4: "header", 16: "free list"}[binary.NativeEndian.Uint16(page[8:])]
	if !found {
		return "other"
	}
	elements := 16 + 16*int(binary.NativeEndian.Uint16(page[10:]))
	if at&4095 < elements {
		return kind + " structure"
	}
	return kind + " data"
}

// flipAt chooses a byte: any one, or, as often, one near the beginning of a
// page, where its structure is.
func flipAt(rng *rand.Rand, data []byte) int {
	at := rng.IntN(len(data))
	if rng.IntN(2) == 0 {
		at = at&^4095 + rng.IntN(256)
	}
	return at
}

// compare fails the test if an answer differs from what it was, or, where check
// found nothing, is missing.
func compare(t *testing.T, want, got map[string]string, complete bool, at int, change byte) {
	t.Helper()
	for question, answer := range got {
		if answer != want[question] {
			t.Errorf("byte %d ^ %#x: %s: got %.200q, want %.200q", at, change, question, answer, want[question])
			return
		}
	}
	if complete && len(got) != len(want) {
		t.Errorf("byte %d ^ %#x: check found nothing, but only %d questions of %d are answered", at, change, len(got), len(want))
	}
}
