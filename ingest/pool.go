package ingest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"tatum/store"
)

// A job is one file on its way through a worker. Its results come on out, which
// is closed after the last.
type job struct {
	file      found
	extras    bool
	out       chan result
	abandoned bool // no worker could be started; set before out is closed
}

// A result is a song of a file, or what is bad in it.
type result struct {
	song store.EncodedSong
	bad  *Failure
}

// A process is a running worker.
type process struct {
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	stdout  *bufio.Reader
	stderr  *head
	timeout time.Duration // how long it may be silent
}

// startTimeout is how long a worker may take to answer for the first time; a
// variable for tests.
var startTimeout = DefaultTimeout

// startProcess starts a worker and waits until it answers, so that a program
// that cannot run is not blamed on the files it was to read.
func startProcess(argv []string, timeout time.Duration) (*process, error) {
	p := &process{cmd: exec.Command(argv[0], argv[1:]...), stderr: new(head), timeout: startTimeout}
	// No file may name a filter library to load, nor does reading need a lock
	// on it. There is one goroutine; its songs are short-lived and small, so that
	// the collector need not come as often as by default.
	p.cmd.Env = append(os.Environ(), "HDF5_PLUGIN_PRELOAD=::", "HDF5_USE_FILE_LOCKING=FALSE", "GOMAXPROCS=1", "GOGC=400")
	p.cmd.Stderr = p.stderr
	// Ctrl-C is for the parent, which lets its workers finish.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
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
	p.timeout = timeout
	return p, nil
}

// kill ends the process, if it has not ended by itself.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // an error says that it has
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

// runWorker does jobs, one at a time, in a process that it replaces when it
// dies or says nothing for longer than timeout. It returns an error only when
// no process can be started; the rest is in the jobs' results.
func runWorker(argv []string, timeout time.Duration, jobs <-chan *job) error {
	var p *process
	for j := range jobs {
		if p == nil {
			var err error
			if p, err = startProcess(argv, timeout); err != nil {
				j.abandoned = true
				close(j.out)
				return err
			}
		}
		if reason := p.do(j); reason != "" {
			j.out <- result{bad: &Failure{Path: j.file.path, Step: "worker", Reason: reason}}
			p = nil
		}
		close(j.out)
	}
	if p == nil {
		return nil
	}
	return p.stop()
}

// do sends the job's file to the process and passes on what it answers. If the
// process does not survive, do says why.
func (p *process) do(j *job) (reason string) {
	return p.watch(func(timer *time.Timer) error { return p.exchange(j, timer) })
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

func (p *process) exchange(j *job, timer *time.Timer) error {
	what := readFeatures
	if j.extras {
		what = readAll
	}
	if err := writeMessage(p.stdin, what, []byte(j.file.path)); err != nil {
		return err
	}
	for {
		m, err := readMessage(p.stdout)
		if err != nil {
			return err
		}
		var r result
		switch m.kind {
		case done:
			return nil
		case song:
			if err := r.song.UnmarshalBinary(m.body); err != nil {
				return err
			}
		case failure:
			step, reason, _ := strings.Cut(string(m.body), "\x00")
			r.bad = &Failure{Path: j.file.path, Step: step, Reason: reason}
		default:
			return errUnknownMessage
		}
		// The process is not to blame for how long it takes to be heard.
		timer.Stop()
		j.out <- r
		timer.Reset(p.timeout)
	}
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
