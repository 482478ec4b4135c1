package msd

import (
	"fmt"
	"iter"
	"os"

	"gonum.org/v1/hdf5"

	"tatum/ingest/direct"
	"tatum/store"
)

// tableBlock is how many bytes of a songs table are read at once, chunkCache
// how many of each dataset libhdf5 keeps inflated, when a file has many songs.
// A song seldom starts where a chunk does, so the next song finds the chunk
// there instead of inflating it again.
const (
	tableBlock = 256 << 10
	chunkCache = direct.MaxChunk
)

// Songs returns an iterator over the songs of the file at path, in the order
// of its /analysis/songs table, each with the arrays asked for. A file of many
// songs is read song by song, in memory of a few chunks; nothing is held locked
// while the loop's body runs, and the file is open until the loop ends. A file
// of one song is closed when the body runs. Each song is the caller's to keep.
//
// An error is a [*direct.Error] and comes with a nil song. In a file of many songs it
// is of one song; the loop goes on with the next.
func Songs(path string, arrays store.ArraySet) iter.Seq2[*store.Song, error] {
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
func Read(path string, arrays store.ArraySet) ([]*store.Song, error) {
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
	arrays store.ArraySet
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
	row       direct.Row
	rowErr    error
	// dataset and step are what was begun last, for errors.
	dataset, step string
}

// fail returns the error of the current step.
func (r *reader) fail(err error) error {
	return &direct.Error{Path: r.path, Dataset: r.dataset, Step: r.step, Err: err}
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
func openReader(path string, arrays store.ArraySet) (_ *reader, err error) {
	r := &reader{path: path, arrays: arrays, step: direct.StepOpen}
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
		return r.fail(direct.WithoutPath(err))
	}
	if err := direct.CheckFile(info); err != nil {
		return r.fail(err)
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
		return direct.WithoutPath(err)
	}
	f.Close()
	switch {
	case r.size == 0:
		return direct.ErrEmpty
	case !hdf5.IsHDF5(r.path):
		return direct.ErrNotHDF5
	}
	return direct.ErrCut
}

// openTables opens the songs tables that are there and checks that they have
// one row per song.
func (r *reader) openTables() error {
	songs, err := r.openTable(&direct.AnalysisTable)
	if err != nil {
		return err
	}
	if songs == nil && isMissing(r.file, "/analysis", r.access) {
		r.begin("", direct.StepOpen)
		return r.fail(direct.ErrNoGroup)
	}
	if songs == nil {
		return r.fail(direct.ErrMissing)
	}
	if !direct.HasField(songs.fields, "track_id") {
		return r.fail(direct.ErrNoTrackID)
	}
	if r.rows = songs.rows; r.rows == 0 {
		return r.fail(direct.ErrNoRows)
	}
	for _, t := range []*direct.Table{&direct.MetadataTable, &direct.MusicbrainzTable} {
		o, err := r.openTable(t)
		if err != nil {
			return err
		}
		if o == nil {
			continue
		}
		if err := direct.CheckTable(o.rows, r.rows); err != nil {
			return r.fail(err)
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
	for a := range r.arrays.End() {
		r.begin(direct.AnalysisTable.Path, direct.StepType)
		if index := "idx_" + a.String(); !direct.HasField(r.tables[0].fields, index) {
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
	for a := range r.arrays.End() {
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
	start, rowErr := r.row.Start, r.rowErr
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
			to = int(r.row.Start[a])
		}
		if from < 0 || from > to || to > s.rows {
			r.begin(direct.AnalysisTable.Path, direct.StepDecode)
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
	r.row = direct.Row{}
	for _, t := range r.tables {
		b, err := r.tableRow(t, i)
		if err != nil {
			return err
		}
		r.begin(t.path, direct.StepDecode)
		if err := direct.Decode(t.fields, b, &r.row); err != nil {
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
