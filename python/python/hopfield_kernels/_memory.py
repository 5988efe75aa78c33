"""The memory: stored patterns, and recall from them."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import _arrays, _core, _files, _parts
from ._growth import Event, events, rules
from ._recall import ALWAYS, NAMES, Recall
from .separations import Separation, named

#: The updates that probes are taken to need until they settle, where work is cut into parts.
_STEPS = 64


class Memory(_core.Memory):
    """N stored patterns of dimension D, and optionally a value of dimension E for each.

    Parameters
    ----------
    patterns : array (N, D)
        They are copied.
    values : array (N, E), optional
        What is retrieved in place of the patterns: hetero-association.
    dtype : optional
        float32 or float64. By default that of the patterns; what is not floating becomes float64.
        "bfloat16" and "float16" store patterns in sixteen bits, rounded by way of float32, which is
        the type of everything else. Results are those of the rounded patterns, bit for bit. Such
        patterns can be replaced, appended and removed, and do not learn.
    codes : str, optional
        "int8" or "int4": an approximation of every pattern beside it, in one byte or half a byte an
        element, by which recall and `top_k` find the patterns that matter without reading the
        others. It changes no result, and pays where few patterns have a weight. Patterns of more
        than 65,536 elements have none.

    >>> import numpy as np, hopfield_kernels as hk
    >>> memory = hk.Memory(np.eye(3), dtype="float32")
    >>> memory.shape, memory.dtype
    ((3, 3), dtype('float32'))
    >>> memory.append([1.0, 1.0, 0.0])
    >>> len(memory)
    4

    A memory may be used by several threads at once. What is wrong with an argument is a
    `ValueError` that names it.
    """

    def __new__(
        cls,
        patterns: ArrayLike,
        values: ArrayLike | None = None,
        *,
        dtype: DTypeLike | None = None,
        codes: str | None = None,
    ) -> Memory:
        precision = _arrays.stored_name(dtype)
        full = "float32" if precision in _arrays.SIXTEEN_BITS else precision
        stored = _arrays.stored("patterns", patterns, full)
        if stored.ndim != 2:
            raise ValueError(f"patterns: expected 2 dimensions, got {stored.ndim}")
        name = stored.dtype.name
        belong = None if values is None else _arrays.stored("values", values, name)
        if belong is not None and belong.ndim != 2:
            raise ValueError(f"values: expected 2 dimensions, got {belong.ndim}")
        store = _core.Store(stored, belong, precision or name, _codes(codes))
        memory: Memory = super().__new__(cls, store)
        return memory

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of probes and results: float32 or float64. See `precision`."""
        return np.dtype(np.float64 if self.is_double else np.float32)

    @property
    def precision(self) -> str:
        """The type in which patterns are stored: "float32", "float64", "bfloat16" or "float16".

        >>> import numpy as np, hopfield_kernels as hk
        >>> memory = hk.Memory([[0.1, 1.0]], dtype="bfloat16")
        >>> memory.precision, memory.dtype, memory.patterns
        ('bfloat16', dtype('float32'), array([[0.10009766, 1.        ]], dtype=float32))
        """
        return super().precision

    @property
    def codes(self) -> str | None:
        """How the codes of the patterns are stored, "int8" or "int4"; None without codes."""
        return super().codes

    @property
    def dim(self) -> int:
        """Features of a pattern, D."""
        return self.shape[1]

    @property
    def patterns(self) -> NDArray[Any]:
        """A copy of the patterns (N, D), read-only, as what is changed in it would be lost."""
        return _read_only(self.copy_patterns())

    @property
    def values(self) -> NDArray[Any] | None:
        """A copy of the values (N, E), read-only; None without values."""
        copy = self.copy_values()
        return None if copy is None else _read_only(copy)

    def __getitem__(self, index: int) -> NDArray[Any]:
        """A copy of one pattern."""
        return self.copy_pattern(self._index(index))

    def __setitem__(self, index: int, pattern: ArrayLike) -> None:
        """Replaces one pattern."""
        self.set_pattern(self._index(index), pattern)

    def append(self, patterns: ArrayLike, values: ArrayLike | None = None) -> None:
        """Appends patterns (K, D) or (D,), with their values if the memory has values."""
        super().append(patterns, values)

    def remove(self, indices: int | Iterable[int]) -> None:
        """Removes patterns by their indices, with their values. The others keep their order."""
        chosen: Any = np.atleast_1d(np.asarray(indices))
        if chosen.dtype.kind not in "iu" and chosen.size:
            raise ValueError(f"indices: expected integers, got {chosen.dtype}")
        self.remove_indices([self._index(index) for index in chosen.tolist()])

    def _index(self, index: int) -> int:
        index, count = operator.index(index), len(self)
        if not -count <= index < count:
            raise IndexError(f"pattern: expected an index below {count}, got {index}")
        return index % count

    def save(self, path: str | os.PathLike[str]) -> None:
        """Saves patterns and values: as `.npy`, `.npz` or `.safetensors`, by the name's ending.

        `.npy` takes patterns alone; tensors are named `patterns` and `values`. Patterns are saved
        in the type in which they are stored, but bfloat16 as float32 in `.npz` and not at all in
        `.npy`. Codes are not saved. An `.npy` or `.safetensors` file is written beside its target
        and renamed when it is complete, so that an error loses nothing that was there.

        Raises
        ------
        ValueError
            For a name that ends otherwise, and for what such a file cannot hold.
        OSError
            Where the folder does not exist.

        >>> import os, tempfile, hopfield_kernels as hk
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "memory.safetensors")
        ...     hk.Memory([[1.0, 2.0]], [[3.0]]).save(path)
        ...     hk.Memory.load(path).values
        array([[3.]])
        """
        _files.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Memory:
        """A memory with copies of what is in a file.

        The file is one that `save` has written, any `.npy` of a matrix, or an `.npz` or safetensors
        file with an array `patterns` and perhaps one of `values`.

        Raises
        ------
        ValueError
            Where the file does not hold what it should; the message begins with its name.
        OSError
            Where it cannot be read.
        """
        if _files.is_numpy(path):
            patterns, values = _files.read(path)
            dtype = "float16" if patterns.dtype == np.float16 else None
        else:
            mapped = cls.map(path)
            patterns, values, dtype = mapped.patterns, mapped.values, mapped.precision
        return cls(patterns, values, dtype=dtype)

    @classmethod
    def map(
        cls,
        path: str | os.PathLike[str],
        *,
        codes: str | None = None,
        progress: Callable[[int, int], object] | None = None,
        sidecar: bool = False,
    ) -> Memory:
        """A memory whose patterns stay in a file, which may be larger than the machine's memory.

        The file is an `.npy` of (N, D) in C order, or a safetensors file with a tensor `patterns`
        and perhaps one of `values`. Patterns are float32, float64, float16 or (safetensors)
        bfloat16. Everything but changing them works as for other memories; `patterns` copies all.

        **The file must not change while it is mapped.** If it is truncated then, the system ends
        the process. To replace it, write another file and rename it, as `save` does.

        Parameters
        ----------
        path : path
        codes : str, optional
            As for `Memory`. They are computed when the file is mapped, unless a sidecar has them,
            and kept in memory.
        progress : callable, optional
            Called with the number of patterns that have been read and that of all patterns, while
            their norms are computed. What it raises is raised at the end of that.
        sidecar : bool
            Keeps the norms and codes in a file beside, `<name>.hopfield`. The next time the file is
            mapped with `sidecar=True` they are taken from there, and the patterns are not read. It
            is tied to the file by its length, its time of modification and a hash. Where one of
            these differs, or the file beside cannot be read or written, they are computed.

        Raises
        ------
        ValueError
            Where the file does not hold what it should; the message begins with its name.
        OSError
            Where it cannot be read.

        >>> import os, tempfile, numpy as np, hopfield_kernels as hk
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "patterns.npy")
        ...     np.save(path, np.eye(3))
        ...     memory = hk.Memory.map(path, codes="int8", progress=print)
        3 3
        >>> memory.retrieve([0.1, 0.9, 0.2], 64.0).round(3)
        array([0., 1., 0.])
        """
        with open(path, "rb"):
            store = _core.Store.map(path, _codes(codes), progress, sidecar)
        memory: Memory = _core.Memory.__new__(cls, store)
        return memory

    def top_k(self, probes: ArrayLike, k: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Indices and dot products of the k most similar patterns: (B, k), or (k,) of one probe.

        Exact, the most similar first, of equals the one with the lower index. A probe that is not
        finite has indices of -1 and NaN. Codes are used if the memory has any, and change nothing.

        >>> import numpy as np, hopfield_kernels as hk
        >>> indices, scores = hk.Memory(np.eye(3)).top_k([0.2, 0.7, 0.1], 2)
        >>> indices
        array([1, 0])
        """
        _not_negative("k", k)
        _core.reset_counters()
        found = np.ndim(probes) == 2 and len(probes) > self.at_once  # type: ignore[arg-type]
        if not found:
            return super().top_k(probes, k)
        rows = _arrays.convert("probes", probes, "float64" if self.is_double else "float32")
        starts = range(0, len(rows), self.at_once)
        parts = [super(Memory, self).top_k(rows[at : at + self.at_once], k) for at in starts]
        indices, scores = zip(*parts, strict=True)
        return np.concatenate(indices), np.concatenate(scores)

    def recall(
        self,
        probes: ArrayLike,
        beta: float,
        similarity: str = "dot",
        separation: str | Separation = "softmax",
        mask: ArrayLike | None = None,
        bias: ArrayLike | None = None,
        steps: int | None = 1,
        eps: float = 0.0,
        damping: float = 1.0,
        screening: str = "auto",
        want: str | Iterable[str] = (),
        out: NDArray[Any] | None = None,
    ) -> Recall:
        """Recalls, and tells what the weights of the patterns tell.

        Parameters
        ----------
        probes : array (B, D) or (D,)
        beta : float
            The inverse temperature, above 0.
        similarity : str
            "dot", "cosine", "neg_half_squared_l2", "neg_l2" or "neg_l1".
        separation : str or Separation
            "softmax", "sparsemax", "max" or an object.
        mask : array of bool (N,) or (B, N), optional
            True where a pattern takes part.
        bias : array (N,) or (B, N), optional
            Added to the scores β s, such as a log prior. -inf is a mask.
        steps : int or None
            The number of weighings: `steps - 1` updates of the probe, and then the readout of
            values or the last update. None updates each probe until it settles, at most 1,000
            times.
        eps : float
            With `steps=None`, a probe x has settled once an update moves it by at most
            eps (1 + ‖x‖). With 0, it has once an update changes nothing.
        damping : float
            a in x + a (T(x) - x), above 0 and at most 1.
        screening : str
            Whether patterns are left out that have no weight. "auto": where a test of the probe and
            of a few patterns finds that most have none. "always": without the test. Both read
            codes if the memory has any, which changes no bit. "never": every pattern is weighed,
            and codes are not read; results may differ from the others' by roundings. See
            `counters`.
        want : names of outputs
            What is to be computed beside what always is; see `Recall`.
        out : array, optional
            What is retrieved is written to it.

        >>> import numpy as np, hopfield_kernels as hk
        >>> memory = hk.Memory(np.array([[1.0, 0.3], [0.2, 1.0]]))
        >>> recall = memory.recall([0.9, 0.2], 4.0, separation=hk.Entmax(1.5))
        >>> recall.retrieved
        array([1. , 0.3])
        >>> int(recall.best), float(recall.best_weight)
        (0, 1.0)
        """
        _core.reset_counters()
        if steps is not None:
            steps = _steps(steps, eps)
        name = "float64" if self.is_double else "float32"
        start = _arrays.convert("probes", probes, name)
        # The recall keeps its probes: those of the caller may change.
        start = start.copy() if start is probes or start.base is not None else start
        masked, biased = (
            _arrays.mask(mask),
            None if bias is None else np.array(_arrays.convert("bias", bias, name)),
        )
        options = (beta, similarity, named(separation), screening)
        weighing = _core.Weighing(*options, (masked, biased))
        wanted = [*ALWAYS, *_wanted(want)] if want else [*ALWAYS]
        walk, each = (steps, eps, damping), max(1, self.at_once // (steps or _STEPS))
        if start.ndim == 2 and len(start) > each:

            def call(part: slice) -> dict[str, Any]:
                of = _parts.weighing(options, masked, biased, part)
                to = None if out is None else out[part]
                return self.run_recall(start[part], of, walk, wanted, to)

            self._check_rows(len(start), masked, biased, out)
            found = _parts.recall(call, len(start), each, out)
        else:
            found = self.run_recall(start, weighing, walk, wanted, out)
        return Recall(self, weighing, start, steps, damping, found)

    def _check_rows(self, batch: int, *rows: NDArray[Any] | None) -> None:
        """Refuses what has not a row for each probe, before it is cut into parts."""
        for name, array in zip(("mask", "bias", "out"), rows, strict=True):
            if array is None or (name != "out" and array.ndim != 2):
                continue
            if len(array) != batch:
                raise ValueError(f"{name}: expected {batch} rows, got {len(array)}")

    def learn(
        self,
        recall: Recall,
        rule: str = "delta",
        eta: float = 1.0,
        reg_lambda: float = 0.0,
        l1_lambda: float = 0.0,
        *,
        negative_steps: int = 1,
        negative_beta: float | None = None,
        negative_winners: int | None = None,
        noise: float = 0.0,
        seed: int = 0,
    ) -> None:
        """Learns from the last weighing of a recall: M + η ΔM - λ M - λ₁ sign(M).

        With the weights P, the probes X of that weighing, and what is retrieved from these, X̂:

        - "delta": ΔM = Pᵀ (X - X̂) / B
        - "contrastive": ΔM = (Pᵀ X - P⁻ᵀ X⁻) / B, where X⁻ is the result of `negative_steps` recalls
          and P⁻ are its weights, with `negative_beta` in place of β, or with a weight of 1 for the
          `negative_winners` most similar patterns
        - "energy": ΔM = Pᵀ X / B

        `noise` is the standard deviation of Gaussian noise that is added to all patterns, which
        depends on `seed` and on how often the memory has learned.

        >>> import numpy as np, hopfield_kernels as hk
        >>> memory = hk.Memory(np.eye(2))
        >>> memory.learn(memory.recall([0.9, 0.2], beta=64.0))
        >>> memory.patterns
        array([[0.9, 0.2],
               [0. , 1. ]])
        """
        if recall._memory is not self:
            raise ValueError(
                "recall: expected one of this memory as it is now, got one of another memory"
            )
        _not_negative("negative_steps", negative_steps)
        _not_negative("negative_winners", negative_winners or 0)
        _not_negative("seed", seed)
        rates = {
            "rule": rule,
            "eta": eta,
            "reg_lambda": reg_lambda,
            "l1_lambda": l1_lambda,
            "negative_steps": negative_steps,
            "negative_beta": negative_beta,
            "negative_winners": negative_winners,
            "noise": noise,
            "seed": seed,
        }
        self.run_learn(recall._probes, recall._weighing, rates, recall._version)

    def grow(
        self,
        probes: ArrayLike,
        beta: float,
        values: ArrayLike | None = None,
        *,
        capacity: int,
        vigilance: float | None = None,
        energy: float | None = None,
        residual: float | None = None,
        best_weight: float | None = None,
        when_full: str = "refuse",
        forgetting: float = 0.9,
        similarity: str = "dot",
        separation: str | Separation = "softmax",
    ) -> list[Event]:
        """Stores the probes that are new, and tells what became of each.

        A probe is new if any of the tests that are given finds it new. Probes are looked at in
        order, and one that has become a pattern is seen by those after it: of two equal new probes
        one is stored.

        Parameters
        ----------
        probes, beta, similarity, separation : as for `recall`
        values : array (B, E) of a memory with values
        capacity : int
            The largest number of patterns.
        vigilance : float, optional
            A probe is new if its cosine with every pattern is below this.
        energy : float, optional
            ... if its energy is above this (inf: if an Epanechnikov recall finds it in no ball).
        residual : float, optional
            ... if ‖x - T(x)‖ is above this.
        best_weight : float, optional
            ... if no pattern has a memory weight of this or more.
        when_full : str
            Where there are `capacity` patterns, a new probe is refused ("refuse"), replaces a
            pattern ("replace_least_used", "replace_oldest"), or takes the place of one of the two
            patterns of the highest cosine, whose mean becomes the other ("merge_nearest").
        forgetting : float
            ρ of the running mean of `usage`, by which patterns are replaced and merged.

        >>> import numpy as np, hopfield_kernels as hk
        >>> memory = hk.Memory(np.eye(2))
        >>> probes = [[0.9, 0.1], [-1.0, 0.2], [-1.0, 0.2]]
        >>> [event.kind for event in memory.grow(probes, 8.0, capacity=9, vigilance=0.9)]
        ['known', 'appended', 'known']
        >>> memory.patterns[2]
        array([-1. ,  0.2])
        """
        tests = (vigilance, energy, residual, best_weight)
        weighing = _core.Weighing(beta, similarity, named(separation), "auto", (None, None))
        found = self.run_grow(
            probes, values, weighing, rules(capacity, *tests, when_full, forgetting)
        )
        return events(found)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.patterns, self.values, self.precision, self.codes)

    def __copy__(self) -> Memory:
        return _rebuilt(type(self), self.patterns, self.values, self.precision, self.codes)

    def __repr__(self) -> str:
        (count, dim), values = self.shape, self.value_dim
        of = "" if values is None else f", values of {values}"
        return f"Memory({count} patterns of {dim}{of}, {self.precision})"


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


def _rebuilt(
    kind: type[Memory],
    patterns: NDArray[Any],
    values: NDArray[Any] | None,
    dtype: str,
    codes: str | None,
) -> Memory:
    return kind(patterns, values, dtype=dtype, codes=codes)


def _codes(codes: str | None) -> str | None:
    if codes not in (None, "int8", "int4"):
        raise ValueError(f"codes: expected None, int8 or int4, got {codes!r}")
    return codes


def _not_negative(name: str, found: int) -> None:
    if operator.index(found) < 0:
        raise ValueError(f"{name}: expected at least 0, got {found}")


def _steps(steps: int, eps: float) -> int:
    try:
        steps = operator.index(steps)
    except TypeError:
        raise ValueError(f"steps: expected an integer or None, got {steps!r}") from None
    if not 1 <= steps < 2**32:
        raise ValueError(f"steps: expected at least 1 or None, got {steps}")
    if eps != 0.0:
        raise ValueError(f"eps: expected 0 unless steps is None, got {eps}")
    return steps


def _wanted(want: str | Iterable[str]) -> list[str]:
    names = [want] if isinstance(want, str) else list(want)
    for name in names:
        if name not in NAMES:
            known = ", ".join(NAMES)
            raise ValueError(f"want: expected names of {known}, got {name!r}")
    return names
