"""Recall for PyTorch, on the CPU: with gradients, and under `torch.compile`.

>>> import torch
>>> from hopfield_kernels.torch import retrieve
>>> patterns = torch.eye(3, requires_grad=True)
>>> retrieved = retrieve(torch.tensor([0.1, 0.8, 0.3]), patterns, 64.0)
>>> retrieved.round().tolist()
[0.0, 1.0, 0.0]
>>> retrieved.sum().backward()
>>> patterns.grad.shape
torch.Size([3, 3])

Contiguous patterns and values are read where PyTorch has them, others are copied. As the norms of
the patterns are not known, results may differ from those of a `hopfield_kernels.Memory` by
roundings. For many recalls from patterns that do not change and need no gradient, a memory with
codes may be faster.
"""

from __future__ import annotations

from typing import Any

try:
    import torch
except ImportError as error:
    raise ImportError("hopfield_kernels.torch needs PyTorch: pip install torch") from error

from . import _arrays, _core
from .separations import Separation, named

__all__ = ["HopfieldRetrieval", "retrieve"]

_OPERANDS = (
    "Tensor probes, Tensor patterns, Tensor beta, Tensor? values, Tensor? mask, Tensor? bias, "
    "str similarity, str separation, float parameter, int steps"
)
_library = torch.library.Library("hopfield_kernels", "DEF")
_library.define(f"retrieve({_OPERANDS}) -> Tensor")
_library.define(f"retrieve_backward(Tensor gradient, {_OPERANDS}) -> Tensor[]")


def retrieve(
    probes: torch.Tensor,
    patterns: torch.Tensor,
    beta: float | torch.Tensor,
    values: torch.Tensor | None = None,
    *,
    similarity: str = "dot",
    separation: str | Separation = "softmax",
    mask: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    steps: int = 1,
) -> torch.Tensor:
    """What is retrieved from probes (..., D), patterns (N, D) and values (N, E): (..., D) or (..., E).

    Tensors are on the CPU, of one type, float32 or float64. There are gradients with respect to
    probes, patterns, values, bias and beta (a tensor of one element). Mask (bool) and bias are (N,)
    or (..., N). The other arguments are those of `hopfield_kernels.Memory.recall`.
    """
    if steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}")
    beta = torch.as_tensor(beta, dtype=probes.dtype)
    name, parameter = named(separation)
    lead, count = probes.shape[:-1], patterns.shape[0]
    found = torch.ops.hopfield_kernels.retrieve(
        probes.reshape(-1, probes.shape[-1]),
        patterns,
        beta,
        values,
        _rows(mask, count),
        _rows(bias, count),
        similarity,
        name,
        parameter,
        steps,
    )
    retrieved: torch.Tensor = found.reshape(*lead, found.shape[-1])
    return retrieved


class HopfieldRetrieval(torch.nn.Module):
    """Recall from stored patterns, as a module.

    With `trainable`, patterns and values are parameters, otherwise buffers; with `trainable_beta`, so
    is the inverse temperature.

    >>> import torch
    >>> from hopfield_kernels.torch import HopfieldRetrieval
    >>> recall = HopfieldRetrieval(torch.eye(3), beta=64.0)
    >>> recall(torch.tensor([[0.1, 0.8, 0.3]])).round()
    tensor([[0., 1., 0.]])
    """

    patterns: torch.Tensor
    values: torch.Tensor | None
    beta: torch.Tensor

    def __init__(
        self,
        patterns: torch.Tensor,
        beta: float = 1.0,
        values: torch.Tensor | None = None,
        *,
        similarity: str = "dot",
        separation: str | Separation = "softmax",
        steps: int = 1,
        trainable: bool = False,
        trainable_beta: bool = False,
    ) -> None:
        super().__init__()
        named(separation)
        self._store("patterns", torch.as_tensor(patterns), trainable)
        self._store("values", values, trainable)
        self._store("beta", torch.tensor(beta, dtype=self.patterns.dtype), trainable_beta)
        self.similarity, self.separation, self.steps = similarity, separation, steps

    def _store(self, name: str, tensor: torch.Tensor | None, trainable: bool) -> None:
        kept = None if tensor is None else tensor.detach().clone()
        if trainable and kept is not None:
            self.register_parameter(name, torch.nn.Parameter(kept))
        else:
            self.register_buffer(name, kept)

    def forward(
        self,
        probes: torch.Tensor,
        mask: torch.Tensor | None = None,
        bias: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """What is retrieved from probes (..., D)."""
        return retrieve(
            probes,
            self.patterns,
            self.beta,
            self.values,
            similarity=self.similarity,
            separation=self.separation,
            mask=mask,
            bias=bias,
            steps=self.steps,
        )

    def extra_repr(self) -> str:
        """The settings, for `print`."""
        count, dim = self.patterns.shape
        of = f"{count} patterns of {dim}, {self.similarity}, {self.separation}"
        return f"{of}, steps={self.steps}"


def _rows(of: torch.Tensor | None, count: int) -> torch.Tensor | None:
    return of if of is None or of.ndim == 1 else of.reshape(-1, count)


def _array(operand: str, tensor: torch.Tensor | None, dtype: torch.dtype) -> Any:
    if tensor is None:
        return None
    if tensor.dtype != dtype:
        raise ValueError(f"{operand}: expected {dtype}, got {tensor.dtype}")
    return tensor.detach().resolve_neg().numpy()


def _given(operands: tuple[Any, ...]) -> tuple[Any, Any, Any, Any]:
    """What the kernels take: patterns and values, probes, how they are weighed, and the steps."""
    probes, patterns, beta, values, mask, bias, similarity, name, parameter, steps = operands
    dtype = probes.dtype
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"probes: expected torch.float32 or torch.float64, got {dtype}")
    stored = (_array("patterns", patterns, dtype), _array("values", values, dtype))
    masked = _arrays.mask(_array("mask", mask, torch.bool))
    rows = (masked, _array("bias", bias, dtype))
    options = (float(beta.detach()), similarity, (name, parameter), "auto")
    return stored, _array("probes", probes, dtype), _core.Weighing(*options, rows), steps


def _retrieve(*operands: Any) -> torch.Tensor:
    return torch.from_numpy(_core.retrieve_rows(*_given(operands)))


def _retrieve_fake(*operands: Any) -> Any:
    probes, patterns, values = operands[0], operands[1], operands[3]
    cols = (patterns if values is None else values).shape[1]
    return probes.new_empty((probes.shape[0], cols))


def _backward(gradient: torch.Tensor, *operands: Any) -> list[torch.Tensor]:
    probes, beta = operands[0], operands[2]
    of = _array("gradient", gradient, probes.dtype)
    found = _core.backward_rows(*_given(operands), of)
    given = lambda name: torch.from_numpy(found[name]) if name in found else probes.new_empty(())
    return [
        given("probes"),
        given("patterns"),
        torch.full_like(beta, found["beta"]),
        given("values"),
        given("bias"),
    ]


def _backward_fake(gradient: torch.Tensor, *operands: Any) -> list[torch.Tensor]:
    probes, patterns, beta, values, _, bias = operands[:6]
    wanted = (probes, patterns, beta, values, bias)
    return [probes.new_empty(() if of is None else of.shape) for of in wanted]


def _setup(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    ctx.save_for_backward(*inputs[:6])
    ctx.settings = inputs[6:]


def _differentiate(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    tensors = ctx.saved_tensors
    found = torch.ops.hopfield_kernels.retrieve_backward(gradient, *tensors, *ctx.settings)
    probes, patterns, beta, values, bias = found
    values = values if tensors[3] is not None else None
    bias = bias if tensors[5] is not None else None
    return probes, patterns, beta, values, None, bias, None, None, None, None


_library.impl("retrieve", _retrieve, "CPU")
_library.impl("retrieve_backward", _backward, "CPU")
torch.library.register_fake("hopfield_kernels::retrieve", _retrieve_fake, lib=_library)
torch.library.register_fake("hopfield_kernels::retrieve_backward", _backward_fake, lib=_library)
torch.library.register_autograd(
    "hopfield_kernels::retrieve", _differentiate, setup_context=_setup, lib=_library
)
