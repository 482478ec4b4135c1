package pages

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// willNeed has the system read a part of the memory map. What it does not take,
// such as an address within one of its own pages, is read when it is touched.
func willNeed(b []byte) { _ = unix.Madvise(b, unix.MADV_WILLNEED) }

// drop takes what was read of the memory map from the process's memory. The
// system has it still.
func drop(b []byte) { _ = unix.Madvise(b, unix.MADV_DONTNEED) }

// isResident reports whether a page of the memory map is in memory.
func isResident(page []byte) bool {
	var resident [1]byte
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&page[0])), 1, uintptr(unsafe.Pointer(&resident)))
	return errno == 0 && resident[0]&1 != 0
}
