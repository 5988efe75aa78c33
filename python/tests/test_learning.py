import families
import numpy as np
import pytest

import hopfield_kernels as hk


def softmax(t):
    e = np.exp(t - t.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


@pytest.mark.parametrize("rule", ["delta", "contrastive", "energy"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rules(rng, rule, dtype):
    patterns, x = rng.normal(size=(6, 4)), rng.normal(size=(3, 4))
    memory = hk.Memory(patterns, dtype=dtype)
    recall = memory.recall(x.astype(dtype), 1.2)
    memory.learn(recall, rule=rule, eta=0.5, reg_lambda=0.01, l1_lambda=0.001)
    p = softmax(1.2 * x @ patterns.T)
    y = p @ patterns
    change = {
        "delta": p.T @ (x - y),
        "contrastive": p.T @ x - softmax(1.2 * y @ patterns.T).T @ y,
        "energy": p.T @ x,
    }[rule]
    expected = patterns + 0.5 * change / 3 - 0.01 * patterns - 0.001 * np.sign(patterns)
    np.testing.assert_allclose(memory.patterns, expected, atol=1e-6)


@pytest.mark.parametrize("separation", families.SEPARATIONS)
def test_any_separation(rng, separation):
    patterns, x = rng.normal(size=(6, 4)), rng.normal(size=(3, 4))
    memory, of = hk.Memory(patterns), families.SEPARATIONS[separation][0]
    recall = memory.recall(x, 1.2, separation=of, want="memory_weights")
    memory.learn(recall)
    change = recall.memory_weights.T @ (x - recall.retrieved) / 3
    np.testing.assert_allclose(memory.patterns, patterns + change, atol=1e-9)


def test_a_masked_pattern_does_not_learn(rng):
    patterns = rng.normal(size=(4, 3))
    memory, mask = hk.Memory(patterns), np.array([True, False, True, True])
    memory.learn(memory.recall(rng.normal(size=3), 1.0, mask=mask))
    np.testing.assert_array_equal(memory.patterns[1], patterns[1])
    assert (memory.patterns[0] != patterns[0]).any()


def test_values_stay(rng):
    values = rng.normal(size=(4, 2))
    memory = hk.Memory(rng.normal(size=(4, 3)), values)
    before = memory.patterns
    memory.learn(memory.recall(rng.normal(size=(2, 3)), 1.0))
    assert (memory.patterns != before).all()
    np.testing.assert_array_equal(memory.values, values)


def test_noise_depends_on_the_seed(rng):
    patterns, x = rng.normal(size=(50, 40)), rng.normal(size=(2, 40))

    def learned(seed, times=1):
        memory = hk.Memory(patterns)
        for _ in range(times):
            memory.learn(memory.recall(x, 1.0), eta=0.0, noise=0.1, seed=seed)
        return memory.patterns - patterns

    np.testing.assert_array_equal(learned(1), learned(1))
    assert (learned(1) != learned(2)).any()
    assert learned(1).std() == pytest.approx(0.1, rel=0.1)
    assert learned(1, times=2).std() == pytest.approx(0.1 * 2**0.5, rel=0.1)


def test_contrastive_options(rng):
    x = rng.normal(size=(2, 4))
    results = []
    options = ({}, {"negative_steps": 3}, {"negative_beta": 5.0}, {"negative_winners": 2})
    for option in options:
        memory = hk.Memory(np.eye(4))
        memory.learn(memory.recall(x, 1.0), "contrastive", **option)
        results.append(memory.patterns)
    assert all((results[0] != other).any() for other in results[1:])
