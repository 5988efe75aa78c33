import importlib.util
import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("mypy")
PACKAGE = pathlib.Path(importlib.util.find_spec("hopfield_kernels").origin).parent


def run(*arguments, cwd):
    command = [sys.executable, "-m", *arguments]
    found = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_stubs_are_those_of_the_extension(tmp_path):
    run("mypy.stubtest", "hopfield_kernels._core", cwd=tmp_path)


def test_the_package_is_typed(tmp_path):
    # What other packages have no types for, or is not installed, is of any type.
    untyped = ["--ignore-missing-imports", "--allow-subclassing-any", "--no-warn-unused-ignores"]
    untyped += ["--allow-untyped-calls"]
    run("mypy", "--strict", *untyped, "-p", "hopfield_kernels", cwd=tmp_path)


def test_users_are_checked(tmp_path):
    (tmp_path / "use.py").write_text(
        "import numpy as np\n"
        "import hopfield_kernels as hk\n"
        "memory = hk.Memory(np.eye(3))\n"
        "recall = memory.recall([1.0, 0.0, 0.0], 2.0, separation=hk.Entmax(1.5), want=('second',))\n"
        "gradients: hk.Gradients = recall.backward(recall.retrieved)\n"
        "memory.learn(recall, eta=0.1)\n"
        "with hk.threads(2):\n"
        "    indices, scores = memory.top_k(np.eye(3), 2)\n"
    )
    run("mypy", "--strict", "use.py", cwd=tmp_path)
