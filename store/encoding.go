package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"tatum/store/pages"
)

// sumLen is the length of the checksum that ends every value.
const sumLen = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal appends to value the checksum that binds it to its key.
func seal(key, value []byte) []byte {
	return binary.LittleEndian.AppendUint32(value, checksum(key, value))
}

func checksum(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
}

// unseal returns the value without its checksum, or ErrCorrupt when the
// checksum is not that of key and value. The result shares memory with sealed.
func unseal(key, sealed []byte) ([]byte, error) {
	n := len(sealed) - sumLen
	if n < 0 {
		return nil, corrupt(key, "value is too short")
	}
	if checksum(key, sealed[:n]) != binary.LittleEndian.Uint32(sealed[n:]) {
		return nil, corrupt(key, "checksum differs")
	}
	return sealed[:n:n], nil
}

// checkSum returns ErrCorrupt unless sealed ends in its checksum.
func checkSum(key, sealed []byte) error {
	_, err := unseal(key, sealed)
	return err
}

// body returns a value that [checkSum] has passed, without its checksum.
func body(sealed []byte) []byte { return sealed[: len(sealed)-sumLen : len(sealed)-sumLen] }

func corrupt(key []byte, why string) error {
	return fmt.Errorf("%w: key %q: %s", ErrCorrupt, key, why)
}

// An encoder appends numbers and strings to buf.
type encoder struct{ buf []byte }

func (e *encoder) uint8(v uint8)     { e.buf = append(e.buf, v) }
func (e *encoder) uint16(v uint16)   { e.buf = binary.LittleEndian.AppendUint16(e.buf, v) }
func (e *encoder) uint32(v uint32)   { e.buf = binary.LittleEndian.AppendUint32(e.buf, v) }
func (e *encoder) uint64(v uint64)   { e.buf = binary.LittleEndian.AppendUint64(e.buf, v) }
func (e *encoder) float64(v float64) { e.uint64(math.Float64bits(v)) }

func (e *encoder) bytes(v []byte) {
	e.buf = binary.AppendUvarint(e.buf, uint64(len(v)))
	e.buf = append(e.buf, v...)
}

func (e *encoder) string(v string) { e.bytes([]byte(v)) }

func (e *encoder) float64s(v []float64) {
	for _, x := range v {
		e.float64(x)
	}
}

// A decoder takes apart what an encoder wrote. Once bytes are missing, it is
// short and returns zeros: ask end for an error after the last value.
type decoder struct {
	buf   []byte
	short bool
}

func (d *decoder) take(n int) []byte {
	if d.short || n < 0 || n > len(d.buf) {
		d.short = true
		return nil
	}
	b := d.buf[:n]
	d.buf = d.buf[n:]
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

func (d *decoder) float64() float64 { return math.Float64frombits(d.uint64()) }

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.buf)
	if n <= 0 {
		d.short = true
	}
	d.take(n)
	return v
}

// bytes returns a string's bytes, which share memory with the value.
func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.buf)) {
		d.short = true
		return nil
	}
	return d.take(int(n))
}

func (d *decoder) string() string { return string(d.bytes()) }

func (d *decoder) float64s(dst []float64) {
	if b := d.take(8 * len(dst)); b != nil {
		pages.Float64s(dst, b)
	}
}

// end returns ErrCorrupt when bytes were missing or some are left over.
func (d *decoder) end(key []byte) error {
	switch {
	case d.short:
		return corrupt(key, "value is too short")
	case len(d.buf) > 0:
		return corrupt(key, fmt.Sprintf("%d bytes too many", len(d.buf)))
	}
	return nil
}
