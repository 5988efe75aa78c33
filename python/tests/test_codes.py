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
    with hk.threads(1):
        expected = memory.recall(probes, 2.0).retrieved
        whole = hk.counters()
        assert whole.probes == 10
        top = memory.top_k(probes, 3)
        monkeypatch.setattr(hk.Memory, "at_once", 3)
        np.testing.assert_array_equal(memory.top_k(probes, 3)[0], top[0])
        np.testing.assert_array_equal(memory.recall(probes, 2.0).retrieved, expected)
        found = hk.counters()
    # Probes that are screened together may list a pattern more or less.
    assert found == (10, 0, found.listed, whole.kept)


def test_counters_are_those_of_the_last_call(rng):
    rows = rng.normal(size=(2_000, 64)).astype(np.float32)
    plain, coded = hk.Memory(rows), hk.Memory(rows, codes="int8")
    with hk.threads(1):
        coded.retrieve(rows[:3], 4.0)
        found = hk.counters()
        assert isinstance(found, hk.Counters)
        assert found == (3, 0, found.listed, 3) and 3 <= found.listed < 300
        assert hk.counters() == found, "to look changes nothing"
        assert len(coded) == 2_000 and coded.patterns.any()
        assert hk.counters() == found, "neither does what is no call"
        coded.retrieve(rows[0], 4.0)
        assert hk.counters().probes == 1, "not the sum of calls"
        plain.recall(rows[:5], 4.0)
        assert hk.counters() == (0, 5, 0, 0)
        coded.recall(noisy(rng, rows, 5), 4.0, steps=3)
        assert hk.counters().probes == 15, "every weighing counts"
        coded.top_k(rows[:5], 3)
        found = hk.counters()
        assert found == (5, 0, found.listed, 15) and 15 <= found.listed < 5 * 2_000
        coded.retrieve(rows[:2], 4.0)
        assert hk.counters().probes == 2, "without what top_k has screened"


def test_screening_chooses(rng):
    rows = rng.normal(size=(2_000, 64)).astype(np.float32)
    memory = hk.Memory(rows, codes="int8")
    for separation in ("softmax", "sparsemax"):
        of = {}
        for screening in ("auto", "never", "always"):
            with hk.threads(1):
                recall = memory.recall(rows[:5], 1e-4, "dot", separation, screening=screening)
            of[screening] = hk.counters().probes
            expected = memory.recall(rows[:5], 1e-4, "dot", separation).retrieved
            np.testing.assert_allclose(recall.retrieved, expected, atol=1e-5)
        # A probe with most patterns in reach is not screened by a softmax unless it is told to be.
        assert of == {"auto": 0 if separation == "softmax" else 5, "never": 0, "always": 5}
        for call in (memory.retrieve, memory.recall):
            call(rows[:5], 4.0, screening="never")
            assert hk.counters().probes == 0
            call(rows[:5], 4.0)
            assert hk.counters().probes > 0


def test_every_thread_has_its_counters(rng):
    rows = rng.normal(size=(2_000, 64)).astype(np.float32)
    memory, found = hk.Memory(rows, codes="int8"), []

    def call():
        found.append(hk.counters())
        with hk.threads(1):
            memory.retrieve(rows[:7], 4.0)
        found.append(hk.counters())

    with hk.threads(1):
        memory.retrieve(rows[:2], 4.0)
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert found[0] == (0, 0, 0, 0) and found[1].probes == 7
    assert hk.counters().probes == 2


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
