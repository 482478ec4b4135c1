package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"tatum/cluster"
	"tatum/query"
	"tatum/store"
)

const madeSongs = 120

// oldStore makes a store that has been in use: songs replaced and forgotten,
// two clusterings, one of them replaced, tracks without label.
func oldStore(t testing.TB, path string) {
	t.Helper()
	put(t, path, madeBatch(t, 0, madeSongs/2, 1))
	put(t, path, madeBatch(t, madeSongs/2, madeSongs, 1))
	fit(t, path, "default")
	fit(t, path, "other")
	put(t, path, madeBatch(t, 10, 14, 2))
	w, err := store.OpenWriter(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Forget([]string{madeSong(3, 1).Source.Path}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	fit(t, path, "default")
	put(t, path, madeBatch(t, madeSongs, madeSongs+8, 1))
	if _, err := cluster.Assign(context.Background(), path, "default", nil); err != nil {
		t.Fatal(err)
	}
	put(t, path, madeBatch(t, madeSongs+8, madeSongs+10, 1))
}

func put(t testing.TB, path string, batch store.Batch) {
	t.Helper()
	w, err := store.CreateWriter(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Put(batch)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
}

func fit(t testing.TB, path, name string) {
	t.Helper()
	if _, err := cluster.Run(context.Background(), path, madeParams(name)); err != nil {
		t.Fatal(err)
	}
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
	matches, err := query.Search(db, "artist 1", 0)
	ask(matches, err, "search")
	var files []string
	err = db.Files(func(f *store.File) error {
		files = append(files, fmt.Sprint(*f))
		return nil
	})
	ask(files, err, "files")
	names, err := db.Clusterings()
	ask(len(names), err, "clusterings")
	for _, name := range []string{"default", "other", "none"} {
		c, err := db.Clustering(name)
		ask("", err, name)
		if err != nil {
			continue
		}
		askPlaces(db, c, ask)
	}
	return all
}

func askPlaces(db *store.DB, c *store.Clustering, ask func(answer any, err error, question ...any)) {
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
		var labels []string
		err = db.Assignments(c, f, func(id store.TrackID, a *store.Assignment) error {
			labels = append(labels, fmt.Sprint(id, *a))
			return nil
		})
		ask(labels, err, c.Name, " assignments ", f)
	}
	var missing []store.TrackID
	err := db.Unassigned(c, "", func(id store.TrackID) bool {
		missing = append(missing, id)
		return true
	})
	ask(missing, err, c.Name, " unassigned")
}

// problems returns what a check finds.
func problems(t testing.TB, path string, recompute bool) []store.Problem {
	t.Helper()
	var all []store.Problem
	_, err := store.Check(path, checkOptions(recompute), func(p store.Problem) { all = append(all, p) })
	if err != nil {
		all = append(all, store.Problem{What: err.Error()}) // the command fails with it
	}
	return all
}

// TestFlippedBytes changes a byte of a store, TATUM_FLIPS times: each change
// must be without any effect, or check must report it; and no question may get
// another answer than before, unless it is told of the damage.
func TestFlippedBytes(t *testing.T) {
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
	damaged := filepath.Join(t.TempDir(), "tatum.db")
	var harmless, reported int
	for range flips {
		at, change := flipAt(rng, data), byte(1+rng.IntN(255))
		changed := bytes.Clone(data)
		changed[at] ^= change
		if err := os.WriteFile(damaged, changed, 0o644); err != nil {
			t.Fatal(err)
		}
		if len(problems(t, damaged, false)) > 0 {
			reported++
		} else {
			harmless++
			compare(t, want, answers(t, damaged), true, at, change)
			continue
		}
		compare(t, want, answers(t, damaged), false, at, change)
	}
	t.Logf("%d bytes of %d changed: %d harmless, %d reported", flips, len(data), harmless, reported)
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
