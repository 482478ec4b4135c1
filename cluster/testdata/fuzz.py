"""Random parameters and made-up matrices, for TestFuzzAgainstReference.

usage: python fuzz.py make STREAM COUNT SEED [COLUMNS] > DIR/NAME.json
                                                               what scikit-learn makes of COUNT cases, of 30 columns
       python fuzz.py again FILE [CASE ...]                    how many labels differ from FILE's on this run

Set OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1, and OPENBLAS_CORETYPE=SkylakeX to
make; again, with OPENBLAS_CORETYPE=Haswell, shows for cases (numbers from 0, or
all) whether the reference agrees with itself on other kernels. STREAM and the
format are those of golden.py.
"""
import json
import random
import sys

import numpy as np
import sklearn
from golden import case


def parameters(rng, cols):
    while True:
        n = round(40 * 500 ** rng.random())
        folds, k = rng.randint(2, 10), round(2 * 64 ** rng.random())
        if n - -(-n // folds) >= k:
            break
    p = dict(N=n, Cols=cols, Salt=rng.randrange(1, 1 << 20), K=k, Folds=folds, Groups=rng.randint(1, 150))
    p["Seed"] = rng.choice([0, 1, 42, rng.randrange(1 << 32)])
    p["BatchSize"] = rng.choice([2048, 2048, 1024, 256, 100, 3 * k, rng.randint(20, 5000), 100000])
    if rng.random() < 0.4:
        p["Distinct"] = rng.choice([rng.randint(1, 2 * k), rng.randint(k, n)])
    if rng.random() < 0.5:
        p["Zero"] = rng.choice([2, 3, 5, 10, 50])
    if rng.random() < 0.3:
        p["Constant"] = rng.randint(2, 9)
    return p


def make(stream, count, seed, cols=30):
    rng = random.Random(int(seed))
    cases = [case(**parameters(rng, int(cols))) for _ in range(int(count))]
    made = "scikit-learn %s, NumPy %s" % (sklearn.__version__, np.__version__)
    print(json.dumps(dict(Stream=stream, Made=made, Cases=cases)).replace('{"Matrix"', '\n{"Matrix"'))


def again(path, *numbers):
    with open(path) as f:
        cases = json.load(f)["Cases"]
    for number in map(int, numbers or range(len(cases))):
        c = cases[number]
        labels = bytes.fromhex(case(**c["Matrix"], **c["Options"])["Labels"])
        differ = sum(a != b for a, b in zip(labels, bytes.fromhex(c["Labels"])))
        if differ or numbers:
            print(f"case {number}: {differ} of {len(labels)} labels differ")


if __name__ == "__main__":
    {"make": make, "again": again}[sys.argv[1]](*sys.argv[2:])
