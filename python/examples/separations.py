"""Entmax against softmax: how many patterns a recall mixes, as beta grows.

    python separations.py picture.png

Needs scikit-learn for the digits, and matplotlib.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import hopfield_kernels as hk

SEPARATIONS = {
    "softmax": hk.Softmax(),
    "1.5-entmax": hk.Entmax(1.5),
    "sparsemax": hk.Sparsemax(),
}


def main(path: str) -> None:
    digits = load_digits().data.astype(np.float32) / 16.0
    stored = digits / np.linalg.norm(digits, axis=1, keepdims=True)
    memory, rng = hk.Memory(stored[:1000]), np.random.default_rng(0)
    noise = rng.normal(scale=0.05, size=(200, 64)).astype(np.float32)
    probes = stored[:200] + noise

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
    betas = np.geomspace(1.0, 1000.0, 25)
    for name, separation in SEPARATIONS.items():
        mixed, error = [], []
        for beta in betas:
            recall = memory.recall(probes, beta, separation=separation, want="memory_weights")
            weights = recall.memory_weights
            assert weights is not None
            mixed.append((weights > 0.01).sum(1).mean())
            error.append(np.linalg.norm(recall.retrieved - stored[:200], axis=1).mean())
        left.loglog(betas, np.maximum(mixed, 1e-1), label=name)
        right.semilogx(betas, error, label=name)
        print(f"{name}: the least mean error is {min(error):.3f}")
    left.set(xlabel="beta", ylabel="patterns of a weight above 0.01")
    right.set(xlabel="beta", ylabel="mean distance from the stored digit")
    right.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "separations.png")
