package msd

import (
	"errors"
	"fmt"
	"unsafe"

	"gonum.org/v1/hdf5"

	"tatum/store"
)

// A source is an open dataset that has passed the checks.
type source struct {
	*hdf5.Dataset
	path    string
	rows    int
	columns int // 1 for an array of one dimension
	size    int // of a value, bytes
	storage storage
}

// openDataset opens the dataset at path and checks that it has as many columns
// and that its values are in the file and not absurdly many. check looks at
// its type and returns the size of a value in bytes.
func (r *reader) openDataset(path string, columns int, check func(*hdf5.Datatype) (size int, err error)) (_ *source, err error) {
	r.begin(path, StepOpen)
	d, err := r.file.OpenDatasetWith(path, r.access)
	if err != nil {
		return nil, r.fail(whyNotOpen(r.file, path, r.access))
	}
	s := &source{Dataset: d, path: path, columns: columns}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	r.step = StepType
	if s.size, err = s.checkType(check); err != nil {
		return nil, r.fail(err)
	}
	r.step = StepShape
	if err := s.checkShape(); err != nil {
		return nil, r.fail(err)
	}
	if err := s.checkStorage(r.size); err != nil {
		return nil, r.fail(err)
	}
	return s, nil
}

// openArray opens an array of /analysis.
func (r *reader) openArray(a store.Array) (*source, error) {
	return r.openDataset(arrayPath(a), a.Columns(), func(t *hdf5.Datatype) (int, error) {
		if !hdf5.T_IEEE_F64LE.Equal(t) {
			return 0, fmt.Errorf("type is %s, want %s", typeName(t), typeName(hdf5.T_IEEE_F64LE))
		}
		return 8, nil
	})
}

func (s *source) checkType(check func(*hdf5.Datatype) (int, error)) (int, error) {
	t, err := s.Datatype()
	if err != nil {
		return 0, errors.New("its type cannot be read")
	}
	defer t.Close()
	return check(t)
}

// checkShape sets the number of rows. The binding panics for spaces without
// dimensions, so those are told apart first.
func (s *source) checkShape() error {
	space := s.Space()
	if space == nil {
		return errors.New("its shape cannot be read")
	}
	defer space.Close()
	rank := 1
	if s.columns > 1 {
		rank = 2
	}
	switch space.SimpleExtentType() {
	case hdf5.S_SIMPLE:
	case hdf5.S_SCALAR:
		return fmt.Errorf("is a single value, want %s", dimensions(rank))
	case hdf5.S_NULL:
		return fmt.Errorf("is without dimensions, want %s", dimensions(rank))
	default:
		return errors.New("its shape cannot be read")
	}
	if n := space.SimpleExtentNDims(); n != rank {
		return fmt.Errorf("%s, want %d", dimensions(n), rank)
	}
	dims, _, err := space.SimpleExtentDims()
	if err != nil {
		return errors.New("its shape cannot be read")
	}
	if rank == 2 && dims[1] != uint(s.columns) {
		return fmt.Errorf("%d columns, want %d", dims[1], s.columns)
	}
	if dims[0] > 1<<40 { // so that bytes cannot overflow
		return fmt.Errorf("%d rows", dims[0])
	}
	s.rows = int(dims[0])
	return nil
}

func dimensions(n int) string {
	if n == 1 {
		return "1 dimension"
	}
	return fmt.Sprintf("%d dimensions", n)
}

// checkStorage checks that the rows fit a file of fileSize bytes, and that they
// are in it.
func (s *source) checkStorage(fileSize int64) error {
	if int64(s.rows)*int64(s.columns*s.size)/maxRatio > fileSize {
		return fmt.Errorf("%d rows cannot be in a file of %d bytes", s.rows, fileSize)
	}
	var err error
	if s.storage, err = storageOf(s.Dataset); err != nil {
		return err
	}
	if n, most := uint64(s.storage.values), maxChunk/s.size; n > uint64(most) {
		return fmt.Errorf("chunks of %d values, want at most %d", n, most)
	}
	return nil
}

// readWhole reads an array from end to end.
func (r *reader) readWhole(s *source) ([]float64, error) {
	return r.readPart(s, 0, s.rows)
}

// readPart reads the rows of an array from start up to end, which must be
// within it.
func (r *reader) readPart(s *source, start, end int) ([]float64, error) {
	r.begin(s.path, StepShape)
	if end-start > maxRows {
		return nil, r.failf("%d rows for one song, want at most %d", end-start, maxRows)
	}
	values := make([]float64, (end-start)*s.columns)
	if err := readRows(r, s, values, start, end); err != nil {
		return nil, err
	}
	return values, nil
}

// readRows reads rows into buf, of exactly their size in the file's type: the
// binding looks at neither.
func readRows[T byte | float64](r *reader, s *source, buf []T, start, end int) error {
	r.begin(s.path, StepRead)
	if start == end {
		return nil
	}
	var err error
	switch whole := start == 0 && end == s.rows; {
	case whole && s.readChunks(unsafe.Pointer(unsafe.SliceData(buf))):
	case whole:
		err = s.Read(&buf)
	default:
		err = s.readSlab(&buf, start, end)
	}
	if err == nil {
		return nil
	}
	if filter := missingFilter(s.Dataset); filter != 0 {
		return r.failf("its values cannot be read: filter %d is not in this libhdf5", filter)
	}
	return r.failf("its values cannot be read: damaged or cut short")
}

// readSlab reads some of the rows.
func (s *source) readSlab(buf any, start, end int) error {
	space := s.Space()
	if space == nil {
		return errors.New("no space")
	}
	defer space.Close()
	offset := []uint{uint(start), 0}
	count := []uint{uint(end - start), uint(s.columns)}
	if s.columns == 1 {
		offset, count = offset[:1], count[:1]
	}
	if err := space.SelectHyperslab(offset, nil, count, nil); err != nil {
		return err
	}
	memory, err := hdf5.CreateSimpleDataspace(count, nil)
	if err != nil {
		return err
	}
	defer memory.Close()
	return s.ReadSubset(buf, memory, space)
}

// typeName describes a type for a message.
func typeName(t *hdf5.Datatype) string {
	for _, known := range typeNames {
		if known.typ.Equal(t) {
			return known.name
		}
	}
	switch t.Class() {
	case hdf5.T_INTEGER:
		return "an integer"
	case hdf5.T_FLOAT:
		return "a float"
	case hdf5.T_STRING:
		if !isFixed(t) {
			return "text of variable length"
		}
		return "text"
	case hdf5.T_COMPOUND:
		return "a table"
	}
	return fmt.Sprintf("of class %d", t.Class())
}

var typeNames = []struct {
	typ  *hdf5.Datatype
	name string
}{
	{hdf5.T_IEEE_F64LE, "float64 little-endian"},
	{hdf5.T_IEEE_F64BE, "float64 big-endian"},
	{hdf5.T_IEEE_F32LE, "float32 little-endian"},
	{hdf5.T_IEEE_F32BE, "float32 big-endian"},
	{hdf5.T_STD_I64LE, "int64 little-endian"},
	{hdf5.T_STD_I64BE, "int64 big-endian"},
	{hdf5.T_STD_I32LE, "int32 little-endian"},
	{hdf5.T_STD_I32BE, "int32 big-endian"},
	{hdf5.T_STD_U32LE, "uint32 little-endian"},
	{hdf5.T_STD_I16LE, "int16 little-endian"},
}
