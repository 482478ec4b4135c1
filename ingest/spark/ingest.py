"""Ingests songs on a Spark cluster: many shards, each a tatum store of a part of the songs.

Run it with spark-submit; see --help. It needs pyspark and the standard library only.
"""

import argparse
import ctypes
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from xml.sax.saxutils import escape

DONE, FAILED, USAGE, BAD_INPUT, INTERRUPTED = 0, 1, 2, 3, 130  # exit codes, as tatum's

HELP = """\
Ingests songs on a Spark cluster. LIST names a song file, a directory or an archive of songs a
line. It is cut into runs; a task ingests each run into a shard, a tatum store, which appears in OUT
once it is whole. A run whose shard is in OUT already is left alone: after a failure, the same call
makes what is missing. Then `tatum store merge` makes one store of the shards.

Paths in LIST are read on the machines of the cluster, so they must lead to the same files
everywhere. An archive (.tar, .tar.gz, .tgz, .tar.zst, .tzst) may also be a URI of any file system
that Spark reads (hdfs://, s3a://, file://); it is streamed, not copied. OUT is a directory that all
machines share, where a shard appears by one rename; or a URI, where a manifest (.json) is written
last, and a shard counts if a manifest names it.

A song file that cannot be read is remembered in its shard and listed at the end; it fails nothing.
Of a damaged archive the songs before the damage are taken, and it is listed too.
The counts are those of the shards in OUT. Exit codes: 0 done; 1 failed; 2 wrong usage; 3 finished,
but some input could not be read; 130 interrupted."""

EXAMPLE = """\
example:
  find /data/songs -mindepth 1 -maxdepth 1 > list.txt
  spark-submit --master spark://head:7077 ingest.py --tatum /opt/tatum list.txt /data/shards
  tatum store merge --db songs.db /data/shards/*.db"""

DAMAGED = ".damaged.json"  # beside a shard: archives that end in damage
ARCHIVE = re.compile(r"\.(tar|tar\.gz|tgz|tar\.zst|tzst)$", re.IGNORECASE)


class ShardFailed(Exception):
    """A shard could not be made; Spark tries again."""


def main(argv):
    args = parse(argv)
    try:
        lines = read_list(args.list)
    except OSError as err:
        return fail(f"read list {args.list!r}: {err.strerror}")
    wrong = [line for line in lines if not ARCHIVE.search(line) and (is_uri(line) or args.as_)]
    if not lines:
        return fail(f"list {args.list!r} is empty", USAGE)
    if wrong:
        return fail(f"{wrong[0]!r} is no archive: want one where --as or a URI is given", USAGE)
    if not is_uri(args.out):
        args.out = os.path.abspath(args.out)
        try:
            os.makedirs(args.out, exist_ok=True)
        except OSError as err:
            return fail(f"make directory {args.out!r}: {err.strerror}")

    from pyspark import SparkConf, SparkContext  # not before --help has been answered

    signal.signal(signal.SIGTERM, interrupt)
    try:
        sc = SparkContext(conf=SparkConf().setIfMissing("spark.app.name", "tatum ingest"))
        try:
            sc.setLogLevel("WARN")
            return ingest(sc, args, lines)
        finally:
            sc.stop()
    except KeyboardInterrupt:
        return fail("interrupted; the same call makes what is missing", INTERRUPTED)
    except Exception as err:  # Spark's, which has the tasks' as text
        why = re.search(r"ShardFailed: (.*)", str(err))
        return fail(why.group(1) if why else str(err).split("\n")[0])


def parse(argv):
    p = argparse.ArgumentParser(
        "ingest.py", description=HELP, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("list", metavar="LIST", help="file with a path or archive a line")
    p.add_argument("out", metavar="OUT", help="directory or URI for the shards")
    p.add_argument(
        "--shards",
        type=int,
        default=100,
        metavar="N",
        help="how many to make at most (default: 100); keep it for reruns",
    )
    p.add_argument(
        "--tatum", default="tatum", metavar="FILE", help="the program, on every machine, or sent along with --files"
    )
    p.add_argument(
        "--arrays", choices=["features", "all"], default="features", help="which to keep (default: features)"
    )
    p.add_argument(
        "--as", dest="as_", metavar="DIR", help="record songs of archives as DIR/member, as tatum ingest does"
    )
    p.add_argument("--workers", type=int, metavar="N", help="songs a task reads at once (default: spark.task.cpus)")
    args = p.parse_args(argv)
    if args.shards < 1 or (args.workers or 1) < 1:
        p.error("--shards and --workers: want 1 or more")
    return args


def read_list(path):
    with open(path, encoding="utf-8", errors="surrogateescape") as f:
        lines = [line.rstrip("\r\n") for line in f]
    return [line if is_uri(line) else os.path.abspath(line) for line in lines if line]


def is_uri(path):
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", path) is not None


def fail(why, code=FAILED):
    print(f"ingest.py: {why}", file=sys.stderr)
    return code


def interrupt(_signal, _frame):
    raise KeyboardInterrupt


def ingest(sc, args, lines):
    """Makes the shards that are missing, and tells what is in all of them."""
    conf = {
        "out": args.out,
        "tatum": args.tatum,
        "arrays": args.arrays,
        "as": args.as_,
        "workers": args.workers or int(sc.getConf().get("spark.task.cpus", "1")),
        "hadoop": {k[len("spark.hadoop.") :]: v for k, v in sc.getConf().getAll() if k.startswith("spark.hadoop.")},
    }
    runs = cut(lines, min(args.shards, len(lines)), conf)
    if is_uri(args.out):
        with tempfile.TemporaryDirectory() as work:
            finish(start(hadoop(conf, work, "-mkdir", "-p", args.out)), f"make {args.out!r}")
    there = published(conf)
    missing = [(name, run) for name, run in runs if name not in there]
    print(f"ingest.py: {len(runs)} shards, {len(runs) - len(missing)} of them made before", file=sys.stderr)
    if missing:
        sc.parallelize(missing, len(missing)).foreach(lambda task: make_shard(conf, *task))
    return report(conf, [name for name, _ in runs], len(missing))


def cut(lines, n, conf):
    """Cuts the list into n runs, each with the name of its shard, which depends on all that is in it."""
    runs = []
    for i in range(n):
        run = lines[i * len(lines) // n : (i + 1) * len(lines) // n]
        what = "\n".join([conf["arrays"], conf["as"] or "", *run]).encode(errors="surrogateescape")
        runs.append((f"shard-{i + 1:05}-of-{n:05}-{hashlib.sha256(what).hexdigest()[:12]}", run))
    return runs


def report(conf, names, made):
    """Tells what is in the shards of these names, and returns the exit code."""
    total = {"tracks": 0, "files": 0, "bad_files": 0}
    there = published(conf)
    for name in names:
        if name not in there:
            raise ShardFailed(f"{name} is gone from {conf['out']!r}")
        if is_uri(conf["out"]):
            counts = read_manifest(conf, there[name])
        else:
            counts = add_damaged(describe(conf, there[name]), read_damaged(conf, name))
        for key in total:
            total[key] += counts[key]
        for bad in counts["bad"]:
            print(f"ingest.py: {bad['step']} {bad['path']!r}: {bad['reason']}", file=sys.stderr)
    remove_attempts(conf, names)
    print(
        f"{len(names)} shards, {made} made, {len(names) - made} kept: "
        f"{total['tracks']} tracks, {total['files']} files, {total['bad_files']} bad"
    )
    return BAD_INPUT if total["bad_files"] else DONE


def describe(conf, db):
    """Returns what a shard says of itself."""
    info = output([tatum(conf), "store", "info", "--db", db, "-o", "json"])[0]
    bad = output([tatum(conf), "store", "info", "--db", db, "-o", "json", "--bad"]) if info["bad_files"] else []
    return {key: info[key] for key in ("tracks", "files", "bad_files")} | {"bad": bad}


def add_damaged(counts, damaged):
    """Counts archives that end in damage, of which a shard does not tell where songs are recorded elsewhere."""
    told = {bad["path"] for bad in counts["bad"]}
    damaged = [bad for bad in damaged if bad["path"] not in told]
    return counts | {"bad": counts["bad"] + damaged, "bad_files": counts["bad_files"] + len(damaged)}


def make_shard(conf, name, run):
    """Is the task: ingests a run in a directory of the attempt's own, and publishes the shard."""
    if not is_uri(conf["out"]) and os.path.exists(os.path.join(conf["out"], name + ".db")):
        return  # another attempt was faster
    paths = [line for line in run if not is_uri(line)]
    for path in paths:
        if not os.path.exists(path):  # perhaps this machine does not have what the others have
            raise ShardFailed(f"{path!r} is not there on {os.uname().nodename}")
    with tempfile.TemporaryDirectory(prefix=name + "-", dir=scratch()) as work:
        db = os.path.join(work, "shard.db")
        command = [tatum(conf), "ingest", "--quiet", "--db", db, "-o", "json", "--arrays", conf["arrays"]]
        command += ["--workers", str(conf["workers"])]
        bad, damaged = 0, []
        if paths:
            listed = os.path.join(work, "list")
            with open(listed, "w", encoding="utf-8", errors="surrogateescape") as f:
                f.writelines(path + "\0" for path in paths)
            as_ = ["--as", conf["as"]] if conf["as"] else []
            reader = start([*command, "-0", "--from-file", listed, *as_])
            bad += json.loads(finish(reader, "ingest"))[0]["bad"]
            damaged += damaged_archives(reader)
        for uri in run:
            if is_uri(uri):
                counts, found = stream(conf, work, uri, [*command, "-", "--as", conf["as"] or uri])
                bad += counts["bad"]
                damaged += found
        if not os.path.exists(db):
            raise ShardFailed(f"no songs under {run[0]!r}")
        counts = add_damaged(describe(conf, db), damaged)
        if counts["bad_files"] < bad:  # a directory cannot be read, say, and the shard does not tell
            raise ShardFailed(re.sub(r"^tatum: ", "", reader.said.split("\n")[-1]))
        publish(conf, work, db, name, counts, damaged)


def stream(conf, work, uri, command):
    """Has tatum read an archive while it comes from a file system of Spark's, and returns its counts and its damage."""
    source = start(hadoop(conf, work, "-cat", uri))
    reader = start(command, stdin=source.stdout)
    source.stdout.close()
    source.stdout = None
    counts = json.loads(finish(reader, f"ingest {uri!r}"))[0]
    damaged = [bad | {"path": uri} for bad in damaged_archives(reader)]
    if all(bad["reason"].startswith("cut short") for bad in damaged):  # was it, or could it only not be read?
        finish(source, f"read {uri!r}")
    else:  # tatum left off at the damage, where its source may fail
        source.wait()
        source.errors.close()
    return counts, damaged


def damaged_archives(reader):
    """Returns the archives of which tatum said that they end in damage."""
    said = re.findall(r'^tatum: (read archive) "(.*?)": (.*)', reader.said, re.MULTILINE)
    return [{"step": step, "path": path, "reason": reason} for step, path, reason in said]


def publish(conf, work, db, name, counts, damaged):
    """Makes the shard appear, at once and whole."""
    attempt = f"{name}-{uuid.uuid4().hex[:12]}"
    if not is_uri(conf["out"]):
        part = os.path.join(conf["out"], f".{attempt}.part")
        if damaged:
            with open(part, "x", encoding="utf-8") as f:
                json.dump(damaged, f)
            os.rename(part, os.path.join(conf["out"], name + DAMAGED))
        with open(db, "rb") as src, open(part, "xb") as dst:
            shutil.copyfileobj(src, dst, 1 << 20)
            dst.flush()
            os.fsync(dst.fileno())
        os.rename(part, os.path.join(conf["out"], name + ".db"))
        return
    manifest = os.path.join(work, "manifest")
    with open(manifest, "w", encoding="ascii") as f:
        json.dump(counts | {"shard": attempt + ".db", "bytes": os.path.getsize(db)}, f)
    finish(start(hadoop(conf, work, "-put", db, f"{conf['out']}/{attempt}.db")), "publish")
    finish(start(hadoop(conf, work, "-put", "-f", manifest, f"{conf['out']}/{name}.json")), "publish")


def published(conf):
    """Returns the names of the shards in OUT, each with its path or that of its manifest."""
    if is_uri(conf["out"]):
        with tempfile.TemporaryDirectory() as work:
            paths = finish(start(hadoop(conf, work, "-ls", "-C", conf["out"])), f"list {conf['out']!r}").split()
        end = ".json"
    else:
        paths, end = [e.path for e in os.scandir(conf["out"])], ".db"
    return {os.path.basename(p).removesuffix(end): p for p in paths if p.endswith(end)}


def read_manifest(conf, path):
    with tempfile.TemporaryDirectory() as work:
        return json.loads(finish(start(hadoop(conf, work, "-cat", path)), f"read {path!r}"))


def read_damaged(conf, name):
    try:
        with open(os.path.join(conf["out"], name + DAMAGED), encoding="utf-8") as f:
            return json.load(f)
    except FileNotFoundError:
        return []


def remove_attempts(conf, names):
    """Removes what killed attempts at shards that are there have left."""
    if is_uri(conf["out"]):
        return  # a shard that no manifest names counts for nothing
    for e in os.scandir(conf["out"]):
        if e.name.endswith(".part") and e.name[1:].rsplit("-", 1)[0] in names:
            os.remove(e.path)


def tatum(conf):
    """Returns the program's path on this machine."""
    from pyspark import SparkFiles

    for path in shutil.which(conf["tatum"]), SparkFiles.get(conf["tatum"]):
        if path and os.path.exists(path):
            return path
    raise ShardFailed(f"no program {conf['tatum']!r} on {os.uname().nodename}")


def hadoop(conf, work, *args):
    """Returns a command on Spark's file systems, configured as Spark is."""
    import pyspark

    homes = [os.environ.get("SPARK_HOME", ""), os.path.dirname(pyspark.__file__)]
    home = next((h for h in homes if os.path.exists(os.path.join(h, "bin", "spark-class"))), None)
    if home is None:
        raise ShardFailed(f"no Spark found on {os.uname().nodename}: set SPARK_HOME")
    own = os.path.join(work, "conf")
    os.makedirs(own, mode=0o700, exist_ok=True)
    site = os.path.join(own, "core-site.xml")
    with open(site, "w", encoding="utf-8") as f:
        f.write("<configuration>")
        for key, value in conf["hadoop"].items():
            f.write(f"<property><name>{escape(key)}</name><value>{escape(value)}</value></property>")
        f.write("</configuration>")
    given = os.environ.get("HADOOP_CONF_DIR", "")
    confs = given if os.path.exists(os.path.join(given, "core-site.xml")) else own  # the shell must find one
    shell = [os.path.join(home, "bin", "spark-class"), "org.apache.hadoop.fs.FsShell"]
    return ["env", f"HADOOP_CONF_DIR={confs}", *shell, "-conf", site, *args]


def scratch():
    """Returns the directory for what Spark removes with the application, None if it tells of none."""
    for name in "SPARK_EXECUTOR_DIRS", "LOCAL_DIRS", "SPARK_LOCAL_DIRS":
        for path in re.split("[:,]", os.environ.get(name, "")):
            if os.path.isdir(path):
                return path
    return None


def start(command, stdin=subprocess.DEVNULL):
    """Starts a process that ends when this one does, however that ends: Spark kills tasks with SIGKILL."""
    parent, prctl = os.getpid(), getattr(ctypes.CDLL(None), "prctl", None)

    def die_with_parent():
        pr_set_pdeathsig = 1
        if prctl:  # which only Linux has
            prctl(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(FAILED)

    errors = tempfile.TemporaryFile()  # noqa: SIM115 (finish reads it); a pipe could fill up while another is read
    process = subprocess.Popen(command, preexec_fn=die_with_parent, stdin=stdin, stdout=subprocess.PIPE, stderr=errors)
    process.errors = errors
    return process


def finish(process, what):
    """Waits for a process and returns its output. A command that only met bad files has done its work."""
    out = process.communicate()[0]
    with process.errors as f:
        f.seek(0)
        errors = f.read().decode(errors="replace").strip()
    process.said = errors
    if errors:
        print(errors, file=sys.stderr)  # to the executor's log
    if process.returncode not in (DONE, BAD_INPUT):
        last = errors.split("\n")[-1]
        raise ShardFailed(f"{what}: exit code {process.returncode}: {last}")
    return out.decode(errors="surrogateescape") if out else ""


def output(command):
    """Returns what a command of tatum's says in JSON."""
    return json.loads(finish(start(command), " ".join(command[1:])))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
