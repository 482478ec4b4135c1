package main

import (
	"strings"
	"testing"

	"tatum/cluster"
	"tatum/store"
)

func TestNoteEmpty(t *testing.T) {
	report := &cluster.Report{Features: []cluster.FeatureReport{
		{Feature: 0, Summary: store.Summary{DistinctRows: 9, Sizes: []uint64{4, 0, 5}}},
		{Feature: 1, Summary: store.Summary{DistinctRows: 2, Sizes: []uint64{0, 9, 0, 0, 0, 9, 0}}},
	}}
	var out strings.Builder
	noteEmpty(&out, 7, report)
	want := "tatum: beats_start has only 2 different vectors for 7 clusters; empty: 0, 2-4, 6\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
