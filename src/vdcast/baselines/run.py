"""Every baseline on the test part: predictions and tables, and the windows' conditions."""

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
    Predictions,
    beside_observed,
    conditions_in_order,
    in_order,
    origin_steps,
)
from vdcast.forecasts.store import write_conditions, write_predictions
from vdcast.layout import NAIVE, PREPARED
from vdcast.params.sections import Params, Window
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
FITTED: dict[str, Fit] = {"damped": damped.fit, "linear": linear.fit, "trees": trees.fit}


def forecast_all(settings: Params) -> None:
    """The baselines of ``evaluate.baselines`` on every prepared VD, and the windows' conditions."""
    names: list[str] = list(settings.evaluate.baselines)
    if "trees" in names:
        trees.imported()  # before any work
    folds = store.read_prepared(PREPARED, parts=store.PARTS)
    made = [forecast_fold(names, prepared, settings) for prepared in folds]
    predictions = {name: in_order([of_fold[name] for of_fold in made]) for name in names}
    conditions = [
        observe(fold.parts["train"], fold.parts["test"], settings.window, settings.evaluate, fold.targets[0])
        for fold in folds
    ]
    NAIVE.mkdir(parents=True, exist_ok=True)
    write_conditions(NAIVE / "conditions.h5", conditions_in_order(conditions))
    test = folds[0].parts["test"]
    target_vd, mape_floor = test.vd_ids[settings.modes.target_vd_index], settings.evaluate.mape_floor
    for name, each in predictions.items():
        write_predictions(NAIVE / name / "predictions.h5", each)
        write_csv(NAIVE / name, each, baselines=predictions, target_vd=target_vd, mape_floor=mape_floor)
        mae = cuts.score_table(each.of([target_vd]), cuts.overall(), 0).mae.iloc[0]
        print(terminal(f"{name}: {each.targets[0]} MAE {mae:.2f} {each.units[0]} on VD {target_vd}"))


def forecast_fold(names: Sequence[str], prepared: Prepared, settings: Params) -> dict[str, Predictions]:
    """Those baselines on the test part of one fold."""
    history = known(prepared, settings)
    predictions = {}
    for name in names:
        made = fitted(name, prepared, settings.window) if name in FITTED else naive.NAIVE[name](history)
        forecast = naive.filled(made, history)[None]
        predictions[name] = beside_observed(
            forecast, prepared.parts["test"], prepared.targets, history.length
        )
    return predictions


def fitted(name: str, prepared: Prepared, window: Window) -> np.ndarray:
    """(W, H, V, K) of the test part; the baseline is fitted, and its settings chosen, without it."""
    made = []
    for target in prepared.targets:
        led = led_by(target, prepared)
        known = {part: led.parts[part] for part in ("train", "validation")}
        it = FITTED[name](replace(led, parts=known), window)
        print(terminal(f"{name}: {it.chosen} for {target}"))
        made.append(it.forecast(led.parts["test"], window))
    return np.stack(made, axis=-1)


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


def known(prepared: Prepared, settings: Params) -> naive.History:
    """All parts as one series, and the windows of the test part in it."""
    parts, test = prepared.parts, prepared.parts["test"]
    k = [test.features.index(target) for target in prepared.targets]
    values = np.concatenate([part.values[:, :, k] for part in parts.values()])
    timestamps = np.concatenate([part.timestamps for part in parts.values()])
    length, horizon = settings.window.sequence_length, settings.window.prediction_length
    return naive.History(
        values=values,
        hour_of_week=calendar.hour_of_week(timestamps, test.time_zone),
        profile=naive.hour_of_week_mean(parts["train"], prepared.targets),
        origins=len(values) - len(test.values) + origin_steps(len(test.values), length, horizon),
        length=length,
        horizon=horizon,
        interval=test.interval,
    )
