package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"tatum/query/render"
	"tatum/store"
)

func newStoreMerge(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "merge SHARD...",
		Short: "Add the songs of other stores",
		Long: `merge adds the songs of shards, stores into which parts of the songs were
ingested, to the store that --db names. It makes that store if there is none. The
outcome is that of one ingest of all their files into it, however the songs were
divided: of two files with the same track the one with the smaller path is kept,
files that could not be read are remembered as such. The files are not looked up.

Clusterings of the shards are left behind, and named; those of the store stay.
A merge that was interrupted is called again. Before anything is written all
shards are opened: with one that is missing, locked or damaged nothing is merged.`,
		Example: `  tatum ingest --db shard-1.db songs
  tatum ingest --db shard-2.db more
  tatum store merge --db merged.db shard-1.db shard-2.db`,
		Args: wantArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, shards []string) error {
			return runStoreMerge(cmd.Context(), g, shards, cmd.OutOrStdout())
		},
	}
	g.addWait(cmd)
	return cmd
}

func runStoreMerge(ctx context.Context, g *globals, shards []string, stdout io.Writer) error {
	o, err := g.outputOptions(stdout)
	if err != nil {
		return err
	}
	p := newProgress(g.quiet, "merge")
	sum, err := store.Merge(ctx, g.db, shards, store.MergeOptions{
		Wait:     g.wait,
		Progress: func(done, total int) { p.set(done, total, 0) },
	})
	p.done()
	switch {
	case errors.Is(err, store.ErrSameStore):
		return usageError{err}
	case sum == nil:
		return err
	}
	for _, c := range sum.Left {
		fmt.Fprintf(os.Stderr, "tatum: clustering %q of %q is not merged\n", c.Name, c.Shard)
	}
	for _, d := range sum.Duplicates {
		fmt.Fprintf(os.Stderr, "tatum: duplicate %s in %q: kept that of %q\n", d.ID, d.Path, d.Kept)
	}
	if o.Format != render.FormatTable {
		out := render.NewWriter(stdout, o, mergedTable, "")
		return errors.Join(err, out.Write(sum), out.Close())
	}
	line := fmt.Sprintf("%d added, %d replaced, %d unchanged, %d duplicate, %d bad",
		sum.Added, sum.Replaced, sum.Unchanged, len(sum.Duplicates), sum.Bad)
	if sum.Outdated > 0 {
		line += fmt.Sprintf(", %d outdated", sum.Outdated)
	}
	_, failed := fmt.Fprintln(stdout, line)
	return errors.Join(err, failed)
}

// mergedTable is how the counts of a merge are written for programs.
var mergedTable = render.Table[store.Merged]{Columns: []render.Column[store.Merged]{
	{Name: "added", Title: "Added", Value: func(m *store.Merged) any { return m.Added }},
	{Name: "replaced", Title: "Replaced", Value: func(m *store.Merged) any { return m.Replaced }},
	{Name: "unchanged", Title: "Unchanged", Value: func(m *store.Merged) any { return m.Unchanged }},
	{Name: "outdated", Title: "Outdated", Value: func(m *store.Merged) any { return m.Outdated }},
	{Name: "duplicate", Title: "Duplicate", Value: func(m *store.Merged) any { return len(m.Duplicates) }},
	{Name: "bad", Title: "Bad", Value: func(m *store.Merged) any { return m.Bad }},
}}
