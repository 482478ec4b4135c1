package main

import (
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"tatum/query"
	"tatum/query/render"
	"tatum/store"
)

func newQuerySearch(q *asker) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "search TEXT...",
		Short: "Find tracks by artist, title or release",
		Long: `search prints the tracks whose artist, title and release contain every word of
the text, as a part of any of the three. Case and accents make no difference.`,
		Example: `  tatum query search corazon
  tatum query search quiet river --limit 3`,
		Args: wantArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(strings.Join(args, "")) == "" {
				return usageError{errors.New("want a word to search for; all tracks: tatum query tracks")}
			}
			if limit < 0 {
				return usageError{errors.New("--limit must not be negative")}
			}
			return runQuerySearch(q, strings.Join(args, " "), limit, cmd.OutOrStdout())
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 0, "print at most this `many` tracks (default all)")
	return cmd
}

func runQuerySearch(q *asker, text string, limit int, stdout io.Writer) error {
	o, err := q.outputOptions(stdout)
	if err != nil {
		return err
	}
	return q.withStore(func(db *store.DB) error {
		matches, err := query.Search(db, text, limit)
		if err != nil {
			return err
		}
		out := render.NewWriter(stdout, o, render.Matches, "No tracks.")
		return errors.Join(out.WriteAll(matches), out.Close())
	})
}
