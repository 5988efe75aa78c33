"""One peer, one operation, one size: a process that computes when it is told to.

The same protocol is spoken by every worker of the comparison, also by this crate's own:

    PROGRAM --op recall|evolve|step --batch B --dim D --patterns N --dtype f32|f64
            --threads T [--beta F] [--data FILE.npz]

(here also --peer NAME). FILE.npz holds `M` (N x D) and `X` (B x D), C order, of the given
dtype, not compressed. The worker loads them, warms up, and writes one line of JSON,

    {"ready": true, "checksum": 12.3, "update_checksum": 4.5, "version": "..."}

then waits on its standard input. `go SECONDS` is answered with

    {"seconds": 0.00123, "calls": 240}

the median time of a call, over the calls that began within SECONDS (at least one), after one
call that is not timed and brings the worker's data back into the caches. `quit`, or the end of
the input, ends it. Nothing else goes to standard output.

    recall   P = softmax(beta X M^T), X^ = P M
    evolve   M += ETA P^T (X - X^) / B, with P and X^ at hand
    step     both

`checksum` is the sum of |X^| of the first recall, whatever the operation is. `update_checksum`
(absent for recall) is the sum of |P^T (X - X^) / B|, read off one update of a copy of M at
ETA = N: at the ETA that is timed an update is smaller than the rounding of M.
"""

import argparse
import functools
import gc
import json
import os
import statistics
import sys
import time
from importlib.metadata import version

import numpy as np

ETA = 1e-6  # so small that any number of updates leaves M as it was; the cost is the same
DTYPES = {"f32": np.float32, "f64": np.float64}


class Peer:
    """The operations of one library. A subclass keeps its own copies of M and X."""

    ops = ("recall", "evolve", "step")
    dtypes = ("f32", "f64")

    def __init__(self, M, X, beta, eta, threads):
        raise NotImplementedError

    def recalled(self):
        """X^ of the last recall, as a NumPy array."""
        raise NotImplementedError

    def patterns(self):
        """M (N x D) as it is now, as a NumPy array."""
        raise NotImplementedError

    def update_checksum(self, op, make):
        """Learns once, at eta = N, in a peer made for it, and measures what was learned."""
        M = self.patterns().copy()
        other = make(eta=float(len(M)))
        other.associate()
        getattr(other, op)()
        return checksum(other.patterns() - M) / len(M)


class Numpy(Peer):
    """BLAS products into buffers made once; the softmax is done in place."""

    def __init__(self, M, X, beta, eta, threads):
        from threadpoolctl import threadpool_info

        blas = [f"{i['internal_api']} {i['version']} {i.get('architecture')}"
                for i in threadpool_info() if i["user_api"] == "blas"]
        self.version = f"numpy {np.__version__} ({', '.join(blas)})"
        self.M, self.X, self.beta, self.rate = M.copy(), X.copy(), beta, eta / len(X)
        self.scaled, self.out, self.error = (np.empty_like(X) for _ in range(3))
        self.P = np.empty((len(X), len(M)), M.dtype)
        self.update = np.empty_like(M)  # untouched, so not resident, if nothing is learned

    def exponentials(self):
        """Leaves exp(beta S - max) in P and returns its row sums."""
        np.multiply(self.X, self.beta, out=self.scaled)
        np.matmul(self.scaled, self.M.T, out=self.P)
        self.P -= self.P.max(axis=1, keepdims=True)
        np.exp(self.P, out=self.P)
        return self.P.sum(axis=1, keepdims=True)

    def recall(self):
        sums = self.exponentials()
        np.matmul(self.P, self.M, out=self.out)
        self.out /= sums  # B x D divisions, not B x N

    def associate(self):
        """Recall that leaves the normalised P behind."""
        sums = self.exponentials()
        self.P /= sums
        np.matmul(self.P, self.M, out=self.out)

    def evolve(self):
        np.subtract(self.X, self.out, out=self.error)
        self.error *= self.rate
        if len(self.X) == 1:  # several times faster than the matrix product
            np.einsum("n,d->nd", self.P[0], self.error[0], out=self.update)
        else:
            np.matmul(self.P.T, self.error, out=self.update)
        self.M += self.update

    def step(self):
        self.associate()
        self.evolve()

    def recalled(self):
        return self.out

    def patterns(self):
        return self.M


class Jax(Peer):
    """Each operation is one jitted function; the one that learns is given M to write into."""

    def __init__(self, M, X, beta, eta, threads):
        jax = import_jax(M.dtype)
        jnp = jax.numpy
        self.version = f"jax {jax.__version__}, jaxlib {version('jaxlib')}"
        self.M, self.X = jnp.array(M), jnp.array(X)
        self.P = self.out = None
        rate = eta / len(X)

        def associate(M, X):
            P = jax.nn.softmax((beta * X) @ M.T, axis=1)
            return P, P @ M

        def evolve(M, X, out, P):
            return M + P.T @ (rate * (X - out))

        def step(M, X):
            P, out = associate(M, X)
            return evolve(M, X, out, P), out

        self.jit_associate = jax.jit(associate)
        self.jit_recall = jax.jit(lambda M, X: associate(M, X)[1])
        self.jit_evolve = jax.jit(evolve, donate_argnums=0)
        self.jit_step = jax.jit(step, donate_argnums=0)

    def recall(self):
        self.out = self.jit_recall(self.M, self.X)
        self.out.block_until_ready()

    def associate(self):
        self.P, self.out = self.jit_associate(self.M, self.X)

    def evolve(self):
        self.M = self.jit_evolve(self.M, self.X, self.out, self.P)
        self.M.block_until_ready()

    def step(self):
        self.M, self.out = self.jit_step(self.M, self.X)
        self.M.block_until_ready()

    def recalled(self):
        return np.asarray(self.out)

    def patterns(self):
        return np.array(self.M)  # a copy: M's buffer is about to be given away


class NgcLearn(Peer):
    """HopfieldSynapse, its compilable methods compiled by its own MethodProcess.

    Leaving the Context turns `advance_state` and `evolve` into pure functions of the global
    state; ngclearn's MethodProcess joins them and wraps them in jax.jit, and `run` calls the
    result and stores the new state. The first runs compile again, because the compartments
    change shape and type from their initial values.
    """

    dtypes = ("f32",)

    def __init__(self, M, X, beta, eta, threads):
        jax = import_jax(M.dtype)
        from ngclearn import Context, MethodProcess
        from ngclearn.components.synapses.competitive.hopfieldSynapse import (
            HopfieldSynapse)

        self.version = f"ngclearn {version('ngclearn')} (jax {jax.__version__})"
        W = jax.numpy.array(M.T)
        with Context("peer"):
            self.cell = HopfieldSynapse("memory", shape=W.shape, eta=eta, beta=beta,
                                        initial_patterns=W, batch_size=len(X),
                                        key=jax.random.PRNGKey(0))
            self.advance = MethodProcess("advance") >> self.cell.advance_state
            self.learn = MethodProcess("learn") >> self.cell.evolve
            self.both = (MethodProcess("both") >> self.cell.advance_state
                         >> self.cell.evolve)
        self.cell.inputs.set(jax.numpy.array(X))

    def recall(self):
        self.advance.run()
        self.cell.outputs.get().block_until_ready()

    associate = recall

    def evolve(self):
        self.learn.run(t=0.0, dt=1.0)
        self.cell.weights.get().block_until_ready()

    def step(self):
        self.both.run(t=0.0, dt=1.0)
        self.cell.weights.get().block_until_ready()

    def recalled(self):
        return np.asarray(self.cell.outputs.get())

    def update_checksum(self, op, make):
        # A second component would share the global state, which every run carries along.
        getattr(self, op)()
        return checksum(np.asarray(self.cell.dWeights.get()))


class Torch(Peer):
    """Eager operations into buffers made once; the update is one in-place addmm."""

    def __init__(self, M, X, beta, eta, threads):
        self.torch = import_torch(threads)
        self.version = f"torch {self.torch.__version__}"
        self.M, self.X = (self.torch.from_numpy(a).clone() for a in (M, X))
        self.beta, self.rate = beta, eta / len(X)
        self.S, self.P = (self.M.new_empty(len(X), len(M)) for _ in range(2))
        self.out = self.torch.empty_like(self.X)

    def recall(self):
        self.torch.mm(self.X * self.beta, self.M.T, out=self.S)
        self.torch.softmax(self.S, dim=1, out=self.P)
        self.torch.mm(self.P, self.M, out=self.out)

    associate = recall

    def evolve(self):
        self.M.addmm_(self.P.T, self.X - self.out, alpha=self.rate)

    def step(self):
        self.recall()
        self.evolve()

    def recalled(self):
        return self.out.numpy()

    def patterns(self):
        return self.M.numpy()


class TorchSdpa(Peer):
    """Scaled dot-product attention with keys = values = M. It gives no P to learn from."""

    ops = ("recall",)

    def __init__(self, M, X, beta, eta, threads):
        torch = import_torch(threads)
        self.version = f"torch {torch.__version__}"
        M, X = (torch.from_numpy(a).clone()[None, None] for a in (M, X))
        self.attend = functools.partial(torch.nn.functional.scaled_dot_product_attention,
                                        X, M, M, scale=beta)

    def recall(self):
        self.out = self.attend()

    associate = recall

    def recalled(self):
        return self.out[0, 0].numpy()


PEERS = {"ngclearn": NgcLearn, "jax": Jax, "numpy": Numpy, "torch": Torch,
         "torch-sdpa": TorchSdpa}


def import_jax(dtype):
    import jax

    jax.config.update("jax_enable_x64", dtype == np.float64)
    # Every call is waited for; handing it to another thread first only costs a few microseconds.
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    return jax


def import_torch(threads):
    import torch

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    return torch


def checksum(array):
    return float(np.abs(array).sum(dtype=np.float64))


def seconds_of(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def warm_up(call, at_least=0.3, at_most=30.0, settled=1.5):
    """Calls until five calls in a row take nearly the same time: all compiling is over."""
    begin, times = time.perf_counter(), []
    while (elapsed := time.perf_counter() - begin) < at_most:
        times.append(seconds_of(call))
        recent = times[-5:]
        if elapsed > at_least and len(recent) == 5 and max(recent) < settled * min(times):
            return


def time_slice(call, seconds):
    call()
    times, end = [], time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        times.append(seconds_of(call))
    return {"seconds": statistics.median(times), "calls": len(times)}


def serve(call, commands, say):
    for line in commands:
        command, *arguments = line.split() or [""]
        if command == "quit":
            return
        if command != "go":
            raise SystemExit(f"unknown command: {line!r}")
        say(time_slice(call, float(arguments[0])))


def load(args):
    with np.load(args.data) as data:
        M, X = data["M"], data["X"]
    dtype = DTYPES[args.dtype]
    if M.shape != (args.patterns, args.dim) or X.shape != (args.batch, args.dim) \
            or M.dtype != dtype or X.dtype != dtype:
        raise SystemExit(f"data is M {M.shape} {M.dtype}, X {X.shape} {X.dtype}")
    return M, X


def arguments():
    parser = argparse.ArgumentParser(description="One worker of the comparison")
    parser.add_argument("--peer", choices=PEERS, required=True)
    parser.add_argument("--op", choices=Peer.ops, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--dim", type=int, required=True)
    parser.add_argument("--patterns", type=int, required=True)
    parser.add_argument("--dtype", choices=DTYPES, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--beta", type=float, default=8.0)
    parser.add_argument("--data", required=True)
    return parser.parse_args()


def main():
    args = arguments()
    # The answers keep standard output to themselves: what a library prints goes to stderr.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(answer):
        print(json.dumps(answer), file=answers, flush=True)

    M, X = load(args)
    make = functools.partial(PEERS[args.peer], M, X, beta=args.beta, threads=args.threads)
    peer = make(eta=ETA)
    (peer.recall if args.op == "recall" else peer.associate)()
    ready = {"ready": True, "checksum": checksum(peer.recalled()), "version": peer.version}
    if args.op != "recall":
        ready["update_checksum"] = peer.update_checksum(args.op, make)
    del make, M, X
    call = getattr(peer, args.op)
    warm_up(call)
    gc.collect()
    gc.disable()
    say(ready)
    serve(call, sys.stdin, say)


if __name__ == "__main__":
    main()
