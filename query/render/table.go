package render

import (
	"bufio"
	"bytes"
	"reflect"
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/pkg/twcache"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

const (
	bold  = "\x1b[1m"
	faint = "\x1b[2m"
	reset = "\x1b[0m"
)

// writeTable writes the heading and the grid as aligned columns. Where these are
// too wide for the terminal even when cut, columns that were rows follow in
// further tables, and other rows are turned on their side.
func (s *peopleSink) writeTable(g grid, heading string) error {
	// Else the width of "…" and "–" would depend on the environment.
	twwidth.SetEastAsian(false)
	if heading != "" {
		if err := s.writeLines(heading, bold); err != nil {
			return err
		}
		if err := s.out.WriteByte('\n'); err != nil {
			return err
		}
	}
	titles := slices.Clone(g.titles)
	switch {
	case len(g.rows) == 0:
		return s.writeLines(s.empty, "")
	case s.opts.Width == 0 || g.fit(s.opts.Width):
		return s.writeColumns(g)
	case s.transpose:
		return s.writeParts(g)
	}
	g.titles = titles // as they were before they were broken
	return s.writeSideways(g)
}

// writeLines writes text, broken into lines where the terminal is too narrow.
func (s *peopleSink) writeLines(text, style string) error {
	lines := []string{text}
	if s.opts.Width > 0 {
		lines = wrap(text, s.opts.Width)
	}
	for _, line := range lines {
		if s.opts.Color && style != "" {
			line = style + line + reset
		}
		if _, err := s.out.WriteString(line + "\n"); err != nil {
			return err
		}
	}
	return nil
}

// writeParts writes the first column with as many of the others as have room
// beside it, then again with those that follow.
func (s *peopleSink) writeParts(g grid) error {
	names := g.columns(0, 1)
	for from := 1; from < len(g.titles); {
		part := names.beside(g.columns(from, from+1))
		to := from + 1
		for ; to < len(g.titles); to++ {
			wider := names.beside(g.columns(from, to+1))
			if excess(wider.widths(), s.opts.Width) > 0 {
				break
			}
			part = wider
		}
		if from > 1 {
			if err := s.out.WriteByte('\n'); err != nil {
				return err
			}
		}
		if err := s.writeColumns(part); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// writeSideways writes each row as lines of a title and its cell.
func (s *peopleSink) writeSideways(g grid) error {
	width := 0
	for _, title := range g.titles {
		width = max(width, twwidth.Width(title))
	}
	for n, row := range g.rows {
		if n > 0 {
			if err := s.out.WriteByte('\n'); err != nil {
				return err
			}
		}
		for i, cell := range row {
			title := g.titles[i]
			blanks := strings.Repeat(" ", width-twwidth.Width(title)+gap)
			if s.opts.Color {
				title = bold + title + reset
			}
			room := max(minShrunk, s.opts.Width-width-gap)
			if g.shrink[i] && twwidth.Width(cell) > room {
				cell = twwidth.Truncate(cell, room, "…")
			}
			cell = strings.Join(wrap(cell, room), "\n"+strings.Repeat(" ", width+gap))
			if _, err := s.out.WriteString(strings.TrimRight(title+blanks+cell, " ") + "\n"); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeColumns writes the grid as aligned columns under their titles.
func (s *peopleSink) writeColumns(g grid) error {
	if s.table == nil {
		s.lines.out = s.out
		s.table = tablewriter.NewTable(&s.lines,
			tablewriter.WithRenderer(renderer.NewBlueprint(plainRendition)),
			// Cells are text: there is nothing to keep for those that are not.
			tablewriter.WithStringerCacheCustom(twcache.NewLRU[reflect.Type, reflect.Value](0)))
	}
	if s.opts.Color {
		height := 1
		for _, title := range g.titles {
			height = max(height, 1+strings.Count(title, "\n"))
		}
		s.lines.styles = append(slices.Repeat([]string{bold}, height), faint)
	}
	s.table.Reset()
	s.table.Options(tablewriter.WithConfig(g.config()))
	s.table.Header(g.titles)
	for _, row := range g.rows {
		if err := s.table.Append(row); err != nil {
			return err
		}
	}
	return s.table.Render()
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
	return g.writeMarkdownRows(out)
}

func (g grid) writeMarkdownRows(out *bufio.Writer) error {
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
