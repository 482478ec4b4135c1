package export

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"tatum/store"
)

// npyNames are the notebook's short names of the features, and ours of the sound
// features.
var npyNames = [store.NumArrays]string{
	store.BarsStart:               "bars",
	store.BeatsStart:              "beats",
	store.SectionsStart:           "sections",
	store.SegmentsLoudnessMax:     "loudness",
	store.SegmentsLoudnessMaxTime: "loudness_time",
	store.SegmentsLoudnessStart:   "loudness_start",
	store.SegmentsStart:           "segments_start",
	store.TatumsStart:             "tatums_start",
	store.Pitches:                 "pitches",
	store.Timbre:                  "timbre",
}

const trackIDsFile = "track_ids.txt"

// npyOwned lists every file that NPY ever writes.
func npyOwned() []string {
	owned := []string{trackIDsFile}
	for _, f := range store.AllFeatures {
		name := npyNames[f]
		for _, kind := range []string{"cluster_label", "cluster_distance", "fold", "stats"} {
			owned = append(owned, kind+"_"+name+".npy")
		}
	}
	return owned
}

// NPYOptions choose what NPY writes. The zero value gives the notebook's files.
type NPYOptions struct {
	Aligned bool // clusters in place of labels
}

// An UnlabelledError says that some tracks have no label in a clustering. The
// notebook's files have a label in every row, so there is no way to write them.
type UnlabelledError struct {
	Clustering string
	Tracks     uint64 // number of tracks without a label
}

func (e *UnlabelledError) Error() string {
	verb := "tracks have"
	if e.Tracks == 1 {
		verb = "track has"
	}
	return fmt.Sprintf("%d %s no label in clustering %q; run \"tatum cluster assign\" to label what was ingested since, or \"tatum cluster\" to fit anew",
		e.Tracks, verb, e.Clustering)
}

// Unwrap makes errors.Is(err, store.ErrNotAssigned) hold.
func (e *UnlabelledError) Unwrap() error { return store.ErrNotAssigned }

// NPY writes the files that the package comment lists into dir. It returns an
// [UnlabelledError] when tracks were ingested since the fit, an [OccupiedError]
// when dir holds other files, and the context's error when it ends early; in
// every case of an error dir stays as it was.
func NPY(ctx context.Context, db *store.DB, c *store.Clustering, dir string, opts NPYOptions) error {
	state, err := db.State()
	if err != nil {
		return err
	}
	rows := state.Tracks
	labelled, err := db.Labelled(c)
	if err != nil {
		return err
	}
	if want := state.TracksOf(c.Features[0]); labelled < want {
		return &UnlabelledError{c.Name, want - labelled}
	}
	stats := slices.Clone(c.Features)
	if state.Sound > 0 {
		stats = append(slices.DeleteFunc(stats, store.Feature.IsSound), store.SoundFeatures[:]...)
	}
	return writeDir(dir, npyOwned(), func(d *dirWriter) error {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(runtime.GOMAXPROCS(0))
		group.Go(func() error { return d.writeAssignments(ctx, db, c, rows, opts) })
		group.Go(func() error { return d.writeStats(ctx, db, stats, rows) })
		group.Go(func() error { return d.writeTrackIDs(ctx, db) })
		return group.Wait()
	})
}

// writeTrackIDs writes which track each row is of.
func (d *dirWriter) writeTrackIDs(ctx context.Context, db *store.DB) error {
	out, err := d.create(trackIDsFile)
	if err != nil {
		return err
	}
	ids, err := db.TrackIDs()
	for _, id := range ids {
		if _, err := out.WriteString(string(id) + "\n"); err != nil {
			return out.finish(err)
		}
	}
	return out.finish(errors.Join(err, ctx.Err()))
}

// writeStats writes the stat vectors of the features.
func (d *dirWriter) writeStats(ctx context.Context, db *store.DB, features []store.Feature, rows uint64) error {
	eight := len(features)
	for i, f := range features {
		if !f.IsSound() {
			continue
		}
		eight = min(eight, i)
		if err := d.writeVectors(ctx, db, features[i:i+1], rows); err != nil {
			return err
		}
	}
	if eight == 0 {
		return nil
	}
	return d.writeVectors(ctx, db, features[:eight], rows)
}

// writeVectors writes the stat vectors of features that lie together.
func (d *dirWriter) writeVectors(ctx context.Context, db *store.DB, features []store.Feature, rows uint64) (err error) {
	var out [store.NumArrays]*arrayFile
	for _, f := range features {
		if out[f], err = d.createArray("stats_"+npyNames[f], "<f8", rows, f.VectorLen()); err != nil {
			return err
		}
		defer func() { err = out[f].finish(err) }()
	}
	ids, err := db.TrackIDs()
	if err != nil {
		return err
	}
	row := make(store.Vector, features[0].VectorLen())
	lacking := slices.Repeat(store.Vector{math.NaN()}, len(row))
	for v, err := range db.Vectors(features[0], store.Span{}) {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		for ; len(ids) > 0 && string(ids[0]) < string(v.IDBytes()); ids = ids[1:] {
			out[features[0]].float64s(lacking) // only a sound feature's: finish sees to that
		}
		for _, f := range features {
			if err := v.Vector(f, row); err != nil {
				return err
			}
			out[f].float64s(row)
		}
		ids = ids[min(1, len(ids)):]
	}
	for range ids {
		out[features[0]].float64s(lacking)
	}
	return nil
}

// assignmentFiles are the files of one feature's labels, distances and folds.
type assignmentFiles struct {
	labels, distances, folds *arrayFile
	clusters                 []*store.Model // if clusters are written in place of labels
}

func (d *dirWriter) createAssignments(f store.Feature, rows uint64, k int) (out assignmentFiles, err error) {
	out.labels, err = d.createArray("cluster_label_"+npyNames[f], "<i8", rows, 1)
	if err == nil {
		out.distances, err = d.createArray("cluster_distance_"+npyNames[f], "<f8", rows, k)
	}
	if err == nil {
		out.folds, err = d.createArray("fold_"+npyNames[f], "<i8", rows, 1)
	}
	return out, err
}

func (a *assignmentFiles) finish(err error) error {
	for _, f := range []*arrayFile{a.labels, a.distances, a.folds} {
		if f != nil {
			err = f.finish(err)
		}
	}
	return err
}

// write writes a track's row.
func (a *assignmentFiles) write(at *store.Assignment) {
	a.folds.int64(int64(at.Fold))
	if a.clusters == nil {
		a.labels.int64(int64(at.Label))
		a.distances.float64s(at.Distances)
		return
	}
	a.labels.int64(int64(at.Cluster))
	byCluster := make([]float64, len(at.Distances))
	for label, cluster := range a.clusters[at.Fold].Clusters {
		byCluster[cluster] = at.Distances[label]
	}
	a.distances.float64s(byCluster)
}

// lacking writes the row of a track that lacks the feature.
func (a *assignmentFiles) lacking(k int) {
	a.labels.int64(-1)
	a.folds.int64(-1)
	a.distances.float64s(slices.Repeat([]float64{math.NaN()}, k))
}

// writeAssignments writes the labels, distances and folds of all features in one
// pass.
func (d *dirWriter) writeAssignments(ctx context.Context, db *store.DB, c *store.Clustering, rows uint64, opts NPYOptions) (err error) {
	out := make([]assignmentFiles, len(c.Features))
	for i, f := range c.Features {
		defer func() { err = out[i].finish(err) }()
		if out[i], err = d.createAssignments(f, rows, c.K); err != nil {
			return err
		}
		if !opts.Aligned {
			continue
		}
		if out[i].clusters, err = db.Models(c, f); err != nil {
			return err
		}
	}
	ids, err := db.TrackIDs()
	if err != nil {
		return err
	}
	for p, err := range db.Assignments(c, store.Span{}) {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		for ; len(ids) > 0 && ids[0] < p.ID; ids = ids[1:] {
			for i := range out {
				out[i].lacking(c.K)
			}
		}
		ids = ids[min(1, len(ids)):]
		next := 0 // of the places
		for i, f := range c.Features {
			if next == len(p.Places) || p.Places[next].Feature != f {
				out[i].lacking(c.K)
				continue
			}
			out[i].write(&p.Places[next])
			next++
		}
	}
	for range ids {
		for i := range out {
			out[i].lacking(c.K)
		}
	}
	return nil
}

// An arrayFile is a .npy file of a known shape, being written row by row.
type arrayFile struct {
	*file
	left uint64 // numbers still to come
	buf  []byte
	err  error // of writing; finish returns it
}

// createArray begins the file name.npy of shape (rows, columns) in C order.
// dtype is NumPy's name of a type of eight bytes.
func (d *dirWriter) createArray(name, dtype string, rows uint64, columns int) (*arrayFile, error) {
	f, err := d.create(name + ".npy")
	if err != nil {
		return nil, err
	}
	if _, err := f.WriteString(npyHeader(dtype, rows, columns)); err != nil {
		return nil, f.finish(err)
	}
	return &arrayFile{file: f, left: rows * uint64(columns)}, nil
}

// npyHeader returns what numpy.save writes before the numbers: magic, format
// 1.0, length, a dict in Python's notation. NumPy leaves room for the first
// dimension to grow to 21 digits and then fills up to a multiple of 64 bytes.
func npyHeader(dtype string, rows uint64, columns int) string {
	const begin, align, digits = 10, 64, 21
	dict := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%d, %d), }", dtype, rows, columns)
	dict += strings.Repeat(" ", digits-len(fmt.Sprint(rows)))
	dict += strings.Repeat(" ", align-(begin+len(dict)+1)%align) + "\n"
	return "\x93NUMPY\x01\x00" + string(binary.LittleEndian.AppendUint16(nil, uint16(len(dict)))) + dict
}

func (a *arrayFile) int64(v int64) {
	a.write(binary.LittleEndian.AppendUint64(a.buf[:0], uint64(v)), 1)
}

func (a *arrayFile) float64s(v []float64) {
	b := a.buf[:0]
	for _, x := range v {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
	}
	a.write(b, len(v))
}

// write writes n numbers.
func (a *arrayFile) write(b []byte, n int) {
	a.buf = b
	a.left -= uint64(n)
	_, a.err = a.Write(b) // once there is an error, bufio repeats it
}

// finish is that of file. It returns an error too unless the array is full,
// neither more nor less.
func (a *arrayFile) finish(err error) error {
	if err == nil {
		err = a.err
	}
	if err == nil && a.left != 0 {
		err = fmt.Errorf("%w: %q: number of rows is not that of the tracks", store.ErrCorrupt, a.f.Name())
	}
	return a.file.finish(err)
}
