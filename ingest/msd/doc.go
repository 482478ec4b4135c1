// Package msd reads and writes song files in the HDF5 layout of the Million
// Song Dataset (MSD), and makes up songs to write. It is the only package that
// touches libhdf5; walking directories, statistics and storing are left to others.
//
// # Layout
//
// A file has three groups. Each holds a table songs with one row per song:
//
//	/analysis/songs      track_id, duration, tempo, key, mode, loudness, idx_…
//	/metadata/songs      artist, title, release and their IDs
//	/musicbrainz/songs   year
//
// and /analysis holds the fifteen arrays of [store.Array], float64 little
// endian, (n) or (n, 12). A file with several rows in /analysis/songs is an
// aggregate file: the arrays of all songs stand one after the other, and the
// int32 column idx_NAME of the table says at which row of array NAME each song
// starts; it ends where the next song starts, the last at the array's end. In
// a file of one song their values are not looked at.
//
// /analysis with its table and the arrays asked for must be there, and of the
// table's columns track_id. All else may be missing and leaves fields empty.
// The order and offsets of columns and any further ones do not matter; the
// type of a column that is read does.
//
// # Safety
//
// libhdf5 and its binding believe what a file says, so every dataset is
// checked before it is read:
//
//   - It is a dataset of the right rank and type; the binding reads in the
//     file's type, so any other than float64 little-endian would arrive as
//     garbage. A table has fixed-length columns only and rows of at most 64 KiB.
//   - Its declared size is at most 1032 times the size of the file, more than
//     which deflate cannot pack, its chunks are at most 4 MiB each, and one song
//     has at most 2^20 rows in an array, two days of music at six segments a
//     second. Chunks never written read as the fill value, as HDF5 prescribes,
//     within these limits.
//   - Its data is in this file. External links are not followed, external and
//     virtual storage is refused, soft links stay within the file.
//
// A panic in the binding becomes an error. What checks cannot prevent is left
// to the process that calls: libhdf5 may crash on a damaged file, and a
// hostile one can make it inflate a chunk to 1032 times its size. Neither does
// this package say where libhdf5 looks for plug-ins, or whether it locks files;
// both are set in the environment before the process starts.
//
// libhdf5 has one lock around everything, and even so it is not safe with this
// binding: error printing is switched per thread. All calls are therefore made
// under one package lock, on one thread. To read faster use more processes.
//
// Package direct, which shares the layout, the checks and their words with this
// one, reads the MSD's own files many times faster; what it is unsure of is read
// here.
package msd
