package store

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A plainStore is what a store should hold, as plainly as can be.
type plainStore struct {
	songs map[TrackID]plainSong
	files map[string][]TrackID
	fits  map[string]map[TrackID]bool // tracks with a label, by clustering
}

type plainSong struct {
	path    string
	version int
}

// put is what Writer.Put does with one file and its songs.
func (p *plainStore) put(path string, version int, ids []TrackID) {
	for _, id := range ids {
		old, known := p.songs[id]
		if known && old.path < path {
			continue
		}
		if !known || old.version != version {
			p.unassign(id)
		}
		p.songs[id] = plainSong{path, version}
	}
	p.release(path, slices.DeleteFunc(slices.Clone(p.files[path]), func(id TrackID) bool { return slices.Contains(ids, id) }))
	p.files[path] = ids
}

// release is what happens to tracks that their file has no more.
func (p *plainStore) release(path string, ids []TrackID) {
	for _, id := range ids {
		if p.songs[id].path != path {
			continue
		}
		delete(p.songs, id)
		p.unassign(id)
		for other, has := range p.files {
			if other != path && slices.Contains(has, id) {
				delete(p.files, other)
			}
		}
	}
}

func (p *plainStore) forget(path string) {
	p.release(path, p.files[path])
	delete(p.files, path)
}

func (p *plainStore) unassign(id TrackID) {
	for _, fit := range p.fits {
		delete(fit, id)
	}
}

func (p *plainStore) ids() []TrackID {
	ids := []TrackID{}
	for id := range p.songs {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// TestModel does the same things to a store and to a plainStore, in any order,
// and compares them.
func TestModel(t *testing.T) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		// Each step waits for the disk.
		if err := f.Value.Set("20"); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "model")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		m := &modelTest{path: filepath.Join(dir, "tatum.db")}
		m.plain = plainStore{make(map[TrackID]plainSong), make(map[string][]TrackID), make(map[string]map[TrackID]bool)}
		if m.w, err = CreateWriter(m.path); err != nil {
			t.Fatal(err)
		}
		defer m.w.Close()
		t.Repeat(rapid.StateMachineActions(m))
	})
}

// A modelTest is a store and what it should hold. Its methods are what may be
// done to both; Check is called after each.
type modelTest struct {
	w     *Writer
	path  string
	plain plainStore
}

var (
	anyPath = rapid.Map(rapid.IntRange(0, 5), func(i int) string { return fmt.Sprintf("/%d.h5", i) })
	anyName = rapid.SampledFrom([]string{"default", "other"})
	anyIDs  = rapid.SliceOfNDistinct(rapid.Map(rapid.IntRange(0, 9), testID), 0, 4, rapid.ID[TrackID])
)

func must(t *rapid.T, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

func (m *modelTest) Put(t *rapid.T) {
	path, version, ids := anyPath.Draw(t, "path"), rapid.IntRange(0, 3).Draw(t, "version"), anyIDs.Draw(t, "ids")
	batch := Batch{Files: []File{{Path: path, Tracks: ids}}}
	for _, id := range ids {
		batch.Songs = append(batch.Songs, *EncodeSong(testSong(id, path, version)))
	}
	_, err := m.w.Put(batch)
	must(t, err)
	m.plain.put(path, version, ids)
}

func (m *modelTest) Forget(t *rapid.T) {
	path := anyPath.Draw(t, "path")
	_, err := m.w.Forget([]string{path})
	must(t, err)
	m.plain.forget(path)
}

func (m *modelTest) Cluster(t *rapid.T) {
	name, ids := anyName.Draw(t, "name"), m.plain.ids()
	madeFit(t, m.w, name, ids)
	m.plain.fits[name] = make(map[TrackID]bool)
	m.assigned(name, ids)
}

func (m *modelTest) assigned(name string, ids []TrackID) {
	for _, id := range ids {
		m.plain.fits[name][id] = true
	}
}

func (m *modelTest) Assign(t *rapid.T) {
	name := anyName.Draw(t, "name")
	if m.plain.fits[name] == nil {
		t.Skip("not clustered")
	}
	var c *Clustering
	var missing []TrackID
	must(t, m.w.View(func(db *DB) (err error) {
		if c, err = db.Clustering(name); err != nil {
			return err
		}
		return db.Unassigned(c, "", func(id TrackID) bool {
			missing = append(missing, id)
			return true
		})
	}))
	must(t, m.w.Assign(c, missing, func(_ Feature, i int) *Assignment { return madePlace(missing[i]) }))
	m.assigned(name, missing)
}

func (m *modelTest) Delete(t *rapid.T) {
	name := anyName.Draw(t, "name")
	if m.plain.fits[name] == nil {
		t.Skip("not clustered")
	}
	must(t, m.w.DeleteClustering(name))
	delete(m.plain.fits, name)
}

// Kill leaves a fit unfinished, as a killed process would.
func (m *modelTest) Kill(t *rapid.T) {
	_, err := m.w.NewFit(Clustering{Name: "default", Features: []Feature{1}})
	must(t, err)
	must(t, m.w.Close())
	m.w, err = OpenWriter(m.path)
	must(t, err)
}

func (m *modelTest) Compact(t *rapid.T) {
	_, _, err := m.w.Compact()
	must(t, err)
}

// Check compares the store with what it should hold.
func (m *modelTest) Check(t *rapid.T) {
	_, err := Check(m.path, CheckOptions{}, func(p Problem) { t.Error(p) })
	must(t, err)
	must(t, m.w.View(func(db *DB) error {
		ids, err := db.TrackIDs()
		must(t, err)
		if want := m.plain.ids(); !slices.Equal(ids, want) {
			t.Fatalf("tracks %v, want %v", ids, want)
		}
		for id, want := range m.plain.songs {
			m.compareSong(t, db, id, want)
		}
		files := make(map[string][]TrackID)
		must(t, db.Files(func(f *File) error {
			files[f.Path] = append([]TrackID{}, f.Tracks...)
			return nil
		}))
		if len(files) != len(m.plain.files) {
			t.Fatalf("files %v, want %v", files, m.plain.files)
		}
		for path, want := range m.plain.files {
			if !slices.Equal(files[path], want) {
				t.Fatalf("file %s has %v, want %v", path, files[path], want)
			}
		}
		return m.compareFits(t, db)
	}))
}

func (m *modelTest) compareSong(t *rapid.T, db *DB, id TrackID, want plainSong) {
	song, vectors := testSong(id, want.path, want.version)
	track, err := db.Track(id)
	must(t, err)
	arrays, err := db.Arrays(id)
	must(t, err)
	if track != song.Track || !reflect.DeepEqual(arrays, song.Arrays) {
		t.Fatalf("track %s is not version %d of %s", id, want.version, want.path)
	}
	for _, f := range Features {
		if v, err := db.Vector(f, id); err != nil || v != vectors[f] {
			t.Fatalf("vector %v of %s: %v, %v", f, id, v, err)
		}
	}
}

func (m *modelTest) compareFits(t *rapid.T, db *DB) error {
	all, err := db.Clusterings()
	must(t, err)
	if len(all) != len(m.plain.fits) {
		t.Fatalf("%d clusterings, want %d", len(all), len(m.plain.fits))
	}
	for _, c := range all {
		want := m.plain.fits[c.Name]
		for _, f := range c.Features {
			n, members := 0, 0
			must(t, db.Assignments(c, f, func(id TrackID, a *Assignment) error {
				if n++; !want[id] || !reflect.DeepEqual(a, madePlace(id)) {
					t.Fatalf("%s: %s is at %+v", c.Name, id, *a)
				}
				return nil
			}))
			for cluster := range Cluster(c.K) {
				must(t, db.Members(c, f, cluster, func(TrackID, float64) bool {
					members++
					return true
				}))
			}
			if n != len(want) || members != n {
				t.Fatalf("%s: %d places, %d members, want %d", c.Name, n, members, len(want))
			}
		}
	}
	return nil
}
