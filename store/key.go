package store

import "encoding/binary"

// The buckets of the file. The package comment says what they hold.
var (
	metaBucket    = []byte("meta")
	tracksBucket  = []byte("tracks")
	arraysBucket  = []byte("arrays")
	vectorsBucket = []byte("vectors")
	filesBucket   = []byte("files")
	namesBucket   = []byte("names")
	fitsBucket    = []byte("fits")

	// inside each fit
	modelsBucket      = []byte("models")
	assignmentsBucket = []byte("assignments")
	membersBucket     = []byte("members")
	talliesBucket     = []byte("tallies")
	unassignedBucket  = []byte("unassigned")
	foldsBucket       = []byte("folds")
)

// topBuckets are the buckets that every store has.
var topBuckets = [][]byte{metaBucket, tracksBucket, arraysBucket, vectorsBucket, filesBucket, namesBucket, fitsBucket}

// The keys of the meta bucket. The last three are times.
var (
	formatKey   = []byte("format")
	stateKey    = []byte("state")
	endsKey     = []byte("ends")
	createdKey  = []byte("created")
	ingestedKey = []byte("ingested")
	writtenKey  = []byte("written")
)

func arraysKey(id TrackID, g group) []byte {
	return append([]byte(id), byte(g))
}

// vectorGroups are the features whose vectors are one value. Its key begins with
// the number of the first of them.
var vectorGroups = [...][]Feature{Features[:], {Pitches}, {Timbre}}

// groupOf returns what the keys of the vectors of a feature begin with.
func groupOf(f Feature) byte {
	if f.IsSound() {
		return byte(f)
	}
	return byte(Features[0])
}

func vectorsKey(f Feature, id TrackID) []byte {
	return append([]byte{groupOf(f)}, id...)
}

func fitKey(fit uint32) []byte {
	return binary.BigEndian.AppendUint32(nil, fit)
}

func modelKey(f Feature, fold Fold) []byte {
	return binary.BigEndian.AppendUint16([]byte{byte(f)}, uint16(fold))
}

// clusterKey is what the keys of a cluster's members begin with.
func clusterKey(f Feature, c Cluster) []byte {
	return binary.BigEndian.AppendUint16([]byte{byte(f)}, uint16(c))
}

// clusterKeyLen is the length of every clusterKey.
const clusterKeyLen = 3
