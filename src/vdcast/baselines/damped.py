"""``damped``: the usual value of that time of day, plus a share of how far the last observation was from it."""

from dataclasses import dataclass

import numpy as np

from vdcast.baselines.residuals import ahead, at_slots, carried
from vdcast.data import profile
from vdcast.data.detectors import Detectors, Prepared
from vdcast.forecasts.predictions import origin_steps
from vdcast.params.sections import Window

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


def _fit(train: Detectors, day_types: tuple[int, ...], window: Window) -> Damped:
    L, H = window.sequence_length, window.prediction_length
    values = train.values[..., 0].astype(np.float64)
    medians = median_by_slot(train, np.array(day_types))
    usual = at_slots(medians, train)
    residual = values - usual
    origins = origin_steps(len(values), L, H)
    last = carried(residual)[origins]
    share = np.stack([shares(last, residual[origins + h]) for h in range(1, H + 1)])
    return Damped(day_types, medians, share)


def median_by_slot(train: Detectors, day_types: np.ndarray) -> np.ndarray:
    """(8Z, V) median of a slot on the days of a type; failing that on all days, failing that of everything."""
    values = train.values[..., 0].astype(np.float64)
    slot = profile.slots_of(train)
    Z = profile.slots_a_day(train.interval)
    slot_type, slot_of_day = day_types[slot // Z], slot % Z
    overall = _median(values)
    found = np.empty((len(set(day_types.tolist())), Z, values.shape[1]))
    for z in range(Z):
        at = slot_of_day == z
        all_days = _or(_median(values[at]), overall)
        for c in range(len(found)):
            found[c, z] = _or(_median(values[at & (slot_type == c)]), all_days)
    return found[day_types].reshape(len(day_types) * Z, -1)


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


def _median(values: np.ndarray) -> np.ndarray:
    """Along the first axis (n, V) of those that are valid, NaN without any."""
    found = np.full(values.shape[1], np.nan)
    seen = np.isfinite(values).any(axis=0)
    if seen.any():
        found[seen] = np.nanmedian(values[:, seen], axis=0)
    return found


def _or(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(first), first, second)


def _mae(fitted: Damped, part: Detectors, window: Window) -> float:
    """Infinite where nothing was observed that could be forecast."""
    made = fitted.forecast(part, window)
    origins = origin_steps(len(part.values), window.sequence_length, window.prediction_length)
    error = np.abs(made - part.values[ahead(origins, window.prediction_length), :, 0])
    return float(np.nanmean(error)) if np.isfinite(error).any() else np.inf
