//go:build !cgo

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// libhdf5Commands are the commands that need libhdf5, of which this build has
// nothing but the reason why it does not.
func libhdf5Commands(*globals) []*cobra.Command {
	return []*cobra.Command{{
		Use:   "demo DIR",
		Short: "Write made-up songs to try tatum with (not in this build)",
		Long:  "demo needs libhdf5, which this build of tatum does not have.",
		Args:  wantArgs(cobra.ExactArgs(1)),
		RunE: func(*cobra.Command, []string) error {
			return errors.New("demo needs libhdf5, which this build of tatum does not have")
		},
	}}
}
