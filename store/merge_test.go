package store

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

// dump returns every key of a store with its value, times left out.
func dump(t fataler, path string) map[string]string {
	t.Helper()
	b, err := bbolt.Open(path, 0o644, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	all := make(map[string]string)
	var add func(name string, b *bbolt.Bucket) error
	add = func(name string, b *bbolt.Bucket) error {
		return b.ForEach(func(key, value []byte) error {
			at := fmt.Sprintf("%s/%q", name, key)
			if value == nil {
				return add(at, b.Bucket(key))
			}
			all[at] = fmt.Sprintf("%x", value)
			return nil
		})
	}
	err = b.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error { return add(string(name), b) })
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range [][]byte{createdKey, ingestedKey, writtenKey} {
		delete(all, fmt.Sprintf("meta/%q", key))
	}
	return all
}

// difference of two dumps, for people.
func dumpDiff(got, want map[string]string) (diff []string) {
	keys := maps.Clone(want)
	maps.Copy(keys, got)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if got[key] != want[key] {
			diff = append(diff, fmt.Sprintf("%s: got %s, want %s", key, got[key], want[key]))
		}
	}
	return diff
}

// TestSameStores compares the stores that TATUM_SAME names, key by key. `make
// spark` runs it.
func TestSameStores(t *testing.T) {
	paths := filepath.SplitList(os.Getenv("TATUM_SAME"))
	if len(paths) == 0 {
		t.Skip("TATUM_SAME is not set to stores")
	}
	want := dumpUntimed(t, paths[0])
	for _, path := range paths[1:] {
		if diff := dumpDiff(dumpUntimed(t, path), want); diff != nil {
			t.Fatalf("%s: %d keys differ from those of %s: %s", path, len(diff), paths[0], strings.Join(diff, "\n"))
		}
	}
	t.Logf("%d keys are the same", len(want))
}

// dumpUntimed is dump without the times of bad files, and what depends on them.
func dumpUntimed(t fataler, path string) map[string]string {
	t.Helper()
	all := dump(t, path)
	delete(all, fmt.Sprintf("meta/%q", endsKey))
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for f, err := range db.Files() {
		if err != nil {
			t.Fatal(err)
		}
		if f.Bad != nil {
			f.Bad.Time = time.Unix(0, 0)
			all[fmt.Sprintf("files/%q", f.Path)] = fmt.Sprintf("%x", sealFile(f))
		}
	}
	return all
}

// A madeFile is a song file as a test ingests it.
type madeFile struct {
	path    string
	version int // which the songs depend on
	arrays  ArraySet
	ids     []TrackID
	bad     bool // after the songs
}

// ingestMade does what an ingest of the files does.
func ingestMade(t fataler, path string, files []madeFile) {
	t.Helper()
	w, err := CreateWriter(context.Background(), path, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b madeFile) int { return strings.Compare(a.path, b.path) })
	for _, f := range files {
		record := File{Path: f.path, Size: 1, ModTime: int64(f.version), Arrays: f.arrays, Tracks: f.ids}
		if f.bad {
			record.Bad = &Failure{Step: "read", Reason: "no song", Time: time.Unix(int64(f.version), 0)}
		}
		batch := Batch{Files: []File{record}, merged: true} // with the arrays asked for, whatever was there
		for _, id := range f.ids {
			song, vectors := testSong(id, f.path, f.version)
			if f.arrays == AllArrays {
				addSound(song, vectors, f.version)
			}
			batch.Songs = append(batch.Songs, *EncodeSong(song, vectors))
		}
		if _, err := w.Put(batch); err != nil {
			t.Fatal(err)
		}
	}
}

// addSound gives a song sound features that depend on seed.
func addSound(song *Song, vectors *VectorSet, seed int) {
	for _, f := range []Feature{Pitches, Timbre} {
		song.Arrays[f] = []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, float64(seed)}
		vectors[f] = make(Vector, f.VectorLen())
		vectors[f][0] = float64(seed)
	}
}

var anyFile = rapid.Custom(func(t *rapid.T) madeFile {
	return madeFile{
		path: anyPath.Draw(t, "path"), version: rapid.IntRange(0, 2).Draw(t, "version"), ids: anyIDs.Draw(t, "ids"),
		arrays: ArraySet(rapid.IntRange(0, 1).Draw(t, "arrays")), bad: rapid.IntRange(0, 4).Draw(t, "bad") == 0,
	}
})

func samePath(f madeFile) string { return f.path }

// inTempDir runs fn with a new directory.
func inTempDir(t *rapid.T, fn func(dir string)) {
	dir, err := os.MkdirTemp("/dev/shm", "merge") // where nothing waits for the disk
	if err != nil {
		dir, err = os.MkdirTemp("", "merge")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	fn(dir)
}

// ingestShards ingests files into shards, some into several, and returns the
// shards in any order.
func ingestShards(t *rapid.T, dir string, files []madeFile) []string {
	parts := make([][]madeFile, rapid.IntRange(1, 4).Draw(t, "shards"))
	for _, f := range files {
		for range rapid.IntRange(1, 2).Draw(t, "copies") {
			i := rapid.IntRange(0, len(parts)-1).Draw(t, "shard")
			parts[i] = append(parts[i], f)
		}
	}
	var shards []string
	for i, part := range parts {
		path := filepath.Join(dir, fmt.Sprintf("shard-%d.db", i))
		ingestMade(t, path, part)
		shards = append(shards, path)
	}
	return rapid.Permutation(shards).Draw(t, "order")
}

func mergeAll(t fataler, path string, shards []string) *Merged {
	t.Helper()
	sum, err := Merge(context.Background(), path, shards, MergeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// setChecks sets how much rapid tries, unless it is told by a flag, and that it
// tries the same each time.
func setChecks(t *testing.T, n string) {
	t.Helper()
	if f := flag.Lookup("rapid.checks"); f.Value.String() != f.DefValue {
		return
	}
	for name, value := range map[string]string{"rapid.checks": n, "rapid.seed": "1"} {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, name := range []string{"rapid.checks", "rapid.seed"} {
			f := flag.Lookup(name)
			if err := flag.Set(name, f.DefValue); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestMergeIsIngest merges any files, in shards cut in any way, into a store that
// has some already, with a clustering, and compares what comes of it with one
// ingest of them all.
func TestMergeIsIngest(t *testing.T) {
	setChecks(t, "30")
	rapid.Check(t, func(t *rapid.T) {
		inTempDir(t, func(dir string) {
			files := rapid.SliceOfNDistinct(anyFile, 0, 6, samePath).Draw(t, "files")
			got, want := filepath.Join(dir, "got.db"), filepath.Join(dir, "want.db")
			if known := files[:rapid.IntRange(0, len(files)).Draw(t, "known")]; len(known) > 0 {
				ingestMade(t, want, known)
				data, err := os.ReadFile(want)
				if err == nil && rapid.Bool().Draw(t, "clustered") {
					clusterMade(t, want)
					data, err = os.ReadFile(want)
				}
				if err = errors.Join(err, os.WriteFile(got, data, 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			ingestMade(t, want, files)
			shards := ingestShards(t, dir, files)
			mergeAll(t, got, shards)
			for _, again := range []bool{false, true} {
				if diff := dumpDiff(dump(t, got), dump(t, want)); diff != nil {
					t.Fatalf("again %v: %s", again, strings.Join(diff, "\n"))
				}
				mustBeWhole(t, got)
				sum := mergeAll(t, got, shards)
				if sum.Added > 0 || sum.Replaced > 0 || sum.Duplicates != nil {
					t.Fatalf("merged again: got %+v, want nothing new", sum)
				}
			}
		})
	})
}

// TestMergeVersions merges shards that know different versions of the files: what
// comes of it depends neither on their order nor, unless a file is forgotten so
// that the next ingest reads it, on how often it is done.
func TestMergeVersions(t *testing.T) {
	setChecks(t, "30")
	rapid.Check(t, func(t *rapid.T) {
		inTempDir(t, func(dir string) {
			old := filepath.Join(dir, "old.db")
			files := rapid.SliceOfNDistinct(anyFile, 1, 6, samePath).Draw(t, "old")
			ingestMade(t, old, files)
			clusterMade(t, old)
			data, err := os.ReadFile(old)
			if err != nil {
				t.Fatal(err)
			}
			shards := []string{}
			newest := make(map[string]int) // by path
			for _, f := range files {
				newest[f.path] = f.version
			}
			for i := range rapid.IntRange(1, 3).Draw(t, "shards") {
				files := rapid.SliceOfNDistinct(anyFile, 0, 6, samePath).Draw(t, "files")
				path := filepath.Join(dir, fmt.Sprintf("shard-%d.db", i))
				ingestMade(t, path, files)
				shards = append(shards, path)
				for _, f := range files {
					newest[f.path] = max(newest[f.path], f.version)
				}
			}
			var want map[string]string
			for i, order := range [][]string{shards, rapid.Permutation(shards).Draw(t, "order")} {
				path := filepath.Join(dir, fmt.Sprintf("out-%d.db", i))
				if err := os.WriteFile(path, data, 0o644); err != nil {
					t.Fatal(err)
				}
				for again, forgotten := 0, false; again < 2 && !forgotten; again++ {
					mergeAll(t, path, order)
					mustBeWhole(t, path)
					got := dump(t, path)
					forgotten = checkVersions(t, path, newest) < len(newest)
					if want == nil {
						want = got
					}
					if diff := dumpDiff(got, want); diff != nil {
						t.Fatal(strings.Join(diff, "\n"))
					}
				}
			}
		})
	})
}

// checkVersions fails unless the store remembers files as they were last, and
// tracks of them as they were then. It returns how many files there are.
func checkVersions(t fataler, path string, newest map[string]int) (files int) {
	t.Helper()
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for f, err := range db.Files() {
		if err != nil {
			t.Fatal(err)
		}
		if files++; int(f.ModTime) < newest[f.Path] {
			t.Fatal(fmt.Sprintf("%s: got version %d, want %d", f.Path, f.ModTime, newest[f.Path]))
		}
		for _, id := range f.Tracks {
			track, err := db.Track(id)
			if err != nil {
				t.Fatal(err)
			}
			if track.Source.Path > f.Path {
				t.Fatal(fmt.Sprintf("%s: got that of %s, want that of %s", id, track.Source.Path, f.Path))
			}
			if track.Source.Path == f.Path && f.Bad == nil && track.Title != fmt.Sprint("Song ", f.ModTime) {
				t.Fatal(fmt.Sprintf("%s of %s: got %q, want that of version %d", id, f.Path, track.Title, f.ModTime))
			}
		}
	}
	return files
}

func clusterMade(t fataler, path string) {
	t.Helper()
	w, err := OpenWriter(context.Background(), path, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var ids []TrackID
	err = w.View(func(db *DB) (err error) {
		ids, err = db.TrackIDs()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	madeFit(t, w, "default", ids)
}

func mustBeWhole(t fataler, path string) {
	t.Helper()
	_, err := Check(context.Background(), path, CheckOptions{}, func(p Problem) { t.Fatal(p) })
	if err != nil {
		t.Fatal(err)
	}
}

// TestMergeCounts merges what each count is of.
func TestMergeCounts(t *testing.T) {
	dir := t.TempDir()
	out, one, two := filepath.Join(dir, "out.db"), filepath.Join(dir, "1.db"), filepath.Join(dir, "2.db")
	file := func(path string, ids ...int) madeFile {
		f := madeFile{path: path, bad: len(ids) == 0}
		for _, i := range ids {
			f.ids = append(f.ids, testID(i))
		}
		return f
	}
	ingestMade(t, out, []madeFile{file("/b", 1), file("/c", 2)})
	ingestMade(t, one, []madeFile{file("/a", 1), file("/c", 2), file("/d", 3), file("/e", 3)})
	ingestMade(t, two, []madeFile{file("/f", 3, 4), file("/g")})
	clusterMade(t, one)
	sum := mergeAll(t, out, []string{one, two})
	got := fmt.Sprintf("%+v", *sum)
	want := fmt.Sprintf("%+v", Merged{
		Added: 2, Replaced: 1, Unchanged: 1, Bad: 1,
		Duplicates: []Duplicate{{testID(1), "/b", "/a"}, {testID(3), "/e", "/d"}, {testID(3), "/f", "/d"}},
		Left:       []ShardClustering{{one, "default"}},
	})
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestNewest orders versions of a file, the newest first.
func TestNewest(t *testing.T) {
	bad := &Failure{Step: "read"}
	order := []File{
		{ModTime: 2, Bad: bad},
		{ModTime: 1, Arrays: AllArrays, Size: 2},
		{ModTime: 1, Arrays: AllArrays, Size: 1},
		{ModTime: 1, Size: 3},
		{ModTime: 1, Arrays: AllArrays, Bad: bad},
		{ModTime: 1, Size: 2, Bad: bad},
		{ModTime: 0, Arrays: AllArrays, Size: 9},
	}
	for i := range order {
		for j := range order {
			f, stale := newest([]from[*File]{{0, &order[i]}, {1, &order[j]}})
			if first := order[min(i, j)]; !reflect.DeepEqual(*f, first) {
				t.Errorf("%d and %d: got %+v, want %+v", i, j, f, first)
			}
			if (len(stale) == 0) != (i == j) {
				t.Errorf("%d and %d: %d are stale", i, j, len(stale))
			}
		}
	}
	one, two := File{ModTime: 1, Tracks: []TrackID{testID(2)}}, File{ModTime: 1, Tracks: []TrackID{testID(1), testID(2)}}
	f, stale := newest([]from[*File]{{0, &one}, {1, &two}})
	if want := []TrackID{testID(1), testID(2)}; !slices.Equal(f.Tracks, want) || len(stale) != 0 {
		t.Errorf("of one version: got %v and %v, want %v", f.Tracks, stale, want)
	}
}

// TestMergeForgetsPassedOver merges a newer version of a file that has lost its
// track, and files that were passed over for the old one: those whose song is not in
// the store, though it should be, are forgotten, to be read by the next ingest.
func TestMergeForgetsPassedOver(t *testing.T) {
	file := func(path string, version, id int) madeFile {
		return madeFile{path: path, version: version, ids: []TrackID{testID(id)}}
	}
	old, newer, over := file("/a", 0, 1), file("/a", 1, 2), file("/b", 0, 1)
	unreadable := madeFile{path: "/a", version: 1, bad: true}
	type files = []madeFile
	for _, c := range []struct {
		what   string
		known  files
		shards []files
		want   string // files, then tracks with theirs
	}{
		{"gone", nil, []files{{old, over}, {newer}}, "/a; 2 of /a"},
		{"another has it", nil, []files{{old, over}, {newer, file("/c", 0, 1)}}, "/a /c; 1 of /c 2 of /a"},
		{"another that comes first", nil, []files{{old, over}, {newer, file("/aa", 0, 1)}}, "/a /aa /b; 1 of /aa 2 of /a"},
		{"unreadable", nil, []files{{old, over}, {unreadable}}, "/a;"},
		{"known, gone", files{old, over}, []files{{newer}}, "/a; 2 of /a"},
		{"known, another has it", files{old, over}, []files{{newer, file("/c", 0, 1)}}, "/a /c; 1 of /c 2 of /a"},
		{"known, another that comes first", files{old, over}, []files{{newer, file("/aa", 0, 1)}}, "/a /aa /b; 1 of /aa 2 of /a"},
		{"known, unreadable", files{old, over}, []files{{unreadable}}, "/a /b; 1 of /a"},
		// The store knows of all arrays of /0, so the shard's song is outdated.
		{"known, has its song", files{{path: "/0", arrays: AllArrays, ids: []TrackID{testID(1)}, bad: true}},
			[]files{{{path: "/0", ids: []TrackID{testID(1)}, bad: true}, old}, {newer, over}}, "/0 /a /b; 1 of /0 2 of /a"},
	} {
		dir := t.TempDir()
		out := filepath.Join(dir, "out.db")
		if c.known != nil {
			ingestMade(t, out, c.known)
		}
		var shards []string
		for i, files := range c.shards {
			shards = append(shards, filepath.Join(dir, fmt.Sprint(i)))
			ingestMade(t, shards[i], files)
		}
		mergeAll(t, out, shards)
		mustBeWhole(t, out)
		view(t, out, func(db *DB) {
			var got []string
			for f, err := range db.Files() {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, f.Path)
			}
			ids, err := db.TrackIDs()
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Join(got, " ") + ";"
			for _, id := range ids {
				track, err := db.Track(id)
				if err != nil {
					t.Fatal(err)
				}
				text += fmt.Sprintf(" %s of %s", strings.TrimLeft(string(id), "TRA0"), track.Source.Path)
			}
			if text != c.want {
				t.Errorf("%s: got %q, want %q", c.what, text, c.want)
			}
		})
	}
}

// TestMergeLoose merges a song whose file the shard does not know, as a killed
// ingest leaves it: it yields to what is known of the file.
func TestMergeLoose(t *testing.T) {
	dir := t.TempDir()
	loose, whole, empty := filepath.Join(dir, "loose.db"), filepath.Join(dir, "whole.db"), filepath.Join(dir, "empty.db")
	w, err := CreateWriter(context.Background(), loose, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Put(Batch{Songs: []EncodedSong{*EncodeSong(testSong(testID(1), "/a", 0)), *EncodeSong(testSong(testID(2), "/b", 0))}})
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	ingestMade(t, whole, []madeFile{{path: "/a", version: 1, ids: []TrackID{testID(1)}}})
	ingestMade(t, empty, nil)
	merged := filepath.Join(dir, "merged.db")
	if sum := mergeAll(t, merged, []string{loose, whole, empty}); sum.Outdated != 1 {
		t.Errorf("%d songs are outdated, want 1", sum.Outdated)
	}
	mergeAll(t, whole, []string{loose, empty})
	for _, path := range []string{merged, whole} {
		view(t, path, func(db *DB) {
			for i, want := range map[int]string{1: "Song 1", 2: "Song 0"} {
				if track, err := db.Track(testID(i)); err != nil || track.Title != want {
					t.Errorf("%s: got %q, %v, want %q", filepath.Base(path), track.Title, err, want)
				}
			}
		})
		mustBeWhole(t, path)
	}
}

// TestMergeDamaged flips bits of a shard. A merge says which shard is damaged, or
// the bits do not matter to it.
func TestMergeDamaged(t *testing.T) {
	dir := t.TempDir()
	shard, other, want := filepath.Join(dir, "shard.db"), filepath.Join(dir, "other.db"), filepath.Join(dir, "want.db")
	var files, others []madeFile
	for i := range 40 {
		f := madeFile{path: fmt.Sprintf("/%d", i), ids: []TrackID{testID(i)}, arrays: ArraySet(i % 2)}
		if files = append(files, f); i%3 == 0 {
			others = append(others, f)
		}
	}
	ingestMade(t, shard, files)
	clusterMade(t, shard)
	ingestMade(t, other, others)
	mergeAll(t, want, []string{shard, other})
	whole := dump(t, want)
	data, err := os.ReadFile(shard)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for run := range 150 {
		bad := slices.Clone(data)
		at, bit := rng.IntN(len(bad)), byte(1)<<rng.IntN(8)
		bad[at] ^= bit
		if err := os.WriteFile(shard, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		got := filepath.Join(dir, fmt.Sprintf("got-%d.db", run))
		_, err := Merge(context.Background(), got, []string{other, shard}, MergeOptions{})
		switch {
		case err == nil:
			if diff := dumpDiff(dump(t, got), whole); diff != nil {
				t.Fatalf("bit %x of byte %d: merged, but %s", bit, at, strings.Join(diff, "\n"))
			}
		case !strings.Contains(err.Error(), fmt.Sprintf("%q", shard)):
			t.Fatalf("bit %x of byte %d: got error %v, want one that names %q", bit, at, err, shard)
		default:
			refused++
		}
		os.Remove(got)
	}
	t.Logf("%d of 150 damaged shards refused, the others merged whole", refused)
}

// TestMergeFindsStrays merges shards whose parts do not belong together: what has no
// track, before the first one, between two and after the last, and what lacks its
// own.
func TestMergeFindsStrays(t *testing.T) {
	put := func(at part, key, value []byte) func(tx *bbolt.Tx, state *State) error {
		return func(tx *bbolt.Tx, state *State) error {
			return state.put(tx, at, key, tx.Bucket(partBuckets[at]).Get(key), value)
		}
	}
	cases := map[string]func(tx *bbolt.Tx, state *State) error{
		"no vectors": put(inVectors, vectorsKey(Features[0], testID(4)), nil),
		"no arrays":  put(inArrays, arraysKey(testID(4), featureGroup), nil),
		"no track":   put(inTracks, []byte(testID(4)), nil),
	}
	for _, i := range []int{1, 3, 5} {
		vectors, arrays := vectorsKey(Features[0], testID(i)), arraysKey(testID(i), featureGroup)
		cases[fmt.Sprint("vectors of ", i)] = put(inVectors, vectors, sealVectors(vectors, Features[:], NewVectors(Features[:])))
		cases[fmt.Sprint("arrays of ", i)] = put(inArrays, arrays, seal(arrays, make([]byte, 100)))
	}
	for what, spoil := range cases {
		w, path := spoiltWriter(t)
		putTestSong(t, w, testID(2), "/2", 2)
		putTestSong(t, w, testID(4), "/4", 4)
		if err := w.updateState(spoil); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		_, err := Merge(context.Background(), filepath.Join(t.TempDir(), "out.db"), []string{path}, MergeOptions{})
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got %v, want %v", what, err, ErrCorrupt)
		}
	}
}

func TestMergeRefuses(t *testing.T) {
	dir := t.TempDir()
	out, shard, link := filepath.Join(dir, "out.db"), filepath.Join(dir, "shard.db"), filepath.Join(dir, "link.db")
	ingestMade(t, shard, []madeFile{{path: "/a", ids: []TrackID{testID(1)}}})
	if err := os.Link(shard, link); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		out    string
		shards []string
		want   error
	}{
		{"no shard there", out, []string{shard, filepath.Join(dir, "none.db")}, ErrNoStore},
		{"itself", shard, []string{shard}, ErrSameStore},
		{"twice", out, []string{shard, shard}, ErrSameStore},
		{"twice by two names", out, []string{shard, link}, ErrSameStore},
		{"earlier format", out, []string{shard, "testdata/format2.store"}, ErrFormatVersion},
	} {
		if _, err := Merge(context.Background(), c.out, c.shards, MergeOptions{}); !errors.Is(err, c.want) {
			t.Errorf("%s: got error %v, want %v", c.name, err, c.want)
		}
	}
	w, err := OpenWriter(context.Background(), shard, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Merge(context.Background(), out, []string{shard}, MergeOptions{}); !errors.Is(err, ErrLocked) {
		t.Errorf("shard with a writer: got error %v, want %v", err, ErrLocked)
	}
	if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got a store, %v, want none", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Merge(ctx, out, []string{shard}, MergeOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: got error %v, want %v", err, context.Canceled)
	}
	if sum := mergeAll(t, out, []string{shard}); sum.Added != 1 {
		t.Errorf("got %+v, want one song", sum)
	}
}
