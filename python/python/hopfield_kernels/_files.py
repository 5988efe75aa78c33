"""Memories in files."""

from __future__ import annotations

import errno
import os
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core

#: How files begin that NumPy reads: `.npy` and `.npz`.
_NUMPY = (b"\x93NUMPY", b"PK")


def save(memory: _core.Memory, path: str | os.PathLike[str]) -> None:
    """Saves as the ending of the name says."""
    name = os.fspath(path)
    if name.endswith(".npz"):
        _save_npz(memory, name)
        return
    if not name.endswith((".npy", ".safetensors")):
        raise ValueError(
            f"path: expected a name that ends in .npy, .npz or .safetensors, got {name!r}"
        )
    if name.endswith(".npy") and memory.value_dim is not None:
        raise ValueError(
            f"path: expected a name that ends in .npz or .safetensors for values, got {name!r}"
        )
    if not os.path.isdir(os.path.dirname(name) or os.curdir):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    memory.write(name)


def _save_npz(memory: _core.Memory, name: str) -> None:
    patterns, values = memory.copy_patterns(), memory.copy_values()
    if memory.precision == "float16":
        patterns = patterns.astype(np.float16)
    arrays = {"patterns": patterns} | ({} if values is None else {"values": values})
    np.savez(name, **arrays)  # type: ignore[arg-type]


def is_numpy(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as those that NumPy reads."""
    with open(path, "rb") as file:
        return file.read(6).startswith(_NUMPY)


def read(path: str | os.PathLike[str]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """The patterns and the values, if there are any, of a file that NumPy reads."""
    try:
        found = _arrays_of(path)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from None
    if "patterns" not in found:
        names = ", ".join(found)
        raise ValueError(f"path: expected an array named patterns, got {names}")
    return found["patterns"], found.get("values")


def _arrays_of(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    found = np.load(path, allow_pickle=False)
    if isinstance(found, np.ndarray):
        return {"patterns": found}
    with found:
        return dict(found)
