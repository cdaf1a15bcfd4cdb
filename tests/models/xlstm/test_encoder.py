import shutil
import warnings

import pytest
import torch

from vdcast.errors import InputError
from vdcast.models.shared.dropout import seed_dropout
from vdcast.models.shared.stacked import keep_copies, stack, take
from vdcast.models.xlstm import backends
from vdcast.models.xlstm.backends import FastestScan, slstm_by_kernel
from vdcast.models.xlstm.encoder import XLSTM
from vdcast.models.xlstm.mlstm import MLSTMLayer, mlstm_cell, mlstm_cell_backward
from vdcast.models.xlstm.parts import Sizes
from vdcast.models.xlstm.scan import slstm

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # deprecations in the package's own imports
    import xlstm as package
    from xlstm.blocks.slstm import cell as package_cell
    from xlstm.blocks.slstm.src.vanilla import slstm_forward, slstm_pointwise_function_registry

# embedding_dim, num_blocks, slstm_at, num_heads
SIZES = {
    "default": (128, 6, [1, 3], 4),
    "small": (32, 2, [1], 4),
    "all mLSTM": (64, 3, [], 2),
    "all sLSTM": (32, 2, [0, 1], 4),
    "one block": (48, 1, [], 1),
    "width no multiple of 64": (40, 2, [0], 2),
}


def build(embedding_dim, num_blocks, slstm_at, num_heads, copies=1, dropout=0.0, seed=0, **settings):
    torch.manual_seed(seed)
    return XLSTM(
        copies,
        Sizes(embedding_dim, num_heads, num_blocks),
        slstm_at=slstm_at,
        context_length=32,
        dropout=dropout,
        **settings,
    )


def build_package(embedding_dim, num_blocks, slstm_at, num_heads, seed=0):
    torch.manual_seed(seed)
    slstm_block = package.sLSTMBlockConfig(
        slstm=package.sLSTMLayerConfig(backend="vanilla", num_heads=num_heads)
    )
    config = package.xLSTMBlockStackConfig(
        mlstm_block=package.mLSTMBlockConfig(mlstm=package.mLSTMLayerConfig(num_heads=num_heads)),
        slstm_block=slstm_block if slstm_at else None,
        embedding_dim=embedding_dim,
        num_blocks=num_blocks,
        slstm_at=slstm_at,
        context_length=32,
    )
    return package.xLSTMBlockStack(config)


def perturbed(module):
    """Away from the initial zeros, where gradients would hide mistakes."""
    generator = torch.Generator().manual_seed(2)
    for parameter in module.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator).to(parameter)
    return module


def inputs(*shape, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64).to(dtype)


def value_and_gradients(module, x, run=None):
    x = x.clone().requires_grad_()
    y = (module if run is None else run)(x)
    loss = (y * torch.sin(torch.arange(y.numel(), dtype=x.dtype)).view(y.shape)).sum()
    names, parameters = zip(*module.named_parameters(), strict=True)
    return dict(zip(["y", "x", *names], [y, *torch.autograd.grad(loss, [x, *parameters])], strict=True))


def assert_close(found, expected, tolerance):
    """Relative to the norm of each array."""
    for name, value in expected.items():
        assert (found[name] - value).norm() <= tolerance * value.norm(), name


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_initial_weights_are_the_packages(size):
    found, expected = build(*size).state_dict(), build_package(*size).state_dict()
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert torch.equal(found[name][0], tensor), name


@pytest.fixture(params=SIZES.values(), ids=SIZES)
def twins(request):
    theirs = perturbed(build_package(*request.param))
    mine = build(*request.param, seed=1)
    mine.load_state_dict({name: tensor[None] for name, tensor in theirs.state_dict().items()})
    return mine, theirs, inputs(8, 20, request.param[0])  # the projections of "default" are oneDNN's then


def first_copy(values):
    return {name: value[0] for name, value in values.items()}


def test_outputs_and_gradients_are_the_packages(twins):
    mine, theirs, x = twins
    found = first_copy(value_and_gradients(mine.double(), x[None]))
    assert_close(found, value_and_gradients(theirs.double(), x), 1e-10)


def test_float32_is_as_exact_as_the_packages(twins):
    """Within 1e-5 of the package in float64; gradients of gate biases within three times the package's own error.

    A common shift of the mLSTM's gates cancels in the cell but for the floor, so that what is left of these sums is
    mostly rounding, in the package and here.
    """
    mine, theirs, x = twins
    found = first_copy(value_and_gradients(mine, x[None].float()))
    same = value_and_gradients(theirs, x.float())
    exact = value_and_gradients(theirs.double(), x)
    for name, value in exact.items():
        tolerance = 1e-5 * value.norm()
        if name.endswith("gate.bias"):
            tolerance = max(tolerance, 3 * (same[name] - value).norm())
        assert (found[name] - value).norm() <= tolerance, name


def test_the_package_reads_our_weights():
    size = SIZES["small"]
    mine, theirs = perturbed(build(*size)).double(), build_package(*size, seed=1).double()
    theirs.load_state_dict({name: tensor[0] for name, tensor in mine.state_dict().items()})
    x = inputs(2, 9, 32)
    torch.testing.assert_close(theirs(x), mine(x[None])[0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("steps, windows", [(1, 2), (3, 1), (32, 2)])
def test_any_length_and_batch(steps, windows):
    size = SIZES["small"]
    theirs = perturbed(build_package(*size)).double()
    mine = build(*size).double()
    mine.load_state_dict({name: tensor[None] for name, tensor in theirs.state_dict().items()})
    x = inputs(windows, steps, 32)
    found = first_copy(value_and_gradients(mine, x[None]))
    expected = value_and_gradients(theirs, x)
    if steps == 1:  # one step has no past: its gradients by recurrent weights and forget gates are zero
        found, expected = ({k: v for k, v in d.items() if k in ("y", "x")} for d in (found, expected))
    assert_close(found, expected, 1e-10)


def textbook_slstm(gates, recurrent):
    """Equations 8 to 17 without a stabiliser: gates (L, 4, d) of one window and head -> (L, d)."""
    d = gates.shape[-1]
    c = n = h = torch.zeros(d, dtype=gates.dtype)
    outputs = []
    for gates_t in gates:
        i, f, z, o = gates_t + (recurrent @ h).view(4, d)
        c = torch.sigmoid(f) * c + torch.exp(i) * torch.tanh(z)
        n = torch.sigmoid(f) * n + torch.exp(i)
        h = torch.sigmoid(o) * c / n
        outputs.append(h)
    return torch.stack(outputs)


def test_slstm_follows_the_textbook():
    M, d, L, B = 2, 3, 7, 2
    gates, recurrent = inputs(M, 4 * d, L, B).requires_grad_(), inputs(M, 4 * d, d).requires_grad_()
    h = slstm(gates, recurrent)
    expected = torch.stack(
        [
            torch.stack(
                [textbook_slstm(gates[m, :, :, b].T.view(L, 4, d), recurrent[m]) for b in range(B)], dim=-1
            )
            for m in range(M)
        ],
        dim=1,
    )
    torch.testing.assert_close(h, expected, rtol=1e-12, atol=1e-12)
    weights = inputs(*h.shape)
    for a, b in zip(
        torch.autograd.grad((h * weights).sum(), [gates, recurrent]),
        torch.autograd.grad((expected * weights).sum(), [gates, recurrent]),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_slstm_survives_extreme_gates():
    gates = 400 * inputs(2, 12, 9, 2, dtype=torch.float32).requires_grad_()
    h = slstm(gates, inputs(2, 12, 3, dtype=torch.float32))
    (grad,) = torch.autograd.grad(h.square().sum(), gates)
    assert h.isfinite().all() and h.abs().max() <= 1
    assert grad.isfinite().all()


def test_mlstm_survives_extreme_gates():
    """Input gates so small that the floor exp(-m) leaves float32, and so large that nothing else counts."""
    q, k, v = (inputs(4, 9, 3, dtype=torch.float32).roll(r, 0).requires_grad_() for r in range(3))
    i, f = (400 * inputs(4, 9, dtype=torch.float32).roll(r, 0) for r in range(2))
    h, *cell = mlstm_cell(q, k, v, i, f)
    gradients = mlstm_cell_backward(torch.ones_like(h), q, k, v, *cell)
    assert i.min() < -200 and i.max() > 200
    assert all(part.isfinite().all() for part in (h, *gradients))


def textbook_mlstm(q, k, v, i, f):
    """Equations 19 to 27 without a stabiliser but for its floor: q, k, v (L, d), i, f (L,) -> (L, d)."""
    d = q.shape[-1]
    C, n, m = torch.zeros(d, d, dtype=q.dtype), torch.zeros(d, dtype=q.dtype), torch.tensor(-torch.inf)
    outputs, floored = [], []
    for q_t, k_t, v_t, i_t, f_t in zip(q, k, v, i, f, strict=True):
        m_before, m = m, torch.maximum(torch.nn.functional.logsigmoid(f_t) + m, i_t)
        keep, add = torch.exp(torch.nn.functional.logsigmoid(f_t) + m_before - m), torch.exp(i_t - m)
        C = keep * C + add * torch.outer(v_t, k_t)
        n = keep * n + add * k_t
        floored.append((n @ q_t).abs() < torch.exp(-m))
        outputs.append(C @ q_t / (torch.maximum((n @ q_t).abs(), torch.exp(-m)) + 1e-6))
    return torch.stack(outputs), torch.stack(floored)


@pytest.mark.parametrize("steps", [8, 3, 1])
def test_mlstm_follows_the_textbook(steps):
    """All gates, heads and projections by the equations; for all steps, and for the last ones alone."""
    N, L, B, U, heads = 2, 8, 2, 32, 2
    J, d = U // 16, U // heads
    u, z = inputs(N, L, B, U), inputs(N, steps, B, U).cos()
    conv, conv_bias, query, value = (
        inputs(N, U, 1, 4),
        inputs(N, U),
        inputs(N, J, 16, 16),
        inputs(N, J, 16, 16) / 4,
    )
    gate_a, gate_u, gate_bias = (
        inputs(N, 2 * heads, U) / 4,
        inputs(N, 2 * heads, U).flip(1) / 4,
        inputs(N, 2 * heads, 1),
    )
    scale, skip = inputs(N, U), inputs(N, U).flip(1)
    arguments = [u, z, conv, conv_bias, query, value, gate_a, gate_u, gate_bias, scale, skip]
    for argument in arguments:
        argument.requires_grad_()
    silu = torch.nn.functional.silu
    y = MLSTMLayer.apply(*arguments)
    expected, floored = torch.zeros_like(y), []
    for n in range(N):
        for b in range(B):
            past = torch.cat([torch.zeros(3, U, dtype=u.dtype), u[n, :, b]])
            a = silu(conv_bias[n] + sum(past[tap : tap + L] * conv[n, :, 0, tap] for tap in range(4)))
            q = a @ torch.block_diag(*query[n]).T
            v = u[n, :, b] @ torch.block_diag(*value[n]).T
            gates = a @ gate_a[n].T + u[n, :, b] @ gate_u[n].T + gate_bias[n, :, 0]
            outputs = []
            for head in range(heads):
                part = slice(head * d, (head + 1) * d)
                h, low = textbook_mlstm(
                    q[:, part], a[:, part], v[:, part], gates[:, head], gates[:, heads + head]
                )
                floored.append(low)
                outputs.append(torch.nn.functional.layer_norm(h, (d,)))
            mixed = scale[n] * torch.cat(outputs, dim=-1) + skip[n] * a
            expected[n, :, b] = mixed[-steps:] * silu(z[n, :, b])
    floored = torch.stack(floored)[:, -steps:]
    assert steps == 1 or (floored.any() and not floored.all())  # both sides of the normaliser's maximum
    torch.testing.assert_close(y, expected, rtol=1e-10, atol=1e-12)
    weights = inputs(*y.shape)
    for a, b in zip(
        torch.autograd.grad((y * weights).sum(), arguments),
        torch.autograd.grad((expected * weights).sum(), arguments),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("slstm_at", [[0], [0, 1]], ids=["mLSTM last", "sLSTM last"])
def test_last_step_only(slstm_at):
    model = perturbed(build(64, 2, slstm_at, 4, copies=2)).double()
    x = inputs(2, 3, 12, 64)
    whole = value_and_gradients(model, x, run=lambda x: model(x)[:, :, -1:])
    assert whole["y"].shape == (2, 3, 1, 64)
    assert_close(value_and_gradients(model, x, run=lambda x: model(x, last_only=True)), whole, 1e-12)


def train(model, x, seeds, steps=3, drop_at=None, keep=None):
    """Plain gradient descent on every copy's own loss; copies other than ``keep`` leave at ``drop_at``."""
    seed_dropout(model, seeds)
    for step in range(steps):
        if step == drop_at:
            keep_copies(model, keep)
            x = x[keep]
        loss = (model(x, last_only=True) - 1).square().mean((1, 2, 3)).sum()
        for parameter, grad in zip(
            model.parameters(), torch.autograd.grad(loss, list(model.parameters())), strict=True
        ):
            parameter.data -= 0.05 * grad
    return model.state_dict()


def test_stacked_training_is_training_one_by_one():
    size, seeds = SIZES["small"], [1, 2, 1]
    x = inputs(3, 4, 10, 32)
    many = build(*size, copies=3, dropout=0.3).double()
    many.load_state_dict(stack([build(*size, seed=seed) for seed in seeds]))
    together = train(many, x, seeds, drop_at=1, keep=[0, 2])
    for row, n in enumerate([0, 2]):
        alone = train(build(*size, dropout=0.3, seed=seeds[n]).double(), x[n : n + 1], seeds[n : n + 1])
        assert_close(take(together, [row]), alone, 1e-12)


def test_training_repeats_bit_for_bit():
    size = SIZES["small"]
    x = inputs(2, 32, 20, 32, dtype=torch.float32)
    first, second = (train(build(*size, copies=2, dropout=0.3), x, [1, 2]) for _ in range(2))
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def test_copies_do_not_see_each_other():
    model = build(*SIZES["small"], copies=2).double()
    x = inputs(2, 3, 10, 32).requires_grad_()
    (grad,) = torch.autograd.grad(model(x)[0, ..., 0].sum(), x)
    assert grad[0].abs().min() > 1e-9 and not grad[1].any()


def test_no_step_sees_the_future():
    model = perturbed(build(*SIZES["small"])).double()
    x = inputs(1, 2, 10, 32).requires_grad_()
    (grad,) = torch.autograd.grad(model(x)[:, :, 5, 0].sum(), x)
    assert grad[:, :, :6].abs().amax((0, 1, 3)).min() > 1e-9 and not grad[:, :, 6:].any()


@pytest.mark.slow
@pytest.mark.parametrize("backend, dropout", [("aot_eager", 0.0), ("aot_eager", 0.3), ("inductor", 0.3)])
def test_compiled_blocks_change_nothing(backend, dropout):
    if backend == "inductor" and not shutil.which("g++"):
        pytest.skip("torch.compile needs a C++ compiler")
    x = inputs(2, 3, 6, 32)

    def trained(compile_it):
        model = perturbed(build(32, 3, [1], 4, copies=2, dropout=dropout)).double()
        if compile_it:
            model.compile_for(2, 3, backend=backend, fullgraph=True)
        return train(model, x, [1, 2])

    try:
        assert_close(trained(True), trained(False), 1e-12)
    finally:
        torch.compiler.reset()


def test_cuda_backend_speaks_the_kernels_layout(monkeypatch):
    """The package's kernel needs a GPU; here its vanilla cell stands in for it, in the kernel's layout."""
    M, d, L, B = 3, 4, 6, 2
    heads = 4  # the next power of two
    gates, recurrent = inputs(M, 4 * d, L, B, dtype=torch.float32), inputs(M, 4 * d, d, dtype=torch.float32)

    def generator(training, config):
        assert (config.num_heads, config.head_dim, config.dtype) == (heads, d, "float32")
        cell = package_cell.sLSTMCell_cuda(config, skip_backend_init=True)
        vanilla = package_cell.sLSTMCell_vanilla(config)

        class Kernel:
            @staticmethod
            def apply(training, x, states, kernel, bias):
                return slstm_forward(
                    x.view(L, B, heads, 4, d).transpose(2, 3).reshape(L, B, -1),
                    states,
                    vanilla._recurrent_kernel_ext2int(cell._recurrent_kernel_int2ext(kernel)),
                    vanilla._bias_ext2int(cell._bias_int2ext(bias)),
                    slstm_pointwise_function_registry["slstm"],
                )[0]

        return Kernel

    monkeypatch.setattr(package_cell, "sLSTMCellFuncGenerator", generator)
    monkeypatch.setattr(torch.Tensor, "is_cuda", True)
    backends.kernel.cache_clear()
    try:
        found = slstm_by_kernel(gates, recurrent)
    finally:
        backends.kernel.cache_clear()
    torch.testing.assert_close(found, slstm(gates, recurrent), rtol=1e-5, atol=1e-6)


def replayed(function, samples):
    """Does what torch.cuda.make_graphed_callables does, without a GPU: all runs write to the same memory."""
    inputs = [sample.detach().clone().requires_grad_() for sample in samples]
    memory = torch.empty_like(function(*inputs))
    grads = [torch.empty_like(part) for part in inputs]

    class Replay(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *given):
            for part, value in zip(inputs, given, strict=True):
                part.data.copy_(value)
            with torch.enable_grad():
                Replay.out = function(*inputs)
            return memory.copy_(Replay.out.detach()).detach()

        @staticmethod
        def backward(ctx, grad):
            for part, value in zip(grads, torch.autograd.grad(Replay.out, inputs, grad), strict=True):
                part.copy_(value)
            return tuple(part.detach() for part in grads)

    replayed.shapes.append(tuple(samples[0].shape))
    return Replay.apply


def test_without_its_kernel_a_gpu_replays_a_graph_of_the_scan(monkeypatch):
    """Two sLSTM blocks, batches of two sizes, a forecast, and a copy that stops: as step by step."""
    replayed.shapes = []
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", replayed)

    def trained(backend):
        model = perturbed(build(32, 3, [0, 2], 4, copies=2, slstm_backend=backend)).double()
        train(model, inputs(2, 3, 6, 32), [1, 2])
        with torch.no_grad():
            forecast = model(inputs(2, 5, 6, 32))
        train(model, inputs(2, 2, 6, 32), [1, 2])
        keep_copies(model, [1])
        return dict(train(model, inputs(1, 3, 6, 32), [2]), forecast=forecast)

    step_by_step = trained("vanilla")
    monkeypatch.setattr(torch.Tensor, "is_cuda", True)
    assert_close(trained("auto"), step_by_step, 1e-12)
    of_a_block = [(8, 32, 6, 3), (8, 32, 6, 2), (4, 32, 6, 3)]
    assert sorted(replayed.shapes) == sorted(2 * of_a_block)


def test_a_gpu_takes_the_kernel_if_it_compiles(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "is_cuda", True)
    monkeypatch.setattr(backends, "slstm_by_kernel", lambda gates, recurrent: "by the kernel")
    scan = FastestScan()
    assert [scan(torch.zeros(1), None) for _ in range(2)] == 2 * ["by the kernel"]


def test_a_kernel_that_does_not_compile_is_said_once(monkeypatch, capsys):
    """Two blocks meet the same failure; both go on with a graph of the scan."""

    def fails(gates, recurrent):
        raise InputError("slstm_backend 'cuda' did not compile (no nvcc)")

    monkeypatch.setattr(torch.Tensor, "is_cuda", True)
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", lambda function, samples: function)
    monkeypatch.setattr(backends, "slstm_by_kernel", fails)
    backends.say_once.cache_clear()
    gates, recurrent = inputs(2, 12, 5, 3), inputs(2, 12, 3)
    for scan in (FastestScan(), FastestScan()):
        assert torch.equal(scan(gates, recurrent), slstm(gates, recurrent))
        assert isinstance(scan.on_gpu, backends.GraphedScan)
    assert capsys.readouterr().err.count("did not compile (no nvcc)") == 1


def test_cuda_backend_without_a_gpu_is_a_users_mistake():
    model = build(*SIZES["small"], slstm_backend="cuda")
    with pytest.raises(InputError, match=r"needs an NVIDIA GPU.*slstm_backend to vanilla"):
        model(torch.zeros(1, 2, 5, 32))
    with torch.no_grad():
        assert model(torch.zeros(1, 2, 5, 32)).isfinite().all(), "what a GPU has trained forecasts anywhere"


@pytest.mark.parametrize("embedding_dim, num_heads", [(32, 3), (48, 3), (4, 4)])
def test_heads_that_do_not_divide_are_refused(embedding_dim, num_heads):
    with pytest.raises(InputError, match=f"num_heads {num_heads} must divide embedding_dim {embedding_dim}"):
        build(embedding_dim, 2, [], num_heads)


def test_a_sequence_beyond_context_length_is_refused():
    with pytest.raises(ValueError, match="33 steps is longer than context_length 32"):
        build(*SIZES["small"])(torch.zeros(1, 1, 33, 32))
