import numpy as np
import pytest

import hopfield_kernels as hk


@pytest.fixture
def memory():
    return hk.Memory(np.eye(3, dtype=np.float32))


X = np.ones((2, 3), np.float32)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.retrieve(X, -1.0), "beta: expected a finite number above 0, got -1"),
        (lambda m: m.retrieve(X, np.nan), "beta"),
        (lambda m: m.retrieve(X[:, :2], 1.0), "probes: expected shape 2 x 3, got 2 x 2"),
        (lambda m: m.retrieve(X[0, :2], 1.0), "probes"),
        (lambda m: m.retrieve(np.float32(1.0), 1.0), "probes: expected 1 or 2 dimensions, got 0"),
        (lambda m: m.retrieve(X[None], 1.0), "probes: expected 1 or 2 dimensions, got 3"),
        (lambda m: m.retrieve(np.full((2, 3), 0.1), 1.0), "probes: expected float32, got float64"),
        (lambda m: m.retrieve(X + 1j, 1.0), "probes: expected float32, got complex"),
        (lambda m: m.retrieve(np.array(["a", "b", "c"]), 1.0), "probes"),
        (lambda m: m.retrieve(["a", "b", "c"], 1.0), "."),
        (lambda m: m.retrieve(X, 1.0, screening="yes"), "screening: expected \"auto\""),
        (lambda m: m.recall(X, 1.0, similarity="l1"), "similarity: expected one of dot"),
        (lambda m: m.recall(X, 1.0, separation="soft"), "separation: expected one of softmax"),
        (lambda m: m.recall(X, 1.0, separation=hk.Entmax(0.5)), "alpha"),
        (lambda m: m.recall(X, 1.0, separation=hk.KSubsets(4)), "k: expected at most"),
        (lambda m: m.recall(X, 1.0, separation=hk.TopK(0)), "k: "),
        (lambda m: hk.TopK(1.5), "k: expected an integer"),
        (lambda m: m.recall(X, 1.0, mask=[1, 0, 1]), "mask: expected bool"),
        (lambda m: m.recall(X, 1.0, mask=[True, False]), "mask: expected 3 elements, got 2"),
        (lambda m: m.recall(X, 1.0, mask=np.ones((3, 3), bool)), "masks: expected shape 2 x 3"),
        (lambda m: m.recall(X, 1.0, bias=[1.0]), "bias: expected 3 elements, got 1"),
        (lambda m: m.recall(X, 1.0, bias=np.full(3, 0.1)), "bias: expected float32"),
        (lambda m: m.recall(X, 1.0, steps=0), "steps: expected at least 1 or None, got 0"),
        (lambda m: m.recall(X, 1.0, steps=1.5), "steps: expected an integer"),
        (lambda m: m.recall(X, 1.0, eps=0.1), "eps: expected 0 unless steps is None"),
        (lambda m: m.recall(X, 1.0, steps=None, eps=-1.0), "tolerance"),
        (lambda m: m.recall(X, 1.0, damping=0.0), "damping"),
        (lambda m: m.recall(X, 1.0, steps=2, damping=1.5), "damping"),
        (lambda m: m.recall(X, 1.0, want=("colour",)), "want: expected names of"),
        (lambda m: m.recall(X, 1.0, screening="no"), "screening"),
        (lambda m: m.recall(X, 1.0, out=np.zeros((2, 3))), "out: expected an array of float32"),
        (lambda m: m.recall(X, 1.0, out=np.zeros((3, 2), "f4")), "out: expected shape"),
        (lambda m: m.recall(X, 1.0, out=np.zeros((3, 2), "f4").T), "out: expected rows"),
        (lambda m: m.append(np.ones((1, 2), np.float32)), "patterns: expected shape 1 x 3"),
        (lambda m: m.append(X, X), "values"),
        (lambda m: m.remove([0, 1, 2]), "patterns: expected at least one"),
        (lambda m: m.remove([0.5]), "indices: expected integers"),
        (lambda m: m.__setitem__(0, X), "pattern"),
        (lambda m: m.__setitem__(0, X[0, :2]), "pattern: expected 3 elements, got 2"),
        (lambda m: m.learn(m.recall(X, 1.0), rule="hebb"), "update_rule: expected one of delta"),
        (lambda m: m.learn(m.recall(X, 1.0), eta=np.inf), "eta"),
        (lambda m: m.learn(m.recall(X, 1.0), negative_steps=0), "negative_steps"),
        (lambda m: m.learn(hk.Memory(np.eye(3)).recall(X, 1.0)), "another memory"),
        (lambda m: m.recall(X, 1.0).backward(X[0]), "d_retrieved: expected shape"),
        (lambda m: m.recall(X, 1.0).backward(X, [1.0]), "d_lse: expected shape"),
        (lambda m: m.recall(X, 1.0, damping=0.5).backward(X), "damping: expected 1"),
        (lambda m: hk.Memory(np.ones(3)), "patterns: expected 2 dimensions, got 1"),
        (lambda m: hk.Memory(np.ones((0, 3))), "patterns: expected at least one, got 0"),
        (lambda m: hk.Memory(np.ones((3, 0))), "features of a pattern"),
        (lambda m: hk.Memory(X, X[:1]), "values: expected shape 2 x 3, got 1 x 3"),
        (lambda m: hk.Memory(X, dtype="int8"), "dtype: expected float32, float64, bf"),
        (lambda m: hk.Memory(X, dtype="bf16"), "dtype: expected .* got bf16"),
        (lambda m: hk.Memory(X, codes="int3"), "codes: expected None, int8 or int4, got 'int3'"),
        (lambda m: hk.Memory(X, codes=8), "codes: expected None, int8 or int4, got 8"),
        (lambda m: hk.Memory.map(__file__, codes="int3"), "codes: expected None"),
        (lambda m: hk.Memory(np.ones((2, 2), complex)), "patterns"),
        (lambda m: m.top_k(X, -1), "k: expected at least 0, got -1"),
        (lambda m: m.learn(m.recall(X, 1.0), seed=-1), "seed: expected at least 0"),
        (lambda m: hk.threads(0), "threads: expected at least 1, got 0"),
        (lambda m: hk.Sparsemax()(1.0), "scores: expected at least 1 dimension"),
        (lambda m: hk.Sparsemax().vjp([1.0, 2.0], [0.0, 1.0], [1.0]), "grad: expected shape"),
    ],
)
def test_value_errors(memory, call, message):
    before = memory.patterns
    with pytest.raises(ValueError, match=message):
        call(memory)
    np.testing.assert_array_equal(memory.patterns, before)


def test_index_errors(memory):
    for index in (3, -4):
        with pytest.raises(IndexError):
            memory[index] = X[0]
        with pytest.raises(IndexError):
            memory.remove([index])


def test_a_changed_memory_is_refused(memory):
    recall = memory.recall(X, 1.0)
    memory[0] = X[0]
    for use in (lambda: recall.backward(X), lambda: memory.learn(recall), lambda: recall.second):
        with pytest.raises(ValueError, match="changed"):
            use()


def test_out_is_no_operand():
    memory, x = hk.Memory(np.eye(3, dtype=np.float32)), X.copy()
    recall = memory.recall(x, 1.0, out=x)
    np.testing.assert_array_equal(recall.retrieved, memory.retrieve(X, 1.0))
    read_only = np.zeros((2, 3), np.float32)
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match="out: .*read-only"):
        memory.recall(X, 1.0, out=read_only)
