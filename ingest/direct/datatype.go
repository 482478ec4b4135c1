package direct

import (
	"bytes"
	"math/bits"
)

// The classes of types that songs are made of.
const (
	integerClass  = 0
	floatClass    = 1
	stringClass   = 3
	compoundClass = 6
	arrayClass    = 10
)

// An element is a type whose values are all of one size.
type element struct {
	name string // for messages; empty for arrays, which have none
	text bool
	size int // bytes
}

// A numberType is a type of numbers as files have it, less the version: class,
// flags, size, and where in a value the bits are.
type numberType struct {
	name string
	body string
}

var numberTypes = []numberType{
	{Float64LE, "\x01\x20\x3f\x00\x08\x00\x00\x00\x00\x00\x40\x00\x34\x0b\x00\x34\xff\x03\x00\x00"},
	{Int32LE, "\x00\x08\x00\x00\x04\x00\x00\x00\x00\x00\x20\x00"},
	{Float64BE, "\x01\x21\x3f\x00\x08\x00\x00\x00\x00\x00\x40\x00\x34\x0b\x00\x34\xff\x03\x00\x00"},
	{Float32LE, "\x01\x20\x1f\x00\x04\x00\x00\x00\x00\x00\x20\x00\x17\x08\x00\x17\x7f\x00\x00\x00"},
	{Float32BE, "\x01\x21\x1f\x00\x04\x00\x00\x00\x00\x00\x20\x00\x17\x08\x00\x17\x7f\x00\x00\x00"},
	{Int64LE, "\x00\x08\x00\x00\x08\x00\x00\x00\x00\x00\x40\x00"},
	{Int64BE, "\x00\x09\x00\x00\x08\x00\x00\x00\x00\x00\x40\x00"},
	{Int32BE, "\x00\x09\x00\x00\x04\x00\x00\x00\x00\x00\x20\x00"},
	{Uint32LE, "\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x20\x00"},
	{Int16LE, "\x00\x08\x00\x00\x02\x00\x00\x00\x00\x00\x10\x00"},
}

// readElement decodes a type that is no compound.
func readElement(d *decoder) (e element, err error) {
	if len(d.b) < 8 {
		return e, unsure("type")
	}
	class, version := d.b[0]&0xf, d.b[0]>>4
	if version < 1 || version > 3 {
		return e, unsure("type of version %d", version)
	}
	switch class {
	case integerClass, floatClass:
		return readNumber(d)
	case stringClass:
		return readText(d)
	case arrayClass:
		return readArray(d, version)
	}
	return e, unsure("type of class %d", class)
}

func readNumber(d *decoder) (element, error) {
	for _, t := range numberTypes {
		n := len(t.body)
		if len(d.b) >= n && d.b[0]&0xf == t.body[0] && string(d.b[1:n]) == t.body[1:] {
			d.take(n)
			return element{name: t.name, size: int(t.body[4])}, nil
		}
	}
	return element{}, unsure("unusual numbers")
}

func readText(d *decoder) (element, error) {
	const maxPadding, maxCharset = 2, 1
	flags := d.uint32() >> 8
	size := d.uint32()
	if flags&0xf > maxPadding || flags>>4 > maxCharset || size == 0 || size > maxRowSize {
		return element{}, unsure("text of %d bytes", size)
	}
	return element{name: "text", text: true, size: int(size)}, nil
}

// readArray decodes the type of arrays of numbers or texts, such as h5py makes
// columns of.
func readArray(d *decoder, version uint8) (element, error) {
	d.take(4)
	size, rank := d.uint32(), int(d.uint8())
	n := uint64(1)
	if version < 2 || rank < 1 || rank > 4 {
		return element{}, unsure("array")
	}
	if version == 2 {
		d.take(3)
	}
	for range rank {
		n = min(n*uint64(d.uint32()), 1<<32)
	}
	if version == 2 {
		d.take(4 * rank)
	}
	if len(d.b) < 8 || d.b[0]&0xf == arrayClass {
		return element{}, unsure("array of arrays")
	}
	e, err := readElement(d)
	if err != nil {
		return e, err
	}
	if n*uint64(e.size) != uint64(size) || size == 0 || size > maxRowSize {
		return e, unsure("array of %d bytes", size)
	}
	return element{size: int(size)}, nil
}

// A rowLayout says where in the rows of a songs table the columns are that rows
// keep.
type rowLayout struct {
	message []byte // the datatype message it was made of
	rowSize int    // bytes
	fields  []Field
}

// read sets the layout from the datatype message of table t. Nearly all files
// share one, and to compare is far cheaper than to decode.
func (l *rowLayout) read(t *Table, message []byte) error {
	if len(l.message) > 0 && bytes.Equal(l.message, message) {
		return nil
	}
	l.message, l.fields = l.message[:0], l.fields[:0]
	if err := l.decode(t, message); err != nil {
		return err
	}
	l.message = append(l.message, message...)
	return nil
}

// decode decodes a compound type. An error that is not ErrUnsure is a fault of
// the table, and is the first in the order of t's columns.
func (l *rowLayout) decode(t *Table, message []byte) error {
	d := decoder{b: message}
	kind, flags, size := d.uint8(), d.take(3), int(d.uint32())
	version := kind >> 4
	if d.bad || version < 1 || version > 3 {
		return unsure("type")
	}
	if kind&0xf != compoundClass {
		e, err := readElement(&decoder{b: message})
		if err != nil || e.name == "" {
			return unsure("type of class %d", kind&0xf)
		}
		l.rowSize = e.size
		return WrongType(e.name, "a table")
	}
	n := int(flags[0]) | int(flags[1])<<8
	if n == 0 || flags[2] != 0 {
		return unsure("table of %d columns", n)
	}
	l.rowSize = size
	columns, err := readMembers(&d, version, n, size)
	if err != nil {
		return err
	}
	if err := CheckRowSize(size); err != nil {
		return err
	}
	return l.bind(t, columns)
}

// A memberType is a column of a file's table.
type memberType struct {
	element
	column string
	offset int
}

// readMembers decodes n columns of rows of rowSize bytes, which are to be in the
// order of their places.
func readMembers(d *decoder, version uint8, n, rowSize int) ([]memberType, error) {
	var columns []memberType
	end := 0
	for range n {
		c, err := readMember(d, version, rowSize)
		if err != nil {
			return nil, err
		}
		if d.bad || c.offset < end || c.size > rowSize-c.offset {
			return nil, unsure("column %q", c.column)
		}
		end = c.offset + c.size
		columns = append(columns, c)
	}
	return columns, nil
}

func readMember(d *decoder, version uint8, rowSize int) (c memberType, err error) {
	n := bytes.IndexByte(d.b, 0)
	if n < 0 {
		return c, unsure("column without name")
	}
	c.column = string(d.b[:n])
	if n++; version < 3 {
		n = (n + 7) &^ 7
	}
	d.take(n)
	switch version {
	case 1:
		c.offset = int(d.uint32())
		if d.uint8() != 0 { // what became the array type
			return c, unsure("column of an array")
		}
		d.take(27)
	case 2:
		c.offset = int(d.uint32())
	default:
		for i := range (bits.Len(uint(rowSize)) + 7) / 8 {
			c.offset |= int(d.uint8()) << (8 * i)
		}
	}
	c.element, err = readElement(d)
	return c, err
}

// bind finds the columns that rows keep among those of a file.
func (l *rowLayout) bind(t *Table, columns []memberType) error {
	for i := range t.Columns {
		want := &t.Columns[i]
		if !want.IsKept() {
			continue
		}
		for _, c := range columns {
			if c.column != want.Name {
				continue
			}
			if HasField(l.fields, want.Name) {
				return unsure("column %s twice", want.Name)
			}
			if err := c.check(want.Kind()); err != nil {
				return err
			}
			l.fields = append(l.fields, Field{want, c.offset, c.size})
		}
	}
	return nil
}

// check checks that the column is of the kind.
func (c *memberType) check(k Kind) error {
	switch {
	case c.name == "":
		return unsure("column %s is an array", c.column)
	case k == Text && c.text, c.name == k.TypeName():
		return nil
	}
	return InColumn(c.column, WrongType(c.name, k.TypeName()))
}
