"""One forecast of what comes next, beside the simple ones that it must beat, made from the same observations.

Shapes: S seeds, L lookback, H horizon, V detectors, K targets, P quantile levels.
"""

from dataclasses import dataclass

import numpy as np

from vdcast.data import profile
from vdcast.data.detectors import Detectors
from vdcast.errors import InputError
from vdcast.live.recent import when
from vdcast.models.shared import inference
from vdcast.models.shared.device import one_thread
from vdcast.models.shared.task import Task
from vdcast.models.shared.trained import Trained

SIMPLE = ("persistence", "profile", "linear")  # what the forecast is scored against


@dataclass(frozen=True, kw_only=True)
class Issued:
    """What is said of H steps after ``origin`` of every VD; NaN of those whose newest observation is too old."""

    task: Task
    issue: int  # Unix seconds: when it was made
    origin: int  # Unix seconds: start of the newest step with an observation
    columns: dict[str, np.ndarray]  # (H, V, K) float32, in units: forecast, quantiles, and ``SIMPLE``
    age: (
        np.ndarray
    )  # (V, K) seconds from the end of the newest observed interval; NaN without one in the lookback

    @property
    def silent(self) -> tuple[str, ...]:
        """The VDs without a forecast of any target."""
        none = np.isnan(self.columns["forecast"]).all(axis=(0, 2))
        return tuple(vd for vd, without in zip(self.task.vd_ids, none, strict=True) if without)


def issue(trained: Trained, recent: Detectors, *, now: int, max_age: int) -> Issued:
    """The forecast of ``trained`` from ``recent``, the lookback of its task.

    Raises InputError where every VD's newest observation is older than ``max_age`` seconds.
    """
    task = trained.task
    origin = int(recent.timestamps[-1])
    targets = recent.select(task.vd_ids, task.targets).values  # (L, V, K)
    age = _age(targets, recent.timestamps + task.interval, now)
    old = ~(age <= max_age)  # also where it is NaN
    if old.all():
        newest = (
            f"the newest is {_in_words(np.nanmin(age))} old" if np.isfinite(age).any() else "there is none"
        )
        raise InputError(
            f"no VD of run {trained.run['name']} has an observation of the last {_in_words(max_age)} "
            f"(forecast.max_age) before {when(now, task.time_zone)}: {newest}; is the feed alive, and the clock right?"
        )
    with one_thread():
        by_network = _by_network(trained, recent)
        windows = trained.windows(trained.next_window(recent))
        linear = inference.linear(trained.weights, task, windows)[:, 0].mean(axis=0)  # of the seeds
    columns = {
        **by_network,
        "persistence": np.broadcast_to(_last(targets), (task.horizon, *age.shape)),
        "profile": _usual(task, origin),
        "linear": linear,
    }
    masked = {name: np.where(old, np.nan, each).astype(np.float32) for name, each in columns.items()}
    return Issued(task=task, issue=now, origin=origin, columns=masked, age=age)


def _age(targets: np.ndarray, ends: np.ndarray, now: int) -> np.ndarray:
    """(V, K) seconds that have passed since the newest observation's interval ended; NaN without one."""
    seen = np.isfinite(targets)
    newest = np.where(seen, ends[:, None, None], -np.inf).max(axis=0)
    return np.where(seen.any(axis=0), now - newest, np.nan)


def _last(targets: np.ndarray) -> np.ndarray:
    """(V, K) the newest observation of the lookback; NaN without one."""
    newest_first = targets[::-1]
    at = np.isfinite(newest_first).argmax(axis=0)
    return np.take_along_axis(newest_first, at[None], axis=0)[0]


def _usual(task: Task, origin: int) -> np.ndarray:
    """(H, V, K) what the training part shows of that time of the week."""
    ahead = origin + task.interval * np.arange(1, task.horizon + 1)
    slot = profile.slots(ahead, task.time_zone, task.interval, task.covariates)
    return task.profile[slot][..., task.target_columns]


def _by_network(trained: Trained, recent: Detectors) -> dict[str, np.ndarray]:
    """The median forecast, and the ends of the calibrated intervals where there are some; each the mean of the seeds."""
    quantiles = trained.quantiles(trained.next_window(recent))
    forecasts = {"forecast": quantiles.median.mean(axis=0), **quantiles.ends}
    return {name: each[0] for name, each in forecasts.items()}


def _in_words(seconds: float) -> str:
    """A time span as a person says it."""
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:g} s"
