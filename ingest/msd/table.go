package msd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/hdf5"

	"tatum/store"
)

// An openTable is a songs table of a file. Its rows are read as bytes, in
// blocks, since the binding cannot read records that hold text.
type openTable struct {
	*source
	*rowLayout
	buf   []byte // rows first up to end
	first int
	end   int
}

// A rowLayout says where in a row the columns are that rows keep.
type rowLayout struct {
	typ     *hdf5.Datatype // of the rows
	rowSize int            // bytes
	bound   []boundColumn
}

type boundColumn struct {
	*column
	offset, size int // bytes
}

// layouts holds the layout met last for each table. Nearly all files share one,
// and comparing types is far cheaper than asking for each column. Guarded by mu.
var layouts = map[*table]*rowLayout{}

// openTable opens a songs table and adds it to r.tables. It returns nil when
// there is none.
func (r *reader) openTable(t *table) (*openTable, error) {
	o := &openTable{}
	s, err := r.openDataset(t.path, 1, func(typ *hdf5.Datatype) (size int, err error) {
		o.rowLayout, err = layoutOf(t, typ)
		if err != nil {
			return 0, err
		}
		return o.rowSize, nil
	})
	if err != nil {
		if r.step == StepOpen && isMissing(r.file, t.path, r.access) {
			return nil, nil
		}
		return nil, err
	}
	o.source = s
	r.tables = append(r.tables, o)
	return o, nil
}

// layoutOf returns where the columns of table t are in a row of the type.
func layoutOf(t *table, typ *hdf5.Datatype) (*rowLayout, error) {
	if known := layouts[t]; known != nil && known.typ.Equal(typ) {
		return known, nil
	}
	l, err := newLayout(t, typ)
	if err != nil {
		return nil, err
	}
	// A copy, because the type of a file may keep the file open.
	if l.typ, err = typ.Copy(); err != nil {
		return nil, err
	}
	if known := layouts[t]; known != nil {
		known.typ.Close()
	}
	layouts[t] = l
	return l, nil
}

func newLayout(t *table, typ *hdf5.Datatype) (*rowLayout, error) {
	if typ.Class() != hdf5.T_COMPOUND {
		return nil, fmt.Errorf("type is %s, want a table", typeName(typ))
	}
	if !isFixed(typ) {
		return nil, errors.New("has a column of variable length")
	}
	l := &rowLayout{rowSize: int(typ.Size())}
	if l.rowSize < 1 || l.rowSize > maxRowSize {
		return nil, fmt.Errorf("rows of %d bytes, want at most %d", l.rowSize, maxRowSize)
	}
	record := &hdf5.CompoundType{Datatype: *typ}
	for i := range t.columns {
		b, err := bind(record, &t.columns[i], l.rowSize)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", t.columns[i].name, err)
		}
		if b.size > 0 {
			l.bound = append(l.bound, b)
		}
	}
	return l, nil
}

// bind finds a column in a row of a file. It returns one of size 0 when rows
// do not keep it or the file has none.
func bind(record *hdf5.CompoundType, c *column, rowSize int) (b boundColumn, err error) {
	i := record.MemberIndex(c.name)
	if i < 0 || !c.isKept() {
		return b, nil
	}
	typ, err := record.MemberType(i)
	if err != nil {
		return b, errors.New("its type cannot be read")
	}
	defer typ.Close()
	want, ok := "", false
	switch c.kind() {
	case intColumn:
		want, ok = "int32 little-endian", hdf5.T_STD_I32LE.Equal(typ)
	case floatColumn:
		want, ok = "float64 little-endian", hdf5.T_IEEE_F64LE.Equal(typ)
	default:
		want, ok = "text of fixed length", typ.Class() == hdf5.T_STRING && isFixed(typ)
	}
	if !ok {
		return b, fmt.Errorf("type is %s, want %s", typeName(typ), want)
	}
	b = boundColumn{c, record.MemberOffset(i), int(typ.Size())}
	if b.offset < 0 || b.size < 1 || b.offset+b.size > rowSize {
		return b, errors.New("is not within its row")
	}
	return b, nil
}

// isKept reports whether rows keep the column.
func (c *column) isKept() bool {
	switch c.value(&row{}).(type) {
	case *int32, *float64, *string, *store.TrackID:
		return true
	}
	return false
}

// has reports whether the table has the column.
func (l *rowLayout) has(name string) bool {
	for _, c := range l.bound {
		if c.name == name {
			return true
		}
	}
	return false
}

// tableRow returns the bytes of row i, good until the next call.
func (r *reader) tableRow(t *openTable, i int) ([]byte, error) {
	if i < t.first || i >= t.end {
		end := min(t.rows, i+max(1, tableBlock/t.rowSize))
		if n := (end - i) * t.rowSize; n > cap(t.buf) {
			t.buf = make([]byte, n)
		}
		t.buf = t.buf[:(end-i)*t.rowSize]
		t.first, t.end = i, end
		if err := readRows(r, t.source, t.buf, i, end); err != nil {
			return nil, err
		}
	}
	at := (i - t.first) * t.rowSize
	return t.buf[at : at+t.rowSize], nil
}

// decode sets the columns of a row from its bytes: all of them, even if the
// track ID is none, for the song before needs to know where its arrays end.
func (l *rowLayout) decode(b []byte, dst *row) (err error) {
	for _, c := range l.bound {
		field := b[c.offset : c.offset+c.size]
		switch v := c.value(dst).(type) {
		case *int32:
			*v = int32(binary.LittleEndian.Uint32(field))
		case *float64:
			*v = math.Float64frombits(binary.LittleEndian.Uint64(field))
		case *string:
			*v = untilZero(field)
		case *store.TrackID:
			*v, err = store.ParseTrackID(untilZero(field))
		}
	}
	return err
}

func untilZero(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
