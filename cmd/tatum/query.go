package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"tatum/query"
	"tatum/query/render"
	"tatum/store"
)

func newQuery(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "query",
		Short: "Ask about tracks and clusters",
		Args:  noArgs,
		RunE:  help,
	}
	q := new(asker)
	q.globals = g
	cmd.PersistentFlags().StringVar(&q.name, "name", store.DefaultClustering, "`clustering` to ask about")
	cmd.AddCommand(newQueryTrack(q), newQueryMembers(q))
	return cmd
}

// An asker is what the query commands share.
type asker struct {
	*globals
	name string // of the clustering
}

// open opens the store and its clustering, and says on standard error when the
// clustering is not of the tracks now in the store.
func (q *asker) open() (*store.DB, *store.Clustering, error) {
	db, err := store.Open(q.db)
	if err != nil {
		return nil, nil, err
	}
	c, err := db.Clustering(q.name)
	if errors.Is(err, store.ErrNotClustered) {
		err = fmt.Errorf("%w in %q; run: tatum cluster", err, q.db)
	}
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	if err := q.warnIfChanged(db, c); err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, c, nil
}

func (q *asker) warnIfChanged(db *store.DB, c *store.Clustering) error {
	state, err := db.State()
	if err == nil && state.Generation != c.Generation && !q.quiet {
		fmt.Fprintf(os.Stderr, "tatum: clustering %q was fitted to %d tracks on %s; the store has changed since and has %d\n",
			c.Name, c.Tracks, c.Fitted.Format("2006-01-02"), state.Tracks)
	}
	return err
}

// outputOptions returns how results are to be written to out.
func (g *globals) outputOptions(out io.Writer) (render.Options, error) {
	format, err := render.ParseFormat(g.format)
	if err != nil {
		return render.Options{}, usageError{err}
	}
	o := render.Options{Format: format}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		o.Color = os.Getenv("NO_COLOR") == ""
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			o.Width = width
		}
	}
	return o, nil
}

func newQueryTrack(q *asker) *cobra.Command {
	return &cobra.Command{
		Use:   "track ID...",
		Short: "A track's clusters, one row per feature",
		Long: `track prints, for each feature, the cluster of a track, its label in the model of
its fold, the distance to that centroid, and the runner-up: the cluster second
nearest to it. Give - for IDs from standard input, one a line.`,
		Example: `  tatum query track TRAAPOB12896A14E9C
  tatum query track -o json TRAAPOB12896A14E9C TRADWUV128A434E935`,
		Args: wantArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runQueryTrack(q, args, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}

func runQueryTrack(q *asker, args []string, stdin io.Reader, stdout io.Writer) error {
	o, err := q.outputOptions(stdout)
	if err != nil {
		return err
	}
	db, c, err := q.open()
	if err != nil {
		return err
	}
	defer db.Close()
	out := render.NewWriter(stdout, o, render.Placements, "")
	err = eachTrack(db, args, stdin, func(t *store.Track) error {
		rows, err := query.Track(db, c, t.ID)
		if errors.Is(err, store.ErrNotAssigned) {
			return fmt.Errorf("%w in clustering %q; run: tatum cluster assign", err, c.Name)
		}
		if err != nil {
			return err
		}
		return errors.Join(out.Heading(render.Song(t)), out.WriteAll(rows))
	})
	return errors.Join(out.Close(), err)
}

// eachTrack calls fn with the tracks that args name; "-" stands for IDs from
// stdin, one a line. IDs that are not in the store, or for which fn returns an
// error of something not found, are reported on standard error; the others are
// done all the same, and the error in the end is errNotFound.
func eachTrack(db *store.DB, args []string, stdin io.Reader, fn func(t *store.Track) error) error {
	missing := false
	one := func(arg string) error {
		id, err := store.ParseTrackID(arg)
		var t store.Track
		if err == nil {
			t, err = db.Track(id)
		} else {
			err = fmt.Errorf("%w: %w", store.ErrTrackNotFound, err)
		}
		if err == nil {
			err = fn(&t)
		}
		if exitCode(err) == exitNotFound {
			fmt.Fprintf(os.Stderr, "tatum: %v\n", err)
			missing = true
			return nil
		}
		return err
	}
	for _, arg := range args {
		ids := slices.Values([]string{arg})
		lines := bufio.NewScanner(stdin)
		if arg == "-" {
			ids = func(yield func(string) bool) {
				for lines.Scan() {
					if line := strings.TrimSpace(lines.Text()); line != "" && !yield(line) {
						return
					}
				}
			}
		}
		for id := range ids {
			if err := one(id); err != nil {
				return err
			}
		}
		if err := lines.Err(); err != nil {
			return fmt.Errorf("read IDs: %w", err)
		}
	}
	if missing {
		return errNotFound
	}
	return nil
}

func newQueryMembers(q *asker) *cobra.Command {
	var o query.MembersOptions
	var fold, label int
	cmd := &cobra.Command{
		Use:   "members FEATURE CLUSTER",
		Short: "A cluster's tracks, nearest first",
		Long: `members prints the tracks of one cluster of a feature, the one nearest to the
centroid first. Only as much of the cluster is read as is printed.`,
		Example: `  tatum query members beats_start 7
  tatum query members beats_start 7 --limit 5 -o json`,
		Args: wantArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := parseFeature(args[0])
			if err != nil {
				return err
			}
			cluster, err := strconv.ParseUint(args[1], 10, 16)
			if err != nil {
				return usageError{fmt.Errorf("cluster %q: want a number from 0", args[1])}
			}
			if o.Limit < 0 || o.Offset < 0 {
				return usageError{errors.New("--limit and --offset must not be negative")}
			}
			if cmd.Flags().Changed("fold") {
				o.Fold = new(store.Fold)
				*o.Fold = store.Fold(fold)
			}
			if cmd.Flags().Changed("label") {
				o.Label = new(store.Label)
				*o.Label = store.Label(label)
			}
			return runQueryMembers(q, f, store.Cluster(cluster), o, cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&o.Limit, "limit", 0, "print at most this `many` tracks (default all)")
	flags.IntVar(&o.Offset, "offset", 0, "pass over this `many` tracks first")
	flags.IntVar(&fold, "fold", 0, "only tracks of this `fold`")
	flags.IntVar(&label, "label", 0, "only tracks with this `label`")
	return cmd
}

func runQueryMembers(q *asker, f store.Feature, cluster store.Cluster, mo query.MembersOptions, stdout io.Writer) error {
	o, err := q.outputOptions(stdout)
	if err != nil {
		return err
	}
	db, c, err := q.open()
	if err != nil {
		return err
	}
	defer db.Close()
	members, err := query.Members(db, c, f, cluster, mo)
	if err != nil {
		return err
	}
	out := render.NewWriter(stdout, o, render.Members, fmt.Sprintf("No tracks in cluster %d of %v.", cluster, f))
	return errors.Join(
		out.Heading(fmt.Sprintf("Cluster %d of %v", cluster, f)),
		out.WriteAll(members),
		out.Close())
}

// parseFeature returns the feature of that name. For a mistyped one the error
// lists the features.
func parseFeature(name string) (store.Feature, error) {
	f, err := store.ParseFeature(name)
	if err != nil {
		names := make([]string, 0, store.NumFeatures)
		for _, f := range store.Features {
			names = append(names, f.String())
		}
		return 0, usageError{fmt.Errorf("%w: want one of %s", err, strings.Join(names, ", "))}
	}
	return f, nil
}
