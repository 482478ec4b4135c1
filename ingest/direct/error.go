package direct

import (
	"errors"
	"fmt"
	"io/fs"
)

// ErrUnsure is returned when the file is one that package msd has to read: it
// is laid out as this package does not know, or damaged. Test for it with
// [errors.Is].
var ErrUnsure = errors.New("left to libhdf5")

// unsure returns an error that is ErrUnsure and says why.
func unsure(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnsure, fmt.Sprintf(format, args...))
}

// The steps of reading a file, as in [Error].
const (
	StepOpen   = "open"   // opening the file, a group or a dataset
	StepType   = "type"   // checking the type of a dataset or of a table's column
	StepShape  = "shape"  // checking rank, columns and number of rows
	StepRead   = "read"   // reading values
	StepDecode = "decode" // making a song of the values
)

// An Error says why a song file cannot be read. Its message is one line, such
// as
//
//	read song "TRX.h5": dataset /analysis/segments_timbre: 11 columns, want 12
type Error struct {
	Path    string // the file, as given
	Dataset string // such as /analysis/bars_start; empty when it is the whole file
	Step    string // one of the Step constants
	Err     error  // the reason; for what the system refuses a [syscall.Errno]
}

// Error returns the message.
func (e *Error) Error() string {
	if e.Dataset == "" {
		return fmt.Sprintf("read song %q: %v", e.Path, e.Err)
	}
	return fmt.Sprintf("read song %q: dataset %s: %v", e.Path, e.Dataset, e.Err)
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// WithoutPath returns what the system said without the path and the call,
// since Error names the path already.
func WithoutPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// Reasons of an [Error] that need no figures.
var (
	ErrEmpty     = errors.New("the file is empty")
	ErrNotHDF5   = errors.New("not an HDF5 file")
	ErrCut       = errors.New("HDF5 cannot open it: cut short, damaged or being written")
	ErrNoGroup   = errors.New("no group /analysis")
	ErrMissing   = errors.New("missing")
	ErrGroup     = errors.New("is a group, want a dataset")
	ErrNoTrackID = errors.New("no column track_id")
	ErrNoRows    = errors.New("no rows, want one per song")
)
