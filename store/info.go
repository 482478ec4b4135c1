package store

import (
	"encoding/binary"
	"os"
	"time"

	"go.etcd.io/bbolt"
)

// Info describes a store.
type Info struct {
	Path          string
	FormatVersion int
	Tracks        int
	Generation    uint64
	Files         int // song files remembered
	BadFiles      int // those that could not be read
	Clusterings   []*Clustering

	Created  time.Time
	Ingested time.Time // when songs were last added, replaced or removed; zero if never
	Written  time.Time // when anything was last written

	Bytes Bytes
}

// Bytes tells what a store's file is used for. The parts add up to Total.
type Bytes struct {
	Tracks, Arrays, Vectors, Files int64
	Clusterings                    int64 // models, labels, distances and members
	Free                           int64 // room that new songs will take; compaction gives it back
	Other                          int64 // the file's own administration
	Total                          int64
}

// Info returns a description of the store. It reads the heads of all pages.
func (db *DB) Info() (*Info, error) {
	info := &Info{Path: db.bolt.Path(), FormatVersion: FormatVersion}
	state, err := db.State()
	if err != nil {
		return nil, err
	}
	info.Tracks, info.Generation = int(state.Tracks), state.Generation
	if info.Clusterings, err = db.Clusterings(); err != nil {
		return nil, err
	}
	err = db.Files(func(f *File) error {
		info.Files++
		if f.Bad != nil {
			info.BadFiles++
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return info, db.view(info.measure)
}

// measure fills in times and bytes.
func (info *Info) measure(tx *bbolt.Tx) error {
	for _, t := range []struct {
		key []byte
		dst *time.Time
	}{{createdKey, &info.Created}, {ingestedKey, &info.Ingested}, {writtenKey, &info.Written}} {
		var err error
		if *t.dst, err = readTime(tx, t.key); err != nil {
			return err
		}
	}
	stat, err := os.Stat(info.Path)
	if err != nil {
		return err
	}
	ps, err := pagesOf(tx)
	if err != nil {
		return err
	}
	b := &info.Bytes
	b.Total = stat.Size()
	b.Free = int64(len(ps.free)/8*ps.size) + b.Total - int64(len(ps.data))
	b.Other = b.Total - b.Free
	parts := map[string]*int64{
		string(tracksBucket): &b.Tracks, string(arraysBucket): &b.Arrays, string(vectorsBucket): &b.Vectors,
		string(filesBucket): &b.Files, string(namesBucket): &b.Clusterings, string(fitsBucket): &b.Clusterings,
	}
	return ps.buckets(func(bucket *bucketTree) error {
		part := parts[string(bucket.path[0])]
		if part == nil || bucket.root == 0 {
			return nil // it lies among the administration
		}
		count := func(p *page) error {
			*part += int64(len(p.data))
			b.Other -= int64(len(p.data))
			return nil
		}
		return ps.visitBucket(bucket, &walk{branch: count, leaf: count})
	})
}

// readTime returns the time under one of the meta bucket's keys, the zero time
// when there is none.
func readTime(tx *bbolt.Tx, key []byte) (time.Time, error) {
	sealed := tx.Bucket(metaBucket).Get(key)
	if sealed == nil {
		return time.Time{}, nil
	}
	value, err := unseal(key, sealed)
	if err != nil {
		return time.Time{}, err
	}
	if len(value) != 8 {
		return time.Time{}, corrupt(key, "not a time")
	}
	return time.Unix(0, int64(binary.LittleEndian.Uint64(value))).UTC(), nil
}
