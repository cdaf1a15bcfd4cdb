"""What a run of ``global_multi_vd`` says of detectors that it was not trained on: ``python benchmarks/newcomers.py [TABLE]``.

Every fifth detector (``--parts``) is held out of a training, then the next ones, until each was out once (or ``--rounds``). What is held out is
forecast over the test part from its last days before that alone: its scale and its weekly profile come from these, its embedding is
the mean of those that are known, or is fitted to these days, all other weights as they are; how fast, is chosen on the validation
part, from the days before that. Beside it stand the naive forecasts from the same days, and the run that was trained on it.
``TABLE``, such as data/detectors.h5, and params.yaml say of what; without it, the sample. Mean absolute error of the first
target, pooled over detectors and horizons, in its unit.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from measure import table as as_table
from sample import budget, prepared, settings
from vdcast.baselines.naive import History, hour_of_week_mean, last_week, persistence, yesterday
from vdcast.data import calendar, profile, store
from vdcast.data.detectors import Detectors, Prepared
from vdcast.forecasts.predictions import origin_steps
from vdcast.forecasts.quantiles import levels_of
from vdcast.live.newcomers import elsewhere
from vdcast.models.shared.task import Task
from vdcast.models.shared.trained import Trained
from vdcast.models.shared.windows import Windows
from vdcast.params.modes import sharing_of
from vdcast.prepare.split import prepare
from vdcast.train.data import TrainingData
from vdcast.train.loss import masked_error
from vdcast.train.workers import fit

MODE = "global_multi_vd"
DAYS = (1, 2, 3, 7, 14)
FITTED = (1, 7)  # days that an embedding is fitted to
STEPS = 200
RATES = (0.001, 0.01, 0.1)
NAMES = [f"{name} of {days} days" for days in DAYS for name in ("profile", "hour-of-week mean")]
NAMES += ["persistence", "yesterday", "last week"]

Errors = dict[str, list[np.ndarray]]  # absolute ones, (W, H, V) of each part, by forecast


@dataclass(frozen=True)
class Part:
    """A training, and the detectors that were held out of it, by name."""

    trained: Trained
    held_out: list[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("table", nargs="?", type=Path, help="in place of the sample")
    parser.add_argument("--models", nargs="+", default=["lstm", "xlstm"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--parts", type=int, default=5, help="each is held out once (5: a fifth at a time)")
    parser.add_argument("--rounds", type=int, help="so many parts are held out, in place of each once")
    parser.add_argument("--vds", type=int, help="the first so many that prepare keeps, in place of all")
    parser.add_argument(
        "--quick", action="store_true", help="an epoch and two steps: whether it runs, and no figures"
    )
    given = parser.parse_args()
    epochs, steps = ({"epochs": 1}, 2) if given.quick else ({}, STEPS)
    data = prepare(store.read(given.table), settings().prepare)[0][0] if given.table else prepared()
    names = list(data.parts["train"].vd_ids)[: given.vds]
    errors: Errors = {}
    for model in given.models:
        parts = []
        for k in range(given.rounds or given.parts):
            known = [vd for v, vd in enumerate(names) if v % given.parts != k]
            parts.append(
                Part(trained(data, known, model, seeds=given.seeds, **epochs), names[k :: given.parts])
            )
        everything = trained(data, names, model, seeds=given.seeds, **epochs)
        for name, error in errors_of(data, parts, everything, steps).items():
            errors[name if name in NAMES else f"{model}, {name}"] = error
    rows = [
        {"forecast": name, "MAE": f"{np.nanmean(np.concatenate([e.ravel() for e in each])):.3f}"}
        for name, each in errors.items()
    ]
    print("\n".join(as_table(rows)))


def trained(data: Prepared, vds: Sequence[str], model: str, **train) -> Trained:
    """A run of these detectors alone."""
    places = [data.parts["train"].vd_ids.index(vd) for vd in vds]
    task = Task.of_vds(data, places, settings().window, sharing_of(MODE))
    run = budget(f"{model}-{MODE}", **train)
    fitted = fit(run, [TrainingData.of(task, data, "cpu")])
    return Trained(weights=fitted.weights, run=run.model_dump(), task=task)


def errors_of(data: Prepared, parts: Sequence[Part], everything: Trained, steps: int) -> Errors:
    """Of each forecast of the detectors that each of ``parts`` was not trained on, over the test part."""
    made: Errors = {}
    at_home = everything.forecast_all(data.parts["test"]).mean(axis=0)[..., 0]
    for part in parts:
        place = [everything.task.vd_ids.index(vd) for vd in part.held_out]
        for name, error in errors_of_part(data, part, at_home[..., place]).items():
            made.setdefault(name, []).append(error)
    for days in FITTED:
        rate = chosen_rate(data, parts, days, steps)
        if rate is None:
            continue
        made[f"new, embedding fitted to {days} days (rate {rate:g})"] = [
            fitted_error(data, part, "test", days, rate, steps) for part in parts
        ]
    return made


def chosen_rate(data: Prepared, parts: Sequence[Part], days: int, steps: int) -> float | None:
    """Of ``RATES`` that with the lowest error on the validation part, from the days before it; None of too few for a window."""
    task = parts[0].trained.task
    if days * calendar.DAY < (task.length + task.horizon) * task.interval:
        print(
            f"{days} days hold no window of {task.length + task.horizon} steps: no embedding can be fitted to them\n"
        )
        return None

    def mae(rate: float) -> float:
        found = [fitted_error(data, part, "validation", days, rate, steps) for part in parts]
        return float(np.nanmean(np.concatenate([each.ravel() for each in found])))

    return min(RATES, key=mae)


def fitted_error(data: Prepared, part: Part, where: str, days: int, rate: float, steps: int) -> np.ndarray:
    """Of the detectors held out, over the part ``where`` of the data, from so many ``days`` before it."""
    of = data.parts[where].select(part.held_out, data.parts[where].features)
    history = last_days(before(data, where, part.held_out), days)
    new = with_fitted_embedding(elsewhere(part.trained, history), history, rate, steps)
    return np.abs(new.forecast_all(of).mean(axis=0)[..., 0] - observed(of, new.task, data.targets[0]))


def with_fitted_embedding(of: Trained, history: Detectors, rate: float, steps: int) -> Trained:
    """``of`` with embeddings fitted to windows of ``history``, drawn at random, by Adam and without dropout.

    A window must not know its own day, where there is another one that its profile can come from.
    """
    torch.manual_seed(0)
    windows = Windows(of.task, history, own_day_out=other_days(history))
    model = of.model(windows).requires_grad_(False)
    embedding = model.embedding.weight.requires_grad_(True)
    optimiser = torch.optim.Adam([embedding], lr=rate)
    levels = torch.tensor(levels_of(of.settings.train.quantiles))
    for _ in range(steps):
        sample = torch.randint(len(windows) * len(history.vd_ids), (1, of.settings.network.batch_size))
        batch = windows.batch(sample.expand(len(embedding), -1))
        total, valid = masked_error(model(batch), batch, levels)
        optimiser.zero_grad()
        (total / valid.clamp(min=1)).sum().backward()
        optimiser.step()
    return replace(of, weights=of.weights | {"embedding.weight": embedding.detach()})


def other_days(history: Detectors) -> np.ndarray:
    """(T, V, F) what is usual at each step, of the other days; of days that are all there is, of themselves."""
    usual = profile.of_part(history)[profile.slots_of(history)]
    with np.errstate(invalid="ignore"):
        others = profile.left_out(history)
    return np.nan_to_num(np.where(np.isfinite(others), others, usual))


def errors_of_part(data: Prepared, part: Part, at_home: np.ndarray) -> dict[str, np.ndarray]:
    """Absolute errors (W, H, V) of each forecast that no embedding is fitted for; ``at_home`` (W, H, V) is of what was trained on them."""
    test = data.parts["test"]
    task = part.trained.task
    past = before(data, "test", part.held_out)
    ours, f = test.select(part.held_out, test.features), test.features.index(data.targets[0])
    L, H = task.length, task.horizon
    ahead = origin_steps(len(ours.values), L, H)[:, None] + np.arange(1, H + 1)
    made = {}
    for days in DAYS:
        history = last_days(past, days)
        made[f"new, of {days} days"] = (
            elsewhere(part.trained, history).forecast_all(ours).mean(axis=0)[..., 0]
        )
        usual = profile.of_part(history)[profile.slots_of(ours)][..., f]
        made[f"profile of {days} days"] = usual[ahead]
        hours = calendar.hour_of_week(ours.timestamps, ours.time_zone)
        made[f"hour-of-week mean of {days} days"] = hour_of_week_mean(history, data.targets)[hours][
            ahead, :, 0
        ]
    made["trained on it"] = at_home
    whole = joined([past, ours])
    history = History(
        values=whole.values[..., [f]],
        hour_of_week=calendar.hour_of_week(whole.timestamps, whole.time_zone),
        profile=hour_of_week_mean(past, data.targets),
        origins=len(past.timestamps) + origin_steps(len(ours.values), L, H),
        length=L,
        horizon=H,
        interval=ours.interval,
    )
    for name, naive in (("persistence", persistence), ("yesterday", yesterday), ("last week", last_week)):
        made[name] = naive(history)[..., 0]
    return {name: np.abs(each - observed(ours, task, data.targets[0])) for name, each in made.items()}


def observed(part: Detectors, task: Task, target: str) -> np.ndarray:
    """(W, H, V) what came after each window."""
    ahead = origin_steps(len(part.values), task.length, task.horizon)[:, None] + np.arange(
        1, task.horizon + 1
    )
    return part.values[ahead, :, part.features.index(target)]


def before(data: Prepared, where: str, vds: Sequence[str]) -> Detectors:
    """All of these detectors that lies before the part ``where``."""
    earlier = {"validation": ["train"], "test": ["train", "validation"]}[where]
    return joined([data.parts[name].select(vds, data.parts[name].features) for name in earlier])


def last_days(part: Detectors, days: int) -> Detectors:
    return part.rows(max(0, len(part.timestamps) - days * calendar.DAY // part.interval), None)


def joined(parts: Sequence[Detectors]) -> Detectors:
    """Parts that follow each other as one."""
    values, times = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("values", "timestamps")
    )
    return replace(parts[0], values=values, timestamps=times)


if __name__ == "__main__":
    main()
