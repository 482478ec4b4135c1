package render

import (
	"bufio"
	"bytes"
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

const (
	bold  = "\x1b[1m"
	faint = "\x1b[2m"
	reset = "\x1b[0m"
)

// writeTable writes the heading and the grid as aligned columns.
func (g grid) writeTable(out *bufio.Writer, heading, empty string, opts Options) error {
	// Else the width of "…" and "–" would depend on the environment.
	twwidth.SetEastAsian(false)
	if heading != "" {
		if opts.Color {
			heading = bold + heading + reset
		}
		if _, err := out.WriteString(heading + "\n\n"); err != nil {
			return err
		}
	}
	if len(g.rows) == 0 {
		_, err := out.WriteString(empty + "\n")
		return err
	}
	if opts.Width > 0 {
		g.fit(opts.Width)
	}
	lines := &lineStyler{out: out}
	if opts.Color {
		height := 1
		for _, title := range g.titles {
			height = max(height, 1+strings.Count(title, "\n"))
		}
		lines.styles = append(slices.Repeat([]string{bold}, height), faint)
	}
	t := tablewriter.NewTable(lines,
		tablewriter.WithRenderer(renderer.NewBlueprint(plainRendition)),
		tablewriter.WithConfig(g.config()))
	t.Header(g.titles)
	for _, row := range g.rows {
		if err := t.Append(row); err != nil {
			return err
		}
	}
	return t.Render()
}

// plainRendition has no borders, two blanks between columns and one line under
// the titles.
var plainRendition = tw.Rendition{
	Borders: tw.BorderNone,
	Symbols: tw.NewSymbolCustom("plain").WithRow("-").WithColumn("").WithCenter(""),
	Settings: tw.Settings{
		Separators: tw.Separators{BetweenColumns: tw.Off, BetweenRows: tw.Off},
		Lines:      tw.Lines{ShowHeaderLine: tw.On},
	},
}

func (g grid) config() tablewriter.Config {
	align := make([]tw.Align, len(g.titles))
	padding := make([]tw.Padding, len(g.titles))
	for i := range align {
		align[i] = tw.AlignLeft
		if g.right[i] {
			align[i] = tw.AlignRight
		}
		padding[i] = tw.Padding{Right: strings.Repeat(" ", gap), Overwrite: true}
	}
	padding[len(padding)-1] = tw.PaddingNone
	cells := tw.CellConfig{
		Formatting: tw.CellFormatting{AutoFormat: tw.Off, AutoWrap: tw.WrapNone},
		Alignment:  tw.CellAlignment{PerColumn: align},
		Padding:    tw.CellPadding{PerColumn: padding},
	}
	return tablewriter.Config{
		Header:   cells,
		Row:      cells,
		Behavior: tw.Behavior{TrimSpace: tw.Off, TrimTab: tw.Off, TrimLine: tw.Off},
	}
}

// A lineStyler passes lines on without the blanks at their ends, the first
// ones in styles.
type lineStyler struct {
	out    *bufio.Writer
	styles []string
	line   []byte
}

func (s *lineStyler) Write(p []byte) (int, error) {
	n := len(p)
	for {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			s.line = append(s.line, p...)
			return n, nil
		}
		s.line = append(s.line, p[:end]...)
		p = p[end+1:]
		if err := s.end(); err != nil {
			return 0, err
		}
	}
}

func (s *lineStyler) end() error {
	line := bytes.TrimRight(s.line, " ")
	s.line = s.line[:0]
	if len(s.styles) > 0 {
		line = []byte(s.styles[0] + string(line) + reset)
		s.styles = s.styles[1:]
	}
	_, err := s.out.Write(append(line, '\n'))
	return err
}

// markdownEscapes keeps text from being read as Markdown or HTML.
var markdownEscapes = strings.NewReplacer(`\`, `\\`, "|", `\|`, "*", `\*`, "`", "\\`", "[", `\[`, "]", `\]`, "<", `\<`, "&", `\&`)

// writeMarkdown writes the heading and the grid as a pipe table.
func (g grid) writeMarkdown(out *bufio.Writer, heading, empty string) error {
	if heading != "" {
		if _, err := out.WriteString(markdownEscapes.Replace(heading) + "\n\n"); err != nil {
			return err
		}
	}
	if len(g.rows) == 0 {
		_, err := out.WriteString(markdownEscapes.Replace(empty) + "\n")
		return err
	}
	if err := writePipes(out, g.titles); err != nil {
		return err
	}
	rule := make([]string, len(g.titles))
	for i := range rule {
		rule[i] = ":---"
		if g.right[i] {
			rule[i] = "---:"
		}
	}
	if err := writePipes(out, rule); err != nil {
		return err
	}
	for _, row := range g.rows {
		if err := writePipes(out, row); err != nil {
			return err
		}
	}
	return nil
}

func writePipes(out *bufio.Writer, cells []string) error {
	var line strings.Builder
	for _, cell := range cells {
		line.WriteString("| " + markdownEscapes.Replace(cell) + " ")
	}
	_, err := out.WriteString(line.String() + "|\n")
	return err
}
