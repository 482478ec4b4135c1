package web

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"

	"tatum/query/render"
)

// A table is rows as a page shows them, with the address of the same rows as
// files.
type table struct {
	Caption   string
	Columns   []column
	Rows      [][]cell
	JSON, CSV string
	Empty     string // what it says without rows
}

type column struct {
	Name, Title string
	Number      bool
}

type cell struct {
	column
	Text, Href string
	Head       bool // names the row
}

// tableOf returns rows as people read them. Link says where a cell leads, if
// anywhere.
func tableOf[T any](caption string, t render.Table[T], rows []T, link func(row *T, column string) string) *table {
	out := &table{Caption: caption}
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.Title == "" {
			continue
		}
		head := column{Name: c.Name, Title: c.Title}
		for r := range rows {
			_, number := c.Cell(&rows[r])
			head.Number = head.Number || number
		}
		out.Columns = append(out.Columns, head)
	}
	for r := range rows {
		var cells []cell
		for i := range t.Columns {
			c := &t.Columns[i]
			if c.Title == "" {
				continue
			}
			at := cell{column: out.Columns[len(cells)], Head: len(cells) == 0}
			at.Text, _ = c.Cell(&rows[r])
			if link != nil {
				at.Href = link(&rows[r], c.Name)
			}
			if at.Href != "" && strings.TrimSpace(at.Text) == "" {
				at.Text = "(no " + c.Name + ")"
			}
			cells = append(cells, at)
		}
		out.Rows = append(out.Rows, cells)
	}
	if t.Transpose {
		out.transpose()
	}
	return out
}

// transpose turns rows into columns, as render does.
func (t *table) transpose() {
	columns := []column{t.Columns[0]}
	for _, row := range t.Rows {
		columns = append(columns, column{Name: "value", Title: row[0].Text, Number: true})
	}
	var rows [][]cell
	for i, c := range t.Columns[1:] {
		row := []cell{{Text: c.Title, Head: true}}
		for _, cells := range t.Rows {
			value := cells[i+1]
			value.column = columns[len(row)]
			row = append(row, value)
		}
		rows = append(rows, row)
	}
	t.Columns, t.Rows = columns, rows
}

// at says where the table's rows are as files: path without its ending, and what
// the question was.
func (t *table) at(path string, query url.Values) *table {
	t.JSON, t.CSV = address(path+".json", query), address(path+".csv", query)
	return t
}

// files serves rows below path, with .json and .csv behind it.
func files[T any](s *server, mux *http.ServeMux, path string, t render.Table[T], read func(q *question) ([]T, error)) {
	for _, kind := range []struct {
		ending, contentType string
		format              render.Format
	}{{".json", typeJSON, render.FormatJSON}, {".csv", typeCSV, render.FormatCSV}} {
		mux.HandleFunc("GET "+path+kind.ending, s.handle(kind.contentType, func(q *question) (writeFunc, error) {
			rows, err := read(q)
			return func(out *bytes.Buffer) error {
				w := render.NewWriter(out, render.Options{Format: kind.format}, t, "")
				if err := w.WriteAll(rows); err != nil {
					return err
				}
				return w.Close()
			}, err
		}))
	}
}

// address returns a path with a query, if there is one.
func address(path string, query url.Values) string {
	u := url.URL{Path: path, RawQuery: query.Encode()}
	return u.String()
}
