"""Digits from a part of themselves: what is stored, what is shown, what is recalled.

    python digits.py picture.png

Needs scikit-learn for the digits, and matplotlib.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import hopfield_kernels as hk


def main(path: str) -> None:
    digits = load_digits().data[:100].astype(np.float32) / 16.0
    # Rows of norm 1, so that the largest similarity is that of the nearest digit.
    stored = digits / np.linalg.norm(digits, axis=1, keepdims=True)
    memory = hk.Memory(stored)

    shown = stored[:10].copy()
    shown[:, 40:] = 0.0  # the lower three of eight rows are hidden
    recall = memory.recall(shown, beta=200.0, steps=None, eps=1e-6)

    right = (recall.retrieved @ stored[:10].T).argmax(1) == np.arange(10)
    print(f"{right.sum()} of 10 digits came back, after {recall.steps.max()} updates at most")

    figure, axes = plt.subplots(3, 10, figsize=(10, 3.4))
    rows = {"stored": stored[:10], "shown": shown, "recalled": recall.retrieved}
    for of_row, (name, images) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(of_row, images, strict=True):
            axis.imshow(image.reshape(8, 8), cmap="gray_r")
            axis.set_xticks([])
            axis.set_yticks([])
        of_row[0].set_ylabel(name)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "digits.png")
