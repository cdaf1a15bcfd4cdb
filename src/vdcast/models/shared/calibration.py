"""How far intervals must move so that they hold what they promise: split-conformal margins."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from vdcast.data.detectors import Detectors
from vdcast.forecasts.predictions import beside_observed
from vdcast.forecasts.quantiles import coverages
from vdcast.models.shared.trained import Trained

# observations behind a margin; the coverage that so many give to 80 % still scatters by 4 points
FEWEST = 100
POOLS = ((1,), (1, 2), (1, 2, 3))  # axes of (S, W, H, V, K): windows; and horizons; and detectors


def calibrated(trained: Trained, part: Detectors, device: str = "cpu") -> Trained:
    """The same with the margins that ``part``, to which the weights were not fitted, asks for."""
    quantiles, task = trained.quantiles(part, device), trained.task
    beside = beside_observed(quantiles.median, task.chosen(part), task.targets, task.length)
    margins, pools = conformal(quantiles.raw, beside.observed, quantiles.levels, task.target_std)
    return replace(trained, margins=torch.from_numpy(margins), pools=torch.from_numpy(pools))


def conformal(
    raw: np.ndarray, observed: np.ndarray, levels: Sequence[float], scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Margins of split-conformal quantile regression (Romano, Patterson & Candès 2019), and their pools.

    ``raw`` (S, W, H, V, K, P) forecasts a part that the weights were not fitted to, ``observed``
    (W, H, V, K) is NaN where missing, ``scale`` (V, K) makes errors of detectors comparable. The score
    of an observation is how far it lies outside its interval, max(low - y, y - high), negative inside.
    The margin of an interval with nominal coverage c is the ceil((n + 1) c)-th smallest of n scores:
    on exchangeable data, the interval widened by it covers at least c.

    Each seed, horizon, detector and target has margins of its own where there are ``FEWEST``
    observations and that rank exists; else the detector's horizons are pooled; else all detectors in
    units of ``scale``; else the margin is 0. Returns margins (S, H, V, K, P) float32 in units and
    which pool each interval came from, (H, V, K, P // 2) int8: 0, 1, 2 as in ``POOLS``, 3 for none.
    """
    S, _W, H, V, K, P = raw.shape
    margins = np.zeros((S, H, V, K, P), np.float32)
    pools = np.zeros((H, V, K, P // 2), np.int8)
    for i, coverage in enumerate(coverages(levels)):
        low, high = raw[..., i], raw[..., P - 1 - i]
        outside = np.maximum(low - observed, observed - high) / scale  # (S, W, H, V, K)
        margin, pool = np.full((S, H, V, K), np.nan), np.full((H, V, K), len(POOLS))
        for number, axes in enumerate(POOLS):
            found = np.broadcast_to(_smallest(outside, axes, coverage)[:, 0], margin.shape)
            new = np.isnan(margin) & np.isfinite(found)
            margin[new] = found[new]
            pool[new[0]] = number
        margin = np.nan_to_num(margin) * scale
        margins[..., i], margins[..., P - 1 - i] = -margin, margin
        pools[..., i] = pool
    return margins, pools


def _smallest(scores: np.ndarray, axes: tuple[int, ...], coverage: float) -> np.ndarray:
    """The ceil((n + 1) coverage)-th smallest of n scores over ``axes``, kept as length 1; NaN where n is too small."""
    last = np.moveaxis(scores, axes, range(-len(axes), 0))
    ordered = np.sort(last.reshape(*last.shape[: -len(axes)], -1), axis=-1)  # NaN comes last
    n = np.isfinite(ordered).sum(axis=-1, keepdims=True)
    rank = np.ceil(np.round((n + 1) * coverage, 9)).astype(int)
    enough = (n >= FEWEST) & (rank <= n)
    taken = np.take_along_axis(ordered, np.where(enough, rank - 1, 0), axis=-1)
    return np.expand_dims(np.where(enough, taken, np.nan)[..., 0], axes)
