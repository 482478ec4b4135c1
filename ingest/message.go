package ingest

import (
	"bufio"
	"encoding"
	"encoding/binary"
	"fmt"
	"io"
)

// The parent writes paths to a process's standard input, several at once. The
// process answers each on its standard output with the file's songs, ready to be
// stored, and that the file is done. Each message is a kind, a length as uint32
// and that many bytes.
type message struct {
	kind kind
	body []byte
}

type kind byte

const (
	read    kind = 'r' // to the process: a store.ArraySet, the path of a file to read; then, if that is not the one to record, 0x00 and that one
	song    kind = 's' // an encoded song
	failure kind = 'x' // step, 0x00, reason: the file or a song of it is bad
	done    kind = 'd' // the file is read, as far as it could be; or: ready for the first
)

// maxMessage bounds what a damaged length can make the reader allocate; a song
// of a day's length stays far below.
const maxMessage = 1 << 30

// pipeBuffer holds several songs, so that a write wakes the reader once for all.
const pipeBuffer = 64 << 10

// messageHead is the length of what stands before a message's body.
const messageHead = 5

// A text is a message's body that is text.
type text string

// AppendBinary appends the text to b.
func (t text) AppendBinary(b []byte) ([]byte, error) { return append(b, t...), nil }

// writeMessage writes a message. It is put together in w's own buffer.
func writeMessage(w *bufio.Writer, k kind, body encoding.BinaryAppender) error {
	b := append(w.AvailableBuffer(), byte(k), 0, 0, 0, 0)
	b, err := body.AppendBinary(b)
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(b[1:], uint32(len(b)-messageHead))
	_, err = w.Write(b)
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
