"""ngc-learn's Hopfield synapse, and processes that copy only what has changed.

A model changes the import of the component, and for speed that of its processes:

>>> from hopfield_kernels.ngclearn import HopfieldSynapse, MethodProcess
>>> import jax.numpy as jnp
>>> from ngclearn import Context
>>> with Context("documentation"):
...     synapse = HopfieldSynapse("W", shape=(3, 2), eta=0.1, initial_patterns=jnp.eye(3)[:, :2])
...     step = MethodProcess("step") >> synapse.advance_state >> synapse.evolve
>>> synapse.inputs.set(jnp.array([[0.1, 0.8, 0.3]]))
>>> _ = step.run(t=0.0, dt=1.0)
>>> synapse.outputs.get().round(2)
Array([[0., 1., 0.]], dtype=float32)

Everything else of the model is unchanged, and so are its numbers, within rounding.
"""

try:
    import jax  # noqa: F401
    import ngclearn  # noqa: F401
except ImportError as error:
    raise ImportError(
        "hopfield_kernels.ngclearn needs ngc-learn: pip install 'ngclearn>=3.2.1,<4'"
    ) from error

from .process import JointProcess, MethodProcess
from .synapse import HopfieldSynapse

__all__ = ["HopfieldSynapse", "JointProcess", "MethodProcess"]
