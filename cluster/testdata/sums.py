"""Writes sums.json: sums whose last bits depend on the order of adding up, as NumPy, OpenBLAS and scikit-learn give them.

usage: OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 OPENBLAS_CORETYPE=SkylakeX python sums.py > sums.json

Run it on a machine with AVX-512, with a release of scikit-learn from 1.3 to 1.8;
the file says which one it was. Numbers are those of the matrix that N and Salt
describe, see golden.py; sums are the sixteen digits of their bits. Each is
computed by the expression that scikit-learn uses.
"""
import json

import numpy as np
import sklearn
from golden import make
from sklearn.cluster._k_means_common import _euclidean_dense_dense_wrapper

LENGTHS = [*range(1, 10), 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 79, 80, 95, 100, 500, 2047, 2048, 2049, 2051, 2052, 4099, 6143, 6146]
GROUPS = 9


def bits(values):
    return [np.float64(v).tobytes()[::-1].hex() for v in np.ravel(values)]


def rows(cols):
    """Squared norms, squared distances to the next row, and for m = 1 … 9 the products of m rows with the last."""
    X = make(40, Cols=cols, Salt=50, Groups=GROUPS)
    norms = np.einsum("ij,ij->i", X, X)
    distances = [_euclidean_dense_dense_wrapper(a, b, True) for a, b in zip(X[:-1], X[1:])]
    return dict(Norms=bits(norms), Distances=bits(distances),
                FirstDots=[bits(X[-1:] @ X[:m].T) for m in range(1, 10)])


def products():
    """Products of some rows with some points, of 90 columns: by the kernel for small matrices up to 1,200 of them."""
    X = make(90, Cols=90, Salt=51, Groups=GROUPS)
    for n, k in ((2, 2), (2, 3), (3, 5), (4, 4), (5, 7), (6, 9), (11, 6), (30, 40), (37, 32), (39, 32), (38, 31), (40, 31)):
        yield dict(Rows=n, Points=k, Dots=bits(X[:n] @ X[90 - k :].T))


def lines():
    """Products of ones with each of two or more lines of equal length, and with the first alone."""
    for n in LENGTHS:
        for count in (2, 3, 4, 5, 6, 7) if n < 600 else (3, 7):
            V = np.ravel(make(-(-n * count // 30), Salt=n, Groups=GROUPS))[: n * count].reshape(count, n)
            ones = np.ones(n)
            yield dict(Length=n, Lines=bits(V @ ones.reshape(-1, 1)), Ones=bits(V[:1] @ ones)[0])


print(json.dumps(dict(
    Made="scikit-learn %s, NumPy %s" % (sklearn.__version__, np.__version__),
    Rows=rows(30), Rows90=rows(90), Products=list(products()), Lines=list(lines()),
)).replace('{"Length"', '\n{"Length"').replace('{"Rows"', '\n{"Rows"'))
