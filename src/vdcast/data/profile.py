"""What is usual at a time of the week, from the training part alone.

Sums and counts of the valid observations by weekday and slot of the day, A and n (7, S, V, F), are all it needs.
Both are smoothed over neighbouring slots of the week (Gaussian, ``WIDTH`` minutes), which keeps them sums and
counts. With days of one type (Monday to Friday, Saturday, Sunday) added up, and all days added up,

    all  = sum A / sum n                                  (of the slot; failing that, of the whole series)
    type = (A_type + SHRINK_TYPE * all) / (n_type + SHRINK_TYPE)
    day  = (A_day + SHRINK_DAY * type) / (n_day + SHRINK_DAY)

so a weekday that was seen often stands for itself, and one that was seen once leans on its type. A hole in the
data is a count of nothing: it moves the mean towards the level above, and is no zero.
"""

import numpy as np

from vdcast.data import calendar
from vdcast.data.detectors import Detectors

TYPES = np.array([0, 0, 0, 0, 0, 1, 2])  # of Monday to Sunday
WIDTH = 10.0  # minutes: standard deviation of the kernel over slots
SHRINK_TYPE = 0.1  # days of the all-days mean that a day type is given
SHRINK_DAY = 4.0  # days of its type that a weekday is given
SLOT = 300  # seconds that a slot lasts at least: a finer grid shares slots


def slots(timestamps: np.ndarray, time_zone: str, interval: int) -> tuple[np.ndarray, np.ndarray]:
    """Slot of the week 0 .. 7S - 1 and local date (days since 1970), (T,) each."""
    when = calendar.local(timestamps, time_zone)
    of_day = (when.hour * 3600 + when.minute * 60 + when.second).to_numpy() // max(interval, SLOT)
    date = when.tz_localize(None).normalize().to_numpy().astype("datetime64[D]").astype(np.int64)
    return when.day_of_week.to_numpy() * per_day(interval) + of_day, date


def per_day(interval: int) -> int:
    """S, the slots of a day."""
    return -(-calendar.DAY // max(interval, SLOT))


def of_part(part: Detectors) -> np.ndarray:
    """(7S, V, F) float32: the profile of the training part ``part``."""
    slot, _ = slots(part.timestamps, part.time_zone, part.interval)
    made = _profile(*_sums(part.values, slot, part.interval), part.interval)
    return made.reshape(-1, *part.values.shape[1:]).astype(np.float32)


def left_out(part: Detectors) -> np.ndarray:
    """(T, V, F) float32: for each step of the training part, the profile without the step's own local day.

    What a window of the training part is anchored on must not have seen its answer.
    """
    slot, date = slots(part.timestamps, part.time_zone, part.interval)
    total, count = _sums(part.values, slot, part.interval)
    out = np.empty(part.values.shape, np.float32)
    for day in np.unique(date):
        own = date == day
        own_total, own_count = _sums(part.values[own], slot[own], part.interval)
        made = _profile(total - own_total, count - own_count, part.interval)
        out[own] = made.reshape(-1, *part.values.shape[1:])[slot[own]]
    return out


def _sums(values: np.ndarray, slot: np.ndarray, interval: int) -> tuple[np.ndarray, np.ndarray]:
    """Sum and count (7, S, V, F) of the valid ``values`` (T, V, F) by slot of the week."""
    S = per_day(interval)
    total, count = np.zeros((2, 7 * S, *values.shape[1:]))
    np.add.at(total, slot, np.nan_to_num(values))
    np.add.at(count, slot, np.isfinite(values))
    return total.reshape(7, S, *values.shape[1:]), count.reshape(7, S, *values.shape[1:])


def _smoothed(sums: np.ndarray, interval: int) -> np.ndarray:
    """(7, S, ...) with each slot's neighbours in the week, Sunday's last beside Monday's first."""
    step = max(interval, SLOT)
    reach = int(3 * WIDTH * 60 // step)
    if reach == 0:
        return sums
    offsets = range(-reach, reach + 1)
    kernel = np.exp(-0.5 * (np.array(offsets) * step / (WIDTH * 60)) ** 2)
    flat = sums.reshape(-1, *sums.shape[2:])
    near = sum(k * np.roll(flat, j, axis=0) for j, k in zip(offsets, kernel / kernel.sum(), strict=True))
    return near.reshape(sums.shape)


def _profile(total: np.ndarray, count: np.ndarray, interval: int) -> np.ndarray:
    """(7, S, V, F) of the sums and counts of ``_sums``, finite wherever a series has any observation."""
    whole = total.sum((0, 1)) / np.maximum(count.sum((0, 1)), 1)
    A, n = (_smoothed(each, interval) for each in (total, count))
    of_all = _towards(A.sum(0), n.sum(0), whole, 1e-6)
    by_type = [c == TYPES for c in range(TYPES.max() + 1)]
    of_type = np.stack([_towards(A[days].sum(0), n[days].sum(0), of_all, SHRINK_TYPE) for days in by_type])
    return _towards(A, n, of_type[TYPES], SHRINK_DAY)


def _towards(total: np.ndarray, count: np.ndarray, level: np.ndarray, weight: float) -> np.ndarray:
    """The mean, as if ``weight`` more observations had been ``level``."""
    return (total + weight * level) / (count + weight)
