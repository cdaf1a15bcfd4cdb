"""``damped``: the usual value of that time of day, plus a share of how far the last observation was from it.

The usual value is a median over the days of a type and ``NEAR`` slots. The share is fitted on residuals from medians that
have not seen the residual's own day, as those of a forecast have not.
"""

from dataclasses import dataclass

import numpy as np

from vdcast.baselines.residuals import ahead, at_slots, carried
from vdcast.data import calendar, profile
from vdcast.data.detectors import Detectors, Prepared
from vdcast.forecasts.predictions import origin_steps
from vdcast.params.sections import Window

NEAR = 900  # seconds before and after a slot that lie in its median too: a month of five-minute slots is few days
# Of Monday to Sunday, and of a holiday: one is chosen.
DAY_TYPES = ((0, 0, 0, 0, 0, 1, 1, 1), (0, 0, 0, 0, 0, 1, 2, 2))


@dataclass(frozen=True)
class Damped:
    """Fitted to one target."""

    day_types: tuple[int, ...]
    usual: np.ndarray  # (8Z, V) median by slot of the week
    share: np.ndarray  # (H, V) 0 to 1

    @property
    def chosen(self) -> str:
        return f"{len(set(self.day_types))} day types"

    def forecast(self, part: Detectors, window: Window) -> np.ndarray:
        """(W, H, V), NaN for a VD that the training part never observed."""
        origins = origin_steps(len(part.values), window.sequence_length, window.prediction_length)
        usual = at_slots(self.usual, part)
        last = carried(part.values[..., 0] - usual)[origins]
        return usual[ahead(origins, window.prediction_length)] + self.share * last[:, None]


def fit(prepared: Prepared, window: Window) -> Damped:
    """On the training part, for each of ``DAY_TYPES``; the one with the lowest MAE on the validation part.

    The target is the first feature.
    """
    train, validation = prepared.parts["train"], prepared.parts["validation"]
    return min(
        (_fit(train, types, window) for types in DAY_TYPES), key=lambda it: _mae(it, validation, window)
    )


def _fit(train: Detectors, types: tuple[int, ...], window: Window) -> Damped:
    L, H = window.sequence_length, window.prediction_length
    medians, usual = medians_by_slot(train, np.array(types))
    residual = train.values[..., 0] - usual
    origins = origin_steps(len(residual), L, H)
    last = carried(residual)[origins]
    share = np.stack([shares(last, residual[origins + h]) for h in range(1, H + 1)])
    return Damped(types, medians, share)


def medians_by_slot(train: Detectors, types: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(8Z, V) by slot of the week, and (T, V) of each step of ``train`` those without the step's own local day.

    A median is of a slot and those near it, on days of the same one of ``types`` (8,); failing that on all days, failing
    that of everything.
    """
    values = train.values[..., 0].astype(np.float64)
    slot = profile.slots_of(train)
    date = calendar.dates(train.timestamps, train.time_zone)
    Z = profile.slots_a_day(train.interval)
    reach = NEAR // max(train.interval, profile.SHORTEST)
    slot_type, slot_of_day = types[slot // Z], slot % Z
    overall = Pool(values, date).median()
    found, without = np.empty((types.max() + 1, Z, values.shape[1])), np.empty(values.shape)
    for z in range(Z):
        apart = np.abs(slot_of_day - z)
        near = np.minimum(apart, Z - apart) <= reach
        all_days = Pool(values[near], date[near])
        for c in range(len(found)):
            same = Pool(values[near & (slot_type == c)], date[near & (slot_type == c)])
            found[c, z] = _first(same.median(), all_days.median(), overall)
            here = np.flatnonzero((slot_of_day == z) & (slot_type == c))
            for day in np.unique(date[here]):
                without[here[date[here] == day]] = _first(same.median(day), all_days.median(day), overall)
    return found[types].reshape(len(types) * Z, -1), without


class Pool:
    """Observations (n, V) of several days, put in order once, for medians without any one day."""

    def __init__(self, values: np.ndarray, date: np.ndarray):
        order = values.argsort(axis=0)  # NaN last
        self.values, self.date = np.take_along_axis(values, order, axis=0), date
        self.rank = np.empty_like(order)
        np.put_along_axis(self.rank, order, np.arange(len(order))[:, None], axis=0)
        self.count = np.isfinite(values).sum(axis=0)

    def median(self, without: int | None = None) -> np.ndarray:
        """(V,) of the days but ``without``; NaN where these have no observation."""
        own = self.rank[self.date == without]
        count = self.count - (own < self.count).sum(axis=0)
        if not count.any():
            return np.full(count.shape, np.nan)
        lower, upper = (self._beside(own, place) for place in ((count - 1) // 2, count // 2))
        return np.where(count > 0, (lower + upper) / 2, np.nan)

    def _beside(self, own: np.ndarray, place: np.ndarray) -> np.ndarray:
        """(V,) what stands at ``place`` (V,) of the order without the ranks ``own`` (k, V)."""
        rank = place
        for _ in own:  # each step passes at least one of them, or has arrived
            rank = place + (own <= rank).sum(axis=0)
        return np.take_along_axis(self.values, rank[None], axis=0)[0]


def shares(last: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(V,) the share of ``last`` (W, V) that has the least absolute deviations from ``after`` (W, V), 0 to 1.

    It is the median of after / last, each weighted by |last|; 0 where there is nothing to learn it from.
    """
    weight = np.where(np.isfinite(after), np.abs(last), 0.0)
    ratio = np.divide(after, last, out=np.full(last.shape, np.inf), where=weight > 0)
    order = ratio.argsort(axis=0, kind="stable")
    reached = np.take_along_axis(weight, order, axis=0).cumsum(axis=0)
    middle = (reached >= reached[-1] / 2).argmax(axis=0)
    share = np.take_along_axis(np.take_along_axis(ratio, order, axis=0), middle[None], axis=0)[0]
    return np.where(reached[-1] > 0, np.clip(share, 0, 1), 0.0)


def _first(*found: np.ndarray) -> np.ndarray:
    """(V,) of each column the first that is known."""
    made = found[0]
    for other in found[1:]:
        made = np.where(np.isfinite(made), made, other)
    return made


def _mae(fitted: Damped, part: Detectors, window: Window) -> float:
    """Infinite where nothing was observed that could be forecast."""
    made = fitted.forecast(part, window)
    origins = origin_steps(len(part.values), window.sequence_length, window.prediction_length)
    error = np.abs(made - part.values[ahead(origins, window.prediction_length), :, 0])
    return float(np.nanmean(error)) if np.isfinite(error).any() else np.inf
