package pages

import (
	"bytes"
	"encoding/binary"
	"iter"
	"slices"
	"sort"
)

// A Check says whether a value is what was written under the key, with an error
// if not.
type Check func(key, value []byte) error

// A Bucket is one of bbolt's: it holds buckets, or values.
type Bucket struct {
	pages *Pages
	root  uint64 // page; 0 when the bucket is in its parent's
	page  page   // that one, unless root
	check Check  // of values; nil in a bucket that holds buckets
}

// An Entry is a key and its value, in the file's memory map.
type Entry struct{ Key, Value []byte }

// Top returns the bucket that holds all others.
func (ps *Pages) Top() (Bucket, error) {
	data, err := ps.raw(ps.root)
	if err == nil && binary.NativeEndian.Uint16(data[10:]) == 0 {
		return Bucket{pages: ps}, nil // a new file of bbolt's
	}
	return Bucket{pages: ps, root: ps.root}, err
}

// Bucket returns the bucket of that name in b, or false when there is none. The
// check is that of its values, nil if it holds buckets.
func (b *Bucket) Bucket(name []byte, check Check) (Bucket, bool, error) {
	for e, err := range b.Range(name, nil) {
		if err != nil {
			return Bucket{}, false, err
		}
		if !bytes.Equal(e.Key, name) {
			break
		}
		sub, err := b.Open(e, check)
		return sub, err == nil, err
	}
	return Bucket{}, false, nil
}

// Buckets yields the entries of a bucket that holds buckets, to be given to
// [Bucket.Open].
func (b *Bucket) Buckets() iter.Seq2[Entry, error] { return b.Range(nil, nil) }

// Open returns the bucket that an entry of b holds.
func (b *Bucket) Open(e Entry, check Check) (Bucket, error) {
	sub := Bucket{pages: b.pages, check: check}
	if len(e.Value) < bucketHeaderLen {
		return sub, damaged(b.root, "%q is no bucket", e.Key)
	}
	sub.root = binary.NativeEndian.Uint64(e.Value)
	if sub.root != 0 {
		return sub, nil
	}
	sub.page = page{id: b.root, data: e.Value[bucketHeaderLen:]}
	if len(sub.page.data) < pageHeaderLen {
		return sub, damaged(b.root, "bucket %q is cut short", e.Key)
	}
	end, err := sub.page.check()
	if err == nil && (!sub.page.leaf || end != len(sub.page.data)) {
		err = damaged(b.root, "bucket %q takes %d bytes of %d", e.Key, end, len(sub.page.data))
	}
	return sub, err
}

// A walk goes through the pages of a bucket's tree that hold keys from from on,
// before to.
type walk struct {
	*Pages
	from, to []byte // nil is without bound
	exact    bool   // only the key from is looked for
	done     bool   // set by leaf to end the walk

	branch func(p *page) // called with each branch before its children, if set
	leaf   func(p *page) error

	path [maxDepth + 1]page // from the root to the page that is visited
}

func (b *Bucket) walk(w *walk) error {
	if b.root == 0 {
		if b.page.count == 0 {
			return nil
		}
		return w.leaf(&b.page)
	}
	w.Pages = b.pages
	return w.visit(b.root, nil, nil, 0)
}

// visit goes through the pages under id. Their first key is low, unless that is
// nil; all are less than high, unless that is nil.
func (w *walk) visit(id uint64, low, high []byte, depth int) error {
	if depth > maxDepth {
		return damaged(id, "the tree goes in circles")
	}
	p := &w.path[depth]
	var err error
	if *p, err = w.page(id); err != nil {
		return err
	}
	switch {
	case low != nil && !bytes.Equal(p.key(0), low):
		return damaged(id, "begins with key %q, want %q", p.key(0), low)
	case high != nil && bytes.Compare(p.key(p.count-1), high) >= 0:
		return damaged(id, "ends with key %q, want less than %q", p.key(p.count-1), high)
	case p.leaf:
		return w.leaf(p)
	}
	if w.branch != nil {
		w.branch(p)
	}
	first, end := w.children(p)
	for i := first; i < end && !w.done; i++ {
		if i == first+1 { // a single child is not worth it
			w.fetch(p, i, end)
		}
		next := high
		if i+1 < p.count {
			next = p.key(i + 1)
		}
		if err := w.visit(p.child(i), p.key(i), next, depth+1); err != nil {
			return err
		}
	}
	if end == p.count || w.done {
		return nil
	}
	// A damaged key may be greater than those of its child: they would be looked
	// for in the child before it.
	return w.checkFirst(p.child(end), p.key(end))
}

// checkFirst checks that a page begins with the key that its branch has of it.
func (w *walk) checkFirst(id uint64, key []byte) error {
	p, err := w.page(id)
	if err == nil && !bytes.Equal(p.key(0), key) {
		err = damaged(id, "begins with key %q, want %q", p.key(0), key)
	}
	return err
}

// children returns the first of a branch's children that may hold keys of the
// walk and the one after the last.
func (w *walk) children(p *page) (first, end int) {
	first, equal := p.search(w.from)
	if !equal && first > 0 {
		first--
	}
	switch {
	case w.exact:
		return first, first + 1
	case w.to == nil:
		return first, p.count
	}
	end, _ = p.search(w.to)
	return first, max(end, first+1)
}

// fetch tells the system that the branch's children from first on, before end,
// will be read: it was told by bbolt to read no page before it is touched, which
// makes a scan ten times slower than the disk.
func (w *walk) fetch(p *page, first, end int) {
	size := uint64(w.size)
	seen := false
	for r := range w.childRuns(p, first, end) {
		pages := w.data[r.ID*size : (r.ID+uint64(r.Count))*size]
		if !seen && isResident(pages[:size]) {
			return // and most likely the others are
		}
		seen = true
		willNeed(pages)
	}
}

// childRuns yields the pages of a branch's children from first on, before end,
// those together that follow each other. Children out of bounds are left out.
func (ps *Pages) childRuns(p *page, first, end int) iter.Seq[Run] {
	return func(yield func(Run) bool) {
		for i := first; i < end; {
			start, next := p.child(i), p.child(i)+1
			// Pages that a leaf takes besides its first lie in between.
			const gap = 8
			for i++; i < end && p.child(i) >= next && p.child(i) <= next+gap; i++ {
				next = p.child(i) + 1
			}
			inBounds := start >= 2 && start < next && next <= uint64(ps.Count())
			if inBounds && !yield(Run{start, int(next - start)}) {
				return
			}
		}
	}
}

// checkLeaf checks that a leaf holds what the bucket does.
func (b *Bucket) checkLeaf(p *page) error {
	if err := b.checkKinds(p); err != nil || b.check == nil {
		return err
	}
	for i := range p.count {
		if err := b.check(p.key(i), p.value(i)); err != nil {
			return err
		}
	}
	return nil
}

// checkKinds checks that a leaf holds buckets or values, as it should.
func (b *Bucket) checkKinds(p *page) error {
	want := 0
	if b.check == nil {
		want = bucketElement
	}
	for i := range p.count {
		if p.flags(i) != want {
			return damaged(p.id, "element %d has flags %x", i, p.flags(i))
		}
	}
	return nil
}

// Range yields the entries with keys from from on, before to, in order; nil is
// without bound. All entries of a page are checked, those out of range too:
// what is not yielded is not there. After an error nothing follows.
func (b *Bucket) Range(from, to []byte) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		w := walk{from: from, to: to}
		w.leaf = func(p *page) error {
			if err := b.checkLeaf(p); err != nil {
				return err
			}
			first, _ := p.search(from)
			end := p.count
			if to != nil {
				end, _ = p.search(to)
			}
			for i := first; i < end && !w.done; i++ {
				w.done = !yield(Entry{p.key(i), p.value(i)}, nil)
			}
			return nil
		}
		if err := b.walk(&w); err != nil {
			yield(Entry{}, err)
		}
	}
}

// Prefix yields the entries whose keys begin with prefix, as [Bucket.Range]
// does.
func (b *Bucket) Prefix(prefix []byte) iter.Seq2[Entry, error] {
	return b.Range(prefix, After(prefix))
}

// After returns the least key greater than all that begin with prefix, nil when
// there is none.
func After(prefix []byte) []byte {
	after := slices.Clone(prefix)
	for i := len(after) - 1; i >= 0; i-- {
		if after[i]++; after[i] != 0 {
			return after[:i+1]
		}
	}
	return nil
}

// Get returns the value of a key, nil when there is no such key. A key that is
// found needs less care than one that is not, for the check says that the value
// is the key's own; so the pages are verified only if the key is not found.
func (b *Bucket) Get(key []byte) ([]byte, error) {
	if p, at, ok := b.find(key); ok && p.flags(at) == 0 {
		if value := p.valueWithin(at); value != nil {
			return value, b.check(key, value)
		}
	}
	var value []byte
	w := walk{from: key, exact: true}
	w.leaf = func(p *page) error {
		if at, equal := p.search(key); equal {
			value = p.value(at)
		}
		return b.checkLeaf(p)
	}
	return value, b.walk(&w)
}

// find returns the leaf and element of a key. It fails when there is no such
// key, and when it meets damage.
func (b *Bucket) find(key []byte) (p page, at int, ok bool) {
	if b.root == 0 {
		at, ok = b.page.search(key)
		return b.page, at, ok
	}
	var low, high []byte
	id := b.root
	for range maxDepth {
		data, err := b.pages.raw(id)
		if err != nil || b.pages.isFree(id) {
			return p, 0, false
		}
		p := page{id: id, data: data}
		if p.readHeader() != nil || p.count == 0 {
			return p, 0, false
		}
		first, last := p.keyWithin(0), p.keyWithin(p.count-1)
		if first == nil || last == nil || low != nil && !bytes.Equal(first, low) || high != nil && bytes.Compare(last, high) >= 0 {
			return p, 0, false
		}
		at, equal := sort.Find(p.count, func(i int) int { return bytes.Compare(key, p.keyWithin(i)) })
		if p.leaf {
			return p, at, equal
		}
		if !equal {
			at--
		}
		if at < 0 {
			return p, 0, false
		}
		id, low = p.child(at), p.keyWithin(at)
		if at+1 < p.count {
			high = p.keyWithin(at + 1)
		}
	}
	return p, 0, false
}

// Ends returns the first and the last entry, or false when there are none. The
// values are not checked.
func (b *Bucket) Ends() (first, last Entry, ok bool, err error) {
	if b.root == 0 && b.page.count == 0 {
		return first, last, false, nil
	}
	if first, err = b.end(func(*page) int { return 0 }); err == nil {
		last, err = b.end(func(p *page) int { return p.count - 1 })
	}
	return first, last, err == nil, err
}

// end follows one side of the tree.
func (b *Bucket) end(side func(p *page) int) (Entry, error) {
	p := b.page
	for id, depth := b.root, 0; id != 0; depth++ {
		var err error
		if p, err = b.pages.page(id); err != nil {
			return Entry{}, err
		}
		if depth > maxDepth {
			return Entry{}, damaged(id, "the tree goes in circles")
		}
		if p.leaf {
			break
		}
		id = p.child(side(&p))
	}
	i := side(&p)
	return Entry{p.key(i), p.value(i)}, nil
}

// Split returns keys, ascending and fewer than n, that divide the bucket in
// parts of about the same size.
func (b *Bucket) Split(n int) ([][]byte, error) {
	if b.root == 0 {
		return nil, nil
	}
	const enough = 16 // keys to choose from, for each part
	keys, children := [][]byte(nil), []uint64{b.root}
	for depth := 0; len(children) < enough*n && depth < maxDepth; depth++ {
		var below []uint64
		keys = keys[:0]
		for _, id := range children {
			p, err := b.pages.page(id)
			if err != nil {
				return nil, err
			}
			for i := range p.count {
				keys = append(keys, p.key(i))
				if !p.leaf {
					below = append(below, p.child(i))
				}
			}
		}
		if below == nil {
			break
		}
		children = below
	}
	var splits [][]byte
	for i := 1; i < n; i++ {
		if key := keys[i*len(keys)/n]; len(splits) == 0 || bytes.Compare(splits[len(splits)-1], key) < 0 {
			splits = append(splits, key)
		}
	}
	return splits, nil
}

// Runs yields the pages of the bucket's tree, none when it is inline, and checks
// that each leaf holds what the bucket does. Values are not checked.
func (b *Bucket) Runs() iter.Seq2[Run, error] {
	return func(yield func(Run, error) bool) {
		if b.root == 0 {
			if err := b.checkKinds(&b.page); err != nil {
				yield(Run{}, err)
			}
			return
		}
		var w walk
		see := func(p *page) { w.done = w.done || !yield(Run{p.id, len(p.data) / b.pages.size}, nil) }
		w.branch = see
		w.leaf = func(p *page) error {
			see(p)
			return b.checkKinds(p)
		}
		if err := b.walk(&w); err != nil && !w.done {
			yield(Run{}, err)
		}
	}
}
