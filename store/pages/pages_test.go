package pages

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.etcd.io/bbolt"
)

// sealed returns a value that ends in a checksum of key and value.
func sealed(key, value []byte) []byte {
	return fmt.Appendf(bytes.Clone(value), "%08x", crc32.ChecksumIEEE(append(bytes.Clone(key), value...)))
}

var errSum = errors.New("checksum differs")

func checkSealed(key, value []byte) error {
	if len(value) < 8 || !bytes.Equal(sealed(key, value[:len(value)-8]), value) {
		return errSum
	}
	return nil
}

// testKey returns key i; keys ascend with i.
func testKey(i int) []byte { return fmt.Appendf(nil, "key %06d", i) }

// The buckets of a test file, and how many keys they have: the keys are those of
// even numbers.
var testSizes = map[string]int{"empty": 0, "inline": 3, "page": 40, "deep": 3000}

// testFile makes a bbolt file with the buckets of testSizes, and one that holds
// two of them again. Some values of "deep" take several pages.
func testFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	b, err := bbolt.Open(path, 0o644, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	fill := func(b *bbolt.Bucket, n int) error {
		for i := range n {
			key := testKey(2 * i)
			length := 20 + i%90
			if i%100 == 99 {
				length = 9000
			}
			if err := b.Put(key, sealed(key, bytes.Repeat([]byte{byte(i)}, length))); err != nil {
				return err
			}
		}
		return nil
	}
	// In several transactions, so that pages become free.
	for round := range 3 {
		err = b.Update(func(tx *bbolt.Tx) error {
			for name, n := range testSizes {
				sub, err := tx.CreateBucketIfNotExists([]byte(name))
				if err == nil {
					err = fill(sub, n*(round+1)/3)
				}
				if err != nil {
					return err
				}
			}
			outer, err := tx.CreateBucketIfNotExists([]byte("outer"))
			if err != nil {
				return err
			}
			for _, name := range []string{"inline", "page"} {
				sub, err := outer.CreateBucketIfNotExists([]byte(name))
				if err != nil {
					return err
				}
				if err := fill(sub, testSizes[name]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// view calls fn with the pages of the file at path. A panic of bbolt's while it
// opens a damaged file is an error, like one that it returns.
func view(t testing.TB, path string, fn func(ps *Pages) error) (err error) {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("bbolt: %v", p)
		}
	}()
	b, err := bbolt.Open(path, 0o644, &bbolt.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer b.Close()
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := CheckHeaders(b, info.Size()); err != nil {
		return err
	}
	return b.View(func(tx *bbolt.Tx) error {
		ps, err := Of(tx)
		if err != nil {
			return err
		}
		return fn(ps)
	})
}

// bucket returns a bucket of a test file.
func bucket(ps *Pages, path ...string) (Bucket, error) {
	b, err := ps.Top()
	for i, name := range path {
		if err != nil {
			return b, err
		}
		var check Check
		if i == len(path)-1 {
			check = checkSealed
		}
		var found bool
		if b, found, err = b.Bucket([]byte(name), check); err == nil && !found {
			err = fmt.Errorf("no bucket %q", name)
		}
	}
	return b, err
}

// keysIn returns the keys of a range.
func keysIn(b *Bucket, from, to []byte) (keys [][]byte, err error) {
	for e, err := range b.Range(from, to) {
		if err != nil {
			return keys, err
		}
		keys = append(keys, e.Key)
	}
	return keys, nil
}

func TestRangeGetAndEnds(t *testing.T) {
	err := view(t, testFile(t), func(ps *Pages) error {
		for name, n := range testSizes {
			b, err := bucket(ps, name)
			if err != nil {
				return err
			}
			if (b.root == 0) != (n <= 3) {
				t.Errorf("%s: first page %d", name, b.root)
			}
			for _, r := range [][2]int{{0, 2 * n}, {-1, -1}, {1, 1}, {0, 0}, {n, n + 1}, {n - 1, n + 60}, {n / 2, 2*n - 1}, {2*n - 2, 2 * n}, {2 * n, 3 * n}} {
				var from, to []byte
				first, end := 0, 2*n
				if r[0] >= 0 {
					from, to, first, end = testKey(r[0]), testKey(r[1]), r[0], min(r[1], 2*n)
				}
				var want [][]byte
				for i := first; i < end; i++ {
					if i%2 == 0 {
						want = append(want, testKey(i))
					}
				}
				got, err := keysIn(&b, from, to)
				if err != nil || !slices.EqualFunc(got, want, bytes.Equal) {
					t.Errorf("%s %q to %q: %d keys, %v, want %d", name, from, to, len(got), err, len(want))
				}
			}
			for i := range 2*n + 2 {
				value, err := b.Get(testKey(i))
				if want := i%2 == 0 && i < 2*n; err != nil || (value != nil) != want {
					t.Errorf("%s: Get(%d) = %d bytes, %v, want any: %v", name, i, len(value), err, want)
				}
			}
			first, last, ok, err := b.Ends()
			if err != nil || ok != (n > 0) || ok && (!bytes.Equal(first.Key, testKey(0)) || !bytes.Equal(last.Key, testKey(2*n-2))) {
				t.Errorf("%s: ends %q, %q, %v, %v", name, first.Key, last.Key, ok, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRangeEndsEarly(t *testing.T) {
	err := view(t, testFile(t), func(ps *Pages) error {
		b, err := bucket(ps, "deep")
		if err != nil {
			return err
		}
		for _, most := range []int{1, 2, 50, 1000} {
			n := 0
			for _, err := range b.Range(testKey(100), nil) {
				if err != nil {
					return err
				}
				if n++; n == most {
					break
				}
			}
			if n != most {
				t.Errorf("%d entries, want %d", n, most)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBuckets(t *testing.T) {
	err := view(t, testFile(t), func(ps *Pages) error {
		top, err := ps.Top()
		if err != nil {
			return err
		}
		var names []string
		for e, err := range top.Buckets() {
			if err != nil {
				return err
			}
			names = append(names, string(e.Key))
		}
		if want := []string{"deep", "empty", "inline", "outer", "page"}; !slices.Equal(names, want) {
			t.Errorf("buckets %q, want %q", names, want)
		}
		for _, name := range []string{"inline", "page"} {
			b, err := bucket(ps, "outer", name)
			if err != nil {
				return err
			}
			if keys, err := keysIn(&b, nil, nil); err != nil || len(keys) != testSizes[name] {
				t.Errorf("outer/%s: %d keys, %v", name, len(keys), err)
			}
		}
		if _, found, err := top.Bucket([]byte("eel"), checkSealed); found || err != nil {
			t.Errorf("a bucket that is not there: %v, %v", found, err)
		}
		outer, err := bucket(ps, "outer") // as if it held values
		if err != nil {
			return err
		}
		if _, err := keysIn(&outer, nil, nil); !errors.Is(err, ErrDamaged) {
			t.Errorf("a bucket in place of a value: %v, want ErrDamaged", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSplit(t *testing.T) {
	err := view(t, testFile(t), func(ps *Pages) error {
		for name, n := range testSizes {
			b, err := bucket(ps, name)
			if err != nil {
				return err
			}
			for parts := 1; parts <= 8; parts++ {
				splits, err := b.Split(parts)
				if err != nil || len(splits) >= parts || name == "deep" && len(splits) != parts-1 {
					t.Fatalf("%s: Split(%d) = %d keys, %v", name, parts, len(splits), err)
				}
				var from []byte
				total := 0
				for _, to := range append(slices.Clone(splits), nil) {
					keys, err := keysIn(&b, from, to)
					if err != nil {
						return err
					}
					if name == "deep" && (len(keys) < n/parts/2 || len(keys) > 2*n/parts) {
						t.Errorf("%d parts: one of %d keys of %d", parts, len(keys), n)
					}
					total += len(keys)
					from = to
				}
				if total != n {
					t.Errorf("%s: %d parts have %d keys, want %d", name, parts, total, n)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSplitFewKeys wants more parts than there are keys.
func TestSplitFewKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	fillFile(t, path, func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("few"))
		for i := range 3 {
			err = errors.Join(err, b.Put(testKey(i), sealed(testKey(i), make([]byte, 2000))))
		}
		return err
	})
	err := view(t, path, func(ps *Pages) error {
		b, err := bucket(ps, "few")
		if err != nil {
			return err
		}
		splits, err := b.Split(8)
		if want := [][]byte{testKey(0), testKey(1), testKey(2)}; !slices.EqualFunc(splits, want, bytes.Equal) {
			t.Errorf("got %q, want %q", splits, want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// fillFile makes a bbolt file in one transaction.
func fillFile(t *testing.T, path string, fill func(tx *bbolt.Tx) error) {
	t.Helper()
	b, err := bbolt.Open(path, 0o644, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.Update(fill), b.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestNoBuckets reads a file that has none.
func TestNoBuckets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	fillFile(t, path, func(*bbolt.Tx) error { return nil })
	err := view(t, path, func(ps *Pages) error {
		top, err := ps.Top()
		if err != nil {
			return err
		}
		for e, err := range top.Buckets() {
			t.Errorf("got %q, %v", e.Key, err)
		}
		_, found, err := top.Bucket([]byte("deep"), checkSealed)
		if found {
			t.Error("a bucket is found")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFullPage has a leaf end with its page's last byte, and one with the first
// byte of another page.
func TestFullPage(t *testing.T) {
	for _, more := range []int{-1, 0, 1} {
		path := filepath.Join(t.TempDir(), "test.db")
		const keyLen = 10
		key := testKey(1)
		sealedLen := len(sealed(key, nil))
		length := 2*os.Getpagesize() - pageHeaderLen - elementLen - keyLen - sealedLen + more
		fillFile(t, path, func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucket([]byte("one"))
			return errors.Join(err, b.Put(key, sealed(key, make([]byte, length))))
		})
		err := view(t, path, func(ps *Pages) error {
			b, err := bucket(ps, "one")
			if err != nil {
				return err
			}
			for r, err := range b.Runs() {
				if want := 2 + max(more, 0); err != nil || r.Count != want {
					t.Errorf("%+d bytes: got a run of %d, %v, want %d", more, r.Count, err, want)
				}
			}
			value, err := b.Get(key)
			if len(value) != length+sealedLen {
				t.Errorf("%+d bytes: got a value of %d bytes", more, len(value))
			}
			_, rangeErr := keysIn(&b, nil, nil)
			return errors.Join(err, rangeErr)
		})
		if err != nil {
			t.Errorf("%+d bytes: %v", more, err)
		}
	}
}

// TestChildRuns lists children that follow each other, with and without pages in
// between, and some out of bounds.
func TestChildRuns(t *testing.T) {
	children := []uint64{5, 6, 7, 16, 25, 35, 3, 2, 0, 1, 99, 100, math.MaxUint64, 40}
	data := make([]byte, pageHeaderLen+len(children)*elementLen)
	for i, id := range children {
		binary.NativeEndian.PutUint64(data[pageHeaderLen+i*elementLen+8:], id)
	}
	branch := &page{data: data, count: len(children)}
	ps := &Pages{size: 1, data: make([]byte, 100)}
	for _, c := range []struct {
		first, end int
		want       []Run
	}{
		{0, len(children), []Run{{5, 21}, {35, 1}, {3, 1}, {2, 1}, {40, 1}}},
		{1, 4, []Run{{6, 11}}},
		{3, 3, nil},
		{10, 11, []Run{{99, 1}}},
		{11, 12, nil},
	} {
		if got := slices.Collect(ps.childRuns(branch, c.first, c.end)); !slices.Equal(got, c.want) {
			t.Errorf("children %d to %d: got %v, want %v", c.first, c.end, got, c.want)
		}
	}
	for range ps.childRuns(branch, 0, len(children)) {
		break
	}
}

// TestRunsOfInlineBucket wants none, and no error.
func TestRunsOfInlineBucket(t *testing.T) {
	err := view(t, testFile(t), func(ps *Pages) error {
		b, err := bucket(ps, "inline")
		if err != nil {
			return err
		}
		for r, err := range b.Runs() {
			t.Errorf("got %v, %v", r, err)
		}
		holdsBuckets := b
		holdsBuckets.check = nil
		errs := 0
		for _, err := range holdsBuckets.Runs() {
			if err != nil {
				errs++
			}
		}
		if errs != 1 {
			t.Errorf("values taken for buckets: %d errors", errs)
		}
		deep, err := bucket(ps, "deep")
		if err != nil {
			return err
		}
		deep.check = nil
		for _, err := range deep.Runs() {
			if err != nil {
				t.Errorf("the first run: %v", err)
			}
			break // without an error's coming after
		}
		errs = 0
		for _, err := range deep.Runs() {
			if err != nil {
				errs++
			}
		}
		if errs != 1 {
			t.Errorf("values of many pages taken for buckets: %d errors", errs)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestRunsCoverTheFile checks that each page is in a bucket or of the
// administration, and in one only.
func TestRunsCoverTheFile(t *testing.T) {
	err := view(t, testFile(t), func(ps *Pages) error {
		used := make([]int, ps.Count())
		see := func(r Run) {
			for i := range r.Count {
				used[r.ID+uint64(i)]++
			}
		}
		for r, err := range ps.Administration() {
			if err != nil {
				return err
			}
			see(r)
		}
		top, err := ps.Top()
		if err != nil {
			return err
		}
		buckets := []Bucket{top}
		for _, path := range [][]string{{"deep"}, {"empty"}, {"inline"}, {"page"}, {"outer", "inline"}, {"outer", "page"}} {
			b, err := bucket(ps, path...)
			if err != nil {
				return err
			}
			buckets = append(buckets, b)
		}
		outer, _, err := top.Bucket([]byte("outer"), nil)
		if err != nil {
			return err
		}
		for _, b := range append(buckets, outer) {
			for r, err := range b.Runs() {
				if err != nil {
					return err
				}
				see(r)
			}
		}
		for id, n := range used {
			if n != 1 {
				t.Errorf("page %d is used %d times", id, n)
			}
		}
		if ps.FreeCount() == 0 || ps.Size() != os.Getpagesize() {
			t.Errorf("%d free pages of %d bytes", ps.FreeCount(), ps.Size())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAfter(t *testing.T) {
	for prefix, want := range map[string]string{"a": "b", "a\xff": "b", "": "", "\xff\xff": "", "ab": "ac"} {
		if got := After([]byte(prefix)); string(got) != want || want == "" && got != nil {
			t.Errorf("After(%q) = %q, want %q", prefix, got, want)
		}
	}
}

// everything reads a file in every way and returns what it says.
func everything(t testing.TB, path string) (lines []string, err error) {
	return lines, view(t, path, func(ps *Pages) error {
		for _, name := range []string{"empty", "inline", "page", "deep"} {
			b, err := bucket(ps, name)
			if err != nil {
				return err
			}
			for e, err := range b.Range(nil, nil) {
				if err != nil {
					return err
				}
				lines = append(lines, fmt.Sprintf("%s %s %x", name, e.Key, crc32.ChecksumIEEE(e.Value)))
			}
		}
		return nil
	})
}

// TestDamageIsFound changes bytes of a file, where its structure is above all:
// what is read then is what was read before, or an error.
func TestDamageIsFound(t *testing.T) {
	path := testFile(t)
	want, err := everything(t, path)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	damaged := filepath.Join(t.TempDir(), "damaged.db")
	found := 0
	for range 400 {
		at := rng.IntN(len(whole))
		if rng.IntN(4) > 0 {
			at = at&^4095 + rng.IntN(100)
		}
		data := bytes.Clone(whole)
		data[at] ^= byte(1 + rng.IntN(255))
		if err := os.WriteFile(damaged, data, 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := everything(t, damaged)
		if err != nil {
			found++
		} else if !slices.Equal(got, want) {
			t.Fatalf("byte %d: %d lines, want %d, and no error", at, len(got), len(want))
		}
	}
	if found < 80 {
		t.Errorf("only %d of 400 changes were found", found)
	}
}

// TestWrongChild exchanges the children of a branch: a search must not take the
// one for the other.
func TestWrongChild(t *testing.T) {
	path := testFile(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var root uint64
	err = view(t, path, func(ps *Pages) error {
		b, err := bucket(ps, "deep")
		root = b.root
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	child := func(i int) []byte {
		at := int(root)*os.Getpagesize() + pageHeaderLen + elementLen*i + 8
		return whole[at : at+8]
	}
	first, second := child(1), child(2)
	for i := range first {
		first[i], second[i] = second[i], first[i]
	}
	if err := os.WriteFile(path, whole, 0o644); err != nil {
		t.Fatal(err)
	}
	err = view(t, path, func(ps *Pages) error {
		b, err := bucket(ps, "deep")
		if err != nil {
			return err
		}
		if _, err := keysIn(&b, nil, nil); !errors.Is(err, ErrDamaged) {
			t.Errorf("scan: %v, want ErrDamaged", err)
		}
		missing := 0
		for i := range testSizes["deep"] {
			if value, err := b.Get(testKey(2 * i)); err == nil && value == nil {
				missing++
			}
		}
		if missing > 0 {
			t.Errorf("%d keys are said not to be there", missing)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// FuzzPage checks that nothing in a page makes reading it panic.
func FuzzPage(f *testing.F) {
	err := view(f, testFile(f), func(ps *Pages) error {
		for id := uint64(2); id < uint64(ps.Count()); id += 5 {
			if data, err := ps.raw(id); err == nil {
				f.Add(bytes.Clone(data))
			}
		}
		return nil
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < pageHeaderLen {
			return // no page is as short
		}
		p := page{data: data}
		end, err := p.check()
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("%v is not ErrDamaged", err)
			}
			return
		}
		if end > len(data) {
			t.Errorf("ends at %d of %d", end, len(data))
		}
		b := Bucket{check: checkSealed}
		for i := range p.count {
			p.search(p.key(i))
			if !p.leaf {
				_ = p.child(i)
				continue
			}
			if sub, err := b.Open(Entry{p.key(i), p.value(i)}, checkSealed); err == nil && sub.root == 0 {
				_, _ = keysIn(&sub, nil, nil)
				_, _ = sub.Get(p.key(i))
			}
		}
	})
}

func TestFloat64s(t *testing.T) {
	want := []float64{0, math.Copysign(0, -1), 1.5, math.Pi, math.Inf(-1), 5e-324, math.MaxFloat64}
	src := []byte{7} // so that none of them lies as a number would
	for _, x := range want {
		src = binary.LittleEndian.AppendUint64(src, math.Float64bits(x))
	}
	got := make([]float64, len(want))
	Float64s(got, append(src, 1, 2, 3)[1:])
	for i := range want {
		if math.Float64bits(got[i]) != math.Float64bits(want[i]) {
			t.Errorf("got %v, want %v", got[i], want[i])
		}
	}
	Float64s(nil, nil)
	defer func() {
		if recover() == nil {
			t.Error("eight bytes too few were enough")
		}
	}()
	Float64s(got, make([]byte, 8*len(got)-1, 8*len(got)))
}
