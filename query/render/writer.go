package render

import (
	"bufio"
	"errors"
	"io"
)

// A Table says how answers of type T are written.
type Table[T any] struct {
	Columns []Column[T]

	// Transpose turns the table for people, in which a row then becomes a
	// column and the first column not in the heading gives the titles: for
	// few rows of many values.
	Transpose bool
}

// A Column is one field of an answer.
type Column[T any] struct {
	Name   string // field name for programs
	Title  string // title for people, with the unit; empty when the heading says it
	Digits int    // decimals for people; programs get all, and of lists without it people too

	// Shrink lets the text be cut where a terminal is too narrow.
	Shrink bool

	// Value returns the field: a string, int or float64, a slice of one of
	// them or a [][]float64 for lists, or nil when it is missing.
	Value func(row *T) any
}

// Options say how to write. The zero value of Width and Color is right for
// anything that is not a terminal.
type Options struct {
	Format Format
	Width  int  // columns of the terminal that tables are fitted to; 0 leaves them as wide as they are
	Color  bool // whether tables may use colour
}

// A Writer writes rows of one table. In the formats for programs it holds no
// more than one row in memory.
type Writer[T any] struct {
	columns []Column[T]
	values  []any
	out     *bufio.Writer
	sink    sink
}

// A sink writes rows in one format. Values are in the order of the columns.
type sink interface {
	heading(text string) error
	row(values []any) error
	close() error
}

// A field is what a sink knows of a column.
type field struct {
	name   string
	title  string
	digits int
	shrink bool
}

// NewWriter returns a writer to out. In table and markdown format the sentence
// empty, if any, stands where no row was found. Call Close after the last row;
// unless Close or enough rows were written, nothing has reached out.
func NewWriter[T any](out io.Writer, opts Options, table Table[T], empty string) *Writer[T] {
	w := &Writer[T]{columns: table.Columns, values: make([]any, len(table.Columns)), out: bufio.NewWriter(out)}
	fields := make([]field, len(table.Columns))
	for i, c := range table.Columns {
		fields[i] = field{c.Name, c.Title, c.Digits, c.Shrink}
	}
	switch opts.Format {
	case FormatJSON:
		w.sink = &jsonSink{out: w.out, fields: fields, array: true}
	case FormatJSONL:
		w.sink = &jsonSink{out: w.out, fields: fields}
	case FormatCSV:
		w.sink = newCSVSink(w.out, fields)
	case FormatTSV:
		w.sink = &tsvSink{out: w.out, fields: fields}
	default:
		w.sink = &peopleSink{out: w.out, fields: fields, opts: opts, transpose: table.Transpose, empty: empty}
	}
	return w
}

// Heading begins a new table under a line of its own, such as [Song] returns.
// It does nothing in the formats for programs.
func (w *Writer[T]) Heading(text string) error { return w.sink.heading(text) }

// Write writes a row.
func (w *Writer[T]) Write(row *T) error {
	for i := range w.columns {
		w.values[i] = w.columns[i].Value(row)
	}
	return w.sink.row(w.values)
}

// WriteAll writes rows.
func (w *Writer[T]) WriteAll(rows []T) error {
	for i := range rows {
		if err := w.Write(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// CloseAfter is Close after what came to err, which is returned too. If that is
// an error, the sentence for nothing found only stands under headings.
func (w *Writer[T]) CloseAfter(err error) error {
	if p, ok := w.sink.(*peopleSink); ok {
		p.failed = err != nil
	}
	return errors.Join(err, w.Close())
}

// Close completes the output. It does not close the underlying writer.
func (w *Writer[T]) Close() error {
	if err := w.sink.close(); err != nil {
		return err
	}
	return w.out.Flush()
}
