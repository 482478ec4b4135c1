package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tatum/query/render"
)

// globals are the options that every command has.
type globals struct {
	db     string
	format string
	quiet  bool
	wait   time.Duration // for another writer
}

// addWait adds --wait to a command that writes.
func (g *globals) addWait(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&g.wait, "wait", 0, "wait this `long` for another writer to finish, such as 90s or 10m")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if g.wait < 0 {
			return usageError{fmt.Errorf("--wait %v: want a time that is not negative", g.wait)}
		}
		return nil
	}
}

func newRoot() *cobra.Command {
	g := new(globals)
	root := &cobra.Command{
		Use:   "tatum",
		Short: "A feature store for song analysis data",
		Long: `tatum reads Million Song Dataset files once, keeps every song's analysis arrays
and statistics in one file, clusters the songs out of fold, and answers
questions about tracks and clusters.

Results go to standard output, all else to standard error.

Exit codes:
   0  done
   1  failed
   2  wrong usage
   3  finished, but some input could not be read
   4  something asked for was not found
  10  no store there
  11  the store is locked by another process
 130  interrupted; the same command goes on from there`,
		Example: `  tatum demo songs
  tatum ingest songs
  tatum cluster
  tatum query members beats_start 7
  tatum export npy labels`,
		Args: noArgs,
		RunE: help,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if onlyReads(cmd) {
				endAtOnce(cmd)
				collectLate()
			}
			if _, err := render.ParseFormat(g.format); err != nil {
				return usageError{err}
			}
			return nil
		},
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{flagError(err)} })
	flags := root.PersistentFlags()
	flags.StringVar(&g.db, "db", defaultDB(), "the store's `file` (also TATUM_DB)")
	flags.Lookup("db").DefValue = "tatum.db" // help does not depend on the environment
	flags.StringVarP(&g.format, "output", "o", "table", "`format` of results: table, json, jsonl, csv, tsv or markdown")
	flags.BoolVar(&g.quiet, "quiet", false, "no progress on standard error")
	cobra.CheckErr(root.RegisterFlagCompletionFunc("output", completeFormats))
	root.AddCommand(newIngest(g), newCluster(g), newQuery(g), newExport(g), newServe(g), newStore(g), newPlot(g), newMan(), newVersion(g))
	root.AddCommand(libhdf5Commands(g)...)
	root.InitDefaultCompletionCmd()
	finishCompletion(root)
	root.InitDefaultHelpCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "help" {
			cmd.Example = "  tatum help query track"
			cmd.PreRunE = func(_ *cobra.Command, topic []string) error { return checkTopic(root, topic) }
		}
	}
	return root
}

// flagError returns an error of parsing flags in plain words.
func flagError(err error) error {
	var unknown *pflag.NotExistError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		// The flag -1 is not meant as one.
		if name := unknown.GetSpecifiedShortnames(); name != "" && name[0] >= '0' && name[0] <= '9' {
			return fmt.Errorf("\"-%s\": want a number from 0", name)
		}
	case errors.As(err, &invalid):
		flag := invalid.GetFlag()
		if wanted, ok := wantedValues[flag.Value.Type()]; ok {
			return fmt.Errorf("--%s %q: want %s", flag.Name, invalid.GetValue(), wanted)
		}
	}
	return err
}

// wantedValues says what flags take, by pflag's name of their type.
var wantedValues = map[string]string{
	"bool":     "true or false",
	"duration": "a duration such as 90s or 10m",
	"float64":  "a number",
	"int":      "a whole number",
	"uint16":   "a whole number from 0 to 65535",
	"uint32":   "a whole number from 0 to 4294967295",
	"uint64":   "a whole number from 0",
}

func defaultDB() string {
	if db := os.Getenv("TATUM_DB"); db != "" {
		return db
	}
	return "tatum.db"
}

// checkTopic returns an error unless the words name a command; cobra's help
// finds fault with them on standard output, and succeeds.
func checkTopic(root *cobra.Command, words []string) error {
	cmd, rest, err := root.Find(words)
	if err != nil {
		return usageError{err}
	}
	return noArgs(cmd, rest)
}

// help is what a command does that only has subcommands.
func help(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// noArgs is cobra.NoArgs; with a command that has subcommands, an argument is
// a mistyped one.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !cmd.HasSubCommands() {
		return usageError{fmt.Errorf("%s takes no arguments, got %q", cmd.CommandPath(), args[0])}
	}
	cmd.SuggestionsMinimumDistance = 2
	hint := ""
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf("; did you mean %q?", near[0])
	}
	return usageError{fmt.Errorf("%s has no command %q%s", cmd.CommandPath(), args[0], hint)}
}

// wantArgs turns a wrong number of arguments into a usageError that says which
// ones there should be.
func wantArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{fmt.Errorf("%w; usage: %s", err, cmd.UseLine())}
		}
		return nil
	}
}
