package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
)

// An EncodedSong is a song in the store's own bytes. Encoding costs more than
// writing; so it is done where the song is read, in many places at once, and
// the one writer only copies.
type EncodedSong struct {
	ID      TrackID
	path    string // of the track's source
	track   []byte
	arrays  [numGroups][]byte         // nil when the group was not read
	vectors [len(vectorGroups)][]byte // nil when the song lacks them

	// loose says that the store it comes from does not know its file, so that it
	// may be older than what another knows.
	loose bool
}

// EncodeSong encodes a song and its stat vectors, of the eight features or of all.
// The seven arrays beside the features are kept if any of them was read.
func EncodeSong(s *Song, vectors *VectorSet) *EncodedSong {
	e := &EncodedSong{ID: s.ID, path: s.Source.Path, track: sealTrack(&s.Track)}
	for g := range numGroups {
		if first, end := g.span(); slices.ContainsFunc(s.Arrays[first:end], func(a []float64) bool { return a != nil }) {
			e.arrays[g] = seal(arraysKey(s.ID, g), appendArrays(nil, g, &s.Arrays))
		}
	}
	for g, features := range vectorGroups {
		if vectors[features[0]] != nil {
			e.vectors[g] = sealVectors(vectorsKey(features[0], s.ID), features, vectors)
		}
	}
	return e
}

// Path returns the path of the file that the song was read from.
func (s *EncodedSong) Path() string { return s.path }

// Size returns how many bytes the song takes.
func (s *EncodedSong) Size() int {
	n := 0
	for _, part := range s.parts() {
		n += len(*part)
	}
	return n
}

// AppendBinary appends the song to b, to be sent to the writer.
func (s *EncodedSong) AppendBinary(b []byte) ([]byte, error) {
	e := encoder{b}
	e.string(string(s.ID))
	e.string(s.path)
	for _, part := range s.parts() {
		e.bytes(*part)
	}
	return e.buf, nil
}

// UnmarshalBinary is the inverse of AppendBinary. The song shares memory with
// data.
func (s *EncodedSong) UnmarshalBinary(data []byte) error {
	d := decoder{buf: data}
	s.ID, s.path = TrackID(d.string()), d.string()
	for _, part := range s.parts() {
		if *part = d.bytes(); len(*part) == 0 {
			*part = nil
		}
	}
	return d.end([]byte(s.ID))
}

func (s *EncodedSong) parts() []*[]byte {
	parts := []*[]byte{&s.track}
	for g := range s.vectors {
		parts = append(parts, &s.vectors[g])
	}
	for g := range s.arrays {
		parts = append(parts, &s.arrays[g])
	}
	return parts
}

func sealTrack(t *Track) []byte {
	var e encoder
	for _, v := range []string{t.ArtistName, t.Title, t.Release, t.SongID, t.ArtistID, t.ArtistMBID} {
		e.string(v)
	}
	for _, v := range []int32{t.Artist7digitalID, t.Release7digitalID, t.Track7digitalID, t.Year, t.Key, t.Mode} {
		e.uint32(uint32(v))
	}
	e.float64s([]float64{t.Duration, t.Tempo, t.Loudness})
	e.string(t.Source.Path)
	e.uint32(t.Source.Row)
	return seal([]byte(t.ID), e.buf)
}

func decodeTrack(key, value []byte) (Track, error) {
	d := decoder{buf: value}
	// One string for all: a scan of all tracks takes half the time so.
	all := string(value)
	next := func() string {
		n := len(d.bytes())
		end := len(value) - len(d.buf)
		return all[end-n : end]
	}
	t := Track{ID: TrackID(key)}
	for _, v := range []*string{&t.ArtistName, &t.Title, &t.Release, &t.SongID, &t.ArtistID, &t.ArtistMBID} {
		*v = next()
	}
	for _, v := range []*int32{&t.Artist7digitalID, &t.Release7digitalID, &t.Track7digitalID, &t.Year, &t.Key, &t.Mode} {
		*v = int32(d.uint32())
	}
	t.Duration, t.Tempo, t.Loudness = d.float64(), d.float64(), d.float64()
	t.Source = Source{Path: next(), Row: d.uint32()}
	return t, d.end(key)
}

func unsealTrack(key, sealed []byte) (Track, error) {
	value, err := unseal(key, sealed)
	if err != nil {
		return Track{}, err
	}
	return decodeTrack(key, value)
}

// sealVectors encodes vectors, each with a checksum of its own: who asks for one
// of them does not pay for the others.
func sealVectors(key []byte, features []Feature, vectors *VectorSet) []byte {
	n := len(features)
	e := encoder{make([]byte, 0, vectorsHeadLen(n)+n*(8*features[0].VectorLen()+sumLen))}
	e.uint8(uint8(n))
	for _, f := range features {
		e.uint8(uint8(f))
		e.uint8(uint8(f.VectorLen()))
	}
	e.buf = seal(key, e.buf)
	keySum := crc32.Checksum(key, castagnoli)
	for _, f := range features {
		at := len(e.buf)
		e.float64s(vectors[f][:f.VectorLen()])
		e.uint32(vectorSum(keySum, f, e.buf[at:]))
	}
	return e.buf
}

// vectorsHeadLen returns the length of what stands before n vectors.
func vectorsHeadLen(n int) int { return 1 + 2*n + sumLen }

// vectorSum returns the checksum of a vector, from that of its key.
func vectorSum(keySum uint32, f Feature, numbers []byte) uint32 {
	// What crc32.Update does with one byte, in a tenth of the time.
	sum := ^keySum
	sum = ^(castagnoli[byte(sum)^byte(f)] ^ sum>>8)
	return updateSum(sum, numbers)
}

// updateSum is crc32.Update for a vector's numbers, done by what the machine does
// fastest.
var updateSum = func(sum uint32, numbers []byte) uint32 {
	return crc32.Update(sum, castagnoli, numbers)
}

// checkVectors is the [pages.Check] of the vectors' bucket: the key and the head
// are as they were written. The vectors themselves are checked when they are
// asked for.
func checkVectors(key, value []byte) error {
	if len(value) == 0 || len(value) < vectorsHeadLen(int(value[0])) {
		return corrupt(key, "value is too short")
	}
	return checkSum(key, value[:vectorsHeadLen(int(value[0]))])
}

// checkEachVector returns ErrCorrupt unless all vectors of a value that
// [checkVectors] has passed are as they were written.
func checkEachVector(key, value []byte) error {
	at, keySum := vectorsHeadLen(int(value[0])), crc32.Checksum(key, castagnoli)
	for i := range int(value[0]) {
		f, end := Feature(value[1+2*i]), at+8*int(value[2+2*i])
		if end+sumLen > len(value) {
			return corrupt(key, "value is too short")
		}
		if vectorSum(keySum, f, value[at:end]) != binary.LittleEndian.Uint32(value[end:]) {
			return corrupt(key, fmt.Sprintf("checksum of %v differs", f))
		}
		at = end + sumLen
	}
	if at != len(value) {
		return corrupt(key, "value is too long")
	}
	return nil
}

// Vectors are those of a track's stat vectors that lie together, where they are in
// the file: see [DB.Vectors]. A scan hands them out until its next step.
type Vectors struct {
	key, value []byte
	keySum     uint32 // checksum of the key
	next, at   int    // the vector after the one read last, and where it begins
}

func newVectors(key, value []byte) Vectors {
	return Vectors{key: key, value: value, keySum: crc32.Checksum(key, castagnoli)}
}

// ID returns the track's ID.
func (v *Vectors) ID() TrackID { return TrackID(v.IDBytes()) }

// IDBytes returns the ID's bytes, which are the scan's.
func (v *Vectors) IDBytes() []byte { return v.key[1:] }

// Vector sets dst to the track's vector of one of the features that lie together;
// it has their length. Asked for in order, each is found at once, from where the
// last one ended; so two goroutines may not ask at once. It returns
// ErrCorrupt when there is none, or another than was written.
func (v *Vectors) Vector(f Feature, dst Vector) error {
	n := int(v.value[0])
	for range n {
		if v.next %= n; v.next == 0 {
			v.at = vectorsHeadLen(n)
		}
		found, length, begin := Feature(v.value[1+2*v.next]), 8*int(v.value[2+2*v.next]), v.at
		end := begin + length + sumLen
		if end > len(v.value) {
			return corrupt(v.key, "value is too short")
		}
		v.next, v.at = v.next+1, end
		if found != f {
			continue
		}
		if length != 8*f.VectorLen() {
			return corrupt(v.key, fmt.Sprintf("vector of %v has %d bytes", f, length))
		}
		numbers := v.value[begin : begin+length]
		if vectorSum(v.keySum, f, numbers) != binary.LittleEndian.Uint32(v.value[begin+length:]) {
			return corrupt(v.key, fmt.Sprintf("checksum of %v differs", f))
		}
		d := decoder{buf: numbers}
		d.float64s(dst)
		return nil
	}
	return corrupt(v.key, fmt.Sprintf("no vector of %v", f))
}
