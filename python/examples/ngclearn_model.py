"""A model of ngc-learn that learns digits: a dense synapse drives a Hopfield synapse.

    python ngclearn_model.py picture.png

Needs ngc-learn, scikit-learn for the digits, and matplotlib. With the imports of ngc-learn in place
of that of this package, it computes the same numbers.
"""

import sys

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from ngclearn import Context
from ngclearn.components.synapses.denseSynapse import DenseSynapse
from sklearn.datasets import load_digits

from hopfield_kernels.ngclearn import HopfieldSynapse, MethodProcess

BATCH, PATTERNS = 16, 64


def main(path: str) -> None:
    digits = load_digits().data.astype(np.float32) / 16.0
    digits /= np.linalg.norm(digits, axis=1, keepdims=True)
    keys = jax.random.split(jax.random.PRNGKey(0), 3)
    start = 0.1 * jax.random.uniform(keys[0], (64, PATTERNS))
    with Context("model"):
        eye = DenseSynapse("eye", shape=(64, 64), batch_size=BATCH, key=keys[1])
        memory = HopfieldSynapse(
            "memory",
            shape=(64, PATTERNS),
            eta=0.5,
            beta=8.0,
            initial_patterns=start,
            batch_size=BATCH,
            key=keys[2],
        )
        eye.outputs >> memory.inputs
        step = MethodProcess("step") >> eye.advance_state >> memory.advance_state >> memory.evolve
        step.watch(memory.outputs)
    eye.weights.set(jnp.eye(64))

    errors, rng = [], np.random.default_rng(0)
    for t in range(600):
        probes = jnp.asarray(digits[rng.integers(len(digits), size=BATCH)])
        eye.inputs.set(probes)
        _, (outputs,) = step.run(t=float(t), dt=1.0)
        errors.append(float(jnp.linalg.norm(outputs - probes, axis=1).mean()))
    print(f"mean distance of a digit and its recall: {errors[0]:.2f}, then {errors[-1]:.2f}")
    assert errors[-1] < errors[0]

    learned = np.asarray(memory.weights.get()).T
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4))
    left.plot(errors)
    left.set(xlabel="step", ylabel="mean distance")
    rows = learned.reshape(4, 16, 8, 8).transpose(0, 2, 1, 3).reshape(32, 128)
    right.imshow(rows, cmap="gray_r")
    right.set(title="learned patterns", xticks=[], yticks=[])
    figure.tight_layout()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "ngclearn_model.png")
