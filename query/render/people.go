package render

import (
	"bufio"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
)

// A peopleSink collects one table at a time and writes it under its heading, a
// very long one in pieces.
type peopleSink struct {
	out       *bufio.Writer
	fields    []field
	opts      Options
	transpose bool
	empty     string

	text   string // heading of the table being collected
	headed bool
	tables int // written so far
	failed bool
	pieces int // of the table being collected, written so far
	cells  [][]string
	right  []bool // by shown column: whether it holds numbers

	table *tablewriter.Table // writes to lines; made once, as that takes as long as a table of some rows
	lines lineStyler
}

const (
	missing   = "–"
	pieceRows = 10_000 // rows that are held in memory at most
)

func (s *peopleSink) heading(text string) error {
	if s.headed || len(s.cells) > 0 || s.pieces > 0 {
		if err := s.flush(); err != nil {
			return err
		}
	}
	s.text, s.headed = Clean(text), true
	return nil
}

func (s *peopleSink) row(values []any) error {
	if s.right == nil {
		s.right = make([]bool, len(s.columns()))
	}
	if len(s.cells) == pieceRows && !s.transpose {
		if err := s.writePiece(); err != nil {
			return err
		}
	}
	var cells []string
	for i, v := range values {
		if s.fields[i].title == "" {
			continue
		}
		text, number := cell(v, s.fields[i].digits)
		s.right[len(cells)] = s.right[len(cells)] || number
		cells = append(cells, text)
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

// Cell returns the field of a row as people read it, and whether it is a number.
func (c *Column[T]) Cell(row *T) (text string, number bool) { return cell(c.Value(row), c.Digits) }

func cell(v any, digits int) (text string, number bool) {
	switch v := v.(type) {
	case nil:
		return missing, false
	case string:
		return Clean(v), false
	case int:
		return plain(v), true
	case float64:
		if math.IsNaN(v) {
			return missing, true
		}
		return strconv.FormatFloat(v, 'f', digits, 64), true
	case []float64:
		if digits > 0 {
			texts := make([]string, len(v))
			for i, x := range v {
				texts[i], _ = cell(x, digits)
			}
			return strings.Join(texts, " "), false
		}
	case []string:
		if len(v) == 0 {
			return missing, false
		}
		return Clean(strings.Join(v, ", ")), false
	}
	return plain(v), false
}

// Clean makes text from a song file safe for one line of a terminal or a page:
// control characters, those that turn the direction of text among them, become
// the replacement character.
func Clean(text string) string {
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
	if !s.headed && len(s.cells) == 0 && (s.tables > 0 || s.empty == "" || s.failed) {
		return nil
	}
	return s.flush()
}

// flush ends the table collected so far.
func (s *peopleSink) flush() error {
	err := s.writePiece()
	s.tables++
	s.text, s.headed = "", false
	s.right, s.pieces = nil, 0
	return err
}

// writePiece writes the rows collected so far. Every piece of a table repeats
// the titles, and has columns as wide as its rows need; only in Markdown are
// pieces one table.
func (s *peopleSink) writePiece() error {
	heading := s.text
	if s.pieces > 0 {
		heading = ""
	}
	markdown := s.opts.Format == FormatMarkdown
	if s.tables > 0 && s.pieces == 0 || s.pieces > 0 && !markdown {
		if err := s.out.WriteByte('\n'); err != nil {
			return err
		}
	}
	g := s.grid()
	s.cells = nil
	s.pieces++
	switch {
	case markdown && s.pieces > 1:
		return g.writeMarkdownRows(s.out)
	case markdown:
		return g.writeMarkdown(s.out, heading, s.empty)
	}
	return s.writeTable(g, heading)
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

// columns returns the grid of some of the columns, which shares memory with g.
func (g grid) columns(from, to int) grid {
	part := grid{titles: g.titles[from:to], right: g.right[from:to], shrink: g.shrink[from:to]}
	for _, row := range g.rows {
		part.rows = append(part.rows, row[from:to])
	}
	return part
}

// beside returns the grid with the columns of another to its right.
func (g grid) beside(right grid) grid {
	both := grid{
		titles: slices.Concat(g.titles, right.titles),
		right:  slices.Concat(g.right, right.right),
		shrink: slices.Concat(g.shrink, right.shrink),
	}
	for i, row := range g.rows {
		both.rows = append(both.rows, slices.Concat(row, right.rows[i]))
	}
	return both
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
	widths := g.cellWidths()
	for i, title := range g.titles {
		widths[i] = max(widths[i], titleWidth(title))
	}
	return widths
}

// cellWidths returns how many terminal columns the cells under each title need.
func (g grid) cellWidths() []int {
	widths := make([]int, len(g.titles))
	for _, row := range g.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], twwidth.Width(cell))
		}
	}
	return widths
}

// titleWidth returns how many terminal columns the lines of a title need.
func titleWidth(title string) (width int) {
	for line := range strings.SplitSeq(title, "\n") {
		width = max(width, twwidth.Width(line))
	}
	return width
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

// fit breaks the titles into lines and cuts what may be cut, the widest column
// first, until the grid is width columns wide. It reports whether it is.
func (g grid) fit(width int) bool {
	if excess(g.widths(), width) <= 0 {
		return true
	}
	for i, cells := range g.cellWidths() {
		g.titles[i] = breakTitle(g.titles[i], cells)
	}
	widths := g.widths()
	excess := excess(widths, width)
	for excess > 0 {
		widest := -1
		for i, w := range widths {
			if g.shrink[i] && w > max(minShrunk, titleWidth(g.titles[i])) && (widest < 0 || w > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return false
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
	return true
}

// breakTitle breaks a title after blanks, underscores and hyphens into the
// fewest lines that are no wider than the cells under it, or than its longest
// word. Blanks and underscores give way to the break.
func breakTitle(title string, cells int) string {
	var words []string // each with the character that it is broken after
	for rest := title; rest != ""; {
		n := strings.IndexAny(rest, " _-") + 1
		if n == 0 {
			n = len(rest)
		}
		words = append(words, rest[:n])
		rest = rest[n:]
	}
	width := cells
	for _, word := range words {
		width = max(width, twwidth.Width(strings.TrimRight(word, " _")))
	}
	var lines []string
	line := ""
	for _, word := range words {
		if line != "" && twwidth.Width(line+strings.TrimRight(word, " _")) > width {
			lines = append(lines, strings.TrimRight(line, " _"))
			line = ""
		}
		line += word
	}
	return strings.Join(append(lines, line), "\n")
}

// wrap breaks text at blanks into lines of width columns, and a word that is
// wider where it must.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for i, word := range strings.Split(text, " ") {
		if i > 0 && twwidth.Width(line)+1+twwidth.Width(word) <= width {
			line += " " + word
			continue
		}
		if i > 0 {
			lines = append(lines, strings.TrimRight(line, " "))
		}
		for twwidth.Width(word) > width {
			head := twwidth.Truncate(word, width)
			if head == "" { // not even one letter has room
				break
			}
			lines = append(lines, head)
			word = word[len(head):]
		}
		line = word
	}
	return append(lines, line)
}
