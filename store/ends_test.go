package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"tatum/store/pages"
)

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
		err := db.snapshot.eachBucket(func(path [][]byte, b *pages.Bucket) error {
			if holdsBuckets(path) {
				return nil
			}
			root := uint64(0)
			before := ""
			for r, err := range b.Runs() { // the first is the root
				if err != nil {
					return err
				}
				if root == 0 {
					root = r.ID
					before = string(path[len(path)-1]) + string(binary.NativeEndian.AppendUint64(nil, root))
					continue
				}
				others[before] = append(others[before], r.ID)
			}
			return nil
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
	for before, ids := range others {
		for _, id := range ids {
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
