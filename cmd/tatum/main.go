// Command tatum is an embedded-database feature store for song analysis data:
// it ingests Million Song Dataset files into one bbolt file, clusters the songs
// out of fold, and answers questions about tracks and clusters. This package is
// its command line; each command is a thin layer over a package.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"tatum/query"
	"tatum/store"
)

// The exit codes, as `tatum --help` lists them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitBadInput    = 3
	exitNotFound    = 4
	exitNoStore     = 10
	exitLocked      = 11
	exitInterrupted = 130
)

var (
	// errBadInput ends a command that did its work but could not read some of
	// its input, all of which it has reported.
	errBadInput = errors.New("some input could not be read")

	// errNotFound ends a command that was asked for something that is not
	// there, and has reported it.
	errNotFound = errors.New("not found")
)

// A usageError is a mistake in the command line.
type usageError struct{ error }

func main() {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	go func() {
		<-ctx.Done()
		stop() // a second Ctrl-C ends the process at once
	}()
	os.Exit(run(ctx, os.Args[1:]))
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string) int {
	cmd := newRoot()
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	code := exitCode(err)
	switch {
	case err == nil, errors.Is(err, errBadInput), errors.Is(err, errNotFound): // reported
	case code == exitInterrupted:
		fmt.Fprintln(os.Stderr, interrupted)
	default:
		fmt.Fprintf(os.Stderr, "tatum: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return code
}

const interrupted = "tatum: interrupted; the same command goes on from there"

// endAtOnce has a command that only reads end when it is interrupted, wherever it
// is.
func endAtOnce(cmd *cobra.Command) {
	context.AfterFunc(cmd.Context(), func() {
		fmt.Fprintln(os.Stderr, interrupted)
		os.Exit(exitInterrupted)
	})
}

// collectLate has the memory of a command that lives for milliseconds be collected
// for the first time at 16 MB and not at 4, which is a sixth of the time of
// `query clusters`. GOGC of the environment goes before.
func collectLate() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}

// onlyReads reports whether nothing but its output is left of a command.
func onlyReads(cmd *cobra.Command) bool {
	for c := cmd; c != nil; c = c.Parent() {
		if c.Name() == "query" || c.Name() == "info" {
			return true
		}
	}
	return false
}

func exitCode(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, store.ErrNoStore):
		return exitNoStore
	case errors.Is(err, store.ErrLocked):
		return exitLocked
	case errors.Is(err, errBadInput):
		return exitBadInput
	case errors.Is(err, errNotFound), errors.Is(err, store.ErrTrackNotFound),
		errors.Is(err, store.ErrNotClustered), errors.Is(err, store.ErrNotAssigned), errors.Is(err, query.ErrNoSound),
		errors.Is(err, query.ErrNoCluster), errors.Is(err, query.ErrNoFold), errors.Is(err, query.ErrNoLabel):
		return exitNotFound
	}
	return exitFailed
}
