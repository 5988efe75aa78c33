"""Memories in files."""

from __future__ import annotations

import errno
import os
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ._memory import Memory

#: How files begin that NumPy reads: `.npy` and `.npz`.
_NUMPY = (b"\x93NUMPY", b"PK")


def save(memory: Memory, path: str | os.PathLike[str]) -> None:
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


def _save_npz(memory: Memory, name: str) -> None:
    patterns, values = memory.patterns, memory.values
    if memory.precision == "float16":
        patterns = patterns.astype(np.float16)
    arrays = {"patterns": patterns} | ({} if values is None else {"values": values})
    np.savez(name, **arrays)  # type: ignore[arg-type]


def load(kind: type[Memory], path: str | os.PathLike[str]) -> Memory:
    """A memory with copies of what is in a file."""
    with open(path, "rb") as file:
        start = file.read(6)
    if not start.startswith(_NUMPY):
        mapped = kind.map(path)
        return kind(mapped.patterns, mapped.values, dtype=mapped.precision)
    try:
        found = _arrays_of(path)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from None
    if "patterns" not in found:
        names = ", ".join(found)
        raise ValueError(f"path: expected an array named patterns, got {names}")
    patterns = found["patterns"]
    stored = "float16" if patterns.dtype == np.float16 else None
    return kind(patterns, found.get("values"), dtype=stored)


def _arrays_of(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    found = np.load(path, allow_pickle=False)
    if isinstance(found, np.ndarray):
        return {"patterns": found}
    with found:
        return dict(found)
