package store

import (
	"errors"
	"fmt"
	"testing"

	"go.etcd.io/bbolt"
)

// FuzzPage checks that nothing in a page makes reading it panic.
func FuzzPage(f *testing.F) {
	w, err := CreateWriter(f.TempDir() + "/tatum.db")
	if err != nil {
		f.Fatal(err)
	}
	defer w.Close()
	var batch Batch
	for i := range 200 {
		batch.Songs = append(batch.Songs, *EncodeSong(testSong(testID(i), fmt.Sprint("/", i), i)))
	}
	if _, err := w.Put(batch); err != nil {
		f.Fatal(err)
	}
	err = w.View(func(db *DB) error {
		return db.view(func(tx *bbolt.Tx) error {
			ps, err := pagesOf(tx)
			if err != nil {
				return err
			}
			n := 0
			add := func(p *page) error {
				if n++; n%16 == 1 {
					f.Add(append([]byte{}, p.data...))
				}
				return nil
			}
			return ps.buckets(func(b *bucketTree) error { return ps.visitBucket(b, &walk{branch: add, leaf: add}) })
		})
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
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("%v is not ErrCorrupt", err)
			}
			return
		}
		if end > len(data) {
			t.Errorf("ends at %d of %d", end, len(data))
		}
		for i := range p.count {
			_ = p.key(i)
			if !p.leaf {
				_ = p.child(i)
				continue
			}
			if b, err := childBucket(&bucketTree{}, &p, i); err == nil && b.root == 0 {
				_ = checkLeaf(&b.page, true)
			}
		}
	})
}
