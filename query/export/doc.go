// Package export writes a whole store into a directory of files that other
// tools read: NumPy arrays, Parquet, CSV. Rows are in the order of track IDs and
// streamed, so that memory does not grow with the number of songs.
//
// A directory appears complete or not at all: it is written beside its final
// place, synced and renamed. An export replaces an empty directory and one that
// holds nothing but files of an earlier export of the same kind. Anything else
// is left alone and an [OccupiedError] returned, so that nobody's files are
// lost.
//
// # NumPy
//
// [NPY] writes what numpy.save would, byte for byte, for n tracks and k
// clusters. NAME is bars, beats, sections, loudness, loudness_time,
// loudness_start, segments_start or tatums_start; of the sound features pitches
// or timbre.
//
//	cluster_label_NAME.npy     int64 (n, 1)     label in the track's fold model
//	cluster_distance_NAME.npy  float64 (n, k)   distance to each of that model's centroids, by label
//	fold_NAME.npy              int64 (n, 1)     the fold whose model labelled the track
//	stats_NAME.npy             float64 (n, 30)  stat vector; (n, 90) of a sound feature
//	track_ids.txt              text             n lines, the track of each row
//
// With aligned clusters, cluster_label holds clusters in place of labels, and
// the columns of cluster_distance are by cluster. Files of features that the
// clustering leaves out are not written, but for the stat vectors of sound
// features, where tracks have them. A track that lacks the sound features has
// label and fold -1 there, and NaN for all else.
//
// # Parquet and CSV
//
// [Parquet] and [CSV] write two tables, or three. The first, tracks, has a row per track:
//
//	track_id artist title release  text
//	year                           int32, null when unknown
//	duration                       float64, seconds
//	tempo                          float64, beats per minute
//	key mode                       int32; 0 is C and minor
//	loudness                       float64, dB
//
// and for each FEATURE of the clustering, null while the track has no label or if
// it lacks the feature:
//
//	FEATURE_cluster FEATURE_label FEATURE_fold  int32
//	FEATURE_distance                            float64
//
// The second, stats, has a row per track and feature: track_id, feature, and
// the stat vector as 30 float64 named by query.StatNames. Where tracks have sound
// features there is a third, sound, of these: track_id, feature, and the stat
// vector as 90 float64 named by query.SoundStatNames, first of all tracks that
// have it by one feature, then by the other.
package export
