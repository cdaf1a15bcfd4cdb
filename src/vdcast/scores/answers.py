"""From a difference and its variance to an answer: a difference, equality within a margin, or neither.

Variances and degrees of freedom (..., 4) are by what varies: ``UNITS``. Everything takes leading axes (...).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtr, stdtrit  # all that scipy.stats has of Student's t, without its import

UNITS = ("days", "vds", "seeds_a", "seeds_b")
LEVEL = 0.05  # of an interval that stands alone
POWER = 0.8  # the share of cases in which ``smallest_shown`` is shown

Answer = Literal["better", "worse", "equal", "undecided", "no_verdict"]


@dataclass(frozen=True)
class Evidence:
    """A relative difference, its standard error and the degrees of freedom of that; None where undefined."""

    relative: float | None
    error: float | None
    df: float | None


@dataclass(frozen=True, kw_only=True)
class Interval:
    """From ``low`` to ``high``, leaving ``level`` outside; what it says of the first of two forecasts.

    ``smallest`` is the true difference that such an interval shows in 80 % of cases.
    """

    low: float | None
    high: float | None
    level: float
    smallest: float | None
    status: Answer


def interval(measured: Evidence, level: float, margin: float) -> Interval:
    if measured.relative is None or measured.error is None or measured.df is None:
        return Interval(low=None, high=None, level=level, smallest=None, status="no_verdict")
    error, df = np.asarray(measured.error), np.asarray(measured.df)
    half = float(half_width(error, df, level))
    low, high = measured.relative - half, measured.relative + half
    return Interval(
        low=low,
        high=high,
        level=level,
        smallest=float(smallest_shown(error, df, level)),
        status=answer(low, high, margin),
    )


def answer(low: float, high: float, margin: float) -> Answer:
    """What an interval allows to be said of the first of two errors: it lies beyond 0, or within the margin, or neither.

    One beyond 0 is a difference however small it is. That "equal" is said of a difference as large as the margin
    has half the level's chance: "within" is two one-sided tests, each at half the level (Schuirmann 1987).
    """
    if low > 0 or high < 0:
        return "worse" if low > 0 else "better"
    return "equal" if -margin < low and high < margin else "undecided"


def standard_error(variance: np.ndarray, df: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of parts (..., 4), the standard error (...) and its degrees of freedom (Satterthwaite 1946), 1 of an error of 0."""
    whole = variance.sum(axis=-1)
    of_parts = np.divide(variance**2, df, out=np.zeros_like(variance), where=variance > 0).sum(axis=-1)
    freedom = np.divide(whole**2, of_parts, out=np.ones_like(whole), where=of_parts > 0)
    return np.sqrt(whole), freedom


def half_width(error: np.ndarray, df: np.ndarray, level: np.ndarray | float = LEVEL) -> np.ndarray:
    """Of the interval that leaves ``level`` outside: Student's t."""
    return -stdtrit(df, np.asarray(level) / 2) * error


def p_value(relative: np.ndarray, error: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Two-sided p of no difference; 1 of none at all, 0 of one that never varies."""
    known = np.where(relative == 0, 0.0, np.inf)
    return 2 * stdtr(df, -np.divide(np.abs(relative), error, out=known, where=error > 0))


def p_of(measured: Evidence) -> float | None:
    """``p_value``, None where it is undefined."""
    if measured.relative is None or measured.error is None or measured.df is None:
        return None
    return float(p_value(*map(np.asarray, (measured.relative, measured.error, measured.df))))


def smallest_shown(error: np.ndarray, df: np.ndarray, level: np.ndarray | float = LEVEL) -> np.ndarray:
    """The true difference whose interval lies beyond 0 in 80 % of cases."""
    return half_width(error, df, level) + stdtrit(df, POWER) * error


def autoregressive(r: np.ndarray, Y: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of Y days of variance 1, each of which resembles the one before by r (...), the next but one by r^2 and so on.

    The variance (...) of their mean; the expected sum of squares around it; the degrees of freedom of that sum, as
    of Satterthwaite (1946): the first two moments of a quadratic form.
    """
    alike = np.asarray(r)[..., None, None] ** np.abs(np.arange(Y)[:, None] - np.arange(Y))  # (..., Y, Y)
    of_row = alike.mean(axis=-1)
    of_mean = of_row.mean(axis=-1)
    around = alike - of_row[..., :, None] - of_row[..., None, :] + of_mean[..., None, None]
    of_squares = np.trace(around, axis1=-2, axis2=-1)
    return of_mean, of_squares, of_squares**2 / (around**2).sum(axis=(-2, -1))


def holm(p: Sequence[float | None], level: float) -> list[float]:
    """The level at which Holm (1979) tests each of ``p``, so that its interval of that level says what he says.

    The k-th smallest of n is tested at level / (n + 1 - k) while all before it were below theirs; those after the
    first that was not are tested at its level. None, a test that could not be made, counts.
    """
    levels, left = [level / max(len(p), 1)] * len(p), len(p)
    for known, i in sorted((each, i) for i, each in enumerate(p) if each is not None):
        levels[i] = level / left
        left -= known < levels[i] and left > 1
    return levels
