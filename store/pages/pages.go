// Package pages reads the pages of a bbolt file and believes none of them. It
// knows bbolt and nothing of what is kept in it: whether a value is as it was
// written is for a [Check] of the caller's to say.
//
// bbolt keeps no checksums of its pages and believes what it reads: a damaged
// key sends a search the wrong way, so that what is there is not found, and a
// damaged page number can send it in circles until memory ends. But pages hold
// most of their structure twice: elements follow each other without gaps, in
// ascending order, and a branch holds each child's first key. This package
// checks all that of the pages that a question visits, and then has every value
// of a leaf checked, so that what is not found is not there.
//
// One kind of damage passes: a leaf that is as it was at an earlier time, as a
// lost write leaves it, if its first key is still the one that its branch has.
//
// A page begins with its number, flags, count of elements and how many more
// pages it takes; an element of 16 bytes for each key follows, then keys and
// values. A bucket is an element's value that holds the root's page number, or
// zero and the page itself. Numbers are in the machine's byte order.
package pages

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"math"
	"sort"
	"unsafe"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/cpu"
)

// ErrDamaged is returned when pages are not as bbolt left them.
var ErrDamaged = errors.New("store is damaged")

const (
	pageHeaderLen   = 16
	elementLen      = 16
	bucketHeaderLen = 16

	branchPage   = 1
	leafPage     = 2
	freelistPage = 16

	bucketElement = 1 // flag of a leaf's element

	// maxDepth is more levels than a tree of the least branching could have.
	maxDepth = 64
)

func damaged(id uint64, format string, args ...any) error {
	return fmt.Errorf("%w: page %d: %s", ErrDamaged, id, fmt.Sprintf(format, args...))
}

// Pages are those of the newest transaction in a file, in bbolt's memory map.
// They are good for as long as the transaction that they were asked of.
type Pages struct {
	data []byte // up to the end of the last page used
	size int    // of a page
	free []byte // numbers of free pages, ascending
	root uint64 // page of the bucket that holds all others
	tail uint64 // the freelist's first page
}

// Of returns the pages that tx reads, as they are in the file. A transaction
// that writes has some of its pages in memory, which Of does not see.
func Of(tx *bbolt.Tx) (*Pages, error) {
	info := tx.DB().Info()
	ps := &Pages{size: info.PageSize}
	newest := ps.newest(mapped(info, 2*ps.size))
	ps.data = mapped(info, int(newest.pages)*ps.size)
	ps.root, ps.tail = newest.root, newest.freelist
	var err error
	ps.free, err = ps.freelist()
	return ps, err
}

// mapped returns the first bytes of the file's memory map.
func mapped(info *bbolt.Info, length int) []byte {
	// The number is an address outside of Go's heap.
	start := *(*unsafe.Pointer)(unsafe.Pointer(&info.Data))
	return unsafe.Slice((*byte)(start), length)
}

// A header is what one of bbolt's two meta pages says: that of the transaction
// before the newest is kept until the next one.
type header struct {
	root, freelist, pages, txid uint64
}

func readHeader(page []byte) header {
	at := func(offset int) uint64 { return binary.NativeEndian.Uint64(page[pageHeaderLen+offset:]) }
	return header{root: at(16), freelist: at(32), pages: at(40), txid: at(48)}
}

// isWholeHeader reports whether the checksum of a meta page is right.
func isWholeHeader(page []byte) bool {
	const sumAt = pageHeaderLen + 56
	sum := fnv.New64a()
	sum.Write(page[pageHeaderLen:sumAt])
	return sum.Sum64() == binary.NativeEndian.Uint64(page[sumAt:])
}

// newest returns the header of the newest transaction.
func (ps *Pages) newest(headers []byte) header {
	first, second := readHeader(headers), readHeader(headers[ps.size:])
	if second.txid > first.txid {
		return second
	}
	return first
}

// CheckHeaders returns ErrDamaged unless both headers of a file of that length
// are whole: if one is not, bbolt takes the other, and the last transaction may
// be missing. The file must reach as far as they say.
func CheckHeaders(b *bbolt.DB, length int64) error {
	info := b.Info()
	if length < int64(2*info.PageSize) {
		return fmt.Errorf("%w: the file is cut short", ErrDamaged)
	}
	headers := mapped(info, 2*info.PageSize)
	for i := range 2 {
		page := headers[i*info.PageSize:]
		if !isWholeHeader(page) {
			return damaged(uint64(i), "checksum of the header differs")
		}
		if h := readHeader(page); h.pages > uint64(length)/uint64(info.PageSize) {
			return fmt.Errorf("%w: the file is cut short: it has %d bytes of %d", ErrDamaged, length, h.pages*uint64(info.PageSize))
		}
	}
	return nil
}

// freelist returns the numbers of the free pages. They ascend, and zeros follow
// them: bbolt writes the list to new pages, so a damaged count shows.
func (ps *Pages) freelist() ([]byte, error) {
	data, err := ps.raw(ps.tail)
	if err != nil {
		return nil, err
	}
	if binary.NativeEndian.Uint16(data[8:]) != freelistPage {
		return nil, damaged(ps.tail, "no list of free pages")
	}
	n, ids := uint64(binary.NativeEndian.Uint16(data[10:])), data[pageHeaderLen:]
	if n == 0xffff { // and more
		n, ids = binary.NativeEndian.Uint64(ids), ids[8:]
	}
	if n > uint64(len(ids)/8) {
		return nil, damaged(ps.tail, "%d free pages do not fit", n)
	}
	last := uint64(1) // after the headers
	for i := range n {
		id := binary.NativeEndian.Uint64(ids[8*i:])
		if id <= last || id >= uint64(ps.Count()) {
			return nil, damaged(ps.tail, "free page %d comes after %d of %d pages", id, last, ps.Count())
		}
		last = id
	}
	for _, b := range ids[8*n:] {
		if b != 0 {
			return nil, damaged(ps.tail, "more than %d pages are free", n)
		}
	}
	return ids[:8*n], nil
}

// Drop lets go of the memory that pages read so far take. They are read again
// when they are asked for.
func (ps *Pages) Drop() { drop(ps.data) }

// Size returns the length of a page in bytes.
func (ps *Pages) Size() int { return ps.size }

// Count returns the number of pages, of all kinds.
func (ps *Pages) Count() int { return len(ps.data) / ps.size }

// FreeCount returns the number of free pages.
func (ps *Pages) FreeCount() int { return len(ps.free) / 8 }

func (ps *Pages) freeAt(i int) uint64 { return binary.NativeEndian.Uint64(ps.free[8*i:]) }

func (ps *Pages) isFree(id uint64) bool {
	n := ps.FreeCount()
	i := sort.Search(n, func(i int) bool { return ps.freeAt(i) >= id })
	return i < n && ps.freeAt(i) == id
}

// A Run is pages that follow each other in the file.
type Run struct {
	ID    uint64 // of the first
	Count int
}

// Administration yields the pages that are in no bucket: the headers, the list
// of free pages, and those free.
func (ps *Pages) Administration() iter.Seq2[Run, error] {
	return func(yield func(Run, error) bool) {
		tail, err := ps.raw(ps.tail)
		if err != nil {
			yield(Run{}, err)
			return
		}
		if !yield(Run{0, 2}, nil) || !yield(Run{ps.tail, len(tail) / ps.size}, nil) {
			return
		}
		for i := range ps.FreeCount() {
			if !yield(Run{ps.freeAt(i), 1}, nil) {
				return
			}
		}
	}
}

// raw returns a page's bytes, with those of the pages that it takes besides.
func (ps *Pages) raw(id uint64) ([]byte, error) {
	size := uint64(ps.size)
	count := uint64(len(ps.data)) / size
	if id < 2 || id >= count {
		return nil, damaged(id, "out of bounds")
	}
	data := ps.data[id*size:]
	more := uint64(binary.NativeEndian.Uint32(data[12:]))
	if got := binary.NativeEndian.Uint64(data); got != id {
		return nil, damaged(id, "says to be page %d", got)
	}
	if more >= count-id {
		return nil, damaged(id, "reaches beyond the end")
	}
	return data[:(more+1)*size], nil
}

// page returns a leaf or branch that is in order by itself.
func (ps *Pages) page(id uint64) (page, error) {
	data, err := ps.raw(id)
	if err != nil {
		return page{}, err
	}
	if ps.isFree(id) {
		return page{}, damaged(id, "in use and free")
	}
	p := page{id: id, data: data}
	end, err := p.check()
	if err != nil {
		return p, err
	}
	if p.count == 0 {
		return p, damaged(id, "empty") // an empty bucket has no page
	}
	if (end-1)/ps.size != len(data)/ps.size-1 {
		return p, damaged(id, "takes %d bytes of %d", end, len(data))
	}
	return p, nil
}

// A page is a leaf or branch.
type page struct {
	id    uint64
	data  []byte
	leaf  bool
	count int
}

func (p *page) uint32(at int) int { return int(binary.NativeEndian.Uint32(p.data[at:])) }

// readHeader sets what the page's header says, and checks that the elements
// are within the page.
func (p *page) readHeader() error {
	flags := binary.NativeEndian.Uint16(p.data[8:])
	if flags != leafPage && flags != branchPage {
		return damaged(p.id, "of kind %d", flags)
	}
	p.leaf = flags == leafPage
	p.count = int(binary.NativeEndian.Uint16(p.data[10:]))
	if pageHeaderLen+p.count*elementLen > len(p.data) {
		return damaged(p.id, "%d elements do not fit", p.count)
	}
	return nil
}

// check reads the page's header and checks its elements. It returns where the
// last value ends.
func (p *page) check() (end int, err error) {
	if err := p.readHeader(); err != nil {
		return 0, err
	}
	end = pageHeaderLen + p.count*elementLen
	var last []byte
	for i := range p.count {
		start, keyLen, valueLen := p.element(i)
		if start != end || keyLen == 0 || start+keyLen+valueLen > len(p.data) {
			return 0, damaged(p.id, "element %d is out of place", i)
		}
		key := p.data[start : start+keyLen]
		if bytes.Compare(last, key) >= 0 {
			return 0, damaged(p.id, "key %q is not in order", key)
		}
		last, end = key, start+keyLen+valueLen
	}
	return end, nil
}

// element returns where an element's key begins, and the lengths of key and
// value.
func (p *page) element(i int) (start, keyLen, valueLen int) {
	at := pageHeaderLen + i*elementLen
	if p.leaf {
		return at + p.uint32(at+4), p.uint32(at + 8), p.uint32(at + 12)
	}
	return at + p.uint32(at), p.uint32(at + 4), 0
}

func (p *page) key(i int) []byte {
	start, keyLen, _ := p.element(i)
	return p.data[start : start+keyLen]
}

func (p *page) value(i int) []byte {
	start, keyLen, valueLen := p.element(i)
	return p.data[start+keyLen : start+keyLen+valueLen]
}

// keyWithin returns the key of an element that has not been checked, nil when
// it is not within the page.
func (p *page) keyWithin(i int) []byte {
	start, keyLen, _ := p.element(i)
	if keyLen == 0 || start+keyLen > len(p.data) {
		return nil
	}
	return p.data[start : start+keyLen]
}

// valueWithin is keyWithin for a leaf's value.
func (p *page) valueWithin(i int) []byte {
	start, keyLen, valueLen := p.element(i)
	if start+keyLen+valueLen > len(p.data) {
		return nil
	}
	return p.data[start+keyLen : start+keyLen+valueLen]
}

// flags returns a leaf element's flags.
func (p *page) flags(i int) int { return p.uint32(pageHeaderLen + i*elementLen) }

// child returns the page that a branch's element leads to.
func (p *page) child(i int) uint64 {
	return binary.NativeEndian.Uint64(p.data[pageHeaderLen+i*elementLen+8:])
}

// search returns the first element whose key is not less than the given one,
// and whether it is equal. The page has been checked.
func (p *page) search(key []byte) (at int, equal bool) {
	return sort.Find(p.count, func(i int) int { return bytes.Compare(key, p.key(i)) })
}

// Float64s sets dst to the numbers in src, of eight bytes each, the least first. It
// panics if src is too short. It is here so that package store needs no unsafe.
func Float64s(dst []float64, src []byte) {
	src = src[: 8*len(dst) : len(src)]
	if cpu.IsBigEndian {
		for i := range dst {
			dst[i] = math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:]))
		}
		return
	}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(dst))), len(src)), src)
}
