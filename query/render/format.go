package render

import (
	"fmt"
	"strings"
)

// A Format is a way to write rows.
type Format string

// The formats.
const (
	FormatTable    Format = "table"    // aligned columns for people
	FormatJSON     Format = "json"     // one array of objects
	FormatJSONL    Format = "jsonl"    // one object per line
	FormatCSV      Format = "csv"      // RFC 4180 with LF, header first
	FormatTSV      Format = "tsv"      // header first, tabs and newlines escaped
	FormatMarkdown Format = "markdown" // pipe tables
)

// Formats lists all formats.
var Formats = []Format{FormatTable, FormatJSON, FormatJSONL, FormatCSV, FormatTSV, FormatMarkdown}

// ParseFormat returns the format called name.
func ParseFormat(name string) (Format, error) {
	names := make([]string, len(Formats))
	for i, f := range Formats {
		if name == string(f) {
			return f, nil
		}
		names[i] = string(f)
	}
	return "", fmt.Errorf("no output format %q: want one of %s", name, strings.Join(names, ", "))
}
