import itertools

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402

import hopfield_kernels as hk  # noqa: E402
import hopfield_kernels.jax as hkj  # noqa: E402
from hopfield_kernels import _jax_reference as reference  # noqa: E402

RULES = ("delta", "contrastive", "energy")
RATES = {"eta": 0.3, "reg_lambda": 0.01, "l1_lambda": 0.002}
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


def arrays(rng, dim=5):
    return (jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in ((4, dim), (7, dim)))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dim", [5, 32])
@pytest.mark.parametrize("jit", [False, True])
def test_as_a_memory_learns(rng, rule, dim, jit):
    x, m = arrays(rng, dim)
    call = lambda x, m: hkj.update(x, m, 1.3, rule=rule, **RATES)
    found = (jax.jit(call) if jit else call)(x, m)
    memory = hk.Memory(np.asarray(m))
    memory.learn(memory.recall(np.asarray(x), 1.3), rule, **RATES)
    np.testing.assert_allclose(found, memory.patterns, **TOLERANCE)
    operands = [jnp.float32(of) for of in (1.3, *RATES.values())]
    expected = reference.learned(rule, (x, m, *operands))
    np.testing.assert_allclose(found, expected, **TOLERANCE)
    np.testing.assert_allclose(call(x[0], m), call(x[:1], m), **TOLERANCE)
    np.testing.assert_array_equal(call(x[:0], m), m)


@pytest.mark.parametrize("rule", RULES)
def test_gradients(rng, rule):
    x, m = arrays(rng)
    numbers = [jnp.float32(of) for of in (1.3, 0.3, 0.01, 0.0)]

    def loss(update, x, m, *numbers):
        return jnp.sin(update(x, m, *numbers)).sum()

    def kernel(x, m, beta, eta, reg_lambda, l1_lambda):
        rates = {"eta": eta, "reg_lambda": reg_lambda, "l1_lambda": l1_lambda}
        return hkj.update(x, m, beta, rule=rule, **rates)

    learned = lambda *of: reference.learned(rule, of)
    every = tuple(range(1, 7))
    found = jax.grad(loss, every)(kernel, x, m, *numbers)
    expected = jax.grad(loss, every)(learned, x, m, *numbers)
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


AXES = list(itertools.product([None, 0, 1], [None, 0, 1], [None, 0]))[1:]


@pytest.mark.parametrize("mapped", AXES)
def test_vmap_over_every_axis(rng, mapped):
    shape = lambda of, axis: of if axis is None else np.insert(of, axis, 3)
    x = rng.normal(size=shape((4, 5), mapped[0])).astype("f4")
    m = rng.normal(size=shape((7, 5), mapped[1])).astype("f4")
    eta = np.float32(0.3) if mapped[2] is None else np.array([0.1, 0.2, 0.5], np.float32)
    call = lambda x, m, eta: hkj.update(x, m, 1.3, eta=eta)
    found = jax.vmap(call, mapped)(x, m, eta)
    pick = lambda of, axis, i: of if axis is None else np.take(of, i, axis)
    for i in range(3):
        each = [pick(of, axis, i) for of, axis in zip((x, m, eta), mapped, strict=True)]
        np.testing.assert_allclose(found[i], call(*each), **TOLERANCE)


def test_donated_patterns_learn_where_they_are(rng):
    x, m = arrays(rng, 32)
    step = jax.jit(lambda m, x: hkj.update(x, m, 1.3), donate_argnums=0)
    text = step.lower(m, x).compile().as_text()
    assert not any(" copy(" in line and "f32[7,32]" in line for line in text.splitlines())
    place = m.unsafe_buffer_pointer()
    assert step(m, x).unsafe_buffer_pointer() == place and m.is_deleted()


def test_patterns_that_are_not_donated_stay(rng):
    x, m = arrays(rng, 32)
    before = np.array(m)
    assert not np.array_equal(jax.jit(hkj.update)(x, m, 1.3), before)
    np.testing.assert_array_equal(m, before)


def test_a_scan_of_updates(rng):
    x, m = arrays(rng)
    step = lambda m, x: (hkj.update(x, m, 2.0, eta=0.5), None)
    found, _ = jax.jit(lambda m: jax.lax.scan(step, m, jnp.stack([x] * 5)))(m)
    memory = hk.Memory(np.asarray(m))
    for _ in range(5):
        memory.learn(memory.recall(np.asarray(x), 2.0), eta=0.5)
    np.testing.assert_allclose(found, memory.patterns, **TOLERANCE)


def test_export(rng):
    export = pytest.importorskip("jax.export")
    x, m = arrays(rng)
    check = export.DisabledSafetyCheck.custom_call("hopfield_kernels_update")
    exported = export.export(jax.jit(hkj.update), disabled_checks=[check])(x, m, jnp.float32(1.3))
    np.testing.assert_allclose(
        exported.call(x, m, jnp.float32(1.3)), hkj.update(x, m, 1.3), **TOLERANCE
    )


@pytest.mark.parametrize("platform", ["cpu", "tpu", "cuda"])
def test_other_platforms_have_jax_numpy(rng, platform):
    x, m = arrays(rng)
    for call, name in ((hkj.update, "update"), (hkj.retrieve, "recall")):
        lowered = jax.jit(call).trace(x, m, 1.3).lower(lowering_platforms=(platform,)).as_text()
        assert (f"hopfield_kernels_{name}" in lowered) == (platform == "cpu")


def test_float64_and_half(rng):
    x, m = arrays(rng)
    assert hkj.update(x.astype(jnp.bfloat16), m.astype(jnp.bfloat16), 1.3).dtype == jnp.bfloat16
    with jax.enable_x64(True):
        x, m = np.asarray(x, np.float64), np.asarray(m, np.float64)
        memory = hk.Memory(m)
        memory.learn(memory.recall(x, 1.3))
        np.testing.assert_allclose(hkj.update(x, m, 1.3), memory.patterns, rtol=1e-12)


def test_errors(rng):
    x, m = arrays(rng)
    for call, message in (
        (lambda: hkj.update(x, m, 1.0, rule="hebb"), "rule: expected delta, contrastive, energy"),
        (lambda: hkj.update(x, m, 1.0, eta=x), "eta: expected one number"),
        (lambda: hkj.update(x[:, :2], m, 1.0), "probes: expected shape"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(Exception, match="beta: expected a finite number above 0, got -1"):
        jax.block_until_ready(hkj.update(x, m, -1.0))
