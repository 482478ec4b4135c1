//go:build cgo

package ingest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"tatum/ingest"
	"tatum/ingest/msd"
	"tatum/store"
)

// Songs of the Million Song Dataset's layout become tracks of a store.
func Example() {
	dir, err := os.MkdirTemp("", "songs")
	check(err)
	defer os.RemoveAll(dir)
	for song := range msd.Demo(20, 1) {
		check(msd.Write(filepath.Join(dir, string(song.ID)+".h5"), []*store.Song{song}))
	}

	o := ingest.Options{Paths: []string{dir}, Workers: 2}
	for range 2 {
		sum, err := ingest.Run(context.Background(), filepath.Join(dir, "tatum.db"), o)
		check(err)
		fmt.Println(sum.Added, "added,", sum.Unchanged, "unchanged,", len(sum.Bad), "bad")
	}
	// Output:
	// 20 added, 0 unchanged, 0 bad
	// 0 added, 20 unchanged, 0 bad
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
