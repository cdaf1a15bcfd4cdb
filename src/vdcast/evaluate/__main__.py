"""Forecast the test part once, with a trained run, and score it.

    python -m vdcast.evaluate lstm-single_vd     # one run of params.yaml -> runs/lstm-single_vd/

Only this stage and ``baselines`` read the test part.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from vdcast.errors import one_sentence
from vdcast.layout import NAIVE, PREPARED, RUNS

if TYPE_CHECKING:
    from vdcast.params.sections import Params, Run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m vdcast.evaluate", description=__doc__.split("\n")[0])
    parser.add_argument("run", help="a key of `runs` in params.yaml, e.g. lstm-single_vd")
    name = parser.parse_args().run
    with one_sentence():
        from vdcast import params

        settings = params.load()
        evaluate(settings.run(name), settings)


def evaluate(run: Run, settings: Params) -> None:
    """One trained run on the test part: predictions, metrics, tables and a one-page report."""
    from dataclasses import replace

    from vdcast.data import store
    from vdcast.evaluate import outputs, run_report
    from vdcast.evaluate.cost import measure
    from vdcast.forecasts.predictions import beside_observed, check_same_windows, of
    from vdcast.forecasts.store import read_naive, write_predictions
    from vdcast.models.shared.device import choose_device
    from vdcast.models.shared.trained import Trained
    from vdcast.records import io
    from vdcast.scores import intervals
    from vdcast.scores.csv_files import write_csv
    from vdcast.scores.words import shown

    folder = RUNS / run.name
    trained = Trained.load(folder / "model.pt")
    task = trained.task
    test = store.read_prepared(PREPARED, parts=("test",)).parts["test"]
    device = choose_device(run.train.device)
    quantiles = trained.quantiles(test, device)
    predictions = beside_observed(
        quantiles.median, test.select(task.vd_ids, test.features), task.targets, task.length
    )
    if run.train.quantiles:
        predictions = replace(predictions, quantiles=quantiles)
    naive = of(read_naive(NAIVE), predictions.vd_ids)
    check_same_windows({run.name: predictions, **naive})
    target_vd, floor = test.vd_ids[settings.modes.target_vd_index], settings.evaluate.mape_floor

    write_predictions(folder / "predictions.h5", predictions)
    write_csv(folder, predictions, naive, target_vd, floor)
    figures = outputs.headline(predictions, naive, target_vd, floor, settings.evaluate.horizons)
    if predictions.quantiles:
        figures |= intervals.headline(predictions, target_vd)
    (folder / "metrics.json").write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    io.write(folder / "cost.json", measure(trained, test, device))
    run_report.write(folder, trained, predictions, naive, target_vd, floor)
    headline = predictions.targets[0]
    mae, skill = (figures.get(f"{headline}_{name}") for name in ("mae", "skill"))
    print(
        f"{run.name}: {headline} MAE {shown(mae)} {predictions.units[0]} on VD {target_vd}, "
        f"skill {shown(skill, '+.2f')} against the best naive forecast; read {folder}/report.md"
    )


if __name__ == "__main__":
    main()
