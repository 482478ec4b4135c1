package ingest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"tatum/ingest/direct"
	"tatum/ingest/msd"
	"tatum/ingest/seqstat"
	"tatum/store"
)

// A worker is a process of its own that reads song files: libhdf5 has one
// global lock, so that threads do not speed it up, and a damaged file can crash
// it or make it hang. The parent writes paths to the worker's standard input,
// several at once; the worker answers each on its standard output with the
// file's songs, ready to be stored, and how it ended. Each message is a kind, a
// length as uint32 and that many bytes.
type message struct {
	kind kind
	body []byte
}

type kind byte

const (
	readFeatures kind = 'f' // to the worker: path of a file whose features to read
	readAll      kind = 'a' // to the worker: path of a file whose arrays to read
	song         kind = 's' // an encoded song
	failure      kind = 'x' // step, 0x00, reason: the file or a song of it is bad
	done         kind = 'd' // the file is read, as far as it could be; or: ready for the first
)

// maxMessage bounds what a damaged length can make the reader allocate; a song
// of a day's length stays far below.
const maxMessage = 1 << 30

// pipeBuffer holds several songs, so that a write wakes the reader once for all.
const pipeBuffer = 64 << 10

// maxSilence is for how long a worker keeps what it has read to itself.
const maxSilence = 100 * time.Millisecond

// messageHead is the length of what stands before a message's body.
const messageHead = 5

func writeMessage(w io.Writer, k kind, body []byte) error {
	m := make([]byte, 0, messageHead+len(body))
	m = binary.LittleEndian.AppendUint32(append(m, byte(k)), uint32(len(body)))
	_, err := w.Write(append(m, body...))
	return err
}

// readMessage returns the next message, io.EOF when there are no more.
func readMessage(r io.Reader) (message, error) {
	var head [messageHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return message{}, err
	}
	n := binary.LittleEndian.Uint32(head[1:])
	if n > maxMessage {
		return message{}, fmt.Errorf("message of %d bytes", n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return message{}, io.ErrUnexpectedEOF
	}
	return message{kind(head[0]), body}, nil
}

// Work is the worker process: it reads the files named on r and answers on w
// until r ends.
func Work(r io.Reader, w io.Writer) error {
	if err := limitMemory(); err != nil {
		return err
	}
	in, out := bufio.NewReader(r), bufio.NewWriterSize(w, pipeBuffer)
	if err := errors.Join(writeMessage(out, done, nil), out.Flush()); err != nil {
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
		err = errors.Join(
			readSongs(out, &calc, string(m.body), arraysOf(m.kind)),
			writeMessage(out, done, nil))
		// The parent is woken when it has to say what is next, or has not heard
		// for long.
		if in.Buffered() == 0 || time.Since(flushed) > maxSilence {
			err = errors.Join(err, out.Flush())
			flushed = time.Now()
		}
		if err != nil {
			return fmt.Errorf("write to parent: %w", err)
		}
	}
}

func arraysOf(k kind) direct.Arrays {
	if k == readAll {
		return direct.All
	}
	return direct.Features
}

// readSongs writes the songs of one file, and what is bad in it. The error is
// one of writing.
func readSongs(w io.Writer, calc *seqstat.Calculator, path string, arrays direct.Arrays) error {
	next := uint32(0)
	for s, err := range msd.Songs(path, arrays) {
		row := next
		next++
		if err == nil {
			s.Source = store.Source{Path: path, Row: row}
			var vectors *[store.NumFeatures]store.Vector
			if vectors, err = calc.Vectors(&s.Arrays); err == nil {
				if err := writeSong(w, s, vectors); err != nil {
					return err
				}
				continue
			}
			err = fmt.Errorf("track %s: %w", s.ID, err)
		}
		step, reason := explain(err)
		if err := writeMessage(w, failure, []byte(step+"\x00"+reason)); err != nil {
			return err
		}
	}
	return nil
}

// explain returns the step that failed and the reason, without the path.
func explain(err error) (step, reason string) {
	var bad *direct.Error
	switch {
	case !errors.As(err, &bad):
		return "compute", err.Error()
	case bad.Dataset == "":
		return bad.Step, bad.Err.Error()
	default:
		return bad.Step, fmt.Sprintf("dataset %s: %v", bad.Dataset, bad.Err)
	}
}

func writeSong(w io.Writer, s *store.Song, vectors *[store.NumFeatures]store.Vector) error {
	encoded, err := store.EncodeSong(s, vectors).AppendBinary(nil)
	if err != nil {
		return err
	}
	return writeMessage(w, song, encoded)
}
