import doctest
import importlib
import pathlib
import pkgutil
import subprocess
import sys

import numpy as np
import pytest

import hopfield_kernels

NEEDS = {"torch": "torch", "jax": "jax", "sklearn": "sklearn", "ngclearn": "ngclearn"}
MODULES = [
    name for _, name, _ in pkgutil.iter_modules(hopfield_kernels.__path__) if name != "_core"
]


@pytest.mark.parametrize("name", ["", *MODULES])
def test_examples(name):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    module = importlib.import_module(f"hopfield_kernels.{name}".rstrip("."))
    with np.printoptions(legacy=False):
        assert doctest.testmod(module).failed == 0


def test_the_readme_is_true():
    readme = pathlib.Path(__file__).parents[1] / "README.md"
    assert doctest.testfile(str(readme), module_relative=False).failed == 0


def test_nothing_but_numpy_is_imported():
    code = "import sys, hopfield_kernels; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "jax", "sklearn", "scipy", "ngclearn"} & set(found.stdout.split())
