"""What a detector's own last residuals say of its next ones: linear, and solved before training starts.

Shapes: N copies with weights of their own, B windows, L lookback, H horizon, V detectors of a group, F features and
K targets of each, C = V * F channels of the lookback, Q = V * K of the forecast.
"""

from collections.abc import Iterable
from functools import reduce

import torch
from torch import Tensor, nn

from vdcast.models.shared.windows import Batch, Sizes

RIDGE = 1e-3  # of the inputs' scaled variance: neighbouring lags say nearly the same
NEARLY_NONE = 1e-9  # of the bias, so that a target without observations gets 0


class Autoregression(nn.Module):
    """Residuals of the lookback (N, B, L, C) -> those of each forecast time (N, B, H, Q).

    Each detector's from all lags and features of its own, with weights for each target and horizon. Zero until
    ``start`` is given what ``least_squares`` found.
    """

    def __init__(self, copies: int, sizes: Sizes):
        super().__init__()
        V, H = sizes.detectors, sizes.horizon
        self.detectors, self.horizon = V, H
        self.weight = nn.Parameter(torch.zeros(copies, V, sizes.targets * H, sizes.length * sizes.features))
        self.bias = nn.Parameter(torch.zeros(copies, V, 1, sizes.targets * H))

    def forward(self, recent: Tensor) -> Tensor:
        return self._by_horizon(torch.matmul(self._own(recent), self.weight.mT) + self.bias)

    def _own(self, recent: Tensor) -> Tensor:
        """(N, B, L, C) -> what each detector saw of itself, (N, V, B, L * F)."""
        return recent.unflatten(-1, (self.detectors, -1)).permute(0, 3, 1, 2, 4).flatten(3)

    def _by_horizon(self, y: Tensor) -> Tensor:
        """(N, V, B, K * H) -> (N, B, H, Q)."""
        return y.unflatten(-1, (-1, self.horizon)).permute(0, 2, 4, 1, 3).flatten(3)

    def _by_detector(self, y: Tensor) -> Tensor:
        """(N, B, H, Q) -> (N, V, K * H, B)."""
        return y.unflatten(-1, (self.detectors, -1)).permute(0, 3, 4, 2, 1).flatten(2, 3)

    @torch.no_grad()
    def least_squares(self, batches: Iterable[Batch]) -> tuple[Tensor, Tensor]:
        """Weight (N, V, K * H, L * F) and bias (N, V, 1, K * H) in float64 that fit the observed targets best.

        N is that of the batches, which need not be the module's. In float64, so that the order of the sums, and with
        it the size of the batches, does not show.
        """
        XX, XY = reduce(lambda a, b: (a[0] + b[0], a[1] + b[1]), map(self._products, batches))
        observations = XX[..., -1:, -1:].clamp(min=1)
        ridge = torch.full_like(XX[0, 0, 0, 0], RIDGE)
        ridge[-1] = NEARLY_NONE
        solved = torch.linalg.solve(XX / observations + torch.diag(ridge), XY / observations)[..., 0]
        return solved[..., :-1], solved[..., -1][:, :, None]

    def _products(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Of the inputs I = L * F and a one with each other (N, V, K * H, I + 1, I + 1) and with y (..., I + 1, 1)."""
        x = self._own(batch.recent).double()
        x = torch.cat([x, torch.ones_like(x[..., :1])], dim=-1)  # (N, V, B, I + 1)
        valid = self._by_detector(batch.valid)
        y = self._by_detector(batch.y - batch.base).double().where(valid, 0.0)  # (N, V, K * H, B)
        XX = torch.stack([(x * each[..., None]).mT @ x for each in valid.unbind(2)], dim=2)
        return XX, (y @ x)[..., None]

    @torch.no_grad()
    def start(self, weight: Tensor, bias: Tensor) -> None:
        self.weight.copy_(weight)
        self.bias.copy_(bias)
