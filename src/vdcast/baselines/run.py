"""Every baseline on the test part: predictions and tables, and the windows' conditions."""

import numpy as np

from vdcast.baselines import naive
from vdcast.baselines.conditions import observe
from vdcast.data import calendar, store
from vdcast.data.detectors import Prepared
from vdcast.forecasts.predictions import beside_observed, origin_steps
from vdcast.forecasts.store import write_conditions, write_predictions
from vdcast.layout import NAIVE, PREPARED
from vdcast.params.sections import Params
from vdcast.scores import cuts
from vdcast.scores.csv_files import write_csv


def forecast_all(settings: Params) -> None:
    """Every baseline on every prepared VD, and the windows' conditions."""
    prepared = store.read_prepared(PREPARED, parts=store.PARTS)
    train, test = prepared.parts["train"], prepared.parts["test"]
    history = known(prepared, settings)
    predictions = {
        name: beside_observed(naive.forecast(name, history)[None], test, prepared.targets, history.length)
        for name in naive.BASELINES
    }
    NAIVE.mkdir(parents=True, exist_ok=True)
    write_conditions(
        NAIVE / "conditions.h5",
        observe(train, test, settings.window, settings.evaluate, prepared.targets[0]),
    )
    target_vd, mape_floor = test.vd_ids[settings.modes.target_vd_index], settings.evaluate.mape_floor
    for name, each in predictions.items():
        write_predictions(NAIVE / name / "predictions.h5", each)
        write_csv(NAIVE / name, each, naive=predictions, target_vd=target_vd, mape_floor=mape_floor)
        mae = cuts.score_table(each.of([target_vd]), cuts.overall(), 0).mae.iloc[0]
        print(f"{name}: {each.targets[0]} MAE {mae:.2f} {each.units[0]} on VD {target_vd}")


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
