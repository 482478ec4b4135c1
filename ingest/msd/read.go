package msd

import (
	"errors"
	"fmt"
	"iter"
	"os"

	"gonum.org/v1/hdf5"

	"tatum/store"
)

// Arrays says how many of a song's arrays to read: those numbered below it.
type Arrays int

// What to read.
const (
	Features Arrays = store.NumFeatures // the eight that songs are clustered by
	All      Arrays = store.NumArrays   // the confidences, pitches and timbre too
)

// Limits that are far beyond any real file; see the package comment.
const (
	maxRatio   = 1032     // of declared bytes to the file's, deflate's own limit
	maxRows    = 1 << 20  // of one song in one array
	maxRowSize = 64 << 10 // bytes, of a songs table
	maxChunk   = 4 << 20  // bytes
)

// tableBlock is how many bytes of a songs table are read at once, chunkCache
// how many of each dataset libhdf5 keeps inflated, when a file has many songs.
// A song seldom starts where a chunk does, so the next song finds the chunk
// there instead of inflating it again.
const (
	tableBlock = 256 << 10
	chunkCache = maxChunk
)

// Songs returns an iterator over the songs of the file at path, in the order
// of its /analysis/songs table, each with the arrays asked for. A file of many
// songs is read song by song, in memory of a few chunks; nothing is held locked
// while the loop's body runs, and the file is open until the loop ends. A file
// of one song is closed when the body runs. Each song is the caller's to keep.
//
// An error is an [*Error] and comes with a nil song. In a file of many songs it
// is of one song; the loop goes on with the next.
func Songs(path string, arrays Arrays) iter.Seq2[*store.Song, error] {
	return func(yield func(*store.Song, error) bool) {
		r, err := openReader(path, arrays)
		if err != nil {
			yield(nil, err)
			return
		}
		defer r.close()
		for r.next < r.rows {
			if song, err := r.song(); !yield(song, err) {
				return
			}
		}
	}
}

// Read returns all songs of the file at path, as [Songs] yields them.
func Read(path string, arrays Arrays) ([]*store.Song, error) {
	var songs []*store.Song
	for song, err := range Songs(path, arrays) {
		if err != nil {
			return nil, err
		}
		songs = append(songs, song)
	}
	return songs, nil
}

// A reader reads one file.
type reader struct {
	path   string
	arrays Arrays
	size   int64 // of the file, bytes
	file   *hdf5.File
	access *hdf5.PropList // for opening datasets
	rows   int            // number of songs
	next   int            // row of the song to read next
	tables []*openTable
	// sets and row serve files of many songs only: the arrays, kept open, and
	// the row of song next, which the song before it has read for its ends.
	sets      []*source
	setAccess *hdf5.PropList
	row       row
	rowErr    error
	// dataset and step are what was begun last, for errors.
	dataset, step string
}

// fail returns the error of the current step.
func (r *reader) fail(err error) error {
	return &Error{Path: r.path, Dataset: r.dataset, Step: r.step, Err: err}
}

func (r *reader) failf(format string, args ...any) error {
	return r.fail(fmt.Errorf(format, args...))
}

// begin notes what is being done, for errors.
func (r *reader) begin(dataset, step string) { r.dataset, r.step = dataset, step }

// recovered makes an error of a panic in the binding.
func (r *reader) recovered(err *error) {
	if p := recover(); p != nil {
		*err = r.failf("%s: panic in the HDF5 binding: %v", r.step, p)
	}
}

// openReader opens the file and its tables.
func openReader(path string, arrays Arrays) (_ *reader, err error) {
	r := &reader{path: path, arrays: arrays, step: StepOpen}
	lock()
	defer unlock()
	defer func() {
		if err != nil {
			r.closeLocked()
		}
	}()
	defer r.recovered(&err)
	if err := r.open(); err != nil {
		return nil, err
	}
	if err := r.openTables(); err != nil {
		return nil, err
	}
	if r.rows > 1 {
		return r, r.openArrays()
	}
	return r, nil
}

// open opens the file. The system is asked first: libhdf5 would wait for a
// writer to a named pipe, and has no words for why it cannot open.
func (r *reader) open() error {
	info, err := os.Stat(r.path)
	if err != nil {
		return r.fail(withoutPath(err))
	}
	if info.IsDir() {
		return r.failf("is a directory")
	}
	if !info.Mode().IsRegular() {
		return r.failf("not a regular file")
	}
	r.size = info.Size()
	if r.file, err = hdf5.OpenFile(r.path, hdf5.F_ACC_RDONLY); err != nil {
		return r.fail(r.whyNotOpen())
	}
	if r.access, err = sharedAccess(); err != nil {
		return r.fail(err)
	}
	return nil
}

func (r *reader) whyNotOpen() error {
	f, err := os.Open(r.path)
	if err != nil {
		return withoutPath(err)
	}
	f.Close()
	switch {
	case r.size == 0:
		return errors.New("the file is empty")
	case !hdf5.IsHDF5(r.path):
		return errors.New("not an HDF5 file")
	}
	return errors.New("HDF5 cannot open it: cut short, damaged or being written")
}

// openTables opens the songs tables that are there and checks that they have
// one row per song.
func (r *reader) openTables() error {
	songs, err := r.openTable(&analysisTable)
	if err != nil {
		return err
	}
	if songs == nil && isMissing(r.file, "/analysis", r.access) {
		r.begin("", StepOpen)
		return r.failf("no group /analysis")
	}
	if songs == nil {
		return r.failf("missing")
	}
	if !songs.has("track_id") {
		return r.failf("no column track_id")
	}
	if r.rows = songs.rows; r.rows == 0 {
		return r.failf("no rows, want one per song")
	}
	for _, t := range []*table{&metadataTable, &musicbrainzTable} {
		o, err := r.openTable(t)
		if err != nil {
			return err
		}
		if o != nil && o.rows != r.rows {
			return r.failf("%d rows, want %d as in %s", o.rows, r.rows, analysisTable.path)
		}
	}
	return nil
}

// openArrays opens the arrays of a file of many songs, to stay open, and reads
// the first row.
func (r *reader) openArrays() error {
	var err error
	if r.setAccess, err = newAccess(chunkCache); err != nil {
		return r.fail(err)
	}
	r.access = r.setAccess
	for a := range store.Array(r.arrays) {
		r.begin(analysisTable.path, StepType)
		if index := "idx_" + a.String(); !r.tables[0].has(index) {
			return r.failf("%d songs, but no column %s", r.rows, index)
		}
		s, err := r.openArray(a)
		if err != nil {
			return err
		}
		r.sets = append(r.sets, s)
	}
	r.rowErr = r.readRow(0)
	return nil
}

// song reads the next song. After the last it closes the file.
func (r *reader) song() (song *store.Song, err error) {
	lock()
	defer unlock()
	defer func() {
		if r.next++; r.next == r.rows {
			r.closeLocked()
		}
	}()
	defer r.recovered(&err)
	if r.rows == 1 {
		return r.onlySong()
	}
	return r.nextSong()
}

// onlySong reads the song of a file of one.
func (r *reader) onlySong() (*store.Song, error) {
	if err := r.readRow(0); err != nil {
		return nil, err
	}
	song := &store.Song{Track: r.row.Track}
	for a := range store.Array(r.arrays) {
		s, err := r.openArray(a)
		if err != nil {
			return nil, err
		}
		song.Arrays[a], err = r.readWhole(s)
		s.Close()
		if err != nil {
			return nil, err
		}
	}
	return song, nil
}

// nextSong reads a song of a file of many. Its row has been read already; the
// next one is read to know where its arrays end. What is wrong with that one is
// kept until its turn comes.
func (r *reader) nextSong() (*store.Song, error) {
	song := &store.Song{Track: r.row.Track}
	start, rowErr := r.row.start, r.rowErr
	last := r.next+1 == r.rows
	if !last {
		r.rowErr = r.readRow(r.next + 1)
	}
	if rowErr != nil {
		return nil, rowErr
	}
	for a, s := range r.sets {
		from, to := int(start[a]), s.rows
		if !last {
			to = int(r.row.start[a])
		}
		if from < 0 || from > to || to > s.rows {
			r.begin(analysisTable.path, StepDecode)
			return nil, r.failf("row %d: idx_%s gives rows %d to %d of %d", r.next, store.Array(a), from, to, s.rows)
		}
		var err error
		if song.Arrays[a], err = r.readPart(s, from, to); err != nil {
			return nil, err
		}
	}
	return song, nil
}

// readRow reads row i of all tables.
func (r *reader) readRow(i int) error {
	r.row = row{}
	for _, t := range r.tables {
		b, err := r.tableRow(t, i)
		if err != nil {
			return err
		}
		r.begin(t.path, StepDecode)
		if err := t.decode(b, &r.row); err != nil {
			if r.rows > 1 {
				err = fmt.Errorf("row %d: %w", i, err)
			}
			return r.fail(err)
		}
	}
	return nil
}

func (r *reader) close() {
	lock()
	defer unlock()
	r.closeLocked()
}

// closeLocked closes what is open; calling it twice does no harm. Errors of
// closing say nothing about what was read.
func (r *reader) closeLocked() {
	for _, s := range r.sets {
		s.Close()
	}
	for _, t := range r.tables {
		t.Close()
	}
	if r.setAccess != nil {
		r.setAccess.Close()
	}
	if r.file != nil {
		r.file.Close()
	}
	r.sets, r.tables, r.setAccess, r.file = nil, nil, nil, nil
}
