package store

import (
	"errors"

	"tatum/store/pages"
)

var (
	// ErrNoStore is returned when the path holds no tatum store: nothing is
	// there, or a directory, an empty file or a file of another kind.
	ErrNoStore = errors.New("no tatum store there")

	// ErrLocked is returned when another process holds the store for longer
	// than this one was willing to wait; the error's text says which.
	ErrLocked = errors.New("store is locked")

	// ErrSameStore is returned when a store is to be merged into itself, or twice.
	ErrSameStore = errors.New("one store in two places")

	// ErrFormatVersion is returned when a store was written in a format that
	// this version of tatum does not know.
	ErrFormatVersion = errors.New("unknown store format")

	// ErrCorrupt is returned when bytes in the store are not what was written:
	// a checksum differs, a value is too short, a page makes no sense.
	ErrCorrupt = pages.ErrDamaged

	// ErrTrackNotFound is returned when a track ID is not in the store.
	ErrTrackNotFound = errors.New("track not found")

	// ErrNotClustered is returned when the store has no clustering of the name
	// asked for, or the clustering leaves out the feature asked for.
	ErrNotClustered = errors.New("not clustered")

	// ErrNotAssigned is returned when a track has no label in a clustering
	// because it was ingested after the fit.
	ErrNotAssigned = errors.New("track has no label yet")
)
