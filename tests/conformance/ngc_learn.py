"""Holds this crate against the real HopfieldSynapse of ngc-learn.

Two modes, both described in README.md:

    ngc_learn.py fixtures                 record traces of ngc-learn for the Rust tests
    ngc_learn.py check --replay BINARY    compare a replay binary with ngc-learn on fresh cases

A trace is T steps of `advance_state` followed by `evolve`, so the weights that one step learns
are the weights that the next step reads. Every trace is run by ngc-learn (float32, JAX) and by a
float64 model of the same equations, which tells how far float32 itself can be trusted; a check also
runs it by the crate.
"""

import argparse
import itertools
import math
import os
import secrets
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
DIGITS = HERE.parents[1] / "examples" / "recall" / "data" / "digits.npy"

# The number that ngc-learn keeps in `rule_fx`.
RULES = {"contrastive": 1, "delta": 2}

ADVANCED = ("outputs", "similarities", "memory_weights", "energy")  # read after advance_state
EVOLVED = ("dWeights", "weights")  # read after evolve
COMPARTMENTS = ADVANCED + EVOLVED


@dataclass(frozen=True)
class Case:
    """One configuration of a synapse, its initial weights and the probes of every step."""

    rule: str
    eta: float
    beta: float
    reg_lambda: float
    l1_lambda: float
    W0: np.ndarray  # D x N, float32
    x: np.ndarray  # T x B x D, float32

    @property
    def shape(self):
        return self.W0.shape

    @property
    def batch_size(self):
        return self.x.shape[1]

    @property
    def name(self):
        features, memories = self.shape
        return f"{self.rule}_{features}x{memories}_b{self.batch_size}"


# --- The float64 model -------------------------------------------------------------------------
#
# ngc-learn's equations as they stand, with what they mean rather than what they may have meant:
# the energy is taken from the shifted similarities and never gets the shift back, its constant is
# the largest norm of a FEATURE, and the negative phase of the contrastive rule only shifts by beta,
# which softmax ignores.


def softmax(a):
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def advance_state(W, x, beta):
    """One retrieval: the compartments that `HopfieldSynapse.advance_state` sets."""
    memories = W.shape[1]
    similarities = x @ W
    similarities = similarities - similarities.max(axis=1, keepdims=True)
    memory_weights = softmax(similarities * beta)
    outputs = memory_weights @ W.T

    log_sum_exp = np.log(np.exp(beta * similarities).sum(axis=1))
    overlap = (x * outputs).sum(axis=1)
    constant = math.log(memories) / beta + 0.5 * (W * W).sum(axis=1).max()
    energy = np.mean(-log_sum_exp / beta + 0.5 * overlap + constant)
    return {
        "outputs": outputs,
        "similarities": similarities,
        "memory_weights": memory_weights,
        "energy": energy.reshape(1, 1),
    }


def evolve(W, x, state, case):
    """One step of learning: the compartments that `HopfieldSynapse.evolve` sets."""
    x_hat, s = state["outputs"], state["memory_weights"]
    if case.rule == "contrastive":
        sims_hat = x_hat @ W
        s_hat = softmax(sims_hat - sims_hat.max(axis=1, keepdims=True) * case.beta)
        dW = x.T @ s - x_hat.T @ s_hat
    else:
        dW = (x - x_hat).T @ s
    dW = dW / x.shape[0]
    decay = W * case.reg_lambda + np.sign(W) * case.l1_lambda
    return {"dWeights": dW, "weights": W + dW * case.eta - decay}


def model_step(case, W, x, dtype=np.float64):
    """One whole step of the model from any weights."""
    W, x = W.astype(dtype), x.astype(dtype)
    state = advance_state(W, x, case.beta)
    return state | evolve(W, x, state, case)


def model_trace(case, dtype=np.float64):
    """The whole trace of the model, from W0 on."""
    trace, W = [], case.W0
    for x in case.x:
        trace.append(model_step(case, W, x, dtype))
        W = trace[-1]["weights"]
    return trace


def model_steps(case, trace):
    """Each step of `trace` again in float64, from the weights that `trace` had before that step."""
    before = [case.W0] + [step["weights"] for step in trace[:-1]]
    return [model_step(case, W, x) for W, x in zip(before, case.x, strict=True)]


def reordered_trace(case, rng):
    """The whole trace in float32, with features and memories, so every sum, in another order."""
    features, memories = (rng.permutation(n) for n in case.shape)
    shuffled = replace(case, W0=case.W0[np.ix_(features, memories)], x=case.x[:, :, features])
    feature_order, memory_order = np.argsort(features), np.argsort(memories)
    return [
        {
            "outputs": step["outputs"][:, feature_order],
            "similarities": step["similarities"][:, memory_order],
            "memory_weights": step["memory_weights"][:, memory_order],
            "energy": step["energy"],
            "dWeights": step["dWeights"][np.ix_(feature_order, memory_order)],
            "weights": step["weights"][np.ix_(feature_order, memory_order)],
        }
        for step in model_trace(shuffled, np.float32)
    ]


# --- ngc-learn itself --------------------------------------------------------------------------

_context_numbers = itertools.count()


def ngc_trace(case):
    """The whole trace by ngc-learn, compiled as its own users would, in a context of its own."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import jax
    from ngclearn import Context, MethodProcess
    from ngclearn.components.synapses.competitive.hopfieldSynapse import HopfieldSynapse
    from ngclearn.utils.distribution_generator import DistributionGenerator

    with Context(f"case{next(_context_numbers)}"):
        synapse = HopfieldSynapse(
            "W",
            shape=case.shape,
            eta=case.eta,
            reg_lambda=case.reg_lambda,
            beta=case.beta,
            update_rule=case.rule,
            weight_init=DistributionGenerator.constant(0.0),
            batch_size=case.batch_size,
            key=jax.random.PRNGKey(0),
        )
        synapse.l1_lambda = case.l1_lambda  # baked in, like the others, when the context closes
        advance = MethodProcess("advance") >> synapse.advance_state
        learn = MethodProcess("learn") >> synapse.evolve

    synapse.weights.set(jax.numpy.asarray(case.W0))
    trace = []
    for t, x in enumerate(case.x):
        synapse.inputs.set(jax.numpy.asarray(x))
        advance.run(state=own_state(synapse))
        step = {c: np.array(getattr(synapse, c).get()) for c in ADVANCED}
        learn.run(state=own_state(synapse), t=float(t), dt=1.0)
        step |= {c: np.array(getattr(synapse, c).get()) for c in EVOLVED}
        trace.append(step)
    jax.clear_caches()  # every case compiles its own code, and JAX would keep it all
    return trace


def own_state(synapse):
    """The part of ngc-learn's global state that is this synapse's; the whole only ever grows."""
    return {compartment.root: compartment.get() for _, compartment in synapse.compartments}


# --- Deviations --------------------------------------------------------------------------------


def deviation(actual, reference):
    """The worst row: its largest difference by the largest magnitude in that row of `reference`.

    A row of zeros is measured by the whole array, and an array of zeros by 1.
    """
    actual, reference = actual.astype(np.float64), reference.astype(np.float64)
    if not np.isfinite(actual).all() or not np.isfinite(reference).all():
        return np.inf
    difference = np.abs(actual - reference).max(axis=1)
    magnitude = np.abs(reference).max(axis=1)
    magnitude[magnitude == 0] = magnitude.max() or 1.0
    return float((difference / magnitude).max())


def deviations(actual, reference):
    """One trace by another: the deviation of every compartment after every step."""
    steps = zip(actual, reference, strict=True)
    return [{c: deviation(a[c], r[c]) for c in COMPARTMENTS} for a, r in steps]


def worst(steps):
    """The worst step of each compartment."""
    return {c: max(step[c] for step in steps) for c in COMPARTMENTS}


# --- Cases -------------------------------------------------------------------------------------
#
# `steepness` is the size of the largest beta * similarity to aim at: softmax is flat near 0.2 and
# all but picks one memory at 30. float32 loses about steepness * 2^-24 in every softmax, and a
# trace feeds that back, so the cases stay below 30, but for a few that show what happens beyond.
# Hyper-parameters are multiples of 2^-16, which float32 holds exactly.

FLAT, MIXED, PEAKED, EXTREME = 0.2, 4.0, 30.0, 150.0
LARGEST_SIMILARITY = 40.0  # the contrastive rule's negative phase has no beta to tame it
DECAYS = [(False, False), (True, False), (False, True), (True, True)]  # reg_lambda, l1_lambda

# D, N, B, T, source of the data, steepness; each is recorded for both rules.
FIXTURES = [
    (1, 1, 1, 3, "gaussian", MIXED),
    (1, 7, 5, 4, "gaussian", PEAKED),
    (2, 1, 3, 3, "gaussian", MIXED),
    (7, 2, 1, 6, "recall", PEAKED),
    (2, 3, 2, 5, "uniform", MIXED),
    (3, 5, 31, 3, "gaussian", FLAT),
    (5, 8, 2, 6, "recall", PEAKED),
    (8, 5, 3, 4, "recall", MIXED),
    (7, 16, 1, 5, "gaussian", PEAKED),
    (15, 15, 7, 4, "uniform", FLAT),
    (16, 17, 3, 4, "recall", PEAKED),
    (17, 16, 8, 3, "gaussian", MIXED),
    (31, 8, 15, 3, "recall", PEAKED),
    (8, 33, 5, 4, "recall", EXTREME),
    (33, 17, 16, 3, "uniform", PEAKED),
    (48, 15, 2, 3, "gaussian", FLAT),
    (65, 7, 3, 3, "recall", MIXED),
    (15, 65, 1, 3, "gaussian", PEAKED),
    (64, 10, 8, 4, "digits", MIXED),
    (64, 17, 5, 3, "digits", PEAKED),
    (64, 31, 3, 3, "digits", PEAKED),
]


def dyadic(value):
    """`value` as the nearest positive multiple of 2^-16."""
    return max(1, round(value * 2**16)) / 2**16


def log_uniform(rng, low, high):
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def draw_case(rng, rule, dims, source, steepness, decays):
    """A case of these dimensions (D, N, B, T); only numbers are left to `rng`."""
    beta, W0, x = SOURCES[source](rng, dims, steepness)
    reg_lambda, l1_lambda = decays
    typical_weight = float(np.abs(W0).mean())
    return Case(
        rule=rule,
        eta=dyadic(log_uniform(rng, 0.01, 0.5)),
        beta=beta,
        reg_lambda=dyadic(log_uniform(rng, 0.001, 0.05)) if reg_lambda else 0.0,
        l1_lambda=dyadic(log_uniform(rng, 0.001, 0.05) * typical_weight) if l1_lambda else 0.0,
        W0=np.ascontiguousarray(W0, dtype=np.float32),
        x=np.ascontiguousarray(x, dtype=np.float32),
    )


def draw_gaussian(rng, dims, steepness):
    """Memories and probes from one round cloud, as wide as `steepness` allows."""
    D, N, B, T = dims
    beta = dyadic(log_uniform(rng, 0.1, 40.0))
    scale = np.sqrt(min(steepness / beta, LARGEST_SIMILARITY) / D)
    return beta, scale * rng.standard_normal((D, N)), scale * rng.standard_normal((T, B, D))


def draw_recall(rng, dims, steepness):
    """The same memories, but probes that are memories with noise on them."""
    _, N, B, T = dims
    beta, W0, noise = draw_gaussian(rng, dims, steepness)
    return beta, W0, W0.T[rng.integers(N, size=(T, B))] + 0.5 * noise


def draw_uniform(rng, dims, steepness):
    """ngc-learn's default initial weights, and probes of intensities in [0, 1]."""
    D, N, B, T = dims
    W0 = rng.uniform(0.025, 0.8, (D, N))
    x = rng.uniform(0.0, 1.0, (T, B, D))
    return sharpen(x, W0, steepness), W0, x


def draw_digits(rng, dims, steepness):
    """Handwritten digits, and other digits as probes; many features are 0 throughout."""
    D, N, B, T = dims
    digits = np.load(DIGITS) / 16.0
    assert digits.shape[1] == D
    rows = rng.choice(len(digits), N + T * B, replace=False)
    W0 = digits[rows[:N]].T
    x = digits[rows[N:]].reshape(T, B, D)
    return sharpen(x, W0, steepness), W0, x


def sharpen(x, W0, steepness):
    """The beta that makes the largest similarity of given data as large as `steepness`."""
    return dyadic(np.clip(steepness / np.abs(x @ W0).max(), 0.1, 40.0))


SOURCES = {
    "gaussian": draw_gaussian,
    "recall": draw_recall,
    "uniform": draw_uniform,
    "digits": draw_digits,
}


def fixture_cases(seed):
    for i, (D, N, B, T, source, steepness) in enumerate(FIXTURES):
        for j, rule in enumerate(("delta", "contrastive")):
            rng = np.random.default_rng([seed, i, j])
            yield draw_case(rng, rule, (D, N, B, T), source, steepness, DECAYS[(i + j) % 4])


def random_case(seed, index):
    """Case `index` of a check: its dimensions are drawn as well, small ones as likely as large."""
    rng = np.random.default_rng([seed, index])
    source = str(rng.choice(list(SOURCES)))
    D, N, B = (int(log_uniform(rng, 1, limit)) for limit in (150, 150, 40))
    return draw_case(
        rng,
        rule=str(rng.choice(list(RULES))),
        dims=(64 if source == "digits" else D, N, B, int(rng.integers(3, 7))),
        source=source,
        steepness=log_uniform(rng, FLAT, PEAKED),
        decays=DECAYS[rng.integers(4)],
    )


# --- Mode: fixtures ----------------------------------------------------------------------------


def write_fixture(path, case, trace, noise, trace_noise):
    arrays = {
        "W0": case.W0,
        "x": case.x,
        "eta": np.float64(case.eta),
        "beta": np.float64(case.beta),
        "reg_lambda": np.float64(case.reg_lambda),
        "l1_lambda": np.float64(case.l1_lambda),
        "rule": np.int64(RULES[case.rule]),
    }
    for t, step in enumerate(trace):
        for c in COMPARTMENTS:
            arrays[f"{c}_{t}"] = step[c]
            arrays[f"noise_{c}_{t}"] = np.float64(noise[t][c])
            arrays[f"trace_noise_{c}_{t}"] = np.float64(trace_noise[t][c])
    np.savez_compressed(path, **arrays)


def make_fixtures(args):
    args.out.mkdir(parents=True, exist_ok=True)
    for old in args.out.glob("*.npz"):
        old.unlink()
    print_row("noise of float32 JAX: step / trace", [*COMPARTMENTS])
    for i, case in enumerate(fixture_cases(args.seed)):
        trace = ngc_trace(case)
        noise = deviations(trace, model_steps(case, trace))
        trace_noise = deviations(trace, model_trace(case))
        name = f"{i:02d}_{case.name}"
        write_fixture(args.out / f"{name}.npz", case, trace, noise, trace_noise)
        step, whole = worst(noise), worst(trace_noise)
        print_row(name, [f"{step[c]:.1e}/{whole[c]:.1e}" for c in COMPARTMENTS])
    files = list(args.out.glob("*.npz"))
    print(f"{len(files)} fixtures, {sum(f.stat().st_size for f in files)} bytes")
    return 0


def print_row(label, cells):
    print(f"{label:<36}" + "".join(f"{cell:>17}" for cell in cells), flush=True)


# --- Mode: check -------------------------------------------------------------------------------


REORDERINGS = 16  # float32 traces that tell, beside ngc-learn's, what float32 is worth
MARGIN = 4  # how many times their worst error a float32 trace may err


class ReplayError(Exception):
    """The replay binary failed, or what it wrote is not a trace."""


def replay_trace(binary, case):
    """The whole trace by the crate."""
    with tempfile.TemporaryDirectory() as directory:
        given, written = Path(directory) / "in.npz", Path(directory) / "out.npz"
        np.savez(given, W0=case.W0, x=case.x)
        command = [binary, given, written, "--rule", case.rule, "--semantics", "ngc-learn"]
        command += ["--eta", repr(case.eta), "--beta", repr(case.beta)]
        command += ["--reg-lambda", repr(case.reg_lambda), "--l1-lambda", repr(case.l1_lambda)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise ReplayError(f"exit code {done.returncode}: {done.stderr.strip()[-300:]}")
        try:
            with np.load(written) as out:
                steps = range(len(case.x))
                return [{c: out[f"{c}_{t}"] for c in COMPARTMENTS} for t in steps]
        except (OSError, KeyError, ValueError) as error:
            raise ReplayError(str(error)) from error


def require_shapes(actual, expected):
    for t, (a, e) in enumerate(zip(actual, expected, strict=True)):
        for c in COMPARTMENTS:
            if a[c].shape != e[c].shape:
                raise ReplayError(f"{c}_{t} has shape {a[c].shape}, not {e[c].shape}")


@dataclass(frozen=True)
class Verdict:
    """How a replayed trace fared; a ratio is a deviation by its tolerance, and 1 is the limit."""

    ratios: dict  # the worst step of each compartment
    direct: int  # how many values were compared with ngc-learn itself
    total: int
    our_error: float
    jax_error: float

    @property
    def passed(self):
        return max(self.ratios.values()) <= 1.0

    @property
    def nearer(self):
        if self.our_error == self.jax_error:
            return "equal"
        return "ours" if self.our_error < self.jax_error else "JAX"


def judge(case, binary, tolerance):
    """Compares with ngc-learn where float32 is worth it, and with the float64 model elsewhere.

    Where terms cancel, ngc-learn may be near float64 by luck, so a few more float32 traces, which
    differ from each other only in the order of summation, tell with it what float32 is worth.
    """
    ngc, model = ngc_trace(case), model_trace(case)
    ours = replay_trace(binary, case)
    require_shapes(ours, ngc)
    to_ngc = deviations(ours, ngc)
    our_errors, jax_errors = deviations(ours, model), deviations(ngc, model)
    rng = np.random.default_rng(0)
    reordered = [deviations(reordered_trace(case, rng), model) for _ in range(REORDERINGS)]

    ratios, direct = [], 0
    for t, c in itertools.product(range(len(ngc)), COMPARTMENTS):
        allowed = MARGIN * max(errors[t][c] for errors in (jax_errors, *reordered))
        if allowed <= tolerance / 2:
            ratio = to_ngc[t][c] / tolerance
            direct += 1
        else:
            ratio = our_errors[t][c] / allowed if math.isfinite(allowed) else math.inf
        ratios.append((c, ratio))

    return Verdict(
        ratios={c: max(ratio for name, ratio in ratios if name == c) for c in COMPARTMENTS},
        direct=direct,
        total=len(ratios),
        our_error=max(worst(our_errors).values()),
        jax_error=max(worst(jax_errors).values()),
    )


def check(args):
    seed = secrets.randbits(32) if args.seed is None else args.seed
    print(f"seed {seed}, tolerance {args.tolerance:g}; a cell is worst deviation / tolerance")
    columns = f"{'case':<5}{'configuration':<68}"
    columns += "".join(f"{c:>16}" for c in COMPARTMENTS)
    print(columns + f"{'error: ours':>14}{'JAX':>9}  nearer")

    passed = direct = total = 0
    nearer = {"ours": 0, "JAX": 0, "equal": 0}
    for index in range(args.cases):
        case = random_case(seed, index)
        label = f"{index:<5}{describe(case):<68}"
        try:
            verdict = judge(case, args.replay, args.tolerance)
        except ReplayError as error:
            print(f"{label}FAILED: {error}", flush=True)
            continue
        passed += verdict.passed
        direct += verdict.direct
        total += verdict.total
        nearer[verdict.nearer] += 1
        cells = "".join(f"{verdict.ratios[c]:>16.3f}" for c in COMPARTMENTS)
        errors = f"{verdict.our_error:>14.1e}{verdict.jax_error:>9.1e}  {verdict.nearer}"
        print(label + cells + errors + ("" if verdict.passed else "  FAILED"), flush=True)

    print(f"{direct} of {total} values compared with ngc-learn itself, the rest with float64")
    print("nearer to float64: " + ", ".join(f"{who} {n}" for who, n in nearer.items()))
    failed = args.cases - passed
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def describe(case):
    return (
        f"{case.name} T={len(case.x)} eta={case.eta:.3g} beta={case.beta:.3g}"
        f" reg={case.reg_lambda:.2g} l1={case.l1_lambda:.2g}"
    )


# --- Command line ------------------------------------------------------------------------------


def existing_file(text):
    path = Path(text).resolve()
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"no such file: {text}")
    return path


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    modes = parser.add_subparsers(required=True, metavar="MODE")

    mode = modes.add_parser("fixtures", help="record traces of ngc-learn, one .npz a case")
    mode.add_argument("--out", type=Path, default=HERE / "fixtures", help="a directory")
    mode.add_argument("--seed", type=int, default=0)
    mode.set_defaults(run=make_fixtures)

    mode = modes.add_parser("check", help="compare a replay binary with ngc-learn")
    mode.add_argument("--replay", type=existing_file, required=True, help="the binary")
    mode.add_argument("--cases", type=int, default=50)
    mode.add_argument("--seed", type=int, help="default: from the operating system")
    mode.add_argument("--tolerance", type=float, default=2e-5)
    mode.set_defaults(run=check)

    return parser.parse_args()


def main():
    args = parse_args()
    # ngc-learn reads sys.argv when it is imported: keep our options from it.
    sys.argv = sys.argv[:1]
    return args.run(args)


if __name__ == "__main__":
    sys.exit(main())
