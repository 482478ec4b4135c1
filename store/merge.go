package store

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sync/errgroup"

	"tatum/store/pages"
)

// One transaction of a merge writes about mergeBytes of songs, or the records of
// mergeFiles files. A reader waits for one for less than a second.
const (
	mergeBytes = 16 << 20
	mergeFiles = 8192
)

// MergeOptions say how to merge.
type MergeOptions struct {
	Wait time.Duration // how long to wait for another writer of the store or of a shard

	// Progress, if set, is called now and then. It counts the shards' tracks.
	Progress func(done, total int)
}

// Merged counts what a merge did.
type Merged struct {
	Added      int // songs
	Replaced   int // songs
	Unchanged  int // songs that were in the store already
	Outdated   int // songs left out, since a newer version of their file is known
	Duplicates []Duplicate
	Bad        int // files that the shards know and that could not be read

	// Left are the clusterings of the shards, which are not merged.
	Left []ShardClustering
}

// A ShardClustering names a clustering of a shard.
type ShardClustering struct{ Shard, Name string }

// Merge adds the songs and files of shards, which are stores, to the store at
// path, which it makes if there is none. What comes of it is what one ingest of
// all their files would have made of that store, whatever the order of the
// shards: of two files with the same track the one with the smaller path is kept;
// of what stores know of one file, the newest version. Paths of files are only
// compared, not looked up. Clusterings of the shards stay behind; those of the
// store stay.
//
// When ctx ends, or the process does, the same call goes on from there. Nothing
// is written before all shards are open. The errors are those of [Open], which
// name the shard, and ErrSameStore; a shard with a writer is locked. If a shard
// turns out to be damaged, songs of it may have been merged, but no files.
func Merge(ctx context.Context, path string, shards []string, o MergeOptions) (*Merged, error) {
	if err := refuseSame(path, shards); err != nil {
		return nil, err
	}
	m := &merger{ctx: ctx, o: o, stale: make(map[version]bool), masked: make(map[TrackID]string)}
	defer m.close()
	for _, shard := range shards {
		if err := m.open(shard); err != nil {
			return nil, err
		}
	}
	w, err := CreateWriter(ctx, path, o.Wait)
	if err != nil {
		return nil, err
	}
	m.w = w
	return &m.sum, errors.Join(m.merge(), w.Close())
}

// refuseSame returns ErrSameStore if two of the paths lead to one file.
func refuseSame(path string, shards []string) error {
	var known []os.FileInfo
	all := append([]string{path}, shards...)
	for i, p := range all {
		info, err := os.Stat(p)
		if err != nil {
			known = append(known, nil) // which is an error, or made, later
			continue
		}
		for j, other := range known {
			if other == nil || !os.SameFile(info, other) {
				continue
			}
			if j == 0 {
				return fmt.Errorf("merge %q into %q: %w", all[i], all[j], ErrSameStore)
			}
			return fmt.Errorf("merge %q and %q: %w", all[j], all[i], ErrSameStore)
		}
		known = append(known, info)
	}
	return nil
}

// A merger is a merge under way.
type merger struct {
	ctx    context.Context
	w      *Writer
	shards []*DB
	o      MergeOptions
	sum    Merged
	total  int // tracks of the shards

	stale map[version]bool // those that a newer one replaces

	// masked has the tracks that a stale version of a file had and its newest has
	// not, with the path of the song that is put, if any. Files that were passed
	// over for the stale version may have them too.
	masked map[TrackID]string
}

// A version is what a store knows of a file. The store is a shard's number, or
// that after the last, for the store that is merged into.
type version struct {
	store int
	path  string
}

func (m *merger) open(path string) error {
	db, err := openFinished(m.ctx, path, m.o.Wait)
	if err != nil {
		return err
	}
	m.shards = append(m.shards, db)
	state, err := db.State()
	if err != nil {
		return inStore(db, err)
	}
	m.total += int(state.Tracks)
	clusterings, err := db.Clusterings()
	if err != nil {
		return inStore(db, err)
	}
	for _, c := range clusterings {
		m.sum.Left = append(m.sum.Left, ShardClustering{path, c.Name})
	}
	return nil
}

func (m *merger) close() {
	for _, db := range m.shards {
		db.Close()
	}
}

// drop lets go of the memory that the shards' pages take.
func (m *merger) drop() {
	for _, db := range m.shards {
		db.snapshot.Drop()
	}
}

// inStore says in which store an error is.
func inStore(db *DB, err error) error {
	return fmt.Errorf("read store %q: %w", db.bolt.Path(), err)
}

// merge goes through the shards three times. Which versions of files are stale
// must be known before any song is put; files come last, as in an ingest, so that
// one that is known has its songs.
func (m *merger) merge() error {
	if err := m.findStale(); err != nil {
		return err
	}
	err := m.mergeSongs()
	if err == nil {
		err = m.forgetMasked()
	}
	if err == nil {
		err = m.mergeFiles()
	}
	byPath := func(a, b Duplicate) int { return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.ID, b.ID)) }
	slices.SortFunc(m.sum.Duplicates, byPath)
	m.sum.Duplicates = slices.CompactFunc(m.sum.Duplicates, func(a, b Duplicate) bool { return byPath(a, b) == 0 })
	return err
}

// findStale finds the versions of files that a newer one replaces. One that can
// no longer be read replaces none in the store, which keeps its tracks.
func (m *merger) findStale() error {
	return m.w.View(func(db *DB) error {
		for same, err := range together(fileScans(append(slices.Clip(m.shards), db)), (*File).key) {
			if err != nil {
				return err
			}
			if err := m.ctx.Err(); err != nil {
				return err
			}
			f, stale := newest(same)
			for _, v := range stale {
				if f.Bad != nil && v.store == len(m.shards) {
					continue
				}
				m.stale[version{v.store, f.Path}] = true
				for _, id := range v.value.Tracks {
					if !slices.Contains(f.Tracks, id) {
						m.masked[id] = ""
					}
				}
			}
		}
		return nil
	})
}

func (f *File) key() string { return f.Path }

func fileScans(stores []*DB) []iter.Seq2[*File, error] {
	scans := make([]iter.Seq2[*File, error], len(stores))
	for i, db := range stores {
		scans[i] = namingStore(db, db.Files())
	}
	return scans
}

// namingStore says in which store an error of a scan is.
func namingStore[T any](db *DB, scan iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for v, err := range scan {
			if err != nil {
				err = inStore(db, err)
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

// newest returns what is to be remembered of a file that stores know, and what
// they know of older versions. It puts the versions in order.
func newest(versions []from[*File]) (f *File, stale []from[*File]) {
	if len(versions) == 1 {
		return versions[0].value, nil
	}
	slices.SortFunc(versions, func(a, b from[*File]) int { return compareFiles(a.value, b.value) })
	first := *versions[0].value
	first.Tracks = slices.Clone(first.Tracks)
	n := 1
	for ; n < len(versions) && compareVersions(&first, versions[n].value) == 0; n++ {
		for _, id := range versions[n].value.Tracks { // others, if one of the files is bad
			if !slices.Contains(first.Tracks, id) {
				first.Tracks = append(first.Tracks, id)
			}
		}
	}
	return &first, versions[n:]
}

// compareVersions orders versions of a file, the newest first.
func compareVersions(a, b *File) int {
	good := func(f *File) int {
		if f.Bad == nil {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(b.ModTime, a.ModTime), cmp.Compare(good(b), good(a)),
		cmp.Compare(b.Arrays, a.Arrays), cmp.Compare(b.Size, a.Size))
}

// compareFiles orders records of a file, those of one version too: the one with the
// most tracks first, as that which comes of them all would be.
func compareFiles(a, b *File) int {
	isArchive := func(f *File) int {
		if f.Archive {
			return 1
		}
		return 0
	}
	c := cmp.Or(compareVersions(a, b), cmp.Compare(isArchive(a), isArchive(b)),
		cmp.Compare(len(b.Tracks), len(a.Tracks)), slices.Compare(a.Tracks, b.Tracks))
	if c != 0 || a.Bad == nil {
		return c
	}
	return cmp.Or(b.Bad.Time.Compare(a.Bad.Time), cmp.Compare(a.Bad.Step, b.Bad.Step), cmp.Compare(a.Bad.Reason, b.Bad.Reason))
}

// mergeSongs puts the songs of all shards in row order. One batch is read while
// the one before is written.
func (m *merger) mergeSongs() error {
	type songs struct {
		batch Batch
		done  int // of the shards' tracks
	}
	batches := make(chan songs)
	g, ctx := errgroup.WithContext(m.ctx)
	g.Go(func() error {
		defer close(batches)
		return m.eachBatch(func(batch Batch, done int) error {
			m.drop()
			if err := ctx.Err(); err != nil {
				return err
			}
			select {
			case batches <- songs{batch, done}:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	g.Go(func() error {
		for s := range batches {
			s.batch.merged, s.batch.Look = true, m.look
			out, err := m.w.Put(s.batch)
			if err != nil {
				return err
			}
			m.sum.Added += out.Added
			m.sum.Replaced += out.Replaced - out.Same
			m.sum.Unchanged += out.Same
			m.sum.Duplicates = append(m.sum.Duplicates, out.Duplicates...)
			if m.o.Progress != nil {
				m.o.Progress(s.done, m.total)
			}
		}
		return nil
	})
	return g.Wait()
}

// eachBatch calls fn with batches of the songs to be merged, and with how many
// tracks of the shards are done then.
func (m *merger) eachBatch(fn func(batch Batch, done int) error) error {
	scans := make([]iter.Seq2[*EncodedSong, error], len(m.shards))
	for i, db := range m.shards {
		scans[i] = namingStore(db, db.encodedSongs())
	}
	var batch Batch
	size, done := 0, 0
	for same, err := range together(scans, func(s *EncodedSong) string { return string(s.ID) }) {
		if err != nil {
			return err
		}
		song, err := m.choose(same)
		if err != nil {
			return err
		}
		if done += len(same); song == nil {
			continue
		}
		batch.Songs = append(batch.Songs, *song)
		if size += song.Size(); size < mergeBytes {
			continue
		}
		if err := fn(batch, done); err != nil {
			return err
		}
		batch, size = Batch{}, 0
	}
	return fn(batch, done)
}

// choose returns the song to be put of those that shards have under one ID, nil
// if what they have is out of date.
func (m *merger) choose(songs []from[*EncodedSong]) (*EncodedSong, error) {
	var best *from[*EncodedSong]
	for i := range songs {
		s := &songs[i]
		outdated, err := m.isOutdated(s)
		if err != nil {
			return nil, err
		}
		if outdated {
			m.sum.Outdated++
			if s.value.loose {
				m.masked[s.value.ID] = ""
			}
		}
		// Two of one path are of one version of their file: else one were outdated.
		if outdated || best != nil && best.value.compare(s.value) < 0 {
			continue
		}
		best = s
	}
	if best == nil {
		return nil, nil
	}
	if _, ok := m.masked[best.value.ID]; ok {
		m.masked[best.value.ID] = best.value.path
	}
	return best.value, nil
}

// look says of a file whose version in the store is stale that it is gone.
func (m *merger) look(path string, _ TrackID) Presence {
	if m.stale[version{len(m.shards), path}] {
		return Gone
	}
	return There
}

// isOutdated reports whether a newer version of the song's file is known.
func (m *merger) isOutdated(s *from[*EncodedSong]) (bool, error) {
	if !s.value.loose {
		return m.stale[version{s.store, s.value.path}], nil
	}
	for _, db := range m.shards {
		if f, err := db.File(s.value.path); f != nil || err != nil {
			return true, err
		}
	}
	return false, nil
}

// compare orders songs of one ID by their paths, and those of one path by their
// bytes.
func (s *EncodedSong) compare(t *EncodedSong) int {
	if c := strings.Compare(s.path, t.path); c != 0 {
		return c
	}
	other := t.parts()
	for i, part := range s.parts() {
		if c := bytes.Compare(*part, *other[i]); c != 0 {
			return c
		}
	}
	return 0
}

// forgetMasked forgets the store's files that have a smaller path than the song
// that has taken over one of their tracks, so that the next ingest reads them.
func (m *merger) forgetMasked() error {
	if len(m.masked) == 0 {
		return nil
	}
	var paths []string
	err := m.w.View(func(db *DB) error {
		for f, err := range db.Files() {
			if err != nil {
				return err
			}
			for _, id := range f.Tracks {
				if m.masked[id] <= f.Path {
					continue
				}
				t, err := db.Track(id)
				if err != nil {
					return err
				}
				if t.Source.Path != f.Path { // else the store has the file's own song
					paths = append(paths, f.Path)
					break
				}
			}
		}
		return nil
	})
	if err != nil || len(paths) == 0 {
		return err
	}
	return m.w.updateState(func(tx *bbolt.Tx, state *State) error {
		for _, path := range paths {
			if err := deleteFile(tx, path, state); err != nil {
				return err
			}
		}
		return nil
	})
}

// isMasked reports whether one of the file's songs, as it is now, should be in the
// store, but was passed over in its shard.
func (m *merger) isMasked(tx *bbolt.Tx, f *File) (bool, error) {
	for _, id := range f.Tracks {
		chosen, ok := m.masked[id]
		if !ok || chosen == f.Path {
			continue
		}
		t, err := storedTrack(tx, id)
		if errors.Is(err, ErrTrackNotFound) {
			return true, nil
		}
		if err != nil || t.Source.Path >= f.Path {
			return true, err
		}
	}
	return false, nil
}

// mergeFiles remembers the files of all shards.
func (m *merger) mergeFiles() error {
	var batch [][]from[*File]
	for same, err := range together(fileScans(m.shards), (*File).key) {
		if err != nil {
			return err
		}
		batch = append(batch, same)
		if len(batch) < mergeFiles {
			continue
		}
		if err := errors.Join(m.ctx.Err(), m.putVersions(batch)); err != nil {
			return err
		}
		batch = batch[:0]
	}
	return m.putVersions(batch)
}

// putVersions remembers files, of each of which shards know versions.
func (m *merger) putVersions(batch [][]from[*File]) error {
	m.drop()
	var bad int
	var duplicates []Duplicate
	err := m.w.updateState(func(tx *bbolt.Tx, state *State) error {
		var changed, masked []File
		for _, versions := range batch {
			path := versions[0].value.Path
			// Those stay stale if what was newer has been forgotten meanwhile.
			versions = slices.DeleteFunc(slices.Clone(versions), func(v from[*File]) bool { return m.stale[version{v.store, path}] })
			if len(versions) == 0 {
				continue
			}
			known, err := storedFile(tx, path)
			if err != nil {
				return err
			}
			if known != nil {
				versions = append(versions, from[*File]{len(m.shards), known})
			}
			f, _ := newest(versions)
			if f.Bad != nil {
				bad++
			}
			if known != nil && bytes.Equal(sealFile(f), sealFile(known)) {
				continue
			}
			forget, err := m.isMasked(tx, f)
			if err != nil {
				return err
			}
			if forget {
				masked = append(masked, *f)
			}
			changed = append(changed, *f)
		}
		tx.Bucket(filesBucket).FillPercent = fillPercent
		err := putFiles(tx, changed, state, new(Outcome))
		for i := range masked { // which the next ingest is to read
			err = errors.Join(err, deleteFile(tx, masked[i].Path, state))
		}
		if err == nil {
			duplicates, err = duplicatesIn(tx, changed)
		}
		return errors.Join(err, putTime(tx, ingestedKey))
	})
	m.sum.Bad += bad
	m.sum.Duplicates = append(m.sum.Duplicates, duplicates...)
	return err
}

// duplicatesIn returns the songs of files that are not those in the store.
func duplicatesIn(tx *bbolt.Tx, files []File) (duplicates []Duplicate, err error) {
	for i := range files {
		f := &files[i]
		for _, id := range f.Tracks {
			t, err := storedTrack(tx, id)
			switch {
			case errors.Is(err, ErrTrackNotFound): // and the file is forgotten
			case err != nil:
				return nil, err
			case t.Source.Path != f.Path:
				duplicates = append(duplicates, Duplicate{id, f.Path, t.Source.Path})
			}
		}
	}
	return duplicates, nil
}

// encodedSongs yields all songs in row order, verified and copied. At the end
// nothing of a song is left over, and the bytes are as many as were written.
func (db *DB) encodedSongs() iter.Seq2[*EncodedSong, error] {
	return rows(db, func(s *snapshot, yield func(*EncodedSong) bool) error {
		arrays := newAlongside(&s.arrays, nil)
		defer arrays.stop()
		var vectors [len(vectorGroups)]*alongside
		for g, features := range vectorGroups {
			vectors[g] = newAlongside(&s.vectors, []byte{groupOf(features[0])})
			defer vectors[g].stop()
		}
		n, tracks := uint64(0), uint64(0)
		for e, err := range s.tracks.Range(nil, nil) {
			if err != nil {
				return err
			}
			tracks += uint64(len(e.Key) + len(e.Value))
			song, err := s.encodedSong(e, arrays, &vectors)
			if err != nil {
				return err
			}
			if n++; !yield(song) {
				return nil
			}
		}
		err, bytes := arrays.end(), uint64(0)
		for _, v := range vectors {
			err = errors.Join(err, v.end())
			bytes += v.bytes
		}
		return errors.Join(err, s.complete(Features[0], n), s.completeBytes(tracks, arrays.bytes, bytes))
	})
}

// completeBytes returns ErrCorrupt unless the buckets have so many bytes.
func (s *snapshot) completeBytes(tracks, arrays, vectors uint64) error {
	state, err := s.state()
	if err != nil {
		return err
	}
	for p, got := range []uint64{inTracks: tracks, inArrays: arrays, inVectors: vectors} {
		if want := state.bytes[p]; got != want {
			return fmt.Errorf("%w: found %d bytes of %s, of %d", ErrCorrupt, got, partBuckets[p], want)
		}
	}
	return nil
}

// encodedSong returns the song of an entry of the tracks' bucket.
func (s *snapshot) encodedSong(e pages.Entry, arrays *alongside, vectors *[len(vectorGroups)]*alongside) (*EncodedSong, error) {
	t, err := decodeTrack(e.Key, body(e.Value))
	if err != nil {
		return nil, err
	}
	song := &EncodedSong{ID: t.ID, path: t.Source.Path, track: bytes.Clone(e.Value)}
	for a, err := range arrays.of(e.Key) {
		if err != nil {
			return nil, err
		}
		if g := a.Key[TrackIDLen:]; len(g) != 1 || g[0] >= byte(numGroups) {
			return nil, corrupt(a.Key, "key is not that of a track and group")
		}
		song.arrays[a.Key[TrackIDLen]] = bytes.Clone(a.Value)
	}
	for g := range vectors {
		for v, err := range vectors[g].of(e.Key) {
			if err == nil {
				err = checkEachVector(v.Key, v.Value)
			}
			if err != nil {
				return nil, err
			}
			song.vectors[g] = bytes.Clone(v.Value)
		}
	}
	if song.vectors[0] == nil || song.arrays[featureGroup] == nil {
		return nil, corrupt(e.Key, "track without its arrays or vectors")
	}
	file, err := s.files.Get([]byte(song.path))
	song.loose = file == nil
	return song, err
}

// An alongside is a scan of what a bucket has of tracks, under keys of a prefix and
// an ID, beside one of the tracks.
type alongside struct {
	at    int // of the ID in the keys
	entry pages.Entry
	err   error
	more  bool
	next  func() (pages.Entry, error, bool)
	stop  func()
	bytes uint64
}

func newAlongside(b *pages.Bucket, prefix []byte) *alongside {
	a := &alongside{at: len(prefix)}
	a.next, a.stop = iter.Pull2(func(yield func(pages.Entry, error) bool) {
		// What is pulled runs elsewhere, out of reach of the caller's guard.
		err := guard(func() error {
			for e, err := range b.Prefix(prefix) {
				if err != nil {
					return err
				}
				if !yield(e, nil) {
					break
				}
			}
			return nil
		})
		if err != nil {
			yield(pages.Entry{}, err)
		}
	})
	a.step()
	return a
}

func (a *alongside) step() {
	a.entry, a.err, a.more = a.next()
	a.bytes += uint64(len(a.entry.Key) + len(a.entry.Value))
}

// of yields the entries of the track, which is the next. An entry that is of
// none is an error.
func (a *alongside) of(id []byte) iter.Seq2[pages.Entry, error] {
	return func(yield func(pages.Entry, error) bool) {
		for ; a.more; a.step() {
			if a.err != nil {
				yield(a.entry, a.err)
				return
			}
			if len(a.entry.Key) < a.at+TrackIDLen {
				yield(a.entry, corrupt(a.entry.Key, "key is not that of a track"))
				return
			}
			c := bytes.Compare(a.entry.Key[a.at:a.at+TrackIDLen], id)
			if c < 0 {
				yield(a.entry, corrupt(a.entry.Key, "has no track"))
				return
			}
			if c > 0 || !yield(a.entry, nil) {
				return
			}
		}
	}
}

// end returns an error unless the scan has come to its end.
func (a *alongside) end() error {
	if !a.more || a.err != nil {
		return a.err
	}
	return corrupt(a.entry.Key, "has no track")
}

// A from is a value that a store has, which is known by its number.
type from[T any] struct {
	store int
	value T
}

// together goes through scans that each ascend by key as through one. It yields
// the values of a key at once, in the order of their scans.
func together[T any](scans []iter.Seq2[T, error], key func(T) string) iter.Seq2[[]from[T], error] {
	return func(yield func([]from[T], error) bool) {
		var heads heads[T]
		for i, scan := range scans {
			h := &head[T]{from: from[T]{store: i}}
			var stop func()
			h.next, stop = iter.Pull2(scan)
			defer stop()
			more, err := h.step(key)
			if err != nil {
				yield(nil, err)
				return
			}
			if more {
				heads = append(heads, h)
			}
		}
		heap.Init(&heads)
		for len(heads) > 0 {
			var same []from[T]
			for least := heads[0].key; len(heads) > 0 && heads[0].key == least; {
				same = append(same, heads[0].from)
				more, err := heads[0].step(key)
				switch {
				case err != nil:
					yield(nil, err)
					return
				case more:
					heap.Fix(&heads, 0)
				default:
					heap.Pop(&heads)
				}
			}
			if !yield(same, nil) {
				return
			}
		}
	}
}

// A head is where one of the scans of together is.
type head[T any] struct {
	from[T]
	key  string
	next func() (T, error, bool)
}

// step takes the next value of the scan, if there is one more.
func (h *head[T]) step(key func(T) string) (more bool, err error) {
	h.value, err, more = h.next()
	if more && err == nil {
		h.key = key(h.value)
	}
	return more, err
}

// heads is a heap.
type heads[T any] []*head[T]

func (h heads[T]) Len() int { return len(h) }

func (h heads[T]) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].key, h[j].key), cmp.Compare(h[i].store, h[j].store)) < 0
}

func (h heads[T]) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

func (h *heads[T]) Push(v any) { *h = append(*h, v.(*head[T])) }

func (h *heads[T]) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
