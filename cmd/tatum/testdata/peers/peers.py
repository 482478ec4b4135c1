"""The notebook, a best effort in Python and tatum do the same job with the same songs, one after the other.

usage: peers.py TATUM SONGS_DIR WORK_DIR

Seconds and processor seconds are of whole processes from start to end, memory is that of the largest process, bytes are
what is kept. Labels are compared with the notebook's.
"""
import os
import platform
import shutil
import sys
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../parity"))
from reference import FEATURES


def run(commands):
    """Run commands; return their seconds, processor seconds and the memory of their largest process in MB."""
    seconds, cpu, memory = 0.0, 0.0, 0
    for command in commands:
        start = time.perf_counter()
        pid = os.posix_spawnp(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
        _, status, usage = os.wait4(pid, 0)
        if status != 0:
            sys.exit(f"{' '.join(command)}: exit status {os.waitstatus_to_exitcode(status)}")
        seconds += time.perf_counter() - start
        cpu += usage.ru_utime + usage.ru_stime
        memory = max(memory, usage.ru_maxrss // 1024)
    return seconds, cpu, memory


def size(path):
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(d, n)) for d, _, names in os.walk(path) for n in names)


def labels(directory):
    return np.concatenate([np.load(f"{directory}/cluster_label_{name}.npy") for name in FEATURES.values()])


def cpuinfo():
    with open("/proc/cpuinfo") as f:
        return f.read()


def processor():
    names = [line.split(":")[1].strip() for line in cpuinfo().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    tatum, songs, work = sys.argv[1:]
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    os.environ.update(PYTHONDONTWRITEBYTECODE="1", NUMBA_CACHE_DIR=os.path.abspath(f"{work}/numba"))
    os.environ.pop("OPENBLAS_CORETYPE", None)
    if "avx512f" in cpuinfo():  # an OpenBLAS older than the processor would take its slowest kernels
        os.environ["OPENBLAS_CORETYPE"] = "SkylakeX"
    store = f"{work}/tatum.db"
    run([[sys.executable, f"{HERE}/warm.py", songs]])  # the files are in memory for all three, and numba has compiled
    peers = {
        "notebook": ([[sys.executable, f"{HERE}/notebook.py", songs, f"{work}/notebook"]], f"{work}/notebook", f"{work}/notebook"),
        "best effort": ([[sys.executable, f"{HERE}/best_effort.py", songs, f"{work}/best"]], f"{work}/best", f"{work}/best"),
        "tatum": (
            [
                [tatum, "ingest", "--quiet", "--db", store, songs],
                [tatum, "cluster", "--quiet", "--db", store],
                [tatum, "export", "npy", "--quiet", "--db", store, f"{work}/tatum"],
            ],
            f"{work}/tatum",
            store,
        ),
    }
    print(f"{time.strftime('%d %B %Y')}, {os.cpu_count()} × {processor()}, {platform.system()} {platform.release()}")
    print(f"{'':12} {'seconds':>8} {'cpu s':>8} {'MB':>6} {'bytes kept':>12} {'labels that differ':>20}")
    seconds, cpu = {}, {}
    for name, (commands, exported, kept) in peers.items():
        seconds[name], cpu[name], memory = run(commands)
        want, got = labels(f"{work}/notebook"), labels(exported)
        print(f"{name:12} {seconds[name]:8.1f} {cpu[name]:8.1f} {memory:6} {size(kept):12,} {np.sum(want != got):10,} of {want.size:,}", flush=True)
    for name in ("notebook", "best effort"):
        print(f"{name}: {seconds[name] / seconds['tatum']:.1f} times tatum's seconds, {cpu[name] / cpu['tatum']:.1f} times its cpu")
    if np.any(want != got):
        sys.exit("tatum's labels differ from the notebook's")
