"""Arrays in: conversions that lose nothing, or say what they would lose."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


#: Types of patterns that are stored in sixteen bits.
SIXTEEN_BITS = ("bfloat16", "float16")
#: Names of types.
_FULL = {"float32": "float32", "f4": "float32", "single": "float32"}
_FULL |= {"float64": "float64", "f8": "float64", "double": "float64"}
_HALF = {"bfloat16": "bfloat16", "float16": "float16", "f2": "float16", "half": "float16"}


def convert(operand: str, values: Any, dtype: str) -> NDArray[Any]:
    """`values` as an array of this type whose last axis is contiguous.

    Lists and numbers, which have no type of their own, are rounded. Arrays of another type are
    converted where that changes no element, and refused otherwise.
    """
    if isinstance(values, np.ndarray) and values.dtype == dtype:
        return np.asarray(values, dtype=dtype, order="C")
    if not hasattr(values, "dtype") and not hasattr(values, "__array__"):
        try:
            return np.array(values, dtype=dtype, order="C")
        except TypeError as error:
            raise ValueError(f"{operand}: expected numbers, got {error}") from None
    found = _widened(values)
    if found.dtype.kind not in "fiub":
        raise ValueError(f"{operand}: expected {dtype}, got {found.dtype}")
    with np.errstate(over="ignore"):
        converted = np.asarray(found, dtype=dtype, order="C")
    if not np.can_cast(found.dtype, dtype, "safe") and not _same(found, converted):
        raise ValueError(
            f"{operand}: expected {dtype}, got {found.dtype} with numbers that {dtype} does not "
            f"hold; astype({dtype!r}) rounds them"
        )
    return converted


def _same(found: NDArray[Any], converted: NDArray[Any]) -> bool:
    back = converted.astype(found.dtype)
    return np.array_equal(found, back, equal_nan=found.dtype.kind == "f")


def _widened(values: Any) -> NDArray[Any]:
    """An array; of float32 if its numbers are bfloat16, a type that NumPy by itself has not."""
    found = np.asarray(values)
    return found.astype(np.float32) if found.dtype.name == "bfloat16" else found


def stored(operand: str, values: Any, dtype: str | None) -> NDArray[Any]:
    """`values` to be stored: as `dtype`, or as the type that they have.

    Given a `dtype`, numbers are rounded to it. Otherwise float16 and bfloat16 become float32, and
    what is not floating becomes float64.
    """
    found = _widened(values)
    if found.dtype.kind not in "fiub" or (dtype is None and found.dtype.itemsize > 8):
        raise ValueError(f"{operand}: expected float32 or float64, got {found.dtype}")
    if dtype is None:
        single = found.dtype.kind == "f" and found.dtype.itemsize <= 4
        dtype = "float32" if single else "float64"
    return found.astype(dtype, copy=False)


def type_name(dtype: Any) -> str | None:
    """The name of a type of elements."""
    name = _name(dtype)
    if name is None or name in _FULL:
        return None if name is None else _FULL[name]
    raise ValueError(f"dtype: expected float32 or float64, got {name}")


def stored_name(dtype: Any) -> str | None:
    """The name of a type in which patterns are stored."""
    name, known = _name(dtype), _FULL | _HALF
    if name is None or name in known:
        return None if name is None else known[name]
    raise ValueError(f"dtype: expected float32, float64, bfloat16 or float16, got {name}")


def _name(dtype: Any) -> str | None:
    return dtype if dtype is None or isinstance(dtype, str) else np.dtype(dtype).name


def mask(values: Any) -> NDArray[np.bool_] | None:
    """A copy of a mask."""
    if values is None:
        return None
    found = np.array(values, order="C")
    if found.dtype != np.bool_:
        raise ValueError(f"mask: expected bool, got {found.dtype}")
    return found
