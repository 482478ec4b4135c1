package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"go.etcd.io/bbolt"

	"tatum/store/pages"
)

// holdsBuckets reports whether a bucket of our format holds buckets: the whole
// file does, and the fits, and each of them.
func holdsBuckets(path [][]byte) bool {
	return len(path) == 0 || string(path[0]) == string(fitsBucket) && len(path) <= 2
}

// eachBucket calls fn with the path of every bucket of the store, one after the
// other, those that hold buckets before what they hold.
func (s *snapshot) eachBucket(fn func(path [][]byte, b *pages.Bucket) error) error {
	var visit func(path [][]byte, b *pages.Bucket) error
	visit = func(path [][]byte, b *pages.Bucket) error {
		if err := fn(path, b); err != nil || !holdsBuckets(path) {
			return err
		}
		for e, err := range b.Buckets() {
			if err != nil {
				return err
			}
			below := append(slices.Clip(path), e.Key)
			var check pages.Check
			if !holdsBuckets(below) {
				check = checkOf(e.Key)
			}
			sub, err := b.Open(e, check)
			if err != nil {
				return err
			}
			if err := visit(below, &sub); err != nil {
				return err
			}
		}
		return nil
	}
	return visit(nil, &s.top)
}

// An ends is a checksum of the first and last entries of buckets.
type ends struct{ sum uint32 }

func (e *ends) add(path [][]byte, key, value []byte) {
	for _, b := range append(slices.Clip(path), key, value) {
		e.sum = crc32.Update(e.sum, castagnoli, binary.LittleEndian.AppendUint32(nil, uint32(len(b))))
		e.sum = crc32.Update(e.sum, castagnoli, b)
	}
}

// isMeta reports whether a bucket is the one that holds the checksum.
func isMeta(path [][]byte) bool { return string(path[0]) == string(metaBucket) }

// checkEnds returns ErrCorrupt unless all buckets begin and end as they were
// written: the number of a bucket's first page is nowhere else, and a wrong one
// that is of the same bucket would hide the entries before or behind.
func (s *snapshot) checkEnds() error {
	sealed, err := s.meta.Get(endsKey)
	if err != nil {
		return err
	}
	want, err := unseal(endsKey, sealed)
	if err != nil || len(want) != 4 {
		return corrupt(endsKey, "checksum differs")
	}
	var got ends
	err = s.eachBucket(func(path [][]byte, b *pages.Bucket) error {
		if holdsBuckets(path) || isMeta(path) {
			return nil
		}
		first, last, ok, err := b.Ends()
		if ok {
			got.add(path, first.Key, first.Value)
			got.add(path, last.Key, last.Value)
		}
		return err
	})
	if err == nil && got.sum != binary.LittleEndian.Uint32(want) {
		err = fmt.Errorf("%w: a bucket begins or ends with another entry than was written", ErrCorrupt)
	}
	return err
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
		if key, value := c.First(); key != nil && !isMeta(path) {
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
