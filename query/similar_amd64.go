package query

import (
	"golang.org/x/sys/cpu"

	"tatum/store"
)

func init() {
	if cpu.X86.HasAVX2 {
		unlike = unlikeAVX2
	}
}

func unlikeAVX2(p *profile, v store.Vector) (shape, moved float64) {
	_ = v[store.NumStats-1] // the assembly trusts its arguments
	return unlikeRow(p, &v[0])
}

// unlikeRow is [unlike] for the first of a vector's numbers.
//
//go:noescape
func unlikeRow(p *profile, v *float64) (shape, moved float64)
