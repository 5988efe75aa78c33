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
import sys, numpy as np, hopfield_kernels as hk
patterns = np.random.default_rng(0).normal(size=(20_000, 512)).astype(np.float32)
memory, probes = hk.Memory(patterns), np.tile(patterns, (20, 1))
print("ready", flush=True)
try:
    with hk.threads(1):
        {call}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(
    "call",
    [
        "memory.retrieve(probes, 1.0)",
        "memory.recall(probes, 1.0, steps=3)",
        "memory.recall(probes, 0.01, steps=None, eps=1e-6)",
        "memory.top_k(probes, 5)",
    ],
)
def test_a_long_call_is_interrupted(call):
    command = [sys.executable, "-c", PROGRAM.format(call=call)]
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
