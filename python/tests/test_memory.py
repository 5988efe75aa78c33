import copy
import pickle
import threading
import time

import numpy as np
import pytest

import hopfield_kernels as hk


def test_shapes_and_copies(rng):
    patterns, values = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    memory = hk.Memory(patterns, values)
    assert memory.shape == (5, 3) and memory.dim == 3 and len(memory) == 5
    assert memory.dtype == np.float64
    np.testing.assert_array_equal(memory.patterns, patterns)
    np.testing.assert_array_equal(memory.values, values)
    with pytest.raises(ValueError):
        memory.patterns[0] = 1.0
    patterns[:] = 0
    assert memory.patterns.any(), "patterns are copied"
    assert hk.Memory(values).values is None


@pytest.mark.parametrize(
    ("given", "dtype", "expected"),
    [
        (np.ones((2, 2), np.float32), None, np.float32),
        (np.ones((2, 2), np.float64), None, np.float64),
        (np.ones((2, 2), np.float16), None, np.float32),
        (np.ones((2, 2), np.int64), None, np.float64),
        (np.ones((2, 2), bool), np.float32, np.float32),
        ([[1.0, 2.0]], None, np.float64),
        (np.full((2, 2), 0.1), "float32", np.float32),
        (np.ones((2, 2), ">f4"), None, np.float32),
    ],
)
def test_types_of_elements(given, dtype, expected):
    memory = hk.Memory(given, dtype=dtype)
    assert memory.dtype == expected and memory.patterns.dtype == expected
    np.testing.assert_array_equal(memory.patterns, np.asarray(given).astype(expected))


def test_append_remove_and_assign(rng):
    rows = rng.normal(size=(6, 4)).astype(np.float32)
    memory = hk.Memory(rows[:2])
    memory.append(rows[2:5])
    memory.append(rows[5])
    np.testing.assert_array_equal(memory.patterns, rows)
    memory.remove([0, -1])
    np.testing.assert_array_equal(memory.patterns, rows[1:5])
    memory.remove(1)
    np.testing.assert_array_equal(memory.patterns, rows[[1, 3, 4]])
    memory[1] = rows[0]
    memory[-1] = rows[5]
    np.testing.assert_array_equal(memory.patterns, rows[[1, 0, 5]])
    np.testing.assert_array_equal(memory[-1], rows[5])


def test_values_follow_their_patterns(rng):
    memory = hk.Memory(rng.normal(size=(3, 4)), np.arange(3.0)[:, None])
    memory.append(rng.normal(size=4), [3.0])
    memory.remove([1])
    np.testing.assert_array_equal(memory.values[:, 0], [0, 2, 3])
    with pytest.raises(ValueError, match="values"):
        memory.append(rng.normal(size=4))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_files(tmp_path, rng, dtype):
    patterns, values = rng.normal(size=(5, 3)).astype(dtype), rng.normal(size=(5, 2)).astype(dtype)
    hk.Memory(patterns).save(tmp_path / "m.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "m.npy"), patterns)
    assert hk.Memory.load(tmp_path / "m.npy").dtype == dtype
    hk.Memory(patterns, values).save(tmp_path / "m.npz")
    loaded = hk.Memory.load(tmp_path / "m.npz")
    np.testing.assert_array_equal(loaded.patterns, patterns)
    np.testing.assert_array_equal(loaded.values, values)
    with pytest.raises(ValueError, match="npz"):
        hk.Memory(patterns, values).save(tmp_path / "m.npy")
    with pytest.raises(ValueError, match="path"):
        hk.Memory(patterns).save(tmp_path / "m.bin")


def test_copies_and_pickles(rng):
    memory = hk.Memory(rng.normal(size=(5, 3)), rng.normal(size=(5, 2)))
    for other in (copy.copy(memory), copy.deepcopy(memory), pickle.loads(pickle.dumps(memory))):
        np.testing.assert_array_equal(other.patterns, memory.patterns)
        np.testing.assert_array_equal(other.values, memory.values)
        other[0] = np.zeros(3)
        assert memory.patterns[0].any()


def test_retrieve_keeps_shape_and_type(rng):
    memory = hk.Memory(rng.normal(size=(5, 3)).astype(np.float32))
    for shape in [(3,), (1, 3), (4, 3), (0, 3)]:
        retrieved = memory.retrieve(rng.normal(size=shape).astype(np.float32), 2.0)
        assert retrieved.shape == shape and retrieved.dtype == np.float32
    assert memory.retrieve([0.1, 0.2, 0.3], 2.0).dtype == np.float32
    assert memory.retrieve(np.array([1, 0, 1]), 2.0).dtype == np.float32


def layouts(x):
    """The same rows in other layouts."""
    rows, cols = x.shape
    wide = np.zeros((2 * rows, cols + 3), x.dtype)
    wide[::2, :cols] = x
    yield wide[::2, :cols]
    yield np.asfortranarray(x)
    yield x[::-1].copy()[::-1]
    columns = np.zeros((rows, 2 * cols), x.dtype)
    columns[:, ::2] = x
    yield columns[:, ::2]
    record = np.zeros((rows, cols), np.dtype([("a", np.uint8), ("x", x.dtype)]))
    record["x"] = x
    yield record["x"]
    yield x.astype(x.dtype.newbyteorder())
    read_only = x.copy()
    read_only.flags.writeable = False
    yield read_only


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_layout_gives_the_same_bits(rng, dtype):
    x, patterns = rng.normal(size=(6, 7)).astype(dtype), rng.normal(size=(9, 7)).astype(dtype)
    expected = hk.Memory(patterns).retrieve(x, 1.5)
    for probes in layouts(x):
        np.testing.assert_array_equal(hk.Memory(patterns).retrieve(probes, 1.5), expected)
        np.testing.assert_array_equal(hk.Memory(patterns).recall(probes, 1.5).retrieved, expected)
    for stored in layouts(patterns):
        np.testing.assert_array_equal(hk.Memory(stored).retrieve(x, 1.5), expected)
    same = np.broadcast_to(x[0], x.shape)
    assert (hk.Memory(patterns).retrieve(same, 1.5) == expected[0]).all()
    overlapping = np.lib.stride_tricks.sliding_window_view(x.ravel(), 7)
    np.testing.assert_array_equal(hk.Memory(patterns).retrieve(overlapping, 1.5)[::7], expected)


def test_top_k(rng):
    patterns, x = rng.normal(size=(20, 4)), rng.normal(size=(3, 4))
    memory = hk.Memory(patterns)
    indices, scores = memory.top_k(x, 5)
    expected = np.argsort(-(x @ patterns.T), axis=1, kind="stable")[:, :5]
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_allclose(scores, np.take_along_axis(x @ patterns.T, expected, 1))
    one, score = memory.top_k(x[0], 5)
    assert one.shape == score.shape == (5,) and one.dtype == np.int64
    ties, _ = hk.Memory(np.ones((4, 2))).top_k([1.0, 1.0], 3)
    np.testing.assert_array_equal(ties, [0, 1, 2])
    assert memory.top_k(x, 0)[0].shape == (3, 0)
    with pytest.raises(ValueError, match="k: .* got 21"):
        memory.top_k(x, 21)


def test_the_interpreter_is_free_during_a_call(rng):
    memory = hk.Memory(rng.normal(size=(20_000, 256)).astype(np.float32))
    x = rng.normal(size=(256, 256)).astype(np.float32)
    memory.retrieve(x, 1.0)
    ticks, done = 0, threading.Event()

    def call():
        memory.retrieve(x, 1.0)
        done.set()

    start = time.perf_counter()
    thread = threading.Thread(target=call)
    thread.start()
    while not done.is_set():
        ticks += 1
        time.sleep(0.0005)
    thread.join()
    took = time.perf_counter() - start
    assert ticks > 0.1 * took / 0.0005, f"{ticks} ticks in {took} s"


def test_threads_share_a_memory(rng):
    memory = hk.Memory(rng.normal(size=(500, 64)).astype(np.float32))
    x = rng.normal(size=(8, 64)).astype(np.float32)
    expected, wrong = memory.retrieve(x, 1.0), []

    def call(which):
        for _ in range(100):
            with hk.threads(1 + which % 3):
                if not np.array_equal(memory.retrieve(x, 1.0), expected):
                    wrong.append(which)

    threads = [threading.Thread(target=call, args=(which,)) for which in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not wrong


@pytest.mark.parametrize("count", [1, 2, 3])
def test_threads_do_not_change_results(rng, count):
    memory = hk.Memory(rng.normal(size=(3_000, 200)).astype(np.float32))
    x = rng.normal(size=(64, 200)).astype(np.float32)
    expected = memory.retrieve(x, 1.0)
    with hk.threads(count):
        np.testing.assert_array_equal(memory.retrieve(x, 1.0), expected)
        with hk.threads(2):
            np.testing.assert_array_equal(memory.retrieve(x, 1.0), expected)


def test_level_and_versions(capsys):
    assert hk.level() in ("avx512", "avx2", "portable")
    hk.show_versions()
    printed = capsys.readouterr().out
    assert hk.__version__ in printed and np.__version__ in printed and hk.level() in printed


def test_theory(rng):
    patterns = rng.normal(size=(8, 5))
    memory = hk.Memory(patterns)
    dots = patterns @ patterns.T
    others = dots - np.diag(np.full(8, np.inf))
    np.testing.assert_allclose(hk.theory.separations(memory), np.diag(dots) - others.max(1))
    assert hk.theory.radius(2.0, 10, 3.0) == pytest.approx(1 / 60)
    assert hk.theory.needed_beta(0.0, 100, 1.0) is None
    probe, largest = rng.normal(size=memory.dim), np.sqrt(np.diag(dots).max())
    recall = memory.recall(probe, 2.0, want=("second", "spread", "similarities"))
    off = np.linalg.norm(recall.retrieved - memory.patterns[recall.best])
    assert off <= hk.theory.weight_bound(float(recall.best_weight), largest) * (1 + 1e-12)
    gap = float(recall.similarities.max() - recall.second)
    assert off <= hk.theory.gap_bound(2.0, len(memory), largest, gap) * (1 + 1e-12)
    assert hk.theory.contraction(2.0, float(recall.spread)) == pytest.approx(2.0 * recall.spread)
    assert hk.theory.has_one_fixed_point(hk.Memory(np.eye(2)), 1.9)
    assert hk.theory.state_class(51, 100) == "global"
    with pytest.raises(ValueError, match="p: "):
        hk.theory.capacity(1.0, 1.0, 75, -1.0)
