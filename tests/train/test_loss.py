import pytest
import torch

from vdcast.models.shared.windows import Batch
from vdcast.train.loss import clip_gradients, masked_error, pinball, warm_up_then_cosine

MEDIAN = torch.tensor([0.5])


def test_missing_targets_have_no_say_in_the_loss():
    y = torch.tensor([1.0, 2.0, 0.0]).view(1, 3, 1, 1)
    valid = torch.tensor([True, True, False]).view(1, 3, 1, 1)
    batch = Batch(x=None, recent=None, usual=None, base=None, calendar=None, y=y, valid=valid, group=None)
    forecast = torch.tensor([2.0, 2.0, 99.0], requires_grad=True)
    error, count = masked_error(forecast.view(1, 3, 1, 1, 1), batch, MEDIAN)
    assert (error.tolist(), count.tolist()) == ([1.0], [2])
    error.sum().backward()
    assert forecast.grad[2] == 0


def test_pinball_by_hand():
    """Doubled: an observation 1 above costs 2p, 1 below costs 2 (1 - p), on average over the levels."""
    levels = torch.tensor([0.1, 0.5, 0.9])
    y = torch.tensor([[3.0], [1.0], [2.0]])
    forecast = torch.tensor([2.0, 2.0, 2.0]).expand(3, 1, 3)
    found = pinball(forecast, y, levels)
    assert found.flatten().tolist() == pytest.approx([2 * 1.5 / 3, 2 * 1.5 / 3, 0])
    shifted = pinball(torch.tensor([[[1.0, 2.0, 4.0]]]), torch.tensor([[3.0]]), levels)
    # 2 below at p = 0.1; 1 below at 0.5; 1 above at 0.9: 2 (0.1 * 2 + 0.5 * 1 + 0.1 * 1) / 3
    assert shifted.item() == pytest.approx(2 * 0.8 / 3)


def test_without_quantiles_the_loss_is_the_absolute_error_bit_for_bit():
    forecast, y = torch.randn(1000, requires_grad=True), torch.randn(1000)
    y[:10] = forecast[:10].detach()  # ties too
    mine = pinball(forecast[:, None], y, MEDIAN)
    absolute = (forecast - y).abs()
    assert torch.equal(mine, absolute)
    gradients = [torch.autograd.grad(loss.sum(), forecast)[0] for loss in (mine, absolute)]
    assert torch.equal(*gradients)


def test_pinball_is_least_at_the_quantile():
    y, levels = torch.arange(1.0, 101.0), torch.tensor([0.1, 0.5, 0.9])
    candidates = torch.arange(0.0, 101.0) + 0.5
    for p, level in enumerate(levels):
        loss = torch.stack([pinball(c.expand(100, 1), y, level[None]).sum() for c in candidates])
        assert candidates[loss.argmin()].item() == [10.5, 50.5, 90.5][p]


def test_gradients_are_clipped_copy_by_copy():
    p = torch.nn.Parameter(torch.zeros(2, 2))
    q = torch.nn.Parameter(torch.zeros(2, 1))
    p.grad, q.grad = torch.tensor([[3.0, 0.0], [0.1, 0.0]]), torch.tensor([[4.0], [0.0]])
    norms = clip_gradients([p, q], 1.0)
    torch.testing.assert_close(norms, torch.tensor([5.0, 0.1]))
    torch.testing.assert_close(p.grad, torch.tensor([[0.6, 0.0], [0.1, 0.0]]))
    torch.testing.assert_close(q.grad, torch.tensor([[0.8], [0.0]]))


def test_the_learning_rate_warms_up_and_falls_by_half_a_cosine():
    factor = warm_up_then_cosine(10, epochs=9)
    assert [factor(step) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert factor(29) == pytest.approx(
        0.01 + 0.99 * (1 + 0.5**0.5) / 2
    )  # a quarter of the way, epochs 1 to 9
    assert factor(49) == pytest.approx((1 + 0.01) / 2)  # half of it
    assert factor(89) == factor(99) == pytest.approx(0.01)
    assert warm_up_then_cosine(10, epochs=1)(9) == 1
