package direct

import (
	"math"
	"slices"
)

// A chunk is one that is stored.
type chunk struct {
	row, column uint64 // of its first value
	addr        uint64
	size        int // in the file, bytes
}

// A position is that of a chunk: row, column and byte. Where a tree has keys of
// two numbers only, the column is 0.
type position [3]uint64

// values reads an array, into dst if it has room.
func (r *Reader) values(dst []float64, d *dataset) ([]float64, error) {
	n := d.rows * d.columns
	if err := r.file.pay(8 * n); err != nil {
		return nil, err
	}
	values := dst
	if dst == nil || n > cap(dst) {
		values = make([]float64, n)
	}
	values = values[:n]
	if n == 0 {
		return values, nil
	}
	switch {
	case d.class == compact:
		decodeFloats(values, d.inline)
		return values, nil
	case d.class == contiguous && d.addr != undefined:
		return values, r.contiguousFloats(d, values)
	case d.class == contiguous:
		return values, d.fillFloats(values)
	}
	return values, r.chunkedFloats(d, values)
}

// contiguousFloats reads the values, block by block.
func (r *Reader) contiguousFloats(d *dataset, values []float64) error {
	const most = 64 << 10 / 8
	for i := 0; i < len(values); i += most {
		part := values[i:min(i+most, len(values))]
		b, err := r.file.bytes(d.addr+uint64(8*i), 8*len(part))
		if err != nil {
			return err
		}
		decodeFloats(part, b)
	}
	return nil
}

// fillFloats sets the values to the fill value.
func (s *storage) fillFloats(values []float64) error {
	if !s.canFill {
		return unsure("values never written")
	}
	clear(values)
	if len(s.fill) > 0 {
		v := math.Float64frombits(le.Uint64(s.fill))
		for i := range values {
			values[i] = v
		}
	}
	return nil
}

// chunkedFloats reads the chunks of an array.
func (r *Reader) chunkedFloats(d *dataset, values []float64) error {
	if err := r.listChunks(d, d.rows); err != nil {
		return err
	}
	across := (uint64(d.columns) + d.chunkColumns - 1) / d.chunkColumns
	down := (uint64(d.rows) + d.chunkRows - 1) / d.chunkRows
	if uint64(len(r.chunks)) != across*down {
		if err := d.fillFloats(values); err != nil {
			return err
		}
	}
	for _, c := range r.chunks {
		b, err := r.unpack(d, c)
		if err != nil {
			return err
		}
		d.place(values, c, b)
	}
	return nil
}

// place puts the values of a chunk in their places.
func (d *dataset) place(values []float64, c chunk, b []byte) {
	rows := int(min(d.chunkRows, uint64(d.rows)-c.row))
	columns, first, step := int(d.chunkColumns), int(c.row)*d.columns+int(c.column), d.columns
	wide := min(columns, d.columns-int(c.column))
	if columns == d.columns { // rows follow each other in both
		rows, columns, wide, step = 1, rows*columns, rows*columns, 0
	}
	for i := range rows {
		to := values[first+i*step:][:wide]
		if d.shuffled {
			unshuffle(to, b, i*columns)
		} else {
			decodeFloats(to, b[8*i*columns:])
		}
	}
}

// decodeFloats decodes as many values as there is place for.
func decodeFloats(values []float64, b []byte) {
	b = b[:8*len(values)]
	for i := range values {
		values[i] = math.Float64frombits(le.Uint64(b[8*i:]))
	}
}

// firstRow returns the first row of a table, with the fields at least, good
// until the next call.
func (r *Reader) firstRow(d *dataset, fields []Field) ([]byte, error) {
	switch {
	case d.class == compact:
		return d.inline, nil
	case d.class == contiguous && d.addr != undefined:
		return r.file.bytes(d.addr, d.size)
	case d.class == contiguous:
		return r.fillRow(d)
	}
	if err := r.listChunks(d, 1); err != nil {
		return nil, err
	}
	if len(r.chunks) == 0 {
		return r.fillRow(d)
	}
	b, err := r.unpack(d, r.chunks[0])
	if err != nil || !d.shuffled {
		return b, err
	}
	r.rowBytes = grow(r.rowBytes, d.size)
	for _, f := range fields {
		gather(r.rowBytes[f.Offset:][:f.Size], b[f.Offset*int(d.chunkRows):], int(d.chunkRows), f.Kind() == Text)
	}
	return r.rowBytes, nil
}

// gather takes the bytes of one value out of shuffled ones, step bytes from each
// other. Of a text it takes those up to the zero byte that ends it.
func gather(dst, b []byte, step int, text bool) {
	for i := range dst {
		dst[i] = b[i*step]
		if text && dst[i] == 0 {
			return
		}
	}
}

// fillRow returns a row of a table that was never written.
func (r *Reader) fillRow(d *dataset) ([]byte, error) {
	if !d.canFill {
		return nil, unsure("row never written")
	}
	if len(d.fill) > 0 {
		return d.fill, nil
	}
	r.rowBytes = grow(r.rowBytes, d.size)
	clear(r.rowBytes)
	return r.rowBytes, nil
}

// unpack returns the bytes of a chunk, inflated but still shuffled, good until
// the next call.
func (r *Reader) unpack(d *dataset, c chunk) ([]byte, error) {
	n := int(d.chunkRows*d.chunkColumns) * d.size
	if !d.deflated && c.size != n {
		return nil, unsure("chunk of %d bytes, not %d", c.size, n)
	}
	if c.size == 0 || c.size > n+n/64+1024 { // deflate adds less than a hundredth
		return nil, unsure("chunk of %d bytes in the file", c.size)
	}
	b, err := r.file.bytes(c.addr, c.size)
	if err != nil || !d.deflated {
		return b, err
	}
	if err := r.file.pay(n + visitCost); err != nil {
		return nil, err
	}
	r.inflated = grow(r.inflated, n)
	if !r.inflate(r.inflated, b) {
		return nil, unsure("inflate fails")
	}
	return r.inflated, nil
}

// listChunks lists the chunks that hold any of the first rows.
func (r *Reader) listChunks(d *dataset, rows int) error {
	r.chunks = r.chunks[:0]
	if d.addr == undefined {
		return nil
	}
	first := position{}
	last := position{undefined, undefined, undefined}
	return r.walkChunks(d, uint64(rows), d.addr, -1, first, last)
}

// An entry is that of a chunk or of a node in the node above it.
type entry struct {
	size        int // in the file, bytes
	skipped     uint32
	first, next position // its own, and that of what follows
	child       uint64
}

// walkChunks lists those below the node of the chunks' B-tree at addr. The keys
// are to be in order and between those beside the node, as in walkSymbols.
func (r *Reader) walkChunks(d *dataset, rows, addr uint64, level int, from, to position) error {
	const kind, most = 1, 64
	if err := r.file.once(addr); err != nil {
		return err
	}
	keySize := 8 + 8*2
	if d.columns > 1 {
		keySize = 8 + 8*3
	}
	level, n, err := r.node(addr, kind, level, most, headSize+most*(keySize+8)+keySize)
	if err != nil {
		return err
	}
	for i := range n {
		e, err := r.entry(d, addr+headSize+uint64(i*(keySize+8)), keySize)
		if err != nil {
			return err
		}
		if e.first.before(from) || to.before(e.next) {
			return unsure("chunks out of order")
		}
		if level > 0 {
			err = r.walkChunks(d, rows, e.child, level-1, e.first, e.next)
		} else {
			err = r.addChunk(d, rows, &e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// entry decodes the entry at addr: a key, an address and the next key.
func (r *Reader) entry(d *dataset, addr uint64, keySize int) (e entry, err error) {
	b, err := r.file.bytes(addr, 2*keySize+8)
	if err != nil {
		return e, err
	}
	e.size, e.skipped, e.child = int(le.Uint32(b)), le.Uint32(b[4:]), le.Uint64(b[keySize:])
	if e.first, err = d.position(b[8:keySize]); err != nil {
		return e, err
	}
	if e.next, err = d.position(b[keySize+16:]); err != nil {
		return e, err
	}
	if !e.first.before(e.next) {
		return e, unsure("chunks out of order")
	}
	return e, nil
}

// addChunk lists a chunk if it holds any of the rows.
func (r *Reader) addChunk(d *dataset, rows uint64, e *entry) error {
	if e.first[2] != 0 {
		return unsure("chunk within a value")
	}
	if e.first[0] >= rows || e.first[1] >= uint64(d.columns) {
		return nil
	}
	if e.skipped != 0 {
		return unsure("chunk without a filter")
	}
	r.chunks = append(r.chunks, chunk{e.first[0], e.first[1], e.child, e.size})
	return nil
}

// position decodes the numbers of a key.
func (d *dataset) position(b []byte) (p position, err error) {
	p[0] = le.Uint64(b)
	if len(b) == 24 {
		p[1] = le.Uint64(b[8:])
	}
	p[2] = le.Uint64(b[len(b)-8:])
	if p[0]%d.chunkRows != 0 || p[1]%d.chunkColumns != 0 || p[2]%uint64(d.size) != 0 {
		return p, unsure("chunk not in its place")
	}
	return p, nil
}

func (p position) before(q position) bool { return slices.Compare(p[:], q[:]) < 0 }
