package store

import (
	"context"
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
	fits  map[string]*plainFit
}

// A plainFit is a clustering: the tracks it was trained on, and those that have
// a label.
type plainFit struct{ trained, placed map[TrackID]bool }

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
		delete(fit.placed, id)
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
		m.plain = plainStore{make(map[TrackID]plainSong), make(map[string][]TrackID), make(map[string]*plainFit)}
		if m.w, err = CreateWriter(context.Background(), m.path, 0); err != nil {
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
	fit := &plainFit{make(map[TrackID]bool), make(map[TrackID]bool)}
	for _, id := range ids {
		fit.trained[id], fit.placed[id] = true, true
	}
	m.plain.fits[name] = fit
}

func (m *modelTest) Assign(t *rapid.T) {
	name := anyName.Draw(t, "name")
	if m.plain.fits[name] == nil {
		t.Skip("not clustered")
	}
	var c *Clustering
	var batch []Placed
	fit := m.plain.fits[name]
	must(t, m.w.View(func(db *DB) (err error) {
		if c, err = db.Clustering(name); err != nil {
			return err
		}
		for u, err := range db.Unassigned(c) {
			must(t, err)
			fold, trained := u.Fold(5)
			if want := madePlace(5, u.ID).Fold; trained != fit.trained[u.ID] || trained && fold != want {
				t.Fatalf("%s: fold %d, trained %v, want %d, %v", u.ID, fold, trained, want, fit.trained[u.ID])
			}
			batch = append(batch, Placed{u.ID, madePlaces(u.ID, !trained)}) // Assign knows better
			fit.placed[u.ID] = true
		}
		return nil
	}))
	must(t, m.w.Assign(c, batch))
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
	_, err := m.w.NewFit(Clustering{Name: "default", Features: []Feature{1}}, nil)
	must(t, err)
	must(t, m.w.Close())
	m.w, err = OpenWriter(context.Background(), m.path, 0)
	must(t, err)
}

func (m *modelTest) Compact(t *rapid.T) {
	_, _, err := m.w.Compact(context.Background())
	must(t, err)
}

// Check compares the store with what it should hold.
func (m *modelTest) Check(t *rapid.T) {
	_, err := Check(context.Background(), m.path, CheckOptions{}, func(p Problem) { t.Error(p) })
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
		for f, err := range db.Files() {
			must(t, err)
			files[f.Path] = append([]TrackID{}, f.Tracks...)
		}
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
	if v, err := db.TrackVectors(id); err != nil || !reflect.DeepEqual(v, *vectors) {
		t.Fatalf("vectors of %s: %v, %v", id, v, err)
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
		n := 0
		for p, err := range db.Assignments(c, Span{}) {
			must(t, err)
			n++
			if places := madePlaces(p.ID, want.trained[p.ID]); !want.placed[p.ID] || !reflect.DeepEqual(p.Places, places) {
				t.Fatalf("%s: %s is at %+v, want %+v", c.Name, p.ID, p.Places, places)
			}
		}
		if n != len(want.placed) {
			t.Fatalf("%s: %d places, want %d", c.Name, n, len(want.placed))
		}
		for _, f := range c.Features {
			m.compareMembers(t, db, c, f, n)
		}
	}
	return nil
}

// compareMembers checks that the feature's clusters have n members together, and
// are of the sizes counted.
func (m *modelTest) compareMembers(t *rapid.T, db *DB, c *Clustering, f Feature, n int) {
	sizes, err := db.ClusterSizes(c, f)
	must(t, err)
	for cluster, size := range sizes {
		members, sum := 0, 0.0
		for member, err := range db.Members(c, f, Cluster(cluster)) {
			must(t, err)
			members++
			sum += member.Distance
			if a := madePlace(f, member.ID); a.Fold != member.Fold || a.Label != member.Label || a.Distance() != member.Distance {
				t.Fatalf("%s: member %+v, want %+v", c.Name, member, *a)
			}
		}
		mean := sum / float64(members)
		if size.Tracks != uint64(members) || size.MeanDistance != mean && members > 0 {
			t.Fatalf("%s: cluster %d has %+v, want %d at %v", c.Name, cluster, size, members, mean)
		}
		n -= members
	}
	if n != 0 {
		t.Fatalf("%s: %d members are missing", c.Name, n)
	}
}
