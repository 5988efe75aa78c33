"""Long calls end when they are interrupted, and give what short ones do."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import hopfield_kernels as hk

PROGRAM = """
import signal, sys, numpy as np, hopfield_kernels as hk
# A shell that runs the tests in the background has processes ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
patterns = np.random.default_rng(0).normal(size=(20_000, 512)).astype(np.float32)
memory, probes = hk.Memory(patterns), np.tile(patterns, (20, 1))

def of_many():
    # A recall of all probes, as if they had been recalled.
    recall = memory.recall(patterns[:2], 1.0)
    recall._probes = recall._start = probes
    recall.retrieved = probes
    return recall

def far(count):
    # Probes that are all new.
    return np.random.default_rng(1).normal(size=(count, 512)).astype(np.float32) * 9

def endless():
    # A recall that goes on for minutes: a probe of a large memory that creeps.
    line = np.zeros((1_000_000, 16), np.float32)
    line[:, 0] = np.linspace(-1, 1, len(line))
    creeping = hk.Memory(line)
    creeping.recall(line[7] + np.float32(0.3), 1.0, steps=None, damping=1e-4)

print("ready", flush=True)
before = memory.version, memory.usage.copy()
try:
    with hk.threads({threads}):
        {call}
except KeyboardInterrupt:
    print("interrupted", flush=True)
assert memory.version == before[0] and (memory.usage == before[1]).all()
assert (memory.patterns == patterns).all()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(
    "call",
    [
        "memory.retrieve(probes, 1.0)",
        "memory.recall(probes, 1.0, steps=3)",
        "memory.recall(probes, 0.01, steps=None, eps=1e-6)",
        "memory.top_k(probes, 5)",
        "endless()",
        "memory.learn(of_many(), 'contrastive')",
        "memory.grow(far(20_000), 1.0, capacity=90_000, vigilance=0.9)",
        "memory.grow(far(9), 1.0, capacity=1, vigilance=0.9, when_full='merge_nearest')",
        "of_many().backward(probes)",
        "memory.recall(probes[:2], 1e-3, steps=100_000).backward(probes[:2])",
    ],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_long_call_is_interrupted(call, threads):
    command = [sys.executable, "-c", PROGRAM.format(call=call, threads=threads)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout.readline() == "ready\n"
            time.sleep(1.0)
            assert child.poll() is None
            start = time.monotonic()
            child.send_signal(signal.SIGINT)
            assert child.stdout.readline() == "interrupted\n"
            # Without an end the call takes minutes.
            assert time.monotonic() - start < 15
            assert child.wait(timeout=15) == 0
        finally:
            child.kill()


class Small(hk.Memory):
    """A memory that recalls three probes at a time."""

    at_once = 3


def test_parts_change_no_bit(rng):
    patterns, probes = rng.normal(size=(9, 5)), rng.normal(size=(10, 5))
    whole, parts = hk.Memory(patterns), Small(patterns)
    want = ("second", "trace", "similarities", "memory_weights", "usage", "sum_p2", "k90", "spread")
    mask, bias = rng.random((10, 9)) < 0.7, rng.normal(size=(10, 9))
    for options in (
        {},
        {"mask": mask, "bias": bias},
        {"mask": mask[0], "bias": bias[0], "separation": "sparsemax"},
        {"steps": 3},
        {"steps": None, "eps": 1e-6},
    ):
        found, expected = (of.recall(probes, 0.8, want=want, **options) for of in (parts, whole))
        for name in ("retrieved", "energy", "lse", "best", "steps", "status", *want):
            got, wanted = getattr(found, name), getattr(expected, name)
            if name == "usage" or (name == "trace" and options.get("steps", 1) is None):
                # Sums over the probes are in another order. Probes that have settled within a batch
                # keep the energy of before their last update.
                np.testing.assert_allclose(got, wanted, rtol=1e-9, err_msg=name)
            else:
                np.testing.assert_array_equal(got, wanted, err_msg=name)
        if options.get("steps", 1) is not None:
            gradients = found.backward(probes).patterns
            np.testing.assert_array_equal(gradients, expected.backward(probes).patterns)
    out = np.zeros_like(probes)
    assert parts.recall(probes, 0.8, out=out).retrieved is out
    np.testing.assert_array_equal(out, whole.retrieve(probes, 0.8))
    for of in zip(parts.top_k(probes, 2), whole.top_k(probes, 2), strict=True):
        np.testing.assert_array_equal(*of)
    for name in ("mask", "bias"):
        rows = {"mask": mask, "bias": bias}[name][:9]
        with pytest.raises(ValueError, match=f"{name}: expected 10 rows, got 9"):
            parts.recall(probes, 0.8, **{name: rows})


@pytest.mark.parametrize("rule", ["delta", "contrastive"])
def test_long_learning_is_the_same(rule):
    """In parts, at whose end the memory changes, as in one update of the same products."""
    rng = np.random.default_rng(0)
    patterns = rng.normal(size=(3_000, 1_000)).astype(np.float32)
    probes = np.concatenate([patterns + 0.01, patterns[:900]])
    rates = {"rule": rule, "eta": 0.5, "reg_lambda": 0.01, "l1_lambda": 0.001, "noise": 0.1}
    memory = hk.Memory(patterns, codes="int8")
    assert memory.at_once < len(probes) / 1.2, "this is long"
    memory.learn(memory.recall(probes, 0.02), **rates, seed=3)
    assert memory.version == 1 and memory.codes == "int8"
    x, m = np.float64(probes), np.float64(patterns)

    def weights(x):
        scores = 0.02 * x @ m.T
        p = np.exp(scores - scores.max(1, keepdims=True))
        return p / p.sum(1, keepdims=True)

    p = weights(x)
    change = p.T @ (x - p @ m if rule == "delta" else x)
    if rule == "contrastive":
        change -= weights(p @ m).T @ (p @ m)
    expected = m + 0.5 * change / len(x) - 0.01 * m - 0.001 * np.sign(m)
    # The noise is that of a short call.
    short = hk.Memory(patterns)
    short.learn(short.recall(patterns[:1], 0.02), "energy", eta=0.0, noise=0.1, seed=3)
    expected += np.float64(short.patterns) - m
    np.testing.assert_allclose(memory.patterns, expected, atol=2e-5)
    refused = memory.patterns
    with pytest.raises(ValueError, match="eta"):
        memory.learn(memory.recall(probes, 0.02), rule, eta=np.inf)
    np.testing.assert_array_equal(memory.patterns, refused)


def test_gradients_in_parts():
    rng = np.random.default_rng(0)
    patterns = rng.normal(size=(3_000, 1_000)).astype(np.float32)
    probes, bias = np.concatenate([patterns, patterns[:900]]), rng.normal(size=3_000)
    memory = hk.Memory(patterns)
    assert memory.at_once < len(probes)
    slopes = rng.normal(size=probes.shape).astype(np.float32)
    of = lambda part: memory.recall(probes[part], 0.02, bias=bias.astype("f4")).backward(
        slopes[part]
    )
    whole, parts = of(slice(None)), [of(slice(0, 2_000)), of(slice(2_000, None))]
    found = np.concatenate([part.probes for part in parts])
    np.testing.assert_array_equal(whole.probes, found)
    for name in ("patterns", "bias", "beta"):
        expected = sum(getattr(part, name) for part in parts)
        np.testing.assert_allclose(getattr(whole, name), expected, rtol=1e-3, atol=2e-5)


def test_the_interpreter_is_released():
    """Another thread of Python counts during a call, at no less than a fraction of its speed."""
    patterns = np.random.default_rng(0).normal(size=(20_000, 512)).astype(np.float32)
    memory, counted, stop = hk.Memory(patterns), [0], threading.Event()

    def count():
        while not stop.is_set():
            counted[0] += 1

    thread = threading.Thread(target=count)
    thread.start()
    try:
        before, start = counted[0], time.monotonic()
        with hk.threads(1):
            memory.retrieve(patterns[:500], 1.0)
        during, took = counted[0] - before, time.monotonic() - start
    finally:
        stop.set()
        thread.join()
    # Tens of millions a second alone; a call that held the interpreter would leave next to none.
    assert during > 20_000 * took, (during, took)
