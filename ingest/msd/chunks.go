package msd

// Reading a dataset's chunks without libhdf5's filters. Nearly all values of a
// song are shuffled and deflated, and inflating them with zlib takes a third of
// the time to read it. libhdf5 cannot be given another inflate, so its chunks
// are read as they are in the file and unpacked here, by libdeflate.

/*
#cgo linux LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include "hdf5.h"

// What is used of libdeflate.h. The library is looked for when the program
// runs, since it is fast without it too.
static void *(*msd_alloc_decompressor)(void);
static int (*msd_zlib_decompress)(void *d, const void *in, size_t in_bytes, void *out, size_t out_bytes, size_t *actual);
static void *msd_decompressor;

// Returns 1 when libdeflate is there.
static int msd_find_libdeflate(void) {
#ifdef __APPLE__
	void *library = dlopen("libdeflate.0.dylib", RTLD_NOW);
#else
	void *library = dlopen("libdeflate.so.0", RTLD_NOW);
#endif
	if (library == NULL)
		return 0;
	msd_alloc_decompressor = dlsym(library, "libdeflate_alloc_decompressor");
	msd_zlib_decompress = dlsym(library, "libdeflate_zlib_decompress");
	if (msd_alloc_decompressor == NULL || msd_zlib_decompress == NULL)
		return 0;
	msd_decompressor = msd_alloc_decompressor();
	return msd_decompressor != NULL;
}

// Undoes the shuffle filter for the first count of n values of 8 bytes: in
// holds the first bytes of all values, then the second ones, and so on.
static void msd_unshuffle8(const unsigned char *in, size_t n, size_t count, unsigned char *out) {
	size_t i = 0;
#ifdef __SSE2__
	for (; i + 16 <= count; i += 16) {
		__m128i a[8], b[8];
		for (int k = 0; k < 8; k++)
			a[k] = _mm_loadu_si128((const __m128i *)(in + k * n + i));
		for (int k = 0; k < 4; k++) { // pairs of bytes k and k + 4
			b[2 * k] = _mm_unpacklo_epi8(a[k], a[k + 4]);
			b[2 * k + 1] = _mm_unpackhi_epi8(a[k], a[k + 4]);
		}
		for (int k = 0; k < 4; k++) { // every second byte
			a[2 * k] = _mm_unpacklo_epi8(b[k], b[k + 4]);
			a[2 * k + 1] = _mm_unpackhi_epi8(b[k], b[k + 4]);
		}
		for (int k = 0; k < 4; k++) { // whole values
			b[2 * k] = _mm_unpacklo_epi8(a[k], a[k + 4]);
			b[2 * k + 1] = _mm_unpackhi_epi8(a[k], a[k + 4]);
		}
		memcpy(out + 8 * i, b, sizeof b);
	}
#endif
	for (; i < count; i++)
		for (size_t k = 0; k < 8; k++)
			out[8 * i + k] = in[k * n + i];
}

// As msd_unshuffle8, for values of any size.
static void msd_unshuffle(const unsigned char *in, size_t n, size_t count, size_t size, unsigned char *out) {
	if (size == 8) {
		msd_unshuffle8(in, n, count, out);
		return;
	}
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < size; k++)
			out[size * i + k] = in[k * n + i];
}

// Returns a buffer of at least n bytes, good until the next call, or NULL.
static void *msd_buffer(void **buffer, size_t *size, size_t n) {
	if (n > *size) {
		free(*buffer);
		*buffer = malloc(n);
		*size = *buffer == NULL ? 0 : n;
	}
	return *buffer;
}

// Reads the first rows of a dataset whose chunks are shuffled and deflated,
// hold chunk_rows whole rows each, a row of columns values of size bytes.
// Returns -1 when a chunk is not as it should be. Not for two threads at once.
static int msd_read_chunks(hid_t set, hsize_t rows, hsize_t chunk_rows, size_t columns, size_t size, unsigned char *out) {
	static void *packed, *shuffled;
	static size_t packed_size, shuffled_size;
	const size_t n = chunk_rows * columns, bytes = n * size;
	hsize_t at[2] = {0, 0};
	if (msd_buffer(&shuffled, &shuffled_size, bytes) == NULL)
		return -1;
	for (; at[0] < rows; at[0] += chunk_rows) {
		hsize_t length;
		uint32_t skipped;
		size_t count = rows - at[0] < chunk_rows ? rows - at[0] : chunk_rows;
		// Deflate adds less than a hundredth. A length of 0 is no chunk.
		if (H5Dget_chunk_storage_size(set, at, &length) < 0 || length == 0 || length > bytes + bytes / 64 + 1024)
			return -1;
		if (msd_buffer(&packed, &packed_size, length) == NULL)
			return -1;
		if (H5Dread_chunk(set, H5P_DEFAULT, at, &skipped, packed) < 0 || skipped != 0)
			return -1;
		// Without a place for the actual length it is to be exactly bytes.
		if (msd_zlib_decompress(msd_decompressor, packed, length, shuffled, bytes, NULL) != 0)
			return -1;
		msd_unshuffle(shuffled, n, count * columns, size, out + at[0] * columns * size);
	}
	return 0;
}
*/
import "C"

import (
	"sync"
	"unsafe"
)

// hasLibdeflate reports whether the system has libdeflate; a variable for tests.
var hasLibdeflate = sync.OnceValue(func() bool { return C.msd_find_libdeflate() != 0 })

// readChunks reads the whole dataset into buf, of its size. It reports false
// when it cannot: what is wrong, or only unusual, with it is for libhdf5 to say.
func (s *source) readChunks(buf unsafe.Pointer) bool {
	l := &s.storage
	if l.values == 0 || int(l.columns) != s.columns || int(l.shuffled) != s.size || !hasLibdeflate() {
		return false
	}
	return C.msd_read_chunks(id(s), C.hsize_t(s.rows), l.rows, C.size_t(s.columns), C.size_t(s.size), (*C.uchar)(buf)) == 0
}
