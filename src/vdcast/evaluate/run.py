"""One trained run on the test part: predictions, metrics, tables and a one-page report."""

import json
from dataclasses import replace

from vdcast.data import store
from vdcast.data.detectors import Detectors
from vdcast.escape import terminal
from vdcast.evaluate import outputs, run_report
from vdcast.evaluate.cost import measure
from vdcast.forecasts.predictions import Predictions, beside_observed, check_same_windows, in_order, of
from vdcast.forecasts.store import read_baselines, write_predictions
from vdcast.layout import NAIVE, PREPARED, RUNS
from vdcast.models.shared.device import choose_device
from vdcast.models.shared.trained import Trained
from vdcast.params.sections import Params, Run
from vdcast.records import io
from vdcast.scores import intervals
from vdcast.scores.csv_files import write_csv
from vdcast.scores.words import shown


def evaluate(run: Run, settings: Params) -> None:
    """Writes everything that this stage leaves in the run's folder."""
    folder = RUNS / run.name
    trained = Trained.load(folder / "model.pt")
    tests = [fold.parts["test"] for fold in store.read_prepared(PREPARED, parts=("test",))]
    test, device = tests[-1], choose_device(run.train.device)
    predictions = in_order(
        [forecast(run, each, part, device) for each, part in zip(trained.folds, tests, strict=True)]
    )
    baselines = of(read_baselines(NAIVE), predictions.vd_ids)
    check_same_windows({run.name: predictions, **baselines})
    target_vd, mape_floor = test.vd_ids[settings.modes.target_vd_index], settings.evaluate.mape_floor

    write_predictions(folder / "predictions.h5", predictions)
    write_csv(folder, predictions, baselines=baselines, target_vd=target_vd, mape_floor=mape_floor)
    figures = outputs.headline(
        predictions,
        baselines,
        target_vd=target_vd,
        mape_floor=mape_floor,
        horizons=settings.evaluate.horizons,
    )
    if predictions.quantiles:
        figures |= intervals.widest_interval(predictions, target_vd)
    (folder / "test.json").write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    io.write(folder / "cost.json", measure(trained, test, device))
    run_report.write_run_report(
        folder,
        trained,
        predictions,
        baselines=baselines,
        target_vd=target_vd,
        mape_floor=mape_floor,
    )
    headline = predictions.targets[0]
    mae, skill = (figures.get(f"{headline}_{name}") for name in ("mae", "skill"))
    print(
        f"{run.name}: {terminal(headline)} MAE {shown(mae)} {terminal(predictions.units[0])} on VD {terminal(target_vd)}, "
        f"skill {shown(skill, '+.2f')} against the best naive forecast; read {folder}/report.md"
    )


def forecast(run: Run, trained: Trained, test: Detectors, device: str) -> Predictions:
    """The run's forecasts of every window of ``test``; their quantiles too where it was trained on some."""
    task, quantiles = trained.task, trained.quantiles(test, device)
    predictions = beside_observed(
        quantiles.median, test.select(task.vd_ids, test.features), task.targets, task.length
    )
    return replace(predictions, quantiles=quantiles) if run.train.quantiles else predictions
