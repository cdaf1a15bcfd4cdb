"""Whether a difference between two forecasts is more than chance."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

BLOCKS = 8  # blocks of days are not made so long that fewer are left: each costs a degree of freedom
RESAMPLES = 2000


@dataclass(frozen=True)
class Difference:
    """Mean absolute error of ``a`` minus that of ``b``.

    ``low`` to ``high`` is a 95 % interval and ``p`` belongs to it; ``boot_low`` to ``boot_high`` is that of a block
    bootstrap; ``p_dm`` is Diebold and Mariano's p. What is undefined is NaN.
    """

    mae: float = np.nan
    low: float = np.nan
    high: float = np.nan
    p: float = np.nan
    boot_low: float = np.nan
    boot_high: float = np.nan
    p_dm: float = np.nan
    days: int = 0
    vds: int = 0


def difference(a: np.ndarray, b: np.ndarray, date: np.ndarray) -> Difference:
    """MAE(a) - MAE(b) with a 95 % interval for other days like these, other VDs and other seeds.

    ``a`` (S, W, H, V) and ``b`` (S', W, H, V) are absolute errors of the seeds of two models, NaN where
    there is no observation; ``date`` (W, H) is any label of the day, in order. A stub at either end of the
    series is no day of its own (``numbered_days``). Undefined figures are NaN: without two blocks of days
    there is no interval.

    Errors of overlapping windows, of one day and of one VD hang together, so the independent units are
    blocks of whole days, VDs, and seeds. The pooled difference is a ratio of sums; its variance is that
    over blocks plus that over VDs, less what both count, the variance over cells (two-way clustering:
    Cameron, Gelbach & Miller 2011), plus that of each model's mean over its seeds. The quantile is
    Student's t with Satterthwaite's (1946) degrees of freedom. ``bootstrap`` says what resampling the
    same blocks and VDs gives. A unit of which there is one (one VD, one seed) adds nothing: the
    statement is then about that one.
    """
    d = a.mean(axis=0) - b.mean(axis=0)  # (W, H, V)
    valid = np.isfinite(d)
    vds = int(valid.any(axis=(0, 1)).sum())
    if not valid.any():
        return Difference()
    day = numbered_days(np.broadcast_to(date[..., None], d.shape)[valid])
    n = int(day.max()) + 1
    vd = np.nonzero(valid)[2]
    length = max(1, min(int(np.cbrt(n)), n // BLOCKS))
    blocks = n // length
    # consecutive days in one block; the days left over go to the last one
    block = np.minimum(day // length, blocks - 1)
    table = _sums(d[valid], block, blocks, vd, d.shape[2])
    by_day, by_vd, by_cell = _clustered(table)
    shared = max(by_day + by_vd - by_cell, by_day, by_vd)
    mae, seeds = d[valid].mean(dtype=np.float64), []
    for model in (a, b):
        of_seed = [_sums(each[valid], block, blocks, np.zeros_like(vd), 1)[:, :, 0] for each in model]
        _, by_seed, by_cell = _clustered(np.stack(of_seed, axis=2))
        seeds.append(max(by_seed - by_cell, 0.0))  # less the noise of few days, which is in by_day
    parts = np.array([by_day, by_vd, *seeds])
    freedom = np.array([blocks - 1, vds - 1, len(a) - 1, len(b) - 1])
    p_dm = diebold_mariano(_by_origin(d), h=d.shape[1])
    if blocks < 2:
        return Difference(mae=float(mae), p_dm=p_dm, days=n, vds=vds)
    boot = bootstrap(table)
    error = float(np.sqrt(shared + sum(seeds)))
    if error == 0:  # the same difference everywhere, e.g. none at all
        return Difference(float(mae), float(mae), float(mae), float(mae == 0), *boot, p_dm, n, vds)
    used = parts > 0
    df = parts.sum() ** 2 / (parts[used] ** 2 / freedom[used]).sum()
    half = stats.t.ppf(0.975, df) * error
    p = 2 * stats.t.sf(abs(mae) / error, df)
    return Difference(float(mae), float(mae - half), float(mae + half), float(p), *boot, p_dm, n, vds)


def numbered_days(date: np.ndarray) -> np.ndarray:
    """(n,) the number of the day, 0, 1, ..., of each of n > 0 observations with the labels ``date`` (n,).

    A split seldom falls on midnight. A first or last day with fewer than half the median number of
    observations per day is a stub that counts to its neighbour: as a day of its own, a few hours would
    weigh as much as a day in the degrees of freedom.
    """
    labels, day, count = np.unique(date, return_inverse=True, return_counts=True)
    stub = count < np.median(count) / 2
    first, last = int(stub[0]), len(labels) - 1 - int(stub[-1])
    return np.clip(day, first, last) - first


def bootstrap(table: np.ndarray) -> tuple[float, float]:
    """95 % interval (percentiles) of the ratio sum / count of a ``table`` (2, D, V) by resampling both its sides.

    D are blocks of days, V the VDs, drawn with replacement and independently of each other (the pigeonhole
    bootstrap: Owen 2007). Of few days percentiles are too narrow; of days and VDs at once they are too wide,
    as the variance of a cell is counted three times. The draws are the same every time.
    """
    total, count = table[:, :, table[1].any(axis=0)]
    D, V = total.shape
    rng = np.random.default_rng(0)
    rows, columns = (rng.multinomial(n, np.full(n, 1 / n), RESAMPLES).astype(np.float64) for n in (D, V))
    sums, counts = (((rows @ each) * columns).sum(axis=1) for each in (total, count))
    low, high = np.percentile(sums[counts > 0] / counts[counts > 0], [2.5, 97.5])
    return float(low), float(high)


def diebold_mariano(d: np.ndarray, h: int) -> float:
    """Two-sided p of no difference, of a series ``d`` (n,) of loss differences of h-step forecasts.

    The statistic of Diebold & Mariano (1995) with h - 1 autocovariances, corrected for small samples and
    laid against Student's t as Harvey, Leybourne & Newbold (1997) propose. It knows of no dependence
    beyond h steps, and of no other VDs and seeds. A constant series leaves no doubt: 0, or 1 where it is 0
    throughout. NaN where n is not above h or the variance estimate is not positive.
    """
    d = d[np.isfinite(d)].astype(np.float64)
    n = len(d)
    if n <= h:
        return float("nan")
    if np.ptp(d) == 0:
        return float(d[0] == 0)
    e = d - d.mean()
    variance = (e @ e + 2 * sum(e[lag:] @ e[:-lag] for lag in range(1, h))) / n**2
    if variance <= 0:
        return float("nan")
    corrected = d.mean() / np.sqrt(variance) * np.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
    return float(2 * stats.t.sf(abs(corrected), n - 1))


def _by_origin(d: np.ndarray) -> np.ndarray:
    """(W,) mean of (W, H, V) over what was observed, NaN where nothing was."""
    count = np.isfinite(d).sum(axis=(1, 2))
    return np.divide(np.nansum(d, axis=(1, 2)), count, out=np.full(len(d), np.nan), where=count > 0)


def _sums(values: np.ndarray, row: np.ndarray, rows: int, column: np.ndarray, columns: int) -> np.ndarray:
    """(2, rows, columns): the sum of ``values`` (n,) in each cell of a table, and how many there are."""
    cell, size = row * columns + column, rows * columns
    sums = np.bincount(cell, values.astype(np.float64), size), np.bincount(cell, minlength=size)
    return np.stack(sums).reshape(2, rows, columns)


def _clustered(sums: np.ndarray) -> tuple[float, float, float]:
    """Variance of the ratio sum / count over the rows, the columns and the cells of a table (2, D, V).

    Each is that of a ratio estimator (Cochran 1977, section 6.3), 0 of a single unit. A cell's own
    variance is what remains when the rates of its row and its column are taken out.
    """
    total, count = sums[:, :, sums[1].any(axis=0)]
    D, V = total.shape
    N = count.sum()
    residual = total - total.sum() / N * count

    def over(axis: int, units: int) -> float:
        return units / (units - 1) * (residual.sum(axis=axis) ** 2).sum() / N**2 if units > 1 else 0.0

    if D < 2 or V < 2:
        return over(1, D), over(0, V), 0.0
    rows, columns = (
        residual.sum(axis=axis, keepdims=True) / np.maximum(count.sum(axis=axis, keepdims=True), 1)
        for axis in (1, 0)
    )
    own = residual - count * (rows + columns)
    return over(1, D), over(0, V), D * V / ((D - 1) * (V - 1)) * (own**2).sum() / N**2
