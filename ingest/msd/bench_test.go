package msd

import (
	"syscall"
	"testing"

	"tatum/store"
)

// BenchmarkSongs reads the real files, when there, one a loop. Compare
// cpu-ms/song with what testdata/bareloop.c prints for the same files.
func BenchmarkSongs(b *testing.B) {
	paths := realFiles(b)
	for _, c := range []struct {
		name   string
		arrays store.ArraySet
	}{{"features", store.FeatureArrays}, {"all", store.AllArrays}} {
		b.Run(c.name, func(b *testing.B) {
			start, n := cpuSeconds(), 0
			for b.Loop() {
				for _, path := range paths {
					for _, err := range Songs(path, c.arrays) {
						if err != nil {
							b.Fatal(err)
						}
						n++
					}
				}
			}
			b.ReportMetric((cpuSeconds()-start)*1000/float64(n), "cpu-ms/song")
		})
	}
}

// cpuSeconds returns the CPU time the process has used.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
