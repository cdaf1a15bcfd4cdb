"""Forecast the test part with every baseline, and say under which conditions: runs/naive/<baseline>/.

python -m vdcast.baselines
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vdcast.errors import one_sentence
from vdcast.layout import NAIVE, PREPARED

if TYPE_CHECKING:
    from vdcast.params.sections import Params


def main() -> None:
    argparse.ArgumentParser(
        prog="python -m vdcast.baselines", description=__doc__.split("\n")[0]
    ).parse_args()
    with one_sentence():
        from vdcast import params

        forecast_all(params.load())


def forecast_all(settings: Params) -> None:
    """Every baseline on every prepared VD, and the windows' conditions."""
    import numpy as np

    from vdcast.baselines import naive
    from vdcast.baselines.conditions import observe
    from vdcast.data import calendar, store
    from vdcast.forecasts.predictions import beside_observed, origin_steps
    from vdcast.forecasts.store import write_conditions, write_predictions
    from vdcast.scores import cuts
    from vdcast.scores.csv_files import write_csv

    prepared = store.read_prepared(PREPARED, parts=store.PARTS)
    parts = prepared.parts
    train, test = parts["train"], parts["test"]
    k = [test.features.index(target) for target in prepared.targets]
    values = np.concatenate([part.values[:, :, k] for part in parts.values()])
    timestamps = np.concatenate([part.timestamps for part in parts.values()])
    length, horizon = settings.window.sequence_length, settings.window.prediction_length
    history = naive.History(
        values=values,
        hour_of_week=calendar.hour_of_week(timestamps, test.time_zone),
        profile=naive.hour_of_week_mean(train, prepared.targets),
        origins=len(values) - len(test.values) + origin_steps(len(test.values), length, horizon),
        length=length,
        horizon=horizon,
        interval=test.interval,
    )
    predictions = {
        name: beside_observed(naive.forecast(name, history)[None], test, prepared.targets, length)
        for name in naive.BASELINES
    }
    NAIVE.mkdir(parents=True, exist_ok=True)
    write_conditions(
        NAIVE / "conditions.h5",
        observe(train, test, settings.window, settings.evaluate, prepared.targets[0]),
    )
    target_vd = test.vd_ids[settings.modes.target_vd_index]
    for name, each in predictions.items():
        folder = NAIVE / name
        write_predictions(folder / "predictions.h5", each)
        write_csv(folder, each, predictions, target_vd, settings.evaluate.mape_floor)
        mae = cuts.table(each.of([target_vd]), cuts.overall(), 0).mae.iloc[0]
        print(f"{name}: {each.targets[0]} MAE {mae:.2f} {each.units[0]} on VD {target_vd}")


if __name__ == "__main__":
    main()
