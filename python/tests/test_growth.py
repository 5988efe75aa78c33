import numpy as np
import pytest

import hopfield_kernels as hk

PROBES = np.array([[0.9, 0.1], [-1.0, 0.2], [-1.0, 0.2], [0.0, -1.0]])


def kinds(found):
    return [event.kind for event in found]


def test_each_test_finds_probes_new():
    probes = np.vstack([PROBES, [[0.5, 0.5]]])
    for test in ({"vigilance": 0.9}, {"energy": 1.0}, {"residual": 0.5}, {"best_weight": 0.6}):
        memory = hk.Memory(np.eye(2))
        found = memory.grow(probes, 8.0, capacity=9, **test)
        assert found[0] == ("known", 0, -1), test
        assert any(event.kind == "appended" for event in found), test
        assert len(memory) == 2 + kinds(found).count("appended")
    memory = hk.Memory(np.eye(2))
    assert set(kinds(memory.grow(PROBES, 8.0, capacity=9))) == {"known"}


def test_values_and_order(rng):
    memory = hk.Memory(np.eye(2), values=[[1.0], [2.0]])
    found = memory.grow(PROBES, 8.0, [[5.0], [6.0], [7.0], [8.0]], capacity=9, vigilance=0.9)
    assert kinds(found) == ["known", "appended", "known", "appended"]
    np.testing.assert_array_equal(memory.values.ravel(), [1, 2, 6, 8])
    np.testing.assert_array_equal(memory.patterns[2:], PROBES[[1, 3]])
    assert isinstance(found[1], hk.Event) and found[1].pattern == 2


@pytest.mark.parametrize(
    ("when_full", "expected"),
    [
        ("refuse", ("refused", -1, -1)),
        ("replace_oldest", ("replaced", 0, -1)),
        ("replace_least_used", ("replaced", 1, -1)),
        ("merge_nearest", ("merged", 0, 1)),
    ],
)
def test_a_full_memory(when_full, expected):
    memory = hk.Memory(np.eye(2))
    options = {"capacity": 2, "vigilance": 0.5, "when_full": when_full, "forgetting": 0.5}
    memory.grow(PROBES[:1], 8.0, **options)
    assert memory.usage[0] > memory.usage[1] > 0
    assert memory.grow(PROBES[1], 8.0, **options) == [expected]
    assert len(memory) == 2


def test_nothing_changes_on_an_error():
    memory = hk.Memory(np.eye(2))
    version, bad = memory.version, [[np.nan, 1.0]]
    for probes, beta, options, message in (
        (PROBES, 8.0, {"capacity": 9, "vigilance": np.nan}, "vigilance: expected a number, got"),
        (PROBES, 8.0, {"capacity": 9, "forgetting": 2.0}, "forgetting: expected a number between"),
        (PROBES, -1.0, {"capacity": 9}, "beta: expected a finite number above 0, got -1"),
        (PROBES, 8.0, {"capacity": -1}, "capacity: expected at least 0, got -1"),
        (PROBES, 8.0, {"capacity": 9, "when_full": "panic"}, "when_full.*refuse, replace_least"),
        (np.ones((1, 3)), 8.0, {"capacity": 9}, "probes: expected shape 1 x 2, got 1 x 3"),
    ):
        with pytest.raises(ValueError, match=message):
            memory.grow(probes, beta, **options)
    assert memory.version == version and len(memory) == 2
    assert kinds(memory.grow(bad, 8.0, capacity=9, vigilance=0.9)) == ["not_a_number"]


def test_an_old_recall_is_refused_after_growth():
    memory = hk.Memory(np.eye(2))
    recall = memory.recall(PROBES, 8.0)
    memory.grow(PROBES, 8.0, capacity=9, vigilance=0.9)
    with pytest.raises(ValueError, match="recall: expected one of this memory as it is now"):
        memory.learn(recall)


def test_usage_is_forgotten_where_patterns_are_removed():
    memory = hk.Memory(np.eye(2))
    memory.grow(PROBES, 8.0, capacity=9, vigilance=0.9)
    assert memory.usage.shape == (4,) and memory.usage.any()
    memory.remove(0)
    assert memory.usage.shape == (3,) and not memory.usage.any()
