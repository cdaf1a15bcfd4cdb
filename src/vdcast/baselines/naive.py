"""Forecasts that need no fitting: what any model must beat before its cost is worth discussing.

Each is a function ``History -> (W, H, V, K)``: for each of W windows the
forecasts of its H steps, from what was known at its origin (the last step of its lookback). Steps are
counted along the whole series, so "last week" may reach back before the part under test; that is the
past, not a leak. Where its own observation is missing it falls back on the hour-of-week mean.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vdcast.data import calendar
from vdcast.data.detectors import Detectors

DAY, WEEK = calendar.DAY, 7 * calendar.DAY


@dataclass(frozen=True, kw_only=True)
class History:
    """The whole series of the targets, and the windows to forecast."""

    values: np.ndarray  # (T, V, K), NaN where missing
    hour_of_week: np.ndarray  # (T,) 0 .. 167
    profile: np.ndarray  # (168, V, K) hour-of-week mean of the training part
    origins: np.ndarray  # (W,) last step of each lookback
    length: int  # L
    horizon: int  # H
    interval: int  # seconds

    @property
    def ahead(self) -> np.ndarray:
        """(W, H) the steps to forecast."""
        return self.origins[:, None] + np.arange(1, self.horizon + 1)


def persistence(history: History) -> np.ndarray:
    """The last valid observation in the lookback, for every horizon."""
    newest_first = history.origins[:, None] - np.arange(history.length)
    lookback = history.values[newest_first]  # (W, L, V, K)
    valid = np.isfinite(lookback)
    newest = np.take_along_axis(lookback, valid.argmax(axis=1)[:, None], axis=1)  # (W, 1, V, K)
    return np.broadcast_to(newest, (*history.ahead.shape, *history.values.shape[1:]))


def yesterday(history: History) -> np.ndarray:
    """The same time of day on the latest day that was fully known at the origin."""
    return _seasonal(history, DAY)


def last_week(history: History) -> np.ndarray:
    """The same time of the latest week that was fully known at the origin."""
    return _seasonal(history, WEEK)


def hour_of_week(history: History) -> np.ndarray:
    """The training part's mean of the same hour of the week."""
    return history.profile[history.hour_of_week[history.ahead]]


NAIVE: dict[str, Callable[[History], np.ndarray]] = {
    function.__name__: function for function in (persistence, yesterday, last_week, hour_of_week)
}


def filled(made: np.ndarray, history: History) -> np.ndarray:
    """A forecast (W, H, V, K) as float32, without gaps wherever the hour-of-week mean has none."""
    return np.where(np.isfinite(made), made, hour_of_week(history)).astype(np.float32)


def hour_of_week_mean(train: Detectors, targets: tuple[str, ...]) -> np.ndarray:
    """(168, V, K) mean of each hour of the week over the training part.

    An hour that the training part never observed takes the mean of that hour over all days, and
    failing that the mean over everything.
    """
    values = train.values[:, :, [train.features.index(target) for target in targets]]
    hours = calendar.hour_of_week(train.timestamps, train.time_zone)
    of_week = _means(values, hours, 168)
    of_day = np.tile(_means(values, hours % 24, 24), (7, 1, 1))
    overall = np.nanmean(values, axis=0, dtype=np.float64)
    profile = np.where(np.isfinite(of_week), of_week, of_day)
    return np.where(np.isfinite(profile), profile, overall)


def _means(values: np.ndarray, label: np.ndarray, labels: int) -> np.ndarray:
    """Mean of the valid ``values`` (T, V, K) that carry each label, NaN without any: (labels, V, K)."""
    total, count = np.zeros((2, labels, *values.shape[1:]))
    np.add.at(total, label, np.nan_to_num(values))
    np.add.at(count, label, np.isfinite(values))
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def _seasonal(history: History, period: int) -> np.ndarray:
    """The observation a whole number of periods before each forecast time, none later than the origin."""
    season = max(1, round(period / history.interval))
    back = season * -(-history.horizon // season)  # the fewest whole periods that cover the horizon
    source = history.ahead - back
    reached = history.values[np.maximum(source, 0)]
    return np.where(source[..., None, None] >= 0, reached, np.nan)
