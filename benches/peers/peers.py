"""Times this crate beside ngc-learn, JAX, NumPy and PyTorch, turn by turn in one run.

    python -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python peers.py --hopfield PATH --json OUT.json
    venv/bin/python peers.py --sizes quick --only recall --threads 1
    venv/bin/python peers.py --sizes recall:128x784x10000,1x784x60000 --dtype f64

For each row (operation, B x D x N, type, threads) every peer becomes a worker process (the
protocol is in workers.py) with the same data, the same CPUs and the same number of threads.
They are started one after another. Then, in each round, each is told to compute for a slice
of time while the others sleep on their standard input; who begins changes from round to round.
When the machine slows down for a while it slows everybody, and the ratio to this crate is taken
within each round. What other processes (and the hypervisor) took of the CPUs during each slice
is recorded as `foreign_cpu`; libraries whose threads wait by spinning collapse when it is high,
so rows with more than one thread need a quiet machine.

A row whose checksums differ by more than 1e-3 is marked invalid.

Data: M ~ N(0,1)/sqrt(D), X ~ N(0,1) * spread/beta, so that beta S has a standard deviation
near `--spread`. At the default, 1, the softmax is dense: no weight may be left out in f32,
and skipping what is exactly nothing cannot help anybody. `--spread 8` is X ~ N(0,1) at
beta = 8, where most weights vanish beside the largest. `weights_that_count` in the
output is the measured share of weights above the rounding of the sum.
"""

import argparse
import datetime
import json
import math
import os
import platform
import select
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from workers import DTYPES, PEERS, Peer

SIZES = ["1x64x1024", "1x784x1000", "1x784x60000", "16x784x1000", "128x784x10000",
         "256x3072x4096", "512x128x8192", "1024x64x1024", "1008x1024x1024"]
TABLE = [*(f"recall:{size}" for size in SIZES), "evolve:128x784x10000", "evolve:1x784x60000",
         "step:1x784x60000"]
QUICK = ["1x784x1000", "16x784x1000", "1024x64x1024"]
CPU_FLAGS = ["avx2", "fma", "avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512_bf16",
             "avx512_vnni", "amx_tile"]
RUST = ["hopfield", "matrixmultiply", "gemm", "faer"]  # peers that this crate's worker can be
FLOPS = {"recall": 4, "evolve": 2, "step": 6}  # times B D N
TOLERANCE = 1e-3
READY_TIMEOUT = 300.0  # seconds: importing, compiling and warming up
SLICE_TIMEOUT = 120.0  # seconds beyond the slice


@dataclass(frozen=True)
class Row:
    op: str
    batch: int
    dim: int
    patterns: int
    dtype: str
    threads: int

    def __str__(self):
        return (f"{self.op} {self.batch}x{self.dim}x{self.patterns} {self.dtype} "
                f"T={self.threads}")

    def gflops(self, seconds):
        return FLOPS[self.op] * self.batch * self.dim * self.patterns / seconds / 1e9


class WorkerFailed(Exception):
    pass


class Worker:
    """A worker process, and one question and answer at a time."""

    def __init__(self, command, threads, cpus):
        self.cpus = cpus
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.errors, env=environment(threads),
            preexec_fn=lambda: os.sched_setaffinity(0, cpus))
        try:
            self.ready = self.answer(READY_TIMEOUT)
            if self.ready.get("ready") is not True \
                    or not isinstance(self.ready.get("checksum"), (int, float)):
                raise WorkerFailed(f"not ready: {self.ready}")
        except WorkerFailed:
            self.stop()
            raise

    def answer(self, timeout):
        if not select.select([self.process.stdout], [], [], timeout)[0]:
            raise WorkerFailed(f"no answer in {timeout:.0f} s")
        line = self.process.stdout.readline()
        try:
            return json.loads(line)
        except ValueError:
            raise WorkerFailed(f"answered {line!r}; {self.last_words()}") from None

    def go(self, seconds):
        before = time.monotonic(), busy_ticks(self.cpus), self.ticks()
        try:
            self.process.stdin.write(f"go {seconds}\n".encode())
        except OSError:
            raise WorkerFailed(self.last_words()) from None
        answer = self.answer(seconds + SLICE_TIMEOUT)
        if not answer.keys() >= {"seconds", "calls"}:
            raise WorkerFailed(f"answered {answer}")
        taken = busy_ticks(self.cpus) - before[1] - (self.ticks() - before[2])
        available = (time.monotonic() - before[0]) * len(self.cpus) * os.sysconf("SC_CLK_TCK")
        return {"seconds": answer["seconds"], "calls": answer["calls"],
                "foreign_cpu": round(max(0.0, taken / available), 3)}

    def ticks(self):
        """CPU time of the worker's threads so far."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        user, system = stat.rpartition(")")[2].split()[11:13]
        return int(user) + int(system)

    def stop(self):
        try:
            self.process.stdin.write(b"quit\n")
            self.process.wait(5)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.errors.close()

    def last_words(self):
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "nothing on standard error"


def busy_ticks(cpus):
    """CPU time that has passed on these CPUs, but for idling and waiting."""
    lines = (line.split() for line in Path("/proc/stat").read_text().splitlines())
    times = {fields[0]: list(map(int, fields[1:9])) for fields in lines
             if fields[0].startswith("cpu")}
    return sum(sum(times[f"cpu{cpu}"]) - sum(times[f"cpu{cpu}"][3:5]) for cpu in cpus)


def environment(threads):
    env = dict(os.environ)
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "XLA_FLAGS"):
        env.pop(name, None)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
                 "RAYON_NUM_THREADS", "NPROC"):  # NPROC sizes XLA's thread pool
        env[name] = str(threads)
    env["JAX_PLATFORMS"] = "cpu"
    if threads == 1:
        env["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return env


def command(name, row, beta, data, hopfield):
    program = [hopfield, "--peer", name] if name in RUST else [
        sys.executable, str(Path(__file__).with_name("workers.py")), "--peer", name]
    return program + [
        "--op", row.op, "--batch", str(row.batch), "--dim", str(row.dim),
        "--patterns", str(row.patterns), "--dtype", row.dtype, "--threads", str(row.threads),
        "--beta", repr(beta), "--data", str(data)]


def can(name, row):
    if name in RUST:
        return name != "matrixmultiply" or row.threads == 1
    return row.op in PEERS[name].ops and row.dtype in PEERS[name].dtypes


def measure(row, data, args):
    """Starts every peer that can do this row, lets them take turns, and sums up."""
    cpus = sorted(os.sched_getaffinity(0))[-row.threads:]  # CPU 0 serves the most interrupts
    workers, ready, failures = {}, {}, {}
    samples = {}

    def fail(name, error):
        failures[name] = str(error)
        samples.pop(name, None)
        if name in workers:
            workers.pop(name).stop()

    try:
        for name in filter(lambda name: can(name, row), args.peers):
            try:
                workers[name] = Worker(command(name, row, args.beta, data, args.hopfield),
                                       row.threads, cpus)
                ready[name], samples[name] = workers[name].ready, []
            except (WorkerFailed, OSError) as error:
                fail(name, error)
        for turn in range(args.rounds):
            names = list(workers)
            first = turn % max(1, len(names))
            for name in names[first:] + names[:first]:
                time.sleep(args.pause)  # threads of the one before may still be spinning
                try:
                    samples[name].append(workers[name].go(args.slice))
                except (WorkerFailed, OSError) as error:
                    fail(name, error)
    finally:
        for worker in workers.values():
            worker.stop()

    rounds = {key: {name: [sample[key] for sample in taken] for name, taken in samples.items()}
              for key in ("seconds", "calls", "foreign_cpu")}
    valid = agree(ready, "checksum") and agree(ready, "update_checksum")
    return {**asdict(row), "valid": valid, "ready": ready, "failures": failures,
            **rounds, "summary": summary(row, rounds["seconds"])}


def agree(ready, key):
    """Whether all who report this checksum report the same. The update's is optional."""
    sums = [answer[key] for answer in ready.values() if answer.get(key) is not None]
    return all(map(math.isfinite, sums)) and (
        not sums or max(sums) - min(sums) <= TOLERANCE * max(map(abs, sums)))


def summary(row, seconds):
    ours = seconds.get("hopfield")
    return {name: {
        "median": statistics.median(theirs), "min": min(theirs), "max": max(theirs),
        "gflops": row.gflops(statistics.median(theirs)),
        "ratio_to_hopfield": statistics.median(t / o for t, o in zip(theirs, ours))
        if ours else None,
    } for name, theirs in seconds.items() if theirs}


def show(result):
    foreign = [share for shares in result["foreign_cpu"].values() for share in shares]
    print(Row(**{name: result[name] for name in Row.__dataclass_fields__}),
          f" others took {statistics.mean(foreign):.0%} of the CPU" if foreign else "",
          "" if result["valid"] else "  INVALID: checksums differ")
    for name, s in sorted(result["summary"].items(), key=lambda item: item[1]["median"]):
        ratio = s["ratio_to_hopfield"]
        print(f"  {name:11} {1e6 * s['median']:11.1f} us  [{1e6 * s['min']:.1f}"
              f" .. {1e6 * s['max']:.1f}]  {s['gflops']:6.1f} GF/s"
              + (f"  x{ratio:.2f}" if ratio else ""))
    for name, error in result["failures"].items():
        print(f"  {name:11} failed: {error}")
    sys.stdout.flush()


def write_data(path, batch, dim, patterns, dtype, args):
    """M and X for all the rows of one size; returns the share of weights that count."""
    rng = np.random.default_rng(args.seed)
    M = (rng.standard_normal((patterns, dim)) / math.sqrt(dim)).astype(DTYPES[dtype])
    X = (rng.standard_normal((batch, dim)) * (args.spread / args.beta)).astype(DTYPES[dtype])
    np.savez(path, M=M, X=X)  # not compressed
    bits = args.beta * math.log2(math.e) * (X[:64] @ M.T)
    bits -= bits.max(axis=1, keepdims=True)
    return float((bits >= -(24 + math.log2(patterns))).mean())


def machine():
    info = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    fields = {key.strip(): value.strip() for key, _, value in
              (line.partition(":") for line in info.splitlines())}
    flags = set(fields.get("flags", fields.get("Features", "")).split())
    return {"cpu": fields.get("model name", platform.machine()),
            "cpu_family": fields.get("cpu family"), "cpu_model": fields.get("model"),
            "cores": os.cpu_count(), "cores_usable": len(os.sched_getaffinity(0)),
            "flags": [flag for flag in CPU_FLAGS if flag in flags]}


def parse_sizes(text):
    """`all`, `table`, `quick`, or a list of [OP:]BxDxN; yields (op or None, (B, D, N))."""
    for spec in {"all": SIZES, "table": TABLE, "quick": QUICK}.get(text, text.split(",")):
        op, _, shape = spec.rpartition(":")
        try:
            batch, dim, patterns = map(int, shape.split("x"))
        except ValueError:
            raise SystemExit(f"not a size: {spec!r}; expected [OP:]BxDxN") from None
        if op and op not in Peer.ops:
            raise SystemExit(f"not an operation: {op!r}")
        yield op or None, (batch, dim, patterns)


def list_of(cast, allowed=None):
    def parse(text):
        items = [cast(item) for item in text.split(",")]
        if allowed and not set(items) <= set(allowed):
            raise argparse.ArgumentTypeError(f"{text!r}: choose from {', '.join(allowed)}")
        return items
    return parse


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hopfield", metavar="PATH", help="this crate's worker")
    parser.add_argument("--json", metavar="OUT.json")
    parser.add_argument("--sizes", default="all", help="all, table, quick, or [OP:]BxDxN,...")
    parser.add_argument("--only", type=list_of(str, Peer.ops), default=list(Peer.ops),
                        metavar="OP,...", help="of recall, evolve, step")
    parser.add_argument("--peers", type=list_of(str, [*PEERS, *RUST[1:]]), default=list(PEERS),
                        metavar="PEER,...",
                        help=f"of {', '.join(PEERS)} (default: these), {', '.join(RUST[1:])}")
    parser.add_argument("--dtype", type=list_of(str, DTYPES), default=["f32"],
                        metavar="TYPE,...", help="f32 (default), f64, or both")
    parser.add_argument("--threads", type=list_of(int), default=[1, 2], metavar="T,...")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--slice", type=float, default=0.3, metavar="SECONDS")
    parser.add_argument("--pause", type=float, default=0.05, metavar="SECONDS",
                        help="before each slice")
    parser.add_argument("--beta", type=float, default=8.0)
    parser.add_argument("--spread", type=float, default=1.0,
                        help="standard deviation of beta S (default 1)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if not args.hopfield and set(args.peers) & set(RUST):
        parser.error("the Rust peers need --hopfield")
    if args.hopfield:
        args.hopfield = str(Path(args.hopfield).resolve())
        args.peers = ["hopfield", *args.peers]
    return args


def main():
    args = arguments()
    usable = len(os.sched_getaffinity(0))
    settings = ("rounds", "slice", "pause", "beta", "spread", "seed")
    report = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat("T", "seconds"),
              "machine": machine(), "python": platform.python_version(), "versions": {},
              "settings": {name: getattr(args, name) for name in settings}, "rows": []}
    print(json.dumps(report["machine"]))
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data.npz")
        for op, size in parse_sizes(args.sizes):
            for dtype in args.dtype:
                counting = write_data(data, *size, dtype, args)
                rows = [Row(o, *size, dtype, threads) for threads in args.threads
                        for o in ([op] if op else args.only)]
                for row in rows:
                    if row.threads > usable:
                        print(f"{row}: left out, only {usable} CPUs")
                        continue
                    result = measure(row, data, args)
                    result["weights_that_count"] = counting
                    report["rows"].append(result)
                    report["versions"].update(
                        {name: answer.get("version") for name, answer in result["ready"].items()})
                    show(result)
                    if args.json:  # after every row: a run that is cut short is not lost
                        Path(args.json).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
