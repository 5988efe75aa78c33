import families
import numpy as np
import pytest

import hopfield_kernels as hk

STEP = 1e-6


def slopes(loss, operand):
    """The gradient of `loss` by central differences."""
    gradient = np.zeros_like(operand)
    for at in np.ndindex(operand.shape):
        kept = operand[at]
        operand[at] = kept + STEP
        above = loss()
        operand[at] = kept - STEP
        gradient[at] = (above - loss()) / (2 * STEP)
        operand[at] = kept
    return gradient


class Case:
    def __init__(self, rng, options, values=False, bias_rows=0):
        self.patterns = 0.7 * rng.normal(size=(5, 3))
        self.values = rng.normal(size=(5, 2)) if values else None
        self.x = 0.7 * rng.normal(size=(2, 3))
        self.bias = 0.3 * rng.normal(size=(bias_rows, 5) if bias_rows else 5)
        self.beta, self.options = np.array([1.3]), options
        self.d_retrieved = rng.normal(size=(2, 2 if values else 3))
        self.d_lse, self.d_energy = rng.normal(size=2), rng.normal(size=2)

    def recall(self):
        memory = hk.Memory(self.patterns, self.values)
        return memory.recall(self.x, float(self.beta[0]), bias=self.bias, **self.options)

    def loss(self):
        recall = self.recall()
        scalars = self.d_lse @ recall.lse + self.d_energy @ recall.energy
        return (self.d_retrieved * recall.retrieved).sum() + scalars

    def check(self, tolerance=2e-5, probes=True):
        found = self.recall().backward(self.d_retrieved, self.d_lse, self.d_energy)
        operands = {"patterns": self.patterns, "bias": self.bias, "values": self.values}
        if probes:
            operands["probes"] = self.x
        for name, operand in operands.items():
            if operand is None:
                assert getattr(found, name) is None
                continue
            got, expected = getattr(found, name), slopes(self.loss, operand)
            np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance, err_msg=name)
        expected = slopes(self.loss, self.beta)[0]
        np.testing.assert_allclose(found.beta, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("values", [False, True])
@pytest.mark.parametrize("similarity", families.SIMILARITIES)
@pytest.mark.parametrize("separation", families.SMOOTH)
def test_one_step(rng, separation, similarity, values):
    separation = families.SEPARATIONS[separation][0]
    Case(rng, {"similarity": similarity, "separation": separation}, values).check()


@pytest.mark.parametrize("values", [False, True])
@pytest.mark.parametrize("similarity", ["dot", "neg_half_squared_l2", "cosine"])
def test_steps(rng, similarity, values):
    Case(rng, {"similarity": similarity, "steps": 3}, values, bias_rows=2).check()


@pytest.mark.parametrize("values", [False, True])
@pytest.mark.parametrize("similarity", ["dot", "neg_half_squared_l2"])
def test_settled(rng, similarity, values):
    case = Case(rng, {"similarity": similarity, "steps": None, "eps": 1e-14}, values)
    case.check(tolerance=1e-4)


def test_one_probe(rng):
    memory, x = hk.Memory(rng.normal(size=(5, 3))), rng.normal(size=3)
    bias = rng.normal(size=5)
    one = memory.recall(x, 1.3, bias=bias).backward([1.0, 0.0, -1.0], 2.0, 0.5)
    batch = memory.recall(x[None], 1.3, bias=bias).backward([[1.0, 0.0, -1.0]], [2.0], [0.5])
    np.testing.assert_array_equal(one.probes, batch.probes[0])
    np.testing.assert_array_equal(one.patterns, batch.patterns)
    assert one.probes.shape == (3,) and one.bias.shape == (5,) and isinstance(one.beta, float)
    assert memory.recall(x, 1.3).backward(x).bias is None


def test_masked_patterns_have_no_gradient(rng):
    memory, x = hk.Memory(rng.normal(size=(5, 3))), rng.normal(size=(2, 3))
    mask = np.array([True, False, True, True, False])
    gradients = memory.recall(x, 1.3, mask=mask).backward(np.ones((2, 3)))
    assert (gradients.patterns[~mask] == 0).all() and gradients.patterns[mask].all()


def test_single_precision(rng):
    patterns, x = rng.normal(size=(5, 3)), rng.normal(size=(2, 3))
    double = hk.Memory(patterns).recall(x, 1.3).backward(np.ones((2, 3)))
    single = (
        hk.Memory(patterns, dtype="float32").recall(x.astype("f4"), 1.3).backward(np.ones((2, 3)))
    )
    assert single.patterns.dtype == np.float32
    np.testing.assert_allclose(single.patterns, double.patterns, atol=1e-5)


def test_what_has_not_settled_has_no_gradient(rng):
    memory = hk.Memory(np.array([[1.0, 0.0], [-1.0, 0.0]]))
    # Where the two basins meet and β is critical, an update moves a probe ever less.
    recall = memory.recall([0.5, 0.0], 1.0, steps=None)
    assert recall.status == "max_steps"
    with pytest.raises(ValueError, match="settled"):
        recall.backward([1.0, 0.0])
