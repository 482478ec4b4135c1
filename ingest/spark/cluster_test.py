"""Tries ingest.py on a real Spark cluster: a master and two workers on 127.0.0.1, one of which is killed.

usage: cluster_test.py TATUM GO DIR [SONGS_DIR]

DIR is for all files; what is in it goes. The songs are the demo's and, where they are, those of SONGS_DIR. Needs
pyspark beside this Python, and a JRE. Every process that is started is ended by its process ID.
"""

import contextlib
import filecmp
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BIN = os.path.dirname(sys.executable)
SHARDS = 14
MARK = "TATUM_SPARK_TEST"  # in the environment of every process that the cluster starts
JAVA = "-Djava.net.preferIPv4Stack=true -XX:+UseSerialGC -XX:TieredStopAtLevel=1"

passed = 0


def check(what, ok, why=""):
    global passed
    if not ok:
        raise SystemExit(f"spark: FAILED: {what}: {why}")
    passed += 1
    print(f"spark: {what}", flush=True)


class Cluster:
    """A master and two workers of one core each."""

    def __init__(self, work):
        self.work = work
        self.env = os.environ | {
            MARK: work,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_NO_DAEMONIZE": "1",
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_DAEMON_JAVA_OPTS": JAVA,
            "SPARK_LAUNCHER_OPTS": JAVA,
            "PYSPARK_PYTHON": sys.executable,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.addresses = set()
        self.processes = [self.start("master", "master.Master", "--port", "0")]
        self.url = self.wait_for("master", r"Starting Spark master at (spark://\S+)")
        for n in 1, 2:
            args = ["--cores", "1", "--memory", "700m", "--work-dir", self.local(n), self.url]
            self.processes.append(self.start(f"worker-{n}", "worker.Worker", *args, SPARK_LOCAL_DIRS=self.local(n)))
        for n in 1, 2:
            self.wait_for(f"worker-{n}", r"Successfully registered with master (\S+)")

    def local(self, n):
        """Returns the directory of a worker's executors and of the attempts of their tasks."""
        return os.path.join(self.work, f"worker-{n}")

    def log(self, name):
        with open(os.path.join(self.work, name + ".log"), errors="replace") as f:
            return f.read()

    def start(self, name, what, *args, **env):
        for key, directory in env.items():
            os.makedirs(directory)
            env[key] = directory
        with open(os.path.join(self.work, name + ".log"), "w") as log:
            command = [os.path.join(BIN, "spark-class"), "org.apache.spark.deploy." + what]
            command += ["--host", "127.0.0.1", "--webui-port", "0", *args]
            return subprocess.Popen(command, env=self.env | env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def wait_for(self, name, pattern):
        for _ in range(1200):
            found = re.search(pattern, self.log(name))
            if found:
                return found.group(1)
            time.sleep(0.1)
        raise SystemExit(f"spark: FAILED: {name} says no {pattern!r}: {self.log(name)[-2000:]}")

    def submit(self, name, *args):
        conf = {
            "spark.ui.enabled": "false",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.memory": "512m",
            "spark.driver.extraJavaOptions": JAVA,
            "spark.executor.memory": "512m",
            "spark.executor.extraJavaOptions": JAVA,
            "spark.scheduler.minRegisteredResourcesRatio": "1",
            "spark.scheduler.maxRegisteredResourcesWaitingTime": "60s",
        }
        command = [os.path.join(BIN, "spark-submit"), "--master", self.url]
        for key, value in conf.items():
            command += ["--conf", f"{key}={value}"]
        command += [os.path.join(HERE, "ingest.py"), *args]
        with open(os.path.join(self.work, name + ".log"), "w") as log:
            out = open(os.path.join(self.work, name + ".out"), "w+")  # noqa: SIM115 (finish closes it)
            process = subprocess.Popen(command, env=self.env, stdout=out, stderr=log, stdin=subprocess.DEVNULL)
        process.out = out
        self.processes.append(process)
        return process

    def finish(self, process):
        """Waits for a job, and returns its exit code and the last line that it printed."""
        code = process.wait(240)
        with process.out as f:
            f.seek(0)
            return code, f.read().strip().split("\n")[-1]

    def look(self):
        """Notes the addresses of all sockets that the cluster's processes have, on both sides."""
        inodes = set()
        for pid in marked(self.work):
            for fd in glob.glob(f"/proc/{pid}/fd/*"):
                try:
                    inodes.update(re.findall(r"socket:\[(\d+)\]", os.readlink(fd)))
                except OSError:
                    continue  # closed meanwhile
        for table, family in ("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6), ("udp", socket.AF_INET):
            with open(f"/proc/net/{table}") as f:
                for row in (line.split() for line in list(f)[1:]):
                    if row[9] not in inodes:
                        continue
                    sides = row[1:2] if row[2].endswith(":0000") else row[1:3]  # one that listens has no other side
                    self.addresses.update(address(side.split(":")[0], family) for side in sides)

    def stop(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for _ in range(100):  # executors end with their worker
            left = marked(self.work)
            if not left:
                return []
            time.sleep(0.1)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        return left


def address(hexadecimal, family):
    words = [bytes.fromhex(hexadecimal[i : i + 8])[::-1] for i in range(0, len(hexadecimal), 8)]
    return socket.inet_ntop(family, b"".join(words))


def marked(work):
    """Returns the IDs of the processes that the cluster has started, directly or not."""
    pids, mark = [], f"{MARK}={work}".encode()
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as f:
                if mark in f.read().split(b"\0"):
                    pids.append(int(path.split("/")[2]))
        except OSError:
            continue  # ended meanwhile, or another user's
    return pids


def descendants(pid):
    """Returns the IDs of a process's children, of theirs, and so on."""
    below = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as f:
                parent = int(f.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue  # ended meanwhile
        if parent == pid:
            child = int(path.split("/")[2])
            below += [child, *descendants(child)]
    return below


def run(*command, codes=(0,)):
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode not in codes:
        raise SystemExit(f"spark: FAILED: {command}: exit code {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def kill_half_way(cluster, job, out):
    """Kills the worker whose executor is at a task, and that executor, once a third of the shards are there."""
    while True:
        if job.poll() is not None:
            raise SystemExit(f"spark: FAILED: the job ended too early: {cluster.log('first')[-3000:]}")
        made = len(glob.glob(os.path.join(out, "*.db")))
        if made < SHARDS // 3:
            time.sleep(0.01)
            continue
        for n in 1, 2:
            attempts = glob.glob(os.path.join(cluster.local(n), "**", "shard-*-*"), recursive=True)
            if attempts:
                worker = cluster.processes[n]
                executor = descendants(worker.pid)[0]
                worker.kill()
                with contextlib.suppress(ProcessLookupError):  # it may have seen that at once
                    os.kill(executor, signal.SIGKILL)
                worker.wait()
                print(f"spark: killed worker {n} (process {worker.pid}) and its executor ({executor}), which was at")
                print(f"spark: {os.path.basename(attempts[0])}; {made} shards were made", flush=True)
                return n


def same(go, stores):
    """Compares two stores key by key."""
    env = os.environ | {"TATUM_SAME": os.pathsep.join(stores)}
    command = [go, "test", "-count=1", "-run", "^TestSameStores$", "-v", "./store"]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)
    keys = re.search(r"(\d+ keys) are the same", done.stdout)
    check("every key and value as on one machine", done.returncode == 0 and keys, done.stdout[-3000:] + done.stderr)
    return keys.group(1)


def without_time(bad):
    return [{key: f[key] for key in ("path", "step", "reason")} for f in json.loads(bad)]


def songs_and_list(tatum, work, real):
    """Makes the demo's songs, one of them twice and one file bad, and the list of all files."""
    songs = os.path.join(work, "songs")
    run(tatum, "demo", "--quiet", "--songs", "120", songs)
    files = sorted(glob.glob(os.path.join(songs, "**", "*.h5"), recursive=True))
    shutil.copy(files[0], os.path.join(songs, "copy.h5"))
    for name in "bad-1.h5", "bad-2.h5":
        with open(os.path.join(songs, name), "w") as f:
            f.write("no song")
    files = sorted(glob.glob(os.path.join(songs, "**", "*.h5"), recursive=True))
    if real:
        files += sorted(glob.glob(os.path.join(os.path.abspath(real), "**", "*.h5"), recursive=True))
    listed = os.path.join(work, "list.txt")
    with open(listed, "w") as f:
        f.writelines(path + "\n" for path in files)
    return songs, listed, len(files)


def main(tatum, go, work, real=None):
    tatum, work = os.path.abspath(tatum), os.path.abspath(work)
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    skipped = 0
    if not (real and os.path.isdir(real)):
        print("spark: skipped: the real songs, which are not here")
        real, skipped = None, 1
    songs, listed, files = songs_and_list(tatum, work, real)
    one, merged, out = (os.path.join(work, name) for name in ("one.db", "merged.db", "shards"))
    run(tatum, "ingest", "--quiet", "--db", one, "--from-file", listed, codes=(3,))

    cluster = Cluster(work)
    try:
        args = ["--tatum", tatum, "--shards", str(SHARDS), listed, out]
        job = cluster.submit("first", *args)
        n = kill_half_way(cluster, job, out)
        for _ in range(300):
            left = [pid for pid in marked(work) if cluster.local(n) in cmdline(pid)]
            if not left:
                break
            time.sleep(0.1)
        check("the killed executor's tatum has ended with it", not left, left)
        while job.poll() is None:
            cluster.look()
            time.sleep(0.5)
        code, said = cluster.finish(job)
        lost = [line for line in cluster.log("first").split("\n") if re.search("Lost executor|Lost task", line)]
        lost += [line for line in cluster.log("master").split("\n") if re.search("Removing worker|got disassoc", line)]
        for line in lost:
            print("spark: log:", line)
        check(
            "Spark has lost an executor, and the job goes on",
            lost and code == 3,
            f"{code} {cluster.log('first')[-3000:]}",
        )
        check(
            f"the job says: {said}",
            re.fullmatch(rf"{SHARDS} shards, \d+ made, 0 kept: \d+ tracks, {files} files, 2 bad", said),
        )
        shards = sorted(glob.glob(os.path.join(out, "*")) + glob.glob(os.path.join(out, ".*")))
        check("nothing but shards", len(shards) == SHARDS and all(s.endswith(".db") for s in shards), shards)

        merging = run(tatum, "store", "merge", "--quiet", "--db", merged, *reversed(shards)).strip()
        print(f"spark: merged: {merging}")
        keys = same(go, [merged, one])
        print(f"spark: {keys} compared")
        bad = [without_time(run(tatum, "store", "info", "--db", db, "--bad", "-o", "json")) for db in (merged, one)]
        check("the same bad files", bad[0] == bad[1] and len(bad[0]) == 2, bad)
        exported = 0
        for db in merged, one:
            run(tatum, "cluster", "--quiet", "--db", db)
            run(tatum, "export", "npy", "--quiet", "--db", db, db + "-npy")
            run(tatum, "export", "csv", "--quiet", "--db", db, db + "-csv")
        for kind in "npy", "csv":
            names = os.listdir(f"{one}-{kind}")
            differ = filecmp.cmpfiles(f"{merged}-{kind}", f"{one}-{kind}", names, shallow=False)[1:]
            check(f"the same {kind} files of the clustering, byte for byte", names and differ == ([], []), differ)
            exported += len(names)

        times = [os.stat(s).st_mtime_ns for s in shards]
        code, said = cluster.finish(cluster.submit("second", *args))
        check(f"again, on the worker that is left: {said}", code == 3 and f"0 made, {SHARDS} kept" in said, said)
        check("no shard was made anew", times == [os.stat(s).st_mtime_ns for s in shards])
        archives(cluster, tatum, go, songs)
        check("wrong usage ends with 2", usage(work) == 2)
        away = {a for a in cluster.addresses if a not in ("127.0.0.1", "::ffff:127.0.0.1", "::1")}
        check(f"sockets only on {', '.join(sorted(cluster.addresses))}", cluster.addresses and not away, away)
    finally:
        left = cluster.stop()
    check("no process is left", not left, left)
    print(f"spark: {files} files in {SHARDS} shards, {keys} and {exported} exported files the same as one machine's")
    print(f"spark: {passed} passed, 0 failed, {skipped} skipped")


def archives(cluster, tatum, go, songs):
    """Streams archives from a file system of Spark's, and publishes by manifests."""
    listed, out = os.path.join(cluster.work, "archives.txt"), os.path.join(cluster.work, "published")
    packed = [os.path.join(cluster.work, name) for name in ("a.tar", "b.tar.gz")]
    for archive, begins in zip(packed, ("ABCDEFGHIJKLM", "NOPQRSTUVWXYZb"), strict=True):
        with tarfile.open(archive, "w:gz" if archive.endswith("gz") else "w") as tar:
            for name in sorted(os.listdir(songs)):
                if name[0] in begins:
                    tar.add(os.path.join(songs, name), name)
    for name, damage in ("cut.tar", b""), ("flipped.tar", b"?" * (1 << 20)):  # where a song has to begin
        packed.append(os.path.join(cluster.work, name))
        shutil.copy(packed[0], packed[-1])
        with tarfile.open(packed[0]) as tar:
            end = tar.getmembers()[-3].offset
        with open(packed[-1], "r+b") as f:
            f.truncate(end)
            f.seek(end)
            f.write(damage)
    # To a directory the damaged ones are enough.
    for to, some in (os.path.join(cluster.work, "published-here"), packed[2:]), ("file://" + out, packed):
        with open(listed, "w") as f:
            f.writelines(f"file://{archive}\n" for archive in some)
        job = cluster.submit("archives", "--tatum", tatum, "--as", songs, listed, to)
        code, said = cluster.finish(job)
        n = len(some)
        ok = code == 3 and f"{n} shards, {n} made, 0 kept: " in said and said.endswith(f", {n} bad")
        check(f"archives: {said}", ok, cluster.log("archives")[-3000:])
        with open(os.path.join(cluster.work, "archives.out")) as f:
            told = re.findall(r"^ingest\.py: read archive 'file://(.*)': ", f.read(), re.MULTILINE)
        check("the damaged archives are named", told == packed[2:], told)
    one, merged, shards = os.path.join(cluster.work, "one-a.db"), os.path.join(cluster.work, "merged-a.db"), []
    for manifest in glob.glob(os.path.join(out, "*.json")):
        with open(manifest) as f:
            shards.append(os.path.join(out, json.load(f)["shard"]))
    run(tatum, "store", "merge", "--quiet", "--db", merged, *shards)
    run(tatum, "ingest", "--quiet", "--db", one, "--as", songs, *packed, codes=(3,))
    same(go, [merged, one])


def usage(work):
    empty = os.path.join(work, "empty")
    with open(empty, "w"):
        pass
    command = [sys.executable, os.path.join(HERE, "ingest.py"), empty, os.path.join(work, "none")]
    return subprocess.run(command, capture_output=True).returncode


def cmdline(pid):
    try:
        with open(f"/proc/{pid}/cmdline", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


if __name__ == "__main__":
    main(*sys.argv[1:])
