//go:build !cgo

package direct

import (
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/zlib"
)

// An inflater inflates. The zero value is ready to use.
type inflater struct {
	from bytes.Reader
	z    io.ReadCloser
	end  [1]byte // where nothing is to be read to
}

// inflate inflates a zlib stream into dst. It reports false when the stream is
// damaged or not exactly that long.
func (f *inflater) inflate(dst, src []byte) bool {
	f.from.Reset(src)
	var err error
	if f.z == nil {
		f.z, err = zlib.NewReader(&f.from)
	} else {
		err = f.z.(zlib.Resetter).Reset(&f.from, nil)
	}
	if err != nil {
		f.z = nil
		return false
	}
	if _, err := io.ReadFull(f.z, dst); err != nil {
		return false
	}
	// Only at its end is a stream's sum checked.
	n, err := f.z.Read(f.end[:])
	return n == 0 && errors.Is(err, io.EOF)
}
