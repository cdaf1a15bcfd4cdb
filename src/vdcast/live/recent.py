"""The newest steps of the detectors, from raw files or from a table, in the shape that a run was trained on.

Shapes: T steps, V detectors, F features, L lookback.
"""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from vdcast.data import store
from vdcast.data.detectors import Detectors
from vdcast.errors import InputError
from vdcast.ingest import pipeline
from vdcast.layout import SPOOL
from vdcast.models.shared.task import Task
from vdcast.params.formats import Auto, Data


def of_raw(settings: Data, *, steps: int, now: int) -> tuple[Detectors, int]:
    """The last ``steps`` steps that had ended by ``now`` (Unix seconds), and when the last of all began.

    What is new under ``data.raw`` is read, and kept for the next time and for the stage ``ingest``.
    """
    if isinstance(settings, Auto):
        # with every format, which a feed that says its own does not wait for
        from vdcast.ingest import detect

        settings, _why = detect.resolved(settings)
    return pipeline.recent(settings, SPOOL, steps=steps, now=now)


def of_table(path: Path, *, steps: int, now: int) -> tuple[Detectors, int]:
    """The same of a table such as data/detectors.h5."""
    table = store.read(path)
    stop = int(np.searchsorted(table.timestamps, now - table.interval, side="right"))
    if not stop:
        raise InputError(
            f"no step of '{path}' had ended by {when(now, table.time_zone)}; the first one begins at "
            f"{when(table.timestamps[0], table.time_zone)}; is the clock right?"
        )
    return replace(table.rows(max(0, stop - steps), stop), source=f"'{path}'"), int(table.timestamps[-1])


def lookback(table: Detectors, task: Task) -> Detectors:
    """What the task looks back on from the end of ``table``."""
    return aligned(table, task, steps=task.length)


def aligned(table: Detectors, task: Task, *, steps: int) -> Detectors:
    """The last ``steps`` of ``table`` as the task has them: what is absent, a detector or a step, is missing there."""
    T, F = steps, len(task.features)
    present = set(table.vd_ids)
    v = [v for v, vd in enumerate(task.vd_ids) if vd in present]
    values = np.full((T, len(task.vd_ids), F), np.nan, np.float32)
    kept = table.select([task.vd_ids[i] for i in v], task.features).values[-T:]
    values[T - len(kept) :, v] = kept
    return replace(
        table,
        values=values,
        timestamps=table.timestamps[-1] + task.interval * np.arange(1 - T, 1),
        vd_ids=task.vd_ids,
        features=task.features,
        units=task.feature_units,
        info={},
    )


def steps_without_weather(window: Detectors, task: Task) -> int:
    """Of how many steps ahead of one ``window`` nothing was said in time, to a run that takes the weather."""
    weather = task.covariates.weather
    if weather is None:
        return 0
    ahead, now = window.timestamps[task.length :], window.timestamps[task.length - 1] + task.interval
    return int((weather.rows(ahead, now) < 0).sum())


def when(seconds: int, time_zone: str) -> str:
    """Unix seconds as local time with its offset."""
    return datetime.fromtimestamp(int(seconds), ZoneInfo(time_zone)).isoformat()
