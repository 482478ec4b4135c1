package direct

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
)

const (
	// blockSize is how many bytes are read at once: measured, it is faster than
	// to map a file or to read it whole.
	blockSize = 8 << 10

	// numBlocks is how many blocks are kept. A song's headers fit in fewer.
	numBlocks = 32

	// maxCost is what the bytes of one file that are read, inflated and returned
	// may cost together. Two hours of music stay below; a hostile file takes
	// less than a second.
	maxCost = 64 << 20

	// visitCost is what each look into the file costs besides its bytes, and
	// readCost what asking the system for them does.
	visitCost = 64
	readCost  = 512
)

// maxOnce is how many parts of headers and trees a file may have, of several
// chunks each.
const maxOnce = 1024

// undefined is the address of what is not in the file.
const undefined = 1<<64 - 1

// A file gives out bytes of the file that is read. What it reads, and what is
// made of it, is paid from a budget, so that no file is worth more than that,
// whatever its words say.
type file struct {
	io.ReaderAt
	end    uint64 // of what may be read
	budget int
	blocks [numBlocks]block
	joined []byte // bytes that are not within one block
	seen   []uint64
}

// A block is bytes of the file from a multiple of blockSize.
type block struct {
	number uint64 // 1 for the first, 0 for none
	data   []byte
}

// reset makes the file ready to give out bytes of f, of size bytes.
func (f *file) reset(of io.ReaderAt, size int64) {
	f.ReaderAt, f.end, f.budget = of, uint64(size), maxCost
	f.seen = f.seen[:0]
	for i := range f.blocks {
		f.blocks[i].number = 0
	}
}

// pay takes n from the budget.
func (f *file) pay(n int) error {
	if n > f.budget {
		return unsure("larger than any song")
	}
	f.budget -= n
	return nil
}

// once checks that nothing else was at addr. libhdf5 keeps parts of headers and
// trees by their addresses, decoded as those of the dataset that it met first.
func (f *file) once(addr uint64) error {
	if len(f.seen) == maxOnce {
		return unsure("more parts than a song has")
	}
	if slices.Contains(f.seen, addr) {
		return unsure("two parts at %d", addr)
	}
	f.seen = append(f.seen, addr)
	return nil
}

// holds reports whether n bytes at addr are within the file.
func (f *file) holds(addr uint64, n int) bool {
	return addr <= f.end && uint64(n) <= f.end-addr
}

// bytes returns n bytes at addr, good until the next call.
func (f *file) bytes(addr uint64, n int) ([]byte, error) {
	if !f.holds(addr, n) {
		return nil, unsure("bytes %d to %d+%d are beyond the end", addr, addr, n)
	}
	if err := f.pay(n + visitCost); err != nil {
		return nil, err
	}
	at := int(addr % blockSize)
	if at+n <= blockSize {
		b, err := f.block(addr / blockSize)
		if err != nil {
			return nil, err
		}
		if at+n > len(b) {
			return nil, unsure("the file shrinks")
		}
		return b[at : at+n], nil
	}
	return f.join(addr, n)
}

// join returns bytes that are in several blocks. They are nearly always those
// of a chunk, which is read once, so they are not kept.
func (f *file) join(addr uint64, n int) ([]byte, error) {
	if err := f.pay(readCost); err != nil {
		return nil, err
	}
	f.joined = grow(f.joined, n)
	if _, err := f.ReadAt(f.joined, int64(addr)); err != nil {
		return nil, unsure("%v", err)
	}
	return f.joined, nil
}

// block returns the block with the index.
func (f *file) block(index uint64) ([]byte, error) {
	b := &f.blocks[index%numBlocks]
	if b.number == index+1 {
		return b.data, nil
	}
	if err := f.pay(blockSize); err != nil {
		return nil, err
	}
	b.number = 0
	b.data = grow(b.data, blockSize)
	n, err := f.ReadAt(b.data, int64(index*blockSize))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, unsure("%v", err)
	}
	b.data = b.data[:n]
	b.number = index + 1
	return b.data, nil
}

// grow returns a slice of n bytes, b's own when they fit.
func grow(b []byte, n int) []byte {
	if n > cap(b) {
		return make([]byte, n)
	}
	return b[:n]
}

// A decoder takes numbers from bytes, least significant byte first. Beyond the
// end it gives zeros, and bad is set.
type decoder struct {
	b   []byte
	bad bool
}

// take returns the next n bytes, nil beyond the end.
func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.b, d.bad = nil, true
		return nil
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) uint8() uint8 {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) uint16() uint16 {
	if b := d.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (d *decoder) uint32() uint32 {
	if b := d.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	if b := d.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}
