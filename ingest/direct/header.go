package direct

// The messages of object headers, by their numbers.
const (
	null           = 0x0
	dataspace      = 0x1
	datatype       = 0x3
	oldFill        = 0x4
	fill           = 0x5
	layout         = 0x8
	filterPipeline = 0xb
	attribute      = 0xc
	comment        = 0xd
	oldTime        = 0xe
	continuation   = 0x10
	symbolTable    = 0x11
	modified       = 0x12
	numMessages    = 0x13
)

const (
	maxHeader       = 1 << 20 // bytes of an object header
	maxHeaderBlocks = 256
)

// A header holds the messages of an object header that say what the object is.
type header struct {
	found  [numMessages]bool
	body   [numMessages][]byte
	blocks []extent
}

type extent struct {
	addr uint64
	size int
}

// has reports whether the header has a message of the kind.
func (h *header) has(kind int) bool { return h.found[kind] }

// read reads the object header of version 1 at addr, all of it: a message that
// changes what the others mean may be the last.
func (h *header) read(f *file, addr uint64) error {
	clear(h.found[:])
	b, err := f.bytes(addr, 16)
	if err != nil {
		return err
	}
	if b[0] != 1 {
		return unsure("object header of version %d", b[0])
	}
	messages := int(le.Uint16(b[2:]))
	h.blocks = h.blocks[:0]
	if err := h.addBlock(addr+16, uint64(le.Uint32(b[8:]))); err != nil {
		return err
	}
	for i := 0; i < len(h.blocks); i++ {
		b, err := f.bytes(h.blocks[i].addr, h.blocks[i].size)
		if err != nil {
			return err
		}
		n, err := h.readBlock(b)
		if err != nil {
			return err
		}
		if i > 0 {
			if err := f.once(h.blocks[i].addr); err != nil {
				return err
			}
		}
		messages -= n
	}
	if messages != 0 {
		return unsure("other number of messages than the object header has")
	}
	return nil
}

// addBlock adds a block of messages to those to be read.
func (h *header) addBlock(addr, size uint64) error {
	if size < 8 || size > maxHeader || len(h.blocks) == maxHeaderBlocks {
		return unsure("block of %d bytes in an object header", size)
	}
	h.blocks = append(h.blocks, extent{addr, int(size)})
	return nil
}

// readBlock keeps messages of one block and returns how many it has.
func (h *header) readBlock(b []byte) (messages int, err error) {
	for ; len(b) > 0; messages++ {
		if len(b) < 8 {
			return 0, unsure("object header")
		}
		kind, size, flags := int(le.Uint16(b)), int(le.Uint16(b[2:])), b[4]
		if b = b[8:]; size%8 != 0 || size > len(b) {
			return 0, unsure("object header")
		}
		if err := h.message(kind, flags, b[:size]); err != nil {
			return 0, err
		}
		b = b[size:]
	}
	return messages, nil
}

// message keeps one message.
func (h *header) message(kind int, flags uint8, body []byte) error {
	const constant = 1
	if flags&^constant != 0 {
		return unsure("message %#x with flags %#x", kind, flags)
	}
	switch kind {
	case null, oldFill, attribute, comment, oldTime, modified:
		return nil
	case continuation:
		if len(body) < 16 {
			return unsure("continuation message")
		}
		return h.addBlock(le.Uint64(body), le.Uint64(body[8:]))
	case dataspace, datatype, fill, layout, filterPipeline, symbolTable:
		if h.found[kind] {
			return unsure("message %#x twice", kind)
		}
		h.found[kind] = true
		h.body[kind] = append(h.body[kind][:0], body...)
		return nil
	}
	return unsure("message %#x", kind)
}
