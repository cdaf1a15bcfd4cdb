"""Detectors that came after a run was trained: who they are, since when they have been seen, and what forecasts them."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from vdcast.data import calendar, profile, scale
from vdcast.data.detectors import Detectors
from vdcast.errors import InputError
from vdcast.forecasts.predictions import origin_steps
from vdcast.forecasts.quantiles import levels_of
from vdcast.models.shared import inference
from vdcast.models.shared.calibration import POOLS, conformal
from vdcast.models.shared.device import one_thread
from vdcast.models.shared.task import Task
from vdcast.models.shared.trained import Trained
from vdcast.models.shared.windows import Windows
from vdcast.params.modes import Sharing

DAYS = 28  # that are looked back on
FEWEST = 2  # days of observations of each feature; of one day nobody can say what is usual
NAMED = 5  # VDs in a sentence
WINDOWS = (
    2000  # that calibrate an interval, at most: the coverage that so many give to 80 % scatters by one point
)


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
    return joined_by(trained, seen.select(chosen, task.features)), [said] if left else []


def joined_by(trained: Trained, history: Detectors) -> Trained:
    """``trained`` for its own detectors and those of ``history``, which it does not know, as ``elsewhere`` has them.

    Intervals of these are calibrated on their own days (``own_margins``). Raises InputError as ``elsewhere`` does.
    """
    own = trained.task
    own.check_fits(history, trained.run["name"])
    new = elsewhere(trained, history)
    task = replace(
        own,
        vd_ids=own.vd_ids + new.task.vd_ids,
        mean=np.concatenate([own.mean, new.task.mean]),
        std=np.concatenate([own.std, new.task.std]),
        profile=np.concatenate([own.profile, new.task.profile], axis=1),
        untrained=own.untrained + new.task.untrained,
    )
    tables = [each.weights["embedding.weight"] for each in (trained, new)]
    weights = trained.weights | {"embedding.weight": torch.cat(tables, dim=1)}
    margins = trained.margins
    if margins is not None:
        margins = torch.cat([margins, own_margins(new, history)], dim=2)
    return replace(trained, task=task, weights=weights, margins=margins, pools=None)


def own_margins(new: Trained, history: Detectors) -> Tensor:
    """(S, H, V, K, P) that ``history`` asks for, to which no weight was fitted; NaN where it is too short to say.

    The profile comes from it too: a window knows that of the other days, as in training.
    """
    task, train = new.task, new.settings.train
    S, H, levels = len(train.seeds), task.horizon, levels_of(train.quantiles)
    known = task.chosen(history)
    if len(known.timestamps) < task.length + H:
        none = torch.full((S, H, len(task.vd_ids), len(task.targets), len(levels)), torch.nan)
        none[..., len(levels) // 2] = 0  # the median is the forecast
        return none
    windows = Windows(task, known, own_day_out=profile.left_out(known))
    some = slice(None, None, -(-len(windows) // WINDOWS))
    with one_thread():
        raw = inference.raw(new.model(windows), task, windows, S, some)
    origins = origin_steps(len(known.timestamps), task.length, H)[some]
    observed = known.values[origins[:, None] + np.arange(1, H + 1)][..., task.target_columns]
    margins, pools = conformal(raw, observed, levels, task.target_std)
    for i in range(len(levels) // 2):
        margins[:, pools[..., i] == len(POOLS), i] = np.nan
        margins[..., len(levels) - 1 - i] = -margins[..., i]
    return torch.from_numpy(margins)


def elsewhere(trained: Trained, history: Detectors) -> Trained:
    """The same weights for the detectors of ``history``, whose scale and profile of the week come from it.

    A detector that it was not trained on has the mean of the embeddings; intervals are no longer calibrated.
    Raises InputError where weights belong to detectors, where a forecast hears of neighbours, and where ``history`` is
    not of what it was trained on.
    """
    known, run = trained.task, trained.run
    if known.sharing is not Sharing.SHARED or known.neighbours:
        raise InputError(
            f"run {run['name']} of mode {run['mode']} forecasts the detectors that it was trained on and no "
            "others; a run in global_multi_vd can"
        )
    known = replace(known, time_zone=history.time_zone)  # its days and weeks are local
    known.check_fits(history, run["name"])
    history = replace(history.select(history.vd_ids, known.features), covariates=known.covariates)
    mean, std = scale.of_values(history.values)
    place = {vd: v for v, vd in enumerate(known.vd_ids)}
    task = replace(
        known,
        vd_ids=history.vd_ids,
        mean=mean,
        std=std,
        profile=profile.of_part(history),
        untrained=tuple(vd for vd in history.vd_ids if vd not in place or vd in known.untrained),
    )
    table = trained.weights["embedding.weight"]  # (N, V, D)
    rows = [table[:, place[vd]] if vd in place else table.mean(dim=1) for vd in history.vd_ids]
    weights = trained.weights | {"embedding.weight": torch.stack(rows, dim=1)}
    return replace(trained, task=task, weights=weights, margins=None, pools=None)
