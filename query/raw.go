package query

import (
	"fmt"

	"tatum/store"
)

// StatNames are the names of what the vectors of the eight features have.
var StatNames = [store.NumStats]string{
	"mean", "std", "iqr", "cv", "skew", "kurtosis", "q10", "q50", "q90", "length",
	"h01", "h02", "h03", "h04", "h05", "h06", "h07", "h08", "h09", "h10",
	"h11", "h12", "h13", "h14", "h15", "h16", "h17", "h18", "h19", "h20",
}

// SoundStatNames are the names of what the vectors of sound features have: mean01
// to mean12, then cov01_01, cov01_02 … cov12_12.
var SoundStatNames = soundStatNames()

func soundStatNames() (names [store.NumSoundStats]string) {
	at := store.SoundColumns
	for i := range store.SoundColumns {
		names[i] = fmt.Sprintf("mean%02d", i+1)
		for j := i; j < store.SoundColumns; j++ {
			names[at] = fmt.Sprintf("cov%02d_%02d", i+1, j+1)
			at++
		}
	}
	return names
}

// A FeatureStats is the stat vector of one track and feature.
type FeatureStats struct {
	TrackID store.TrackID
	Feature store.Feature
	Vector  store.Vector // in the order of StatNames, or of SoundStatNames
}

// Stats returns a track's stat vectors of the given features, of the eight when
// none is given. Sound features that the track lacks are left out. It returns
// store.ErrTrackNotFound when there is no such track.
func Stats(db *store.DB, id store.TrackID, features ...store.Feature) ([]FeatureStats, error) {
	if len(features) == 0 {
		features = store.Features[:]
	}
	vectors, err := db.TrackVectors(id, features...)
	if err != nil {
		return nil, err
	}
	var rows []FeatureStats
	for _, f := range features {
		if vectors[f] != nil {
			rows = append(rows, FeatureStats{id, f, vectors[f]})
		}
	}
	return rows, nil
}

// A RawArray is one analysis array of one track.
type RawArray struct {
	TrackID store.TrackID
	Array   store.Array
	Rows    int
	Columns int       // 1 or 12
	Values  []float64 // row by row, Rows*Columns of them
}

// Nested returns the values row by row as slices of Columns values each, which
// share memory with Values.
func (a *RawArray) Nested() [][]float64 {
	rows := make([][]float64, a.Rows)
	for i := range rows {
		rows[i] = a.Values[i*a.Columns : (i+1)*a.Columns]
	}
	return rows
}

// Arrays returns a track's raw arrays, of those given or of all when none is
// given. Arrays that were not kept at ingest are left out. It returns
// store.ErrTrackNotFound when there is no such track.
func Arrays(db *store.DB, id store.TrackID, arrays ...store.Array) ([]RawArray, error) {
	values, err := db.Arrays(id)
	if err != nil {
		return nil, err
	}
	if len(arrays) == 0 {
		for a := range store.Array(store.NumArrays) {
			arrays = append(arrays, a)
		}
	}
	var rows []RawArray
	for _, a := range arrays {
		if values[a] != nil {
			rows = append(rows, RawArray{id, a, len(values[a]) / a.Columns(), a.Columns(), values[a]})
		}
	}
	return rows, nil
}
