package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
)

// runScript runs a testscript that a test has put together.
func runScript(t *testing.T, script string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "docs.txt")
	if err := os.WriteFile(path, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{Files: []string{path}, Cmds: scriptCommands})
}

// TestReadme runs the commands that the README shows, one after the other in
// one directory, and compares what they print with what the README shows under
// them. Of `make demo` it runs the commands of the Makefile; what is for a shell
// a shell runs.
func TestReadme(t *testing.T) {
	skipShort(t)
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	demo := demoCommands(t)
	var script, files strings.Builder
	shown := 0
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(string(readme), -1) {
		for _, step := range strings.Split("\n"+block[1], "\n$ ")[1:] {
			command, output, _ := strings.Cut(step, "\n")
			switch {
			case command == "make demo" && output != "":
				for _, c := range demo {
					command, rest, found := strings.Cut(output, "\n")
					if !found || command != "bin/"+c {
						t.Fatalf("README shows %q where make prints %q", command, "bin/"+c)
					}
					n := len(rest)
					if i := strings.Index(rest, "bin/tatum "); i >= 0 {
						n = i
					}
					shown++
					addStep(&script, &files, shown, c, rest[:n])
					output = rest[n:]
				}
			case strings.ContainsAny(command, "|*"):
				shown++
				addStep(&script, &files, shown, "sh -c '"+command+"'", output)
			case strings.HasPrefix(command, "tatum "):
				shown++
				addStep(&script, &files, shown, command, output)
			case !strings.HasPrefix(command, "make ") && !strings.HasPrefix(command, "git "):
				t.Errorf("README shows %q, which no test runs", command)
			}
		}
	}
	for _, picture := range regexp.MustCompile(`\]\((cmd/tatum/testdata/readme/(.*))\)`).FindAllStringSubmatch(string(readme), -1) {
		want, err := os.ReadFile("../../" + picture[1])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&script, "cmp %s want-%s\n", picture[2], picture[2])
		fmt.Fprintf(&files, "-- want-%s --\n%s", picture[2], want)
	}
	if shown < len(demo)+3 {
		t.Fatalf("README shows only %d commands", shown)
	}
	runScript(t, script.String()+files.String())
}

func addStep(script, files *strings.Builder, n int, command, output string) {
	fmt.Fprintf(script, "exec %s\ncmp stdout want%d\n", command, n)
	if output != "" {
		output = strings.TrimSuffix(output, "\n") + "\n"
	}
	fmt.Fprintf(files, "-- want%d --\n%s", n, output)
}

// demoCommands returns the tatum commands of the Makefile's target demo.
func demoCommands(t *testing.T) []string {
	t.Helper()
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	_, recipe, found := strings.Cut(string(makefile), "\ndemo:")
	if !found {
		t.Fatal("the Makefile has no target demo")
	}
	recipe, _, _ = strings.Cut(recipe, "\n\n")
	var commands []string
	for line := range strings.Lines(recipe) {
		if c, ok := strings.CutPrefix(line, "\t$(TATUM) "); ok {
			commands = append(commands, "tatum "+strings.TrimSpace(c))
		}
	}
	if len(commands) < 5 {
		t.Fatalf("target demo has only %d commands", len(commands))
	}
	return commands
}

// TestExamples runs the examples of every command's help, each on a store of
// the demo's songs.
func TestExamples(t *testing.T) {
	skipShort(t)
	t.Parallel()
	var script strings.Builder
	script.WriteString("demo songs 150\nexec tatum ingest --arrays all songs\nexec tatum cluster\ndemo more 3 9\n" +
		"exec tar czf songs.tar.gz songs\nexec find songs -name *.h5\ncp stdout songs.txt\n")
	n := 0
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		for line := range strings.Lines(cmd.Example) {
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			if !strings.HasPrefix(line, cmd.Root().Name()+" ") {
				t.Errorf("%s: example %q is no command", cmd.CommandPath(), line)
			}
			n++
			if cmd.Name() == "serve" || line == "tatum demo songs" {
				continue // until Ctrl-C: see TestServe; and these songs are there
			}
			fmt.Fprintf(&script, "exec %s\n", line)
		}
		if cmd.Runnable() && !cmd.HasSubCommands() && !cmd.Hidden && cmd.Example == "" {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		for _, c := range cmd.Commands() {
			visit(c)
		}
	}
	visit(newRoot())
	if n < 8 {
		t.Fatalf("only %d examples", n)
	}
	runScript(t, script.String())
}
