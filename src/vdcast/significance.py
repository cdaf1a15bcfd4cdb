"""Whether a difference between two forecasts is more than chance."""

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Difference:
    """Mean absolute error of ``a`` minus that of ``b``, its 95 % interval, and p of no difference."""

    mae: float
    low: float
    high: float
    p: float
    days: int
    vds: int


def difference(a: np.ndarray, b: np.ndarray, date: np.ndarray) -> Difference:
    """MAE(a) - MAE(b), with a 95 % interval that takes whole days as the independent units.

    ``a`` (S, W, H, V) and ``b`` (S', W, H, V) are absolute errors of the seeds of two models, NaN where
    there is no observation; ``date`` (W, H) is any label of the day. Errors of neighbouring and overlapping
    windows are correlated, so a day is one draw: the pooled difference is a ratio of daily sums, its
    variance that of a ratio estimator (Cochran 1977, section 6.3), its quantile Student's t with days - 1
    degrees of freedom. Undefined figures are NaN: without two days there is no interval.
    """
    d = a.mean(axis=0) - b.mean(axis=0)  # (W, H, V)
    valid = np.isfinite(d)
    labels, day = np.unique(np.broadcast_to(date[..., None], d.shape)[valid], return_inverse=True)
    total, count = np.bincount(day, weights=d[valid].astype(np.float64)), np.bincount(day)
    n, vds = len(labels), int(valid.any(axis=(0, 1)).sum())
    if n < 2:
        return Difference(total.sum() / count.sum() if n else np.nan, *[np.nan] * 3, n, vds)
    mae = total.sum() / count.sum()
    error = np.sqrt(n / (n - 1) * ((total - mae * count) ** 2).sum()) / count.sum()
    half = stats.t.ppf(0.975, n - 1) * error
    p = 2 * stats.t.sf(abs(mae) / error, n - 1) if error else float(mae == 0)
    return Difference(float(mae), float(mae - half), float(mae + half), float(p), n, vds)
