package ingest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// A process is one that runs [Work]: files that need libhdf5 are read apart from
// the ingest, since a damaged one can crash libhdf5 or make it hang.
type process struct {
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	stdout  *bufio.Reader
	stderr  *head
	timeout time.Duration // how long it may be silent
}

// startProcess starts a process and waits until it answers, so that a program
// that cannot run is not blamed on the files it was to read.
func startProcess(o *Options) (*process, error) {
	p := &process{cmd: exec.Command(o.Process[0], o.Process[1:]...), stderr: new(head), timeout: o.StartTimeout}
	// No file may name a filter library to load, nor does reading need a lock
	// on it. There is one goroutine; its songs are short-lived and small, so that
	// the collector need not come as often as by default.
	p.cmd.Env = append(os.Environ(), "HDF5_PLUGIN_PRELOAD=::", "HDF5_USE_FILE_LOCKING=FALSE", "GOMAXPROCS=1", "GOGC=400")
	p.cmd.Stderr = p.stderr
	// Ctrl-C is for the parent, which lets its processes finish.
	p.cmd.SysProcAttr = ownGroup
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.stdout = bufio.NewReaderSize(stdout, pipeBuffer)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	reason := p.watch(func(*time.Timer) error {
		m, err := readMessage(p.stdout)
		if err == nil && m.kind != done {
			err = errUnknownMessage
		}
		return err
	})
	if reason != "" {
		return nil, fmt.Errorf("start worker: %s", reason)
	}
	p.timeout = o.Timeout
	return p, nil
}

// kill ends the process, if it has not ended by itself.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // an error says that it has
}

// killAfter kills the process a while after ctx ends, unless it is stopped: a file
// of many songs takes longer than one who interrupts has to wait.
func (p *process) killAfter(ctx context.Context) (stop func() bool) {
	const patience = 300 * time.Millisecond
	return context.AfterFunc(ctx, func() {
		time.Sleep(patience)
		p.kill()
	})
}

// end waits for the process to end, which has closed its output, and returns
// how it ended.
func (p *process) end() string {
	p.stdin.Close()
	timer := time.AfterFunc(p.timeout, p.kill)
	defer timer.Stop()
	how := fmt.Sprint(p.cmd.Wait())
	if line := p.stderr.firstLine(); line != "" {
		how += ": " + line
	}
	return how
}

// stop lets the process end by itself.
func (p *process) stop() error {
	p.stdin.Close()
	return p.cmd.Wait()
}

// watch runs fn, which talks to the process, and kills the process when the
// timer that fn is given runs out. If fn fails, watch says how the process
// ended.
func (p *process) watch(fn func(*time.Timer) error) (reason string) {
	var hung atomic.Bool
	timer := time.AfterFunc(p.timeout, func() {
		hung.Store(true)
		p.kill()
	})
	err := fn(timer)
	timer.Stop()
	switch {
	case err == nil:
		return ""
	case hung.Load():
		p.end()
		return fmt.Sprintf("no answer for %v", p.timeout)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.EPIPE):
		return "reader died: " + p.end()
	default:
		p.kill()
		p.end()
		return fmt.Sprintf("reader gave nonsense: %v", err)
	}
}

var errUnknownMessage = errors.New("unknown message")

// read has the next n files of d that are not known read, and passes on what
// comes.
func (p *process) read(d *delivery, n int, timer *time.Timer) error {
	// The process is not to blame for how long it takes to be heard.
	send := func() {
		timer.Stop()
		d.send()
	}
	defer send()
	stdin := bufio.NewWriter(p.stdin)
	left := 0 // files that the process has not answered
	for i := d.ended; i < len(d.files) && left < n; i++ {
		if d.known[i] == nil {
			left++
			if err := writeMessage(stdin, read, d.files[i].request()); err != nil {
				return err
			}
		}
	}
	if err := stdin.Flush(); err != nil {
		return err
	}
	again := d.passed // results that an earlier process gave of the first file
	for left > 0 {
		// What follows may be long in coming, unless it is here already.
		if p.stdout.Buffered() == 0 || d.size >= pipeBuffer {
			send()
		}
		timer.Reset(p.timeout)
		m, err := readMessage(p.stdout)
		if err != nil {
			return err
		}
		var r result
		switch m.kind {
		case done:
			r.end, again = true, 0
			left--
		case song:
			if err := r.song.UnmarshalBinary(m.body); err != nil {
				return err
			}
		case failure:
			step, reason, _ := strings.Cut(string(m.body), "\x00")
			r.bad = &Failure{Path: d.files[d.ended].path, Step: step, Reason: reason}
		default:
			return errUnknownMessage
		}
		if again > 0 {
			again--
			continue
		}
		d.add(r)
	}
	return nil
}

// A head keeps the first bytes that are written to it: the cause of a crash
// stands above the stack traces.
type head struct{ buf bytes.Buffer }

func (h *head) Write(p []byte) (int, error) {
	const enough = 4096
	h.buf.Write(p[:min(len(p), max(0, enough-h.buf.Len()))])
	return len(p), nil
}

func (h *head) firstLine() string {
	for line := range strings.Lines(h.buf.String()) {
		if line = strings.TrimSpace(line); line != "" {
			return line
		}
	}
	return ""
}
