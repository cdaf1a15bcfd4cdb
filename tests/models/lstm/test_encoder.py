import pytest
import torch
from torch import nn

from vdcast.models.lstm.encoder import LSTM, loop, scan
from vdcast.models.shared.dropout import seed_dropout
from vdcast.models.shared.stacked import keep_copies, stack, take


def build(copies: int, inputs: int, width: int, layers: int, dropout: float = 0.0) -> LSTM:
    return LSTM(copies, input_size=inputs, hidden_size=width, num_layers=layers, dropout=dropout)


def textbook(x, w_ih, w_hh, b_ih, b_hh):
    """One window after the equations: x (L, I) -> (L, D)."""
    h = c = torch.zeros(w_hh.shape[1], dtype=x.dtype)
    outputs = []
    for x_t in x:
        i, f, g, o = (w_ih @ x_t + b_ih + w_hh @ h + b_hh).chunk(4)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        outputs.append(h)
    return torch.stack(outputs)


def gradients(y, of):
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=y.dtype)
    return torch.autograd.grad((y * weights).sum(), of)


@pytest.mark.parametrize("layers", [1, 3])
def test_one_copy_is_nn_lstm(layers):
    torch.manual_seed(0)
    ours = build(1, 5, 8, layers)
    torch.manual_seed(0)
    theirs = nn.LSTM(5, 8, layers, batch_first=True)
    assert {name: tensor.shape[1:] for name, tensor in ours.state_dict().items()} == {
        name: tensor.shape for name, tensor in theirs.state_dict().items()
    }
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a[0], b)
    x = torch.randn(1, 3, 7, 5)
    y, expected = ours(x), theirs(x[0])[0]
    torch.testing.assert_close(y[0], expected)
    found = gradients(y, list(ours.parameters()))
    for a, b in zip(found, gradients(expected[None], list(theirs.parameters())), strict=True):
        torch.testing.assert_close(a[0], b)


def test_kernels_follow_the_textbook():
    torch.manual_seed(0)
    layer = build(2, 3, 4, 1).double()
    x = torch.randn(2, 2, 6, 3, dtype=torch.float64)
    weights = [parameter.detach() for parameter in layer.parameters()]
    for run in (loop, scan):
        y = run(x, *weights)
        for n in range(2):
            for b in range(2):
                expected = textbook(x[n, b], *(w[n] for w in weights))
                torch.testing.assert_close(y[n, b], expected, rtol=1e-12, atol=1e-12)


def test_scan_and_loop_agree_in_every_gradient():
    torch.manual_seed(0)
    layer = build(3, 5, 8, 1).double()
    weights = list(layer.parameters())
    x = torch.randn(3, 4, 7, 5, dtype=torch.float64, requires_grad=True)
    for a, b in zip(
        gradients(scan(x, *weights), [x, *weights]), gradients(loop(x, *weights), [x, *weights]), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def train(model, x, seeds, steps=4, drop_at=None, keep=None):
    """Plain gradient descent on every copy's own loss; copies other than ``keep`` leave at ``drop_at``."""
    seed_dropout(model, seeds)
    for step in range(steps):
        if step == drop_at:
            keep_copies(model, keep)
            x = x[keep]
        loss = (model(x)[:, :, -1] - 1).square().mean((1, 2)).sum()
        for parameter, grad in zip(
            model.parameters(), gradients(loss, list(model.parameters())), strict=True
        ):
            parameter.data -= 0.1 * grad
    return model.state_dict()


def test_stacked_training_is_training_one_by_one_bit_for_bit():
    seeds = [1, 2, 1]
    x = torch.randn(3, 4, 6, 5, generator=torch.Generator().manual_seed(0))

    def single(seed):
        torch.manual_seed(seed)
        return build(1, 5, 8, 2, dropout=0.4)

    many = build(3, 5, 8, 2, dropout=0.4)
    many.load_state_dict(stack([single(seed) for seed in seeds]))
    together = train(many, x, seeds, drop_at=2, keep=[0, 2])
    for row, n in enumerate([0, 2]):
        alone = train(single(seeds[n]), x[n : n + 1], seeds[n : n + 1])
        for name, tensor in take(together, [row]).items():
            assert torch.equal(tensor, alone[name]), name


def test_last_step_only():
    model = build(2, 3, 4, 2)
    x = torch.randn(2, 3, 5, 3)
    assert torch.equal(model(x, last_only=True), model(x)[:, :, -1:])
