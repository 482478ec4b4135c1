package direct

import "errors"

// A dataset is one that has passed the checks.
type dataset struct {
	path    string
	exists  bool
	rows    int
	columns int // 1 for an array of one dimension
	size    int // of a value, bytes
	storage
}

// open opens the dataset called name of a group and checks that it has as many
// columns and that its values are not absurdly many. check looks at its type
// and returns the size of a value in bytes, also with a fault. Without such a
// dataset, d.exists is false.
func (r *Reader) open(d *dataset, g *group, path, name string, columns int, check func(message []byte) (int, error)) error {
	r.begin(path, StepOpen)
	*d = dataset{path: path, columns: columns}
	var addr uint64
	if addr, d.exists = g.lookUp(name); !d.exists {
		return nil
	}
	h := &r.header
	if err := r.readDataset(h, addr); err != nil {
		return err
	}
	class, dims, err := r.readSpace(h.body[dataspace])
	if err != nil {
		return err
	}
	if err := d.readStorage(h, len(dims)); err != nil {
		return err
	}
	r.step = StepType
	size, fault := check(h.body[datatype])
	if errors.Is(fault, ErrUnsure) {
		return fault
	}
	// What does not fit together is damaged, and has not the faults of a whole
	// file.
	if err := d.fits(size, class, dims); err != nil {
		return err
	}
	if fault != nil {
		return r.fail(fault)
	}
	d.size = size
	r.step = StepShape
	return r.checkShape(d, class, dims)
}

// readDataset reads the object header at addr, which is to be a dataset's.
func (r *Reader) readDataset(h *header, addr uint64) error {
	if err := h.read(&r.file, addr); err != nil {
		return err
	}
	space, typ := h.has(dataspace), h.has(datatype)
	switch {
	case h.has(symbolTable) && !space && !typ:
		return r.fail(ErrGroup)
	case h.has(symbolTable), !space, !typ, !h.has(layout), !h.has(fill):
		return unsure("no dataset")
	}
	return nil
}

// readStorage decodes what a dataset's header says of how values are stored.
func (s *storage) readStorage(h *header, rank int) error {
	if err := s.readLayout(h.body[layout], rank); err != nil {
		return err
	}
	if h.has(filterPipeline) {
		if err := s.readFilters(h.body[filterPipeline]); err != nil {
			return err
		}
	}
	return s.readFill(h.body[fill])
}

// checkShape sets the number of rows.
func (r *Reader) checkShape(d *dataset, class SpaceClass, dims []uint64) error {
	var err error
	if d.rows, err = CheckShape(class, dims, d.columns); err != nil {
		return r.fail(err)
	}
	if err := CheckSize(d.rows, d.columns*d.size, r.size); err != nil {
		return r.fail(err)
	}
	if err := CheckChunk(d.chunkRows*d.chunkColumns, d.size); err != nil {
		return r.fail(err)
	}
	return nil
}

// checkFloat64 checks the type of an array.
func checkFloat64(message []byte) (int, error) {
	e, err := readElement(&decoder{b: message})
	if err != nil {
		return 0, err
	}
	switch e.name {
	case Float64LE:
		return e.size, nil
	case "":
		return 0, unsure("array of arrays")
	}
	return e.size, WrongType(e.name, Float64LE)
}
