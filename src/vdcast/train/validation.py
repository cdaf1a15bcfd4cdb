"""``runs/<run>/metrics.json``: how a run does on the validation part, which is what settings are chosen by."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from vdcast.train.data import TrainingData
from vdcast.train.fitted import FIGURES, Fitted


def validation_figures(
    name: str, fitted: Fitted, folds: Sequence[TrainingData]
) -> dict[str, dict[str, float]]:
    """Of the headline target and all VDs of the run ``name``; what is undefined, as of a lost copy, is left out.

    - ``val_mae``: mean absolute error in the target's unit, mean over the run's networks, of all folds, at the epoch that each keeps.
    - ``val_skill``: 1 - ``val_mae`` / that of the better of two forecasts that need no training, ``naive_maes``.

    They stand under the run's name: `dvc exp show` puts the path of the file before a name that several files have.
    """
    mae = kept_mae(fitted)
    naive = float(torch.cat([naive_maes(data) for data in folds], dim=1).mean(dim=1).min())
    figures = {"val_mae": mae, "val_skill": 1 - mae / naive if naive else math.nan}
    return {name: {key: round(value, 6) for key, value in figures.items() if math.isfinite(value)}}


def kept_mae(fitted: Fitted) -> float:
    """The validation MAE of each copy at the epoch whose weights it keeps, mean over copies; NaN with one that has none."""
    place = FIGURES.index("validation_mae")
    maes = [
        float(fitted.figures[epoch - 1, n, place]) if epoch else math.nan
        for n, epoch in enumerate(fitted.best_epoch)
    ]
    return sum(maes) / len(maes)


@torch.no_grad()
def naive_maes(data: TrainingData) -> Tensor:
    """(2, copies of a seed) of the weekly profile and of persistence: the headline target's MAE in its unit, pooled as the
    copy's own is, over the groups that it sees.

    Persistence is the last observation of the lookback; over a gap after it, how far it was from what is usual is kept.
    """
    windows, scale = data.validation, data.scale
    groups = torch.arange(len(scale), device=scale.device)[:, None]
    error = torch.zeros((2, *scale.shape), device=scale.device)  # (2, G, Q)
    count = torch.zeros_like(scale, dtype=torch.int64)
    for batch in windows.in_order(groups):
        last = (batch.recent[:, :, -1] + batch.usual[:, :, windows.sizes.length - 1]).index_select(
            -1, windows.goals
        )
        for n, forecast in enumerate((batch.base, last[:, :, None])):
            error[n] += ((forecast - batch.y).abs() * batch.valid).sum(dim=(1, 2))
        count += batch.valid.sum(dim=(1, 2))
    total, valid = (error * scale).sum(dim=2), (count * (scale > 0)).sum(dim=1)
    return torch.stack([total[:, seen].sum(dim=1) / valid[seen].sum() for seen in data.copies], dim=1)
