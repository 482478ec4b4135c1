package direct

import "math/bits"

// A storage says how the values of a dataset are stored.
type storage struct {
	class  layoutClass
	addr   uint64 // of the values, or of the B-tree of the chunks; undefined for none
	inline []byte // the values, when compact; good until the next object header is read
	length uint64 // of contiguous values, bytes

	chunkRows, chunkColumns uint64
	elementSize             uint64 // bytes, as the chunks say
	shuffled, deflated      bool

	fill      []byte // the value of what was never written; nil for zero bytes
	canFill   bool   // whether that is known
	shuffleBy uint32 // bytes of a value, as the filter says
}

type layoutClass uint8

const (
	compact layoutClass = iota
	contiguous
	chunked
)

// readSpace decodes a dataspace message. dims are good until the next.
func (r *Reader) readSpace(b []byte) (class SpaceClass, dims []uint64, err error) {
	const maxDims = 1 // a flag
	const unlimited = 1<<64 - 1
	d := decoder{b: b}
	version, rank, flags, kind := d.uint8(), int(d.uint8()), d.uint8(), d.uint8()
	switch version {
	case 1:
		d.take(4)
		class = Scalar
		if rank > 0 {
			class = Simple
		}
	case 2:
		class = SpaceClass(kind)
	default:
		return 0, nil, unsure("dataspace of version %d", version)
	}
	if flags&^maxDims != 0 || class > Null || rank > 2 || (rank > 0) != (class == Simple) {
		return 0, nil, unsure("dataspace")
	}
	dims = r.dims[:0]
	for range rank {
		dims = append(dims, d.uint64())
	}
	for _, dim := range dims {
		if dim == unlimited || flags&maxDims != 0 && d.uint64() < dim {
			return 0, nil, unsure("dataspace beyond its limit")
		}
	}
	if d.bad {
		return 0, nil, unsure("dataspace")
	}
	return class, dims, nil
}

// readLayout decodes a layout message of a dataset of rank dimensions.
func (s *storage) readLayout(b []byte, rank int) error {
	d := decoder{b: b}
	version := d.uint8()
	s.class = layoutClass(d.uint8())
	if version != 3 {
		return unsure("layout of version %d", version)
	}
	switch s.class {
	case compact:
		s.inline = d.take(int(d.uint16()))
	case contiguous:
		s.addr, s.length = d.uint64(), d.uint64()
	case chunked:
		if n := int(d.uint8()); n != rank+1 || rank == 0 {
			return unsure("chunks of %d dimensions", n-1)
		}
		s.addr = d.uint64()
		s.chunkRows, s.chunkColumns = uint64(d.uint32()), 1
		if rank == 2 {
			s.chunkColumns = uint64(d.uint32())
		}
		s.elementSize = uint64(d.uint32())
		if n := s.chunkRows * s.chunkColumns; n == 0 || n >= 1<<32/max(1, s.elementSize) {
			return unsure("chunk of %d values", n)
		}
	default:
		return unsure("layout class %d", s.class)
	}
	if d.bad {
		return unsure("layout")
	}
	return nil
}

// readFilters decodes a filter pipeline message: shuffle, deflate, or both in this
// order.
func (s *storage) readFilters(b []byte) error {
	d := decoder{b: b}
	version, n := d.uint8(), d.uint8()
	if version == 1 {
		d.take(6)
	}
	if version < 1 || version > 2 || n == 0 {
		return unsure("filter pipeline of version %d with %d filters", version, n)
	}
	for range n {
		if err := s.readFilter(&d, version); err != nil {
			return err
		}
	}
	return nil
}

func (s *storage) readFilter(d *decoder, version uint8) error {
	const deflate, shuffle, optional = 1, 2, 1
	id, nameSize := d.uint16(), 0
	if version == 1 { // version 2 has names of unusual filters only
		nameSize = int(d.uint16())
	}
	flags, values := d.uint16(), d.uint16()
	d.take(nameSize)
	value := d.uint32()
	if version == 1 {
		d.take(4) // to a multiple of 8
	}
	if d.bad || flags&^optional != 0 || values != 1 || nameSize%8 != 0 {
		return unsure("filter %d", id)
	}
	switch {
	case id == shuffle && !s.shuffled && !s.deflated:
		s.shuffled, s.shuffleBy = true, value
	case id == deflate && !s.deflated && value <= 9:
		s.deflated = true
	default:
		return unsure("filter %d", id)
	}
	return nil
}

// readFill decodes a fill value message.
func (s *storage) readFill(b []byte) error {
	d := decoder{b: b}
	switch version := d.uint8(); version {
	case 2:
		return s.readFill2(&d)
	case 3:
		return s.readFill3(&d)
	default:
		return unsure("fill value of version %d", version)
	}
}

// The times when fill values are written. With neither, libhdf5 leaves what was
// never written as it is in memory.
const (
	onAllocation = 0
	ifSet        = 2
)

func (s *storage) readFill2(d *decoder) error {
	d.uint8() // when space is allocated
	time, defined := d.uint8(), d.uint8()
	s.canFill = defined == 1 && (time == onAllocation || time == ifSet)
	if defined == 1 {
		s.fill = d.take(int(d.uint32()))
	}
	if d.bad || defined > 1 || time > ifSet {
		return unsure("fill value")
	}
	return nil
}

func (s *storage) readFill3(d *decoder) error {
	const unset, set, unused = 0x10, 0x20, 0xc0
	flags := d.uint8()
	time := flags >> 2 & 3
	s.canFill = flags&unset == 0 && (time == onAllocation || time == ifSet)
	if flags&set != 0 {
		s.fill = d.take(int(d.uint32()))
	}
	if d.bad || flags&unused != 0 || flags&(set|unset) == set|unset || time > ifSet {
		return unsure("fill value")
	}
	return nil
}

// storedSize returns the size of all values in bytes.
func storedSize(size int, class SpaceClass, dims []uint64) (uint64, error) {
	if class == Null {
		return 0, nil
	}
	n := uint64(size)
	for _, dim := range dims {
		over, low := bits.Mul64(n, dim)
		if over > 0 {
			return 0, unsure("dimensions of more bytes than can be counted")
		}
		n = low
	}
	return n, nil
}

// fits checks that what the messages say fits a dataset of values of size bytes
// in the dimensions.
func (s *storage) fits(size int, class SpaceClass, dims []uint64) error {
	bytes, err := storedSize(size, class, dims)
	if err != nil {
		return err
	}
	if len(s.fill) != 0 && len(s.fill) != size {
		return unsure("fill value of %d bytes", len(s.fill))
	}
	switch s.class {
	case compact:
		if uint64(len(s.inline)) != bytes {
			return unsure("%d bytes of compact values", len(s.inline))
		}
	case contiguous:
		if s.length != bytes {
			return unsure("%d bytes of values", s.length)
		}
	case chunked:
		if s.elementSize != uint64(size) {
			return unsure("chunks of values of %d bytes", s.elementSize)
		}
	}
	if s.shuffled && s.shuffleBy != uint32(size) {
		return unsure("values of %d bytes shuffled", s.shuffleBy)
	}
	return nil
}
