import os

import numpy as np
import pytest

import hopfield_kernels as hk


@pytest.fixture(params=["float32", "float64", "float16", "bfloat16"])
def precision(request):
    return request.param


@pytest.fixture
def memory(rng, precision):
    return hk.Memory(rng.normal(size=(400, 40)), dtype=precision)


def equal(found, expected):
    assert found.precision == expected.precision and found.dtype == expected.dtype
    np.testing.assert_array_equal(found.patterns, expected.patterns)
    np.testing.assert_array_equal(found.values, expected.values)


@pytest.mark.parametrize("ending", ["npy", "npz", "safetensors"])
def test_what_is_saved_is_loaded(tmp_path, memory, precision, ending):
    path = tmp_path / f"m.{ending}"
    if precision == "bfloat16" and ending == "npy":
        with pytest.raises(ValueError, match="m.npy: expected .*safetensors for patterns in bf16"):
            memory.save(path)
        assert not path.exists()
        return
    memory.save(path)
    loaded = hk.Memory.load(path)
    np.testing.assert_array_equal(loaded.patterns, memory.patterns)
    expected = "float32" if (precision, ending) == ("bfloat16", "npz") else precision
    assert loaded.precision == expected
    loaded.append(np.zeros(40))
    assert len(loaded) == 401 and loaded.values is None


@pytest.mark.parametrize("codes", [None, "int8", "int4"])
def test_what_is_saved_is_mapped(tmp_path, memory, precision, codes):
    path = tmp_path / f"m.{'safetensors' if precision == 'bfloat16' else 'npy'}"
    memory.save(path)
    mapped = hk.Memory.map(path, codes=codes)
    equal(mapped, memory)
    assert mapped.codes == codes and isinstance(mapped, hk.Memory)
    np.testing.assert_array_equal(mapped[-1], memory[-1])
    probes = (memory.patterns[:5] + 0.1).astype(memory.dtype)
    for beta in (0.1, 4.0):
        for separation in ("softmax", hk.Entmax(1.5)):
            found, expected = (m.recall(probes, beta, "dot", separation) for m in (mapped, memory))
            np.testing.assert_array_equal(found.retrieved, expected.retrieved)
            np.testing.assert_array_equal(found.energy, expected.energy)
    np.testing.assert_array_equal(mapped.top_k(probes, 9)[0], memory.top_k(probes, 9)[0])
    mapped.save(tmp_path / "again.safetensors")
    equal(hk.Memory.load(tmp_path / "again.safetensors"), memory)


def test_patterns_of_a_file_do_not_change(tmp_path, rng):
    path, rows = tmp_path / "m.npy", rng.normal(size=(9, 4))
    np.save(path, rows)
    mapped = hk.Memory.map(os.fspath(path))
    for change in (
        lambda: mapped.append(rows),
        lambda: mapped.remove(0),
        lambda: mapped.__setitem__(0, rows[1]),
        lambda: mapped.learn(mapped.recall(rows, 1.0)),
    ):
        with pytest.raises(ValueError, match="memory: expected patterns of its own"):
            change()
    np.testing.assert_array_equal(mapped.patterns, rows)
    np.testing.assert_array_equal(np.load(path), rows)


def test_a_map_outlives_the_name_of_its_file(tmp_path, rng):
    path, rows = tmp_path / "m.npy", rng.normal(size=(9, 4))
    np.save(path, rows)
    mapped = hk.Memory.map(path)
    hk.Memory(rows[::-1]).save(path)
    np.testing.assert_array_equal(mapped.patterns, rows)
    np.testing.assert_array_equal(hk.Memory.map(path).patterns, rows[::-1])
    assert os.listdir(tmp_path) == ["m.npy"], "nothing is left beside it"


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_values_are_saved_with_their_patterns(tmp_path, rng, dtype):
    memory = hk.Memory(rng.normal(size=(9, 4)), rng.normal(size=(9, 3)), dtype=dtype)
    path = tmp_path / "m.safetensors"
    memory.save(path)
    for found in (hk.Memory.load(path), hk.Memory.map(path)):
        equal(found, memory)
        assert found.value_dim == 3
        expected = memory.retrieve([1.0, 0.0, 2.0, 0.5], 1.0)
        np.testing.assert_array_equal(found.retrieve([1.0, 0.0, 2.0, 0.5], 1.0), expected)


@pytest.mark.parametrize("ending", ["npy", "npz", "safetensors"])
@pytest.mark.parametrize("left", [0, 5, 60, -1])
def test_a_truncated_file_is_named(tmp_path, rng, ending, left):
    path = tmp_path / f"short.{ending}"
    hk.Memory(rng.normal(size=(20, 30))).save(path)
    path.write_bytes(path.read_bytes()[:left])
    calls = [hk.Memory.load] if ending == "npz" else [hk.Memory.load, hk.Memory.map]
    for call in calls:
        with pytest.raises(ValueError, match=f"short.{ending}: ."):
            call(path)


def test_files_of_something_else(tmp_path, rng):
    path = tmp_path / "other.npy"
    for array, message in (
        (rng.normal(size=9), "two dimensions"),
        (np.asfortranarray(rng.normal(size=(3, 4))), "C order"),
        (np.eye(3, dtype=np.int64), "dtype"),
        (np.eye(3).astype(">f8"), "dtype"),
        (np.zeros((0, 3)), "at least one row"),
    ):
        np.save(path, array)
        with pytest.raises(ValueError, match=f"other.npy: .*{message}"):
            hk.Memory.map(path)
    np.save(path, np.asfortranarray(np.arange(6).reshape(2, 3)))
    np.testing.assert_array_equal(hk.Memory.load(path).patterns, [[0, 1, 2], [3, 4, 5]])
    path.write_text("patterns: 1, 2, 3, and so on")
    for call in (hk.Memory.load, hk.Memory.map):
        with pytest.raises(ValueError, match="other.npy: expected an .npy array or a whole safet"):
            call(path)
        with pytest.raises(FileNotFoundError, match="absent"):
            call(tmp_path / "absent.npy")
        with pytest.raises(OSError):
            call(tmp_path)
    with pytest.raises(FileNotFoundError):
        hk.Memory(np.eye(2)).save(tmp_path / "absent" / "m.npy")


def test_progress(tmp_path, rng):
    path, rows = tmp_path / "m.npy", rng.normal(size=(3_000, 1_000)).astype(np.float32)
    np.save(path, rows)
    seen = []
    hk.Memory.map(path, progress=lambda *found: seen.append(found))
    assert len(seen) > 1 and seen[-1] == (3_000, 3_000)
    assert seen == sorted(seen) and {of for _, of in seen} == {3_000}

    def raises(done, patterns):
        seen.append(done)
        raise RuntimeError("enough")

    seen.clear()
    with pytest.raises(RuntimeError, match="enough"):
        hk.Memory.map(path, progress=raises)
    assert len(seen) == 1, "it is asked no more"


def test_subclasses(tmp_path):
    class Mine(hk.Memory):
        pass

    Mine(np.eye(3)).save(tmp_path / "m.safetensors")
    for call in (Mine.map, Mine.load):
        assert type(call(tmp_path / "m.safetensors")) is Mine


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("codes", [None, "int8", "int4"])
def test_a_sidecar_keeps_norms_and_codes(tmp_path, rng, codes, dtype):
    path, beside = tmp_path / "m.npy", tmp_path / "m.npy.hopfield"
    rows = rng.normal(size=(3_000, 1_000)).astype(dtype)
    np.save(path, rows)
    seen = []

    def mapped(sidecar=True):
        seen.clear()
        progress = lambda *found: seen.append(found)
        return hk.Memory.map(path, codes=codes, progress=progress, sidecar=sidecar)

    mapped(sidecar=False)
    assert len(seen) > 1 and not beside.exists()
    first = mapped()
    assert len(seen) > 1 and beside.exists()
    again, written = mapped(), beside.read_bytes()
    assert seen == [(3_000, 3_000)], "no pattern is read"
    for of in (again, mapped(sidecar=False)):
        assert of.codes == codes
        np.testing.assert_array_equal(of.squared_norms(), first.squared_norms())
        np.testing.assert_array_equal(of.top_k(rows[:3], 5)[0], first.top_k(rows[:3], 5)[0])
        np.testing.assert_array_equal(of.retrieve(rows[:3], 1.0), first.retrieve(rows[:3], 1.0))
    # Of another file, or damaged: it is computed again.
    np.save(path, 2.0 * rows)
    np.testing.assert_allclose(mapped().squared_norms(), 4.0 * first.squared_norms(), rtol=1e-6)
    assert len(seen) > 1
    beside.write_bytes(written[:100])
    assert mapped().codes == codes and len(seen) > 1
