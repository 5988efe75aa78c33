import copy
import pickle
import threading

import numpy as np
import pytest

import hopfield_kernels as hk

NAMES = ("retrieved", "energy", "lse", "entropy", "best", "best_weight", "second", "support")


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def rows(rng, request):
    return rng.normal(size=(2_000, 64)).astype(request.param)


def noisy(rng, rows, count=9):
    """Probes that resemble a few patterns."""
    return rows[:count] + 0.1 * rng.normal(size=(count, rows.shape[1])).astype(rows.dtype)


@pytest.mark.parametrize("codes", ["int8", "int4"])
@pytest.mark.parametrize("screening", ["auto", "never", "always"])
@pytest.mark.parametrize("separation", ["softmax", hk.Entmax(1.5), "sparsemax", "max"], ids=str)
@pytest.mark.parametrize("beta", [0.01, 0.5, 8.0])
def test_codes_change_no_bit(rng, rows, codes, screening, separation, beta):
    probes = noisy(rng, rows)
    options = {"separation": separation, "screening": screening, "want": ("second",)}
    plain, coded = hk.Memory(rows), hk.Memory(rows, codes=codes)
    expected = plain.recall(probes, beta, **options)
    found = coded.recall(probes, beta, **options)
    for name in NAMES:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)
    if separation == "softmax":
        found = coded.retrieve(probes, beta, screening=screening)
        np.testing.assert_array_equal(found, expected.retrieved)
    upstream = np.ones_like(expected.retrieved)
    if separation in ("softmax", "sparsemax"):
        gradients = coded.recall(probes, beta, **options).backward(upstream)
        np.testing.assert_array_equal(gradients.probes, expected.backward(upstream).probes)


@pytest.mark.parametrize("codes", ["int8", "int4"])
def test_codes_change_nothing_of_top_k(rng, rows, codes):
    probes, coded = noisy(rng, rows), hk.Memory(rows, codes=codes)
    for k in (1, 7, 300, len(rows)):
        expected, found = hk.Memory(rows).top_k(probes, k), coded.top_k(probes, k)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("codes", ["int8", "int4"])
def test_codes_follow_their_patterns(rng, codes):
    rows = rng.normal(size=(1_000, 48)).astype(np.float32)
    memories = hk.Memory(rows), hk.Memory(rows, codes=codes)
    for memory in memories:
        memory.append(5 * rows[:300] + 1)
        memory.remove(range(0, 900, 3))
        memory[17] = 9 * rows[3]
        memory.learn(memory.recall(rows[:4], 4.0), eta=0.5)
        memory.set_patterns(memory.patterns[::-1])
    plain, coded = memories
    assert coded.codes == codes and plain.codes is None
    np.testing.assert_array_equal(coded.patterns, plain.patterns)
    probes = np.concatenate([noisy(rng, rows), plain.patterns[-20:]])
    np.testing.assert_array_equal(coded.retrieve(probes, 2.0), plain.retrieve(probes, 2.0))
    coded.retrieve(probes, 2.0)
    assert hk.counters().probes > 0
    np.testing.assert_array_equal(coded.top_k(probes, 5)[0], plain.top_k(probes, 5)[0])


def test_codes_of_parts_of_a_call(rng, monkeypatch):
    rows = rng.normal(size=(2_000, 64)).astype(np.float32)
    memory, probes = hk.Memory(rows, codes="int8"), noisy(rng, rows, 10)
    expected = memory.recall(probes, 2.0).retrieved
    whole = hk.counters()
    top = memory.top_k(probes, 3)
    of_top = hk.counters()
    monkeypatch.setattr(hk.Memory, "at_once", 3)
    np.testing.assert_array_equal(memory.recall(probes, 2.0).retrieved, expected)
    assert hk.counters() == whole
    np.testing.assert_array_equal(memory.top_k(probes, 3)[0], top[0])
    assert hk.counters()[:2] == of_top[:2]


def test_counters_are_those_of_the_last_call(rng):
    rows = rng.normal(size=(2_000, 64)).astype(np.float32)
    plain, coded = hk.Memory(rows), hk.Memory(rows, codes="int8")
    coded.retrieve(rows[:3], 4.0)
    found = hk.counters()
    assert isinstance(found, hk.Counters)
    assert found == (3, 0, found.listed, 3) and 3 <= found.listed < 300
    assert hk.counters() == found, "to look changes nothing"
    assert len(coded) == 2_000 and coded.patterns.any()
    assert hk.counters() == found, "neither does what is no call"
    coded.retrieve(rows[0], 4.0)
    assert hk.counters().probes == 1, "not the sum of calls"
    coded.retrieve(rows[:3], 4.0, screening="never")
    assert hk.counters() == (0, 3, 0, 0)
    plain.recall(rows[:5], 4.0)
    assert hk.counters() == (0, 5, 0, 0)
    coded.recall(rows[:5], 1e-4, screening="always")
    found = hk.counters()
    assert found.probes + found.dense == 5
    assert coded.recall(rows[:5], 1e-4, screening="auto").retrieved.any()
    assert hk.counters() == (0, 5, 0, 0), "nothing to be left out"
    coded.recall(rows[:5], 4.0, steps=3)
    found = hk.counters()
    assert found.probes + found.dense == 15, "every weighing counts"


def test_counters_of_top_k(rng):
    rows = rng.normal(size=(2_000, 64)).astype(np.float32)
    hk.Memory(rows).top_k(rows[:4], 3)
    before = hk.counters()
    hk.Memory(rows, codes="int8").top_k(rows[:4], 3)
    found = hk.counters()
    assert before.probes == 0
    assert found.probes == 4 and found.listed < 4 * 2_000 / 2


def test_every_thread_has_its_counters(rng):
    rows = rng.normal(size=(2_000, 64)).astype(np.float32)
    memory, found = hk.Memory(rows, codes="int8"), []
    memory.retrieve(rows[:2], 4.0)

    def call():
        found.append(hk.counters())
        memory.retrieve(rows[:7], 4.0)
        found.append(hk.counters())

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert found[0] == (0, 0, 0, 0) and found[1].probes == 7
    assert hk.counters().probes == 2


def test_threads_do_not_change_counters(rng):
    rows = rng.normal(size=(3_000, 200)).astype(np.float32)
    memory, probes = hk.Memory(rows, codes="int8"), rows[:64]
    expected = memory.retrieve(probes, 1.0)
    counted = hk.counters()
    for count in (1, 2, 3):
        with hk.threads(count):
            np.testing.assert_array_equal(memory.retrieve(probes, 1.0), expected)
            assert hk.counters()[:2] == counted[:2]


def test_copies_keep_codes_and_precision(rng):
    rows = rng.normal(size=(300, 40))
    memory = hk.Memory(rows, rows[:, :2], dtype="bfloat16", codes="int4")
    for other in (copy.copy(memory), copy.deepcopy(memory), pickle.loads(pickle.dumps(memory))):
        assert other.codes == "int4" and other.precision == "bfloat16"
        np.testing.assert_array_equal(other.patterns, memory.patterns)
        np.testing.assert_array_equal(other.values, memory.values)


def test_patterns_of_very_many_features_have_no_codes():
    memory = hk.Memory(np.ones((2, 65_537), np.float32), codes="int8")
    assert memory.codes is None
    assert memory.retrieve(np.zeros(65_537, np.float32), 1.0)[0] == 1.0
