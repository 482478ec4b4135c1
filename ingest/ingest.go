// Package ingest turns song files into stored tracks: it finds the files, has
// workers read them and compute their stat vectors, and saves what comes back in
// batches. Reading HDF5 is left to package direct and, in processes apart, to
// msd; the statistics to seqstat, the file format to store.
package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"tatum/ingest/direct"
	"tatum/store"
)

const (
	// DefaultTimeout is how long a process may be silent before the file it
	// reads is given up; twice as long when it was given several.
	DefaultTimeout = time.Minute

	// MaxWorkers is how many workers there are at most.
	MaxWorkers = 1024

	// A job has this many files at most, and if it has more than one, of so many
	// bytes, with paths of so many: the least that a pipe holds.
	jobFiles = 8
	jobBytes = 8 << 20
	jobPaths = 4 << 10

	// maxQueued is how many jobs may be read ahead of the one being saved, and
	// maxWaiting how many pieces of each, of pipeBuffer bytes or one song.
	maxQueued  = 64
	maxWaiting = 16

	// maxArchives is how many archives are read at once, at most. It is no number
	// of workers: the order in which songs are taken in depends on it.
	maxArchives = 8

	// gcPercent is how much the heap grows between collections, in per cent.
	// Songs are short-lived. Measured on 10,000 of them, 200 takes a twentieth
	// less time than 100, and 150 MB with the features, 260 MB with all arrays;
	// more gains nothing, and 800 takes 650 MB.
	gcPercent = 200

	// A batch is saved when it has this many songs or bytes, or when its first
	// song has waited this long.
	batchSongs = 1024
	batchBytes = 16 << 20
	batchAge   = time.Second
)

// A Reader says what song files are read with.
type Reader uint8

// The readers.
const (
	Auto    Reader = iota // package direct, and libhdf5 for what that leaves to it
	LibHDF5               // libhdf5 alone
)

// ReaderNames lists the names that [ParseReader] knows.
var ReaderNames = []string{"auto", "libhdf5"}

// ParseReader returns the reader called name, such as "auto".
func ParseReader(name string) (Reader, error) {
	if i := slices.Index(ReaderNames, name); i >= 0 {
		return Reader(i), nil
	}
	return 0, fmt.Errorf("no reader %q: want %s", name, strings.Join(ReaderNames, " or "))
}

// String returns the reader's name.
func (r Reader) String() string { return ReaderNames[r] }

// Options says what to ingest and how. Paths must be set.
type Options struct {
	Paths  []string       // files, directories and archives
	Stdin  io.Reader      // if set, an archive to be read from it; see [Stdin]
	As     string         // if set, the directory that the songs of archives are recorded under
	Arrays store.ArraySet // which to keep
	Reader Reader
	Force  bool // read unchanged files too
	Prune  bool // forget files under Paths that are gone, with their tracks
	// MaxPrune is how many tracks pruning may forget, below 0 none. 0 means a tenth
	// of those under Paths, and at least 10.
	MaxPrune int

	DryRun  bool          // read and report, write nothing
	Workers int           // files read at once, at most MaxWorkers; 0 means one
	Wait    time.Duration // how long to wait for another writer of the store

	// Process is the command of a process that runs [Work]. Each worker starts
	// one when it meets the first file that needs libhdf5. Without a command
	// those files are bad.
	Process      []string
	StartTimeout time.Duration // for its first answer; 0 means DefaultTimeout
	Timeout      time.Duration // for what it says of a file; 0 means DefaultTimeout

	// Progress, if set, is called after each file.
	Progress func(Progress)
}

// Progress is how far an ingest has come.
type Progress struct {
	Done, Total int // files, unchanged ones left out; 0 in all while that is not known
	Bad         int // files of those done
}

// A Summary counts what an ingest did.
type Summary struct {
	Added      int // songs
	Replaced   int // songs
	Pruned     int // songs, of those removed
	Removed    []store.Removal
	New        int // files read for the first time
	Changed    int // files read again
	Unchanged  int // files left alone
	Duplicates []store.Duplicate
	Bad        []Failure // files and directories that could not be read, by path
}

// A Failure says why a file or directory could not be read.
type Failure struct {
	Path   string
	Step   string
	Reason string
}

// Run ingests into the store at path db, which it makes if there is none. Bad
// files are listed in the summary and are no error. When ctx ends, Run saves
// what has been read and returns the summary with ctx's error; the same call
// goes on from there. It returns store.ErrLocked while another process writes.
// While it runs, the garbage collector of the whole process comes less often.
func Run(ctx context.Context, db string, o Options) (*Summary, error) {
	in := &ingester{o: o, lost: make(map[loss]bool)}
	in.o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	in.o.StartTimeout = cmp.Or(o.StartTimeout, DefaultTimeout)
	in.o.Workers = min(max(1, o.Workers), MaxWorkers)
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	files, archives, failures := find(ctx, o.Paths)
	if err := ctx.Err(); err != nil {
		return &in.sum, err
	}
	in.sum.Bad = failures
	in.quarantine(failures)
	defer in.tidy()
	if o.Stdin != nil {
		archives = append(archives, &archive{path: Stdin, root: Stdin})
		in.virtual = Stdin
	}
	if o.As != "" {
		in.virtual = o.As
		for _, a := range archives {
			a.root, a.own = o.As, false
		}
	}
	in.rehearsal = store.NewRehearsal(db)
	in.batch.Look = in.look
	if o.DryRun {
		return &in.sum, in.run(ctx, files, archives)
	}
	if _, err := os.Stat(db); errors.Is(err, fs.ErrNotExist) && len(files)+len(archives)+len(in.batch.Files) == 0 {
		return &in.sum, nil // no store for nothing
	}
	var err error
	if in.w, err = store.CreateWriter(ctx, db, o.Wait); err != nil {
		return nil, err
	}
	return &in.sum, errors.Join(in.run(ctx, files, archives), in.w.Close())
}

// An ingester is the state of one Run.
type ingester struct {
	o         Options
	w         *store.Writer    // nil in a dry run
	rehearsal *store.Rehearsal // of a dry run; nothing is put into it otherwise
	sum       Summary

	virtual string          // below which songs are recorded that need not be there
	missing map[string]bool // files that are in their archives no more
	lost    map[loss]bool   // by files that have been read again

	counting sync.Mutex // of New, Changed and Unchanged, while archives are read

	batch      store.Batch
	batchSize  int              // bytes
	batchBegun time.Time        // when its first song came
	batchFiles map[string]found // those with songs in it
}

// tidy puts the summary in order. A duplicate may have been met twice, or in a file
// that turned out to have the song no longer.
func (in *ingester) tidy() {
	slices.SortStableFunc(in.sum.Bad, func(a, b Failure) int { return cmp.Compare(a.Path, b.Path) })
	met := make(map[store.Duplicate]bool)
	in.sum.Duplicates = slices.DeleteFunc(in.sum.Duplicates, func(d store.Duplicate) bool {
		known := met[d] && d.Path != d.Kept // a file may have a song three times
		met[d] = true
		return known || in.lost[loss{d.Path, d.ID}]
	})
}

// view calls fn with the store opened for reading, nil in a dry run without one.
func (in *ingester) view(fn func(db *store.DB) error) error {
	if in.w == nil {
		return in.rehearsal.View(fn)
	}
	return in.w.View(fn)
}

func (in *ingester) run(ctx context.Context, files []found, archives []*archive) error {
	var outdated []string // what the store remembers and does not hold any more
	err := in.view(func(db *store.DB) (err error) {
		if files, err = in.pending(db, files); err != nil {
			return err
		}
		if archives, err = in.pendingArchives(db, archives); err != nil {
			return err
		}
		outdated, err = in.outdated(db)
		return err
	})
	for _, a := range archives {
		if a.own { // before a member of it may turn out to be bad
			outdated = append(outdated, a.path)
		}
	}
	if err == nil && in.w != nil && len(outdated) > 0 {
		_, err = in.w.Forget(outdated)
	}
	if err == nil {
		err = in.read(ctx, files, archives)
	}
	if err != nil || !in.o.Prune {
		return err
	}
	return in.prune()
}

// quarantine adds what cannot be looked into, although it is there or may be, to the
// first batch.
func (in *ingester) quarantine(failures []Failure) {
	for _, f := range failures {
		if _, err := os.Lstat(f.Path); err == nil || errors.Is(err, fs.ErrPermission) {
			bad := &store.Failure{Step: f.Step, Reason: f.Reason, Time: time.Now()}
			in.batch.Files = append(in.batch.Files, store.File{Path: f.Path, Bad: bad})
		}
	}
}

// outdated returns the paths of directories that the store remembers as ones that
// could not be looked into, and that now could.
func (in *ingester) outdated(db *store.DB) (paths []string, err error) {
	if db == nil {
		return nil, nil
	}
	if state, err := db.State(); err != nil || state.BadFiles == 0 {
		return nil, err
	}
	roots, err := in.roots()
	if err != nil {
		return nil, err
	}
	still := make(map[string]bool)
	for _, f := range in.batch.Files {
		still[f.Path] = true
	}
	err = filesUnder(db, roots, func(f *store.File) {
		if f.Bad == nil || f.Bad.Step != stepFind || len(f.Tracks) > 0 || still[f.Path] {
			return
		}
		if info, err := os.Stat(f.Path); err == nil && info.IsDir() {
			paths = append(paths, f.Path)
		}
	})
	return paths, err
}

// pending returns the files that have to be read.
func (in *ingester) pending(db *store.DB, files []found) ([]found, error) {
	var pending []found
	for _, f := range files {
		var known *store.File
		var err error
		if db != nil {
			known, err = db.File(f.path)
		}
		if err != nil {
			return nil, err
		}
		if in.isPending(&f, known) {
			pending = append(pending, f)
		}
	}
	return pending, nil
}

// isPending counts a file, of which the store knows what is given, and reports
// whether it has to be read.
func (in *ingester) isPending(f *found, known *store.File) bool {
	in.counting.Lock()
	defer in.counting.Unlock()
	f.arrays = in.o.Arrays
	if known != nil {
		f.arrays, f.was = max(f.arrays, known.Arrays), known.Tracks
	}
	switch {
	case known == nil:
		in.sum.New++
	case in.o.Force || !known.Unchanged(f.size, f.modTime, in.o.Arrays):
		in.sum.Changed++
	default:
		in.sum.Unchanged++
		return false
	}
	return true
}

// pendingArchives returns the archives that have to be read, with what the store
// knows of their members.
func (in *ingester) pendingArchives(db *store.DB, archives []*archive) ([]*archive, error) {
	var pending []*archive
	under := make(map[string]map[string]*store.File) // by root
	for _, a := range archives {
		if db == nil {
			pending = append(pending, a)
			continue
		}
		known, err := db.File(a.path)
		if err != nil {
			return nil, err
		}
		if under[a.root] == nil {
			under[a.root] = make(map[string]*store.File)
			for f, err := range db.FilesUnder(a.join("")) {
				if err != nil {
					return nil, err
				}
				under[a.root][f.Path] = f
			}
		}
		if a.own && known != nil && known.Archive && !in.o.Force && known.Unchanged(a.size, a.modTime, in.o.Arrays) {
			in.sum.Unchanged += len(under[a.root])
			continue
		}
		a.known = under[a.root]
		pending = append(pending, a)
	}
	return pending, nil
}

// read has the files and the members of archives read by workers. It takes in
// the results of files in the order of paths, and after them those of archives,
// each in its own order, whichever worker is first. When ctx ends, the workers finish the jobs
// they are at.
func (in *ingester) read(ctx context.Context, files []found, archives []*archive) error {
	g, stop := errgroup.WithContext(ctx)
	q := &jobs{work: make(chan *job), queue: make(chan *job, maxQueued)}
	workers := in.o.Workers
	if len(archives) == 0 {
		workers = min(workers, max(1, len(files)))
	}
	for range workers {
		w := worker{ctx: ctx, o: &in.o, reader: new(direct.Reader)}
		g.Go(func() error { return w.run(q.work) })
	}
	g.Go(func() error {
		defer close(q.queue)
		defer close(q.work)
		return in.send(stop, q, files, archives)
	})
	total := len(files)
	if len(archives) > 0 {
		total = 0
	}
	g.Go(func() error { return in.takeAll(q.queue, total) })
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// jobs are on their way to the workers, and in the same order to where what
// comes of them is taken in.
type jobs struct {
	work, queue chan *job
}

// send passes files on. It returns an error when ctx has ended.
func (q *jobs) send(ctx context.Context, files []found) error {
	j := &job{files: files, out: make(chan []result, maxWaiting)}
	select {
	case q.work <- j:
		q.queue <- j
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sendEnd passes the end of an archive on, for which no worker is needed.
func (q *jobs) sendEnd(end found) {
	j := &job{files: []found{end}, out: make(chan []result, 2)}
	if end.bad != nil {
		j.out <- []result{{bad: end.bad}}
	}
	j.out <- []result{{end: true}}
	close(j.out)
	q.queue <- j
}

// send makes jobs of files, and after those of archives. Archives are read beside
// each other, and give a job each in turn: in which order songs are taken in does
// not depend on which archive is read faster, nor on the workers. But where they
// are recorded as parts of one directory they are read one after the other, as
// they would be unpacked: of members with one name the last one counts.
func (in *ingester) send(ctx context.Context, q *jobs, files []found, archives []*archive) error {
	g, ctx := errgroup.WithContext(ctx)
	together := 1
	if in.o.As != "" {
		together = max(1, len(archives))
	}
	part, stop := iter.Pull(slices.Chunk(archives, together))
	g.Go(func() error {
		defer stop()
		next := func() <-chan []found {
			archives, more := part()
			if !more {
				return nil
			}
			jobs := make(chan []found, 1)
			g.Go(func() error { return in.readArchives(ctx, archives, jobs) })
			return jobs
		}
		var turn []<-chan []found
		for len(turn) < maxArchives {
			jobs := next()
			if jobs == nil {
				break
			}
			turn = append(turn, jobs)
		}
		for len(files) > 0 {
			n := jobLen(files, in.o.Workers)
			if err := q.send(ctx, files[:n]); err != nil {
				return err
			}
			files = files[n:]
		}
		for len(turn) > 0 {
			jobs := turn[0]
			turn = turn[1:]
			files, more := <-jobs
			if !more {
				if jobs = next(); jobs != nil {
					turn = append(turn, jobs)
				}
				continue
			}
			turn = append(turn, jobs)
			if files[0].end != nil {
				q.sendEnd(files[0])
			} else if err := q.send(ctx, files); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// readArchives passes on what makes jobs of the members of archives, and the end
// of each archive.
func (in *ingester) readArchives(ctx context.Context, archives []*archive, jobs chan<- []found) error {
	defer close(jobs)
	for _, a := range archives {
		if err := in.readArchive(ctx, a, jobs); err != nil {
			return err
		}
	}
	return nil
}

func (in *ingester) readArchive(ctx context.Context, a *archive, jobs chan<- []found) error {
	var files []found
	var size jobSize
	flush := func() error {
		if len(files) == 0 {
			return nil
		}
		select {
		case jobs <- files:
			files, size = nil, jobSize{}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return in.stream(ctx, a, func(f found) error {
		if f.end != nil || !size.add(&f) {
			if err := flush(); err != nil {
				return err
			}
			size.add(&f)
		}
		files = append(files, f)
		if f.end != nil {
			return flush()
		}
		return nil
	})
}

// A jobSize is that of the files of a job.
type jobSize struct{ files, bytes, paths int }

// add adds a file, unless that makes the job too large.
func (s *jobSize) add(f *found) bool {
	const temp = 64 // about as long as the path of a temporary file
	more := jobSize{s.files + 1, s.bytes + int(f.size), s.paths + messageHead + 1 + len(f.path) + temp}
	if s.files > 0 && (more.files > jobFiles || more.bytes > jobBytes || more.paths > jobPaths) {
		return false
	}
	*s = more
	return true
}

// jobLen returns how many of the first files make a job. Few files are shared
// by all workers.
func jobLen(files []found, workers int) int {
	most := min(jobFiles, max(1, len(files)/(2*workers)))
	var size jobSize
	n := 0
	for n < most && size.add(&files[n]) {
		n++
	}
	return n
}

// takeAll takes in jobs until there are no more.
func (in *ingester) takeAll(queue <-chan *job, total int) error {
	progress := Progress{Total: total}
	for j := range queue {
		if err := in.take(j, &progress); err != nil {
			go drain(j, queue) // so that no worker waits for ever
			return err
		}
	}
	return in.save()
}

func drain(j *job, queue <-chan *job) {
	for ok := true; ok; j, ok = <-queue {
		for range j.out {
		}
	}
}

// take adds the files of a job with their songs to the batch, and saves batches
// as they fill.
func (in *ingester) take(j *job, progress *Progress) error {
	files := j.files
	var f intake
	for results := range j.out {
		for _, r := range results {
			if !r.end {
				if err := in.takeResult(&f, files[0], r); err != nil {
					return err
				}
				continue
			}
			if err := in.endFile(&f, files[0]); err != nil {
				return err
			}
			if files[0].end == nil {
				progress.Done++
			}
			if len(f.failures) > 0 {
				progress.Bad++
			}
			if in.o.Progress != nil {
				in.o.Progress(*progress)
			}
			files, f = files[1:], intake{}
		}
	}
	return nil
}

// An intake is what has come of a file so far.
type intake struct {
	tracks   []store.TrackID
	seen     map[store.TrackID]bool
	failures []*Failure
}

// takeResult takes in a song of the file, or what is bad in it.
func (in *ingester) takeResult(f *intake, file found, r result) error {
	if r.bad != nil {
		f.failures = append(f.failures, r.bad)
		return nil
	}
	id := r.song.ID
	if f.seen[id] {
		in.sum.Duplicates = append(in.sum.Duplicates, store.Duplicate{ID: id, Path: file.path, Kept: file.path})
		return nil
	}
	if f.seen == nil {
		f.seen = make(map[store.TrackID]bool)
	}
	f.seen[id] = true
	f.tracks = append(f.tracks, id)
	if in.batchFiles == nil {
		in.batchFiles = make(map[string]found)
	}
	in.batchFiles[file.path] = file
	return in.add(r.song)
}

// endFile adds the record of a file to the batch. That of an archive tells that
// all of its members have one, and no others: what is gone can still be pruned.
func (in *ingester) endFile(f *intake, file found) error {
	record := store.File{Path: file.path, Size: file.size, ModTime: file.modTime, Arrays: file.arrays, Tracks: f.tracks, Archive: file.end != nil}
	for _, id := range file.was {
		if len(f.failures) == 0 && !f.seen[id] {
			in.lost[loss{file.path, id}] = true
		}
	}
	if len(f.failures) > 0 {
		bad := *f.failures[0]
		if n := len(f.failures) - 1; n > 0 {
			bad.Reason += fmt.Sprintf(" (and %d more songs of the file)", n)
		}
		in.sum.Bad = append(in.sum.Bad, bad)
		record.Bad = &store.Failure{Step: bad.Step, Reason: bad.Reason, Time: time.Now()}
		if file.member != nil {
			file.member.archive.unread++
		}
	}
	if a := file.end; a != nil && a.own && record.Bad == nil {
		if in.missing == nil {
			in.missing = make(map[string]bool)
		}
		for path := range a.known {
			in.missing[path] = true
		}
	}
	if a := file.end; a != nil && (!a.own || record.Bad == nil && a.unread+len(a.known) > 0) {
		return nil
	}
	in.batch.Files = append(in.batch.Files, record)
	return in.saveIfDue()
}

func (in *ingester) add(s store.EncodedSong) error {
	if len(in.batch.Songs) == 0 {
		in.batchBegun = time.Now()
	}
	in.batch.Songs = append(in.batch.Songs, s)
	in.batchSize += s.Size()
	return in.saveIfDue()
}

func (in *ingester) saveIfDue() error {
	n := max(len(in.batch.Songs), len(in.batch.Files))
	if n < batchSongs && in.batchSize < batchBytes && (len(in.batch.Songs) == 0 || time.Since(in.batchBegun) < batchAge) {
		return nil
	}
	return in.save()
}

// save writes the batch.
func (in *ingester) save() error {
	put := in.rehearsal.Put
	if in.w != nil {
		put = in.w.Put
	}
	for len(in.batch.Songs)+len(in.batch.Files) > 0 {
		out, err := put(in.batch)
		if err != nil {
			return err
		}
		if len(out.Short) > 0 {
			if err := in.complete(out.Short); err != nil {
				return err
			}
			continue
		}
		in.sum.Added += out.Added
		in.sum.Replaced += out.Replaced
		in.sum.Duplicates = append(in.sum.Duplicates, out.Duplicates...)
		in.sum.Removed = append(in.sum.Removed, out.Removed...)
		break
	}
	in.batch = store.Batch{Look: in.batch.Look}
	in.batchSize, in.batchFiles = 0, nil
	return nil
}

// complete has the files at the paths, which have songs in the batch, read again
// for all arrays. What is in an archive has gone by: it is left to the next
// ingest.
func (in *ingester) complete(paths []string) error {
	slices.Sort(paths)
	for _, path := range slices.Compact(paths) {
		f := in.batchFiles[path]
		f.arrays = store.AllArrays
		var results []result
		if f.member == nil {
			var err error
			if results, err = in.readOne(f); err != nil {
				return err
			}
		} else {
			results = []result{{bad: &Failure{Path: path, Step: "store", Reason: "its track is stored with all arrays, this is another song: ingest it again"}}}
		}
		in.replace(f, results)
	}
	return nil
}

// readOne has a file read, and nothing meanwhile.
func (in *ingester) readOne(f found) (all []result, err error) {
	w := worker{ctx: context.Background(), o: &in.o, reader: new(direct.Reader)}
	work, j := make(chan *job, 1), &job{files: []found{f}, out: make(chan []result, maxWaiting)}
	work <- j
	close(work)
	ended := make(chan error, 1)
	go func() { ended <- w.run(work) }()
	for results := range j.out {
		all = append(all, results...)
	}
	return all, <-ended
}

// replace puts what came of reading a file again in the place of its songs in the
// batch.
func (in *ingester) replace(f found, results []result) {
	songs := make(map[store.TrackID]store.EncodedSong)
	var bad *Failure
	for _, r := range results {
		if r.bad != nil {
			bad = r.bad
		} else if _, again := songs[r.song.ID]; !r.end && !again {
			songs[r.song.ID] = r.song
		}
	}
	var kept []store.EncodedSong
	for _, s := range in.batch.Songs {
		if s.Path() == f.path {
			s = songs[s.ID]
		}
		if s.ID != "" {
			kept = append(kept, s)
		}
	}
	in.batch.Songs = kept
	if bad == nil {
		return
	}
	in.sum.Bad = append(in.sum.Bad, *bad)
	record := store.File{Path: f.path, Size: f.size, ModTime: f.modTime, Arrays: f.arrays,
		Bad: &store.Failure{Step: bad.Step, Reason: bad.Reason, Time: time.Now()}}
	in.batch.Files = append(slices.DeleteFunc(in.batch.Files, func(other store.File) bool {
		return other.Path == f.path || f.member != nil && other.Path == f.member.archive.path
	}), record)
	if f.member != nil {
		f.member.archive.unread++
	}
}
