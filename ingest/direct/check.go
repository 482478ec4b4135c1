package direct

import (
	"errors"
	"fmt"
	"io/fs"
)

// The checks of what a file declares. Package msd makes the same ones with the
// same words.

// Limits that are far beyond any real file.
const (
	maxRatio   = 1032     // of declared bytes to the file's, deflate's own limit
	maxRows    = 1 << 20  // of one song in one array
	maxRowSize = 64 << 10 // bytes, of a songs table

	MaxChunk = 4 << 20 // bytes
)

// The types of values, as messages name them.
const (
	Float64LE = "float64 little-endian"
	Float64BE = "float64 big-endian"
	Float32LE = "float32 little-endian"
	Float32BE = "float32 big-endian"
	Int64LE   = "int64 little-endian"
	Int64BE   = "int64 big-endian"
	Int32LE   = "int32 little-endian"
	Int32BE   = "int32 big-endian"
	Uint32LE  = "uint32 little-endian"
	Int16LE   = "int16 little-endian"
)

// CheckFile returns why what stands at a path is no file to read, or nil.
func CheckFile(info fs.FileInfo) error {
	if info.IsDir() {
		return errors.New("is a directory")
	}
	if !info.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	return nil
}

// WrongType returns that a type is not the one wanted.
func WrongType(name, want string) error { return fmt.Errorf("type is %s, want %s", name, want) }

// InColumn returns that err is wrong with a column of a table.
func InColumn(name string, err error) error { return fmt.Errorf("column %s: %w", name, err) }

// CheckRowSize checks the size of a songs table's rows in bytes.
func CheckRowSize(size int) error {
	if size < 1 || size > maxRowSize {
		return fmt.Errorf("rows of %d bytes, want at most %d", size, maxRowSize)
	}
	return nil
}

// A SpaceClass says whether a dataspace has dimensions.
type SpaceClass int

// The classes, numbered as in files.
const (
	Scalar SpaceClass = iota
	Simple
	Null
)

// CheckShape checks the dataspace of a dataset that is to have the columns, and
// returns its rows. dims are its dimensions when it is simple.
func CheckShape(class SpaceClass, dims []uint64, columns int) (rows int, err error) {
	rank := 1
	if columns > 1 {
		rank = 2
	}
	switch {
	case class == Scalar:
		return 0, fmt.Errorf("is a single value, want %s", dimensions(rank))
	case class == Null:
		return 0, fmt.Errorf("is without dimensions, want %s", dimensions(rank))
	case len(dims) != rank:
		return 0, fmt.Errorf("%s, want %d", dimensions(len(dims)), rank)
	case rank == 2 && dims[1] != uint64(columns):
		return 0, fmt.Errorf("%d columns, want %d", dims[1], columns)
	case dims[0] > 1<<40: // so that bytes cannot overflow
		return 0, fmt.Errorf("%d rows", dims[0])
	}
	return int(dims[0]), nil
}

func dimensions(n int) string {
	if n == 1 {
		return "1 dimension"
	}
	return fmt.Sprintf("%d dimensions", n)
}

// CheckSize checks that rows of rowSize bytes fit a file of fileSize bytes.
func CheckSize(rows, rowSize int, fileSize int64) error {
	if int64(rows)*int64(rowSize)/maxRatio > fileSize {
		return fmt.Errorf("%d rows cannot be in a file of %d bytes", rows, fileSize)
	}
	return nil
}

// CheckChunk checks the number of values in a chunk, of size bytes each.
func CheckChunk(values uint64, size int) error {
	if most := MaxChunk / size; values > uint64(most) {
		return fmt.Errorf("chunks of %d values, want at most %d", values, most)
	}
	return nil
}

// CheckSong checks the number of rows that one song has in an array.
func CheckSong(rows int) error {
	if rows > maxRows {
		return fmt.Errorf("%d rows for one song, want at most %d", rows, maxRows)
	}
	return nil
}

// CheckTable checks that a songs table has as many rows as the first.
func CheckTable(rows, want int) error {
	if rows != want {
		return fmt.Errorf("%d rows, want %d as in %s", rows, want, AnalysisTable.Path)
	}
	return nil
}
