package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"slices"

	"go.etcd.io/bbolt"
)

// A Member is a track of a cluster.
type Member struct {
	ID       TrackID
	Fold     Fold
	Label    Label
	Distance float64 // to the centroid of the track's fold model
}

// Members yields a cluster's tracks, nearest to their centroid first and by ID
// among equals. Only as much of the cluster is read as the loop asks for.
func (db *DB) Members(c *Clustering, f Feature, cluster Cluster) iter.Seq2[Member, error] {
	return rows(db, func(s *snapshot, yield func(Member) bool) error {
		fit, err := db.fit(s, c)
		if err != nil {
			return err
		}
		n := uint64(0)
		for e, err := range fit.members.Prefix(clusterKey(f, cluster)) {
			if err != nil {
				return err
			}
			b, err := decodeMembers(e.Key, body(e.Value))
			if err != nil {
				return err
			}
			for m := range b.all() {
				if n++; !yield(m.decode()) {
					return nil
				}
			}
		}
		t, err := fit.tally(f)
		if err == nil && int(cluster) < len(t.clusters) && t.clusters[cluster].size != n {
			err = fmt.Errorf("%w: found %d members of %d", ErrCorrupt, n, t.clusters[cluster].size)
		}
		return err
	})
}

// A member takes memberLen bytes: distance, big-endian, and ID, by which members
// are ordered; fold and label.
type encodedMember []byte

const (
	memberOrderLen = 8 + TrackIDLen
	memberLen      = memberOrderLen + 4
)

func appendMember(b []byte, id TrackID, fold Fold, label Label, distance float64) []byte {
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(distance))
	b = append(b, id...)
	b = binary.LittleEndian.AppendUint16(b, uint16(fold))
	return binary.LittleEndian.AppendUint16(b, uint16(label))
}

// memberOf returns the entry that is derived from a track's place.
func memberOf(id TrackID, a *Assignment) encodedMember {
	return appendMember(nil, id, a.Fold, a.Label, a.Distance())
}

func (m encodedMember) order() []byte { return m[:memberOrderLen] }

func (m encodedMember) decode() Member {
	return Member{
		ID:       TrackID(m[8:memberOrderLen]),
		Fold:     Fold(binary.LittleEndian.Uint16(m[memberOrderLen:])),
		Label:    Label(binary.LittleEndian.Uint16(m[memberOrderLen+2:])),
		Distance: math.Float64frombits(binary.BigEndian.Uint64(m)),
	}
}

// Members of a cluster that follow each other are kept as one value, since an
// entry of its own costs more than a member does. Its key has the first of them.
// A fit writes blocks of blockMembers; one of twice as many is divided.
const blockMembers = 60

// A memberBlock is the value of a block: its members, in order.
type memberBlock []byte

func decodeMembers(key, value []byte) (memberBlock, error) {
	b := memberBlock(value)
	if len(b) == 0 || len(b)%memberLen != 0 || len(key) != clusterKeyLen+memberOrderLen {
		return nil, corrupt(key, "no block of members")
	}
	if !bytes.Equal(key[clusterKeyLen:], b.at(0).order()) {
		return nil, corrupt(key, "block begins with another member")
	}
	for i := 1; i < b.count(); i++ {
		if bytes.Compare(b.at(i-1).order(), b.at(i).order()) >= 0 {
			return nil, corrupt(key, "members are not in order")
		}
	}
	return b, nil
}

func (b memberBlock) count() int { return len(b) / memberLen }

func (b memberBlock) at(i int) encodedMember { return encodedMember(b[i*memberLen : (i+1)*memberLen]) }

func (b memberBlock) all() iter.Seq[encodedMember] {
	return func(yield func(encodedMember) bool) {
		for i := range b.count() {
			if !yield(b.at(i)) {
				return
			}
		}
	}
}

// search returns the place of a member, or where it would stand.
func (b memberBlock) search(m encodedMember) (at int, found bool) {
	lo, hi := 0, b.count()
	for lo < hi {
		mid := (lo + hi) / 2
		if bytes.Compare(b.at(mid).order(), m.order()) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < b.count() && bytes.Equal(b.at(lo).order(), m.order())
}

func blockKey(f Feature, c Cluster, first encodedMember) []byte {
	return append(clusterKey(f, c), first.order()...)
}

// memberBlocks are the blocks of a fit in a transaction that writes.
type memberBlocks struct {
	bucket *bbolt.Bucket
	bytes  *int64 // counts those of keys and values
}

// find returns the block of a cluster that a member belongs to: the last that
// does not begin behind it, else the first; nil when there is none.
func (bs memberBlocks) find(f Feature, c Cluster, m encodedMember) (key []byte, b memberBlock, err error) {
	prefix, want := clusterKey(f, c), blockKey(f, c, m)
	cursor := bs.bucket.Cursor()
	key, sealed := cursor.Seek(want)
	if !bytes.Equal(key, want) {
		if before, value := bs.lastBefore(cursor, key, prefix, want); before != nil {
			key, sealed = before, value
		}
	}
	if !bytes.HasPrefix(key, prefix) {
		return nil, nil, nil
	}
	value, err := unseal(key, sealed)
	if err != nil {
		return nil, nil, err
	}
	b, err = decodeMembers(key, value)
	return bytes.Clone(key), slices.Clone(b), err // they outlive changes of the bucket
}

// lastBefore returns the last entry with the prefix before want, behind which the
// cursor stands at key; nil when there is none.
func (bs memberBlocks) lastBefore(cursor *bbolt.Cursor, key, prefix, want []byte) (before, sealed []byte) {
	first, _ := bs.bucket.Cursor().First()
	switch {
	case first == nil || bytes.Compare(first, want) >= 0:
		return nil, nil // where bbolt's Last and Prev would not find an end
	case key == nil: // behind all entries
		before, sealed = cursor.Last()
	default:
		for before == nil { // Prev stops at each leaf that this transaction has emptied
			before, sealed = cursor.Prev()
		}
	}
	if !bytes.HasPrefix(before, prefix) {
		return nil, nil
	}
	return before, sealed
}

// replace writes blocks in place of the one of that key.
func (bs memberBlocks) replace(f Feature, c Cluster, key []byte, blocks ...memberBlock) error {
	if key != nil {
		*bs.bytes -= int64(len(key) + len(bs.bucket.Get(key)))
		if err := bs.bucket.Delete(key); err != nil {
			return err
		}
	}
	for _, b := range blocks {
		if len(b) == 0 {
			continue
		}
		key := blockKey(f, c, b.at(0))
		sealed := seal(key, slices.Clone(b))
		*bs.bytes += int64(len(key) + len(sealed))
		if err := bs.bucket.Put(key, sealed); err != nil {
			return err
		}
	}
	return nil
}

func (bs memberBlocks) insert(f Feature, c Cluster, m encodedMember) error {
	key, b, err := bs.find(f, c, m)
	if err != nil {
		return err
	}
	at, found := b.search(m)
	if found {
		return corrupt(blockKey(f, c, m), "is a member already")
	}
	b = slices.Insert(b, at*memberLen, m...)
	half := len(b)
	if b.count() >= 2*blockMembers {
		half = b.count() / 2 * memberLen
	}
	return bs.replace(f, c, key, b[:half], b[half:])
}

func (bs memberBlocks) remove(f Feature, c Cluster, m encodedMember) error {
	key, b, err := bs.find(f, c, m)
	if err != nil {
		return err
	}
	at, found := b.search(m)
	if !found {
		return corrupt(blockKey(f, c, m), "no such member")
	}
	return bs.replace(f, c, key, slices.Delete(b, at*memberLen, (at+1)*memberLen))
}
