package msd

import (
	"errors"
	"fmt"

	"gonum.org/v1/hdf5"

	"tatum/ingest/direct"
	"tatum/store"
)

// A source is an open dataset that has passed the checks.
type source struct {
	*hdf5.Dataset
	path    string
	rows    int
	columns int // 1 for an array of one dimension
	size    int // of a value, bytes
}

// openDataset opens the dataset at path and checks that it has as many columns
// and that its values are in the file and not absurdly many. check looks at
// its type and returns the size of a value in bytes.
func (r *reader) openDataset(path string, columns int, check func(*hdf5.Datatype) (size int, err error)) (_ *source, err error) {
	r.begin(path, direct.StepOpen)
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
	r.step = direct.StepType
	if s.size, err = s.checkType(check); err != nil {
		return nil, r.fail(err)
	}
	r.step = direct.StepShape
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
	return r.openDataset(direct.ArrayPath(a), a.Columns(), func(t *hdf5.Datatype) (int, error) {
		if !hdf5.T_IEEE_F64LE.Equal(t) {
			return 0, direct.WrongType(typeName(t), direct.Float64LE)
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
	var class direct.SpaceClass
	var dims []uint64
	switch space.SimpleExtentType() {
	case hdf5.S_SCALAR:
		class = direct.Scalar
	case hdf5.S_NULL:
		class = direct.Null
	case hdf5.S_SIMPLE:
		class = direct.Simple
		extent, _, err := space.SimpleExtentDims()
		if err != nil {
			return errors.New("its shape cannot be read")
		}
		for _, n := range extent {
			dims = append(dims, uint64(n))
		}
	default:
		return errors.New("its shape cannot be read")
	}
	var err error
	s.rows, err = direct.CheckShape(class, dims, s.columns)
	return err
}

// checkStorage checks that the rows fit a file of fileSize bytes, and that they
// are in it.
func (s *source) checkStorage(fileSize int64) error {
	if err := direct.CheckSize(s.rows, s.columns*s.size, fileSize); err != nil {
		return err
	}
	values, err := storedIn(s.Dataset)
	if err != nil {
		return err
	}
	return direct.CheckChunk(values, s.size)
}

// readWhole reads an array from end to end.
func (r *reader) readWhole(s *source) ([]float64, error) {
	return r.readPart(s, 0, s.rows)
}

// readPart reads the rows of an array from start up to end, which must be
// within it.
func (r *reader) readPart(s *source, start, end int) ([]float64, error) {
	r.begin(s.path, direct.StepShape)
	if err := direct.CheckSong(end - start); err != nil {
		return nil, r.fail(err)
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
	r.begin(s.path, direct.StepRead)
	if start == end {
		return nil
	}
	var err error
	if start == 0 && end == s.rows {
		err = s.Read(&buf)
	} else {
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
	{hdf5.T_IEEE_F64LE, direct.Float64LE},
	{hdf5.T_IEEE_F64BE, direct.Float64BE},
	{hdf5.T_IEEE_F32LE, direct.Float32LE},
	{hdf5.T_IEEE_F32BE, direct.Float32BE},
	{hdf5.T_STD_I64LE, direct.Int64LE},
	{hdf5.T_STD_I64BE, direct.Int64BE},
	{hdf5.T_STD_I32LE, direct.Int32LE},
	{hdf5.T_STD_I32BE, direct.Int32BE},
	{hdf5.T_STD_U32LE, direct.Uint32LE},
	{hdf5.T_STD_I16LE, direct.Int16LE},
}
