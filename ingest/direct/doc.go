// Package direct reads song files of the Million Song Dataset's own layout, in
// Go: what PyTables wrote in 2010, and what h5py and libhdf5 write by default.
// It knows what the layout is and what a file must be to hold a song; package
// msd, which reads every file that libhdf5 can, shares both with it.
//
// # What is read
//
// The parts of HDF5 that those files are made of, as the HDF5 File Format
// Specification names them:
//
//   - a superblock of version 0, at the start of the file;
//   - groups with symbol tables: a B-tree of version 1, symbol table nodes and a
//     local heap of names;
//   - object headers of version 1 and their continuations;
//   - layouts of version 3: contiguous, compact, and chunks in a B-tree of
//     version 1, filtered by shuffle, deflate or both;
//   - arrays of float64 little-endian, and songs tables of numbers, texts of
//     fixed length and small arrays of them;
//   - fill values, of what was never written.
//
// Anything else is not a fault of the file. It is [ErrUnsure], and the file is
// for msd to read: newer versions of any part, files of several songs, other
// filters, links, types that songs are not made of, songs of many hours. So is
// everything that is damaged, a chunk that does not inflate too, unless what is
// left says surely what msd says of it.
//
// # Same results
//
// A song is that of msd, bit for bit. An [Error] is that of msd too, for the
// same fault: both make the checks of this package, in the same order.
//
// libhdf5 finds names and chunks by halves, so they must be in order here, and
// it looks at parts of a file that no value depends on; what it refuses there
// is refused here. Two differences are known, of damaged files alone. A stream
// that holds a code that deflate does not define may still be read, if its sum
// is right: libdeflate takes the code for a defined one. And libhdf5, of which
// versions differ, may name another fault where there are several.
//
// # Safety
//
// No word of a file is believed: every address, length and count is checked
// before it is used, trees get lower with every step, and all that is read,
// inflated and allocated is paid from a budget that every file has the same.
//
// # Speed
//
// Files are read in blocks of 8 KiB as they are needed, into buffers that a
// [Reader] keeps. More than half of the time is spent to inflate, so that is
// left to libdeflate, which is linked into the program as libhdf5 is. Without
// cgo it is done in Go.
package direct
