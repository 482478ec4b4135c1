//go:build cgo

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"tatum/ingest/direct"
	"tatum/ingest/msd"
	"tatum/store"
)

func newDemo(g *globals) *cobra.Command {
	var n int
	var seed uint64
	cmd := &cobra.Command{
		Use:   "demo DIR",
		Short: "Write made-up songs to try tatum with",
		Long: `demo writes made-up songs to DIR, each in an HDF5 file laid out like those of
the Million Song Dataset. The same seed gives the same songs.`,
		Example: "  tatum demo --songs 30 --seed 2 others",
		Args:    wantArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if n < 0 {
				return usageError{fmt.Errorf("--songs %d: want at least 0", n)}
			}
			return runDemo(cmd.Context(), g, args[0], n, seed, cmd.OutOrStdout())
		},
	}
	cmd.Flags().IntVar(&n, "songs", 300, "`number` of songs")
	cmd.Flags().Uint64Var(&seed, "seed", 1, "seed of all random draws")
	return cmd
}

func runDemo(ctx context.Context, g *globals, dir string, n int, seed uint64, stdout io.Writer) error {
	bar := newProgress(g.quiet, "demo")
	defer bar.done()
	done := 0
	for song := range msd.Demo(n, seed) {
		if err := ctx.Err(); err != nil {
			return err
		}
		path := filepath.Join(dir, direct.RelPath(song.ID))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := msd.Write(path, []*store.Song{song}); err != nil {
			return err
		}
		done++
		bar.set(done, n, 0)
	}
	bar.done()
	_, err := fmt.Fprintf(stdout, "%d songs written to %s\n", done, dir)
	return err
}
