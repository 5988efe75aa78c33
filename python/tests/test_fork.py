"""Children that have been forked recall, and never hang."""

import multiprocessing
import os
import signal
import threading
import time
import warnings

import numpy as np
import pytest

import hopfield_kernels as hk

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")

PATTERNS = np.random.default_rng(3).normal(size=(4_000, 256)).astype(np.float32)
X = np.random.default_rng(4).normal(size=(64, 256)).astype(np.float32)


def retrieve(memory=None):
    return (memory or hk.Memory(PATTERNS)).retrieve(X, 0.1)


def in_child(work, seconds=30):
    """Whether `work` is true in a forked child, which must end in time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            os._exit(0 if work() else 1)
        except BaseException:
            os._exit(2)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pytest.fail("the child hangs")


@pytest.fixture
def memory():
    memory = hk.Memory(PATTERNS)
    # Large enough for the pool of all threads to be started.
    retrieve(memory)
    return memory


def test_a_child_recalls(memory):
    expected = retrieve(memory)
    assert in_child(lambda: np.array_equal(retrieve(memory), expected))
    assert np.array_equal(retrieve(memory), expected)


def test_a_child_in_a_block_of_threads(memory):
    expected = retrieve(memory)
    with hk.threads(2):
        assert np.array_equal(retrieve(memory), expected)
        assert in_child(lambda: np.array_equal(retrieve(memory), expected))


def test_a_child_has_threads_of_its_own(memory):
    expected = retrieve(memory)

    def work():
        with hk.threads(2):
            return np.array_equal(retrieve(memory), expected)

    assert in_child(work)


def test_a_grandchild(memory):
    expected = retrieve(memory)
    assert in_child(lambda: in_child(lambda: np.array_equal(retrieve(memory), expected)))


def test_a_fork_during_calls_of_other_threads(memory):
    expected, stop = retrieve(memory), threading.Event()
    changing = hk.Memory(PATTERNS)

    def call():
        while not stop.is_set():
            retrieve(memory)
            changing.append(PATTERNS[:10])
            changing.remove(range(4_000, 4_010))

    threads = [threading.Thread(target=call) for _ in range(2)]
    [thread.start() for thread in threads]
    try:
        for _ in range(10):
            assert in_child(
                lambda: np.array_equal(retrieve(memory), expected) and len(changing) >= 4_000
            )
    finally:
        stop.set()
        [thread.join() for thread in threads]


def test_a_child_goes_on_with_a_synapse():
    def outputs(synapse):
        synapse.inputs = X
        synapse.advance_and_evolve()
        return synapse.outputs

    make = lambda: hk.HopfieldSynapse("W", PATTERNS.T.shape, 0.1, 0.0, 0.1, PATTERNS.T)
    synapse, expected = make(), outputs(make())
    # Starts the pool of all threads, which the child does not have.
    outputs(make())
    assert in_child(lambda: np.array_equal(outputs(synapse), expected))
    assert np.array_equal(outputs(synapse), expected)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(memory, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(method)
    expected = retrieve(memory)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with multiprocessing.get_context(method).Pool(2) as pool:
            results = pool.map_async(retrieve, [memory, memory, None]).get(timeout=60)
    assert all(np.array_equal(result, expected) for result in results)
