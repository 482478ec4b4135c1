package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:     "man DIR",
		Short:   "Write manual pages",
		Long:    "man writes a manual page for each command to DIR, to be shown by man(1).",
		Example: "  tatum man man1",
		Args:    wantArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runMan(cmd.Root(), args[0], cmd.OutOrStdout())
		},
	}
}

func runMan(root *cobra.Command, dir string, stdout io.Writer) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root.DisableAutoGenTag = true // its date is that of the run
	b := readBuild()
	header := &doc.GenManHeader{Title: "TATUM", Section: "1", Source: "tatum " + b.version, Manual: "tatum"}
	if !b.time.IsZero() {
		header.Date = &b.time // so that the same program gives the same pages
	}
	if err := doc.GenManTree(root, header, dir); err != nil {
		return err
	}
	_, err := fmt.Fprintf(stdout, "manual pages written to %s\n", dir)
	return err
}
