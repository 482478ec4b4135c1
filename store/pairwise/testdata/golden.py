"""Writes golden-numpy-1.json or golden-numpy-2.json: what numpy.sum makes of made-up numbers.

usage: golden.py > golden-numpy-N.json      made with NumPy 1.24.2 and 2.4.6 (x86-64)

Number i of a case is its salt and i mixed by splitmix64: the upper 53 bits,
less 2**52, times 2 to the power of the lower 3 bits. So numbers have both signs
and many sizes, and each order of adding up has a sum of its own. A case is a
length, a salt and the bits of the sum.
"""
import json
import sys

import numpy as np

MASK = 2**64 - 1
LENGTHS = [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 23, 63, 64, 65, 127, 128, 129, 135, 136, 137, 143, 144, 145, 255, 256, 257, 264,
           511, 513, 1000, 1025, 4095, 4097, 8191, 8192, 8193, 8199, 8200, 8320, 8321, 12345, 16383, 16384, 16385, 20000, 24577, 65537]


def number(salt, i):
    z = ((salt << 32) + i) * 0x9E3779B97F4A7C15 & MASK
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    z ^= z >> 31
    return float((z >> 11) - 2**52) * 2.0 ** (z & 7)


def main():
    cases = []
    for n in LENGTHS:
        for salt in (1, 2, 3):
            total = np.sum(np.array([number(salt, i) for i in range(n)]))
            cases.append(json.dumps({"length": n, "salt": salt, "bits": np.float64(total).tobytes()[::-1].hex()}))
    made_with = f"NumPy {np.__version__}, Python {sys.version.split()[0]}"
    print('{"made_with": %s,\n"cases": [\n%s\n]}' % (json.dumps(made_with), ",\n".join(cases)))


main()
