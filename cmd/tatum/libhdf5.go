//go:build cgo

package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"tatum/ingest"
)

// libhdf5Commands are the commands that a build without libhdf5 cannot have.
func libhdf5Commands(g *globals) []*cobra.Command {
	return []*cobra.Command{newDemo(g), newWorker()}
}

// newWorker is a process of ingest; see ingest.Work.
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
