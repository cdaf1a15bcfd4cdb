"""Quantile forecasts: intervals around the median, and their calibration.

Shapes: S seeds, W windows, H horizon, V detectors, K targets, P levels in ascending order, symmetric
around 0.5. A pair of levels (p, 1 - p) is a central interval, which should hold the share 1 - 2p of
the observations: its nominal coverage. I = P // 2 intervals, the widest first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

FEWEST = (
    100  # observations behind a margin; the coverage that so many give to 80 % still scatters by 4 points
)
POOLS = ((1,), (1, 2), (1, 2, 3))  # axes of (S, W, H, V, K): windows; and horizons; and detectors


@dataclass(frozen=True, kw_only=True)
class Quantiles:
    """Forecasts of every level as the network made them, in units, and what calibration adds to each."""

    levels: tuple[float, ...]  # (P,)
    raw: np.ndarray  # (S, W, H, V, K, P) float32, ascending over P
    margins: np.ndarray  # (S, H, V, K, P) float32, in units; 0 at the median

    def __post_init__(self):
        S, W, H, V, K, P = self.raw.shape
        problems = [
            (len(self.levels) != P, f"{len(self.levels)} levels for {P} quantiles"),
            (
                P % 2 == 0 or abs(self.levels[P // 2] - 0.5) > 1e-9,
                f"levels {self.levels} have no median in the middle",
            ),
            (any(np.diff(self.levels) <= 0), f"levels {self.levels} are not ascending"),
            (
                self.margins.shape != (S, H, V, K, P),
                f"margins are {self.margins.shape}, not {(S, H, V, K, P)}",
            ),
        ]
        for wrong, what in problems:
            if wrong:
                raise ValueError(what)

    def vds(self, v: Sequence[int]) -> "Quantiles":
        """The detectors ``v``, in that order."""
        return replace(self, raw=self.raw[..., v, :, :], margins=self.margins[:, :, v])

    @property
    def median(self) -> np.ndarray:
        """(S, W, H, V, K), the forecast that every other metric scores; calibration leaves it as it is."""
        return self.raw[..., len(self.levels) // 2]

    @property
    def calibrated(self) -> np.ndarray:
        """(S, W, H, V, K, P) ``raw`` plus ``margins``.

        A negative margin may pull an end across the median or an inner interval; it then stops there,
        so levels do not cross. That only widens intervals.
        """
        middle = len(self.levels) // 2
        moved = self.raw + self.margins[:, None]
        lower = np.minimum.accumulate(moved[..., middle::-1], axis=-1)[..., ::-1]
        upper = np.maximum.accumulate(moved[..., middle:], axis=-1)
        return np.concatenate([lower, upper[..., 1:]], axis=-1)


def coverages(levels: Sequence[float]) -> list[float]:
    """(I,) nominal coverage of each central interval, the widest first."""
    return [round(1 - 2 * level, 9) for level in levels[: len(levels) // 2]]


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
    which pool each came from, (H, V, K, I) int8: 0, 1, 2 as in ``POOLS``, 3 for none.
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
