"""The examples run, and say what types they have."""

import os
import pathlib
import subprocess
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"
NEEDS = {
    "ngclearn_model": ("ngclearn", "sklearn"),
    "digits": ("sklearn",),
    "separations": ("sklearn",),
}


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.py")))
def test_an_example(name, tmp_path):
    for needed in ("matplotlib", *NEEDS.get(name, ())):
        pytest.importorskip(needed)
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), "picture.png"]
    environment = os.environ | {"MPLBACKEND": "Agg"}
    found = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert found.returncode == 0, found.stderr
    assert (tmp_path / "picture.png").stat().st_size > 5_000


def test_their_types(tmp_path):
    pytest.importorskip("mypy")
    pytest.importorskip("matplotlib")
    pytest.importorskip("jax")
    command = [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports"]
    command += ["--allow-untyped-calls", *map(str, sorted(EXAMPLES.glob("*.py")))]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout
