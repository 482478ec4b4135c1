#!/usr/bin/env python3
"""Make the files of testdata/foreign, which the Go binding cannot write (h5py 3).

usage: foreign.py DIR
song.h5 is a song file as other programs might write it; each of the others is
like it, but for one thing a reader must refuse.
"""
import os
import sys

import h5py
import numpy as np

FEATURES = ["bars_start", "beats_start", "sections_start", "segments_loudness_max", "segments_loudness_max_time",
            "segments_loudness_start", "segments_start", "tatums_start"]
ROW = np.dtype([("track_id", "S32"), ("extra", "<f8", (2, 3)), ("tempo", "<f8")])


def song(name, row=ROW, bars=None):
    """Open a new file with all but bars_start when bars says how to make it."""
    f = h5py.File(name, "w")
    analysis = f.create_group("analysis")
    songs = np.zeros(1, ROW)
    songs["track_id"], songs["tempo"] = b"TRABCDE128F0123456", 120
    if row is ROW:
        analysis.create_dataset("songs", data=songs)
    else:
        analysis.create_dataset("songs", shape=(1,), dtype=row)
    for name in FEATURES:
        if name != "bars_start" or bars is None:
            analysis.create_dataset(name, data=np.arange(3.0))
    if bars:
        bars(analysis)
    f.close()


def virtual(g):
    layout = h5py.VirtualLayout((3,), "<f8")
    layout[:] = h5py.VirtualSource("song.h5", "/analysis/beats_start", (3,))
    g.create_virtual_dataset("bars_start", layout)


def link(g):
    g["bars_start"] = h5py.ExternalLink("song.h5", "/analysis/bars_start")


os.chdir(sys.argv[1])
song("song.h5")
song("link.h5", bars=link)
song("external.h5", bars=lambda g: g.create_dataset("bars_start", shape=(3,), dtype="<f8", external=[("song.h5", 0, 24)]))
song("virtual.h5", bars=virtual)
song("filter.h5", bars=lambda g: g.create_dataset("bars_start", data=np.zeros(99), chunks=(99,), compression="lzf"))
song("text.h5", row=np.dtype([("track_id", h5py.string_dtype())]))
with h5py.File("group.h5", "w") as f:
    f["analysis"] = h5py.ExternalLink("song.h5", "/analysis")
