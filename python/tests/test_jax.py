import threading

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402

import hopfield_kernels as hk  # noqa: E402
import hopfield_kernels.jax as hkj  # noqa: E402
from hopfield_kernels import _jax_reference as reference  # noqa: E402

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture
def arrays(rng):
    normal = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)
    mask = jnp.asarray(rng.random((4, 7)) < 0.6).at[:, 0].set(True)
    return {
        "x": normal(4, 5),
        "m": normal(7, 5),
        "beta": jnp.float32(1.3),
        "v": normal(7, 3),
        "mask": mask,
        "bias": 0.3 * normal(4, 7),
    }


def expected(a, values=None, mask=None, bias=None):
    scores = a["beta"] * a["x"] @ a["m"].T
    scores = scores if bias is None else scores + bias
    scores = scores if mask is None else jnp.where(mask, scores, -jnp.inf)
    return jax.nn.softmax(scores, -1) @ (a["m"] if values is None else values)


@pytest.mark.parametrize("jit", [False, True])
def test_retrieve(arrays, jit):
    a = arrays
    retrieve = jax.jit(hkj.retrieve) if jit else hkj.retrieve
    np.testing.assert_allclose(retrieve(a["x"], a["m"], a["beta"]), expected(a), **TOLERANCE)
    for options in (
        {"values": a["v"]},
        {"mask": a["mask"]},
        {"bias": a["bias"]},
        {"values": a["v"], "mask": a["mask"][0], "bias": a["bias"][0]},
        {"values": a["v"], "mask": a["mask"], "bias": a["bias"]},
    ):
        found = retrieve(a["x"], a["m"], a["beta"], **options)
        np.testing.assert_allclose(found, expected(a, **options), **TOLERANCE)


@pytest.mark.parametrize("width", [5, 16, 40])
@pytest.mark.parametrize("optional", [(), ("v",)])
def test_the_same_as_a_memory(rng, width, optional):
    # Rows of whole vectors and others, which are read where they are as well.
    normal = lambda *shape: rng.normal(size=shape).astype(np.float32)
    x, m, values = normal(4, width), normal(70, width), normal(70, 3) if optional else None
    found = jax.jit(hkj.retrieve)(x, m, 0.5, values)
    memory = hk.Memory(m, values)
    np.testing.assert_allclose(found, memory.retrieve(x, 0.5), rtol=1e-6, atol=1e-6)


def test_the_program_calls_the_kernel(arrays):
    a = arrays
    lowered = jax.jit(hkj.retrieve).lower(a["x"], a["m"], a["beta"]).as_text()
    assert "hopfield_kernels_recall" in lowered


def test_energy_and_similarities(arrays):
    a = arrays
    recall = hk.Memory(np.asarray(a["m"])).recall(
        np.asarray(a["x"]), 1.3, bias=np.asarray(a["bias"]), mask=np.asarray(a["mask"])
    )
    found = jax.jit(hkj.energy)(a["x"], a["m"], 1.3, a["mask"], a["bias"])
    np.testing.assert_allclose(found, recall.energy, **TOLERANCE)
    operands = (a["x"], a["m"], jnp.float32(1.3), a["mask"], a["bias"])
    expected = reference.energy("dot", ("softmax", 0.0), operands)
    np.testing.assert_allclose(found, expected, **TOLERANCE)
    np.testing.assert_allclose(hkj.similarities(a["x"], a["m"]), a["x"] @ a["m"].T, **TOLERANCE)
    assert hkj.energy(a["x"][0], a["m"], 1.3).shape == ()
    three = a["x"].reshape(2, 2, 5)
    assert hkj.energy(three, a["m"], 1.3).shape == (2, 2)
    np.testing.assert_array_equal(
        hkj.retrieve(three, a["m"], 1.3).reshape(4, 5), hkj.retrieve(a["x"], a["m"], 1.3)
    )


def test_all_masked_is_zeros(arrays):
    a, none = arrays, jnp.zeros(7, bool)
    assert (hkj.retrieve(a["x"], a["m"], 1.3, mask=none) == 0).all()
    operands = (a["x"], a["m"], jnp.float32(1.3), none, None)
    assert (reference.retrieve("dot", ("softmax", 0.0), operands, None) == 0).all()
    slopes = jax.grad(lambda x: hkj.retrieve(x, a["m"], 1.3, mask=none).sum())(a["x"])
    assert (slopes == 0).all()


@pytest.mark.parametrize("optional", [(), ("v",), ("mask", "bias"), ("v", "mask", "bias")])
def test_gradients(arrays, optional):
    a = arrays
    names = ["x", "m", "beta"] + [name for name in optional if name != "mask"]

    def call(by, *of):
        given = dict(zip(names, of, strict=True))
        options = {"values": given.get("v"), "bias": given.get("bias")}
        options["mask"] = a["mask"] if "mask" in optional else None
        if by == "kernel":
            return jnp.sin(hkj.retrieve(given["x"], given["m"], given["beta"], **options)).sum()
        return jnp.sin(expected(a | given, **options)).sum()

    of, places = [a[name] for name in names], tuple(range(len(names)))
    for grad in (jax.grad, lambda *of: jax.jit(jax.grad(*of), static_argnums=0)):
        found = grad(call, tuple(place + 1 for place in places))("kernel", *of)
        for got, want in zip(
            found, grad(call, tuple(p + 1 for p in places))("jnp", *of), strict=True
        ):
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_gradient_of_the_energy(arrays):
    a = arrays
    slope = jax.grad(lambda x: hkj.energy(x, a["m"], 1.3).sum())(a["x"])
    np.testing.assert_allclose(slope, a["x"] - hkj.retrieve(a["x"], a["m"], 1.3), **TOLERANCE)


@pytest.mark.parametrize(
    "axes", [(0, None, None), (None, 0, None), (0, 0, None), (0, 0, 0), (1, None, 0)]
)
def test_vmap(arrays, rng, axes):
    normal = lambda shape, axis: rng.normal(
        size=shape if axis is None else np.insert(shape, axis, 3)
    )
    x, m = normal((4, 5), axes[0]).astype("f4"), normal((7, 5), axes[1]).astype("f4")
    beta = np.float32(1.3) if axes[2] is None else np.array([1.0, 1.3, 2.0], np.float32)
    found = jax.jit(jax.vmap(hkj.retrieve, axes))(x, m, beta)
    pick = lambda of, axis, i: of if axis is None else np.take(of, i, axis)
    for i in range(3):
        each = [pick(of, axis, i) for of, axis in zip((x, m, beta), axes, strict=True)]
        np.testing.assert_allclose(found[i], hkj.retrieve(*each), **TOLERANCE)


def test_vmap_of_masks_and_biases(arrays):
    a = arrays
    one = lambda x, mask, bias: hkj.retrieve(x, a["m"], 1.3, a["v"], mask, bias)
    found = jax.vmap(one)(a["x"], a["mask"], a["bias"])
    np.testing.assert_allclose(found, one(a["x"], a["mask"], a["bias"]), **TOLERANCE)
    found = jax.vmap(one, (None, 0, None))(a["x"], a["mask"], a["bias"])
    for i in range(4):
        np.testing.assert_allclose(found[i], one(a["x"], a["mask"][i], a["bias"]), **TOLERANCE)


def test_vmap_of_grad_and_grad_of_vmap(arrays):
    a = arrays
    loss = lambda x, m: jnp.sin(hkj.retrieve(x, m, 1.3)).sum()
    whole = jax.grad(loss, (0, 1))(a["x"], a["m"])
    each = jax.vmap(jax.grad(loss, (0, 1)), (0, None))(a["x"], a["m"])
    np.testing.assert_allclose(each[0], whole[0], **TOLERANCE)
    np.testing.assert_allclose(each[1].sum(0), whole[1], **TOLERANCE)
    summed = lambda x, m: jax.vmap(loss, (0, None))(x, m).sum()
    np.testing.assert_allclose(jax.grad(summed, 1)(a["x"], a["m"]), whole[1], **TOLERANCE)


def test_scan(arrays):
    a = arrays
    step = lambda x, _: (hkj.retrieve(x, a["m"], 3.0), hkj.energy(x, a["m"], 3.0))
    last, energies = jax.jit(lambda x: jax.lax.scan(step, x, None, length=5))(a["x"])
    recall = hk.Memory(np.asarray(a["m"])).recall(np.asarray(a["x"]), 3.0, steps=5, want="trace")
    np.testing.assert_allclose(last, recall.retrieved, **TOLERANCE)
    np.testing.assert_allclose(energies, recall.trace[:5], **TOLERANCE)
    slopes = jax.grad(lambda x: jax.lax.scan(step, x, None, length=5)[0].sum())(a["x"])
    backward = hk.Memory(np.asarray(a["m"])).recall(np.asarray(a["x"]), 3.0, steps=5)
    np.testing.assert_allclose(
        slopes, backward.backward(np.ones((4, 5))).probes, rtol=1e-3, atol=1e-5
    )


def test_types(arrays):
    a = arrays
    half = hkj.retrieve(a["x"].astype(jnp.bfloat16), a["m"].astype(jnp.bfloat16), 1.3)
    assert half.dtype == jnp.bfloat16
    with jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64():
        x, m = np.asarray(a["x"], np.float64), np.asarray(a["m"], np.float64)
        found = hkj.retrieve(x, m, 1.3)
        assert found.dtype == jnp.float64
        np.testing.assert_allclose(found, hk.Memory(m).retrieve(x, 1.3), rtol=1e-13)


def test_empty_batches(arrays):
    a = arrays
    assert hkj.retrieve(a["x"][:0], a["m"], 1.3).shape == (0, 5)
    assert hkj.energy(a["x"][:0], a["m"], 1.3).shape == (0,)


def test_export(arrays):
    a, export = arrays, pytest.importorskip("jax.export")
    check = export.DisabledSafetyCheck.custom_call("hopfield_kernels_recall")
    exported = export.export(jax.jit(hkj.retrieve), disabled_checks=[check])(
        a["x"], a["m"], a["beta"]
    )
    np.testing.assert_allclose(exported.call(a["x"], a["m"], a["beta"]), expected(a), **TOLERANCE)
    pytest.importorskip("flatbuffers")
    again = export.deserialize(exported.serialize())
    np.testing.assert_allclose(again.call(a["x"], a["m"], a["beta"]), expected(a), **TOLERANCE)


def test_threads_get_the_same_bits(arrays):
    a, wrong = arrays, []
    retrieve = jax.jit(hkj.retrieve)
    first = retrieve(a["x"], a["m"], a["beta"])

    def call():
        for _ in range(50):
            if not np.array_equal(retrieve(a["x"], a["m"], a["beta"]), first):
                wrong.append(1)

    threads = [threading.Thread(target=call) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not wrong


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: hkj.retrieve(a["x"][:, :2], a["m"], 1.0), "probes: expected shape"),
        (lambda a: hkj.retrieve(a["x"], a["m"][0], 1.0), "patterns: expected 2 dimensions"),
        (lambda a: hkj.retrieve(a["x"], a["m"], a["x"]), "beta: expected one number"),
        (lambda a: hkj.retrieve(a["x"], a["m"], 1.0, a["v"][:2]), "values: expected shape"),
        (lambda a: hkj.retrieve(a["x"], a["m"], 1.0, mask=a["bias"]), "mask: expected bool"),
        (lambda a: hkj.retrieve(a["x"], a["m"], 1.0, bias=a["v"]), "bias: expected shape"),
    ],
)
def test_shapes_are_checked(arrays, call, message):
    with pytest.raises(ValueError, match=message):
        call(arrays)


def test_errors_of_a_running_program(arrays):
    a = arrays
    with pytest.raises(Exception, match="beta: expected a finite number above 0, got -1"):
        jax.block_until_ready(jax.jit(hkj.retrieve)(a["x"], a["m"], -1.0))
