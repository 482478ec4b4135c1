//go:build cgo

package ingest

import (
	"fmt"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// workerMemory is how much memory a worker may take, in bytes. The longest
// songs that package msd reads stay below; a hostile file, which can make
// libhdf5 inflate a chunk to a thousand times its size, costs one worker and
// not the machine.
const workerMemory = 1 << 30

// limitMemory limits the memory that this process can write to. What Go only
// reserves does not count, as it would for RLIMIT_AS.
func limitMemory() error {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_DATA, &limit)
	if err == nil {
		limit.Cur = min(limit.Cur, workerMemory)
		err = unix.Setrlimit(unix.RLIMIT_DATA, &limit)
		// The garbage of a very long song is to go before it costs the song.
		debug.SetMemoryLimit(int64(limit.Cur) / 2)
	}
	if err != nil {
		return fmt.Errorf("limit memory: %w", err)
	}
	return nil
}
