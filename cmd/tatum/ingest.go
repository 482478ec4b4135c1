package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tatum/ingest"
	"tatum/query/render"
	"tatum/store"
)

func newIngest(g *globals) *cobra.Command {
	var o ingest.Options
	var arrays, reader string
	var l pathList
	cmd := &cobra.Command{
		Use:   "ingest PATH...",
		Short: "Read song files into the store",
		Long: `ingest reads MSD song files, and under directories all files ending in .h5 or
.hdf5, and stores each song's arrays, statistics and metadata. It makes the store
if there is none. Files that have not changed since they were read are skipped.

A PATH that ends in .tar, .tar.gz, .tgz, .tar.zst or .tzst is an archive, and - is
one on standard input. Its songs are read as they come, without unpacking it, and
recorded as ARCHIVE/member; with --as DIR as DIR/member, as if it had been unpacked
there. An archive that has not changed since all of its songs were read is skipped.

A file that cannot be read is named on standard error and remembered in the
store; the others are stored, the exit code is 3, and the next ingest tries it
again. Ctrl-C saves what has been read; the same command goes on from there.

Of two files with the same track the one with the smaller path is kept. When the
file that a track was read from is not there, the same song in another place takes
it over; another song does so only if that file's directory is there. A track
that its file no longer holds is removed, and named. With --prune the tracks of
files that are gone from under the PATHs are removed too, unless they are so many
that a disk may not be mounted: then none is, and the exit code is 1.

What has been read with all arrays is read so again; --arrays is for what is new.

Files of the Million Song Dataset's own layout are read by tatum itself, all
others by libhdf5, in processes apart. With --reader libhdf5 it reads them all:
the store is the same.`,
		Example: `  tatum ingest songs
  tatum ingest --arrays all songs/A/A/P/TRAAPOB12896A14E9C.h5
  tatum ingest songs.tar.gz --as .
  tatum ingest --from-file songs.txt
  tatum ingest --dry-run --prune songs`,
		Args: func(cmd *cobra.Command, args []string) error {
			if l.file != "" {
				return nil
			}
			return wantArgs(cobra.MinimumNArgs(1))(cmd, args)
		},
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
			if cmd.Flags().Changed("max-prune") {
				switch {
				case !o.Prune:
					return usageError{errors.New("--max-prune is for --prune")}
				case o.MaxPrune < 0:
					return usageError{fmt.Errorf("--max-prune %d: want at least 0", o.MaxPrune)}
				case o.MaxPrune == 0:
					o.MaxPrune = -1 // 0 is the default
				}
			}
			if o.Workers < 1 || o.Workers > ingest.MaxWorkers {
				return usageError{fmt.Errorf("--workers %d: want from 1 to %d", o.Workers, ingest.MaxWorkers)}
			}
			o.Wait = g.wait
			if err := l.fill(&o, args, cmd.InOrStdin()); err != nil {
				return err
			}
			if cmd.Flags().Changed("as") && o.As == "" {
				return usageError{errors.New("--as: want a directory")}
			}
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
	flags.StringVar(&l.file, "from-file", "", "read more paths from a `list`, one a line; - is standard input")
	flags.BoolVarP(&l.nul, "null", "0", false, "the paths of --from-file end with a zero byte, not a line")
	flags.StringVar(&o.As, "as", "", "record songs of archives as those of a `directory`")
	flags.BoolVar(&o.DryRun, "dry-run", false, "read and report what would be done, but write nothing")
	flags.BoolVar(&o.Force, "force", false, "read unchanged files too")
	flags.BoolVar(&o.Prune, "prune", false, "forget tracks whose files are gone from under the PATHs")
	flags.IntVar(&o.MaxPrune, "max-prune", 0, "most `tracks` that --prune may forget (default a tenth of those under the PATHs, at least 10)")
	return cmd
}

// A pathList says where the paths of an ingest stand.
type pathList struct {
	file string
	nul  bool
}

// fill sets what is to be read to what the arguments and the list name.
func (l pathList) fill(o *ingest.Options, args []string, stdin io.Reader) error {
	for _, arg := range args {
		switch {
		case arg == "":
			return usageError{errors.New(`a PATH is empty; the current directory is "."`)}
		case arg != ingest.Stdin:
			o.Paths = append(o.Paths, arg)
		case o.Stdin != nil || l.file == ingest.Stdin:
			return usageError{errors.New("standard input can be read once only")}
		default:
			o.Stdin = stdin
		}
	}
	if l.nul && l.file == "" {
		return usageError{errors.New("-0 says how --from-file is written")}
	}
	if l.file != "" {
		listed, err := l.read(stdin)
		if err != nil {
			return err
		}
		o.Paths = append(o.Paths, listed...)
	}
	if o.Prune && (o.Stdin != nil || o.As != "") {
		return usageError{errors.New("--prune: nothing tells what is gone of an archive on standard input, or of --as")}
	}
	if o.As == "" {
		return nil
	}
	for _, path := range o.Paths {
		if !ingest.IsArchive(path) {
			return usageError{fmt.Errorf("--as is for archives, %q is none", path)}
		}
	}
	if !strings.Contains(o.As, "://") {
		var err error
		if o.As, err = filepath.Abs(o.As); err != nil {
			return err
		}
	}
	return nil
}

// read returns the paths of the list. Empty lines are left out.
func (l pathList) read(stdin io.Reader) ([]string, error) {
	r := stdin
	if l.file != ingest.Stdin {
		f, err := os.Open(l.file)
		if err != nil {
			return nil, fmt.Errorf("--from-file: %w", err)
		}
		defer f.Close()
		r = f
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("--from-file: %w", err)
	}
	end := "\n"
	if l.nul {
		end = "\x00"
	}
	var paths []string
	for line := range strings.SplitSeq(string(b), end) {
		if !l.nul {
			line = strings.TrimSuffix(line, "\r")
		}
		if strings.Contains(line, "\x00") {
			return nil, usageError{fmt.Errorf("--from-file %q has zero bytes: read it with -0", l.file)}
		}
		if line != "" {
			paths = append(paths, line)
		}
	}
	return paths, nil
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
	if !g.quiet {
		for _, r := range sum.Removed {
			fmt.Fprintf(os.Stderr, "tatum: removed %s of %q: %s\n", r.ID, r.Path, r.Reason)
		}
	}
	printReasons(os.Stderr, sum.Bad)
	var prune *ingest.PruneError
	if errors.As(err, &prune) {
		err = fmt.Errorf("--prune: %w (--max-prune %d allows it)", err, prune.Tracks)
	}
	err = errors.Join(err, printSummary(stdout, g, sum))
	if err == nil && len(sum.Bad) > 0 {
		return errBadInput
	}
	return err
}

// printSummary writes the counts: a sentence for people, a row for programs.
func printSummary(w io.Writer, g *globals, sum *ingest.Summary) error {
	o, err := g.outputOptions(w)
	if err != nil {
		return err
	}
	if o.Format != render.FormatTable {
		out := render.NewWriter(w, o, summaryTable, "")
		return errors.Join(out.Write(sum), out.Close())
	}
	line := fmt.Sprintf("%d added, %d replaced, %d unchanged, %d duplicate, %d bad", sum.Added, sum.Replaced, sum.Unchanged, len(sum.Duplicates), len(sum.Bad))
	if n := len(sum.Removed); n > 0 {
		line += fmt.Sprintf(", %d removed", n)
	}
	if sum.Pruned > 0 {
		line += fmt.Sprintf(" (%d pruned)", sum.Pruned)
	}
	_, err = fmt.Fprintln(w, line)
	return err
}

// summaryTable is how the counts are written for programs.
var summaryTable = render.Table[ingest.Summary]{Columns: []render.Column[ingest.Summary]{
	{Name: "added", Title: "Added", Value: func(s *ingest.Summary) any { return s.Added }},
	{Name: "replaced", Title: "Replaced", Value: func(s *ingest.Summary) any { return s.Replaced }},
	{Name: "removed", Title: "Removed", Value: func(s *ingest.Summary) any { return len(s.Removed) }},
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
