"""Writes argsort-numpy-N.json: the orders in which numpy.argsort puts values of which many are equal.

usage: python argsort.py > argsort-numpy-N.json

The files here come from NumPy 1.24.2 and, on a machine with AVX-512, 2.4.6, and
say so inside. Value i of a case is i³·Step + i modulo 1009, modulo Distinct.
"""
import json

import numpy as np


def cases():
    for length in [*range(1, 41), 63, 64, 65, 100, 127, 128, 129, 200, 255, 256]:
        for step, distinct in [(1, 1009), (17, 5), (29, 12)]:
            i = np.arange(length)
            values = ((i**3 * step + i) % 1009 % distinct).astype(float)
            yield dict(Length=length, Step=step, Distinct=distinct, Order=np.argsort(values).tolist())


print(json.dumps(dict(Made="NumPy " + np.__version__, Cases=list(cases()))).replace('{"Length"', '\n{"Length"'))
