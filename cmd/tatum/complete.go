package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tatum/query/render"
	"tatum/store"
)

// bashWords follows cobra's completion for bash, which without the package
// bash-completion would only print an error.
const bashWords = `
# Where the package bash-completion is not installed, the words are put together
# here: bash has split them at = and :.
__tatum_init_completion()
{
    COMPREPLY=()
    if declare -F _get_comp_words_by_ref >/dev/null 2>&1; then
        _get_comp_words_by_ref "$@" cur prev words cword
        return
    fi
    local i word joined=
    words=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        cword=$((${#words[@]} - 1))
        if ((cword > 0)) && [[ $joined || $word == [=:]* ]]; then
            words[cword]+=$word
        else
            words+=("$word")
        fi
        joined=
        if [[ $word == [=:]* ]]; then joined=yes; fi
    done
    cword=$((${#words[@]} - 1))
    cur=${words[cword]}
}
`

// finishCompletion gives cobra's commands for completion their examples, and
// what the one for bash prints its bashWords.
func finishCompletion(root *cobra.Command) {
	completion, _, err := root.Find([]string{"completion"})
	cobra.CheckErr(err)
	for _, cmd := range completion.Commands() {
		cmd.Example = "  tatum completion " + cmd.Name()
		if cmd.Name() != "bash" {
			continue
		}
		script := cmd.RunE
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if err := script(cmd, args); err != nil {
				return err
			}
			_, err := io.WriteString(cmd.OutOrStdout(), bashWords)
			return err
		}
	}
}

// maxCompletions is how many track IDs a shell is offered.
const maxCompletions = 50

type completion = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// completeFeatures offers the features.
func completeFeatures(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return allFeatures(), cobra.ShellCompDirectiveNoFileComp
}

// completeWords offers the words.
func completeWords(words ...string) completion {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFormats offers the formats of results.
func completeFormats(*cobra.Command, []string, string) (offers []string, _ cobra.ShellCompDirective) {
	for _, f := range render.Formats {
		offers = append(offers, string(f))
	}
	return offers, cobra.ShellCompDirectiveNoFileComp
}

// completeTracksAnd offers track IDs and, after the first, the names.
func completeTracksAnd(g *globals, names []string) completion {
	tracks := completeTracks(g)
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		offers, directive := tracks(cmd, args, typed)
		if len(args) > 0 {
			offers = append(slices.Clone(names), offers...)
		}
		return offers, directive
	}
}

// completeTracks offers the IDs that begin as typed, with their song.
func completeTracks(g *globals) completion {
	return func(_ *cobra.Command, _ []string, typed string) (offers []string, _ cobra.ShellCompDirective) {
		q := &asker{globals: g}
		err := q.withStore(func(db *store.DB) error {
			for t, err := range db.Tracks(store.Prefix(typed)) {
				if err != nil {
					return err
				}
				offers = append(offers, fmt.Sprintf("%s\t%s – %s", t.ID, t.ArtistName, t.Title))
				if len(offers) == maxCompletions {
					break
				}
			}
			return nil
		})
		return offers, directive(err)
	}
}

// completeCluster offers the features, then the numbers of the clusters.
func completeCluster(q *asker) completion {
	return func(cmd *cobra.Command, args []string, typed string) (offers []string, _ cobra.ShellCompDirective) {
		switch len(args) {
		case 0:
			return completeFeatures(cmd, args, typed)
		case 1:
			err := q.withStore(func(db *store.DB) error {
				c, err := q.clustering(db)
				if err != nil {
					return err
				}
				for i := range c.K {
					if n := fmt.Sprint(i); strings.HasPrefix(n, typed) {
						offers = append(offers, n)
					}
				}
				return nil
			})
			return offers, directive(err)
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeNames offers the names of the clusterings.
func completeNames(g *globals) completion {
	return func(*cobra.Command, []string, string) (offers []string, _ cobra.ShellCompDirective) {
		q := &asker{globals: g}
		err := q.withStore(func(db *store.DB) error {
			all, err := db.Clusterings()
			for _, c := range all {
				offers = append(offers, c.Name)
			}
			return err
		})
		return offers, directive(err)
	}
}

func directive(err error) cobra.ShellCompDirective {
	if err != nil {
		return cobra.ShellCompDirectiveError
	}
	return cobra.ShellCompDirectiveNoFileComp
}
