"""Quantile forecasts: intervals around the median, and their calibration.

Shapes: S seeds, W windows, H horizon, V detectors, K targets, P levels in ascending order, symmetric
around 0.5. A pair of levels (p, 1 - p) is a central interval, which should hold the share 1 - 2p of
the observations: its nominal coverage. I = P // 2 intervals, the widest first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np


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

    @property
    def ends(self) -> dict[str, np.ndarray]:
        """(W, H, V, K) each calibrated level but the median, as ``q0.1`` and so on; means over seeds."""
        calibrated = self.calibrated.mean(axis=0)
        return {f"q{level:g}": calibrated[..., p] for p, level in enumerate(self.levels) if level != 0.5}


def levels_of(quantiles: Sequence[float]) -> tuple[float, ...]:
    """(P,) what a network forecasts, ascending: ``train.quantiles``, or the median alone."""
    return tuple(quantiles) or (0.5,)


def coverages(levels: Sequence[float]) -> list[float]:
    """(intervals,) nominal coverage of each central interval, the widest first."""
    return [round(1 - 2 * level, 9) for level in levels[: len(levels) // 2]]
