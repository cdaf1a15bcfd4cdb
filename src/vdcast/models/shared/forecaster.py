"""The forecaster around an encoder: everything that the models share.

Shapes: N copies with weights of their own, B windows, L lookback, H horizon, C input channels,
E calendar features, D width of the encoder, Q output channels, P quantile levels (1: the median alone).
"""

from functools import partial
from importlib import import_module
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional

from vdcast.models.shared import stacked
from vdcast.models.shared.dropout import Dropout
from vdcast.models.shared.windows import Batch
from vdcast.params.networks import Network


class Forecaster(nn.Module):
    """Windows in, forecasts (N, B, H, Q, P) in scaled units out, ascending over P.

    The lookback with its calendar features is projected to the encoder's width; the encoder's last
    state, the calendar of each forecast time and a learned embedding of each horizon step together
    give that step's change against the last valid observation. That is the median; the other levels
    lie around it (``around``). ``channels`` are 2C inputs with their validity, E calendar features and
    Q outputs.
    """

    def __init__(
        self,
        encoder: nn.Module,
        *,
        width: int,
        copies: int,
        channels: tuple[int, int, int],
        horizon: int,
        dropout: float,
        levels: int = 1,
    ):
        super().__init__()
        inputs, calendar, outputs = channels  # 2C, E, Q
        self.project = stacked.Linear(copies, inputs + calendar, width)
        self.encoder = encoder
        self.dropout = Dropout(dropout)
        self.state = stacked.Linear(copies, width, width)
        self.when = stacked.Linear(copies, calendar, width, bias=False)
        self.step = nn.Parameter(torch.randn(copies, 1, horizon, width) * 0.1)
        self.out = stacked.Linear(copies, width, outputs)
        self.keep = nn.Parameter(torch.ones(copies, 1, horizon, outputs))
        # drawn last, so that the rest starts from the same weights with and without quantiles
        self.spread = stacked.Linear(copies, width, outputs * (levels - 1)) if levels > 1 else None

    def forward(self, batch: Batch) -> Tensor:
        _N, _B, L, _C = batch.x.shape
        x = self.project(torch.cat([batch.x, batch.calendar[:, :, :L]], dim=-1))  # (N, B, L, D)
        state = self.state(self.dropout(self.encoder(self.dropout(x), last_only=True)[:, :, -1]))  # (N, B, D)
        when = self.when(batch.calendar[:, :, L:])  # (N, B, H, D)
        ahead = functional.gelu(state[:, :, None] + when + self.step)  # (N, B, H, D)
        median = self.keep * batch.last[:, :, None] + self.out(ahead)  # (N, B, H, Q)
        if self.spread is None:
            return median[..., None]
        return around(median, self.spread(ahead).unflatten(-1, (median.shape[-1], -1)))


def around(median: Tensor, steps: Tensor) -> Tensor:
    """Levels that cannot cross: ``median`` (...) and ``steps`` (..., P - 1) -> (..., P), ascending.

    Going outwards from the median, each level adds softplus(step) >= 0 to the one before. Sorting free
    outputs would do too, but hands an output's gradient to another level wherever two cross.
    """
    below, above = functional.softplus(steps).chunk(2, dim=-1)
    upper = list(accumulate(above.unbind(-1), initial=median))
    lower = list(accumulate((-below).unbind(-1), initial=median))
    return torch.stack([*lower[:0:-1], *upper], dim=-1)


def build(
    network: Network,
    *,
    copies: int,
    channels: tuple[int, int, int],
    horizon: int,
    levels: int = 1,
) -> Forecaster:
    """The forecaster that ``network`` describes, with freshly drawn weights.

    Its encoder comes from the network's own package, ``vdcast.models.<model>``.
    """
    package = import_module(f"vdcast.models.{network.model}.encoder")
    return Forecaster(
        package.encoder(network, copies),
        width=network.width,
        copies=copies,
        channels=channels,
        horizon=horizon,
        dropout=network.dropout,
        levels=levels,
    )


def build_seeded(
    network: Network,
    *,
    seeds: list[int],
    channels: tuple[int, int, int],
    horizon: int,
    levels: int = 1,
) -> Forecaster:
    """One copy per entry of ``seeds``, each with the weights that it would have alone.

    Copies with the same seed start from the same weights, as V models trained one by one would.
    """
    fresh = partial(build, network, channels=channels, horizon=horizon, levels=levels)
    singles = {}
    for seed in dict.fromkeys(seeds):
        torch.manual_seed(seed)
        singles[seed] = fresh(copies=1)
    model = fresh(copies=len(seeds))
    model.load_state_dict(stacked.stack([singles[seed] for seed in seeds]))
    return model
