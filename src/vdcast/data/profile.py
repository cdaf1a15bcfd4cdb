"""What is usual at a time of the week: the anchor of every forecast, from the training part alone.

The week has 7Z slots of local time, Z a day. The total and the count of the valid observations in each slot are all that is
needed. Both are smoothed over neighbouring slots, which keeps them sums and counts. With days of one type (Monday to
Friday, Saturday, Sunday) added up, and all days added up,

    all  = total_all / count_all, which leans on the mean of the series where no day was observed
    type = (total_type + SHRINK_TYPE * all) / (count_type + SHRINK_TYPE)
    day  = (total_day + SHRINK_DAY * type) / (count_day + SHRINK_DAY)

so a weekday that was seen often stands for itself, and one that was seen once leans on its type. Where public holidays are
known (``data.covariates``), they are an eighth day, of Sunday's type, and 8Z slots are a week. A hole in the data
is a count of nothing: the profile leans on the level above there. It is NaN, a hole itself, where a series has no
observation at all, and zero only where zeros were observed.

The three settings are those with the lowest error on the validation parts of three public data sets, of a grid that
the training part alone, each day forecast from the others, orders in the same way.
"""

import numpy as np

from vdcast.data import calendar
from vdcast.data.covariates import HOLIDAY, Covariates
from vdcast.data.detectors import Detectors

WIDTH = 600  # seconds: standard deviation of the Gaussian over neighbouring slots
SHRINK_TYPE = 0.1  # days of the all-days mean that a type is given: types differ more than their days scatter
SHRINK_DAY = 4.0  # days of its type that a weekday is given: a few weeks show little of what sets it apart
SHORTEST = 300  # seconds of a slot, at least: a slot a minute would be a table of 10,080 rows of noise
# the days of each, from Monday = 0; 7 is a holiday, where some are known
TYPES = ([0, 1, 2, 3, 4], [5], [6, 7])
BLOCK = 1 << 21  # numbers of a week that are worked on at once, whatever the number of detectors


def slots(timestamps: np.ndarray, time_zone: str, interval: int, covariates: Covariates) -> np.ndarray:
    """Slot of the week, 0 (Monday, 00:00) to 7Z - 1, of each time step, (T,); those of a holiday are 7Z to 8Z - 1."""
    slot = slot_at(calendar.second_of_week(timestamps, time_zone), interval)
    Z = slots_a_day(interval)
    return np.where(covariates.planned(HOLIDAY, timestamps), 7 * Z + slot % Z, slot)


def slots_of(part: Detectors) -> np.ndarray:
    """The same of each step of ``part``."""
    return slots(part.timestamps, part.time_zone, part.interval, part.covariates)


def slot_at(second_of_week, interval: int):
    """The slot that each second of the local week lies in; of arrays and tensors alike."""
    day, second = second_of_week // calendar.DAY, second_of_week % calendar.DAY
    return day * slots_a_day(interval) + second // max(interval, SHORTEST)


def slots_a_day(interval: int) -> int:
    """Z, for time steps of ``interval`` seconds."""
    return -(-calendar.DAY // max(interval, SHORTEST))


def of_part(part: Detectors) -> np.ndarray:
    """(7Z, V, F) float32, or 8Z: the profile of the training part ``part``."""
    slot, Z = slots_of(part), slots_a_day(part.interval)
    _, V, F = part.values.shape
    made = np.empty((part.covariates.days * Z, V, F), np.float32)
    for some in _blocks(part):
        made[:, some] = _profile(*_sums(part.values[:, some], slot, len(made)), part.interval)
    return made


def left_out(part: Detectors) -> np.ndarray:
    """(T, V, F) float32: of each step of the training part, the profile without the step's own local day.

    What a window of the training part is anchored on must not have seen its answer.
    """
    slot, size = slots_of(part), part.covariates.days * slots_a_day(part.interval)
    date = calendar.dates(part.timestamps, part.time_zone)
    days = [np.flatnonzero(date == day) for day in np.unique(date)]
    made = np.empty(part.values.shape, np.float32)
    for some in _blocks(part):
        values = part.values[:, some]
        total, count = _sums(values, slot, size)
        for day in days:
            own_total, own_count = _sums(values[day], slot[day], size)
            without = _profile(total - own_total, count - own_count, part.interval)
            made[day, some] = without[slot[day]]
    return made


def _blocks(part: Detectors) -> list[slice]:
    """Neighbouring detectors, as many as make up ``BLOCK``."""
    _, V, F = part.values.shape
    size = max(1, BLOCK // (part.covariates.days * slots_a_day(part.interval) * F))
    return [slice(v, v + size) for v in range(0, V, size)]


def _sums(values: np.ndarray, slot: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Sum and count (size, V, F) of the valid ``values`` (T, V, F) by slot of the week."""
    total, count = np.zeros((2, size, *values.shape[1:]))
    np.add.at(total, slot, np.nan_to_num(values))
    np.add.at(count, slot, np.isfinite(values))
    return total, count


def _profile(total: np.ndarray, count: np.ndarray, interval: int) -> np.ndarray:
    """(7Z, V, F), or 8Z, of ``_sums``; NaN where a series has no observation."""
    with np.errstate(invalid="ignore"):
        whole = total.sum(0) / count.sum(0)
    Z = slots_a_day(interval)
    totals, counts = (_smoothed(each, interval).reshape(-1, Z, *each.shape[1:]) for each in (total, count))
    types = [[day for day in days if day < len(totals)] for days in TYPES]
    day = max(interval, SHORTEST) / interval  # steps that a day adds to a slot
    of_all = _towards(totals.sum(0), counts.sum(0), whole, 1e-6)
    of_type = [
        _towards(totals[days].sum(0), counts[days].sum(0), of_all, SHRINK_TYPE * day) for days in types
    ]
    level = np.repeat(of_type, [len(days) for days in types], axis=0)
    return _towards(totals, counts, level, SHRINK_DAY * day).reshape(total.shape)


def _towards(total: np.ndarray, count: np.ndarray, level: np.ndarray, weight: float) -> np.ndarray:
    return (total + weight * level) / (count + weight)


def _smoothed(sums: np.ndarray, interval: int) -> np.ndarray:
    """(7Z, ...) with each slot's neighbours in the week; Sunday's last slot lies beside Monday's first.

    A holiday's slots are neighbours of each other alone, the last one of the first.
    """
    week = 7 * slots_a_day(interval)
    if len(sums) > week:
        return np.concatenate([_smoothed(sums[:week], interval), _smoothed(sums[week:], interval)])
    slot = max(interval, SHORTEST)
    reach = 3 * WIDTH // slot
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * slot / WIDTH) ** 2)
    near = np.zeros_like(sums)
    for offset, weight in zip(range(-reach, reach + 1), kernel / kernel.sum(), strict=True):
        near += weight * np.roll(sums, offset, axis=0)
    return near
