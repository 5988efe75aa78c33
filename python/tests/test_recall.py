import families
import numpy as np
import pytest
import reference

import hopfield_kernels as hk

BETA = 0.7


def problem(rng, dtype, similarity):
    """Patterns and probes; close enough that distance kernels reach some of the patterns."""
    scale = 0.6 if similarity.startswith("neg") else 1.0
    patterns = scale * rng.normal(size=(11, 5))
    return patterns.astype(dtype), (scale * rng.normal(size=(4, 5))).astype(dtype)


def weigh(separation, similarity, x, patterns, bias):
    _, name, parameter = families.SEPARATIONS[separation]
    x, patterns = x.astype(np.float64), patterns.astype(np.float64)
    s = reference.similarity(similarity, x, patterns)
    p = reference.weights(name, parameter, BETA * s + bias)
    return s, p, reference.update(similarity, name, x, p, patterns)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("similarity", families.SIMILARITIES)
@pytest.mark.parametrize("separation", families.SEPARATIONS)
def test_against_the_definitions(rng, separation, similarity, dtype):
    patterns, probes = problem(rng, dtype, similarity)
    values = rng.normal(size=(11, 3)).astype(dtype)
    bias = np.where(rng.random(11) < 0.2, -np.inf, 0.1 * rng.normal(size=11)).astype(dtype)
    options = {"similarity": similarity, "separation": families.SEPARATIONS[separation][0]}
    want = ("similarities", "memory_weights", "sum_p2", "usage", "second")
    recall = hk.Memory(patterns).recall(probes, BETA, bias=bias, want=want, **options)
    read = hk.Memory(patterns, values).recall(probes, BETA, bias=bias, want=want, **options)
    tolerance = (
        {"rtol": 2e-4, "atol": 2e-5} if dtype == np.float32 else {"rtol": 1e-9, "atol": 1e-10}
    )
    usage = np.zeros(11)
    for b, x in enumerate(probes):
        s, p, y = weigh(separation, similarity, x, patterns, bias.astype(np.float64))
        usage += p
        part = np.isfinite(bias)
        np.testing.assert_allclose(recall.similarities[b][part], s[part], **tolerance)
        np.testing.assert_allclose(recall.memory_weights[b], p, **tolerance)
        np.testing.assert_allclose(recall.sum_p2[b], (p * p).sum(), **tolerance)
        if p.any() and not np.isnan(y).any():
            np.testing.assert_allclose(recall.retrieved[b], y, **tolerance)
        np.testing.assert_allclose(read.retrieved[b], p @ values, **tolerance)
        best = np.argmax(np.where(part, BETA * s + bias, -np.inf))
        assert recall.best[b] == best
        np.testing.assert_allclose(recall.best_weight[b], p[best], **tolerance)
        np.testing.assert_allclose(recall.second[b], np.sort(s[part])[-2], **tolerance)
    np.testing.assert_allclose(recall.usage, usage, **tolerance)
    assert recall.retrieved.dtype == recall.energy.dtype == dtype


def test_softmax_statistics(rng):
    patterns, x = rng.normal(size=(9, 4)), rng.normal(size=(3, 4))
    recall = hk.Memory(patterns).recall(x, 1.5, want=("spread", "k90"))
    s = x @ patterns.T
    lse = np.log(np.exp(1.5 * s).sum(1))
    p = np.exp(1.5 * s - lse[:, None])
    longest = (patterns**2).sum(1).max()
    energy = -lse / 1.5 + 0.5 * (x * x).sum(1) + np.log(9) / 1.5 + 0.5 * longest
    np.testing.assert_allclose(recall.lse, lse)
    np.testing.assert_allclose(recall.energy, energy)
    np.testing.assert_allclose(recall.entropy, -(p * np.log(p)).sum(1))
    spread = p @ (patterns**2).sum(1) - ((p @ patterns) ** 2).sum(1)
    np.testing.assert_allclose(recall.spread, spread)
    k90 = (np.cumsum(-np.sort(-p, 1), 1) < 0.9).sum(1) + 1
    np.testing.assert_array_equal(recall.k90, k90)
    np.testing.assert_array_equal(recall.support, 9)


@pytest.mark.parametrize("separation", families.SEPARATIONS)
@pytest.mark.parametrize("similarity", families.SIMILARITIES)
def test_one_probe_is_a_row_of_a_batch(rng, separation, similarity):
    patterns, probes = problem(rng, np.float32, similarity)
    memory, options = hk.Memory(patterns), {"similarity": similarity}
    options |= {"separation": families.SEPARATIONS[separation][0], "want": ("memory_weights",)}
    batch = memory.recall(probes, BETA, **options)
    one = memory.recall(probes[2], BETA, **options)
    for name in ("retrieved", "energy", "lse", "entropy", "best", "support", "memory_weights"):
        np.testing.assert_array_equal(getattr(one, name), getattr(batch, name)[2], name)
        assert np.ndim(getattr(one, name)) == np.ndim(getattr(batch, name)) - 1
    assert isinstance(one.status, str) and batch.status.shape == (4,)


@pytest.mark.parametrize("separation", families.SEPARATIONS)
@pytest.mark.parametrize("similarity", families.SIMILARITIES)
def test_wanting_an_output_changes_no_other(rng, separation, similarity):
    patterns, probes = problem(rng, np.float32, similarity)
    memory, options = hk.Memory(patterns), {"similarity": similarity}
    options |= {"separation": families.SEPARATIONS[separation][0]}
    plain = memory.recall(probes, BETA, **options)
    wants = (
        "similarities",
        "memory_weights",
        "second",
        "usage",
        "sum_p2",
        "spread",
        "k90",
        "trace",
    )
    for want in (*[(name,) for name in wants], wants):
        recall = memory.recall(probes, BETA, want=want, **options)
        for name in ("retrieved", "energy", "lse", "entropy", "best", "best_weight", "support"):
            before, after = getattr(plain, name), getattr(recall, name)
            np.testing.assert_array_equal(before, after, f"{name} when {want}")


def test_masks(rng):
    patterns, x = rng.normal(size=(8, 4)).astype(np.float32), rng.normal(size=(3, 4)).astype("f4")
    memory, mask = hk.Memory(patterns), rng.random((3, 8)) < 0.5
    mask[:, 0] = True
    recall = memory.recall(x, 2.0, mask=mask, want="memory_weights")
    for b in range(3):
        expected = hk.Memory(patterns[mask[b]]).recall(x[b], 2.0)
        np.testing.assert_allclose(recall.retrieved[b], expected.retrieved, rtol=1e-5)
        np.testing.assert_allclose(recall.energy[b], expected.energy, rtol=1e-5)
        assert (recall.memory_weights[b][~mask[b]] == 0).all()
        one = memory.recall(x[b], 2.0, mask=mask[b])
        np.testing.assert_allclose(one.retrieved, recall.retrieved[b], rtol=1e-6)


@pytest.mark.parametrize("similarity", families.SIMILARITIES)
def test_all_masked_is_zeros(rng, similarity):
    memory, x = hk.Memory(rng.normal(size=(4, 3))), rng.normal(size=(2, 3))
    recall = memory.recall(x, 1.0, similarity=similarity, mask=np.zeros(4, bool))
    assert (recall.retrieved == 0).all()
    assert (recall.lse == -np.inf).all() and (recall.best == -1).all()


def test_epanechnikov_outside_all_balls():
    memory = hk.Memory(np.eye(3))
    x = np.full(3, 10.0)
    recall = memory.recall(x, 1.0, "neg_half_squared_l2", hk.Epanechnikov())
    np.testing.assert_array_equal(recall.retrieved, x)
    assert recall.energy == np.inf and recall.lse == -np.inf


def test_steps_are_repeated_recalls(rng):
    memory, x = hk.Memory(rng.normal(size=(6, 4))), rng.normal(size=(3, 4))
    once = memory.retrieve(x, 1.5)
    twice = memory.recall(once, 1.5)
    recall = memory.recall(x, 1.5, steps=2, want=("trace", "similarities"))
    np.testing.assert_array_equal(recall.retrieved, twice.retrieved)
    np.testing.assert_array_equal(recall.energy, twice.energy)
    np.testing.assert_array_equal(recall.steps, 2)
    assert recall.trace.shape == (3, 3)
    np.testing.assert_array_equal(recall.trace[0], memory.recall(x, 1.5).energy)
    np.testing.assert_array_equal(recall.trace[1], twice.energy)
    np.testing.assert_array_equal(recall.trace[2], memory.recall(twice.retrieved, 1.5).energy)
    assert (np.diff(recall.trace, axis=0) <= 1e-12).all()
    assert memory.recall(x[0], 1.5, want="trace").trace.shape == (2,)
    assert memory.recall(x, 1.5).trace is None


def test_values_are_read_after_the_updates(rng):
    patterns, values = rng.normal(size=(6, 4)), rng.normal(size=(6, 2))
    x = rng.normal(size=(3, 4))
    once = hk.Memory(patterns).retrieve(x, 1.5)
    memory = hk.Memory(patterns, values)
    recall = memory.recall(x, 1.5, steps=2, want="trace")
    np.testing.assert_array_equal(recall.retrieved, memory.retrieve(once, 1.5))
    assert recall.trace.shape == (2, 3)


@pytest.mark.parametrize("damping", [1.0, 0.5])
def test_until_it_settles(rng, damping):
    memory, x = hk.Memory(rng.normal(size=(6, 4))), rng.normal(size=(5, 4))
    recall = memory.recall(x, 3.0, steps=None, eps=1e-9, damping=damping, want="trace")
    assert set(recall.status) <= {"converged", "exact"}
    np.testing.assert_allclose(memory.retrieve(recall.retrieved, 3.0), recall.retrieved, atol=1e-7)
    assert recall.trace.shape == (recall.steps.max() + 1, 5)
    np.testing.assert_allclose(recall.trace[-1], recall.energy)
    alone = memory.recall(x[3], 3.0, steps=None, eps=1e-9, damping=damping)
    np.testing.assert_array_equal(alone.retrieved, recall.retrieved[3])
    assert alone.steps == recall.steps[3]


def test_damping(rng):
    memory, x = hk.Memory(rng.normal(size=(6, 4))), rng.normal(size=(3, 4))
    step = lambda x: x + 0.25 * (memory.retrieve(x, 1.5) - x)
    recall = memory.recall(x, 1.5, damping=0.25)
    np.testing.assert_allclose(recall.retrieved, step(x), rtol=1e-12)
    recall = memory.recall(x, 1.5, steps=3, damping=0.25)
    np.testing.assert_allclose(recall.retrieved, step(step(step(x))), rtol=1e-12)
    with_values = hk.Memory(memory.patterns, np.ones((6, 1)))
    np.testing.assert_allclose(with_values.recall(x, 1.5, damping=0.25).retrieved, 1.0)


def test_status(rng):
    memory = hk.Memory(np.eye(3))
    x = np.array([[0.0, 1.0, 0.0], [0.4, 0.5, 0.1], [np.nan, 0.0, 0.0]])
    assert list(memory.recall(x, 800.0).status) == ["exact", "max_steps", "not_a_number"]
    assert memory.recall(x[1], 800.0, steps=None).status == "exact"


def test_out(rng):
    memory = hk.Memory(rng.normal(size=(6, 4)).astype(np.float32))
    x = rng.normal(size=(3, 4)).astype(np.float32)
    wide = np.full((3, 7), 9.0, np.float32)
    recall = memory.recall(x, 1.5, out=wide[:, :4])
    np.testing.assert_array_equal(wide[:, :4], memory.retrieve(x, 1.5))
    assert (wide[:, 4:] == 9.0).all()
    assert np.shares_memory(recall.retrieved, wide)
    one = np.empty(4, np.float32)
    assert memory.recall(x[0], 1.5, out=one).retrieved is one


def test_a_recall_keeps_its_probes(rng):
    memory, x = hk.Memory(rng.normal(size=(6, 4))), rng.normal(size=(3, 4))
    mask, bias = np.ones(6, bool), rng.normal(size=(3, 6))
    recall = memory.recall(x, 1.5, mask=mask, bias=bias)
    expected = recall.backward(np.ones((3, 4)))
    x[:], mask[:], bias[:] = 0, False, 0
    np.testing.assert_array_equal(recall.backward(np.ones((3, 4))).patterns, expected.patterns)


@pytest.mark.parametrize("name", ["softmax", "sparsemax", "max"])
def test_names_of_separations(rng, name):
    memory, x = hk.Memory(rng.normal(size=(6, 4))), rng.normal(size=(3, 4))
    by_object = {"softmax": hk.Softmax(), "sparsemax": hk.Sparsemax(), "max": hk.Max()}[name]
    np.testing.assert_array_equal(
        memory.recall(x, 2.0, separation=name).retrieved,
        memory.recall(x, 2.0, separation=by_object, screening="never").retrieved,
    )


def test_empty_batches(rng):
    memory, x = hk.Memory(rng.normal(size=(6, 4))), np.empty((0, 4))
    for steps in (1, 3, None):
        recall = memory.recall(x, 1.0, steps=steps, want=("trace", "similarities", "second"))
        assert recall.retrieved.shape == (0, 4) and recall.similarities.shape == (0, 6)
        assert recall.energy.shape == recall.second.shape == (0,)
        assert recall.backward(x).patterns.shape == (6, 4)
