"""Says how long one, eight and 32 machines would take. This is a SIMULATION: nothing is run, no cluster was measured.

Tasks are given to the next free core, as Spark does; how long one takes follows from what was measured on one machine
(2 cores, ingest.py's own tasks, `make merge`, a clustering of a million tracks) and from the disks and the network that
the arguments say. The merge and the clustering are one machine's, however many there are.
"""

import argparse
import heapq

INGEST = 0.5e-3  # seconds of one core for a song, the eight features; 2.2e-3 with all arrays
START = 2.0  # seconds for a task to start Python and tatum, and to publish
SPARK = 20.0  # seconds for a job to start
MERGE = 67e-6  # seconds for a song, 15,000 a second
CLUSTER = 60e-6  # seconds for a song, a million a minute
SONG = 0.25e6  # bytes of a song file
STORED = 11.5e3  # bytes of a song in a shard


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--songs", type=int, default=20_000_000)
    p.add_argument("--shard", type=int, default=10_000, help="songs in a shard (default: 10,000)")
    p.add_argument("--cores", type=int, default=8, help="of a machine (default: 8)")
    p.add_argument("--disk", type=float, default=200, help="MB/s that a machine reads songs with (default: 200)")
    p.add_argument("--network", type=float, default=110, help="MB/s to the machine that merges (default: 110)")
    args = p.parse_args()
    print(
        f"SIMULATED, not measured: {args.songs:,} songs; {args.cores} cores and {args.disk:g} MB/s a machine, minutes\n"
    )
    print("machines  ingest   merge cluster   total  times as fast")
    alone = None
    for machines in 1, 8, 32:
        steps = simulate(args, machines)
        total = sum(steps)
        alone = alone or total
        print(
            f"{machines:8}" + "".join(f"{seconds / 60:8.0f}" for seconds in (*steps, total)) + f"{alone / total:15.1f}"
        )


def simulate(args, machines):
    """Returns the seconds of ingest, merge and clustering. One machine ingests into one store, without Spark."""
    reading = SONG * args.cores / (args.disk * 1e6)  # seconds for a song, when all cores read
    song = max(INGEST, reading)
    cluster = args.songs * CLUSTER
    if machines == 1:
        return args.songs * song / args.cores, 0, cluster
    publish = STORED * args.cores / (args.network * 1e6)
    free = [SPARK] * (machines * args.cores)  # when each core is
    left = args.songs
    while left > 0:
        n = min(left, args.shard)
        heapq.heappush(free, heapq.heappop(free) + START + n * (song + publish))
        left -= n
    return max(free), args.songs * max(MERGE, STORED / (args.network * 1e6)), cluster


if __name__ == "__main__":
    main()
