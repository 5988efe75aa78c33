"""Times of the Python package beside those of what it stands in for, on one thread.

    python benches/bindings.py            # all that is installed, a few minutes
    python benches/bindings.py memory jax # some groups: memory, ngclearn, scan, jax, torch, entmax

Every case runs its variants in turn, round after round, so that what else the machine does befalls
all of them. The table has the least and the median time of a call in microseconds, and the ratio of
the least times to that of the first variant.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

# Before anything starts threads.
os.environ.update(
    RAYON_NUM_THREADS="1",
    OMP_NUM_THREADS="1",
    XLA_FLAGS="--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
)
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import numpy as np

import hopfield_kernels as hk

#: Seconds that the rounds of a case take together, and the least of a variant's turn in a round.
SECONDS, TURN = 6.0, 1e-2
ROUNDS = 60

Case = tuple[str, dict[str, Callable[[], Any]], float]


def machine() -> str:
    """The processor's family and the versions, without names of the machine."""
    facts: dict[str, str] = {}
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                name, _, value = line.partition(":")
                facts.setdefault(name.strip(), value.strip())
    except OSError:
        pass
    family = f"family {facts.get('cpu family', '?')} model {facts.get('model', '?')}"
    vendor = facts.get("vendor_id", platform.machine())
    return f"{vendor} {family}, level {hk.level()}, Python {platform.python_version()}"


def normal(*shape: int) -> np.ndarray:
    """Standard normal numbers."""
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def measure(variants: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
    """Seconds of a call of each variant, in rounds of a turn each.

    A turn is several calls one after the other, as a program makes them: the first finds in the
    caches what the variant before has left there.
    """
    often = lambda call: max(1, int(TURN / max(turn(call, 1), 1e-9)))
    repeats = {name: often(call) for name, call in variants.items()}
    times: dict[str, list[float]] = {name: [] for name in variants}
    end = time.perf_counter() + SECONDS
    for number in range(ROUNDS):
        for name, call in variants.items():
            times[name].append(turn(call, repeats[name]))
        if time.perf_counter() > end and number >= 4:
            break
    return times


def turn(call: Callable[[], Any], repeats: int) -> float:
    """Seconds of a call, after one that is not counted."""
    with call if isinstance(call, Alone) else contextlib.nullcontext():
        call()
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        return (time.perf_counter() - start) / repeats


def report(cases: Iterator[Case]) -> None:
    """Prints a row for every variant."""
    print("| case | variant | least, us | median, us | ratio | goal |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for title, variants, goal in cases:
        times = measure(variants)
        first = min(next(iter(times.values())))
        for place, (name, found) in enumerate(times.items()):
            least, median = min(found) * 1e6, statistics.median(found) * 1e6
            aim = f"{goal:g}" if place == 1 or len(times) == 1 else ""
            ratio = first / min(found)
            print(f"| {title} | {name} | {least:.1f} | {median:.1f} | {ratio:.2f} | {aim} |")
        sys.stdout.flush()


def memory_cases() -> Iterator[Case]:
    """Small calls, whose goal is a time in microseconds."""
    memory, x = hk.Memory(normal(16, 16)), normal(1, 16)
    retrieve = memory.retrieve
    yield "`Memory.retrieve` of 1 x 16 on 16", {"this package": lambda: retrieve(x, 2.0)}, 1.5


def jax_cases() -> Iterator[Case]:
    """A recall in a compiled program, beside the same in jax.numpy."""
    import jax
    import jax.numpy as jnp

    import hopfield_kernels.jax as hkj

    reference = jax.jit(lambda x, m, beta: jax.nn.softmax(beta * x @ m.T, -1) @ m)
    ours = jax.jit(hkj.retrieve)
    for (batch, dim, count), goal in (
        ((1, 784, 1_000), 1.6),
        ((16, 784, 1_000), 1.4),
        ((128, 784, 10_000), 1.25),
    ):
        x, m = jnp.asarray(normal(batch, dim)), jnp.asarray(normal(count, dim) / 28)
        beta = jnp.float32(2.0)
        run = lambda f, x=x, m=m, beta=beta: lambda: f(x, m, beta).block_until_ready()
        title = f"`hk.jax.retrieve` in jit, {batch} x {dim} x {count:,}"
        yield title, {"jax.numpy": run(reference), "this package": run(ours)}, goal


def component(kind: Any, processes: Any, shape: tuple[int, int, int], **options: Any) -> Any:
    """A component with its processes."""
    import jax
    import jax.numpy as jnp
    from ngclearn import Context

    batch, dim, count = shape
    weights = jnp.asarray(normal(dim, count) / 28)
    with Context(f"c{next(NUMBERS)}"):
        options |= {"initial_patterns": weights, "batch_size": batch}
        synapse = kind("W", (dim, count), 0.01, beta=2.0, key=jax.random.PRNGKey(0), **options)
        advance = processes.MethodProcess("advance") >> synapse.advance_state
        both = processes.MethodProcess("both") >> synapse.advance_state >> synapse.evolve
    synapse.inputs.set(jnp.asarray(normal(batch, dim)))
    return synapse, advance, both


NUMBERS = itertools.count()


def kinds() -> dict[str, tuple[Any, Any, dict[str, Any]]]:
    """The real component, and this package's in its modes."""
    import jax.numpy as jnp
    import ngclearn
    from ngclearn import Compartment
    from ngclearn.components.synapses.competitive.hopfieldSynapse import HopfieldSynapse

    import hopfield_kernels.ngclearn as hkn

    class Scannable(HopfieldSynapse):  # type: ignore[misc]
        """The real one, with the shapes of compartments that its dynamics give them."""

        def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
            super().__init__(name, *args, **kwargs)
            zeros = jnp.zeros((self.batch_size, self.weights.get().shape[1]))
            self.similarities, self.memory_weights = Compartment(zeros), Compartment(zeros)

    return {
        "ngc-learn": (Scannable, ngclearn, {}),
        "this package": (hkn.HopfieldSynapse, hkn, {}),
        "resident, ngc-learn's processes": (
            hkn.HopfieldSynapse,
            ngclearn,
            {"memory": "resident"},
        ),
    }


def clear_state() -> None:
    """Nothing of other cases in the state that every run passes."""
    from ngcsimlib.global_state import stateManager

    getattr(stateManager, "_global_state_manager__state").clear()


class Alone:
    """A variant whose turns see nothing of the others in ngc-learn's global state."""

    def __init__(self, build: Callable[[], Any], call: Callable[[Any], Any]) -> None:
        from ngcsimlib.global_state import stateManager

        self.manager = stateManager
        clear_state()
        self.built, self.call = build(), call
        self.state = stateManager.state
        clear_state()

    def __enter__(self) -> None:
        self.manager.set_state(self.state)
        # Nobody else holds the arrays now, as in a program of one model.
        self.state = {}

    def __exit__(self, *_: Any) -> None:
        self.state = self.manager.state
        clear_state()

    def __call__(self) -> None:
        import jax

        jax.block_until_ready(self.call(self.built))


def ngclearn_cases() -> Iterator[Case]:
    """`advance_state`, and both methods, each as one process."""
    for shape, goal in (
        ((1, 784, 1_000), 5.0),
        ((16, 784, 1_000), 3.0),
        ((128, 784, 10_000), 1.4),
        ((1, 784, 60_000), 25.0),
    ):
        size = f"{shape[0]} x {shape[1]} x {shape[2]:,}"
        for title, place, aim in (("`advance_state`", 1, goal), ("both methods", 2, 0.0)):
            variants = {
                name: Alone(
                    lambda of=(kind, processes), options=options: component(*of, shape, **options),
                    lambda built, place=place: run(built[place], place == 2),
                )
                for name, (kind, processes, options) in kinds().items()
            }
            yield f"{title}, {size}", variants, aim


def run(process: Any, evolves: bool) -> Any:
    """What a run has changed."""
    state, _ = process.run(t=0.0, dt=1.0) if evolves else process.run()
    return [value for key, value in state.items() if "outputs" in key or "energy" in key]


def scan_cases() -> Iterator[Case]:
    """Both methods in a scan of 50 steps."""
    import jax
    import jax.numpy as jnp

    for shape, goal in (((1, 784, 1_000), 3.5), ((16, 784, 1_000), 3.0)):
        rows = jnp.zeros((50, 2))
        variants = {
            name: Alone(
                lambda of=(kind, processes), options=options: component(*of, shape, **options),
                lambda built: jax.block_until_ready(scanned(built, rows)),
            )
            for name, (kind, processes, options) in kinds().items()
        }
        yield f"scan of 50 steps, {shape[0]} x {shape[1]} x {shape[2]:,}", variants, goal


def scanned(built: Any, rows: Any) -> Any:
    """The final state, which becomes the global one."""
    from ngcsimlib.global_state import stateManager

    synapse, _, both = built
    state, _ = both.scan(rows, store_state=False, store_results=False)
    stateManager.set_state(state)
    return synapse.energy.get()


def torch_cases() -> Iterator[Case]:
    """Forward and backward, beside PyTorch's attention."""
    import torch

    import hopfield_kernels.torch as hkt

    torch.set_num_threads(1)
    batch, dim, count = 128, 784, 10_000
    x = torch.from_numpy(normal(batch, dim)).requires_grad_()
    m = torch.from_numpy(normal(count, dim) / 28).requires_grad_()

    def attention() -> None:
        of = torch.nn.functional.scaled_dot_product_attention
        of(x[None], m[None], m[None], scale=2.0).sum().backward()

    def ours() -> None:
        hkt.retrieve(x, m, 2.0).sum().backward()

    title = f"`hk.torch.retrieve`, forward and backward, {batch} x {dim} x {count:,}"
    yield title, {"PyTorch's attention": attention, "this package": ours}, 1.3


def entmax_cases() -> Iterator[Case]:
    """Sparse weights, beside PyTorch with the package entmax."""
    import entmax
    import torch

    torch.set_num_threads(1)
    functions = (
        ("sparsemax", entmax.sparsemax, hk.Sparsemax()),
        ("1.5-entmax", entmax.entmax15, hk.Entmax(1.5)),
    )
    for batch, dim, count in ((128, 784, 10_000), (1, 784, 60_000)):
        m, x = normal(count, dim), normal(batch, dim)
        memory, coded = hk.Memory(m), hk.Memory(m, codes="int8")
        of_x, of_m = torch.from_numpy(x), torch.from_numpy(m)
        for name, function, few in functions:
            yield (
                f"{name}, {batch} x {dim} x {count:,}",
                {
                    "PyTorch": lambda f=function, x=of_x, m=of_m: f(0.1 * x @ m.T, dim=-1) @ m,
                    "this package": lambda s=few, x=x, m=memory: m.recall(x, 0.1, separation=s),
                    "with codes": lambda s=few, x=x, m=coded: m.recall(x, 0.1, separation=s),
                },
                10.0,
            )


GROUPS = {
    "memory": memory_cases,
    "jax": jax_cases,
    "ngclearn": ngclearn_cases,
    "scan": scan_cases,
    "torch": torch_cases,
    "entmax": entmax_cases,
}


def run_here() -> None:
    """Programs of JAX run on the thread that calls them, not on one of XLA's."""
    try:
        import jax
    except ImportError:
        return
    jax.config.update("jax_cpu_enable_async_dispatch", False)


if __name__ == "__main__":
    run_here()
    print(f"One thread; {machine()}.\n")
    for group in sys.argv[1:] or GROUPS:
        try:
            report(GROUPS[group]())
        except ImportError as error:
            print(f"\n{group}: not measured ({error})")
        print()
