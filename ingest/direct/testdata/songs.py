#!/usr/bin/env python3
"""Make the files of testdata/songs: made-up songs, stored in all ways that package direct knows (h5py 3).

usage: songs.py DIR
"""
import os
import sys

import h5py
import numpy as np

ARRAYS = ["bars_start", "beats_start", "sections_start", "segments_loudness_max", "segments_loudness_max_time",
          "segments_loudness_start", "segments_start", "tatums_start", "bars_confidence", "beats_confidence",
          "sections_confidence", "segments_confidence", "segments_pitches", "segments_timbre", "tatums_confidence"]
WIDE = ["segments_pitches", "segments_timbre"]
ANALYSIS = np.dtype([("track_id", "S32"), ("extra", "<f8", (2, 3)), ("tempo", "<f8"), ("key", "<i4"), ("duration", "<f8")])
METADATA = np.dtype([("title", "S40"), ("names", "S8", (2,)), ("artist_name", "S7"), ("popular", "<i8"), ("release", "S3")])
YEAR = np.dtype([("year", "<i4")])


def values(name, rows):
    rng = np.random.default_rng(ARRAYS.index(name))
    return np.round(rng.normal(0, 10, (rows, 12) if name in WIDE else rows), 3)


def compact(g, name, data):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple(data.shape)
    d = h5py.h5d.create(g.id, name.encode(), h5py.h5t.py_create(data.dtype), space, plist)
    d.write(h5py.h5s.ALL, h5py.h5s.ALL, data)


def song(name, rows, array, table):
    """Write a song file; array and table say how datasets are made."""
    with h5py.File(name, "w") as f:
        for group, dtype, row in [
                ("analysis", ANALYSIS, (b"TRABCDE128F0123456", np.ones((2, 3)), 120.5, 7, 200.25)),
                ("metadata", METADATA, ("Night 夜".encode(), [b"a", b"b"], b"Nobody!", 1, b"abc")),
                ("musicbrainz", YEAR, (1999,))]:
            g = f.create_group(group)
            table(g, "songs", np.array([row], dtype))
            if group == "analysis":
                for a in ARRAYS:
                    array(g, a, values(a, rows))


def with_options(**options):
    return lambda g, name, data: g.create_dataset(name, data=data, **options)


def chunked(rows, columns, **options):
    def make(g, name, data):
        chunks = (rows, columns) if data.ndim == 2 else (rows,)
        limit = (None,) * data.ndim # without which chunks may not exceed the shape
        g.create_dataset(name, data=data, chunks=chunks, maxshape=limit, **options)
    return make


def holes(fillvalue):
    """Every other chunk is not written."""
    def make(g, name, data):
        d = g.create_dataset(name, shape=data.shape, dtype=data.dtype, chunks=(4, 5) if data.ndim == 2 else (4,),
                             compression="gzip", shuffle=True, fillvalue=fillvalue if data.dtype == "<f8" else None)
        d[4:8] = data[4:8]
        d[-1:] = data[-1:]
    return make


def unwritten(**options):
    return lambda g, name, data: g.create_dataset(name, shape=data.shape, dtype=data.dtype, **options)


def deep(g, name, data):
    """Trees of several levels: a chunk for each row, and many members of each group."""
    chunked(1, 12, compression="gzip")(g, name, data)
    if name == "songs":
        for i in range(300):
            g["more %03d" % i] = g[name]
            g["x%03d" % i] = g[name]


def shrunk(g, name, data):
    """Chunks beyond the last row stay."""
    chunked(8, 12, shuffle=True, compression="gzip")(g, name, np.concatenate([data, data]))
    g[name].resize(data.shape[0], 0)


def short(make):
    """Tables need a track ID, which what is never written has not."""
    return lambda g, name, data: compact(g, name, data) if g.name == "/analysis" else make(g, name, data)


os.chdir(sys.argv[1])
song("default.h5", 40, with_options(), with_options())
song("empty.h5", 0, with_options(), with_options(maxshape=(None,)))
song("compact.h5", 10, compact, compact)
song("gzip.h5", 250, with_options(compression="gzip"), chunked(3, 1, compression="gzip"))
song("shuffle.h5", 40, chunked(16, 12, shuffle=True), chunked(3, 1, shuffle=True))
song("both.h5", 80, chunked(64, 12, shuffle=True, compression="gzip"), chunked(37, 1, shuffle=True, compression="gzip"))
song("plain.h5", 40, chunked(16, 12), chunked(3, 1))
song("columns.h5", 40, chunked(9, 5, shuffle=True, compression="gzip"), chunked(1, 1))
song("large.h5", 5, chunked(64, 30, shuffle=True, compression="gzip"), chunked(64, 1))
song("holes.h5", 21, holes(None), with_options())
song("fill.h5", 21, holes(-60.5), with_options())
song("unwritten.h5", 21, unwritten(), short(unwritten()))
song("unwritten-fill.h5", 21, unwritten(fillvalue=2.5), short(unwritten(chunks=True)))
song("deep.h5", 90, deep, deep)
song("shrunk.h5", 21, shrunk, with_options())
