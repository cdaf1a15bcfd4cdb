"""What a run of ``global_multi_vd`` says of detectors that it was not trained on: ``python benchmarks/newcomers.py [TABLE]``.

Every second detector is held out of the training, and the other half in a second one. What is held out is forecast over the
test part from its last days before that alone: its scale and its weekly profile come from these, its embedding is the mean
of those that are known. Beside it stand the naive forecasts from the same days, and the run that was trained on it.
``TABLE``, such as data/detectors.h5, and params.yaml say of what; without it, the sample. Mean absolute error of the first
target, pooled over detectors and horizons, in its unit.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from measure import table as as_table
from sample import budget, prepared, settings
from vdcast.baselines.naive import History, hour_of_week_mean, last_week, persistence, yesterday
from vdcast.data import calendar, profile, store
from vdcast.data.detectors import Detectors, Prepared
from vdcast.forecasts.predictions import origin_steps
from vdcast.live.newcomers import elsewhere
from vdcast.models.shared.task import Task
from vdcast.models.shared.trained import Trained
from vdcast.params.modes import sharing_of
from vdcast.prepare.split import prepare
from vdcast.train.data import TrainingData
from vdcast.train.workers import fit

MODE = "global_multi_vd"
DAYS = (1, 2, 3, 7, 14)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("table", nargs="?", type=Path, help="in place of the sample")
    parser.add_argument("--models", nargs="+", default=["lstm", "xlstm"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--quick", action="store_true", help="an epoch: whether it runs, and no figures")
    given = parser.parse_args()
    epochs = {"epochs": 1} if given.quick else {}
    data = prepare(store.read(given.table), settings().prepare)[0][0] if given.table else prepared()
    V = len(data.parts["train"].vd_ids)
    halves = [list(range(V))[::2], list(range(V))[1::2]]
    errors: dict[str, list[np.ndarray]] = {}
    for model in given.models:
        everything = trained(data, list(range(V)), model, seeds=given.seeds, **epochs)
        for held_out, known in (halves, halves[::-1]):
            half = trained(data, known, model, seeds=given.seeds, **epochs)
            for name, error in errors_of(data, half, everything, held_out).items():
                errors.setdefault(name if name in NAMES else f"{model}, {name}", []).append(error)
    rows = [
        {"forecast": name, "MAE": f"{np.nanmean(np.concatenate([e.ravel() for e in each])):.3f}"}
        for name, each in errors.items()
    ]
    print("\n".join(as_table(rows)))


NAMES = [f"{name} of {days} days" for days in DAYS for name in ("profile", "hour-of-week mean")]
NAMES += ["persistence", "yesterday", "last week"]


def trained(data: Prepared, vds: list[int], model: str, **train) -> Trained:
    """A run of these detectors alone."""
    task = Task.of_vds(data, vds, settings().window, sharing_of(MODE))
    run = budget(f"{model}-{MODE}", **train)
    fitted = fit(run, [TrainingData.of(task, data, "cpu")])
    return Trained(weights=fitted.weights, run=run.model_dump(), task=task)


def errors_of(
    data: Prepared, half: Trained, everything: Trained, held_out: list[int]
) -> dict[str, np.ndarray]:
    """Absolute errors (W, H, V) of each forecast of the detectors that ``half`` was not trained on."""
    test = data.parts["test"]
    names = [test.vd_ids[v] for v in held_out]
    before = joined([data.parts["train"], data.parts["validation"]]).select(names, test.features)
    part, f = test.select(names, test.features), test.features.index(data.targets[0])
    L, H = half.task.length, half.task.horizon
    ahead = origin_steps(len(part.values), L, H)[:, None] + np.arange(1, H + 1)
    came = part.values[ahead, :, f]
    made = {}
    for days in DAYS:
        history = before.rows(max(0, len(before.timestamps) - days * calendar.DAY // before.interval), None)
        made[f"new, of {days} days"] = elsewhere(half, history).forecast_all(part).mean(axis=0)[..., 0]
        usual = profile.of_part(history)[profile.slots_of(part)][..., f]
        made[f"profile of {days} days"] = usual[ahead]
        hours = calendar.hour_of_week(part.timestamps, part.time_zone)
        made[f"hour-of-week mean of {days} days"] = hour_of_week_mean(history, data.targets)[hours][
            ahead, :, 0
        ]
    of_them = everything.forecast_all(test).mean(axis=0)
    made["trained on it"] = of_them[..., held_out, 0]
    whole = joined([before, part])
    history = History(
        values=whole.values[..., [f]],
        hour_of_week=calendar.hour_of_week(whole.timestamps, whole.time_zone),
        profile=hour_of_week_mean(before, data.targets),
        origins=len(before.timestamps) + origin_steps(len(part.values), L, H),
        length=L,
        horizon=H,
        interval=part.interval,
    )
    for name, naive in (("persistence", persistence), ("yesterday", yesterday), ("last week", last_week)):
        made[name] = naive(history)[..., 0]
    return {name: np.abs(each - came) for name, each in made.items()}


def joined(parts: list[Detectors]) -> Detectors:
    """Parts that follow each other as one."""
    values, times = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("values", "timestamps")
    )
    return replace(parts[0], values=values, timestamps=times)


if __name__ == "__main__":
    main()
