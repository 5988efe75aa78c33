"""The component without JAX: what ngc-learn computes, and what the papers say."""

import numpy as np
import pytest

import hopfield_kernels as hk

DIM, COUNT, BATCH = 6, 9, 3


def softmax(scores):
    e = np.exp(scores - scores.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def reference(w, x, semantics, rule, eta=0.1, beta=2.0, reg_lambda=0.0, l1_lambda=0.0):
    """One step in NumPy: compartments, after evolve."""
    s = x @ w
    shifted = s - s.max(1, keepdims=True)
    p = softmax(beta * s)
    outputs = p @ w.T
    if semantics == "ngc-learn":
        lse = np.log(np.exp(beta * shifted).sum(1))
        energies = -lse / beta + 0.5 * (x * outputs).sum(1) + 0.5 * (w**2).sum(1).max()
        negative = softmax(outputs @ w)
    else:
        lse = np.log(np.exp(beta * s).sum(1))
        energies = -lse / beta + 0.5 * (x**2).sum(1) + 0.5 * (w**2).sum(0).max()
        negative = softmax(beta * (outputs @ w))
    if rule == "delta":
        delta = (x - outputs).T @ p / len(x)
    else:
        delta = (x.T @ p - outputs.T @ negative) / len(x)
    return {
        "similarities": shifted if semantics == "ngc-learn" else s,
        "memory_weights": p,
        "outputs": outputs,
        "energy": np.array([[(energies + np.log(w.shape[1]) / beta).mean()]]),
        "dWeights": delta,
        "weights": w + eta * delta - reg_lambda * w - l1_lambda * np.sign(w),
    }


@pytest.mark.parametrize("semantics", ["ngc-learn", "standard"])
@pytest.mark.parametrize("rule", ["delta", "contrastive"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps(rng, semantics, rule, dtype):
    w, rates = rng.normal(size=(DIM, COUNT)), {"reg_lambda": 0.01, "l1_lambda": 0.002}
    synapse = hk.HopfieldSynapse(
        "W", w.shape, 0.1, beta=2.0, initial_patterns=w.astype(dtype), update_rule=rule,
        semantics=semantics, **rates,
    )
    assert synapse.dtype == dtype and synapse.shape == w.shape and synapse.name == "W"
    tolerance = 2e-5 if dtype == "float32" else 1e-13
    for step in range(3):
        x = rng.normal(size=(BATCH, DIM))
        synapse.inputs = x.astype(dtype)
        synapse.advance_state()
        synapse.evolve(t=float(step), dt=1.0)
        expected = reference(w, x, semantics, rule, **rates)
        for name, value in expected.items():
            found = getattr(synapse, name)
            assert found.dtype == dtype and found.shape == value.shape
            np.testing.assert_allclose(found, value, atol=tolerance * (1 + np.abs(value).max()))
        w = expected["weights"]
    assert synapse.i_tick == [[3.0]]


def test_the_defaults_are_those_of_ngc_learn():
    synapse = hk.HopfieldSynapse("W", (DIM, COUNT), 0.5)
    assert (synapse.eta, synapse.beta, synapse.reg_lambda) == (0.5, 8.0, 0.0)
    assert synapse.dtype == "float32" and synapse.inputs.shape == (1, DIM)
    assert 0.025 <= synapse.weights.min() and synapse.weights.max() <= 0.8
    same = hk.HopfieldSynapse("W", (DIM, COUNT), 0.5, seed=0)
    np.testing.assert_array_equal(synapse.weights, same.weights)
    other = hk.HopfieldSynapse("W", (DIM, COUNT), 0.5, seed=1)
    assert (synapse.weights != other.weights).any() and other.key.tolist() == [[0, 0, 0, 1]]


def test_initial_weights_and_patterns(rng):
    made = lambda *init: hk.HopfieldSynapse("W", (DIM, COUNT), 0.0, weight_init=init).weights
    assert (made("constant", 3.0) == 3).all()
    assert np.abs(made("fan_in_uniform")).max() <= COUNT**-0.5
    assert made("gaussian", 5.0, 0.1).mean() == pytest.approx(5.0, abs=0.2)
    few = rng.normal(size=(DIM, 4))
    synapse = hk.HopfieldSynapse("W", (DIM, COUNT), 0.0, initial_patterns=few)
    order = np.array(synapse.permutation)
    np.testing.assert_array_equal(synapse.weights[:, order < 4], few[:, order[order < 4]])
    masked = hk.HopfieldSynapse("W", (DIM, COUNT), 0.0, p_conn=0.5, semantics="standard")
    assert 0 < (masked.weights == 0).sum() < DIM * COUNT


def test_rates_may_be_compiled(rng):
    synapse = hk.HopfieldSynapse("W", (2, 1), 0.0, dtype="float64")
    before = synapse.weights
    synapse.compile()
    synapse.eta = 1.0
    synapse.inputs = [[1.0, 1.0]]
    synapse.advance_and_evolve()
    assert synapse.eta == 1.0
    np.testing.assert_array_equal(synapse.weights, before)
    synapse.compile()
    synapse.advance_and_evolve()
    assert (synapse.weights != before).all()


def test_reset_and_records(rng):
    synapse = hk.HopfieldSynapse("W", (DIM, COUNT), 0.1, batch_size=2, record=["energy"])
    synapse.inputs = np.ones((5, DIM), np.float32)
    synapse.advance_state()
    assert synapse.outputs.shape == (5, DIM) and synapse.energy != 0
    with pytest.raises(ValueError, match="memory_weights"):
        _ = synapse.memory_weights
    synapse.reset()
    assert synapse.inputs.shape == (2, DIM) and not synapse.inputs.any() and synapse.energy == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_files(tmp_path, rng, dtype):
    synapse = hk.HopfieldSynapse("W", (DIM, COUNT), 0.25, dtype=dtype, update_rule="contrastive")
    synapse.inputs = rng.normal(size=(BATCH, DIM)).astype(dtype)
    synapse.advance_state()
    synapse.save(tmp_path / "W.npz")
    same = hk.HopfieldSynapse.load(tmp_path / "W.npz", dtype=dtype)
    assert isinstance(same, hk.HopfieldSynapse) and (same.name, same.eta) == ("W", 0.25)
    np.testing.assert_array_equal(same.outputs, synapse.outputs)
    for of in (synapse, same):
        of.evolve()
    np.testing.assert_array_equal(same.weights, synapse.weights)
    with np.load(tmp_path / "W.npz") as file:
        assert file["weights"].shape == (DIM, COUNT) and file["memory_weights"].shape[0] == BATCH


def test_growth():
    synapse = hk.HopfieldSynapse(
        "W", (2, 2), 0.1, initial_patterns=np.eye(2), semantics="standard", dtype="float64"
    )
    synapse.inputs = [[-1.0, 0.0]]
    assert synapse.grow(5, vigilance=0.5) == [hk.Event("appended", 2, -1)]
    assert synapse.shape == (2, 3)
    with pytest.raises(ValueError, match="semantics that grow"):
        hk.HopfieldSynapse("W", (2, 2), 0.1).grow(5)


def test_errors(tmp_path):
    made = lambda **options: hk.HopfieldSynapse("W", (DIM, COUNT), 0.1, **options)
    for options, message in (
        ({"semantics": "rust"}, "semantics.*ngc-learn, standard"),
        ({"record": ["outputs"]}, "record.*similarities, memory_weights, energy, dWeights"),
        ({"weight_init": ("uniform", 1.0)}, r'weight_init.*\("uniform", low, high\)'),
        ({"beta": -1.0}, "beta: expected a finite number above 0, got -1"),
        ({"initial_patterns": np.eye(3)}, "initial_patterns: expected shape 6 x 3, got 3 x 3"),
        ({"dtype": "int8"}, "dtype: expected float32 or float64, got int8"),
        ({"dtype": "bfloat16"}, "dtype: expected float32 or float64, got bfloat16"),
        ({"seed": -1}, "seed: expected at least 0, got -1"),
        ({"update_rule": "hebb", "semantics": "standard"}, "update_rule"),
    ):
        with pytest.raises(ValueError, match=message):
            made(**options)
    synapse = made(semantics="standard")
    with pytest.raises(ValueError, match="evolve: expected an advance_state before it"):
        synapse.evolve()
    with pytest.raises(ValueError, match="inputs: expected shape 2 x 6, got 2 x 3"):
        synapse.inputs = np.ones((2, 3), np.float32)
    with pytest.raises(ValueError, match="eta"):
        synapse.eta = float("nan")
    with pytest.raises(ValueError, match="none.npz"):
        hk.HopfieldSynapse.load(tmp_path / "none.npz")


def test_ngc_learns_own_file_and_numbers(tmp_path, rng):
    jax = pytest.importorskip("jax")
    pytest.importorskip("ngclearn")
    from ngclearn import Context, MethodProcess
    from ngclearn.components.synapses.competitive.hopfieldSynapse import HopfieldSynapse

    w = rng.normal(size=(DIM, COUNT)).astype(np.float32)
    x = rng.normal(size=(BATCH, DIM)).astype(np.float32)
    for rule in ("delta", "contrastive"):
        with Context(f"synapse {rule}"):
            real = HopfieldSynapse(
                "W", w.shape, 0.1, 0.01, 2.0, jax.numpy.asarray(w), rule, batch_size=BATCH
            )
            both = MethodProcess("both") >> real.advance_state >> real.evolve
        ours = hk.HopfieldSynapse("W", w.shape, 0.1, 0.01, 2.0, w, rule, batch_size=BATCH)
        real.inputs.set(jax.numpy.asarray(x))
        ours.inputs = x
        for _ in range(3):
            both.run(t=0.0, dt=1.0)
            ours.advance_and_evolve()
        for name in ("outputs", "similarities", "memory_weights", "energy", "weights", "dWeights"):
            np.testing.assert_allclose(
                getattr(ours, name), getattr(real, name).get(), rtol=1e-5, atol=1e-5, err_msg=name
            )
        real.save(str(tmp_path))
        loaded = hk.HopfieldSynapse.load(tmp_path / "W.npz")
        np.testing.assert_array_equal(loaded.weights, real.weights.get())
