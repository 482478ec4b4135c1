package render

import (
	"bufio"
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/olekukonko/tablewriter/pkg/twwidth"
)

// A peopleSink collects one table at a time and writes it under its heading.
type peopleSink struct {
	out       *bufio.Writer
	fields    []field
	opts      Options
	transpose bool
	empty     string

	text   string // heading of the table being collected
	headed bool
	tables int // written so far
	cells  [][]string
	right  []bool // by shown column: whether it holds numbers
}

const missing = "–"

func (s *peopleSink) heading(text string) error {
	if s.headed || len(s.cells) > 0 {
		if err := s.flush(); err != nil {
			return err
		}
	}
	s.text, s.headed = clean(text), true
	return nil
}

func (s *peopleSink) row(values []any) error {
	if s.right == nil {
		s.right = make([]bool, len(s.columns()))
	}
	var cells []string
	for i, v := range values {
		if s.fields[i].title == "" {
			continue
		}
		switch v.(type) {
		case int, float64:
			s.right[len(cells)] = true
		}
		cells = append(cells, s.cell(v, s.fields[i].digits))
	}
	s.cells = append(s.cells, cells)
	return nil
}

// columns returns the columns that are shown.
func (s *peopleSink) columns() []field {
	var shown []field
	for _, f := range s.fields {
		if f.title != "" {
			shown = append(shown, f)
		}
	}
	return shown
}

// cell returns a value as people read it.
func (s *peopleSink) cell(v any, digits int) string {
	switch v := v.(type) {
	case nil:
		return missing
	case string:
		return clean(v)
	case float64:
		if math.IsNaN(v) {
			return missing
		}
		return strconv.FormatFloat(v, 'f', digits, 64)
	case []float64:
		if digits > 0 {
			texts := make([]string, len(v))
			for i, x := range v {
				texts[i] = s.cell(x, digits)
			}
			return strings.Join(texts, " ")
		}
	case []string:
		if len(v) == 0 {
			return missing
		}
		return clean(strings.Join(v, ", "))
	}
	return plain(v)
}

// clean makes text from a song file safe for one line of a terminal.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(text, string(unicode.ReplacementChar)))
}

func (s *peopleSink) close() error {
	if !s.headed && len(s.cells) == 0 && (s.tables > 0 || s.empty == "") {
		return nil
	}
	return s.flush()
}

// flush writes the table collected so far.
func (s *peopleSink) flush() error {
	if s.tables > 0 {
		if err := s.out.WriteByte('\n'); err != nil {
			return err
		}
	}
	s.tables++
	g := s.grid()
	s.cells, s.right = nil, nil
	heading := s.text
	s.text, s.headed = "", false
	if s.opts.Format == FormatMarkdown {
		return g.writeMarkdown(s.out, heading, s.empty)
	}
	return g.writeTable(s.out, heading, s.empty, s.opts)
}

// A grid is a table of finished cells.
type grid struct {
	titles []string
	right  []bool // by column, whether it is aligned right
	shrink []bool // by column, whether it may be cut
	rows   [][]string
}

func (s *peopleSink) grid() grid {
	g := grid{right: s.right, rows: s.cells}
	for _, f := range s.columns() {
		g.titles = append(g.titles, f.title)
		g.shrink = append(g.shrink, f.shrink)
	}
	if s.transpose && len(g.rows) > 0 {
		g = g.transposed()
	}
	return g
}

// transposed turns rows into columns. The first cell of each row becomes the
// column's title.
func (g grid) transposed() grid {
	t := grid{titles: []string{g.titles[0]}, right: []bool{false}, shrink: make([]bool, len(g.rows)+1)}
	for _, row := range g.rows {
		t.titles = append(t.titles, row[0])
		t.right = append(t.right, true)
	}
	for column, title := range g.titles[1:] {
		row := []string{title}
		for _, cells := range g.rows {
			row = append(row, cells[column+1])
		}
		t.rows = append(t.rows, row)
	}
	return t
}

// widths returns how many terminal columns each column needs.
func (g grid) widths() []int {
	widths := make([]int, len(g.titles))
	for i, title := range g.titles {
		for line := range strings.SplitSeq(title, "\n") {
			widths[i] = max(widths[i], twwidth.Width(line))
		}
	}
	for _, row := range g.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], twwidth.Width(cell))
		}
	}
	return widths
}

const (
	gap       = 2 // blanks between columns
	minShrunk = 8 // terminal columns that are left of text at least
)

// excess returns by how much columns and the gaps between them are wider than
// width.
func excess(widths []int, width int) int {
	sum := gap * (len(widths) - 1)
	for _, w := range widths {
		sum += w
	}
	return sum - width
}

// fit breaks the names in the titles into lines and cuts what may be cut until
// the grid is width columns wide, the widest column first; where that does not
// suffice, the grid stays too wide.
func (g grid) fit(width int) {
	if excess(g.widths(), width) > 0 {
		for i, title := range g.titles {
			g.titles[i] = strings.ReplaceAll(title, "_", "\n")
		}
	}
	widths := g.widths()
	excess := excess(widths, width)
	for excess > 0 {
		widest := -1
		for i, w := range widths {
			if g.shrink[i] && w > max(minShrunk, len(g.titles[i])) && (widest < 0 || w > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
		excess--
	}
	for _, row := range g.rows {
		for i := range row {
			if g.shrink[i] && twwidth.Width(row[i]) > widths[i] {
				row[i] = twwidth.Truncate(row[i], widths[i], "…")
			}
		}
	}
}
