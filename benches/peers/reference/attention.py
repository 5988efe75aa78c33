"""Recall and its gradients by PyTorch, on one thread: milliseconds, the median of seven runs.

Run from the root of the repository: python benches/peers/reference/attention.py. The rows of the
crate beside it are those of `cargo bench -p benches --bench family`.
"""

import time

import torch

BETA = 0.003


def attention(x, m):
    return torch.nn.functional.scaled_dot_product_attention(x, m, m, scale=BETA)


def eager(x, m):
    return torch.softmax(BETA * x @ m.transpose(-1, -2), -1) @ m


def median(recall, x, m, g):
    times = []
    for _ in range(8):
        x.grad = m.grad = None
        start = time.perf_counter()
        recall(x, m).backward(g)
        times.append(1e3 * (time.perf_counter() - start))
    # The first run makes room.
    return sorted(times[1:])[3]


def main():
    torch.set_num_threads(1)
    for batch, dim, count in ((128, 784, 10_000), (1, 784, 60_000)):
        x = torch.randn(1, 1, batch, dim, requires_grad=True)
        m = torch.randn(1, 1, count, dim, requires_grad=True)
        g = torch.randn(1, 1, batch, dim)
        for recall in (attention, eager):
            print(f"{batch} x {dim} x {count} {recall.__name__}: {median(recall, x, m, g):.1f} ms")


if __name__ == "__main__":
    main()
