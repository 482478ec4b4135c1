package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"slices"
	"sort"
	"unsafe"

	"go.etcd.io/bbolt"
)

// bbolt keeps no checksums of its pages and believes what it reads: a damaged
// key sends a search the wrong way, so that what is there is not found, and a
// damaged page number can send it in circles until memory ends. But pages hold
// most of their structure twice: elements follow each other without gaps, in
// ascending order, and a branch holds each child's first key. This file checks
// that, for a whole file or for the pages that one question visits.
//
// A page begins with its number, flags, count of elements and how many more
// pages it takes; an element of 16 bytes for each key follows, then keys and
// values. A bucket is an element's value that holds the root's page number, or
// zero and the page itself. Numbers are in the machine's byte order.
const (
	pageHeaderLen   = 16
	elementLen      = 16
	bucketHeaderLen = 16

	branchPage   = 1
	leafPage     = 2
	metaPage     = 4
	freelistPage = 16

	bucketElement = 1 // flag of a leaf's element

	// maxDepth is more levels than a tree of the least branching could have.
	maxDepth = 64
)

func damagedPage(id uint64, format string, args ...any) error {
	return fmt.Errorf("%w: page %d: %s", ErrCorrupt, id, fmt.Sprintf(format, args...))
}

// pages are those of the newest transaction in a file, in bbolt's memory map.
type pages struct {
	data []byte // up to the end of the last page used
	size int    // of a page
	free []byte // numbers of free pages, ascending
	root uint64 // page of the bucket that holds all others
	tail uint64 // the freelist's first page
}

// pagesOf returns the pages that tx reads, as they are in the file. It must be
// called in a guard.
func pagesOf(tx *bbolt.Tx) (*pages, error) {
	info := tx.DB().Info()
	// The number is an address outside of Go's heap.
	start := *(*unsafe.Pointer)(unsafe.Pointer(&info.Data))
	ps := &pages{size: info.PageSize}
	newest := ps.newest(unsafe.Slice((*byte)(start), 2*ps.size))
	ps.data = unsafe.Slice((*byte)(start), newest.pages*uint64(ps.size))
	ps.root, ps.tail = newest.root, newest.freelist
	var err error
	ps.free, err = ps.freelist()
	return ps, err
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
func (ps *pages) newest(headers []byte) header {
	first, second := readHeader(headers), readHeader(headers[ps.size:])
	if second.txid > first.txid {
		return second
	}
	return first
}

// checkHeaders checks that both headers of a file of that length are whole: if
// one is not, bbolt takes the other, and the last transaction may be missing.
// The file must reach as far as they say.
func checkHeaders(b *bbolt.DB, length int64) error {
	info := b.Info()
	if length < int64(2*info.PageSize) {
		return fmt.Errorf("%w: the file is cut short", ErrCorrupt)
	}
	start := *(*unsafe.Pointer)(unsafe.Pointer(&info.Data))
	headers := unsafe.Slice((*byte)(start), 2*info.PageSize)
	for i := range 2 {
		page := headers[i*info.PageSize:]
		if !isWholeHeader(page) {
			return damagedPage(uint64(i), "checksum of the header differs")
		}
		if h := readHeader(page); h.pages > uint64(length)/uint64(info.PageSize) {
			return fmt.Errorf("%w: the file is cut short: it has %d bytes of %d", ErrCorrupt, length, h.pages*uint64(info.PageSize))
		}
	}
	return nil
}

// freelist returns the numbers of the free pages.
func (ps *pages) freelist() ([]byte, error) {
	data, err := ps.raw(ps.tail)
	if err != nil {
		return nil, err
	}
	if binary.NativeEndian.Uint16(data[8:]) != freelistPage {
		return nil, damagedPage(ps.tail, "no list of free pages")
	}
	n, ids := uint64(binary.NativeEndian.Uint16(data[10:])), data[pageHeaderLen:]
	if n == 0xffff { // and more
		n, ids = binary.NativeEndian.Uint64(ids), ids[8:]
	}
	if n > uint64(len(ids)/8) {
		return nil, damagedPage(ps.tail, "%d free pages do not fit", n)
	}
	return ids[:8*n], nil
}

func (ps *pages) isFree(id uint64) bool {
	n := len(ps.free) / 8
	at := func(i int) uint64 { return binary.NativeEndian.Uint64(ps.free[8*i:]) }
	i := sort.Search(n, func(i int) bool { return at(i) >= id })
	return i < n && at(i) == id
}

// raw returns a page's bytes, with those of the pages that it takes besides.
func (ps *pages) raw(id uint64) ([]byte, error) {
	size := uint64(ps.size)
	count := uint64(len(ps.data)) / size
	if id < 2 || id >= count {
		return nil, damagedPage(id, "out of bounds")
	}
	data := ps.data[id*size:]
	more := uint64(binary.NativeEndian.Uint32(data[12:]))
	if got := binary.NativeEndian.Uint64(data); got != id {
		return nil, damagedPage(id, "says to be page %d", got)
	}
	if more >= count-id {
		return nil, damagedPage(id, "reaches beyond the end")
	}
	return data[:(more+1)*size], nil
}

// page returns a leaf or branch that is in order by itself.
func (ps *pages) page(id uint64) (page, error) {
	data, err := ps.raw(id)
	if err != nil {
		return page{}, err
	}
	if ps.isFree(id) {
		return page{}, damagedPage(id, "in use and free")
	}
	p := page{id: id, data: data}
	end, err := p.check()
	if err != nil {
		return p, err
	}
	if p.count == 0 {
		return p, damagedPage(id, "empty") // an empty bucket has no page
	}
	if (end-1)/ps.size != len(data)/ps.size-1 {
		return p, damagedPage(id, "takes %d bytes of %d", end, len(data))
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
		return damagedPage(p.id, "of kind %d", flags)
	}
	p.leaf = flags == leafPage
	p.count = int(binary.NativeEndian.Uint16(p.data[10:]))
	if pageHeaderLen+p.count*elementLen > len(p.data) {
		return damagedPage(p.id, "%d elements do not fit", p.count)
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
			return 0, damagedPage(p.id, "element %d is out of place", i)
		}
		key := p.data[start : start+keyLen]
		if bytes.Compare(last, key) >= 0 {
			return 0, damagedPage(p.id, "key %q is not in order", key)
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

// A walk goes through the pages of one bucket's tree that bbolt visits when it
// looks for the keys from from on, before to.
type walk struct {
	*pages
	from, to []byte // nil is without bound
	exact    bool   // only the key from is looked for

	branch func(p *page) error // called with each page, branches before their children
	leaf   func(p *page) error
}

// visit goes through the pages under id. Their first key is low, unless that is
// nil; all are less than high, unless that is nil.
func (w *walk) visit(id uint64, low, high []byte, depth int) error {
	p, err := w.page(id)
	switch {
	case err != nil:
		return err
	case depth > maxDepth:
		return damagedPage(id, "the tree goes in circles")
	case low != nil && !bytes.Equal(p.key(0), low):
		return damagedPage(id, "begins with key %q, want %q", p.key(0), low)
	case high != nil && bytes.Compare(p.key(p.count-1), high) >= 0:
		return damagedPage(id, "ends with key %q, want less than %q", p.key(p.count-1), high)
	case p.leaf:
		return w.leaf(&p)
	}
	if w.branch != nil {
		if err := w.branch(&p); err != nil {
			return err
		}
	}
	for i := range p.count {
		end := high
		if i+1 < p.count {
			end = p.key(i + 1)
		}
		if end != nil && bytes.Compare(end, w.from) <= 0 {
			continue
		}
		if err := w.visit(p.child(i), p.key(i), end, depth+1); err != nil {
			return err
		}
		// A cursor looks at the first key behind the last one, too.
		if w.exact || w.to != nil && bytes.Compare(p.key(i), w.to) >= 0 {
			break
		}
	}
	return nil
}

// verify checks the pages that a search in a bucket of values for the keys from
// from on, before to, will visit, and the values in those that hold other keys
// as well: what such a search does not find is not there. Without it, damage
// could hide keys, or never let bbolt return. It does nothing in a transaction
// that writes, whose pages are partly in memory, nor for a bucket so small that
// it has no page: Open has checked that one.
func verify(b *bbolt.Bucket, from, to []byte, exact bool) error {
	if b.Writable() || b.Root() == 0 {
		return nil
	}
	ps, err := pagesOf(b.Tx())
	if err != nil {
		return err
	}
	w := walk{pages: ps, from: from, to: to, exact: exact, leaf: func(p *page) error {
		inside := !exact && bytes.Compare(p.key(0), from) >= 0 && (to == nil || bytes.Compare(p.key(p.count-1), to) < 0)
		return checkLeaf(p, !inside)
	}}
	return w.visit(uint64(b.Root()), nil, nil, 0)
}

// checkLeaf checks that a leaf holds values, and their checksums if asked to.
func checkLeaf(p *page, sums bool) error {
	for i := range p.count {
		if p.flags(i) != 0 {
			return damagedPage(p.id, "element %d has flags %x", i, p.flags(i))
		}
		if !sums {
			continue
		}
		if _, err := unseal(p.key(i), p.value(i)); err != nil {
			return err
		}
	}
	return nil
}

// get is b.Get after [verify]: nil says that there is no such key.
func get(b *bbolt.Bucket, key []byte) ([]byte, error) {
	f, err := newFinder(b)
	if err != nil {
		return nil, err
	}
	return f.get(key)
}

// A finder gets keys of a bucket. A key that is found needs less care than one
// that is not, for its checksum, which is for the caller to look at, says that
// the value is the key's own: so it looks at what it passes alone, and has the
// pages verified only if it does not find the key. Keys that follow each other
// are found next to each other.
type finder struct {
	bucket *bbolt.Bucket
	pages  *pages // nil when the bucket is not to be verified
	leaf   page   // of the key found last
	at     int    // its element
}

func newFinder(b *bbolt.Bucket) (f finder, err error) {
	f.bucket = b
	if !b.Writable() && b.Root() != 0 {
		f.pages, err = pagesOf(b.Tx())
	}
	return f, err
}

// get returns the value of a key, nil when there is no such key.
func (f *finder) get(key []byte) ([]byte, error) {
	if f.pages == nil {
		return f.bucket.Get(key), nil
	}
	if f.at++; f.at >= f.leaf.count || !bytes.Equal(f.leaf.keyWithin(f.at), key) {
		f.find(key)
	}
	if f.leaf.count > 0 && f.leaf.flags(f.at) == 0 {
		if value := f.leaf.valueWithin(f.at); value != nil {
			return value, nil
		}
	}
	if err := verify(f.bucket, key, nil, true); err != nil {
		return nil, err
	}
	return f.bucket.Get(key), nil
}

// find sets leaf and at, or leaves no leaf: there is no such key, or something
// is damaged.
func (f *finder) find(key []byte) {
	f.leaf = page{}
	var low, high []byte
	id := uint64(f.bucket.Root())
	for range maxDepth {
		data, err := f.pages.raw(id)
		if err != nil || f.pages.isFree(id) {
			return
		}
		p := page{id: id, data: data}
		if p.readHeader() != nil || p.count == 0 {
			return
		}
		first, last := p.keyWithin(0), p.keyWithin(p.count-1)
		if first == nil || last == nil || low != nil && !bytes.Equal(first, low) || high != nil && bytes.Compare(last, high) >= 0 {
			return
		}
		at, exact := sort.Find(p.count, func(i int) int { return bytes.Compare(key, p.keyWithin(i)) })
		if p.leaf {
			if exact {
				f.leaf, f.at = p, at
			}
			return
		}
		if !exact {
			at--
		}
		if at < 0 {
			return
		}
		id, low = p.child(at), p.keyWithin(at)
		if at+1 < p.count {
			high = p.keyWithin(at + 1)
		}
	}
}

// each is b.ForEach after [verify].
func each(b *bbolt.Bucket, fn func(key, value []byte) error) error {
	if err := verify(b, nil, nil, false); err != nil {
		return err
	}
	return b.ForEach(fn)
}

// scan calls fn with the bucket's entries whose keys begin with prefix, after
// [verify].
func scan(b *bbolt.Bucket, prefix []byte, fn func(key, value []byte) error) error {
	if err := verify(b, prefix, afterPrefix(prefix), false); err != nil {
		return err
	}
	c := b.Cursor()
	for key, value := c.Seek(prefix); bytes.HasPrefix(key, prefix); key, value = c.Next() {
		if err := fn(key, value); err != nil {
			return err
		}
	}
	return nil
}

// afterPrefix returns the least key greater than all that begin with prefix,
// nil when there is none.
func afterPrefix(prefix []byte) []byte {
	after := slices.Clone(prefix)
	for i := len(after) - 1; i >= 0; i-- {
		if after[i]++; after[i] != 0 {
			return after[:i+1]
		}
	}
	return nil
}

// A bucketTree is one bucket found in the file.
type bucketTree struct {
	path [][]byte // names from the top
	root uint64   // page; 0 when the bucket is in its parent's
	page page     // that one, unless root
}

// holdsBuckets reports whether a bucket of our format holds buckets: the whole
// file does, and the fits, and each of them.
func holdsBuckets(path [][]byte) bool {
	return len(path) == 0 || bytes.Equal(path[0], fitsBucket) && len(path) <= 2
}

// buckets calls fn with every bucket that holds values, and checks the pages of
// the others. There are few of either.
func (ps *pages) buckets(fn func(b *bucketTree) error) error {
	return ps.bucketsUnder(&bucketTree{root: ps.root}, fn)
}

func (ps *pages) bucketsUnder(b *bucketTree, fn func(b *bucketTree) error) error {
	if !holdsBuckets(b.path) {
		return fn(b)
	}
	leaf := func(p *page) error {
		for i := range p.count {
			child, err := childBucket(b, p, i)
			if err != nil {
				return err
			}
			if err := ps.bucketsUnder(child, fn); err != nil {
				return err
			}
		}
		return nil
	}
	return ps.visitBucket(b, &walk{leaf: leaf})
}

// visitBucket goes through a bucket's pages.
func (ps *pages) visitBucket(b *bucketTree, w *walk) error {
	if b.root == 0 {
		return w.leaf(&b.page)
	}
	w.pages = ps
	return w.visit(b.root, nil, nil, 0)
}

// childBucket returns the bucket that an element of a leaf holds.
func childBucket(parent *bucketTree, p *page, i int) (*bucketTree, error) {
	value := p.value(i)
	if p.flags(i) != bucketElement || len(value) < bucketHeaderLen {
		return nil, damagedPage(p.id, "element %d is no bucket", i)
	}
	b := &bucketTree{
		path: append(slices.Clip(parent.path), p.key(i)),
		root: binary.NativeEndian.Uint64(value),
	}
	if b.root != 0 {
		return b, nil
	}
	b.page = page{id: p.id, data: value[bucketHeaderLen:]}
	if len(b.page.data) < pageHeaderLen {
		return nil, damagedPage(p.id, "bucket %q is cut short", p.key(i))
	}
	end, err := b.page.check()
	if err == nil && (!b.page.leaf || end != len(b.page.data)) {
		err = damagedPage(p.id, "bucket %q takes %d bytes of %d", p.key(i), end, len(b.page.data))
	}
	return b, err
}

// checkBuckets checks the pages of the buckets, which every question relies on,
// the buckets so small that they are in those, and that the others begin and end
// as they were written: the number of a bucket's first page is nowhere else, and
// a wrong one that is of the same bucket would hide the entries before or behind.
func checkBuckets(ps *pages, want uint32) error {
	var got ends
	err := ps.buckets(func(b *bucketTree) error {
		if b.root == 0 {
			if err := checkLeaf(&b.page, !isMeta(b.path)); err != nil { // the format has no checksum
				return err
			}
		}
		return ps.addEnds(&got, b)
	})
	if err == nil && got.sum != want {
		err = fmt.Errorf("%w: a bucket begins or ends with another entry than was written", ErrCorrupt)
	}
	return err
}

// addEnds adds a bucket's first and last entry.
func (ps *pages) addEnds(e *ends, b *bucketTree) error {
	if b.root == 0 {
		if n := b.page.count; n > 0 {
			e.add(b.path, b.page.key(0), b.page.value(0))
			e.add(b.path, b.page.key(n-1), b.page.value(n-1))
		}
		return nil
	}
	for _, end := range []func(p *page) int{func(*page) int { return 0 }, func(p *page) int { return p.count - 1 }} {
		id := b.root
		for depth := 0; ; depth++ {
			p, err := ps.page(id)
			if err != nil {
				return err
			}
			if depth > maxDepth {
				return damagedPage(id, "the tree goes in circles")
			}
			i := end(&p)
			if p.leaf {
				e.add(b.path, p.key(i), p.value(i))
				break
			}
			id = p.child(i)
		}
	}
	return nil
}

func isMeta(path [][]byte) bool { return bytes.Equal(path[0], metaBucket) }

// An ends is a checksum of the first and last entries of buckets.
type ends struct{ sum uint32 }

func (e *ends) add(path [][]byte, key, value []byte) {
	if isMeta(path) {
		return // which holds the checksum
	}
	for _, b := range append(slices.Clip(path), key, value) {
		e.sum = crc32.Update(e.sum, castagnoli, binary.LittleEndian.AppendUint32(nil, uint32(len(b))))
		e.sum = crc32.Update(e.sum, castagnoli, b)
	}
}

// putEnds records the ends of all buckets as the transaction leaves them.
func putEnds(tx *bbolt.Tx) error {
	var e ends
	var addAll func(path [][]byte, b *bbolt.Bucket) error
	addAll = func(path [][]byte, b *bbolt.Bucket) error {
		if holdsBuckets(path) {
			return b.ForEachBucket(func(name []byte) error {
				return addAll(append(slices.Clip(path), name), b.Bucket(name))
			})
		}
		c := b.Cursor()
		if key, value := c.First(); key != nil {
			e.add(path, key, value)
			key, value = c.Last()
			e.add(path, key, value)
		}
		return nil
	}
	err := tx.ForEach(func(name []byte, b *bbolt.Bucket) error { return addAll([][]byte{name}, b) })
	if err != nil {
		return err
	}
	return tx.Bucket(metaBucket).Put(endsKey, seal(endsKey, binary.LittleEndian.AppendUint32(nil, e.sum)))
}

// metaValue returns the value of a key in the bucket "meta", nil when there is
// none.
func (ps *pages) metaValue(key []byte) (value []byte, err error) {
	data, err := ps.raw(ps.root)
	if err != nil || binary.NativeEndian.Uint16(data[10:]) == 0 {
		return nil, err // a new file of bbolt's
	}
	err = ps.visitBucket(&bucketTree{root: ps.root}, &walk{leaf: func(p *page) error {
		for i := range p.count {
			if !bytes.Equal(p.key(i), metaBucket) {
				continue
			}
			b, err := childBucket(&bucketTree{}, p, i)
			if err != nil {
				return err
			}
			for i := range b.page.count {
				if bytes.Equal(b.page.key(i), key) {
					value = b.page.value(i)
				}
			}
		}
		return nil
	}})
	return value, err
}
