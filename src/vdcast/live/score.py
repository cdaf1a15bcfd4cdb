"""How earlier forecasts fared beside what came, and whether the network still earns its keep.

Forecast and simple forecasts are scored on the same observations: those for which all of them said something.
Shapes: H horizon, V detectors, K targets.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from vdcast.data.calendar import DAY
from vdcast.data.detectors import Detectors
from vdcast.live.issue import SIMPLE
from vdcast.live.record import SCORED, Kept
from vdcast.models.shared.task import Task

PERIODS = {"day": DAY, "week": 7 * DAY}  # seconds before now in which what was forecast began
LONGEST = PERIODS["week"]
ENOUGH = 24  # different hours in which a forecast began, for an alarm: errors of one hour hang together


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Errors of one period."""

    total: dict[str, np.ndarray]  # (H, V, K) sums of absolute errors, of each of ``SCORED``
    count: np.ndarray  # (H, V, K) how many
    hours: set[int] = field(default_factory=set)  # since 1970, in which a forecast began of which some are

    def mae(self, name: str, *axes: int) -> np.ndarray:
        """Mean absolute error, pooled over ``axes`` of (H, V, K); NaN where nothing was scored."""
        total, count = self.total[name].sum(axis=axes), self.count.sum(axis=axes)
        return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)


def score(forecasts: Iterable[Kept], observed: Detectors, task: Task, *, now: int) -> dict[str, Scores]:
    """The scores of each of ``PERIODS`` up to ``now`` (Unix seconds).

    ``observed`` has the task's detectors, and its features in the task's order.
    """
    shape = (task.horizon, len(task.vd_ids), len(task.targets))
    found = {
        period: Scores(total={name: np.zeros(shape) for name in SCORED}, count=np.zeros(shape, np.int64))
        for period in PERIODS
    }
    values = observed.select(task.vd_ids, task.targets).values
    for each in forecasts:
        times = each.origin + task.interval * np.arange(1, task.horizon + 1)
        row = (times - observed.timestamps[0]) // task.interval
        known = (row >= 0) & (row < len(values))
        came = np.full(shape, np.nan)
        came[known] = values[row[known]]
        errors = {name: np.abs(each.columns[name] - came) for name in SCORED}
        scored = np.isfinite(sum(errors.values()))
        for period, seconds in PERIODS.items():
            counted = scored & (times >= now - seconds)[:, None, None]
            found[period].count[...] += counted
            if counted[..., 0].any():
                found[period].hours.add(each.origin // 3600)
            for name, error in errors.items():
                found[period].total[name][...] += np.where(counted, error, 0)
    return found


def ahead_of(scores: Scores) -> tuple[str, float, float]:
    """The best simple forecast of the first target, its MAE, and that of the network, over all horizons and VDs."""
    mae = {name: float(scores.mae(name, 0, 1)[0]) for name in SCORED}
    best = min(SIMPLE, key=mae.__getitem__)
    return best, mae[best], mae["forecast"]


def behind(scores: Scores, alarm: float | None) -> bool:
    """Whether the network's MAE lies more than the share ``alarm`` above that of the best simple forecast.

    Never of less than ``ENOUGH`` hours: a few bad ones are no drift.
    """
    _best, simple, network = ahead_of(scores)
    return alarm is not None and len(scores.hours) >= ENOUGH and network > (1 + alarm) * simple
