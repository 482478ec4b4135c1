//go:build cgo

package ingest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"tatum/ingest/msd"
	"tatum/ingest/seqstat"
	"tatum/store"
)

// HasLibHDF5 says whether this build can read with libhdf5.
const HasLibHDF5 = true

// maxSilence is for how long a process keeps what it has read to itself.
const maxSilence = 100 * time.Millisecond

// Work is the process of [Options]: it reads the files named on r with libhdf5
// and answers on w until r ends. It is a process of its own since a damaged file
// can crash libhdf5 or make it hang, and since libhdf5 has one global lock, so
// that threads do not speed it up.
func Work(r io.Reader, w io.Writer) error {
	if err := limitMemory(); err != nil {
		return err
	}
	in, out := bufio.NewReader(r), bufio.NewWriterSize(w, pipeBuffer)
	if err := errors.Join(writeMessage(out, done, text("")), out.Flush()); err != nil {
		return fmt.Errorf("write to parent: %w", err)
	}
	var calc seqstat.Calculator
	flushed := time.Now()
	for {
		// A goroutine that never gives way is taken for one that hangs: Go would
		// then look at it twenty times per song, and take its processor away at
		// each call into C.
		runtime.Gosched()
		m, err := readMessage(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read from parent: %w", err)
		}
		if err := answer(out, &calc, m); err != nil {
			return err
		}
		// The parent is woken when it has to say what is next, or has not heard
		// for long.
		if in.Buffered() == 0 || time.Since(flushed) > maxSilence {
			if err := out.Flush(); err != nil {
				return fmt.Errorf("write to parent: %w", err)
			}
			flushed = time.Now()
		}
	}
}

// answer reads the file that a message names.
func answer(w *bufio.Writer, calc *seqstat.Calculator, m message) error {
	if m.kind != read || len(m.body) == 0 {
		return errUnknownMessage
	}
	path, source, other := strings.Cut(string(m.body[1:]), "\x00")
	if !other {
		source = path
	}
	err := errors.Join(
		writeSongs(w, calc, path, source, store.ArraySet(m.body[0])),
		writeMessage(w, done, text("")))
	if err != nil {
		return fmt.Errorf("write to parent: %w", err)
	}
	return nil
}

// writeSongs writes the songs of the file at path as those of source, and what is
// bad in it. The error is one of writing.
func writeSongs(w *bufio.Writer, calc *seqstat.Calculator, path, source string, arrays store.ArraySet) error {
	next := uint32(0)
	for s, err := range msd.Songs(path, arrays) {
		row := next
		next++
		var encoded *store.EncodedSong
		if err == nil {
			s.Source = store.Source{Path: source, Row: row}
			encoded, err = encode(calc, s)
		}
		if err == nil {
			err = writeMessage(w, song, encoded)
		} else {
			step, reason := explain(err)
			err = writeMessage(w, failure, text(step+"\x00"+reason))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
