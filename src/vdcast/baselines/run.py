"""Every baseline on the test part: predictions and tables; its errors on the validation part; the windows' conditions."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from vdcast.baselines import damped, linear, naive, trees
from vdcast.baselines.conditions import observe
from vdcast.data import calendar, store
from vdcast.data.detectors import Detectors, Prepared
from vdcast.escape import terminal
from vdcast.forecasts.predictions import (
    Named,
    Predictions,
    beside_observed,
    conditions_in_order,
    in_order,
    origin_steps,
)
from vdcast.forecasts.store import write_conditions, write_predictions
from vdcast.layout import NAIVE, PREPARED
from vdcast.params.sections import Params, Window
from vdcast.records import io
from vdcast.records.validation import Validation
from vdcast.scores import cuts
from vdcast.scores.csv_files import write_csv


class Fitted(Protocol):
    """A baseline that was fitted to the first feature of the parts that it was given."""

    @property
    def chosen(self) -> str:
        """What the validation part decided, in words."""

    def forecast(self, part: Detectors, window: Window) -> np.ndarray:
        """(W, H, V)."""


Fit = Callable[[Prepared, Window], Fitted]  # of the training and the validation part, without the test part
FORECAST = ("validation", "test")  # parts
FITTED: dict[str, Fit] = {"damped": damped.fit, "linear": linear.fit, "trees": trees.fit}


def forecast_all(settings: Params) -> None:
    """The baselines of ``evaluate.baselines`` on every prepared VD, and the windows' conditions."""
    names: list[str] = list(settings.evaluate.baselines)
    if "trees" in names:
        trees.imported()  # before any work
    folds = store.read_prepared(PREPARED, parts=store.PARTS)
    made = [forecast_fold(names, prepared, settings) for prepared in folds]
    predictions = {name: in_order([fold["test"][name] for fold in made]) for name in names}
    conditions = [
        observe(fold.parts["train"], fold.parts["test"], settings.window, settings.evaluate, fold.targets[0])
        for fold in folds
    ]
    NAIVE.mkdir(parents=True, exist_ok=True)
    write_conditions(NAIVE / "conditions.h5", conditions_in_order(conditions))
    io.write(NAIVE / "validation.json", validation_of(made[0]["validation"]))
    test = folds[0].parts["test"]
    target_vd, mape_floor = test.vd_ids[settings.modes.target_vd_index], settings.evaluate.mape_floor
    for name, each in predictions.items():
        write_predictions(NAIVE / name / "predictions.h5", each)
        write_csv(NAIVE / name, each, baselines=predictions, target_vd=target_vd, mape_floor=mape_floor)
        mae = cuts.score_table(each.of([target_vd]), cuts.overall(), 0).mae.iloc[0]
        print(terminal(f"{name}: {each.targets[0]} MAE {mae:.2f} {each.units[0]} on VD {target_vd}"))


def forecast_fold(
    names: Sequence[str], prepared: Prepared, settings: Params
) -> dict[str, dict[str, Predictions]]:
    """Those baselines on the validation and the test part of one fold, by part and name."""
    histories = {part: known(prepared, settings, part) for part in FORECAST}
    found: dict[str, dict[str, Predictions]] = {part: {} for part in FORECAST}
    for name in names:
        made = fitted(name, prepared, settings.window) if name in FITTED else {}
        for part, history in histories.items():
            forecast = made[part] if made else naive.NAIVE[name](history)
            found[part][name] = beside_observed(
                naive.filled(forecast, history)[None], prepared.parts[part], prepared.targets, history.length
            )
    return found


def validation_of(named: Named) -> Validation:
    """Errors of the headline target on the validation part."""
    first = next(iter(named.values()))
    seen = np.isfinite(first.observed[..., 0]).sum(axis=0)  # (H, V)
    mae = {}
    for name, each in named.items():
        total = np.nansum(np.abs(each.forecast[0, ..., 0] - each.observed[..., 0]), axis=0, dtype=float)
        mae[name] = np.divide(total, seen, out=np.full(seen.shape, np.nan), where=seen > 0).tolist()
    return Validation(vds=list(first.vd_ids), mae=mae)


def fitted(name: str, prepared: Prepared, window: Window) -> dict[str, np.ndarray]:
    """(W, H, V, K) of each part of ``FORECAST``; the baseline is fitted, and its settings chosen, without the test part."""
    made: dict[str, list[np.ndarray]] = {part: [] for part in FORECAST}
    for target in prepared.targets:
        led = led_by(target, prepared)
        known = {part: led.parts[part] for part in ("train", "validation")}
        it = FITTED[name](replace(led, parts=known), window)
        print(terminal(f"{name}: {it.chosen} for {target}"))
        for part, of_target in made.items():
            of_target.append(it.forecast(led.parts[part], window))
    return {part: np.stack(of_target, axis=-1) for part, of_target in made.items()}


def led_by(target: str, prepared: Prepared) -> Prepared:
    """``prepared`` with ``target`` as the first feature of everything."""
    features = prepared.parts["train"].features
    order = sorted(range(len(features)), key=lambda f: features[f] != target)
    names = [features[f] for f in order]
    assert prepared.own_day_out is not None  # it came with the training part
    return replace(
        prepared,
        parts={name: part.select(part.vd_ids, names) for name, part in prepared.parts.items()},
        mean=prepared.mean[:, order],
        std=prepared.std[:, order],
        profile=prepared.profile[..., order],
        own_day_out=prepared.own_day_out[..., order],
    )


def known(prepared: Prepared, settings: Params, part: str) -> naive.History:
    """All that comes up to the end of ``part`` as one series, and the windows of ``part`` in it."""
    last = prepared.parts[part]
    parts = [each for each in prepared.parts.values() if each.timestamps[0] <= last.timestamps[0]]
    k = [last.features.index(target) for target in prepared.targets]
    values = np.concatenate([each.values[:, :, k] for each in parts])
    timestamps = np.concatenate([each.timestamps for each in parts])
    length, horizon = settings.window.sequence_length, settings.window.prediction_length
    return naive.History(
        values=values,
        hour_of_week=calendar.hour_of_week(timestamps, last.time_zone),
        profile=naive.hour_of_week_mean(prepared.parts["train"], prepared.targets),
        origins=len(values) - len(last.values) + origin_steps(len(last.values), length, horizon),
        length=length,
        horizon=horizon,
        interval=last.interval,
    )
