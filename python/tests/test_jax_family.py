"""Every similarity and separation in JAX: the kernels, jax.numpy in their place, and a memory."""

import families
import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402

import hopfield_kernels as hk  # noqa: E402
import hopfield_kernels.jax as hkj  # noqa: E402
from hopfield_kernels import _jax_operations as operations  # noqa: E402

BETA = 1.3
PAIRS = [(s, t) for s in families.SIMILARITIES for t in families.SEPARATIONS]
SMOOTH = [(s, t, False) for s in families.SIMILARITIES for t in families.SMOOTH]
SMOOTH += [("dot", t, True) for t in families.SMOOTH]


@pytest.fixture(autouse=True)
def double():
    context = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64
    with context(True):
        yield


def draw(rng):
    normal = lambda *shape: rng.normal(size=shape)
    mask = rng.random((4, 7)) < 0.8
    mask[:, :3] = True
    return 0.7 * normal(4, 5), 0.7 * normal(7, 5), normal(7, 3), mask, 0.2 * normal(4, 7)


def named(similarity, separation):
    return {"similarity": similarity, "separation": families.SEPARATIONS[separation][0]}


def in_numpy(output, operands, there, similarity, separation):
    """What the operation is on other platforms."""
    _, name, parameter = families.SEPARATIONS[separation]
    call = operations.Call(output, there, similarity, (name, float(parameter)))
    return operations._reference(call, *map(jnp.asarray, operands))


@pytest.mark.parametrize(("similarity", "separation"), PAIRS)
def test_kernels_numpy_and_a_memory_agree(rng, similarity, separation):
    x, m, values, mask, bias = draw(rng)
    of, options = named(similarity, separation), {"mask": mask, "bias": bias}
    recall = hk.Memory(m).recall(x, BETA, **of, **options)
    operands = (x, m, BETA, mask, bias)
    for found, output, expected in (
        (hkj.retrieve(x, m, BETA, **options, **of), 0, recall.retrieved),
        (hkj.energy(x, m, BETA, **options, **of), 1, recall.energy),
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
        # With weights below 0 there is no median.
        if (similarity, separation, output) != ("neg_l1", "power", 0):
            other = in_numpy(output, operands, 6, similarity, separation)
            np.testing.assert_allclose(other, expected, rtol=1e-9, atol=1e-9)
    found = hkj.retrieve(x, m, BETA, values, **of)
    expected = hk.Memory(m, values).recall(x, BETA, **of).retrieved
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    other = in_numpy(0, (x, m, BETA, values), 1, similarity, separation)
    np.testing.assert_allclose(found, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("similarity", "separation", "values"), SMOOTH)
def test_gradients(rng, similarity, separation, values):
    x, m, v, mask, bias = draw(rng)
    of, there = named(similarity, separation), 7 if values else 6
    operands = (x, m, BETA, *([v] if values else []), bias)
    places = tuple(range(len(operands)))

    def loss(call):
        return lambda *operands: jnp.sin(call(*operands)).sum()

    def kernel(x, m, beta, *rest):
        return hkj.retrieve(x, m, beta, rest[0] if values else None, mask, rest[-1], **of)

    def numpy(x, m, beta, *rest):
        return in_numpy(0, (x, m, beta, *rest[:-1], mask, rest[-1]), there, similarity, separation)

    def check(kernel, numpy, places):
        found = jax.jit(jax.grad(loss(kernel), places))(*operands)
        expected = jax.grad(loss(numpy), places)(*operands)
        for got, want in zip(found, expected, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-8)

    if values or (similarity, separation) != ("neg_l1", "power"):
        check(kernel, numpy, places)
    if values:
        return
    check(
        lambda x, m, beta, bias: hkj.energy(x, m, beta, mask, bias, **of),
        lambda x, m, beta, bias: in_numpy(1, (x, m, beta, mask, bias), 6, similarity, separation),
        places,
    )


@pytest.mark.parametrize("similarity", families.SIMILARITIES)
def test_similarities(rng, similarity):
    x, m, *_ = draw(rng)
    found = hkj.similarities(x, m, similarity)
    expected = hk.Memory(m).recall(x, 1.0, similarity, want="similarities").similarities
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    slopes = jax.grad(lambda x: jnp.sin(hkj.similarities(x, m, similarity)).sum())(x)
    call = operations.Call(2, 0, similarity, ("softmax", 0.0))
    other = jax.grad(lambda x: jnp.sin(operations._reference(call, x, m, 1.0)).sum())(x)
    np.testing.assert_allclose(slopes, other, rtol=1e-12)


@pytest.mark.parametrize("separation", ["softmax", "entmax1.5"])
def test_only_the_gradients_that_are_wanted_are_computed(rng, separation):
    x, m, *_ = draw(rng)
    call = lambda x, m: hkj.retrieve(x, m, BETA, **named("dot", separation)).sum()
    program = lambda *places: jax.jit(jax.grad(call, places)).lower(x, m).as_text()
    assert "wanted = 1 : i64" in program(0)
    assert "wanted = 2 : i64" in program(1)
    assert "wanted = 3 : i64" in program(0, 1)


def test_vmap_of_gradients(rng):
    x, m, _, mask, bias = draw(rng)
    of = named("neg_half_squared_l2", "entmax1.5")
    one = lambda x, m, mask, bias: jnp.sin(hkj.retrieve(x, m, BETA, None, mask, bias, **of)).sum()
    for places in (0, (0, 1), (0, 3)):
        found = jax.vmap(jax.grad(one, places), (0, None, 0, 0))(x, m, mask, bias)
        for b in range(len(x)):
            expected = jax.grad(one, places)(x[b], m, mask[b], bias[b])
            pick = jax.tree.map(lambda of, b=b: of[b], found)
            jax.tree.map(
                lambda got, want: np.testing.assert_allclose(got, want, rtol=1e-12), pick, expected
            )
    # Over the probes alone it is one call.
    program = jax.jit(jax.vmap(jax.grad(one), (0, None, 0, 0))).lower(x, m, mask, bias).as_text()
    assert "while" not in program and "hopfield_kernels_backward" in program


def test_scan_and_its_gradient(rng):
    x, m, *_ = draw(rng)
    of = named("neg_half_squared_l2", "sparsemax")
    step = lambda x, _: (hkj.retrieve(x, m, BETA, **of), None)
    walk = jax.jit(lambda x: jax.lax.scan(step, x, None, length=3)[0])
    recall = hk.Memory(m).recall(x, BETA, steps=3, **of)
    np.testing.assert_allclose(walk(x), recall.retrieved, rtol=1e-12)
    slopes = jax.grad(lambda x: walk(x).sum())(x)
    np.testing.assert_allclose(slopes, recall.backward(np.ones_like(x)).probes, atol=1e-12)


def test_second_derivatives(rng):
    x, m, *_ = draw(rng)
    for separation in ("softmax", "entmax1.5"):
        of = named("dot", separation)
        _, name, parameter = families.SEPARATIONS[separation]
        call = operations.Call(1, 0, "dot", (name, float(parameter)))
        found = jax.jacrev(jax.grad(lambda x, of=of: hkj.energy(x, m, BETA, **of)))(x[0])
        energy = lambda x, call=call: operations._reference(call, x, jnp.asarray(m), BETA)
        expected = jax.jacrev(jax.grad(energy))(x[0])
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(found, found.T, rtol=1e-8, atol=1e-8)


def test_export(rng):
    x, m, *_ = draw(rng)
    export = pytest.importorskip("jax.export")
    call = jax.jit(jax.grad(lambda x: hkj.retrieve(x, m, BETA, **named("cosine", "max")).sum()))
    names = ("hopfield_kernels_recall", "hopfield_kernels_backward")
    checks = [export.DisabledSafetyCheck.custom_call(name) for name in names]
    exported = export.export(call, disabled_checks=checks)(x)
    np.testing.assert_allclose(exported.call(x), call(x))


def test_edges(rng):
    x, m, _, _, bias = draw(rng)
    for similarity, separation in PAIRS:
        of = named(similarity, separation)
        assert (hkj.retrieve(x, m, BETA, mask=np.zeros(7, bool), **of) == 0).all()
        assert hkj.retrieve(x[:0], m, BETA, **of).shape == (0, 5)
    # Outside of all balls: the probe itself.
    of = named("neg_half_squared_l2", "epanechnikov")
    np.testing.assert_array_equal(hkj.retrieve(100.0 + x, m, BETA, **of), 100.0 + x)
    assert (hkj.energy(100.0 + x, m, BETA, **of) == np.inf).all()
    slopes = jax.grad(lambda x: hkj.retrieve(x, m, BETA, **of).sum())(100.0 + x)
    np.testing.assert_array_equal(slopes, np.ones_like(x))
    shared = jax.grad(lambda bias: hkj.retrieve(x, m, BETA, bias=bias).sum())(bias[0])
    each = jax.grad(lambda bias: hkj.retrieve(x, m, BETA, bias=bias).sum())(
        np.broadcast_to(bias[0], bias.shape)
    )
    np.testing.assert_allclose(shared, each.sum(0), rtol=1e-10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, m: hkj.retrieve(x, m, 1.0, similarity="l2"), "similarity: expected dot, cos"),
        (lambda x, m: hkj.retrieve(x, m, 1.0, separation="soft"), "separation: expected one of"),
        (lambda x, m: hkj.similarities(x, m, "l2"), "similarity: expected dot, cos"),
    ],
)
def test_names_are_checked(rng, call, message):
    x, m, *_ = draw(rng)
    with pytest.raises(ValueError, match=message):
        call(x, m)


def test_parameters_are_checked_by_the_program(rng):
    x, m, *_ = draw(rng)
    with pytest.raises(Exception, match="k: expected at most the number of patterns, got 9"):
        jax.block_until_ready(hkj.retrieve(x, m, 1.0, separation=hk.KSubsets(9)))
