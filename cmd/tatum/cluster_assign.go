package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tatum/cluster"
	"tatum/store"
)

func newClusterAssign(g *globals) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "assign",
		Short: "Label tracks ingested since the fit, without fitting anew",
		Long: `assign labels the tracks that a clustering has no label for, from its stored
models. A track that the clustering was trained on, and that changed since, is
labelled by the model that has not seen it; with any other, which fold's model
labels it follows from its ID alone, so the label does not depend on what else is
in the store. Labels that are there stay.

Ctrl-C saves what has been labelled; the same command goes on from there.`,
		Example: `  tatum ingest more
  tatum cluster assign`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runClusterAssign(cmd.Context(), g, name, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&name, "name", store.DefaultClustering, "`clustering` to label the tracks in")
	g.addWait(cmd)
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("name", completeNames(g)))
	return cmd
}

func runClusterAssign(ctx context.Context, g *globals, name string, stdout io.Writer) error {
	bar := newProgress(g.quiet, "assign")
	n := 0
	err := g.withWriter(ctx, func(w *store.Writer) (err error) {
		n, err = cluster.Assign(ctx, w, name, func(done, total int) { bar.set(done, total, 0) })
		return err
	})
	bar.done()
	said := fmt.Sprintf("%d tracks assigned to clusters of %q\n", n, name)
	if n == 0 && err == nil {
		said = fmt.Sprintf("every track has its label in %q; nothing to do\n", name)
	}
	if n > 0 || err == nil {
		_, printErr := io.WriteString(stdout, said)
		err = errors.Join(err, printErr)
	}
	return err
}
