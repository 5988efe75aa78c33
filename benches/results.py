"""Joins the JSON of peers.py, rust_peers and roofline to RESULTS.md and two plots beside it.

    python results.py --out FOLDER RUN.json ...

Prints the ten most telling rows as a table for the README. Ratios are taken within each round of
each run: a peer's time over this crate's. No dependencies.
"""

import argparse
import datetime
import json
import statistics
from collections import defaultdict
from pathlib import Path

from plot import dots

OURS = "hopfield"
NOT_PEERS = {OURS, "hopfield-dense"}
FLOPS = {"recall": 4, "evolve": 2, "step": 6}  # times B D N
OPS = list(FLOPS)
SEED = "ngclearn"
TELLING = [  # op, B x D x N, type, threads, data
    ("recall", "1x64x1024", "f32", 1, "random"), ("recall", "1x784x60000", "f32", 1, "random"),
    ("recall", "16x784x1000", "f32", 1, "random"), ("recall", "128x784x10000", "f32", 1, "random"),
    ("recall", "128x784x10000", "f32", 2, "random"), ("recall", "128x784x10000", "f64", 1, "random"),
    ("recall", "256x3072x4096", "f32", 1, "random"), ("recall", "256x64x1797", "f32", 1, "digits"),
    ("evolve", "128x784x10000", "f32", 1, "random"), ("step", "1x784x60000", "f32", 1, "random")]

INTRODUCTION = """\
# Results

Made by `benches/run`; README.md beside this file says how. Times are medians over the rounds, with
the least and the most in brackets. A ratio is a peer's time over this crate's, the median of the
ratios of single rounds: above 1, this crate is faster. The best peer of a row is the one with the
lowest ratio. The share of the roof is T_roof / T, where T_roof is the larger of operations / FMA peak
and bytes of the patterns / bandwidth of where they live (one thread; the limits are measured before
and after every round).
"""
ROOFLINE = """\
![Share of the roof](roofline.svg)

*Share of the roof, one thread: how much of what the machine could do at most - multiply-adds for many
probes, bandwidth for few - this crate does. 100% would be a program that did nothing but the products
or nothing but reading the patterns.*
"""
RATIO = """\
![Ratio to the best peer](ratio.svg)

*Time of the best peer over this crate's, f32, on a logarithmic axis; the best peer is another one from
row to row, of all that took part. Right of 1, this crate is faster.*
"""


def merge(runs):
    """{row key: {peer: {times and ratio}}}, and the roofline's rows."""
    rows, roofs, invalid = defaultdict(dict), {}, []
    for run in runs:
        for row in run["rows"]:
            size = f"{row['batch']}x{row['dim']}x{row['patterns']}"
            if "share" in row:
                roofs[row["op"], size, row["dtype"], row["level"]] = row
                continue
            key = (row["op"], size, row["dtype"], row["threads"], row.get("data", "random"))
            if not row["valid"]:
                invalid.append(key)
                continue
            ours = row["seconds"].get(OURS)
            for peer, times in row["seconds"].items():
                if times and ours:
                    rows[key].setdefault(peer, {
                        "median": statistics.median(times), "min": min(times), "max": max(times),
                        "ratio": statistics.median(t / o for t, o in zip(times, ours))})
    return rows, roofs, invalid


def best(peers):
    """The strongest peer of a row and its ratio."""
    others = [(peer["ratio"], name) for name, peer in peers.items() if name not in NOT_PEERS]
    return min(others, default=(None, "-"))


def order(key):
    op, size, dtype, threads, data = key
    return dtype, threads, data != "random", OPS.index(op), [int(n) for n in size.split("x")]


def time_of(seconds):
    return f"{1e3 * seconds:.2f} ms" if seconds >= 1e-3 else f"{1e6 * seconds:.1f} µs"


def spread(peer):
    scale, unit = (1e3, "ms") if peer["median"] >= 1e-3 else (1e6, "µs")
    low, middle, high = (f"{scale * peer[key]:.2f}" for key in ("min", "median", "max"))
    return f"{middle} {unit} [{low}..{high}]"


def label(key):
    op, size, *_, data = key
    return f"{op} {size.replace('x', ' × ')}" + (" digits" if data == "digits" else "")


def times(ratio):
    return f"{ratio:.2f}" if ratio else "-"


class Shares:
    """Shares of the roof by row, at the best level (the one that is measured for most rows)."""

    def __init__(self, roofs):
        levels = [level for *_, level in roofs]
        self.best = max(set(levels), key=levels.count) if levels else None
        self.of = {key: 100 * statistics.median(row["share"]) for key, row in roofs.items()}
        self.bound = {key: row["bound"] for key, row in roofs.items()}

    def get(self, key):
        op, size, dtype, threads, data = key
        if threads == 1 and data == "random":
            return self.of.get((op, size, dtype, self.best))
        return None

    def text(self, key):
        share = self.get(key)
        return "-" if share is None else f"{share:.0f}% {self.bound[(*key[:3], self.best)]}"


def table(head, lines):
    rule = "| --- " + "| ---: " * (len(head) - 1) + "|"
    return "\n".join(["| " + " | ".join(head) + " |", rule,
                      *("| " + " | ".join(line) + " |" for line in lines)]) + "\n"


def rows_table(rows, keys, shares):
    def line(key):
        peers, (ratio, name) = rows[key], best(rows[key])
        batch, dim, patterns = map(int, key[1].split("x"))
        gflops = FLOPS[key[0]] * batch * dim * patterns / peers[OURS]["median"] / 1e9
        return [label(key), spread(peers[OURS]), f"{gflops:.1f}", name, times(ratio),
                shares.text(key)]
    return table(["B × D × N", "this crate", "GF/s", "best peer", "ratio", "share of roof"],
                 map(line, keys))


def ratios_table(rows, keys):
    names = sorted({name for key in keys for name in rows[key]} - {OURS})
    def line(key):
        return [label(key)] + [times(rows[key].get(name, {}).get("ratio")) for name in names]
    return table(["ratio of", *names], map(line, keys))


def limits_tables(runs, shares):
    for limits in (run["limits"] for run in runs if "limits" in run):
        peaks = table(["FMA peak, one thread", "type", "GF/s"], (
            [peak["level"], peak["dtype"], f"{statistics.median(peak['gflops']):.0f}"]
            for peak in limits["fma"]))
        bandwidths = table(["bandwidth, one thread", "", "GB/s"], (
            [rate["place"], rate["access"], f"{statistics.median(rate['gbytes']):.0f}"]
            for rate in limits["bandwidth"]))
        yield f"{peaks}\n{bandwidths}"
    forced = [(key, share) for key, share in shares.of.items() if key[3] != shares.best]
    if forced:
        yield table(["level forced", "type", "B × D × N", "share of that level's roof"], (
            [level, dtype, f"{op} {size}", f"{share:.0f}%"]
            for (op, size, dtype, level), share in forced))


def zeros(rows):
    for key, peers in sorted(rows.items(), key=lambda item: order(item[0])):
        if "hopfield-dense" in peers:
            yield (f"What weights of zero save ({label(key)}, {key[2]}, threads: {key[3]}): "
                   f"{peers['hopfield-dense']['ratio']:.2f} times as fast as at dense weights.\n")


def environment(runs):
    machine, versions = {}, {}
    for _, run in runs:
        machine.update(run["machine"])
        versions.update({name: text for name, text in run.get("versions", {}).items() if text})
    text = (f"{machine['cpu']} (family {machine.get('cpu_family')}, model "
            f"{machine.get('cpu_model')}), {machine.get('cores_usable')} cores")
    caches = [f"{name.upper()} {machine[name] >> 10} KiB" for name in ("l2", "l3")
              if machine.get(name)]
    levels = ", ".join(machine.get("levels", []))
    day = datetime.datetime.now(datetime.timezone.utc).date()
    turns = "; ".join(f"{path.stem}: {run['settings']['rounds']} rounds, turns of "
                      f"{run['settings']['slice']} s" for path, run in runs if "settings" in run)
    return "\n".join([f"- Date: {day}", f"- Machine: {', '.join([text, *caches])}",
                      f"- Levels: {levels}", f"- Rounds: {turns}",
                      *(f"- {name}: {version}" for name, version in sorted(versions.items()))])


def ratio_plot(path, rows):
    keys = sorted({(*key[:3], 1, key[4]) for key in rows if key[2] == "f32"}, key=order)
    values = [(label(key), [best(rows.get((*key[:3], threads, key[4]), {}))[0]
                            for threads in (1, 2)]) for key in keys]
    dots(path, "Time of the best peer over this crate's, f32", ["1 thread", "2 threads"], values,
         [0.5, 0.7, 1, 1.5, 2, 3, 5], "×", log=True, reference=1)


def roofline_plot(path, shares):
    keys = sorted({(*key[:2], "f32", 1, "random") for key in shares.of
                   if key[3] == shares.best}, key=order)
    values = [(label(key), [shares.of.get((*key[:2], dtype, shares.best))
                            for dtype in ("f32", "f64")]) for key in keys]
    dots(path, "Share of the roof, one thread", ["f32", "f64"], values,
         [0, 20, 40, 60, 80, 100], "%", reference=100)


def telling(rows, shares):
    def line(key):
        peers, (ratio, name) = rows[key], best(rows[key])
        return [label(key), key[2], str(key[3]), time_of(peers[OURS]["median"]),
                f"{times(ratio)} ({name})", times(peers.get(SEED, {}).get("ratio")),
                shares.text(key)]
    return table(["B × D × N", "type", "threads", "this crate", "to the best peer",
                  "to ngc-learn", "share of roof"],
                 (line(key) for key in TELLING if OURS in rows.get(key, {})))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN.json")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, metavar="FOLDER")
    args = parser.parse_args()
    runs = [json.loads(path.read_text()) for path in args.runs]
    rows, roofs, invalid = merge(runs)
    shares = Shares(roofs)

    named = list(zip(args.runs, runs))
    parts = [INTRODUCTION, environment(named) + "\n", RATIO, ROOFLINE]
    groups = defaultdict(list)
    for key in sorted(rows, key=order):
        groups[key[2], key[3]].append(key)
    for (dtype, threads), keys in groups.items():
        parts += [f"## {dtype}, {threads} thread{'s' if threads > 1 else ''}\n",
                  rows_table(rows, keys, shares), ratios_table(rows, keys)]
    parts += zeros(rows)
    parts += ["## Limits of the machine\n", *limits_tables(runs, shares)]
    if invalid:
        parts.append("Rows where results differ, and which do not count: "
                     + "; ".join(f"{label(key)} {key[2]}" for key in invalid) + "\n")
    (args.out / "RESULTS.md").write_text("\n".join(parts))
    ratio_plot(args.out / "ratio.svg", rows)
    roofline_plot(args.out / "roofline.svg", shares)
    print(telling(rows, shares), end="")


if __name__ == "__main__":
    main()
