//go:build cgo

package direct_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

var le = binary.LittleEndian

// A place is a field of a song file's structure.
type place struct {
	at, size int
}

// A structure says where in a whole song file the fields of each kind are.
type structure struct {
	b      []byte
	kinds  []string
	places map[string][]place
	seen   map[int]bool
}

// structureOf finds the fields of a file. It trusts the file.
func structureOf(b []byte) *structure {
	s := &structure{b: b, places: make(map[string][]place), seen: make(map[int]bool)}
	s.add("superblock", 8, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 4, 8, 8, 8, 8, 8, 8, 4, 4, 8, 8)
	s.object(s.number(64), "")
	return s
}

func (s *structure) number(at int) int { return int(le.Uint64(s.b[at:])) }

// add notes fields of the sizes, one after the other.
func (s *structure) add(kind string, at int, sizes ...int) {
	if s.places[kind] == nil {
		s.kinds = append(s.kinds, kind)
	}
	for _, size := range sizes {
		s.places[kind] = append(s.places[kind], place{at, size})
		at += size
	}
}

// object notes the fields of an object header and of what it leads to.
func (s *structure) object(at int, name string) {
	if s.seen[at] {
		return
	}
	s.seen[at] = true
	s.add("object header", at, 1, 1, 2, 4, 4)
	blocks := []place{{at + 16, int(le.Uint32(s.b[at+8:]))}}
	for i := 0; i < len(blocks); i++ {
		for at, end := blocks[i].at, blocks[i].at+blocks[i].size; at < end; {
			kind, size := int(le.Uint16(s.b[at:])), int(le.Uint16(s.b[at+2:]))
			s.add("message head", at, 2, 2, 1)
			at += 8
			switch kind {
			case 0x1:
				s.add("dataspace", at, 1, 1, 1, 1)
				for i := at + 8; i+8 <= at+size; i += 8 {
					s.add("dataspace", i, 8)
				}
			case 0x3:
				s.add("datatype", at, 1, 1, 1, 1, 4)
				for i := at + 8; i < at+size; i += 4 {
					s.add("datatype", i, 1, 1, 1, 1)
				}
			case 0x5:
				s.add("fill value", at, 1, 1, 1, 1)
			case 0x8:
				s.layout(at)
			case 0xb:
				s.add("filters", at, 1, 1)
				for i := at + 8; i < at+size; i += 2 {
					s.add("filters", i, 2)
				}
			case 0x10:
				s.add("continuation", at, 8, 8)
				blocks = append(blocks, place{s.number(at), s.number(at + 8)})
			case 0x11:
				s.add("symbol table", at, 8, 8)
				s.symbols(s.number(at), s.number(s.number(at+8)+24), name)
				s.heap(s.number(at + 8))
			}
			at += size
		}
	}
}

func (s *structure) layout(at int) {
	s.add("layout", at, 1, 1)
	switch s.b[at+1] {
	case 0:
		s.add("layout", at+2, 2)
	case 1:
		s.add("layout", at+2, 8, 8)
	case 2:
		rank := int(s.b[at+2]) - 1
		s.add("layout", at+2, 1, 8)
		for i := range rank + 1 {
			s.add("layout", at+11+4*i, 4)
		}
		if addr := s.number(at + 3); addr != -1 {
			s.chunks(addr, rank)
		}
	}
}

func (s *structure) heap(at int) {
	s.add("heap", at, 4, 1, 1, 1, 1, 8, 8, 8)
	data, size := s.number(at+24), s.number(at+8)
	for i := 0; i < size; i++ {
		if i%4 == 0 || s.b[data+i] != 0 {
			s.add("heap names", data+i, 1)
		}
	}
	if free := s.number(at + 16); free != 1 {
		s.add("heap free list", data+free, 8, 8)
	}
}

func (s *structure) symbols(at, names int, parent string) {
	if bytes.HasPrefix(s.b[at:], []byte("SNOD")) {
		n := int(le.Uint16(s.b[at+6:]))
		s.add("symbol node", at, 4, 1, 1, 2)
		for i := range n {
			e := at + 8 + 40*i
			s.add("symbol", e, 8, 8, 4, 4, 8, 8)
			if parent == "" || i < 8 {
				s.object(s.number(e+8), "x")
			}
		}
		return
	}
	n := int(le.Uint16(s.b[at+6:]))
	s.add("group tree", at, 4, 1, 1, 2, 8, 8, 8)
	for i := range n {
		s.add("group tree", at+32+16*i, 8, 8)
		s.symbols(s.number(at+32+16*i), names, parent)
	}
}

func (s *structure) chunks(at, rank int) {
	n, level := int(le.Uint16(s.b[at+6:])), s.b[at+5]
	s.add("chunk tree", at, 4, 1, 1, 2, 8, 8)
	step := 8 + 8*(rank+1) + 8
	for i := range n + 1 {
		k := at + 24 + step*i
		s.add("chunk size", k, 4)
		s.add("chunk mask", k+4, 4)
		for j := range rank + 1 {
			s.add("chunk key", k+8+8*j, 8)
		}
		if i == n {
			return
		}
		child := s.number(k + step - 8)
		s.add("chunk address", k+step-8, 8)
		if level > 0 {
			s.chunks(child, rank)
			continue
		}
		size := int(le.Uint32(s.b[k:]))
		s.add("chunk head", child, 1, 1)
		for i := range 4 {
			s.add("chunk data", child+size*i/4, 1)
		}
		s.add("chunk end", child+size-4, 1, 1, 1, 1)
	}
}

// damage changes one field of the kind in a copy of the file and says how.
func (s *structure) damage(r *rand.Rand, b []byte, kind string) string {
	all := s.places[kind]
	p := all[r.IntN(len(all))]
	field := b[p.at : p.at+p.size]
	var old [8]byte
	copy(old[:], field)
	was := le.Uint64(old[:])
	now := s.another(r, was, p.size, kind)
	var changed [8]byte
	le.PutUint64(changed[:], now)
	copy(field, changed[:])
	return fmt.Sprintf("%s at %d: %#x to %#x", kind, p.at, was, now)
}

// another returns another value for a field of size bytes.
func (s *structure) another(r *rand.Rand, was uint64, size int, kind string) uint64 {
	max := uint64(1)<<(8*size) - 1
	switch r.IntN(9) {
	case 0:
		return 0
	case 1:
		return max
	case 2:
		return was + uint64(1+r.IntN(3))
	case 3:
		return was - uint64(1+r.IntN(3))
	case 4:
		return was + 8*uint64(r.IntN(64)) - 256
	case 5:
		return was ^ 1<<r.IntN(8*size)
	case 6:
		return r.Uint64() & max
	case 7:
		return uint64(len(s.b)) - uint64(r.IntN(64))
	}
	// That of another such field of the file.
	all := s.places[kind]
	p := all[r.IntN(len(all))]
	var v [8]byte
	copy(v[:], s.b[p.at:p.at+p.size])
	return le.Uint64(v[:])
}
