import time

import families
import numpy as np
import pytest

torch = pytest.importorskip("torch")

import hopfield_kernels as hk  # noqa: E402
import hopfield_kernels.torch as hkt  # noqa: E402


def operands(dtype=torch.float64, values=False):
    generator = torch.Generator().manual_seed(1)
    normal = lambda *shape: torch.randn(*shape, generator=generator, dtype=dtype)
    tensors = [normal(4, 3), normal(6, 3), torch.tensor(1.3, dtype=dtype)]
    tensors += [normal(6, 2)] if values else []
    return [tensor.requires_grad_() for tensor in tensors]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_against_numpy_and_torch(dtype):
    x, m, beta = operands(dtype)
    found = hkt.retrieve(x, m, beta)
    memory = hk.Memory(m.detach().numpy())
    expected = memory.retrieve(x.detach().numpy(), beta.item())
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-5)
    assert torch.allclose(found, torch.softmax(beta * x @ m.T, -1) @ m, atol=1e-6)
    assert hkt.retrieve(x[0], m, 1.3).shape == (3,)
    assert hkt.retrieve(x.reshape(2, 2, 3), m, 1.3).shape == (2, 2, 3)
    assert hkt.retrieve(x.T.contiguous().T, m, beta).equal(found)


@pytest.mark.parametrize("layout", ["contiguous", "rows apart", "columns"])
@pytest.mark.parametrize("width", [3, 16, 40])
def test_layouts(width, layout):
    generator = torch.Generator().manual_seed(1)
    x, m = (torch.randn(n, width, generator=generator) for n in (4, 300))
    values = torch.randn(300, 5, generator=generator)
    expected = torch.softmax(0.5 * x @ m.T, -1)
    if layout == "rows apart":
        m, values = (torch.cat([of, of], 1)[:, : of.shape[1]] for of in (m, values))
    elif layout == "columns":
        m, values = m.T.contiguous().T, values.T.contiguous().T
    assert torch.allclose(hkt.retrieve(x, m, 0.5), expected @ m, atol=1e-5)
    assert torch.allclose(hkt.retrieve(x, m, 0.5, values), expected @ values, atol=1e-5)
    with pytest.raises(ValueError, match="values: expected 300 rows, got 299"):
        hkt.retrieve(x, m, 0.5, values[1:])


def test_patterns_are_not_copied():
    """A recall of one probe takes less time than a copy of the patterns into a memory."""
    m = torch.randn(20_000, 512)
    times = {"retrieve": [], "memory": []}
    for _ in range(7):
        for name, call in (
            ("retrieve", lambda: hkt.retrieve(m[0], m, 1.0)),
            ("memory", lambda: hk.Memory(m.numpy())),
        ):
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    assert min(times["retrieve"]) < min(times["memory"]), times


@pytest.mark.parametrize("values", [False, True])
@pytest.mark.parametrize("steps", [1, 3])
def test_gradients(values, steps):
    tensors = operands(values=values)
    assert torch.autograd.gradcheck(lambda *of: hkt.retrieve(*of, steps=steps), tensors)


@pytest.mark.parametrize("similarity", families.SIMILARITIES)
@pytest.mark.parametrize("separation", families.SMOOTH)
def test_gradients_of_the_family(separation, similarity):
    of = families.SEPARATIONS[separation][0]
    call = lambda *tensors: hkt.retrieve(*tensors, similarity=similarity, separation=of)
    assert torch.autograd.gradcheck(call, operands(values=True))


@pytest.mark.parametrize("shape", [(6,), (4, 6)])
def test_masks_and_biases(shape):
    x, m, beta = operands()
    bias = torch.randn(*shape, dtype=torch.float64, requires_grad=True)
    mask = torch.arange(6).remainder(2).eq(0).expand(shape)
    call = lambda x, m, bias: hkt.retrieve(x, m, beta, bias=bias, mask=mask)
    assert torch.autograd.gradcheck(call, [x, m, bias])
    scores = (beta * x @ m.T + bias).masked_fill(~mask, -torch.inf)
    assert torch.allclose(call(x, m, bias), torch.softmax(scores, -1) @ m)


def test_the_operator_is_well_formed():
    x, m, beta = operands()
    settings = ("dot", "softmax", 0.0, 1)
    none = (None, None, None)
    torch.library.opcheck(torch.ops.hopfield_kernels.retrieve, (x, m, beta, *none, *settings))


def test_compile():
    x, m, beta = operands()
    module = hkt.HopfieldRetrieval(m, 1.3, trainable=True)
    compiled = torch.compile(
        lambda x: module(x).square().sum(), fullgraph=True, backend="aot_eager"
    )
    (expected,) = torch.autograd.grad(module(x).square().sum(), x)
    (found,) = torch.autograd.grad(compiled(x), x)
    assert torch.allclose(found, expected)


def test_module():
    _, m, _ = operands()
    static = hkt.HopfieldRetrieval(m, 2.0, separation=hk.Entmax(1.5))
    assert not list(static.parameters()) and set(static.state_dict()) == {"patterns", "beta"}
    assert "6 patterns of 3" in repr(static)
    module = hkt.HopfieldRetrieval(m, 2.0, torch.ones(6, 2).double(), trainable=True)
    module.load_state_dict(module.state_dict())
    x = torch.randn(5, 3, dtype=torch.float64)
    optimiser = torch.optim.SGD(module.parameters(), 0.1)
    losses = []
    for _ in range(10):
        optimiser.zero_grad()
        loss = module(x).sum(1).sub(1.0).square().mean()
        loss.backward()
        losses.append(loss.item())
        optimiser.step()
    assert losses[-1] < losses[0]


def test_trainable_beta():
    _, m, _ = operands()
    module = hkt.HopfieldRetrieval(m, 2.0, trainable_beta=True)
    module(m).square().sum().backward()
    assert module.beta.grad.shape == () and module.beta.grad != 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, m: hkt.retrieve(x, m.float(), 1.0), "patterns: expected torch.float64"),
        (lambda x, m: hkt.retrieve(x.half(), m.half(), 1.0), "probes: expected torch.float32"),
        (lambda x, m: hkt.retrieve(x[:, :2], m, 1.0), "probes: expected shape"),
        (lambda x, m: hkt.retrieve(x, m, -1.0), "beta"),
        (lambda x, m: hkt.retrieve(x, m, 1.0, steps=0), "steps"),
        (lambda x, m: hkt.HopfieldRetrieval(m, separation="soft"), "separation"),
    ],
)
def test_errors(call, message):
    x, m, _ = operands()
    with pytest.raises(ValueError, match=message):
        call(x, m)
