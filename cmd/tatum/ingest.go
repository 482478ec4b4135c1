package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"

	"github.com/spf13/cobra"

	"tatum/ingest"
	"tatum/query/render"
	"tatum/store"
)

func newIngest(g *globals) *cobra.Command {
	var o ingest.Options
	var arrays, reader string
	cmd := &cobra.Command{
		Use:   "ingest PATH...",
		Short: "Read song files into the store",
		Long: `ingest reads MSD song files, and under directories all files ending in .h5, and
stores each song's arrays, statistics and metadata. It makes the store if there
is none. Files that have not changed since they were read are skipped.

A file that cannot be read is named on standard error and remembered in the
store; the others are stored, the exit code is 3, and the next ingest tries it
again. Of two files with the same track the one with the smaller path is kept.
Ctrl-C saves what has been read; the same command goes on from there.

Files of the Million Song Dataset's own layout are read by tatum itself, all
others by libhdf5, in processes apart. With --reader libhdf5 it reads them all:
the store is the same.`,
		Example: `  tatum ingest songs
  tatum ingest --arrays all songs/A/A/P/TRAAPOB12896A14E9C.h5
  tatum ingest --dry-run --prune songs`,
		Args: wantArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if o.Arrays, err = store.ParseArraySet(arrays); err != nil {
				return usageError{fmt.Errorf("--arrays: %w", err)}
			}
			if o.Reader, err = ingest.ParseReader(reader); err != nil {
				return usageError{fmt.Errorf("--reader: %w", err)}
			}
			if o.Reader == ingest.LibHDF5 && !ingest.HasLibHDF5 {
				return usageError{errors.New("--reader libhdf5: this build of tatum does not have it")}
			}
			if o.Workers < 1 || o.Workers > ingest.MaxWorkers {
				return usageError{fmt.Errorf("--workers %d: want from 1 to %d", o.Workers, ingest.MaxWorkers)}
			}
			o.Paths, o.Wait = args, g.wait
			return runIngest(cmd.Context(), g, o, cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&arrays, "arrays", "features", "`which` arrays to keep: features or all")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("arrays", completeWords(store.ArraySetNames...)))
	flags.StringVar(&reader, "reader", "auto", "`what` to read files with: auto, or libhdf5 alone")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("reader", completeWords(ingest.ReaderNames...)))
	flags.IntVar(&o.Workers, "workers", min(runtime.GOMAXPROCS(0), ingest.MaxWorkers), "`number` of files to read at once, at most 1024")
	g.addWait(cmd)
	flags.BoolVar(&o.DryRun, "dry-run", false, "read and report, but write nothing")
	flags.BoolVar(&o.Force, "force", false, "read unchanged files too")
	flags.BoolVar(&o.Prune, "prune", false, "forget tracks whose file is gone, whatever PATH it was under")
	return cmd
}

func runIngest(ctx context.Context, g *globals, o ingest.Options, stdout io.Writer) error {
	if ingest.HasLibHDF5 {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		o.Process = []string{self, workerCommand}
	}
	p := newProgress(g.quiet, "ingest")
	o.Progress = func(at ingest.Progress) { p.set(at.Done, at.Total, at.Bad) }
	sum, err := ingest.Run(ctx, g.db, o)
	p.done()
	if sum == nil {
		return err
	}
	for _, b := range sum.Bad {
		fmt.Fprintf(os.Stderr, "tatum: %s %q: %s\n", b.Step, b.Path, b.Reason)
	}
	for _, d := range sum.Duplicates {
		fmt.Fprintf(os.Stderr, "tatum: duplicate %s in %q: kept that of %q\n", d.ID, d.Path, d.Kept)
	}
	printReasons(os.Stderr, sum.Bad)
	err = errors.Join(err, printSummary(stdout, g, o.DryRun, sum))
	if err == nil && len(sum.Bad) > 0 {
		return errBadInput
	}
	return err
}

// printSummary writes the counts: a sentence for people, a row for programs.
func printSummary(w io.Writer, g *globals, dryRun bool, sum *ingest.Summary) error {
	o, err := g.outputOptions(w)
	if err != nil {
		return err
	}
	if o.Format != render.FormatTable {
		out := render.NewWriter(w, o, summaryTable, "")
		return errors.Join(out.Write(sum), out.Close())
	}
	line := fmt.Sprintf("%d added, %d replaced, %d unchanged, %d duplicate, %d bad", sum.Added, sum.Replaced, sum.Unchanged, len(sum.Duplicates), len(sum.Bad))
	if dryRun {
		line = fmt.Sprintf("%d new, %d changed, %d unchanged, %d bad", sum.New, sum.Changed, sum.Unchanged, len(sum.Bad))
	}
	if sum.Pruned > 0 {
		line += fmt.Sprintf(", %d pruned", sum.Pruned)
	}
	_, err = fmt.Fprintln(w, line)
	return err
}

// summaryTable is how the counts are written for programs. Of a dry run, which
// adds and replaces nothing, new and changed tell.
var summaryTable = render.Table[ingest.Summary]{Columns: []render.Column[ingest.Summary]{
	{Name: "added", Title: "Added", Value: func(s *ingest.Summary) any { return s.Added }},
	{Name: "replaced", Title: "Replaced", Value: func(s *ingest.Summary) any { return s.Replaced }},
	{Name: "pruned", Title: "Pruned", Value: func(s *ingest.Summary) any { return s.Pruned }},
	{Name: "new_files", Title: "New files", Value: func(s *ingest.Summary) any { return s.New }},
	{Name: "changed_files", Title: "Changed files", Value: func(s *ingest.Summary) any { return s.Changed }},
	{Name: "unchanged_files", Title: "Unchanged files", Value: func(s *ingest.Summary) any { return s.Unchanged }},
	{Name: "duplicate", Title: "Duplicate", Value: func(s *ingest.Summary) any { return len(s.Duplicates) }},
	{Name: "bad", Title: "Bad", Value: func(s *ingest.Summary) any { return len(s.Bad) }},
}}

// printReasons lists the reasons that several failures have, the most frequent
// first.
func printReasons(w io.Writer, bad []ingest.Failure) {
	count := make(map[string]int)
	for _, b := range bad {
		count[b.Step+": "+b.Reason]++
	}
	var reasons []string
	for reason, n := range count {
		if n > 1 {
			reasons = append(reasons, reason)
		}
	}
	slices.SortFunc(reasons, func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b))
	})
	for _, reason := range reasons {
		fmt.Fprintf(w, "tatum: %d times %s\n", count[reason], reason)
	}
}

// workerCommand is the hidden command of the processes that read with libhdf5.
const workerCommand = "ingest-worker"
