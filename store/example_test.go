package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"tatum/store"
)

// A store is written by one process at a time and asked by any number.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err == nil {
		err = putAndAsk(filepath.Join(dir, "tatum.db"))
	}
	if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
		fmt.Println(err)
	}
	// Output:
	// TRAAAAW128F429D538 Casual – I Didn't Mean To
	// [0.58521 1.19196 1.78893]
	// true
}

func putAndAsk(path string) error {
	w, err := store.CreateWriter(context.Background(), path, 0)
	if err != nil {
		return err
	}
	song := &store.Song{Track: store.Track{
		ID: "TRAAAAW128F429D538", ArtistName: "Casual", Title: "I Didn't Mean To",
		Source: store.Source{Path: "/songs/TRAAAAW128F429D538.h5"},
	}}
	song.Arrays[store.BeatsStart] = []float64{0.58521, 1.19196, 1.78893}
	vectors := store.NewVectors(store.Features[:]) // package seqstat computes them
	_, err = w.Put(store.Batch{Songs: []store.EncodedSong{*store.EncodeSong(song, vectors)}})
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}

	db, err := store.Open(path)
	if err != nil {
		return err
	}
	defer db.Close()
	for track, err := range db.Tracks(store.Span{}) {
		if err != nil {
			return err
		}
		fmt.Println(track.ID, track.ArtistName, "–", track.Title)
	}
	arrays, err := db.Arrays("TRAAAAW128F429D538")
	if err != nil {
		return err
	}
	fmt.Println(arrays[store.BeatsStart])
	_, err = db.Track("TRZZZZZ128F429D538")
	fmt.Println(errors.Is(err, store.ErrTrackNotFound))
	return nil
}
