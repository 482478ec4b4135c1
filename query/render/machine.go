package render

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A jsonSink writes objects, one per line, in an array or not.
type jsonSink struct {
	out    *bufio.Writer
	fields []field
	array  bool
	rows   int
	buf    []byte
}

func (s *jsonSink) heading(string) error { return nil }

func (s *jsonSink) row(values []any) error {
	b := s.buf[:0]
	switch {
	case s.array && s.rows == 0:
		b = append(b, "[\n  "...)
	case s.array:
		b = append(b, ",\n  "...)
	}
	b = append(b, '{')
	for i, v := range values {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendJSON(b, s.fields[i].name)
		b = append(b, ": "...)
		b = appendJSON(b, v)
	}
	b = append(b, '}')
	if !s.array {
		b = append(b, '\n')
	}
	s.rows++
	s.buf = b
	_, err := s.out.Write(b)
	return err
}

func (s *jsonSink) close() error {
	if !s.array {
		return nil
	}
	end := "\n]\n"
	if s.rows == 0 {
		end = "[]\n"
	}
	_, err := s.out.WriteString(end)
	return err
}

// appendJSON appends a value as JSON. Numbers that JSON has not are null.
func appendJSON(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case string:
		return appendJSONString(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case float64:
		return appendJSONFloat(dst, v)
	case []float64:
		return appendJSONArray(dst, v, appendJSONFloat)
	case []int:
		return appendJSONArray(dst, v, func(dst []byte, n int) []byte { return appendJSON(dst, n) })
	case []string:
		return appendJSONArray(dst, v, appendJSONString)
	case [][]float64:
		return appendJSONArray(dst, v, func(dst []byte, row []float64) []byte { return appendJSON(dst, row) })
	}
	panic(fmt.Sprintf("render: column value of type %T", v))
}

func appendJSONArray[E any](dst []byte, array []E, element func([]byte, E) []byte) []byte {
	dst = append(dst, '[')
	for i, e := range array {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = element(dst, e)
	}
	return append(dst, ']')
}

// appendJSONFloat appends the shortest number that reads back as v, in the
// notation of encoding/json and of JavaScript.
func appendJSONFloat(dst []byte, v float64) []byte {
	abs := math.Abs(v)
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return append(dst, "null"...)
	case abs != 0 && (abs < 1e-6 || abs >= 1e21):
		return strconv.AppendFloat(dst, v, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, v, 'f', -1, 64)
}

// appendJSONString appends s as a JSON string. Bytes that are not UTF-8 become
// the replacement character, and characters of HTML stay readable.
func appendJSONString(dst []byte, s string) []byte {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // every string has a JSON form
	}
	return append(dst, strings.TrimSuffix(b.String(), "\n")...)
}

// plain returns a value in full precision for CSV and TSV, with bytes that are
// not UTF-8 replaced as in JSON.
func plain(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return strings.ToValidUTF8(v, "\uFFFD")
	case int:
		return strconv.Itoa(v)
	case float64:
		switch {
		case math.IsNaN(v):
			return "NaN"
		case math.IsInf(v, 1):
			return "inf"
		case math.IsInf(v, -1):
			return "-inf"
		}
		return string(appendJSONFloat(nil, v))
	}
	return string(appendJSON(nil, v))
}

// A csvSink writes comma-separated values.
type csvSink struct {
	csv    *csv.Writer
	fields []field
	record []string // nil until the header is written
}

func newCSVSink(out *bufio.Writer, fields []field) *csvSink {
	return &csvSink{csv: csv.NewWriter(out), fields: fields}
}

func (s *csvSink) heading(string) error { return nil }

func (s *csvSink) header() error {
	if s.record != nil {
		return nil
	}
	s.record = make([]string, len(s.fields))
	for i, f := range s.fields {
		s.record[i] = f.name
	}
	return s.csv.Write(s.record)
}

func (s *csvSink) row(values []any) error {
	if err := s.header(); err != nil {
		return err
	}
	for i, v := range values {
		s.record[i] = plain(v)
	}
	return s.csv.Write(s.record)
}

func (s *csvSink) close() error {
	if err := s.header(); err != nil {
		return err
	}
	s.csv.Flush()
	return s.csv.Error()
}

// A tsvSink writes tab-separated values, one line a row whatever they hold.
type tsvSink struct {
	out    *bufio.Writer
	fields []field
	begun  bool // header written
}

var tsvEscapes = strings.NewReplacer("\\", `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`)

func (s *tsvSink) heading(string) error { return nil }

func (s *tsvSink) header() error {
	if s.begun {
		return nil
	}
	s.begun = true
	names := make([]string, len(s.fields))
	for i, f := range s.fields {
		names[i] = f.name
	}
	_, err := s.out.WriteString(strings.Join(names, "\t") + "\n")
	return err
}

func (s *tsvSink) row(values []any) error {
	if err := s.header(); err != nil {
		return err
	}
	for i, v := range values {
		if i > 0 {
			if err := s.out.WriteByte('\t'); err != nil {
				return err
			}
		}
		if _, err := tsvEscapes.WriteString(s.out, plain(v)); err != nil {
			return err
		}
	}
	return s.out.WriteByte('\n')
}

func (s *tsvSink) close() error { return s.header() }
