import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402

import hopfield_kernels as hk  # noqa: E402
from hopfield_kernels.sklearn import AssociativeMemory  # noqa: E402


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "estimator", [AssociativeMemory(), AssociativeMemory(beta=20.0, steps=3)], ids=["one", "steps"]
)
def test_check_estimator(estimator):
    check_estimator(estimator)


def blobs(rng):
    centres = np.array([[0.0, 4.0], [4.0, 0.0], [-4.0, 0.0]])
    y = rng.integers(0, 3, size=90)
    return centres[y] + rng.normal(size=(90, 2)), np.array(["a", "b", "c"])[y]


def test_it_classifies(rng):
    X, y = blobs(rng)
    memory = AssociativeMemory(beta=2.0).fit(X[:60], y[:60])
    assert memory.score(X[60:], y[60:]) > 0.9


def test_it_recalls(rng):
    X, _ = blobs(rng)
    memory = AssociativeMemory(beta=50.0, steps=3).fit(X)
    expected = hk.Memory(X).recall(X + 0.01, 50.0, "neg_half_squared_l2", steps=3)
    np.testing.assert_array_equal(memory.transform(X + 0.01), expected.retrieved)
    np.testing.assert_array_equal(memory.predict(X), np.arange(90))


def test_with_other_estimators(rng):
    X, y = blobs(rng)
    model = make_pipeline(StandardScaler(), AssociativeMemory())
    grid = {"associativememory__separation": ["softmax", hk.Entmax(1.5)]}
    assert GridSearchCV(model, grid, cv=2).fit(X, y).best_score_ > 0.9
    estimator = clone(AssociativeMemory(beta=3.0, separation=hk.TopK(2)))
    assert estimator.separation == hk.TopK(2) and estimator.beta == 3.0
    single = AssociativeMemory().fit(X.astype(np.float32))
    assert single.transform(X.astype(np.float32)).dtype == np.float32
