package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// TestWrongRoot replaces the number of each bucket's first page by that of every
// other page of the bucket: Open must not take a part for the whole.
func TestWrongRoot(t *testing.T) {
	w, path := testWriter(t)
	var batch Batch
	var ids []TrackID
	for i := range 400 {
		batch.Songs = append(batch.Songs, *EncodeSong(testSong(testID(i), fmt.Sprint("/", i), i)))
		batch.Files = append(batch.Files, File{Path: fmt.Sprint("/", i), Tracks: []TrackID{testID(i)}})
		ids = append(ids, testID(i))
	}
	if _, err := w.Put(batch); err != nil {
		t.Fatal(err)
	}
	madeFit(t, w, "default", ids)

	others := make(map[string][]uint64) // pages below the first, by the bytes that stand before its number
	view(t, path, func(db *DB) {
		err := db.view(func(tx *bbolt.Tx) error {
			ps, err := pagesOf(tx)
			if err != nil {
				return err
			}
			return ps.buckets(func(b *bucketTree) error {
				if b.root == 0 {
					return nil
				}
				before := string(b.path[len(b.path)-1]) + string(binary.NativeEndian.AppendUint64(nil, b.root))
				add := func(p *page) error {
					if p.id != b.root {
						others[before] = append(others[before], p.id)
					}
					return nil
				}
				return ps.visitBucket(b, &walk{branch: add, leaf: add})
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	if len(others) < 6 {
		t.Fatalf("only %d buckets have several pages", len(others))
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for before, pages := range others {
		for _, id := range pages {
			after := []byte(before)
			binary.NativeEndian.PutUint64(after[len(after)-8:], id)
			wrong := filepath.Join(t.TempDir(), "wrong.db")
			if err := os.WriteFile(wrong, bytes.ReplaceAll(whole, []byte(before), after), 0o644); err != nil {
				t.Fatal(err)
			}
			if db, err := Open(wrong); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%q begins at page %d: got error %v, want ErrCorrupt", before[:len(before)-8], id, err)
				if err == nil {
					db.Close()
				}
			}
			os.Remove(wrong)
		}
	}
}
