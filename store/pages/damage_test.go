package pages

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// A patient is a test file in which pages can be damaged.
type patient struct {
	whole    []byte
	branch   uint64 // of the bucket "deep", whose children are leaves
	nth      int    // child of that branch
	leaf     uint64 // that child: a leaf of one page, neither the first nor the last
	large    uint64 // a leaf of it that takes several pages
	free     uint64 // a free page
	freelist uint64
	last     uint64 // number of pages
	page     int    // bytes of one
}

func newPatient(t *testing.T) *patient {
	t.Helper()
	path := testFile(t)
	p := new(patient)
	var err error
	if p.whole, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	err = view(t, path, func(ps *Pages) error {
		p.page, p.freelist, p.last, p.free = ps.size, ps.tail, uint64(ps.Count()), ps.freeAt(ps.FreeCount()/2)
		deep, err := bucket(ps, "deep")
		if err != nil {
			return err
		}
		p.branch = deep.root
		for {
			b, err := ps.page(p.branch)
			if err != nil {
				return err
			}
			below, err := ps.page(b.child(0))
			if err != nil {
				return err
			}
			if !below.leaf {
				p.branch = below.id
				continue
			}
			for i := 1; i+1 < b.count; i++ {
				if data, err := ps.raw(b.child(i)); err == nil && len(data) == ps.size {
					p.nth, p.leaf = i, b.child(i)
				}
			}
			break
		}
		for r, err := range deep.Runs() {
			if err != nil {
				return err
			}
			if r.Count > 1 {
				p.large = r.ID
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if p.large == 0 || p.leaf == 0 {
		t.Fatal("the test file lacks a page that the tests need")
	}
	return p
}

// at returns the bytes of a page, to be changed.
func (p *patient) at(data []byte, id uint64) []byte { return data[int(id)*p.page:] }

// setElement sets one of the three numbers of a leaf's element: flags, position,
// key's length, value's length.
func setElement(page []byte, i, number int, change int32) {
	at := pageHeaderLen + i*elementLen + 4*number
	old := binary.NativeEndian.Uint32(page[at:])
	binary.NativeEndian.PutUint32(page[at:], uint32(int32(old)+change))
}

// TestEachKindOfDamage damages one thing at a time, as little as can be, and
// expects to be told which.
func TestEachKindOfDamage(t *testing.T) {
	p := newPatient(t)
	put16, put32, put64 := binary.NativeEndian.PutUint16, binary.NativeEndian.PutUint32, binary.NativeEndian.PutUint64
	child := func(data []byte, i int, id uint64) { put64(p.at(data, p.branch)[pageHeaderLen+elementLen*i+8:], id) }
	key := func(data []byte, id uint64, i int) []byte {
		at := page{data: p.at(data, id)}
		if err := at.readHeader(); err != nil {
			t.Fatal(err)
		}
		return at.key(i)
	}
	for name, c := range map[string]struct {
		harm func(data []byte)
		want string
	}{
		"page 1 for a child":   {func(d []byte) { child(d, p.nth, 1) }, "page 1: out of bounds"},
		"page behind the last": {func(d []byte) { child(d, p.nth, p.last) }, fmt.Sprintf("page %d: out of bounds", p.last)},
		"last page for a child": {
			func(d []byte) { child(d, p.nth, p.last-1) },
			fmt.Sprintf("page %d: ", p.last-1),
		},
		"another number":  {func(d []byte) { p.at(d, p.leaf)[0]++ }, fmt.Sprintf("page %d: says to be page %d", p.leaf, p.leaf+1)},
		"too many pages":  {func(d []byte) { put32(p.at(d, p.leaf)[12:], uint32(p.last-p.leaf)) }, "reaches beyond the end"},
		"one page more":   {func(d []byte) { put32(p.at(d, p.leaf)[12:], 1) }, "bytes of 8192"},
		"one page less":   {func(d []byte) { put32(p.at(d, p.large)[12:], binary.NativeEndian.Uint32(p.at(d, p.large)[12:])-1) }, "is out of place"},
		"another kind":    {func(d []byte) { put16(p.at(d, p.leaf)[8:], 3) }, "of kind 3"},
		"a free list":     {func(d []byte) { put16(p.at(d, p.leaf)[8:], freelistPage) }, "of kind 16"},
		"no elements":     {func(d []byte) { put16(p.at(d, p.leaf)[10:], 0) }, "empty"},
		"many elements":   {func(d []byte) { put16(p.at(d, p.leaf)[10:], 256) }, "256 elements do not fit"},
		"elements enough": {func(d []byte) { put16(p.at(d, p.leaf)[10:], 255) }, "is out of place"},
		"one more element": {
			func(d []byte) { put16(p.at(d, p.leaf)[10:], binary.NativeEndian.Uint16(p.at(d, p.leaf)[10:])+1) },
			"element 0 is out of place",
		},
		"key moved":         {func(d []byte) { setElement(p.at(d, p.leaf), 3, 1, 1) }, "element 3 is out of place"},
		"key without bytes": {func(d []byte) { setElement(p.at(d, p.leaf), 3, 2, -10) }, "element 3 is out of place"},
		"longer key":        {func(d []byte) { setElement(p.at(d, p.leaf), 3, 2, 1) }, "element 4 is out of place"},
		"longer value":      {func(d []byte) { setElement(p.at(d, p.leaf), 3, 3, 1) }, "element 4 is out of place"},
		"last value beyond the page": {
			func(d []byte) {
				n := int(binary.NativeEndian.Uint16(p.at(d, p.leaf)[10:]))
				setElement(p.at(d, p.leaf), n-1, 3, 4096)
			},
			"is out of place",
		},
		"flags":      {func(d []byte) { setElement(p.at(d, p.leaf), 2, 0, 4) }, "element 2 has flags 4"},
		"a bucket":   {func(d []byte) { setElement(p.at(d, p.leaf), 2, 0, 1) }, "element 2 has flags 1"},
		"order":      {func(d []byte) { key(d, p.leaf, 4)[9] = '0' - 1 }, "is not in order"},
		"equal keys": {func(d []byte) { copy(key(d, p.leaf, 4), key(d, p.leaf, 3)) }, "is not in order"},
		"first key":  {func(d []byte) { key(d, p.leaf, 0)[9]++ }, "begins with key"},
		"last key":   {func(d []byte) { copy(lastKey(t, p, d), "key 999999") }, "ends with key"},
		"last key as that of the next page": {
			func(d []byte) { copy(lastKey(t, p, d), key(d, p.branch, p.nth+1)) },
			"ends with key",
		},
		"value":        {func(d []byte) { v := key(d, p.leaf, 4); v[:11][10]++ }, errSum.Error()},
		"its own root": {func(d []byte) { child(d, 0, p.branch) }, "ends with key"},
		"a leaf that is free": {
			func(d []byte) { put64(p.at(d, p.freelist)[pageHeaderLen+8*p.freeIndex(d):], p.leaf) },
			"in use and free",
		},
		"the page behind the last is free": {
			func(d []byte) {
				n := int(binary.NativeEndian.Uint16(p.at(d, p.freelist)[10:]))
				put64(p.at(d, p.freelist)[pageHeaderLen+8*(n-1):], p.last)
			},
			"of " + fmt.Sprint(p.last) + " pages",
		},
		"free pages out of order": {
			func(d []byte) { ids := p.at(d, p.freelist)[pageHeaderLen:]; copy(ids[8:16], ids[:8]) },
			"free page",
		},
		"the header is free": {func(d []byte) { put64(p.at(d, p.freelist)[pageHeaderLen:], 1) }, "free page 1 comes after 1"},
		"one free page less": {
			func(d []byte) {
				put16(p.at(d, p.freelist)[10:], binary.NativeEndian.Uint16(p.at(d, p.freelist)[10:])-1)
			},
			"pages are free",
		},
		"one free page more": {
			func(d []byte) {
				put16(p.at(d, p.freelist)[10:], binary.NativeEndian.Uint16(p.at(d, p.freelist)[10:])+1)
			},
			"free page 0 comes after",
		},
		"no free list":        {func(d []byte) { put16(p.at(d, p.freelist)[8:], leafPage) }, "no list of free pages"},
		"too many free pages": {func(d []byte) { put16(p.at(d, p.freelist)[10:], 511) }, "511 free pages do not fit"},
	} {
		t.Run(name, func(t *testing.T) {
			data := bytes.Clone(p.whole)
			c.harm(data)
			if err := readDeep(t, data); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			} else if !errors.Is(err, ErrDamaged) && !errors.Is(err, errSum) {
				t.Errorf("%v is not ErrDamaged", err)
			}
		})
	}
}

// freeIndex returns the place in the free list of a number that can become that
// of the leaf without the list being out of order.
func (p *patient) freeIndex(data []byte) int {
	n := int(binary.NativeEndian.Uint16(p.at(data, p.freelist)[10:]))
	for i := range n {
		if binary.NativeEndian.Uint64(p.at(data, p.freelist)[pageHeaderLen+8*i:]) > p.leaf {
			return i
		}
	}
	return n - 1
}

func lastKey(t *testing.T, p *patient, data []byte) []byte {
	t.Helper()
	leaf := page{data: p.at(data, p.leaf)}
	if err := leaf.readHeader(); err != nil {
		t.Fatal(err)
	}
	return leaf.key(leaf.count - 1)
}

// viewDeep calls fn with the bucket "deep" of a file of those bytes, without bbolt's
// own look at the free list.
func viewDeep(t *testing.T, data []byte, fn func(ps *Pages, deep *Bucket) error) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "harmed.db")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return view(t, path, func(ps *Pages) error {
		b, err := bucket(ps, "deep")
		if err != nil {
			return err
		}
		return fn(ps, &b)
	})
}

// readDeep reads all of that bucket, and which pages are in none.
func readDeep(t *testing.T, data []byte) error {
	t.Helper()
	return viewDeep(t, data, func(ps *Pages, deep *Bucket) error {
		if _, err := keysIn(deep, nil, nil); err != nil {
			return err
		}
		for _, err := range ps.Administration() {
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// TestCircle has a branch be its own first child.
func TestCircle(t *testing.T) {
	p := newPatient(t)
	data := bytes.Clone(p.whole)
	binary.NativeEndian.PutUint64(p.at(data, p.branch)[pageHeaderLen+8:], p.branch)
	err := viewDeep(t, data, func(_ *Pages, b *Bucket) error {
		_, _, _, err := b.Ends()
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "goes in circles") {
		t.Errorf("got %v", err)
	}
}

// TestGetIsFast checks that Get finds a key in a leaf whose other elements are
// damaged, for it does not look at them.
func TestGetIsFast(t *testing.T) {
	p := newPatient(t)
	leaf := page{data: p.at(p.whole, p.leaf)}
	if err := leaf.readHeader(); err != nil {
		t.Fatal(err)
	}
	data := bytes.Clone(p.whole)
	setElement(p.at(data, p.leaf), 3, 0, 4) // flags that there are not
	err := viewDeep(t, data, func(_ *Pages, b *Bucket) error {
		for i := range leaf.count {
			value, err := b.Get(leaf.key(i))
			switch {
			case i == 3 && !errors.Is(err, ErrDamaged):
				t.Errorf("the damaged element: got %v", err)
			case i != 3 && (err != nil || !bytes.Equal(value, leaf.value(i))):
				t.Errorf("element %d: got %d bytes, %v", i, len(value), err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestGreaterBranchKey makes a branch's key greater than those that its child
// begins with: a search for them goes to the child before it, and must not say
// that they are not there.
func TestGreaterBranchKey(t *testing.T) {
	p := newPatient(t)
	leaf := page{data: p.at(p.whole, p.leaf)}
	if err := leaf.readHeader(); err != nil {
		t.Fatal(err)
	}
	data := bytes.Clone(p.whole)
	branch := page{data: p.at(data, p.branch)}
	if err := branch.readHeader(); err != nil {
		t.Fatal(err)
	}
	copy(branch.key(p.nth), leaf.key(3))
	err := viewDeep(t, data, func(_ *Pages, b *Bucket) error {
		for i := range 3 {
			if value, err := b.Get(leaf.key(i)); !errors.Is(err, ErrDamaged) {
				t.Errorf("Get(%q) = %d bytes, %v, want ErrDamaged", leaf.key(i), len(value), err)
			}
			if keys, err := keysIn(b, leaf.key(i), leaf.key(i+1)); !errors.Is(err, ErrDamaged) {
				t.Errorf("range from %q: %q, %v, want ErrDamaged", leaf.key(i), keys, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFindIsFast checks that a key that is there is found without verifying the
// pages, and one in a damaged leaf is not.
func TestFindIsFast(t *testing.T) {
	p := newPatient(t)
	find := func(data []byte, i int) (ok bool) {
		err := viewDeep(t, data, func(_ *Pages, b *Bucket) error {
			leaf, at, found := b.find(testKey(i))
			if ok = found; !found {
				return nil
			}
			if !bytes.Equal(leaf.key(at), testKey(i)) || checkSealed(testKey(i), leaf.valueWithin(at)) != nil {
				t.Errorf("key %d: found another", i)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	first := 0 // number of the leaf's first key
	leaf := page{data: p.at(p.whole, p.leaf)}
	if err := leaf.readHeader(); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(string(leaf.key(0)), "key %d", &first); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, first - 2, first, first + 2, first + 2*leaf.count - 2, first + 2*leaf.count, 2*testSizes["deep"] - 2} {
		if !find(p.whole, i) {
			t.Errorf("key %d is not found", i)
		}
	}
	for _, i := range []int{first + 1, 2 * testSizes["deep"], 2*testSizes["deep"] + 1} {
		if find(p.whole, i) {
			t.Errorf("key %d is found", i)
		}
	}
	for name, harm := range map[string]func(page []byte){
		"number":      func(page []byte) { page[0]++ },
		"kind":        func(page []byte) { page[8] = 7 },
		"no elements": func(page []byte) { page[10], page[11] = 0, 0 },
		"first key":   func(page []byte) { setElement(page, 0, 1, 1) },
		"first key beyond the page": func(page []byte) {
			setElement(page, 0, 1, 1<<20)
		},
		"last key beyond the page": func(page []byte) { setElement(page, leaf.count-1, 2, 1<<20) },
		"last key": func(data []byte) {
			at := page{data: data}
			_ = at.readHeader()
			copy(at.key(at.count-1), "key 999999")
		},
	} {
		data := bytes.Clone(p.whole)
		harm(p.at(data, p.leaf))
		if find(data, first+2) {
			t.Errorf("%s: a key of the damaged page is found without care", name)
		}
	}
}

// TestHeaders damages each number of the headers.
func TestHeaders(t *testing.T) {
	p := newPatient(t)
	for page := range 2 {
		for at := pageHeaderLen; at < pageHeaderLen+64; at++ {
			data := bytes.Clone(p.whole)
			data[page*p.page+at] ^= 4
			if err := readDeep(t, data); err == nil {
				t.Errorf("header %d, byte %d: no error", page, at)
			}
		}
	}
	b, err := bbolt.Open(testFile(t), 0o644, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for length, want := range map[int]string{
		2*p.page - 1:           "store is damaged: the file is cut short",
		2 * p.page:             fmt.Sprintf("store is damaged: the file is cut short: it has %d bytes of %d", 2*p.page, int(p.last)*p.page),
		int(p.last)*p.page - 1: fmt.Sprintf("store is damaged: the file is cut short: it has %d bytes of %d", int(p.last)*p.page-1, int(p.last)*p.page),
	} {
		if err := CheckHeaders(b, int64(length)); err == nil || err.Error() != want {
			t.Errorf("%d bytes: got %v, want %s", length, err, want)
		}
	}
	for _, length := range []int{len(p.whole) - 1, int(p.last)*p.page - 1, int(p.last-1) * p.page} {
		if length > int(p.last)*p.page {
			continue // what is behind the last page is of no use
		}
		if err := readDeep(t, p.whole[:length]); err == nil {
			t.Errorf("the first %d bytes of %d: no error", length, len(p.whole))
		}
	}
	if err := readDeep(t, p.whole[:int(p.last)*p.page]); err != nil {
		t.Errorf("without what is behind the last page: %v", err)
	}
}

// TestInlineBuckets damages a bucket that is in its parent's page.
func TestInlineBuckets(t *testing.T) {
	sub := func(change func(value []byte) []byte) error {
		value := make([]byte, bucketHeaderLen+pageHeaderLen+elementLen)
		inline := value[bucketHeaderLen:]
		binary.NativeEndian.PutUint16(inline[8:], leafPage)
		binary.NativeEndian.PutUint16(inline[10:], 1)
		key := []byte("k")
		v := sealed(key, []byte("v"))
		setElement(inline, 0, 1, elementLen)
		setElement(inline, 0, 2, int32(len(key)))
		setElement(inline, 0, 3, int32(len(v)))
		value = change(append(append(value, key...), v...))
		b := Bucket{check: checkSealed}
		open, err := b.Open(Entry{[]byte("name"), value}, checkSealed)
		if err != nil {
			return err
		}
		keys, err := keysIn(&open, nil, nil)
		if err == nil && (len(keys) != 1 || open.root != 0) {
			err = fmt.Errorf("%d keys", len(keys))
		}
		return err
	}
	for name, c := range map[string]struct {
		change func(value []byte) []byte
		want   string
	}{
		"whole":         {func(v []byte) []byte { return v }, ""},
		"no header":     {func(v []byte) []byte { return v[:bucketHeaderLen-1] }, `"name" is no bucket`},
		"no page":       {func(v []byte) []byte { return v[:bucketHeaderLen+pageHeaderLen-1] }, `bucket "name" is cut short`},
		"page cut":      {func(v []byte) []byte { return v[:len(v)-1] }, "out of place"},
		"bytes behind":  {func(v []byte) []byte { return append(v, 0) }, `bucket "name" takes`},
		"branch":        {func(v []byte) []byte { v[bucketHeaderLen+8] = branchPage; return v }, ""},
		"another value": {func(v []byte) []byte { v[len(v)-1]++; return v }, errSum.Error()},
	} {
		err := sub(c.change)
		if name == "branch" {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: %v, want ErrDamaged", name, err)
			}
			continue
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
