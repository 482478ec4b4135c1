package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"tatum/ingest/direct"
	"tatum/ingest/seqstat"
	"tatum/store"
)

// A job is a run of files on its way through a worker, which is woken once for
// all of them. What comes of them is sent on out in the order of files, and out
// is closed after the last. A file without end was not read.
type job struct {
	files []found
	out   chan []result
}

// A result is a song of a file, what is bad in it, or its end.
type result struct {
	song store.EncodedSong
	bad  *Failure
	end  bool
}

// A worker does jobs, one at a time. It reads the files itself, and leaves those
// that need libhdf5 to a process of its own, which it starts for the first of
// them and replaces when it dies or says nothing for too long.
type worker struct {
	ctx    context.Context
	o      *Options
	reader *direct.Reader
	song   store.Song // the one read last
	calc   seqstat.Calculator
	p      *process // nil when there is none
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
	if err := w.p.stop(); w.ctx.Err() == nil {
		return err
	}
	return nil
}

// do has the files of a job read. They are read here first, so that a process
// gets all that are left to it at once.
func (w *worker) do(j *job) error {
	d := delivery{job: j, known: make([]*result, len(j.files))}
	defer d.send()
	for i, f := range j.files {
		switch {
		case f.bad != nil:
			d.known[i] = &result{bad: f.bad}
		case w.o.Reader == Auto:
			d.known[i] = w.read(f)
		}
		if f.member == nil {
			continue
		}
		if d.known[i] == nil && w.o.Process != nil {
			d.known[i] = f.toFile()
		} else {
			f.member.data = nil
		}
	}
	d.addKnown()
	defer d.release()
	if w.o.Process == nil {
		for d.ended < len(d.files) {
			d.fail(direct.StepOpen, "needs libhdf5, which this build of tatum does not have")
		}
		return nil
	}
	return w.delegate(&d)
}

// read reads a song file. It returns nil for one that needs libhdf5.
func (w *worker) read(f found) *result {
	encoded, err := w.encoded(f)
	switch {
	case err == nil:
		return &result{song: *encoded}
	case errors.Is(err, direct.ErrUnsure):
		return nil
	}
	step, reason := explain(err)
	return &result{bad: &Failure{Path: f.path, Step: step, Reason: reason}}
}

// encoded returns the song of a file, ready to be stored. A file that makes this
// panic is left to the process, where that costs no other file.
func (w *worker) encoded(f found) (_ *store.EncodedSong, err error) {
	defer func() {
		if p := recover(); p != nil {
			w.reader, w.calc = new(direct.Reader), seqstat.Calculator{}
			err = fmt.Errorf("%w: panic: %v", direct.ErrUnsure, p)
		}
	}()
	switch m := f.member; {
	case m == nil:
		err = w.reader.ReadTo(&w.song, f.path, f.arrays)
	case m.temp != "":
		err = w.reader.ReadTo(&w.song, m.temp, f.arrays)
	default:
		err = w.reader.ReadFrom(&w.song, bytes.NewReader(m.data), f.size, f.path, f.arrays)
	}
	if err != nil {
		return nil, err
	}
	w.song.Source = store.Source{Path: f.path}
	return encode(&w.calc, &w.song)
}

// encode returns a song with its vectors, ready to be stored.
func encode(calc *seqstat.Calculator, s *store.Song) (*store.EncodedSong, error) {
	vectors, err := calc.Vectors(&s.Arrays)
	if err != nil {
		return nil, fmt.Errorf("track %s: %w", s.ID, err)
	}
	return store.EncodeSong(s, vectors), nil
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

// delegate has the files that are not known read by the process. When it dies,
// what it had finished may have died with it, and which file it was at is not
// known: so those left are read again, each on its own.
func (w *worker) delegate(d *delivery) error {
	for n := len(d.files); d.ended < len(d.files); {
		if w.p == nil {
			var err error
			if w.p, err = startProcess(w.o); err != nil {
				if d.passed > 0 { // no song is stored without its file
					d.fail(stepWorker, err.Error())
				}
				return err
			}
		}
		stop := w.p.killAfter(w.ctx)
		reason := w.p.watch(func(t *time.Timer) error { return w.p.read(d, n, t) })
		stop()
		if reason == "" {
			continue
		}
		w.p = nil
		if w.ctx.Err() != nil {
			return nil // a file without end was not read
		}
		if n == 1 {
			d.fail(stepWorker, reason)
		}
		n = 1
	}
	return nil
}

// stepWorker is the step of a file that no process survives.
const stepWorker = "worker"

// A delivery passes on what comes of a job.
type delivery struct {
	*job
	known   []*result // of each file, what came of it here; nil when libhdf5 is to read it
	ended   int       // files that have
	passed  int       // results of the file after those
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
		d.addKnown()
	}
}

// addKnown adds what is known of the next files.
func (d *delivery) addKnown() {
	for d.ended < len(d.files) && d.known[d.ended] != nil {
		r := d.known[d.ended]
		d.waiting = append(d.waiting, *r, result{end: true})
		d.size += r.song.Size()
		d.ended++
	}
}

// fail ends the file that is next.
func (d *delivery) fail(step, reason string) {
	d.add(result{bad: &Failure{Path: d.files[d.ended].path, Step: step, Reason: reason}})
	d.add(result{end: true})
}

// release removes the temporary files of members of archives.
func (d *delivery) release() {
	for _, f := range d.files {
		if f.member != nil {
			f.member.release()
		}
	}
}

func (d *delivery) send() {
	if len(d.waiting) > 0 {
		d.out <- d.waiting
		d.waiting, d.size = nil, 0
	}
}
