import families
import numpy as np
import pytest
import reference

import hopfield_kernels as hk


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("separation", families.SEPARATIONS)
def test_weights(rng, separation, dtype):
    of, name, parameter = families.SEPARATIONS[separation]
    scores = rng.normal(size=(3, 2, 9)).astype(dtype)
    scores[0, 0, 3] = -np.inf
    weights = of(scores)
    assert weights.shape == scores.shape and weights.dtype == dtype
    for row, p in zip(scores.reshape(-1, 9), weights.reshape(-1, 9), strict=True):
        with np.errstate(invalid="ignore"):
            expected = reference.weights(name, parameter, row.astype(np.float64))
        expected[~np.isfinite(row)] = 0.0
        np.testing.assert_allclose(
            p, expected, rtol=1e-6, atol=1e-7 if dtype == np.float32 else 1e-12
        )
    np.testing.assert_array_equal(of(scores[1, 1]), weights[1, 1])
    assert of([1.0, 2.0, 3.0]).dtype == np.float64


@pytest.mark.parametrize("separation", families.SEPARATIONS)
def test_the_potential_has_the_weights_as_its_gradient(rng, separation):
    of = families.SEPARATIONS[separation][0]
    scores, step = rng.normal(size=8), 1e-6
    potential = of.potential(scores[None])
    assert potential.shape == (1,) and np.ndim(of.potential(scores)) == 0
    slope = [
        (of.potential(scores + step * e) - of.potential(scores - step * e)) / (2 * step)
        for e in np.eye(8)
    ]
    weights = of(scores)
    if separation.startswith("epanechnikov"):
        # Its weights are normalised, and the gradient of its logarithm is not: the direction is.
        weights = weights * (np.dot(slope, weights) / np.dot(weights, weights))
    np.testing.assert_allclose(weights, slope, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("separation", families.SEPARATIONS)
def test_vjp(rng, separation):
    of = families.SEPARATIONS[separation][0]
    scores, grad, step = rng.normal(size=8), rng.normal(size=8), 1e-6
    got = of.vjp(scores, of(scores), grad)
    expected = [
        grad @ (of(scores + step * e) - of(scores - step * e)) / (2 * step) for e in np.eye(8)
    ]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    assert got.dtype == np.float64
    rows = of.vjp(
        np.stack([scores, scores]), of(np.stack([scores, scores])), np.stack([grad, grad])
    )
    np.testing.assert_array_equal(rows, [got, got])


def test_rows_that_are_not_finite():
    softmax = hk.Softmax()
    assert np.isnan(softmax([np.nan, 1.0])).all() and np.isnan(softmax([np.inf, 1.0])).all()
    np.testing.assert_array_equal(softmax([-np.inf, -np.inf]), [0.0, 0.0])
    assert softmax.potential([-np.inf, -np.inf]) == -np.inf


def test_they_are_values():
    assert hk.Entmax(1.5) == hk.Entmax(1.5) != hk.Entmax(2.0)
    assert repr(hk.TopK(3)) == "TopK(k=3)" and hk.Epanechnikov().k == 1.0
    assert len({hk.Softmax(), hk.Softmax(), hk.Max()}) == 2
