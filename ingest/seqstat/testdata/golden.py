"""Writes golden.json: sequences and their stat vectors as NumPy and SciPy give them.

usage: golden.py > golden.json      made with Python 3.11.7, NumPy 2.4.6 and SciPy 1.17.1 (glibc 2.36, x86-64)

A case gives its samples, or gaps and a count: then the sequence starts at 0 and
goes on by one gap after another, repeating them until count gaps are used. Its
result is 30 numbers or the error that was raised.
"""
import json
import sys
import warnings

import numpy as np
import scipy
from scipy.stats import kurtosis, skew

warnings.filterwarnings("ignore")
inf, nan = float("inf"), float("nan")


def vector(samples):
    if len(samples) < 2:
        return np.zeros(30)
    gaps = np.diff(samples)
    gaps = gaps[gaps > 0]
    if gaps.size == 0:
        return np.zeros(30)
    gaps = gaps / (np.median(gaps) + 1e-8)
    x = gaps[np.isfinite(gaps)]
    if x.size == 0:
        stats = np.full(10, nan)
    else:
        q10, q50, q90 = np.percentile(x, [10, 50, 90])
        iqr = np.percentile(x, 75) - np.percentile(x, 25)
        cv = np.std(x) / (np.mean(x) + 1e-8)
        stats = np.array([np.mean(x), np.std(x), iqr, cv, skew(x), kurtosis(x), q10, q50, q90, len(x)])
    density, _ = np.histogram(gaps, bins=20, density=True)
    return np.nan_to_num(np.concatenate([stats, density]), nan=0.0, posinf=0.0, neginf=0.0)


def walk(gaps, count):
    out = [0.0]
    for i in range(count):
        out.append(out[-1] + gaps[i % len(gaps)])
    return out


def spikes(gaps):
    """Samples whose positive gaps are exactly the given ones."""
    out = [0.0]
    for gap in gaps:
        out += [float(gap), 0.0]
    return out


def cases():
    rng = np.random.default_rng(20)

    def listed(values, digits=5):
        return [round(float(v), digits) for v in values]

    def onsets(gaps):
        return listed(np.cumsum(np.concatenate([[0.5], gaps])))

    def samples(name, values):
        return {"name": name, "samples": [float(v) for v in values]}

    def walked(name, gaps, count):
        return {"name": name, "gaps": [float(g) for g in gaps], "count": count}

    yield samples("empty", [])
    yield samples("one sample", [3.5])
    yield samples("one gap", [1, 3.25])
    yield samples("one negative gap", [2, 1])
    yield samples("descending", [4, 3, 1])
    yield samples("repeated sample", [2, 2, 2])
    yield samples("two gaps", [0, 1, 3])
    yield samples("three gaps", [0.2, 1.1, 3.7, 4.4])
    yield samples("constant gaps", range(9))
    yield samples("constant gaps, even count", range(8))
    yield samples("two unequal gaps and no median between", [0, 1, 101])

    yield samples("NaN sample in the middle", [0, 1, nan, 5, 6.5, 9])
    yield samples("NaN at the ends", [nan, 0, 1, 3, 6.5, nan])
    yield samples("every second sample NaN", [1, nan, 2, nan, 3])
    yield samples("all NaN", [nan, nan, nan])
    yield samples("leading infinity", [inf, 1, 2, 4])
    yield samples("trailing negative infinity", [1, 2, 4, -inf])
    yield samples("infinities only", [inf, inf, inf])
    yield samples("trailing infinity", [0, 1, 2, 4, inf])
    yield samples("infinite median", [1, 2, inf])
    yield samples("leading negative infinity", [-inf, 1, 2, 4])
    yield samples("gap overflows", [-1e308, 1e308])
    yield samples("scaled gap overflows", spikes([1e-5, 1e-5, 1e304]))
    yield samples("median overflows", spikes([1.7e308, 1.6e308]))
    yield samples("variance overflows", spikes([1, 1, 1, 1e160]))
    yield samples("fourth powers overflow", spikes([1, 1, 1, 1e80]))
    yield samples("powers of variance underflow", spikes([1e-110, 2e-110, 4e-110]))

    yield samples("gaps equal up to rounding", [0, 0.1, 0.2, 0.3])
    yield samples("smallest gaps", spikes([5e-324, 1e-323]))
    yield samples("subnormal gaps", spikes([1e-310, 2e-310, 7e-310]))
    yield samples("nine units in the last place", spikes([1, 1 + 9 * 2**-52]))
    yield samples("sixty units in the last place", spikes([1, 1 + 60 * 2**-52, 1]))
    # The variance lies between the bounds of SciPy 1.17 and 1.10 here.
    yield samples("nearly constant gaps", spikes([1] * 2000 + [1 + 44 * 2**-52]))
    yield samples("tiny gaps", spikes(1e-9 * (1 + rng.integers(0, 400, 30) * 2.0**-44)))

    for n in (4, 5, 7, 8, 9, 15, 16, 17, 31, 100, 127, 128, 129, 136, 137, 257):
        yield samples(f"{n} uniform gaps", onsets(rng.uniform(0.1, 1, n)))
    yield samples("sections", onsets(rng.uniform(5, 45, 10)))
    yield samples("bars", onsets(rng.normal(1.9, 0.02, 140)))
    yield samples("beats, some dropped", onsets(np.where(rng.random(420) < 0.03, 0.96, 0.48) + rng.normal(0, 0.004, 420)))
    yield samples("loudness", listed(rng.normal(-18, 7, 700), 3))
    yield samples("loudness with ties", listed(rng.integers(-60, 0, 300)))
    yield samples("loudness with NaN", np.where(rng.random(200) < 0.1, nan, listed(rng.normal(-18, 7, 200), 3)))
    yield samples("segments", onsets(rng.gamma(3, 0.08, 800)))
    yield samples("ties at the quantiles", spikes(rng.integers(1, 4, 101)))
    yield samples("values on bin edges", spikes(range(1, 42)))
    yield samples("first guess one bin too high", spikes([1.85, 0.49, 0.25, 0.68]))
    yield samples("heavy tail", onsets(rng.pareto(0.7, 400) + 0.001))
    yield samples("log-normal", onsets(rng.lognormal(0, 3, 250)))
    yield samples("forty orders of magnitude", spikes(10.0 ** listed_powers(rng)))

    pattern = listed(rng.gamma(3, 0.08, 97) + 0.01)
    for count in (1000, 1023, 1025, 4096, 8191, 8192, 8193, 8200, 16385, 20000):
        yield walked(f"{count} gaps", pattern, count)
    yield walked("8193 gaps of a tenth", [0.1], 8193)
    yield walked("20000 gaps, heavy tail", listed(rng.pareto(0.7, 89) + 0.001), 20000)


def listed_powers(rng):
    return np.round(rng.uniform(-20, 20, 60), 2)


def result(case):
    samples = case["samples"] if "samples" in case else walk(case["gaps"], case["count"])
    try:
        return {"want": [float(v).hex() for v in vector(np.array(samples, dtype=float))]}
    except ValueError as err:
        return {"error": str(err)}


def main():
    lines = []
    for case in cases():
        case |= result(case)
        for key in ("samples", "gaps"):
            if key in case:
                case[key] = " ".join(repr(v).removesuffix(".0") for v in case[key])
        if "want" in case:
            case["want"] = " ".join(case["want"])
        lines.append(json.dumps(case))
    made_with = f"NumPy {np.__version__}, SciPy {scipy.__version__}, Python {sys.version.split()[0]}"
    print('{"made_with": %s,\n"cases": [\n%s\n]}' % (json.dumps(made_with), ",\n".join(lines)))


main()
