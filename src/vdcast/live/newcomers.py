"""Detectors that came after a run was trained: who they are, and since when they have been seen."""

import numpy as np

from vdcast.data import calendar
from vdcast.data.detectors import Detectors
from vdcast.errors import InputError
from vdcast.models.shared.task import Task
from vdcast.models.shared.trained import Trained

DAYS = 28  # that are looked back on
FEWEST = 2  # days of observations of each feature; of one day nobody can say what is usual
NAMED = 5  # VDs in a sentence


def steps(task: Task) -> int:
    """Of ``DAYS``."""
    return DAYS * calendar.DAY // task.interval


def taken_on(trained: Trained, history: Detectors) -> tuple[Trained, list[str]]:
    """``trained`` and the detectors of ``history`` that it does not know; a sentence on those that were seen too little.

    Raises InputError where it takes on none: as there is none, or as its weights belong to those that it was trained on.
    """
    task = trained.task
    strangers = [vd for vd in history.vd_ids if vd not in set(task.vd_ids)]
    if not strangers:
        raise InputError(
            f"run {trained.run['name']} knows all {len(history.vd_ids)} VDs of {history.source}; there is none to take on"
        )
    seen = history.select(strangers, task.features)
    observed = np.isfinite(seen.values).sum(axis=0).min(axis=1)  # (V,) steps, of the feature with the fewest
    enough = observed * seen.interval >= FEWEST * calendar.DAY
    chosen = [vd for vd, taken in zip(strangers, enough, strict=True) if taken]
    left = [vd for vd, taken in zip(strangers, enough, strict=True) if not taken]
    some = ", ".join(left[:NAMED]) + ", ..." * (len(left) > NAMED)
    said = f"of {len(strangers)} new VDs {len(left)} have fewer than {FEWEST} days of observations in the last {DAYS}: {some}"
    if not chosen:
        raise InputError(f"{said}; none is taken on")
    return trained.joined_by(seen.select(chosen, task.features)), [said] if left else []
