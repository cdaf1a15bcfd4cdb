"""The forecaster around an encoder: everything that the models share.

Shapes: N copies with weights of their own, B windows, L lookback, H horizon, C channels of the lookback,
E calendar features, D width of the encoder, Q output channels, P quantile levels (1: the median alone).
"""

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from vdcast.models.shared import stacked
from vdcast.models.shared.autoregression import Autoregression
from vdcast.models.shared.context import Context
from vdcast.models.shared.dropout import Dropout
from vdcast.models.shared.windows import Batch, Sizes
from vdcast.params.networks import Network


class Forecaster(nn.Module):
    """Windows in, forecasts (N, B, H, Q, P) in scaled units out, ascending over P.

    The median is the sum of three: the profile at the forecast time; an autoregression of each
    detector's own residuals; and what the encoder adds. The lookback's residuals, profile and calendar
    are projected to the encoder's width; the encoder's last state, profile and calendar of each
    forecast time and a learned embedding of each horizon step together go through an output layer of
    that step's own. The output layers start from zero and the autoregression from its least squares
    solution (``train.stack``), so training starts at the best linear forecast. The other levels lie
    around the median (``around``).
    """

    def __init__(self, network: Network, encoder: nn.Module, sizes: Sizes, *, copies: int, levels: int = 1):
        super().__init__()
        D, C, E, Q, H = network.width, sizes.inputs, sizes.calendar, sizes.outputs, sizes.horizon
        self.lookback = network.lookback or sizes.length
        self.project = stacked.Linear(copies, 2 * C + C + E, D)
        self.encoder = encoder
        self.dropout = Dropout(network.dropout)
        self.state = stacked.Linear(copies, D, D)
        self.when = stacked.Linear(copies, C + E, D, bias=False)
        self.step = nn.Parameter(torch.randn(copies, 1, H, D) * 0.1)
        self.out = nn.Parameter(torch.zeros(copies, H, Q, D))
        self.autoregression = Autoregression(copies, sizes)
        self.embedding = stacked.Embedding(copies, sizes.groups, D) if sizes.embedded else None
        # drawn last, so that the rest starts from the same weights with and without quantiles
        self.spread = stacked.Linear(copies, D, Q * (levels - 1)) if levels > 1 else None
        self.context = Context(sizes.neighbours, D, copies=copies) if sizes.neighbours else None

    def forward(self, batch: Batch) -> Tensor:
        _N, _B, L, _C = batch.x.shape
        n = self.lookback
        known = torch.cat([batch.usual, batch.calendar], dim=-1)  # (N, B, L + H, C + E)
        x = self.project(torch.cat([batch.x[:, :, L - n :], known[:, :, L - n : L]], dim=-1))  # (N, B, n, D)
        if self.embedding is not None:
            x = x + self.embedding(batch.group)[:, :, None]
        read = self.dropout(self.encoder(self.dropout(x), last_only=True)[:, :, -1])  # (N, B, D)
        state = self.state(read)
        if self.context is not None:
            state = state + self.context(read, batch.observed(n))
        when = self.when(known[:, :, L:])  # (N, B, H, D)
        ahead = functional.gelu(state[:, :, None] + when + self.step)  # (N, B, H, D)
        added = torch.matmul(ahead.transpose(1, 2), self.out.mT).transpose(1, 2)  # (N, B, H, Q)
        median = batch.base + self.autoregression(batch.recent) + added
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


def build(network: Network, sizes: Sizes, *, copies: int, levels: int = 1) -> Forecaster:
    """The forecaster that ``network`` describes, with freshly drawn weights.

    Its encoder comes from the network's own package, ``vdcast.models.<model>``.
    """
    package = import_module(f"vdcast.models.{network.model}.encoder")
    return Forecaster(network, package.encoder(network, copies), sizes, copies=copies, levels=levels)


def build_seeded(network: Network, sizes: Sizes, *, seeds: list[int], levels: int = 1) -> Forecaster:
    """One copy per entry of ``seeds``, each with the weights that it would have alone.

    Copies with the same seed start from the same weights, as V models trained one by one would.
    """
    fresh = partial(build, network, sizes, levels=levels)
    singles = {}
    for seed in dict.fromkeys(seeds):
        torch.manual_seed(seed)
        singles[seed] = fresh(copies=1)
    model = fresh(copies=len(seeds))
    model.load_state_dict(stacked.stack([singles[seed] for seed in seeds]))
    return model


def restored(network: Network, sizes: Sizes, weights: Mapping[str, Tensor], *, levels: int = 1) -> Forecaster:
    """The forecaster that ``network`` describes with these ``weights`` (N, ...), ready to forecast."""
    copies = len(next(iter(weights.values())))
    with _Undrawn():
        model = build(network, sizes, copies=copies, levels=levels)
    model.load_state_dict(weights)
    return model.eval()


class _Undrawn(TorchFunctionMode):
    """Weights that are there already are not drawn first, which takes seconds for thousands of copies."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in (Tensor.uniform_, Tensor.normal_, nn.init.uniform_, nn.init.kaiming_uniform_):
            return args[0] if args else kwargs["tensor"]
        return function(*args, **(kwargs or {}))
