import pytest
import torch

from vdcast.evaluate import cost
from vdcast.models.shared.forecaster import build
from vdcast.models.shared.windows import Batch, Sizes
from vdcast.params.networks import XLSTM

L, H, C, E, Q = 6, 3, 2, 13, 1  # lookback, horizon, channels in, calendar features, channels out
SIZES = Sizes(1, C, Q, E, L, H)


def batch(windows=1, copies=1) -> Batch:
    return Batch(
        x=torch.randn(copies, windows, L, 2 * C),
        recent=torch.randn(copies, windows, L, C),
        usual=torch.randn(copies, windows, L + H, C),
        base=torch.randn(copies, windows, H, Q),
        calendar=torch.randn(copies, windows, L + H, E),
        y=torch.zeros(copies, windows, H, Q),
        valid=torch.ones(copies, windows, H, Q, dtype=torch.bool),
        group=torch.zeros(copies, windows, dtype=torch.int64),
    )


def around_the_encoder(D: int) -> int:
    """Projection of every lookback step, the state, profile and calendar ahead, the output of every horizon, and
    the autoregression of each."""
    return 2 * (L * (3 * C + E) * D + D * D + H * (C + E) * D + H * D * Q + L * C * H * Q)


def test_operations_of_an_lstm_by_hand(small_lstm):
    D = small_lstm.hidden_size
    model = build(small_lstm, SIZES, copies=1).eval()
    layer = 2 * L * 4 * D * (D + D)  # four gates, from input and state, at every step
    expected = small_lstm.num_layers * layer + around_the_encoder(D)
    assert cost.flops(model, batch()) == expected
    assert cost.flops(model, batch(windows=5)) == 5 * expected
    assert cost.flops(model, batch(windows=20_000)) == 20_000 * expected, "where oneDNN multiplies, too"


def test_operations_of_an_xlstm_grow_with_its_blocks_by_no_less_than_their_projections(small_xlstm):
    def count(**changes) -> int:
        network = XLSTM.model_validate(small_xlstm.model_dump() | changes)
        return cost.flops(build(network, SIZES, copies=1).eval(), batch())

    D = small_xlstm.embedding_dim
    inner = -(-2 * D // 64) * 64
    # of the last block only the last step's output is needed: a block more makes the one before it whole
    more = count(num_blocks=3, slstm_at=[]) - count(num_blocks=2, slstm_at=[])
    projections = 2 * L * (2 * inner * D + inner * D)  # up to twice the inner width, and down
    assert projections <= more <= 3 * projections
    twice = cost.flops(build(small_xlstm, SIZES, copies=2).eval(), batch(copies=2))
    assert twice == 2 * count()


@pytest.mark.parametrize(("enough", "times"), [(0.0, cost.FEWEST), (1e9, cost.MOST)])
def test_latency_is_a_median_between_its_quartiles(small_lstm, monkeypatch, enough, times):
    """Of a forecast that takes long as few as they may be, of a short one as many."""
    monkeypatch.setattr(cost, "ENOUGH", enough)
    model = build(small_lstm, SIZES, copies=1).eval()
    calls = []
    model.register_forward_hook(lambda *_: calls.append(1))
    found = cost.latency_ms(model, batch())
    assert 0 < found.low <= found.median <= found.high
    assert len(calls) == cost.WARM_UP + times


@pytest.mark.parametrize("windows", [1, 7])
def test_measuring_leaves_no_gradient(small_xlstm, windows):
    model = build(small_xlstm, SIZES, copies=1).eval()
    cost.flops(model, batch(windows))
    cost.latency_ms(model, batch(windows))
    assert all(parameter.grad is None for parameter in model.parameters())
