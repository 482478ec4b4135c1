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

// A job is a run of files on its way through a worker, which is woken once for
// all of them. What comes of them is sent on out in the order of files, and out
// is closed after the last. A file without end was not read.
type job struct {
	files  []found
	extras bool
	out    chan []result
}

// A result is a song of a file, what is bad in it, or its end.
type result struct {
	song store.EncodedSong
	bad  *Failure
	end  bool
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

// A worker does jobs, one at a time, in a process that it replaces when it dies
// or says nothing for longer than timeout.
type worker struct {
	argv    []string
	timeout time.Duration
	p       *process // nil when there is none
}

// run does jobs until there are no more. It returns an error only when no
// process can be started; the rest is in the jobs' results.
func (w *worker) run(jobs <-chan *job) error {
	for j := range jobs {
		err := w.do(j)
		close(j.out)
		if err != nil {
			return err
		}
	}
	if w.p == nil {
		return nil
	}
	return w.p.stop()
}

// do has the files of a job read. When the process dies, what it had finished
// may have died with it, and which file it was at is not known: so those left
// are read again, each on its own.
func (w *worker) do(j *job) error {
	d := delivery{job: j}
	for n := len(j.files); d.ended < len(j.files); {
		if w.p == nil {
			var err error
			if w.p, err = startProcess(w.argv, w.timeout); err != nil {
				if d.passed > 0 { // no song is stored without its file
					d.fail(err.Error())
				}
				return err
			}
		}
		reason := w.p.watch(func(t *time.Timer) error { return w.p.read(&d, n, t) })
		if reason == "" {
			continue
		}
		w.p = nil
		if n == 1 {
			d.fail(reason)
		}
		n = 1
	}
	return nil
}

// A delivery passes on what comes of a job.
type delivery struct {
	*job
	ended   int // files that have
	passed  int // results of the file after those
	waiting []result
	size    int // of the songs that wait, bytes
}

func (d *delivery) add(r result) {
	d.waiting = append(d.waiting, r)
	d.size += r.song.Size()
	d.passed++
	if r.end {
		d.ended++
		d.passed = 0
	}
}

// fail ends the file that no process survives.
func (d *delivery) fail(reason string) {
	d.add(result{bad: &Failure{Path: d.files[d.ended].path, Step: "worker", Reason: reason}})
	d.add(result{end: true})
	d.send()
}

func (d *delivery) send() {
	if len(d.waiting) > 0 {
		d.out <- d.waiting
		d.waiting, d.size = nil, 0
	}
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

// read has the next n files of d read, and passes on what comes.
func (p *process) read(d *delivery, n int, timer *time.Timer) error {
	// The process is not to blame for how long it takes to be heard.
	send := func() {
		timer.Stop()
		d.send()
	}
	defer send()
	what := readFeatures
	if d.extras {
		what = readAll
	}
	var paths bytes.Buffer
	for _, f := range d.files[d.ended : d.ended+n] {
		_ = writeMessage(&paths, what, []byte(f.path)) // a buffer takes all
	}
	if _, err := p.stdin.Write(paths.Bytes()); err != nil {
		return err
	}
	again := d.passed // results that an earlier process gave of the first file
	for end := d.ended + n; d.ended < end; {
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
