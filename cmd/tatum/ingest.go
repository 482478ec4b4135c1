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
)

func newIngest(g *globals) *cobra.Command {
	var o ingest.Options
	var arrays string
	cmd := &cobra.Command{
		Use:   "ingest PATH...",
		Short: "Read song files into the store",
		Long: `ingest reads MSD song files, and under directories all files ending in .h5, and
stores each song's arrays, statistics and metadata. It makes the store if there
is none. Files that have not changed since they were read are skipped.

A file that cannot be read is named on standard error and remembered in the
store; the others are stored, the exit code is 3, and the next ingest tries it
again. Of two files with the same track the one with the smaller path is kept.
Ctrl-C saves what has been read; the same command goes on from there.`,
		Example: `  tatum ingest songs
  tatum ingest --arrays all songs/A/A/P/TRAAPOB12896A14E9C.h5
  tatum ingest --dry-run --prune songs`,
		Args: wantArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch arrays {
			case "features":
			case "all":
				o.Extras = true
			default:
				return usageError{fmt.Errorf("--arrays %q: want features or all", arrays)}
			}
			if o.Workers < 1 {
				return usageError{fmt.Errorf("--workers %d: want at least 1", o.Workers)}
			}
			o.Paths = args
			return runIngest(cmd.Context(), g, o, cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&arrays, "arrays", "features", "`which` arrays to keep: features or all")
	flags.IntVar(&o.Workers, "workers", runtime.GOMAXPROCS(0), "`number` of processes that read files")
	flags.BoolVar(&o.DryRun, "dry-run", false, "read and report, but write nothing")
	flags.BoolVar(&o.Force, "force", false, "read unchanged files too")
	flags.BoolVar(&o.Prune, "prune", false, "forget tracks whose file is gone")
	return cmd
}

func runIngest(ctx context.Context, g *globals, o ingest.Options, stdout io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	o.Worker = []string{self, workerCommand}
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
	printSummary(stdout, o.DryRun, sum)
	if err == nil && len(sum.Bad) > 0 {
		err = errBadInput
	}
	return err
}

func printSummary(w io.Writer, dryRun bool, sum *ingest.Summary) {
	if dryRun {
		fmt.Fprintf(w, "%d new, %d changed, %d unchanged, %d bad\n", sum.New, sum.Changed, sum.Unchanged, len(sum.Bad))
		return
	}
	fmt.Fprintf(w, "%d added, %d replaced, %d unchanged, %d duplicate, %d bad", sum.Added, sum.Replaced, sum.Unchanged, len(sum.Duplicates), len(sum.Bad))
	if sum.Pruned > 0 {
		fmt.Fprintf(w, ", %d pruned", sum.Pruned)
	}
	fmt.Fprintln(w)
}

// printReasons lists the reasons of many failures, the most frequent first.
func printReasons(w io.Writer, bad []ingest.Failure) {
	count := make(map[string]int)
	for _, b := range bad {
		count[b.Step+": "+b.Reason]++
	}
	if len(count) == len(bad) {
		return // each stands above already
	}
	reasons := make([]string, 0, len(count))
	for reason := range count {
		reasons = append(reasons, reason)
	}
	slices.SortFunc(reasons, func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b))
	})
	for _, reason := range reasons {
		fmt.Fprintf(w, "%6d × %s\n", count[reason], reason)
	}
}

const workerCommand = "ingest-worker"

// newWorker is the process behind ingest; see ingest.Work.
func newWorker() *cobra.Command {
	return &cobra.Command{
		Use:    workerCommand,
		Hidden: true,
		Args:   noArgs,
		RunE: func(*cobra.Command, []string) error {
			err := ingest.Work(os.Stdin, os.Stdout)
			if errors.Is(err, os.ErrClosed) {
				return nil
			}
			return err
		},
	}
}
