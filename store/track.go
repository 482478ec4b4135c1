package store

import (
	"fmt"
	"slices"
	"strings"
)

// A TrackID names one track: "TR", five letters A-Z and eleven digits 0-9A-F,
// as in MSD's /analysis/songs.track_id. Make one with [ParseTrackID].
type TrackID string

// TrackIDLen is the length of every track ID in bytes.
const TrackIDLen = 18

// ParseTrackID returns s as a track ID, or an error when s is not of the form
// that TrackID describes.
func ParseTrackID(s string) (TrackID, error) {
	if len(s) != TrackIDLen || s[:2] != "TR" {
		return "", fmt.Errorf("track ID %q: want TR, 5 letters and 11 of 0-9A-F", s)
	}
	for i := 2; i < TrackIDLen; i++ {
		c := s[i]
		letter := c >= 'A' && c <= 'Z'
		hex := c >= '0' && c <= '9' || c >= 'A' && c <= 'F'
		if i < 7 && !letter || i >= 7 && !hex {
			return "", fmt.Errorf("track ID %q: want TR, 5 letters and 11 of 0-9A-F", s)
		}
	}
	return TrackID(s), nil
}

// An Array is one of the fifteen arrays of an MSD /analysis group. Times are
// seconds from the start of the track, loudness is dB, confidences lie in
// [0, 1]; pitches and timbre have twelve columns, all others one. The numbers
// are part of the file format.
type Array uint8

// The arrays. The first eight are the features (see [Feature]).
const (
	BarsStart               Array = iota // onset of each bar
	BeatsStart                           // onset of each beat
	SectionsStart                        // onset of each section
	SegmentsLoudnessMax                  // peak loudness within each segment
	SegmentsLoudnessMaxTime              // offset of that peak within the segment
	SegmentsLoudnessStart                // loudness at each segment's onset
	SegmentsStart                        // onset of each segment
	TatumsStart                          // onset of each tatum
	BarsConfidence
	BeatsConfidence
	SectionsConfidence
	SegmentsConfidence
	SegmentsPitches // per segment, strength of each pitch class in [0, 1]
	SegmentsTimbre  // per segment, the twelve MFCC-like timbre coefficients
	TatumsConfidence

	NumArrays = 15
)

var arrayNames = [NumArrays]string{
	"bars_start", "beats_start", "sections_start", "segments_loudness_max",
	"segments_loudness_max_time", "segments_loudness_start", "segments_start", "tatums_start",
	"bars_confidence", "beats_confidence", "sections_confidence", "segments_confidence",
	"segments_pitches", "segments_timbre", "tatums_confidence",
}

// String returns the array's name in the MSD, such as "bars_start".
func (a Array) String() string { return arrayNames[a] }

// Columns returns how many values a row of the array has.
func (a Array) Columns() int {
	if a == SegmentsPitches || a == SegmentsTimbre {
		return SoundColumns
	}
	return 1
}

// An ArraySet says which of a song's arrays are read and kept. The numbers are
// part of the file format; a larger set has all that a smaller one has.
type ArraySet uint8

// The sets.
const (
	FeatureArrays ArraySet = iota // the eight that songs are clustered by
	AllArrays                     // the confidences, pitches and timbre too
)

// ArraySetNames lists the names that [ParseArraySet] knows.
var ArraySetNames = []string{"features", "all"}

// ParseArraySet returns the set called name, such as "features".
func ParseArraySet(name string) (ArraySet, error) {
	if i := slices.Index(ArraySetNames, name); i >= 0 {
		return ArraySet(i), nil
	}
	return 0, fmt.Errorf("no arrays %q: want %s", name, strings.Join(ArraySetNames, " or "))
}

// String returns the name of the set.
func (s ArraySet) String() string { return ArraySetNames[s] }

// End returns the array after the set's last: it has all those before.
func (s ArraySet) End() Array {
	if s == FeatureArrays {
		return NumFeatures
	}
	return NumArrays
}

// A Feature is one of the arrays that songs are clustered by; Feature f is
// computed from Array(f). The numbers are part of the file format.
type Feature uint8

// NumFeatures is the number of features that every track has.
const NumFeatures = 8

// Features lists the features that every track has, and that are clustered
// unless others are named. They are in the order of their numbers, which is the
// order of every table.
var Features = [NumFeatures]Feature{0, 1, 2, 3, 4, 5, 6, 7}

// The sound features, computed from arrays of twelve columns.
const (
	Pitches = Feature(SegmentsPitches)
	Timbre  = Feature(SegmentsTimbre)
)

// SoundFeatures lists the sound features. A track has both or neither: its file
// was read with both arrays, or not.
var SoundFeatures = [...]Feature{Pitches, Timbre}

// AllFeatures lists all features in the order of their numbers.
var AllFeatures = slices.Concat(Features[:], SoundFeatures[:])

// IsSound reports whether f is a sound feature.
func (f Feature) IsSound() bool { return f == Pitches || f == Timbre }

// VectorLen returns how many numbers a vector of the feature has.
func (f Feature) VectorLen() int {
	if f.IsSound() {
		return NumSoundStats
	}
	return NumStats
}

// ParseFeature returns the feature called name, such as "beats_start".
func ParseFeature(name string) (Feature, error) {
	for _, f := range AllFeatures {
		if f.String() == name {
			return f, nil
		}
	}
	return 0, fmt.Errorf("no feature %q", name)
}

// String returns the name of the array the feature is computed from.
func (f Feature) String() string { return Array(f).String() }

// The number of statistics in a stat vector: of one of the eight features, and
// of a sound feature, whose array has SoundColumns columns.
const (
	NumStats      = 30
	NumSoundStats = SoundColumns + SoundColumns*(SoundColumns+1)/2
	SoundColumns  = 12
)

// A Vector holds the statistics of one track and feature. Of the eight features
// these are NumStats: mean, std, iqr, cv, skew, kurtosis, q10, q50, q90 and length
// of the scaled positive gaps, then the 20 densities of their histogram. Of a
// sound feature they are NumSoundStats: the means of the columns, then the upper
// triangle of the columns' covariances, row by row. Package seqstat defines each
// of them.
type Vector []float64

// A VectorSet has a track's vectors by feature. It is nil at what is no feature,
// and at features that the track lacks.
type VectorSet [NumArrays]Vector

// NewVectors returns vectors of zeros of the features.
func NewVectors(features []Feature) *VectorSet {
	n := 0
	for _, f := range features {
		n += f.VectorLen()
	}
	numbers := make(Vector, n)
	s := new(VectorSet)
	for _, f := range features {
		n := f.VectorLen()
		s[f], numbers = numbers[:n:n], numbers[n:]
	}
	return s
}

// HasSound reports whether the set has the sound features.
func (s *VectorSet) HasSound() bool { return s[Timbre] != nil }

// A Track is what a person knows a song by, as far as its file says. Missing
// strings are empty, missing numbers zero or NaN as the file has them.
type Track struct {
	ID                TrackID
	ArtistName        string
	Title             string
	Release           string
	SongID            string // Echo Nest song, "SO…"
	ArtistID          string // Echo Nest artist, "AR…"
	ArtistMBID        string // MusicBrainz artist
	Artist7digitalID  int32
	Release7digitalID int32
	Track7digitalID   int32
	Year              int32   // 0 when unknown
	Key               int32   // 0 is C, 11 is B
	Mode              int32   // 0 minor, 1 major
	Duration          float64 // seconds
	Tempo             float64 // beats per minute
	Loudness          float64 // dB over the whole track
	Source            Source
}

// A Source says where a track was read from.
type Source struct {
	Path string // absolute
	Row  uint32 // row in the file's songs tables; 0 unless it is an aggregate file
}

// A Song is a track with its raw arrays, as read from a file.
type Song struct {
	Track
	// Arrays holds each array row by row, Columns values a row. A nil slice
	// is an array that was not read; an array without rows is empty, not nil.
	Arrays [NumArrays][]float64
}
