import numpy as np
import pytest

import hopfield_kernels as hk


def bfloat16(x):
    """To the nearest number of bfloat16, and of two to the even one."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + (bits >> 16 & 1)) & np.uint32(0xFFFF_0000)
    return rounded.astype(np.uint32).view(np.float32)


def float16(x):
    return np.asarray(x, np.float32).astype(np.float16).astype(np.float32)


ROUNDED = {"bfloat16": bfloat16, "float16": float16}


@pytest.fixture(params=ROUNDED)
def precision(request):
    return request.param


def pair(precision, rows, values=None, codes=None):
    """Patterns in sixteen bits, and the rounded patterns in full."""
    stored = hk.Memory(rows, values, dtype=precision, codes=codes)
    values = None if values is None else values.astype(np.float32)
    return stored, hk.Memory(ROUNDED[precision](rows), values)


@pytest.mark.parametrize("codes", [None, "int8", "int4"])
@pytest.mark.parametrize("separation", ["softmax", hk.Entmax(1.5), "max"], ids=str)
@pytest.mark.parametrize("similarity", ["dot", "cosine", "neg_half_squared_l2"])
def test_results_are_those_of_the_rounded_patterns(rng, precision, codes, separation, similarity):
    rows, values = rng.normal(size=(700, 48)), rng.normal(size=(700, 5))
    probes = rows[:8].astype(np.float32)
    for values in (None, values):
        stored, full = pair(precision, rows, values, codes)
        for beta in (0.1, 4.0):
            options = {"separation": separation, "similarity": similarity}
            found, expected = (m.recall(probes, beta, **options) for m in (stored, full))
            for name in ("retrieved", "energy", "lse", "best", "best_weight", "support"):
                of_both = getattr(found, name), getattr(expected, name)
                np.testing.assert_array_equal(*of_both, name)


def test_everything_else_of_sixteen_bits(rng, precision):
    rows, more = rng.normal(size=(300, 40)), rng.normal(size=(4, 40)).astype(np.float32)
    stored, full = pair(precision, rows)
    assert stored.precision == precision and stored.dtype == np.float32
    assert full.precision == "float32" and hk.Memory(rows).precision == "float64"
    assert precision in repr(stored)
    np.testing.assert_array_equal(stored.patterns, full.patterns)
    assert not np.array_equal(stored.patterns, rows.astype(np.float32))
    stored.append(more)
    full.append(ROUNDED[precision](more))
    stored[3] = more[0]
    full[3] = ROUNDED[precision](more[0])
    for memory in (stored, full):
        memory.remove([0, 7])
    np.testing.assert_array_equal(stored.patterns, full.patterns)
    np.testing.assert_array_equal(stored[2], full[2])
    np.testing.assert_array_equal(stored.top_k(more, 5)[1], full.top_k(more, 5)[1])
    np.testing.assert_array_equal(hk.theory.separations(stored), hk.theory.separations(full))
    found, expected = (m.recall(more, 2.0).backward(more) for m in (stored, full))
    np.testing.assert_array_equal(found.patterns, expected.patterns)
    np.testing.assert_array_equal(found.probes, expected.probes)


def test_sixteen_bits_do_not_learn(rng, precision):
    memory = hk.Memory(rng.normal(size=(9, 4)), dtype=precision)
    before = memory.patterns
    with pytest.raises(ValueError, match="memory: expected patterns in full precision"):
        memory.learn(memory.recall([1.0, 0.0, 0.0, 0.0], 2.0))
    np.testing.assert_array_equal(memory.patterns, before)


def test_names_of_types(rng):
    rows = rng.normal(size=(3, 2))
    for given in ("float16", np.float16, "f2", "half"):
        assert hk.Memory(rows, dtype=given).precision == "float16"
    assert hk.Memory(rows.astype(np.float16)).precision == "float32", "unless it is asked for"


def test_arrays_of_bfloat16(rng):
    types = pytest.importorskip("ml_dtypes")
    rows = rng.normal(size=(30, 20)).astype(types.bfloat16)
    memory = hk.Memory(rows)
    assert memory.precision == "float32"
    stored = hk.Memory(rows, dtype=types.bfloat16)
    assert stored.precision == "bfloat16"
    np.testing.assert_array_equal(stored.patterns, rows.astype(np.float32))
    probes = rows[:2]
    expected = memory.retrieve(probes.astype(np.float32), 2.0)
    np.testing.assert_array_equal(stored.retrieve(probes, 2.0), expected)
