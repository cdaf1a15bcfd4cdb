"""Forecast the test part once, with a trained run or with the naive baselines, and score it.

    python -m vdcast.evaluate lstm-single_vd     # one run of params.yaml -> runs/lstm-single_vd/
    python -m vdcast.evaluate naive              # every baseline          -> runs/naive/<baseline>/

The only stage that reads the test part. Imports wait until the arguments are known: torch takes
seconds that `--help` should not.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from vdcast.errors import one_sentence
from vdcast.layout import NAIVE, PREPARED, RUNS

if TYPE_CHECKING:
    from vdcast import params, store
    from vdcast.models.trained import Trained


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m vdcast.evaluate", description=__doc__.split("\n")[0])
    parser.add_argument("run", help="a key of `runs` in params.yaml, or: naive")
    name = parser.parse_args().run
    with one_sentence():
        from vdcast import params

        settings = params.load()
        if name == "naive":
            evaluate_naive(settings)
        else:
            evaluate_run(settings.run(name), settings)


def evaluate_naive(settings: params.Params) -> None:
    """Every baseline on every prepared VD, and the windows' conditions."""
    import numpy as np

    from vdcast import calendar, cuts, store
    from vdcast.conditions import observe
    from vdcast.models import naive
    from vdcast.predictions import beside_observed, origin_steps

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
    store.write_conditions(
        NAIVE / "conditions.h5",
        observe(train, test, settings.window, settings.evaluate, prepared.targets[0]),
    )
    target_vd = test.vd_ids[settings.modes.target_vd_index]
    for name, each in predictions.items():
        folder = NAIVE / name
        store.write_predictions(folder / "predictions.h5", each)
        cuts.write_csv(folder, each, predictions, target_vd, settings.evaluate.mape_floor)
        mae = cuts.table(each.of([target_vd]), cuts.overall(), 0).mae.iloc[0]
        print(f"{name}: {each.targets[0]} MAE {mae:.2f} {each.units[0]} on VD {target_vd}")


def evaluate_run(run: params.Run, settings: params.Params) -> None:
    """One trained run on the test part: predictions, metrics, tables and a one-page report."""
    from dataclasses import replace

    from vdcast import cuts, intervals, run_report, store
    from vdcast.models.trained import Trained
    from vdcast.predictions import beside_observed, check_same_windows, of
    from vdcast.train import choose_device

    folder = RUNS / run.name
    trained = Trained.load(folder / "model.pt")
    test = store.read_prepared(PREPARED, parts=("test",)).parts["test"]
    device = choose_device(run.train.device)
    quantiles = trained.quantiles(test, device)
    predictions = beside_observed(
        quantiles.median, test.select(trained.vd_ids, test.features), trained.targets, trained.length
    )
    if run.train.quantiles:
        predictions = replace(predictions, quantiles=quantiles)
    naive = of(store.read_naive(NAIVE), predictions.vd_ids)
    check_same_windows({run.name: predictions, **naive})
    target_vd, floor = test.vd_ids[settings.modes.target_vd_index], settings.evaluate.mape_floor

    store.write_predictions(folder / "predictions.h5", predictions)
    cuts.write_csv(folder, predictions, naive, target_vd, floor)
    figures = cuts.headline(predictions, naive, target_vd, floor, settings.evaluate.horizons)
    if predictions.quantiles:
        figures |= intervals.headline(predictions, target_vd)
    (folder / "metrics.json").write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    (folder / "cost.json").write_text(json.dumps(cost_of(trained, test, device), indent=2) + "\n", "utf-8")
    run_report.write(folder, trained, predictions, naive, target_vd, floor)
    headline = predictions.targets[0]
    mae, skill = (figures.get(f"{headline}_{name}") for name in ("mae", "skill"))
    print(
        f"{run.name}: {headline} MAE {cuts.shown(mae)} {predictions.units[0]} on VD {target_vd}, "
        f"skill {cuts.shown(skill, '+.2f')} against the best naive forecast; read {folder}/report.md"
    )


def cost_of(trained: Trained, test: store.Detectors, device: str) -> dict:
    """What one seed's forecast takes; in a file of its own, as times are never twice the same."""
    import torch

    from vdcast.cost import flops, latency_ms
    from vdcast.layout import LATENCY_BATCH

    one = trained.one_seed

    def at(where: str, windows: int):
        """The network there, and a batch of so many windows (of fewer, again and again)."""
        all_windows = one.windows(test, where)
        group = torch.arange(all_windows.groups, device=where)
        start = torch.arange(windows, device=where) % len(all_windows)
        return one.model(all_windows).to(where), all_windows.batch(group, start.expand(len(group), -1))

    return {
        "flops_per_window": flops(*at("cpu", 1)),
        "latency_ms": latency_ms(*at(device, 1)),
        "latency_batch_ms": latency_ms(*at(device, LATENCY_BATCH)),
        "device": device,
        "threads": torch.get_num_threads(),
    }


if __name__ == "__main__":
    main()
