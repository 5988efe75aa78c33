"""Recall as the definitions have it, in float64 NumPy: nothing clever, for comparison."""

import numpy as np


def similarity(name, x, m):
    if name == "dot":
        return m @ x
    if name == "cosine":
        norms = np.linalg.norm(m, axis=1) * np.linalg.norm(x)
        return np.divide(m @ x, norms, out=np.zeros(len(m)), where=norms > 0)
    difference = x - m
    if name == "neg_half_squared_l2":
        return -0.5 * (difference**2).sum(1)
    if name == "neg_l2":
        return -np.sqrt((difference**2).sum(1))
    return -np.abs(difference).sum(1)


def bisect(of, low, high):
    """Where the falling function `of` is 0."""
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if of(middle) > 0 else (low, middle)
    return 0.5 * (low + high)


def weights(name, parameter, t):
    """Weights of one row; -inf is a mask."""
    part = np.isfinite(t)
    if not part.any():
        return np.zeros_like(t)
    top = t[part].max()
    e = np.exp(t - top)
    order = np.argsort(-t, kind="stable")
    if name == "softmax":
        return e / e.sum()
    if name == "softmax_plus":
        return np.exp(t) / (parameter + np.exp(t).sum())
    if name in ("sparsemax", "entmax"):
        alpha = 2.0 if name == "sparsemax" else parameter
        power = 1.0 / (alpha - 1.0)
        p = lambda tau: np.maximum((alpha - 1.0) * (t - top) - tau, 0.0) ** power
        return p(bisect(lambda tau: p(tau).sum() - 1.0, -1.0, 0.0))
    if name == "normmax":
        alpha = parameter
        q = lambda tau: np.maximum(t - top - tau, 0.0)
        norm = lambda tau: (q(tau) ** (alpha / (alpha - 1.0))).sum()
        p = q(bisect(lambda tau: norm(tau) - 1.0, -1.0, 0.0)) ** (1.0 / (alpha - 1.0))
        return p / p.sum()
    if name == "k_subsets":
        p = lambda tau: np.clip(t - tau, 0.0, 1.0)
        return p(bisect(lambda tau: p(tau).sum() - parameter, t[part].min() - 1.0, top))
    if name in ("top_k", "hard_top_k", "max"):
        count = 1 if name == "max" else min(int(parameter), part.sum())
        p = np.zeros_like(t)
        chosen = order[:count]
        p[chosen] = e[chosen] / e[chosen].sum() if name == "top_k" else 1.0 / count
        return p
    if name == "polynomial":
        return parameter * np.maximum(t, 0.0) ** (parameter - 1.0)
    if name == "power":
        return np.where(part, np.sign(t) * np.abs(np.where(part, t, 0.0)) ** parameter, 0.0)
    p = np.where(1.0 + t > 0.0, parameter * np.maximum(1.0 + t, 0.0) ** (parameter - 1.0), 0.0)
    return p / p.sum() if p.sum() > 0 else p


def median(x, p, m):
    """The weighted median of every feature; x where that is one."""
    y = np.empty_like(x)
    for d in range(len(x)):
        order = np.argsort(m[:, d], kind="stable")
        half = 0.5 * p.sum()
        below = lambda v: p[m[:, d] < v].sum()
        above = lambda v: p[m[:, d] > v].sum()
        if below(x[d]) <= half and above(x[d]) <= half:
            y[d] = x[d]
            continue
        y[d] = m[order[np.searchsorted(p[order].cumsum(), half)], d]
    return y


def update(similarity_name, separation_name, x, p, m):
    """T(x); NaN where no pattern has a weight."""
    if not p.any():
        return np.full_like(x, np.nan)
    if similarity_name == "neg_l1" and (p < 0).any():
        return np.full_like(x, np.nan)  # there is no such median
    if similarity_name == "neg_l1":
        return median(x, p, m)
    if similarity_name == "neg_l2":
        w = p / np.linalg.norm(x - m, axis=1)
        return w @ m / w.sum()
    if similarity_name == "neg_half_squared_l2":
        return p @ m / p.sum()
    if similarity_name == "cosine":
        y = p @ (m / np.linalg.norm(m, axis=1, keepdims=True))
        return y / np.linalg.norm(y)
    y = p @ m
    if separation_name in ("polynomial", "power"):
        return y / np.linalg.norm(y)
    return y
