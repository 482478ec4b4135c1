package query

import (
	"math"

	"tatum/store"
)

// A Timeline is a song's analysis over its time, as far as the store has it.
type Timeline struct {
	Track  store.Track
	End    float64                    // seconds: the song's duration, or the last onset if that is later
	Arrays [store.NumArrays][]float64 // as in store.Song; nil when not kept
}

// NewTimeline returns a song's timeline. It returns store.ErrTrackNotFound when
// there is no such track.
func NewTimeline(db *store.DB, id store.TrackID) (*Timeline, error) {
	t := new(Timeline)
	var err error
	if t.Track, err = db.Track(id); err != nil {
		return nil, err
	}
	if t.Arrays, err = db.Arrays(id); err != nil {
		return nil, err
	}
	if d := t.Track.Duration; d > 0 && !math.IsInf(d, 1) {
		t.End = d
	}
	for _, a := range []store.Array{store.SectionsStart, store.BarsStart, store.BeatsStart, store.TatumsStart, store.SegmentsStart} {
		for _, onset := range t.Arrays[a] {
			if onset > t.End && !math.IsInf(onset, 1) {
				t.End = onset
			}
		}
	}
	return t, nil
}
