"""Whether a difference between two forecasts is more than chance."""

from dataclasses import dataclass

import numpy as np

RESAMPLES = 10_000


@dataclass(frozen=True)
class Difference:
    """Mean absolute error of ``a`` minus that of ``b``, with a 95 % interval."""

    difference: float
    low: float
    high: float
    days: int

    @property
    def shown(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0


def paired_difference(a: np.ndarray, b: np.ndarray, days: np.ndarray, *, seed: int = 0) -> Difference:
    """MAE(a) - MAE(b) with a percentile interval from a bootstrap over whole days.

    ``a`` and ``b`` are absolute errors of the same observations, NaN where there is none, ``days``
    (any labels) the day of each; same shape. Errors of neighbouring and overlapping windows are
    correlated, so days are the units that are resampled (block bootstrap, Künsch 1989), with both
    models' errors of a day kept together. With few days the interval is itself rough; ``days`` says
    how many there were.
    """
    valid = np.isfinite(a) & np.isfinite(b)
    labels, day = np.unique(days[valid], return_inverse=True)
    total = np.bincount(day, weights=(a - b)[valid].astype(np.float64))
    count = np.bincount(day)
    n = len(labels)
    drawn = np.random.default_rng(seed).integers(n, size=(RESAMPLES, n))
    means = total[drawn].sum(axis=1) / count[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Difference(float(total.sum() / count.sum()), float(low), float(high), n)
