#!/usr/bin/env python3
"""Exact top-k by this crate, FAISS's IndexFlatIP and USearch's exact search, turn by turn.

Run from the root of the repository, in an environment with the requirements beside this file:

    cargo build --release --manifest-path benches/peers/Cargo.toml --bin top_k
    python benches/peers/reference/top_k.py benches/peers/target/release/top_k [--data FOLDER]

One thread each, the same arrays: 200,000 vectors of norm 1 around 2,000 centres, and with a
folder that real_data.py has made, embeddings of sentences, and 200,000 of these with noise. A
search is for one probe, and the probes take turns. In each round everybody searches for a slice of
time, after one search that is not timed. This crate searches without codes, with 8 bits and with 4
bits, each in a process of its own. What is found has to be the same; only scores that differ by
rounding may change places. Prints a table in Markdown.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import faiss
import numpy as np
import usearch
from usearch.index import MetricKind, search

K = 10
PATTERNS = 200_000
CENTRES = 2_000
DIM = 384
PROBES = 64
# The norms of the noise that makes patterns of centres or sentences, and probes of patterns.
SPREAD = 0.8
NOISE = 0.4
# Scores of norms of 1 that differ by this may be in any order.
ROUNDING = 1e-5


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def noisy(rows, norm, random):
    """The rows, with noise of about this norm, as unit vectors."""
    noise = random.standard_normal(rows.shape, np.float32)
    return unit(rows + norm / rows.shape[1] ** 0.5 * noise)


def around(centres, random):
    """Patterns around some centres, the same number for each, in random order."""
    rows = centres[random.permutation(np.arange(PATTERNS) % len(centres))]
    return noisy(rows, SPREAD, random)


def data(folder):
    """Names, patterns and probes."""
    random = np.random.default_rng(10)
    centres = unit(random.standard_normal((CENTRES, DIM), np.float32))
    patterns = around(centres, random)
    chosen = random.choice(PATTERNS, PROBES, replace=False)
    yield "clusters", patterns, noisy(patterns[chosen], NOISE, random)
    if folder:
        sentences = np.load(folder / "sentences.npy")
        probes = np.load(folder / "sentences_probes.npy")[:PROBES]
        yield "sentences with noise", around(sentences, random), probes
        yield "sentences", sentences, probes


def median_time(call, seconds):
    """The median time of the calls of a slice of time, after one that is not timed."""
    call()
    begin, times = time.perf_counter(), []
    while not times or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


class Library:
    """A peer: `find` gives the indices for some probes."""

    def __init__(self, find, probes):
        self.find, self.probes, self.next = find, probes, 0
        self.indices = np.concatenate([find(probes[b : b + 1]) for b in range(len(probes))])

    def call(self):
        self.find(self.probes[self.next : self.next + 1])
        self.next = (self.next + 1) % len(self.probes)

    def turn(self, seconds):
        return median_time(self.call, seconds)

    def close(self):
        pass


def faiss_flat(patterns, probes):
    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatIP(patterns.shape[1])
    index.add(patterns)
    return Library(lambda x: index.search(x, K)[1], probes)


def usearch_exact(patterns, probes):
    def find(x):
        found = search(patterns, x, K, MetricKind.IP, exact=True, threads=1)
        return np.asarray(found.keys).reshape(len(x), K)

    return Library(find, probes)


class Worker:
    """This crate, in a process that waits when it is not its turn."""

    def __init__(self, program, files, codes):
        arguments = ["--patterns", files[0], "--probes", files[1], "--k", str(K), "--codes", codes]
        self.process = subprocess.Popen(
            [program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.indices = np.array(self.answer()["indices"])

    def answer(self):
        return json.loads(self.process.stdout.readline())

    def turn(self, seconds):
        print(f"go {seconds}", file=self.process.stdin, flush=True)
        return self.answer()["seconds"]

    def close(self):
        self.process.communicate("quit\n")


def check(name, patterns, probes, indices, reference):
    """The same indices, or scores that differ by rounding alone."""
    scores = np.stack([patterns[n] @ x for n, x in zip(indices, probes)])
    best = np.stack([patterns[n] @ x for n, x in zip(reference, probes)])
    if np.abs(scores - best).max() > ROUNDING:
        raise SystemExit(f"{name} has found other patterns")
    return int((np.asarray(indices, np.int64) == np.asarray(reference, np.int64)).all(1).sum())


def contestants(program, folder, patterns, probes):
    files = [str(pathlib.Path(folder) / name) for name in ("patterns.npy", "probes.npy")]
    np.save(files[0], patterns)
    np.save(files[1], probes)
    ours = {f"this crate, {text}": Worker(program, files, codes)
            for codes, text in (("none", "no codes"), ("eight", "8 bits"), ("four", "4 bits"))}
    return ours | {"FAISS IndexFlatIP": faiss_flat(patterns, probes),
                   "USearch exact": usearch_exact(patterns, probes)}


def compete(everybody, options):
    """The median time of each turn, for everybody."""
    times = {name: [] for name in everybody}
    names = list(everybody)
    for r in range(options.rounds):
        for t in range(len(names)):
            name = names[(r + t) % len(names)]
            times[name].append(everybody[name].turn(options.slice))
    return times


def show(title, shape, times, same):
    def ratio(name, peer):
        return statistics.median(b / a for a, b in zip(times[name], times[peer]))

    for name in times:
        milliseconds = 1e3 * statistics.median(times[name])
        ratios = [f"{ratio(name, peer):.2f}" for peer in ("FAISS IndexFlatIP", "USearch exact")]
        cells = [title, shape, name, f"{milliseconds:.2f} ms", *ratios, str(same[name])]
        print("| " + " | ".join(cells) + " |", flush=True)


def measure(title, patterns, probes, options):
    with tempfile.TemporaryDirectory() as folder:
        everybody = contestants(options.program, folder, patterns, probes)
        reference = everybody["FAISS IndexFlatIP"].indices
        same = {name: check(name, patterns, probes, who.indices, reference)
                for name, who in everybody.items()}
        times = compete(everybody, options)
        for who in everybody.values():
            who.close()
    shape = f"1 x {patterns.shape[1]} x {len(patterns)}"
    show(title, shape, times, same)


def main():
    parser = argparse.ArgumentParser(description="Exact top-k beside FAISS and USearch.")
    parser.add_argument("program", help="the built program top_k")
    parser.add_argument("--data", type=pathlib.Path, help="a folder that real_data.py has made")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--slice", type=float, default=0.25, help="seconds of a turn")
    options = parser.parse_args()
    print(f"FAISS {faiss.__version__}, USearch {usearch.__version__}, k = {K}\n")
    print("| data | B x D x N | who | time | FAISS / it | USearch / it"
          f" | same order as FAISS, of {PROBES} |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: |")
    for title, patterns, probes in data(options.data):
        measure(title, patterns, probes, options)


if __name__ == "__main__":
    main()
