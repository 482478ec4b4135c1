"""Writes golden-<stream>.json: what scikit-learn makes of small made-up matrices.

usage: OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 OPENBLAS_CORETYPE=SkylakeX python golden.py STREAM > golden-STREAM.json

STREAM is sklearn-1.2, sklearn-1.3 (releases 1.3 to 1.8) or sklearn-1.9; run it
with such a release, on a machine with AVX-512. The files here come from
scikit-learn 1.2.1 with NumPy 1.24.2, 1.7.2 with NumPy 2.4.6 and 1.9.1 with
NumPy 2.4.6, and say so inside. Labels are two hexadecimal digits a row; of the
distances every 997th is kept, as the sixteen digits of its bits.
"""
import json
import sys
import warnings

import numpy as np
import sklearn
from sklearn.cluster import MiniBatchKMeans
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

warnings.filterwarnings("ignore")
EVERY = 997


def bits(salt, s, a, b):
    u = np.uint64
    with np.errstate(over="ignore"):
        z = (u(salt) << u(40)) + (u(s) << u(36)) + (a.astype(u) << u(8)) + b.astype(u)
        z = z * u(0x9E3779B97F4A7C15)
        z = (z ^ (z >> u(30))) * u(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> u(27))) * u(0x94D049BB133111EB)
        return z ^ (z >> u(31))


def unit(salt, s, a, b):
    return (bits(salt, s, a, b) >> np.uint64(11)).astype(np.float64) / 2.0**53


def make(N, Cols=30, Salt=0, Groups=1, Distinct=0, Zero=0, Constant=0):
    """The twin of matrix.make in matrix_test.go."""
    i, none, c = np.arange(N), np.zeros(1, dtype=int), np.arange(Cols)
    ident = bits(Salt, 0, i, none) % np.uint64(Distinct) if Distinct else i
    group = bits(Salt, 2, ident, none) % np.uint64(Groups)
    ident, group = ident[:, None], group[:, None]
    x = unit(Salt, 3, group, c) * 4 + unit(Salt, 4, ident, c) + unit(Salt, 5, ident, c)
    if Constant:
        x[:, c % Constant == 1] = 0.1
    if Zero:
        x[bits(Salt, 1, ident[:, 0], none) % np.uint64(Zero) == 0] = 0
    return x


def out_of_fold(X, K, Folds, BatchSize, Seed):
    L, D = np.zeros(len(X), dtype=int), np.zeros((len(X), K))
    steps, inertia = [], []
    for train, held in KFold(Folds, shuffle=True, random_state=Seed).split(X):
        scaler = StandardScaler().fit(X[train])
        km = MiniBatchKMeans(n_clusters=K, random_state=Seed, batch_size=BatchSize, n_init="auto")
        km.fit(scaler.transform(X[train]))
        L[held] = km.predict(scaler.transform(X[held]))
        D[held] = km.transform(scaler.transform(X[held]))
        steps.append(int(km.n_steps_))
        inertia.append(float(km.inertia_))
    return L, D, steps, inertia


def case(K=32, Folds=5, BatchSize=2048, Seed=42, **matrix):
    options = dict(K=K, Folds=Folds, BatchSize=BatchSize, Seed=Seed)
    L, D, steps, inertia = out_of_fold(make(**matrix), **options)
    return dict(
        Matrix=matrix,
        Options=options,
        Labels=L.astype(np.uint8).tobytes().hex(),
        Distances=["%016x" % v for v in D.ravel()[::EVERY].view(np.uint64)],
        Steps=steps,
        Inertia=inertia,
    )


CASES = [
    dict(N=40, Groups=5),
    dict(N=41, Groups=5, Salt=1, Zero=4),
    dict(N=60, Groups=3, Salt=2, Constant=3),
    dict(N=77, Groups=40, Salt=3),
    dict(N=97, Groups=7, Salt=4, Zero=3),
    dict(N=199, Groups=12, Salt=5, Zero=9),
    dict(N=200, Distinct=10, Groups=10, Salt=6),
    dict(N=300, Distinct=31, Groups=4, Salt=7, Zero=5, Constant=2),
    dict(N=120, Zero=1),
    dict(N=150, Constant=1, Distinct=1),
    dict(N=1000, Groups=50, Salt=8, Zero=10),
    dict(N=2561, Groups=6, Salt=9, Distinct=400),
    dict(N=3000, Groups=64, Salt=10, Constant=5),
    dict(N=7000, Groups=23, Salt=11, Zero=6),
    dict(N=8003, Groups=30, Salt=12, Zero=20, Distinct=6000),
    dict(N=90, K=1, Salt=13, Groups=3),
    dict(N=500, K=2, Salt=14, Groups=3, Folds=2, Seed=0),
    dict(N=501, K=3, Salt=15, Groups=3, Folds=3, Seed=1),
    dict(N=502, K=7, Salt=16, Groups=9, Folds=10, Seed=4294967295),
    dict(N=503, K=8, Salt=17, Groups=9, BatchSize=100),
    dict(N=504, K=21, Salt=18, Groups=30, BatchSize=256, Seed=123456789),
    dict(N=600, K=33, Salt=19, Groups=40, Zero=7),
    dict(N=700, K=54, Salt=20, Groups=60, BatchSize=300),
    dict(N=800, K=55, Salt=21, Groups=60),
    dict(N=900, K=64, Salt=22, Groups=90, BatchSize=100),
    dict(N=1200, K=100, Salt=23, Groups=90, BatchSize=64, Seed=7),
    dict(N=1300, K=128, Salt=24, Groups=200, Distinct=900),
    dict(N=400, K=150, Salt=25, Groups=200, BatchSize=30),
    dict(N=250, K=40, Salt=26, Groups=50, BatchSize=7, Folds=4),
    dict(N=100, K=16, Salt=27, Groups=20, BatchSize=1, Folds=4),
    dict(N=208, K=128, Salt=30, Distinct=90, Zero=9, BatchSize=1),
    dict(N=207, K=96, Salt=31, Distinct=60, Groups=60, BatchSize=50, Folds=3),
    dict(N=211, K=20, Salt=32, Distinct=11, Groups=60, Folds=4),
    dict(N=2000, K=20, Salt=28, Groups=20, BatchSize=500, Folds=3),
    dict(N=3500, K=32, Salt=29, Groups=80, BatchSize=100000, Folds=7),
    dict(N=41, Cols=90, Salt=33, Groups=5, Zero=4),
    dict(N=301, Cols=90, Salt=34, Distinct=31, Groups=4, Zero=5, Constant=2),
    dict(N=2561, Cols=90, Salt=35, Groups=6, Distinct=400),
    dict(N=2703, Cols=90, Salt=36, Groups=64, K=55, BatchSize=300),
]

if __name__ == "__main__":
    print(json.dumps(dict(
        Stream=sys.argv[1],
        Made="scikit-learn %s, NumPy %s" % (sklearn.__version__, np.__version__),
        Cases=[case(**c) for c in CASES],
    )).replace('{"Matrix"', '\n{"Matrix"'))
