// Package render writes the answers of package query: as tables for people, as
// Markdown, and as JSON, JSON lines, CSV and TSV for programs. One [Table] per
// kind of answer says which columns there are; a [Writer] takes the rows one
// by one and writes them in the [Format] asked for.
//
// Programs get every column under its field name, in the order of the table,
// with numbers in as many digits as bring back the same float64. JSON has null
// for what is missing or not finite; CSV and TSV leave missing values empty and
// write NaN, inf and -inf. TSV escapes tab, newline, carriage return and
// backslash as \t, \n, \r and \\. Lists are JSON in every format; people get those of names with commas between.
//
// People get titles with units, numbers in sensible digits, and a heading that
// says which song it is; what the heading says is not repeated in the rows.
// A table is as wide as its content, unless it goes to a terminal. Where it does
// not fit there, titles are broken into lines and text that can be cut is cut;
// if that does not suffice, each row becomes lines of a title and a value, or
// the columns of a table that was transposed go on below. Lines of text, such
// as headings, are broken at blanks. Control characters in text from song files
// never reach the terminal.
//
// Nothing here knows whether it writes to a terminal: the command decides.
package render
