package store

import (
	"encoding/binary"
	"os"
	"time"
)

// Info describes a store.
type Info struct {
	Path          string
	FormatVersion int
	Tracks        int
	Sound         int // tracks that have the sound features
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
	Tracks, Arrays, Vectors, Files int64 // of their keys and values
	Clusterings                    int64 // of models, assignments and members
	// Free is the pages that new songs will take, and what clusterings that are no
	// more had, which the next will take. Compaction gives both back.
	Free  int64
	Other int64 // the file's own administration, and room left over in pages
	Total int64
}

// Info returns a description of the store. What it tells is counted as the store
// is written, so it reads next to nothing.
func (db *DB) Info() (*Info, error) {
	info := &Info{Path: db.bolt.Path(), FormatVersion: FormatVersion}
	var err error
	if info.Clusterings, err = db.Clusterings(); err != nil {
		return nil, err
	}
	return info, db.view(info.count)
}

func (info *Info) count(s *snapshot) error {
	state, err := s.state()
	if err != nil {
		return err
	}
	info.Tracks, info.Sound, info.Generation = int(state.Tracks), int(state.Sound), state.Generation
	info.Files, info.BadFiles = int(state.Files), int(state.BadFiles)
	for _, t := range []struct {
		key []byte
		dst *time.Time
	}{{createdKey, &info.Created}, {ingestedKey, &info.Ingested}, {writtenKey, &info.Written}} {
		if *t.dst, err = s.time(t.key); err != nil {
			return err
		}
	}
	b := &info.Bytes
	for p, dst := range []*int64{inTracks: &b.Tracks, inArrays: &b.Arrays, inVectors: &b.Vectors, inFiles: &b.Files} {
		*dst = int64(state.bytes[p])
	}
	for _, c := range info.Clusterings {
		fit, err := s.fit(c)
		if err != nil {
			return err
		}
		n, err := fit.bytes()
		if err != nil {
			return err
		}
		b.Clusterings += int64(n)
	}
	stat, err := os.Stat(info.Path)
	if err != nil {
		return err
	}
	b.Total = stat.Size()
	b.Free = b.Total - int64(s.Count()-s.FreeCount())*int64(s.Size())
	nameless, err := s.namelessFits()
	if err != nil {
		return err
	}
	for _, key := range nameless {
		fit, err := s.fit(&Clustering{fit: binary.BigEndian.Uint32(key)})
		if err != nil {
			return err
		}
		n, err := fit.bytes()
		if err != nil {
			return err
		}
		b.Free += int64(n)
	}
	b.Other = b.Total - b.Free - b.Tracks - b.Arrays - b.Vectors - b.Files - b.Clusterings
	return nil
}

// time returns the time under one of the meta bucket's keys, the zero time when
// there is none.
func (s *snapshot) time(key []byte) (time.Time, error) {
	sealed, err := s.meta.Get(key)
	if sealed == nil || err != nil {
		return time.Time{}, err
	}
	value := body(sealed)
	if len(value) != 8 {
		return time.Time{}, corrupt(key, "not a time")
	}
	return time.Unix(0, int64(binary.LittleEndian.Uint64(value))).UTC(), nil
}
