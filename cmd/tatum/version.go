package main

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tatum/cluster"
	"tatum/ingest"
	"tatum/query/render"
	"tatum/store"
)

func newVersion(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the store format, the algorithm version and what reads songs",
		Long: `version prints the release, from the tag that was built, or the revision; the
format of stores, the version of the clustering, and what this build reads song
files with.`,
		Example: `  tatum version
  tatum version -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runVersion(g, cmd.OutOrStdout())
		},
	}
}

func runVersion(g *globals, stdout io.Writer) error {
	o, err := g.outputOptions(stdout)
	if err != nil {
		return err
	}
	b := readBuild()
	if o.Format != render.FormatTable {
		out := render.NewWriter(stdout, o, buildTable, "")
		return errors.Join(out.Write(b), out.Close())
	}
	_, err = fmt.Fprintf(stdout, "tatum %s, store format %d, algorithm %d, %s %s/%s, readers: %s\n",
		b.version, store.FormatVersion, cluster.AlgorithmVersion,
		runtime.Version(), runtime.GOOS, runtime.GOARCH, strings.Join(readers(), ", "))
	return err
}

// A build is what the Go tool recorded of the commit that was built. All of it
// is missing where there was no repository.
type build struct {
	version  string    // 0.1.0 when that is tagged; else a pseudo-version, which ends in the revision; or "devel"
	revision string    // the commit
	time     time.Time // of the commit
}

func readBuild() *build {
	b := &build{version: "devel"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v, ok := strings.CutPrefix(info.Main.Version, "v"); ok {
		b.version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.revision = s.Value
		case "vcs.time":
			b.time, _ = time.Parse(time.RFC3339, s.Value) // a time that cannot be read is a missing one
		}
	}
	return b
}

// readers returns what this build reads song files with.
func readers() []string {
	if ingest.HasLibHDF5 {
		return []string{"direct", "libhdf5"}
	}
	return []string{"direct"}
}

// buildTable is how the version is written for programs.
var buildTable = render.Table[build]{Columns: []render.Column[build]{
	{Name: "version", Title: "Version", Value: func(b *build) any { return b.version }},
	{Name: "revision", Title: "Revision", Value: func(b *build) any { return textOrMissing(b.revision) }},
	{Name: "revision_time", Title: "Of", Value: func(b *build) any { return render.Time(b.time) }},
	{Name: "store_format", Title: "Store format", Value: func(*build) any { return store.FormatVersion }},
	{Name: "algorithm", Title: "Algorithm", Value: func(*build) any { return cluster.AlgorithmVersion }},
	{Name: "go", Title: "Go", Value: func(*build) any { return runtime.Version() }},
	{Name: "os", Title: "System", Value: func(*build) any { return runtime.GOOS }},
	{Name: "arch", Title: "Processor", Value: func(*build) any { return runtime.GOARCH }},
	{Name: "readers", Title: "Readers", Value: func(*build) any { return readers() }},
}}

func textOrMissing(text string) any {
	if text == "" {
		return nil
	}
	return text
}
