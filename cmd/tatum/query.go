package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
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
	q := &asker{globals: g}
	cmd.PersistentFlags().StringVar(&q.name, "name", store.DefaultClustering, "`clustering` to ask about")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("name", completeNames(g)))
	cmd.AddCommand(newQueryTrack(q), newQueryTracks(q), newQueryMembers(q), newQueryClusters(q), newQuerySimilar(q),
		newQuerySearch(q), newQueryStats(q), newQueryArrays(q))
	return cmd
}

// An asker is what commands share that read the store.
type asker struct {
	*globals
	name string // of the clustering
}

// withStore runs fn with the store opened for reading.
func (q *asker) withStore(fn func(db *store.DB) error) error {
	db, err := store.Open(q.db)
	if err != nil {
		return err
	}
	err = fn(db)
	if errors.Is(err, store.ErrCorrupt) {
		err = fmt.Errorf("read store %q: %w", q.db, err)
	}
	return errors.Join(err, db.Close())
}

// withClustering runs fn with the store and the clustering asked about, and
// says on standard error when that is not of the tracks now in the store.
func (q *asker) withClustering(fn func(db *store.DB, c *store.Clustering) error) error {
	return q.withStore(func(db *store.DB) error {
		c, err := q.clustering(db)
		if err != nil {
			return err
		}
		state, err := db.State()
		if err != nil {
			return err
		}
		if state.GenerationOf(c.Features) != c.Generation && !q.quiet {
			fmt.Fprintf(os.Stderr, "tatum: clustering %q was fitted to %d tracks on %s; the store has changed since and has %d\n",
				c.Name, c.Tracks, c.Fitted.Format("2006-01-02"), state.TracksOf(c.Features[0]))
		}
		return fn(db, c)
	})
}

func (q *asker) clustering(db *store.DB) (*store.Clustering, error) {
	c, err := db.Clustering(q.name)
	if !errors.Is(err, store.ErrNotClustered) {
		return c, err
	}
	all, listErr := db.Clusterings()
	if listErr != nil {
		return nil, listErr
	}
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.Name
	}
	if near := query.Nearest(q.name, names); len(near) > 0 {
		return nil, fmt.Errorf("%w; did you mean %q?", err, near[0])
	}
	return nil, fmt.Errorf("%w in %q; run: tatum cluster --name %q", err, q.db, q.name)
}

// withWriter runs fn as the store's writer, for which it waits as long as --wait
// says.
func (g *globals) withWriter(ctx context.Context, fn func(w *store.Writer) error) error {
	w, err := store.OpenWriter(ctx, g.db, g.wait)
	if err != nil {
		return err
	}
	return errors.Join(fn(w), w.Close())
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

// printTracks answers a question about each track, as a table under the song's
// name. Rows that come with an error are written all the same.
func printTracks[T any](db *store.DB, ids iter.Seq2[string, error], out *render.Writer[T], answer func(id store.TrackID) ([]T, error)) error {
	return out.CloseAfter(eachTrack(db, ids, func(t *store.Track) error {
		rows, err := answer(t.ID)
		if len(rows) == 0 && err != nil {
			return err
		}
		if err := errors.Join(out.Heading(render.Song(t)), out.WriteAll(rows)); err != nil {
			return err
		}
		return err
	}))
}

// eachTrack calls fn with the tracks of the IDs. Those that are not in the
// store, or for which fn returns an error of something not found, are reported
// on standard error, those without a label by their number after the fifth; the
// others are done all the same, and the error in the end is errNotFound.
func eachTrack(db *store.DB, ids iter.Seq2[string, error], fn func(t *store.Track) error) error {
	missing, unlabelled := 0, 0
	var near suggester
	for text, err := range ids {
		if err != nil {
			return err
		}
		t, err := findTrack(db, text)
		if err == nil {
			err = fn(t)
		}
		if exitCode(err) == exitNotFound {
			if missing++; missing <= maxSuggestions && errors.Is(err, store.ErrTrackNotFound) {
				err = near.suggest(db, text, err)
			}
			if errors.Is(err, store.ErrNotAssigned) {
				if unlabelled++; unlabelled > maxUnlabelled {
					continue
				}
			}
			fmt.Fprintf(os.Stderr, "tatum: %v\n", err)
		} else if err != nil {
			return err
		}
	}
	if more := unlabelled - maxUnlabelled; more > 0 {
		fmt.Fprintf(os.Stderr, "tatum: %d more of the tracks have no label yet\n", more)
	}
	if missing > 0 {
		return errNotFound
	}
	return nil
}

func findTrack(db *store.DB, text string) (*store.Track, error) {
	id, err := store.ParseTrackID(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrTrackNotFound, err)
	}
	t, err := db.Track(id)
	return &t, err
}

// maxUnlabelled is how many tracks without a label are named.
const maxUnlabelled = 5

// maxSuggestions is for how many mistyped IDs others are suggested: each is
// compared with all in the store.
const maxSuggestions = 5

// A suggester knows all IDs, once it has been asked.
type suggester struct{ ids []string }

// suggest adds to an error the IDs that a mistyped one may stand for.
func (s *suggester) suggest(db *store.DB, text string, err error) error {
	if s.ids == nil {
		ids, listErr := db.TrackIDs()
		if listErr != nil {
			return err
		}
		for _, id := range ids {
			s.ids = append(s.ids, string(id))
		}
	}
	if near := query.Nearest(text, s.ids); len(near) > 0 {
		return fmt.Errorf("%w; did you mean %s?", err, strings.Join(near, " or "))
	}
	return err
}

// trackIDs returns the IDs that args name; "-" stands for those on stdin, one a
// line.
func trackIDs(args []string, stdin io.Reader) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, arg := range args {
			if arg != "-" {
				if !yield(arg, nil) {
					return
				}
				continue
			}
			lines := bufio.NewScanner(stdin)
			for lines.Scan() {
				if line := strings.TrimSpace(lines.Text()); line != "" && !yield(line, nil) {
					return
				}
			}
			if err := lines.Err(); err != nil && !yield("", fmt.Errorf("read IDs: %w", err)) {
				return
			}
		}
	}
}

// parseFeature returns the feature of that name. For a mistyped one the error
// names those that may be meant.
func parseFeature(name string) (store.Feature, error) {
	f, err := store.ParseFeature(name)
	if err != nil {
		return 0, usageError{suggest(err, name, allFeatures())}
	}
	return f, nil
}

// suggest adds to an error the words that a mistyped one may stand for, or all
// of them if it is like none.
func suggest(err error, word string, words []string) error {
	if near := query.Nearest(word, words); len(near) > 0 {
		return fmt.Errorf("%w; did you mean %s?", err, strings.Join(near, " or "))
	}
	return fmt.Errorf("%w: want one of %s", err, strings.Join(words, ", "))
}

func allFeatures() []string {
	var names []string
	for _, f := range store.AllFeatures {
		names = append(names, f.String())
	}
	return names
}

func arrayNames() []string {
	names := make([]string, store.NumArrays)
	for a := range names {
		names[a] = store.Array(a).String()
	}
	return names
}

// splitArgs divides arguments into track IDs and names of arrays, either of
// which may be mistyped. Every ID begins with TR and has digits, as no name has.
func splitArgs(args []string) (ids, names []string) {
	for _, arg := range args {
		isID := arg == "-" || len(arg) > 1 && strings.EqualFold(arg[:2], "TR") || strings.ContainsAny(arg, "0123456789")
		if isID && !strings.Contains(arg, "_") {
			ids = append(ids, arg)
		} else {
			names = append(names, arg)
		}
	}
	return ids, names
}

// parseArray returns the array of that name.
func parseArray(name string) (store.Array, error) {
	i := slices.Index(arrayNames(), name)
	if i < 0 {
		return 0, usageError{suggest(fmt.Errorf("no array %q", name), name, arrayNames())}
	}
	return store.Array(i), nil
}
