"""Two usual figures on a difference. They are printed for who looks for them, and decide nothing.

Neither knows of other trainings, the one knows of no correlation of days, the other of no days and VDs: by simulation
(docs/results.md) they add nothing to the interval of ``components``.
"""

import numpy as np
from scipy.special import stdtr

RESAMPLES = 2000


def bootstrap(table: np.ndarray) -> tuple[float, float]:
    """95 % interval (percentiles) of the ratio sum / count of a ``table`` (2, Y, V) by resampling both its sides.

    Y are days, V the VDs, drawn with replacement and independently of each other (the pigeonhole
    bootstrap: Owen 2007). Of few days percentiles are too narrow; of days and VDs at once they are too wide,
    as the variance of a cell is counted three times. The draws are the same every time.
    """
    total, count = table[:, :, table[1].any(axis=0)]
    Y, V = total.shape
    rng = np.random.default_rng(0)
    rows, columns = (rng.multinomial(n, np.full(n, 1 / n), RESAMPLES).astype(np.float64) for n in (Y, V))
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
    return float(2 * stdtr(n - 1, -abs(corrected)))
