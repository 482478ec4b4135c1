//go:build cgo

package direct

// libdeflate inflates a third faster than zlib and twice as fast as Go. It is
// linked into the program as libhdf5 is: see package msd. Build with the tag
// shared where it has no static form.

/*
#cgo darwin CFLAGS: -I/usr/local/include
#cgo darwin LDFLAGS: -L/usr/local/lib
#cgo linux,!shared LDFLAGS: -l:libdeflate.a
#cgo !linux shared LDFLAGS: -ldeflate
#cgo noescape libdeflate_zlib_decompress
#cgo nocallback libdeflate_zlib_decompress
#include <libdeflate.h>
*/
import "C"

import (
	"runtime"
	"unsafe"
)

// An inflater inflates. The zero value is ready to use.
type inflater struct {
	d *C.struct_libdeflate_decompressor
}

// inflate inflates a zlib stream into dst. It reports false when the stream is
// damaged or not exactly that long.
func (f *inflater) inflate(dst, src []byte) bool {
	if f.d == nil {
		if f.d = C.libdeflate_alloc_decompressor(); f.d == nil {
			return false
		}
		runtime.AddCleanup(f, func(d *C.struct_libdeflate_decompressor) { C.libdeflate_free_decompressor(d) }, f.d)
	}
	// Without a place for the actual length it is to be exactly that of dst.
	return C.libdeflate_zlib_decompress(f.d, unsafe.Pointer(unsafe.SliceData(src)), C.size_t(len(src)),
		unsafe.Pointer(unsafe.SliceData(dst)), C.size_t(len(dst)), nil) == C.LIBDEFLATE_SUCCESS
}
