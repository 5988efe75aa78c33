"""Versions, for reports of errors."""

import importlib.metadata
import os
import platform
import sys

from . import _core

_OTHERS = ("numpy", "jax", "jaxlib", "torch", "scikit-learn", "ngclearn")


def show_versions() -> None:
    """Prints the versions of the package, of Python and of the packages that it works with."""
    print(f"hopfield-kernels: {_core.version()}")
    print(f"level: {_core.level()} (of {', '.join(_core.levels())})")
    print(f"processors: {os.cpu_count()}")
    print(f"python: {sys.version.split()[0]} ({platform.platform()})")
    for name in _OTHERS:
        try:
            print(f"{name}: {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            print(f"{name}: not installed")
