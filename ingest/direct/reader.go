package direct

import (
	"bytes"
	"errors"
	"io"
	"os"

	"tatum/store"
)

// A Reader reads song files, one after the other, in buffers that it keeps: some
// 300 kB, and a few chunks of the largest song. The zero value is ready to use.
// It is for one goroutine at a time.
type Reader struct {
	path   string
	size   int64 // of the file, bytes
	file   file
	super  superblock
	header header
	inflater
	// dataset and step are what was begun last, for errors.
	dataset, step string

	root, analysis, other group
	tables                [3]dataset // of songs: analysis, metadata, musicbrainz
	layouts               [3]rowLayout
	row                   Row
	rowBytes              []byte // of the table read last
	array                 dataset
	dims                  [2]uint64 // of the dataset opened last
	chunks                []chunk   // that dataset's
	inflated              []byte    // a chunk
}

// Read reads a song file with a new Reader.
func Read(path string, arrays store.ArraySet) (*store.Song, error) {
	return new(Reader).Read(path, arrays)
}

// Read returns the song of the file at path, with the arrays asked for: the
// song that package msd would return. It is the caller's to keep.
//
// The error is an [*Error], the one that msd would return, or ErrUnsure.
func (r *Reader) Read(path string, arrays store.ArraySet) (*store.Song, error) {
	song := new(store.Song)
	if err := r.ReadTo(song, path, arrays); err != nil {
		return nil, err
	}
	return song, nil
}

// ReadTo is Read into a song that was read before: its arrays are overwritten
// where they have room. After an error it holds nothing of use.
func (r *Reader) ReadTo(song *store.Song, path string, arrays store.ArraySet) error {
	r.path = path
	r.begin("", StepOpen)
	info, err := os.Stat(path) // first, since to open a named pipe is to wait
	if err != nil {
		return r.fail(WithoutPath(err))
	}
	if err := CheckFile(info); err != nil {
		return r.fail(err)
	}
	f, err := os.Open(path)
	if err != nil {
		return r.fail(WithoutPath(err))
	}
	defer f.Close()
	return r.ReadFrom(song, f, info.Size(), path, arrays)
}

// ReadFrom is ReadTo of a file that is open already, or held in memory, of size
// bytes. Only errors name the path.
func (r *Reader) ReadFrom(song *store.Song, f io.ReaderAt, size int64, path string, arrays store.ArraySet) error {
	r.path, r.size = path, size
	r.begin("", StepOpen)
	r.file.reset(f, size)
	return r.song(song, arrays)
}

// fail returns the error of the current step, unless it is ErrUnsure.
func (r *Reader) fail(err error) error {
	if errors.Is(err, ErrUnsure) {
		return err
	}
	return &Error{Path: r.path, Dataset: r.dataset, Step: r.step, Err: err}
}

// begin notes what is being done, for errors.
func (r *Reader) begin(dataset, step string) { r.dataset, r.step = dataset, step }

// song reads the open file, in the order in which msd reads, so that of several
// faults the same is found.
func (r *Reader) song(song *store.Song, arrays store.ArraySet) error {
	var err error
	if r.super, err = r.openSuperblock(); err != nil {
		return err
	}
	if err := r.openTables(); err != nil {
		return err
	}
	if err := r.readRows(); err != nil {
		return err
	}
	song.Track = r.row.Track
	for a := range arrays.End() {
		if song.Arrays[a], err = r.readArray(song.Arrays[a], a); err != nil {
			return err
		}
	}
	clear(song.Arrays[arrays.End():])
	return nil
}

// openTables opens the songs tables that are there and checks that they have
// one row each.
func (r *Reader) openTables() error {
	if err := r.readGroup(&r.root, r.super.root); err != nil {
		return err
	}
	if ok, err := r.openGroup(&r.analysis, "analysis"); err != nil {
		return err
	} else if !ok {
		return r.fail(ErrNoGroup)
	}
	songs := &r.tables[0]
	if err := r.openTable(0, &AnalysisTable, &r.analysis); err != nil {
		return err
	}
	switch {
	case !songs.exists:
		return r.fail(ErrMissing)
	case !HasField(r.layouts[0].fields, "track_id"):
		return r.fail(ErrNoTrackID)
	case songs.rows == 0:
		return r.fail(ErrNoRows)
	case songs.rows > 1:
		return unsure("%d songs", songs.rows)
	}
	if err := r.openOther(1, "metadata", &MetadataTable); err != nil {
		return err
	}
	return r.openOther(2, "musicbrainz", &MusicbrainzTable)
}

// openGroup reads the group called name. It reports false when there is none.
func (r *Reader) openGroup(g *group, name string) (bool, error) {
	addr, ok := r.root.lookUp(name)
	if !ok {
		return false, nil
	}
	return true, r.readGroup(g, addr)
}

// openOther opens a table that may be missing, and its group too.
func (r *Reader) openOther(i int, name string, t *Table) error {
	d := &r.tables[i]
	d.exists = false
	if ok, err := r.openGroup(&r.other, name); err != nil || !ok {
		return err
	}
	if err := r.openTable(i, t, &r.other); err != nil || !d.exists {
		return err
	}
	if err := CheckTable(d.rows, 1); err != nil {
		return r.fail(err)
	}
	return nil
}

// openTable opens table i, the songs of a group.
func (r *Reader) openTable(i int, t *Table, g *group) error {
	l, d := &r.layouts[i], &r.tables[i]
	err := r.open(d, g, t.Path, "songs", 1, func(message []byte) (int, error) {
		err := l.read(t, message)
		return l.rowSize, err
	})
	// Its row is read after other headers.
	d.inline, d.fill = bytes.Clone(d.inline), bytes.Clone(d.fill)
	return err
}

// readRows reads the row of each table.
func (r *Reader) readRows() error {
	r.row = Row{}
	for i := range r.tables {
		d, fields := &r.tables[i], r.layouts[i].fields
		if !d.exists {
			continue
		}
		r.begin(d.path, StepRead)
		b, err := r.firstRow(d, fields)
		if err != nil {
			return err
		}
		r.begin(d.path, StepDecode)
		if err := Decode(fields, b, &r.row); err != nil {
			return r.fail(err)
		}
	}
	return nil
}

// readArray reads an array of /analysis, into dst if it has room.
func (r *Reader) readArray(dst []float64, a store.Array) ([]float64, error) {
	d := &r.array
	if err := r.open(d, &r.analysis, ArrayPath(a), a.String(), a.Columns(), checkFloat64); err != nil {
		return nil, err
	}
	if !d.exists {
		return nil, r.fail(ErrMissing)
	}
	if err := CheckSong(d.rows); err != nil {
		return nil, r.fail(err)
	}
	r.begin(d.path, StepRead)
	return r.values(dst, d)
}
