// Package store keeps songs, their stat vectors and their clusterings in one
// bbolt file. It owns the nouns that all of tatum shares (track ID, feature,
// vector, clustering, assignment), the file's format and its transactions. It
// leaves reading song files, computing statistics and fitting to others.
//
// # Format, version 3
//
// Numbers in keys are big-endian, so that byte order is numeric order; numbers
// in values are little-endian. Every value below ends in a checksum, four
// bytes more than the table says: CRC-32C of the key followed by the value.
// Vectors has several, see below. A string is its length as uvarint, then its
// bytes.
//
//	bucket    key                                     value
//	meta      "format"                                uint32 version (no checksum)
//	meta      "ends"                                  uint32 CRC-32C of the other buckets' ends, see below
//	meta      "state"                                 State
//	meta      "created", "ingested", "written"        uint64: when the store was made, songs or files were
//	                                                  last written, anything was; nanoseconds since 1970
//	tracks    ID[18]                                  Track
//	arrays    ID[18] group uint8                      arrays of group 0 (the eight features) or 1 (the other seven)
//	vectors   group uint8, ID[18]                     Vectors of group 0 (the eight features), or of the sound
//	                                                  feature of that number (12, 13)
//	files     path                                    File
//	names     clustering name                         Clustering
//	fits      fit uint32                              bucket, one per fit, with the buckets below
//
//	fits/N/models       feature uint8, fold uint16    Model
//	fits/N/assignments  ID[18]                        Assignments
//	fits/N/members      feature uint8, cluster        n × Member, which follow each other; the key has the first;
//	                    uint16, distance float64, ID  derived from assignments
//	fits/N/tallies      feature uint8                 Tally; derived from assignments
//	fits/N/unassigned   ID[18]                        empty
//	fits/N/folds        ID[18]                        uint8 n, n × (feature uint8, fold uint16)
//
// Distances are never negative, so their IEEE bits as a big-endian integer
// sort as the numbers do.
//
// # Values
//
//	State       uint64 tracks, generation; uint32 next fit; uint64 files, bad files; uint64 tracks with sound
//	            features, their generation; uint64 bytes of the keys and values in tracks, arrays, vectors and files
//	Track       strings artist, title, release, song ID, artist ID, MusicBrainz ID; int32 three 7digital
//	            IDs (artist, release, track), year, key, mode; float64 duration, tempo, loudness; string
//	            path, uint32 row
//	Vectors     uint8 n, n × (feature uint8, length uint8), uint32 checksum of key and head; then n × (length ×
//	            float64, uint32 checksum of key, feature and numbers)
//	File        uint8 flags (1: all fifteen arrays, 2: bad, 4: an archive), uint64 size, int64 mtime in nanoseconds,
//	            uint32 n, n × ID[18]; if bad, strings step and reason, int64 time in nanoseconds
//	Clustering  uint32 fit, uint8 n, n × uint8 feature, uint64 k, folds and batch size, uint32 seed, string
//	            random stream, uint32 algorithm, int64 time of the fit in nanoseconds, uint64 tracks,
//	            uint64 generation, string of the fingerprint's 32 bytes, uint8 n, n × Summary
//	Summary     float64 inertia, uint64 distinct rows, float64 mean and least agreement, uint16 n,
//	            n × uint64 size, float64 silhouette, Davies-Bouldin, Calinski-Harabasz
//	Model       uint16 k, uint16 columns, columns × float64 mean, columns × float64 scale, k times (columns ×
//	            float64 centroid, uint16 cluster), float64 inertia, uint32 steps
//	Assignments uint16 k, uint8 n, n × Place
//	Place       uint8 feature, uint8 flags (1: the fit was trained on the track, 2: packed), uint16 fold, label
//	            and cluster, float64 distance to the label's centroid, then the k-1 other distances in the order
//	            of labels: float64, or if packed uint16 greatest exponent, (k-1) × 7 bytes
//	Member      float64 distance, big-endian, ID[18], uint16 fold, label; in this order
//	Tally       uint16 k, k × (uint64 members, Sum of distances, Sum of silhouettes); under 255: uint64 bytes of the
//	            keys and values in models, assignments and members
//	Sum         uint64 whole, uint64 2⁻⁶⁴ths, uint64 numbers left out, being 2³¹ or more or NaN
//
// A packed distance has the IEEE mantissa, 52 bits, and above it, 4 bits, by how
// much its exponent is less than the greatest one's. Its place is packed unless
// one of the distances is not positive and finite, or 16 exponents or more
// away. So two tracks of 8 features and 32 clusters fit into a page.
//
// # Arrays
//
// A group's value is uvarint length of the head, the head, uvarint length of
// the low frame, the low frame, and the high frame to the end. The head has for
// each array of the group, in the order of their numbers: one byte, 255 when
// the array was not read, else decimals | order<<4, then uvarint number of
// values, then one byte, the number of planes (1 to 8). Decimals 0 to 9 say that each
// value is an integer divided by that power of ten, in which case the integers
// are differenced order times (0 to 2) and zigzag-coded; decimals 15 says that
// the values are kept as their IEEE bits. Plane i of an array holds byte i of
// each of its numbers. The low frame is a zstd frame of all planes 0, array by
// array, the high frame one of all the others, plane by plane within an array:
// low bytes are noise, high bytes hardly vary, and one entropy code would not
// serve both.
//
// # Invariants
//
//   - Every track has arrays of group 0 and a vector of each of the eight
//     features. A track has vectors of the sound features if, and only if, it has
//     their arrays, both of them. No array or vector is without its track. One
//     transaction writes them.
//   - State counts what is in the other buckets. The generations grow with every
//     transaction that changes what a clustering would be fitted on, by the eight
//     features and by the sound features.
//   - In a named fit a track that has any of the fit's features has a place by
//     each that it has, or it is among the unassigned: it came after the fit, or
//     changed since.
//   - Each place has one member, and each member its place. A block of members
//     ends before the next begins.
//   - Folds has, by each feature, the tracks that the fit was trained on and that
//     have no place now: those changed since, those that have left the store, and
//     those that lack a sound feature now. With the places that say that the fit
//     was trained on their track, they are the tracks that the fit was trained on;
//     and the fold of each is the one that held it out.
//   - A name points to a complete fit. A fit without a name was replaced or deleted,
//     or a killed process left it. It is room for the next fit, which removes it first;
//     but for the bytes that it counts, nothing is said of what it holds.
//   - The tracks that a file lists are in the store, be they its own or those
//     of the file that was kept instead.
//
// [Check] looks at all of them, and at the pages.
//
// # Pages
//
// bbolt keeps no checksums of its pages. Readers check the structure and the
// values of those they visit, see package pages, so that a damaged one is an
// error and does not hide what is there. A bucket's first page is known from one
// number alone; so Open looks at the ends of each bucket, too. Their checksum is
// that of the first entry and of the last of each bucket but meta, in the order
// of the names of their path, the buckets without entries left out. An entry is
// added as the names, its key and its value, each with its length before it as
// uint32.
//
// A page that the disk left as it was before a later write is not told from a
// whole one by looking at it. Scans of all tracks, places or files find it by
// counting, if it has fewer or more of them; [Check] finds it by what other buckets say. A single
// look-up does not.
//
// # Size
//
// Measured on 100,000 tracks with the eight features' arrays, as long as those of
// real songs, and one clustering: a track takes 13.8 kB of the file, of which
// arrays are 8.4, vectors 2.0 and the clustering 2.2. A leaf has two tracks'
// arrays or vectors, or 18 tracks, a branch some 108 pages; merging a track takes
// 42 microseconds of processor. So 100 million tracks would be:
//
//	size        1.4 TB, 1.15 TB of it without the clustering
//	depth       5 levels of pages for arrays and vectors, 4 for tracks; 4 and 3 with 100,000
//	to open     as long as a small store, milliseconds: the first and last page of each bucket, and 8 bytes
//	            for each free page
//	to merge    70 minutes of processor, reading and writing 1.15 TB: 3 hours with a disk of 200 MB/s for both
//	to cluster  up to 200 GB of memory: a million tracks take less than 2 GB
//
// The limit is memory for clustering: 20 million tracks (280 GB, up to 40 GB of
// memory) are what one machine does. bbolt's files end at 256 TB, the numbers of a
// clustering's tracks at 2³².
//
// # Versions
//
//	1  before the first release; no longer read
//	2  before the first release; no longer read
//	3  one value for a track's vectors, and one for its places; the folds of tracks that lost their
//	   place; tallies, and the tracks to be assigned, so that neither has to be searched for
//
// Every later version of tatum reads version 3.
package store
