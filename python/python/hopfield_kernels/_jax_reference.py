"""Recall in jax.numpy, for platforms without the kernels and for second derivatives.

Probes have any number of leading dimensions; scores, masks and weights have the same and then N.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from . import _jax_weights as weights

__all__ = ["energy", "learned", "retrieve", "similarities"]

#: A separation's name and its parameter, 0 where it has none.
Separation = tuple[str, float]


def similarities(name: str, probes: Any, patterns: Any) -> Any:
    """The similarity of every probe with every pattern."""
    if name == "dot":
        return probes @ patterns.T
    if name == "cosine":
        return _unit(probes) @ _unit(patterns).T
    differences = probes[..., None, :] - patterns
    if name == "neg_half_squared_l2":
        return -0.5 * jnp.square(differences).sum(-1)
    if name == "neg_l2":
        return -_norms(differences)[..., 0]
    return -jnp.abs(differences).sum(-1)


def retrieve(
    similarity: str, separation: Separation, operands: tuple[Any, ...], values: Any
) -> Any:
    """What is retrieved with operands of probes, patterns, β, mask and bias."""
    probes, patterns, *_ = operands
    theta = _theta(similarity, operands)
    p, _ = weights.weigh(separation, theta)
    if values is not None:
        return p @ values
    some = (theta != -jnp.inf).any(-1, keepdims=True)
    found = _update(similarity, separation)(probes, patterns, p)
    stays = ~(p != 0).any(-1, keepdims=True)
    return jnp.where(some, jnp.where(stays, probes, found), 0.0)


def energy(similarity: str, separation: Separation, operands: tuple[Any, ...]) -> Any:
    """R(x) - G / β + C of docs/FAMILY.md, with the same operands."""
    probes, patterns, beta, *_ = operands
    theta = _theta(similarity, operands)
    _, potential = weights.weigh(separation, theta)
    part = theta != -jnp.inf
    constant = weights.constant(separation, jnp.maximum(part.sum(-1), 1).astype(theta.dtype))
    found = (constant - potential) / beta
    if similarity != "dot" or separation[0] in weights.UNNORMALISED:
        return found
    highest = jnp.where(part, jnp.square(patterns).sum(-1), 0.0).max(-1)
    return found + 0.5 * (jnp.square(probes).sum(-1) + highest)


def _theta(similarity: str, operands: tuple[Any, ...]) -> Any:
    """β s + b, and -inf where a pattern takes no part."""
    probes, patterns, beta, mask, bias = operands
    theta = beta * similarities(similarity, probes, patterns)
    theta = theta if bias is None else theta + bias
    return theta if mask is None else jnp.where(mask, theta, -jnp.inf)


def _update(similarity: str, separation: Separation) -> Callable[[Any, Any, Any], Any]:
    """The update of probes, from patterns and weights of which some are not 0."""
    if similarity == "dot":
        return _sphere if separation[0] in weights.UNNORMALISED else _sum
    return {
        "cosine": lambda x, m, p: _sphere(x, _unit(m), p),
        "neg_half_squared_l2": _mean,
        "neg_l2": _weiszfeld,
        "neg_l1": _median,
    }[similarity]


def _sum(_: Any, patterns: Any, p: Any) -> Any:
    return p @ patterns


def _mean(_: Any, patterns: Any, p: Any) -> Any:
    total = p.sum(-1, keepdims=True)
    return p @ patterns / jnp.where(total == 0, 1.0, total)


def _sphere(probes: Any, patterns: Any, p: Any) -> Any:
    """Σ p m at norm 1; the probe where that sum is 0."""
    found = p @ patterns
    return jnp.where(_norms(found) == 0, probes, _unit(found))


def _weiszfeld(probes: Any, patterns: Any, p: Any) -> Any:
    """Σ w m / Σ w with w = p / ‖x - m‖; the probe where it is one of the patterns."""
    distances = _norms(probes[..., None, :] - patterns)[..., 0]
    touches = ((distances == 0) & (p != 0)).any(-1, keepdims=True)
    found = _mean(probes, patterns, p / jnp.where(distances == 0, 1.0, distances))
    return jnp.where(touches, probes, found)


def _median(probes: Any, patterns: Any, p: Any) -> Any:
    """The weighted median of every feature; the probe's own where that is a median."""
    half = 0.5 * p.sum(-1)[..., None]
    each = lambda where: jnp.where(where, p[..., None], 0.0).sum(-2)
    below = each(patterns < probes[..., None, :])
    above = each(patterns > probes[..., None, :])
    order = jnp.argsort(patterns, 0)
    reached = jnp.cumsum(p[..., order], -2) >= half[..., None, :]
    place = jnp.argmax(reached.at[..., -1, :].set(True), -2)
    ascending = jnp.take_along_axis(patterns, order, 0)
    rows = place.reshape(-1, place.shape[-1])
    found = jnp.take_along_axis(ascending, rows, 0).reshape(place.shape)
    return jnp.where((below <= half) & (above <= half), probes, found)


def _norms(rows: Any) -> Any:
    """The norm of every row, whose gradient at 0 is 0."""
    squares = jnp.square(rows).sum(-1, keepdims=True)
    return jnp.where(squares == 0, 0.0, jnp.sqrt(jnp.where(squares == 0, 1.0, squares)))


def _unit(rows: Any) -> Any:
    """Rows at norm 1, but for those that are 0."""
    norms = _norms(rows)
    return rows / jnp.where(norms == 0, 1.0, norms)


def learned(rule: str, operands: tuple[Any, ...]) -> Any:
    """Patterns that have learned, with operands of probes, patterns, β, η, λ and λ₁."""
    probes, patterns, beta, eta, reg_lambda, l1_lambda = operands
    probes = probes.reshape(-1, patterns.shape[1])
    if len(probes) == 0:
        return patterns
    p = jax.nn.softmax(beta * probes @ patterns.T, -1)
    retrieved = p @ patterns
    change = p.T @ (probes - retrieved if rule == "delta" else probes)
    if rule == "contrastive":
        change -= jax.nn.softmax(beta * retrieved @ patterns.T, -1).T @ retrieved
    decay = reg_lambda * patterns + l1_lambda * jnp.sign(patterns)
    return patterns + eta / len(probes) * change - decay
