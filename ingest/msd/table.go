package msd

import (
	"errors"

	"gonum.org/v1/hdf5"

	"tatum/ingest/direct"
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
	fields  []direct.Field
}

// layouts holds the layout met last for each table. Nearly all files share one,
// and comparing types is far cheaper than asking for each column. Guarded by mu.
var layouts = map[*direct.Table]*rowLayout{}

// openTable opens a songs table and adds it to r.tables. It returns nil when
// there is none.
func (r *reader) openTable(t *direct.Table) (*openTable, error) {
	o := &openTable{}
	s, err := r.openDataset(t.Path, 1, func(typ *hdf5.Datatype) (size int, err error) {
		o.rowLayout, err = layoutOf(t, typ)
		if err != nil {
			return 0, err
		}
		return o.rowSize, nil
	})
	if err != nil {
		if r.step == direct.StepOpen && isMissing(r.file, t.Path, r.access) {
			return nil, nil
		}
		return nil, err
	}
	o.source = s
	r.tables = append(r.tables, o)
	return o, nil
}

// layoutOf returns where the columns of table t are in a row of the type.
func layoutOf(t *direct.Table, typ *hdf5.Datatype) (*rowLayout, error) {
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

func newLayout(t *direct.Table, typ *hdf5.Datatype) (*rowLayout, error) {
	if typ.Class() != hdf5.T_COMPOUND {
		return nil, direct.WrongType(typeName(typ), "a table")
	}
	if !isFixed(typ) {
		return nil, errors.New("has a column of variable length")
	}
	l := &rowLayout{rowSize: int(typ.Size())}
	if err := direct.CheckRowSize(l.rowSize); err != nil {
		return nil, err
	}
	record := &hdf5.CompoundType{Datatype: *typ}
	for i := range t.Columns {
		f, err := bind(record, &t.Columns[i], l.rowSize)
		if err != nil {
			return nil, direct.InColumn(t.Columns[i].Name, err)
		}
		if f.Size > 0 {
			l.fields = append(l.fields, f)
		}
	}
	return l, nil
}

// bind finds a column in a row of a file. It returns one of size 0 when rows
// do not keep it or the file has none.
func bind(record *hdf5.CompoundType, c *direct.Column, rowSize int) (f direct.Field, err error) {
	i := record.MemberIndex(c.Name)
	if i < 0 || !c.IsKept() {
		return f, nil
	}
	typ, err := record.MemberType(i)
	if err != nil {
		return f, errors.New("its type cannot be read")
	}
	defer typ.Close()
	ok := false
	switch c.Kind() {
	case direct.Int:
		ok = hdf5.T_STD_I32LE.Equal(typ)
	case direct.Float:
		ok = hdf5.T_IEEE_F64LE.Equal(typ)
	default:
		ok = typ.Class() == hdf5.T_STRING && isFixed(typ)
	}
	if !ok {
		return f, direct.WrongType(typeName(typ), c.Kind().TypeName())
	}
	f = direct.Field{Column: c, Offset: record.MemberOffset(i), Size: int(typ.Size())}
	if f.Offset < 0 || f.Size < 1 || f.Offset+f.Size > rowSize {
		return f, errors.New("is not within its row")
	}
	return f, nil
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
