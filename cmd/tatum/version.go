package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"tatum/cluster"
	"tatum/ingest"
	"tatum/store"
)

// version is the release that CHANGELOG.md describes last.
const version = "0.1.0"

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version, the store format, the algorithm version and what reads songs",
		Example: "  tatum version",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "tatum %s%s, store format %d, algorithm %d, %s %s/%s, readers: %s\n",
				version, revision(), store.FormatVersion, cluster.AlgorithmVersion,
				runtime.Version(), runtime.GOOS, runtime.GOARCH, readers())
			return err
		},
	}
}

// readers returns what this build reads song files with.
func readers() string {
	if ingest.HasLibHDF5 {
		return "direct, libhdf5"
	}
	return "direct"
}

// revision returns the commit that the program was built from, if it is known.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return " (" + s.Value[:min(12, len(s.Value))] + ")"
		}
	}
	return ""
}
