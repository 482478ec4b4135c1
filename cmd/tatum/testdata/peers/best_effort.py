"""The same job as well as Python's libraries let one do it in an afternoon: every file is opened once, in as many
processes as there are processors, the statistics are compiled by numba, songs are kept in Parquet files, labels and
distances in DuckDB, and the fits of all features and folds run side by side.

The statistics are the notebook's, but for the order of their sums; so labels differ here and there.

usage: best_effort.py SONGS_DIR OUT_DIR     write cluster_label_*.npy, songs/*.parquet and labels.duckdb
"""
import os
import sys

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[threads] = "1"  # processes are what runs side by side

from concurrent.futures import ProcessPoolExecutor

import duckdb
import h5py
import numba
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.cluster import MiniBatchKMeans
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../parity"))
from reference import FEATURES

CHUNK = 500  # files that a process reads at a time
NAMES = [f"analysis/{feature}".encode() for feature in FEATURES]


@numba.njit(cache=True)
def quantile(ordered, q):
    at = q * (len(ordered) - 1)
    below = int(at)
    if below + 1 >= len(ordered):
        return ordered[-1]
    low, high, part = ordered[below], ordered[below + 1], at - below
    return high - (high - low) * (1 - part) if part >= 0.5 else low + (high - low) * part  # as NumPy has it


@numba.njit(cache=True)
def vector(onsets, out):
    gaps = np.diff(onsets)
    gaps = gaps[gaps > 0]
    n = len(gaps)
    if n == 0:
        return
    gaps = gaps / (np.median(gaps) + 1e-8)
    mean = gaps.sum() / n
    off = gaps - mean
    square = off * off
    m2, m3, m4 = square.sum() / n, (square * off).sum() / n, (square * square).sum() / n
    gaps = np.sort(gaps)
    out[0], out[1] = mean, np.sqrt(m2)
    out[2] = quantile(gaps, 0.75) - quantile(gaps, 0.25)
    out[3] = out[1] / (mean + 1e-8)
    if m2 > (2.0**-52 * mean) ** 2:
        out[4], out[5] = m3 / m2**1.5, m4 / m2**2 - 3
    out[6], out[7], out[8], out[9] = quantile(gaps, 0.1), quantile(gaps, 0.5), quantile(gaps, 0.9), n
    low, high = gaps[0], gaps[-1]
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, 21)
    first = 0
    for b in range(20):
        last = n if b == 19 else np.searchsorted(gaps, edges[b + 1])
        out[10 + b] = (last - first) / (edges[b + 1] - edges[b]) / n
        first = last


def read(job):
    """Read files into a Parquet file; return their track IDs and vectors."""
    number, paths, out = job
    ids, titles, arrays = [], [], [[] for _ in NAMES]
    vectors = np.zeros((len(paths), len(NAMES), 30))
    for row, path in enumerate(paths):
        file = h5py.h5f.open(path.encode(), h5py.h5f.ACC_RDONLY)
        for column, name in enumerate(NAMES):
            data = h5py.h5d.open(file, name)
            values = np.empty(data.shape)
            if values.size:
                data.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
            arrays[column].append(values)
            if len(values) > 1:
                vector(values, vectors[row, column])
        ids.append(first_row(file, b"analysis/songs")["track_id"].decode())
        meta = first_row(file, b"metadata/songs")
        titles.append((meta["artist_name"].decode(), meta["title"].decode()))
    np.nan_to_num(vectors, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    table = {"track_id": ids, "artist": [t[0] for t in titles], "title": [t[1] for t in titles]}
    for column, feature in enumerate(FEATURES):
        table[feature] = arrays[column]
        table["stats_" + feature] = list(vectors[:, column])
    pq.write_table(pa.table(table), f"{out}/songs/{number:05}.parquet", compression="zstd")
    return ids, vectors


def first_row(file, name):
    data = h5py.h5d.open(file, name)
    rows = np.empty(data.shape, data.dtype)
    data.read(h5py.h5s.ALL, h5py.h5s.ALL, rows)
    return rows[0]


def fit(job):
    x, train, held = job
    scaler = StandardScaler().fit(x[train])
    model = MiniBatchKMeans(n_clusters=32, random_state=42, batch_size=2048, n_init="auto").fit(scaler.transform(x[train]))
    distances = model.transform(scaler.transform(x[held]))
    return held, distances.argmin(axis=1), distances


if __name__ == "__main__":
    songs, out = sys.argv[1:]
    os.makedirs(f"{out}/songs")
    vector(np.array([0.0, 1.0, 2.5]), np.zeros(30))  # compiled before the processes start
    paths = sorted(os.path.join(d, n) for d, _, names in os.walk(songs) for n in names if n.endswith(".h5"))
    with ProcessPoolExecutor() as pool:
        chunks = [(i, paths[i : i + CHUNK], out) for i in range(0, len(paths), CHUNK)]
        ids, vectors = zip(*pool.map(read, chunks))
        ids, x = [i for part in ids for i in part], np.concatenate(vectors)
        labels, distances = np.zeros((len(x), 8), dtype=np.int64), np.zeros((len(x), 8, 32))
        folds = list(KFold(n_splits=5, shuffle=True, random_state=42).split(x))
        jobs = [(np.ascontiguousarray(x[:, f]), *fold) for f in range(8) for fold in folds]
        for i, (held, label, distance) in enumerate(pool.map(fit, jobs)):
            labels[held, i // 5], distances[held, i // 5] = label, distance
    table = {"track_id": ids}
    for column, (feature, name) in enumerate(FEATURES.items()):
        np.save(f"{out}/cluster_label_{name}.npy", labels[:, column : column + 1])
        table[feature] = labels[:, column]
        table["distances_" + feature] = list(distances[:, column])
    labelled = pa.table(table)
    with duckdb.connect(f"{out}/labels.duckdb") as db:
        db.execute("create table labels as select * from labelled")
