package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"tatum/cluster"
	"tatum/ingest/seqstat"
	"tatum/query/render"
	"tatum/store"
)

// errProblems ends a check that found problems, all of which it has printed.
var errProblems = errors.New("the store has problems; restore a backup, or ingest into a new store")

func newStore(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store",
		Short: "Look after the store's file",
		Args:  noArgs,
		RunE:  help,
	}
	cmd.AddCommand(newStoreInfo(g), newStoreCheck(g), newStoreCompact(g), newStoreBackup(g), newStoreMerge(g))
	return cmd
}

func newStoreInfo(g *globals) *cobra.Command {
	var bad bool
	cmd := &cobra.Command{
		Use:   "info",
		Short: "What is in the store, and how large it is",
		Long: `info prints counts, what the file's bytes are used for, and when what was last
written. Times are UTC. With --bad it lists the files that could not be read
instead, with the step that failed and the reason.`,
		Example: `  tatum store info
  tatum store info --bad -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if bad {
				return runStoreBad(g, cmd.OutOrStdout())
			}
			return runStoreInfo(g, cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&bad, "bad", false, "list the files that could not be read")
	return cmd
}

func runStoreBad(g *globals, stdout io.Writer) error {
	o, err := g.outputOptions(stdout)
	if err != nil {
		return err
	}
	q := &asker{globals: g}
	return q.withStore(func(db *store.DB) error {
		out := render.NewWriter(stdout, o, render.BadFiles, "No bad files.")
		for f, err := range db.Files() {
			if err != nil {
				return errors.Join(err, out.Close())
			}
			if f.Bad == nil {
				continue
			}
			if err := out.Write(f); err != nil {
				return err
			}
		}
		return out.Close()
	})
}

func runStoreInfo(g *globals, stdout io.Writer) error {
	o, err := g.outputOptions(stdout)
	if err != nil {
		return err
	}
	q := &asker{globals: g}
	return q.withStore(func(db *store.DB) error {
		info, err := db.Info()
		if err != nil {
			return err
		}
		out := render.NewWriter(stdout, o, render.Info, "")
		return errors.Join(out.Write(info), out.Close())
	})
}

func newStoreCheck(g *globals) *cobra.Command {
	var recompute bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Read the whole store and say what is wrong",
		Long: `check reads every page and every value of the store, verifies every checksum,
every connection between tracks, vectors, files and clusterings, and computes
all labels and distances anew from the models. It prints a line for each problem;
with any the exit code is 1. Nobody can write to the store meanwhile.`,
		Example: `  tatum store check
  tatum store check --recompute -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runStoreCheck(cmd.Context(), g, recompute, cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&recompute, "recompute", false, "compute all statistics anew from the arrays, too")
	return cmd
}

func runStoreCheck(ctx context.Context, g *globals, recompute bool, stdout io.Writer) error {
	o, err := g.outputOptions(stdout)
	if err != nil {
		return err
	}
	bar := newProgress(g.quiet, "check")
	co := checkOptions(recompute)
	co.Progress = func(done, total int) { bar.set(done, total, 0) }
	var failed error
	var out *render.Writer[store.Problem]
	begin := func(nothing string) {
		if out == nil {
			out = render.NewWriter(stdout, o, problemTable, nothing)
		}
	}
	sum, err := store.Check(ctx, g.db, co, func(p store.Problem) {
		begin("")
		failed = errors.Join(failed, out.Write(&p))
	})
	bar.done()
	if err != nil {
		return err
	}
	begin(fmt.Sprintf("No problems in %d tracks, %d files, %d clusterings with %d labels, %d pages.",
		sum.Tracks, sum.Files, sum.Clusterings, sum.Assignments, sum.Pages))
	if err := errors.Join(failed, out.Close()); err != nil {
		return err
	}
	if sum.Problems > 0 {
		return errProblems
	}
	return nil
}

// problemTable is how problems are written.
var problemTable = render.Table[store.Problem]{Columns: []render.Column[store.Problem]{
	{Name: "where", Title: "Where", Value: func(p *store.Problem) any { return p.Where }},
	{Name: "key", Title: "Which", Value: func(p *store.Problem) any {
		if p.Key == "" {
			return nil
		}
		return p.Key
	}},
	{Name: "problem", Title: "Problem", Value: func(p *store.Problem) any { return p.What }},
}}

// checkOptions has labels and folds computed anew, and vectors if asked to.
func checkOptions(recompute bool) store.CheckOptions {
	o := store.CheckOptions{Place: cluster.NewPlacer(), Folds: cluster.StoredFolds}
	if recompute {
		o.Vectors = new(seqstat.Calculator).Vectors
	}
	return o
}

func newStoreCompact(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "compact",
		Short: "Give back the file's free room",
		Long: `compact writes the store anew without free room, checks the new file and puts it
in place of the old one. If it would be no smaller, nothing changes. Others can
read meanwhile. There must be room for both files. Of a file with several names
(hard links) only the one given becomes the new file; compact says so.`,
		Example: "  tatum store compact",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runStoreCompact(cmd.Context(), g, cmd.OutOrStdout())
		},
	}
	g.addWait(cmd)
	return cmd
}

func runStoreCompact(ctx context.Context, g *globals, stdout io.Writer) error {
	var before, after int64
	var links uint64
	err := g.withWriter(ctx, func(w *store.Writer) (err error) {
		if links, err = w.Links(); err != nil {
			return err
		}
		before, after, err = w.Compact(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if links > 1 && after != before {
		fmt.Fprintf(os.Stderr, "tatum: the store had %d names (hard links): %q is the compacted file now, the others are still the old one, which nobody writes to any more\n", links, g.db)
	}
	if after == before {
		_, err = fmt.Fprintf(stdout, "%d bytes; nothing to gain\n", before)
	} else {
		_, err = fmt.Fprintf(stdout, "%d bytes, %d before\n", after, before)
	}
	return err
}

func newStoreBackup(g *globals) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the store while it is in use",
		Long: `backup copies the store as it is at one moment to a new file, which appears when
it is complete and checked. Others can read meanwhile; who wants to write waits.
With --force it takes the place of an older file of that name, in one step. With
- the copy goes to standard output, as in: tatum store backup - | gzip > FILE; the
store itself is checked before. To restore a backup, copy it back.`,
		Example: `  tatum store backup tatum-2026-01.db
  tatum store backup --force tatum-2026-01.db
  tatum store backup -`,
		Args: wantArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "-" {
				endAtOnce(cmd)
				return runStoreBackupTo(cmd.Context(), g, cmd.OutOrStdout())
			}
			return runStoreBackup(cmd.Context(), g, args[0], force, cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace FILE if it is there")
	return cmd
}

// runStoreBackupTo writes the store itself to standard output.
func runStoreBackupTo(ctx context.Context, g *globals, stdout io.Writer) error {
	if f, ok := stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return usageError{errors.New("a store is nothing for a terminal; send it to a file or a pipe")}
	}
	size, err := store.BackupTo(ctx, g.db, stdout)
	if err == nil && !g.quiet {
		fmt.Fprintf(os.Stderr, "tatum: %d bytes copied to standard output\n", size)
	}
	return err
}

func runStoreBackup(ctx context.Context, g *globals, dst string, force bool, stdout io.Writer) error {
	size, err := store.Backup(ctx, g.db, dst, force)
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("%w; to replace it: --force", err)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%d bytes copied to %s and checked\n", size, dst)
	return err
}
