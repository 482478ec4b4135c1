package direct

import (
	"bytes"
	"encoding/binary"
)

var le = binary.LittleEndian

const (
	superblockSize = 96
	headSize       = 24 // of a B-tree node, before its keys
	maxMembers     = 1024
	maxHeap        = 64 << 10 // bytes of names
)

// A superblock is what of it the rest of a file depends on.
type superblock struct {
	leafK, internalK int    // half of what a node of a symbol table or of its tree may hold
	root             uint64 // address of the root group's object header
}

const signature = "\x89HDF\r\n\x1a\n"

// openSuperblock reads the superblock. From then on the file ends where the
// superblock says.
func (r *Reader) openSuperblock() (s superblock, err error) {
	b, err := r.file.bytes(0, min(superblockSize, int(r.size)))
	if err != nil {
		return s, err
	}
	if len(b) < superblockSize || string(b[:8]) != signature {
		return s, r.whyNoSignature()
	}
	d := decoder{b: b[8:]}
	versions := d.take(8) // of superblock, free space, root and shared headers; the size of addresses and lengths
	s.leafK, s.internalK = int(d.uint16()), int(d.uint16())
	flags, base, free, end, driver := d.uint32(), d.uint64(), d.uint64(), d.uint64(), d.uint64()
	d.take(8) // the root group has no name
	s.root = d.uint64()
	if !bytes.Equal(versions, []byte{0, 0, 0, 0, 0, 8, 8, 0}) || s.leafK == 0 || s.internalK == 0 ||
		flags != 0 || base != 0 || free != undefined || driver != undefined || d.uint32() > 1 {
		return s, unsure("superblock")
	}
	if end > uint64(r.size) {
		return s, r.fail(ErrCut)
	}
	r.file.end = end
	return s, nil
}

// whyNoSignature returns why the file does not begin with a signature. HDF5
// looks for one at 512 bytes, 1024, and so on, too.
func (r *Reader) whyNoSignature() error {
	if r.size == 0 {
		return r.fail(ErrEmpty)
	}
	for at := uint64(0); r.file.holds(at, len(signature)); at = max(512, 2*at) {
		b, err := r.file.bytes(at, len(signature))
		if err != nil {
			return err
		}
		if string(b) == signature {
			return unsure("superblock at %d", at)
		}
	}
	return r.fail(ErrNotHDF5)
}

// A group is what of a group stands in its symbol table.
type group struct {
	heap    []byte // the names, each ended by a zero byte
	members []member
}

type member struct {
	name []byte
	addr uint64 // of its object header
}

// lookUp returns the address of the member called name.
func (g *group) lookUp(name string) (addr uint64, ok bool) {
	for i := range g.members {
		if string(g.members[i].name) == name {
			return g.members[i].addr, true
		}
	}
	return 0, false
}

// readGroup reads the group whose object header is at addr into g.
func (r *Reader) readGroup(g *group, addr uint64) error {
	h := &r.header
	if err := h.read(&r.file, addr); err != nil {
		return err
	}
	if !h.has(symbolTable) || h.has(dataspace) || h.has(datatype) {
		return unsure("no old group")
	}
	d := decoder{b: h.body[symbolTable]}
	tree, heap := d.uint64(), d.uint64()
	if d.bad {
		return unsure("symbol table message")
	}
	if err := r.readHeap(g, heap); err != nil {
		return err
	}
	g.members = g.members[:0]
	return r.walkSymbols(g, tree, -1, nil, nil)
}

// readHeap reads the names of a group. What libhdf5 asks of the list of free
// places among them is asked here too.
func (r *Reader) readHeap(g *group, addr uint64) error {
	b, err := r.file.bytes(addr, 32)
	if err != nil {
		return err
	}
	if string(b[:4]) != "HEAP" || b[4] != 0 {
		return unsure("local heap")
	}
	size, free, data := le.Uint64(b[8:]), le.Uint64(b[16:]), le.Uint64(b[24:])
	if size > maxHeap {
		return unsure("local heap of %d bytes", size)
	}
	if b, err = r.file.bytes(data, int(size)); err != nil {
		return err
	}
	g.heap = append(g.heap[:0], b...)
	const none = 1
	for n := 0; free != none; n++ {
		if n > len(g.heap) || free > size || size-free < 16 {
			return unsure("local heap")
		}
		next, length := le.Uint64(g.heap[free:]), le.Uint64(g.heap[free+8:])
		if next == 0 || length > size-free {
			return unsure("local heap")
		}
		free = next
	}
	return nil
}

// name returns the name at an offset in the heap.
func (g *group) name(offset uint64) ([]byte, error) {
	if offset < uint64(len(g.heap)) {
		if n := bytes.IndexByte(g.heap[offset:], 0); n >= 0 {
			return g.heap[offset : offset+uint64(n)], nil
		}
	}
	return nil, unsure("name in local heap")
}

// node checks the node of a B-tree at addr, of which level is known unless it
// is below 0, and returns its level and the number of its children. size is
// that of a whole node.
func (r *Reader) node(addr uint64, kind uint8, level, most, size int) (_, children int, err error) {
	b, err := r.file.bytes(addr, headSize)
	if err != nil {
		return 0, 0, err
	}
	found, n := int(b[5]), int(le.Uint16(b[6:]))
	if string(b[:4]) != "TREE" || b[4] != kind || level >= 0 && found != level || n > most || !r.file.holds(addr, size) {
		return 0, 0, unsure("B-tree node at %d", addr)
	}
	return found, n, nil
}

// walkSymbols adds the members below the node of a group's B-tree at addr to g.
// Their names are to be in order and between those of the keys beside the node,
// above and up to: libhdf5 finds a name by halves, and would not find one that
// is out of order. nil is no bound.
func (r *Reader) walkSymbols(g *group, addr uint64, level int, above, upTo []byte) error {
	most := 2 * r.super.internalK
	level, n, err := r.node(addr, 0, level, most, headSize+8+16*most)
	if err != nil {
		return err
	}
	for i := range n {
		b, err := r.file.bytes(addr+headSize+uint64(16*i), 24)
		if err != nil {
			return err
		}
		child := le.Uint64(b[8:])
		left, right := le.Uint64(b), le.Uint64(b[16:])
		from, err := g.name(left)
		if err != nil {
			return err
		}
		to, err := g.name(right)
		if err != nil {
			return err
		}
		if bytes.Compare(from, to) >= 0 || bytes.Compare(above, from) > 0 || upTo != nil && bytes.Compare(to, upTo) > 0 {
			return unsure("names out of order")
		}
		if level > 0 {
			err = r.walkSymbols(g, child, level-1, from, to)
		} else {
			err = r.readSymbols(g, child, from, to)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readSymbols adds the members in the symbol table node at addr to g.
func (r *Reader) readSymbols(g *group, addr uint64, above, upTo []byte) error {
	const entrySize = 40
	most := 2 * r.super.leafK
	b, err := r.file.bytes(addr, 8)
	if err != nil {
		return err
	}
	n := int(le.Uint16(b[6:]))
	if string(b[:4]) != "SNOD" || b[4] != 1 || n > most || !r.file.holds(addr, 8+most*entrySize) {
		return unsure("symbol table node")
	}
	if b, err = r.file.bytes(addr+8, n*entrySize); err != nil {
		return err
	}
	if len(g.members)+n > maxMembers {
		return unsure("more members than any group")
	}
	for ; len(b) > 0; b = b[entrySize:] {
		name, err := g.name(le.Uint64(b))
		if err != nil {
			return err
		}
		if bytes.Compare(above, name) >= 0 || bytes.Compare(name, upTo) > 0 {
			return unsure("names out of order")
		}
		if le.Uint32(b[16:]) > 1 {
			return unsure("symbolic link %q", name)
		}
		g.members = append(g.members, member{name, le.Uint64(b[8:])})
		above = name
	}
	return nil
}
