"""The component against the real one, alone and in models with other components of ngc-learn."""

import functools
import gc
import itertools

import numpy as np
import pytest

jax = pytest.importorskip("jax")
pytest.importorskip("ngclearn")

import jax.numpy as jnp  # noqa: E402
import ngclearn  # noqa: E402
from ngclearn import Context, Summation  # noqa: E402
from ngclearn.components.neurons.graded.rateCell import RateCell  # noqa: E402
from ngclearn.components.synapses.competitive.hopfieldSynapse import (  # noqa: E402
    HopfieldSynapse as Reference,
)
from ngclearn.components.synapses.denseSynapse import DenseSynapse  # noqa: E402
from ngcsimlib.global_state import stateManager  # noqa: E402

import hopfield_kernels.ngclearn as hkn  # noqa: E402

N, B = 100, 4
COUNTER = itertools.count()
#: Implementations: the component, and the processes that run it.
OURS = {
    "state": (lambda *of, **by: hkn.HopfieldSynapse(*of, **by), hkn),
    "state, stock processes": (lambda *of, **by: hkn.HopfieldSynapse(*of, **by), ngclearn),
    "resident": (lambda *of, **by: hkn.HopfieldSynapse(*of, memory="resident", **by), ngclearn),
    "resident, our processes": (
        lambda *of, **by: hkn.HopfieldSynapse(*of, memory="resident", **by),
        hkn,
    ),
}
REAL = (Reference, ngclearn)
COMPARTMENTS = (
    "outputs",
    "similarities",
    "memory_weights",
    "energy",
    "weights",
    "dWeights",
    "i_tick",
)


@pytest.fixture(autouse=True)
def empty_state():
    """Nothing of other tests in the global state, which ngc-learn's processes copy whole."""
    yield
    getattr(stateManager, "_global_state_manager__state").clear()


@pytest.fixture(params=OURS)
def ours(request):
    return OURS[request.param]


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    with jax.enable_x64(request.param == "float64"):
        yield request.param


def context():
    return Context(f"test{next(COUNTER)}")


def data(dim=48, dtype="float32"):
    rng = np.random.default_rng(5)
    weights = jnp.asarray(rng.normal(size=(dim, N)) / np.sqrt(dim), dtype)
    inputs = [jnp.asarray(rng.normal(size=(B, dim)), dtype) for _ in range(5)]
    return weights, inputs


def build(implementation, weights, rule="delta", **options):
    """The synapse and its processes: advance, evolve, both, reset."""
    kind, processes = implementation
    options = {"eta": 0.1, "beta": 2.0, "batch_size": B, "key": jax.random.PRNGKey(0)} | options
    with context():
        synapse = kind(
            "W", shape=weights.shape, initial_patterns=weights, update_rule=rule, **options
        )
        step = lambda name, *methods: _process(processes, name, methods)
        runs = {
            "advance": step("advance", synapse.advance_state),
            "evolve": step("evolve", synapse.evolve),
            "both": step("both", synapse.advance_state, synapse.evolve),
            "reset": step("reset", synapse.reset),
        }
        runs["both"].watch(synapse.energy, synapse.outputs)
    return synapse, runs


def _process(processes, name, methods):
    process = processes.MethodProcess(name)
    for method in methods:
        process = process >> method
    return process


def trace(synapse, runs, inputs):
    """All compartments after every step, some of which are one process and some two."""
    found = []
    for number, x in enumerate(inputs):
        synapse.inputs.set(x)
        if number % 2:
            runs["both"].run(t=float(number), dt=1.0)
        else:
            runs["advance"].run()
            runs["evolve"].run(t=float(number), dt=1.0)
        found.append({name: np.asarray(getattr(synapse, name).get()) for name in COMPARTMENTS})
    return found


@functools.cache
def real_trace(dim, dtype, rule, **options):
    weights, inputs = data(dim, dtype)
    return trace(*build(REAL, weights, rule, **options), inputs)


def assert_close(found, expected, dtype="float32"):
    """Within rounding of the largest element: sums of the two are in other orders."""
    unit = 2.0 ** (-23 if dtype == "float32" else -52)
    for step, (got, want) in enumerate(zip(found, expected, strict=True)):
        for name, value in want.items():
            assert got[name].shape == value.shape and got[name].dtype == value.dtype, name
            largest = max(np.abs(value).max(), 1.0 if name == "energy" else 0.0)
            off = np.abs(got[name] - value).max()
            assert off <= 256 * unit * largest, (step, name, off / (unit * largest))


@pytest.mark.parametrize("rule", ["delta", "contrastive"])
@pytest.mark.parametrize("dim", [48, 5, 33])
def test_the_same_trace(ours, rule, dim, dtype):
    weights, inputs = data(dim, dtype)
    expected = real_trace(dim, dtype, rule, reg_lambda=0.01)
    found = trace(*build(ours, weights, rule, reg_lambda=0.01), inputs)
    assert_close(found, expected, dtype)
    # The trace is one that changes: none of it would be equal by standing still.
    assert np.abs(expected[0]["weights"] - expected[-1]["weights"]).max() > 1e-3


def test_decay_of_both_kinds(ours):
    weights, inputs = data()
    found = []
    for implementation in (REAL, ours):
        kind, processes = implementation
        with context() as where:
            options = {"shape": weights.shape, "eta": 0.1, "batch_size": B}
            synapse = kind("W", initial_patterns=weights, **options)
            synapse.l1_lambda = 0.002
            both = processes.MethodProcess("both") >> synapse.advance_state >> synapse.evolve
        synapse.inputs.set(inputs[0])
        both.run(t=0.0, dt=1.0)
        # Rates are those of the time of compilation.
        synapse.beta, synapse.eta = 0.5, 0.7
        where.recompile()
        both.run(t=0.0, dt=1.0)
        found.append(np.asarray(synapse.weights.get()))
    np.testing.assert_allclose(found[1], found[0], atol=2e-5)


def test_a_scan(ours):
    weights, inputs = data()
    synapse, runs = build(ours, weights)
    synapse.inputs.set(inputs[0])
    rows = jnp.array(runs["both"].pack_rows(20, t=float, dt=1.0))
    state, (energies, outputs) = runs["both"].scan(rows)
    stateManager.set_state(state)
    scanned = np.asarray(synapse.weights.get())
    again, others = build(REAL, weights)
    again.inputs.set(inputs[0])
    for number in range(20):
        others["both"].run(t=float(number), dt=1.0)
        np.testing.assert_allclose(energies[number], again.energy.get(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(scanned, again.weights.get(), atol=2e-5)
    np.testing.assert_allclose(outputs[-1], again.outputs.get(), atol=2e-5)


def test_a_run_that_updates_nothing():
    weights, inputs = data()
    synapse, runs = build(OURS["state"], weights)
    synapse.inputs.set(inputs[0])
    before = synapse.weights.get()
    first = runs["both"].run(t=0.0, dt=1.0, update=False)
    second = runs["both"].run(t=0.0, dt=1.0, update=False)
    np.testing.assert_array_equal(first[1][0], second[1][0])
    np.testing.assert_array_equal(before, synapse.weights.get())
    # From a state of the user's.
    state, _ = runs["both"].run(state=first[0], t=0.0, dt=1.0, update=False)
    stateManager.set_state(state)
    twice, others = build(REAL, weights)
    twice.inputs.set(inputs[0])
    for _ in range(2):
        others["both"].run(t=0.0, dt=1.0)
    np.testing.assert_allclose(synapse.weights.get(), twice.weights.get(), atol=1e-5)


def test_a_resident_memory_has_one_state():
    weights, inputs = data()
    synapse, runs = build(OURS["resident"], weights)
    synapse.inputs.set(inputs[0])
    runs["both"].run(t=0.0, dt=1.0, update=False)
    with pytest.raises(Exception, match="token: expected 1, got 0: a resident memory has one"):
        jax.block_until_ready(runs["advance"].run()[0])


def test_reset(ours):
    weights, inputs = data()
    for rule in ("delta", "contrastive"):
        found = []
        for implementation in (REAL, ours):
            synapse, runs = build(implementation, weights, rule)
            synapse.inputs.set(inputs[0])
            runs["both"].run(t=0.0, dt=1.0)
            runs["reset"].run()
            names = (*COMPARTMENTS, "inputs")
            found.append({name: np.asarray(getattr(synapse, name).get()) for name in names})
        assert_close(found[1:], found[:1])
        assert not found[1]["dWeights"].any() and not found[1]["inputs"].any()


def test_setting_the_weights(ours):
    weights, inputs = data()
    other = jnp.flip(weights, 1) * 1.5
    found = []
    for implementation in (REAL, ours):
        synapse, runs = build(implementation, weights)
        synapse.inputs.set(inputs[0])
        runs["both"].run(t=0.0, dt=1.0)
        synapse.weights.set(other)
        np.testing.assert_array_equal(synapse.weights.get(), other)
        found += [trace(synapse, runs, inputs[1:])]
    assert_close(found[1], found[0])
    with pytest.raises(ValueError, match=r"weights: expected shape \(48, 100\), got \(100, 48\)"):
        synapse.weights.set(other.T)


def test_files_are_exchanged(ours, tmp_path):
    weights, inputs = data()
    for rule in ("delta", "contrastive"):
        real, first, second = (build(of, weights, rule) for of in (REAL, ours, ours))
        for number, (source, target) in enumerate([(real, first), (first, real), (first, second)]):
            folder = tmp_path / f"{rule}{number}"
            folder.mkdir()
            synapse, runs = source
            synapse.inputs.set(inputs[number])
            runs["both"].run(t=0.0, dt=1.0)
            synapse.save(str(folder))
            kept = {name: np.asarray(getattr(synapse, name).get()) for name in COMPARTMENTS}
            keys = set(np.load(folder / "W.npz").files)
            assert set(COMPARTMENTS) <= keys and not any("learned" in key for key in keys)
            loaded, others = target
            others["reset"].run()
            loaded.load(str(folder))
            for name, value in kept.items():
                np.testing.assert_array_equal(getattr(loaded, name).get(), value, err_msg=name)
            next_steps = [trace(*of, inputs[:2]) for of in (source, target)]
            assert_close(next_steps[1], next_steps[0])


def wire(implementation, name):
    """Two rate cells and two dense synapses of ngc-learn around the component."""
    kind, processes = implementation
    weights, _ = data()
    cell = {"tau_m": 20.0, "prior": ("gaussian", 0.0), "batch_size": B}
    with Context(name) as where:
        before = RateCell("before", n_units=48, act_fx="tanh", key=jax.random.PRNGKey(4), **cell)
        dense = DenseSynapse("dense", shape=(48, 48), batch_size=B, key=jax.random.PRNGKey(1))
        synapse = kind(
            "W", (48, N), 0.1, beta=2.0, initial_patterns=weights, batch_size=B,
            key=jax.random.PRNGKey(0),
        )
        readout = DenseSynapse("readout", shape=(48, 7), batch_size=B, key=jax.random.PRNGKey(2))
        weighed = DenseSynapse("weighed", shape=(48, N), batch_size=B, key=jax.random.PRNGKey(5))
        after = RateCell("after", n_units=7, act_fx="identity", key=jax.random.PRNGKey(3), **cell)
        before.zF >> dense.inputs
        dense.outputs >> synapse.inputs
        Summation(synapse.outputs, dense.outputs) >> readout.inputs
        readout.outputs >> after.j
        # Another component reads the weights where they are.
        synapse.weights >> weighed.weights
        synapse.outputs >> weighed.inputs
        advance = processes.MethodProcess("advance")
        for method in (
            before.advance_state, dense.advance_state, synapse.advance_state,
            readout.advance_state, weighed.advance_state, after.advance_state,
        ):
            advance = advance >> method
        evolve = processes.MethodProcess("evolve") >> synapse.evolve
        reset = processes.MethodProcess("reset")
        for part in (before, dense, synapse, readout, weighed, after):
            reset = reset >> part.reset
        advance.watch(after.z)
        both = processes.JointProcess("both") >> advance >> evolve
    parts = {"before": before, "W": synapse, "readout": readout, "weighed": weighed, "after": after}
    return where, parts, {"advance": advance, "evolve": evolve, "reset": reset, "both": both}


def behave(parts, runs):
    _, inputs = data()
    found = []
    runs["reset"].run()
    for number, x in enumerate(inputs):
        parts["before"].j.set(x)
        keywords = {"t": float(number), "dt": 1.0}
        if number % 2:
            _, watched = runs["both"].run(**keywords)
        else:
            _, watched = runs["advance"].run(**keywords)
            runs["evolve"].run(**keywords)
        found.append({
            "watched": np.asarray(watched[0]),
            "inputs": np.asarray(parts["W"].inputs.get()),
            "weights": np.asarray(parts["W"].weights.get()),
            "dWeights": np.asarray(parts["W"].dWeights.get()),
            "weighed": np.asarray(parts["weighed"].outputs.get()),
            "z": np.asarray(parts["after"].z.get()),
        })
    return found


def test_a_model_of_other_components(ours):
    """What a user sees who changes the import of the component, and of nothing else."""
    _, parts, runs = wire(REAL, f"test{next(COUNTER)}")
    expected = behave(parts, runs)
    _, parts, runs = wire(ours, f"test{next(COUNTER)}")
    found = behave(parts, runs)
    assert_close(found, expected)
    assert np.abs(expected[-1]["z"]).max() > 1e-3
    # Inputs that are wired are left alone by a reset.
    driven = np.asarray(parts["W"].inputs.get())
    runs["reset"].run()
    assert parts["W"].inputs.targeted and driven.any()


def test_a_saved_context(ours, tmp_path):
    name = f"test{next(COUNTER)}"
    where, parts, runs = wire(ours, name)
    behave(parts, runs)
    where.save_to_json(str(tmp_path), "model")
    saved = (tmp_path / "model" / "connections.json").read_text()
    assert "hopfield_kernels.ngclearn.virtual.Read" in saved


def test_watched_virtual_compartments():
    weights, inputs = data()
    with context():
        synapse = hkn.HopfieldSynapse(
            "W", shape=weights.shape, eta=0.1, initial_patterns=weights, batch_size=B
        )
        both = hkn.MethodProcess("both") >> synapse.advance_state >> synapse.evolve
        both.watch(synapse.energy, synapse.weights, synapse.dWeights)
        joint = hkn.JointProcess("joint") >> both
    synapse.inputs.set(inputs[0])
    for process in (both, joint):
        _, (energy, watched, change) = process.run(t=0.0, dt=1.0)
        np.testing.assert_array_equal(watched, synapse.weights.get())
        np.testing.assert_allclose(change, synapse.dWeights.get(), atol=1e-6)
        np.testing.assert_array_equal(energy, synapse.energy.get())
    assert set(both.scan(jnp.zeros((3, 2)))[1][1].shape) == {3, 48, 100}


def test_what_is_not_recorded():
    weights, inputs = data()
    for rule in ("delta", "contrastive"):
        expected = real_trace(48, "float32", rule)
        for implementation in (OURS["state"], OURS["resident"]):
            synapse, runs = build(implementation, weights, rule, record=())
            found = trace(synapse, runs, inputs)
            for got, want in zip(found, expected, strict=True):
                np.testing.assert_allclose(got["outputs"], want["outputs"], atol=1e-5)
                np.testing.assert_allclose(got["weights"], want["weights"], atol=1e-5)
                for name in ("similarities", "memory_weights", "energy", "dWeights"):
                    assert not got[name].any(), name
    with pytest.raises(ValueError, match="record: expected names of similarities"):
        build(OURS["state"], weights, record=["weights"])
    with pytest.raises(ValueError, match='memory: expected "state" or "resident", got \'rust\''):
        build((hkn.HopfieldSynapse, hkn), weights, memory="rust")


def program(process, owned):
    """The compiled program of a process's step."""
    state = stateManager.state
    given = {key: state.pop(key) for key in process._owned} if owned else {}
    needed = {key: state[key] for key in process._keys if key not in given}
    lowered = process._step.lower(given, needed, [0.0, 1.0] if "evolve" in process.name else [])
    return lowered.compile().as_text()


@pytest.mark.parametrize("dim", [48, 33])
def test_the_patterns_are_neither_copied_nor_transposed(dim):
    weights, _ = data(dim)
    synapse, runs = build(OURS["state"], weights)
    rows = f"f32[{N},{synapse.patterns.get().shape[1]}]"
    for name in ("advance", "evolve"):
        text = program(runs[name], owned=True)
        assert f"hopfield_kernels_{name}" in text
        for line in text.splitlines():
            result = line.split("=", 1)[-1]
            moves = any(f" {operation}(" in line for operation in ("copy", "transpose", "pad"))
            assert not (moves and rows in result), line
            assert " transpose(" not in line
    assert "must-alias" in text or "may-alias" in text


def test_the_patterns_learn_where_they_are():
    weights, inputs = data()
    synapse, runs = build(OURS["state"], weights)
    synapse.inputs.set(inputs[0])
    runs["both"].run(t=0.0, dt=1.0)
    address = lambda: stateManager.state[synapse.patterns.root].unsafe_buffer_pointer()
    first = address()
    for _ in range(3):
        runs["both"].run(t=0.0, dt=1.0)
        assert address() == first


def test_no_array_of_a_user_is_deleted():
    weights, inputs = data()
    synapse, runs = build(OURS["state"], weights)
    held = [weights, *inputs]
    for x in inputs:
        synapse.inputs.set(x)
        for name in (*COMPARTMENTS, "patterns", "squared_norms", "inputs"):
            held.append(getattr(synapse, name).get())
        held += stateManager.state.values()
        held += runs["both"].run(t=0.0, dt=1.0)[0].values()
        runs["both"].run(t=0.0, dt=1.0)
    gc.collect()
    assert not any(isinstance(of, jax.Array) and of.is_deleted() for of in held)


def test_refused_cables_and_types():
    weights, _ = data()
    with pytest.raises(ValueError, match="weights: expected no cable into this compartment"):
        with context():
            dense = DenseSynapse("dense", shape=(48, N), batch_size=B)
            synapse = hkn.HopfieldSynapse("W", (48, N), 0.1, initial_patterns=weights)
            dense.weights >> synapse.weights
    with pytest.raises(ValueError, match="weights: expected float32 or float64, got float16"):
        with context():
            hkn.HopfieldSynapse("W", (48, N), 0.1, initial_patterns=weights.astype(jnp.float16))


def test_arguments_of_the_real_one():
    masked = {"update_rule": "contrastive", "resist_scale": 2.0, "p_conn": 0.5}
    some = {"initial_patterns": jnp.ones((6, 2))}
    with context():
        for number, options in enumerate((masked, some)):
            options = options | {"key": jax.random.PRNGKey(1)}
            synapse = hkn.HopfieldSynapse(f"W{number}", (6, 9), 0.1, 0.01, 4.0, **options)
            real = Reference(f"real{number}", (6, 9), 0.1, 0.01, 4.0, **options)
            np.testing.assert_array_equal(synapse.weights.get(), real.weights.get())
            for name in ("g_conduct_factor", "rule_fx", "eta", "beta", "reg_lambda", "batch_size"):
                assert getattr(synapse, name) == getattr(real, name)
        more = hkn.HopfieldSynapse("more", (6, 2), 0.1, initial_patterns=jnp.ones((6, 5)))
    assert more.weights.get().shape == (6, 5) and more.memory_weights.get().shape == (1, 5)
    assert "HopfieldSynapse" in hkn.HopfieldSynapse.help()
