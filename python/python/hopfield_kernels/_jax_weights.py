"""Separations of rows of scores in jax.numpy: their weights, potentials and energy constants.

Each is a function of scores t that are finite, of which take part (`part`), and of its parameter.
It returns the weights p and the potential G, and both can be differentiated any number of times.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

__all__ = ["UNNORMALISED", "constant", "weigh"]

#: Separations whose weights have no given sum.
UNNORMALISED = ("polynomial", "power")
#: Halvings after which an interval of either type is as short as it gets.
_HALVINGS = 64


def weigh(separation: tuple[str, float], theta: Any) -> tuple[Any, Any]:
    """Weights and potentials of rows; zeros and -inf where all scores are -inf."""
    name, parameter = separation
    part = theta != -jnp.inf
    some = part.any(-1, keepdims=True)
    scores = jnp.where(part, theta, 0.0)
    p, potential = _MEMBERS[name](scores, part | ~some, parameter)
    return jnp.where(some, p, 0.0), jnp.where(some[..., 0], potential, -jnp.inf)


def constant(separation: tuple[str, float], count: Any) -> Any:
    """The constant of the energy times β, where `count` patterns take part."""
    name, parameter = separation
    if name in ("hard_top_k", "max", "epanechnikov", *UNNORMALISED):
        return jnp.zeros_like(count)
    if name == "softmax" or (name, parameter) == ("entmax", 1.0):
        return jnp.log(count)
    if name == "softmax_plus":
        return jnp.log(count + parameter)
    if name == "top_k":
        return jnp.log(jnp.minimum(parameter, count))
    if name == "normmax":
        return 1.0 - count ** (1.0 / parameter - 1.0)
    if name == "k_subsets":
        uniform = jnp.minimum(parameter / count, 1.0)
        return 0.5 * count * uniform * (1.0 - uniform)
    alpha = 2.0 if name == "sparsemax" else parameter
    return (1.0 - count ** (1.0 - alpha)) / (alpha * (alpha - 1.0))


def _top(t: Any, part: Any) -> Any:
    return jax.lax.stop_gradient(jnp.where(part, t, -jnp.inf).max(-1, keepdims=True))


def _softmax_plus(t: Any, part: Any, c: float) -> tuple[Any, Any]:
    top = jnp.maximum(_top(t, part), 0.0) if c > 0 else _top(t, part)
    e = jnp.where(part, jnp.exp(jnp.where(part, t - top, 0.0)), 0.0)
    total = e.sum(-1, keepdims=True) + (c * jnp.exp(-top) if c > 0 else 0.0)
    return e / total, (top + jnp.log(total))[..., 0]


def _softmax(t: Any, part: Any, _: float) -> tuple[Any, Any]:
    return _softmax_plus(t, part, 0.0)


def _raised(base: Any, on: Any, power: float) -> Any:
    """base to the power, and 0 with gradients of 0 where it is not on."""
    return jnp.where(on, jnp.where(on, base, 1.0) ** power, 0.0)


def _threshold(excess: Callable[[Any], Any], low: Any, high: Any) -> Any:
    """The τ between `low` and `high` at which the falling function `excess` is 0."""

    def solve(of: Callable[[Any], Any], _: Any) -> Any:
        def halve(_: Any, ends: tuple[Any, Any]) -> tuple[Any, Any]:
            middle = 0.5 * (ends[0] + ends[1])
            above = of(middle) > 0
            return jnp.where(above, middle, ends[0]), jnp.where(above, ends[1], middle)

        return jax.lax.fori_loop(0, _HALVINGS, halve, ends)[0]

    def divide(slope: Callable[[Any], Any], by: Any) -> Any:
        of = slope(jnp.ones_like(by))
        return jnp.where(of == 0, 0.0, by / jnp.where(of == 0, 1.0, of))

    ends = (jax.lax.stop_gradient(low), jax.lax.stop_gradient(high))
    return jax.lax.custom_root(excess, ends[0], solve, divide)


def _entmax(t: Any, part: Any, alpha: float) -> tuple[Any, Any]:
    if alpha == 1.0:
        return _softmax(t, part, 0.0)
    top = _top(t, part)
    z = (alpha - 1.0) * (t - top)
    of = lambda tau: _raised(z - tau, part & (z > tau), 1.0 / (alpha - 1.0))
    excess = lambda tau: of(tau).sum(-1, keepdims=True) - 1.0
    p = of(_threshold(excess, jnp.full_like(top, -1.0), jnp.zeros_like(top)))
    omega = (_raised(p, p > 0, alpha) - p).sum(-1) / (alpha * (alpha - 1.0))
    return p, (p * t).sum(-1) - omega


def _sparsemax(t: Any, part: Any, _: float) -> tuple[Any, Any]:
    return _entmax(t, part, 2.0)


def _normmax(t: Any, part: Any, alpha: float) -> tuple[Any, Any]:
    top = _top(t, part)
    q = lambda tau, power: _raised(t - top - tau, part & (t - top > tau), power)
    excess = lambda tau: q(tau, alpha / (alpha - 1.0)).sum(-1, keepdims=True) - 1.0
    tau = _threshold(excess, jnp.full_like(top, -1.0), jnp.zeros_like(top))
    p = q(tau, 1.0 / (alpha - 1.0))
    p = p / p.sum(-1, keepdims=True)
    norm = _raised(p, p > 0, alpha).sum(-1) ** (1.0 / alpha)
    return p, (p * t).sum(-1) - norm + 1.0


def _k_subsets(t: Any, part: Any, k: float) -> tuple[Any, Any]:
    lowest = jnp.where(part, t, jnp.inf).min(-1, keepdims=True) - 1.0
    total = jnp.minimum(k, part.sum(-1, keepdims=True).astype(t.dtype))

    def of(tau: Any) -> Any:
        inside = part & (t > tau) & (t < tau + 1.0)
        return jnp.where(inside, t - tau, (part & (t >= tau + 1.0)).astype(t.dtype))

    excess = lambda tau: of(tau).sum(-1, keepdims=True) - total
    p = of(_threshold(excess, lowest, _top(t, part)))
    return p, (p * t).sum(-1) - 0.5 * (jnp.square(p).sum(-1) - k)


def _highest(t: Any, part: Any, k: float) -> Any:
    """Which scores are the k highest that take part, the first of equals."""
    count = min(int(k), t.shape[-1])
    _, places = jax.lax.top_k(jnp.where(part, t, -jnp.inf), count)
    return part & (places[..., None] == jnp.arange(t.shape[-1])).any(-2)


def _top_k(t: Any, part: Any, k: float) -> tuple[Any, Any]:
    return _softmax(t, _highest(t, part, k), 0.0)


def _hard_top_k(t: Any, part: Any, k: float) -> tuple[Any, Any]:
    chosen = _highest(t, part, k)
    p = chosen / chosen.sum(-1, keepdims=True).astype(t.dtype)
    return p, (p * t).sum(-1)


def _max(t: Any, part: Any, _: float) -> tuple[Any, Any]:
    return _hard_top_k(t, part, 1.0)


def _polynomial(t: Any, part: Any, n: float) -> tuple[Any, Any]:
    on = part & (t > 0)
    return n * _raised(t, on, n - 1.0), _raised(t, on, n).sum(-1)


def _power(t: Any, part: Any, power: float) -> tuple[Any, Any]:
    on = part & (t != 0)
    size = jnp.abs(t)
    p = jnp.sign(t) * _raised(size, on, power)
    return p, _raised(size, on, power + 1.0).sum(-1) / (power + 1.0)


def _epanechnikov(t: Any, part: Any, k: float) -> tuple[Any, Any]:
    on = part & (t > -1.0)
    q, mass = _raised(1.0 + t, on, k - 1.0), _raised(1.0 + t, on, k).sum(-1)
    total = q.sum(-1, keepdims=True)
    none = mass == 0
    potential = jnp.where(none, -jnp.inf, jnp.log(jnp.where(none, 1.0, mass)))
    return q / jnp.where(total == 0, 1.0, total), potential


_MEMBERS: dict[str, Callable[[Any, Any, float], tuple[Any, Any]]] = {
    "softmax": _softmax,
    "softmax_plus": _softmax_plus,
    "sparsemax": _sparsemax,
    "entmax": _entmax,
    "normmax": _normmax,
    "k_subsets": _k_subsets,
    "top_k": _top_k,
    "hard_top_k": _hard_top_k,
    "max": _max,
    "polynomial": _polynomial,
    "power": _power,
    "epanechnikov": _epanechnikov,
}
