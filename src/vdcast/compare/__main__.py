"""Lay LSTM, xLSTM and the naive baselines of one mode side by side: runs/ -> reports/<mode>/.

python -m vdcast.compare multi_vd
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vdcast.errors import InputError, one_sentence
from vdcast.layout import NAIVE, REPORTS, RUNS

if TYPE_CHECKING:
    from vdcast.params.sections import Params


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m vdcast.compare", description=__doc__.split("\n")[0])
    parser.add_argument("mode", help="single_vd, multi_vd or independent_multi_vd")
    mode = parser.parse_args().mode
    with one_sentence():
        from vdcast import params
        from vdcast.params.modes import Modes

        settings = params.load()
        allowed = list(Modes.model_fields)
        if mode not in allowed:
            raise InputError(f"no mode {mode!r}; modes are: {', '.join(allowed)}")
        compare(mode, settings)


def compare(mode: str, settings: Params) -> None:
    """Tables, figures and the difference in words, of what ``evaluate`` left for ``mode``."""
    import json

    import pandas as pd

    from vdcast.compare.markdown import as_markdown
    from vdcast.compare.summary import in_words, summarise, without
    from vdcast.forecasts import store
    from vdcast.params.networks import MODELS
    from vdcast.scores import convergence, cuts, figures, intervals

    folder = REPORTS / mode
    folder.mkdir(parents=True, exist_ok=True)
    runs = {model: RUNS / f"{model}-{mode}" for model in MODELS}
    predictions = {model: store.read_predictions(run / "predictions.h5") for model, run in runs.items()}
    naive = store.read_naive(NAIVE)
    try:
        naive = check_comparable(predictions, naive)
    except (
        InputError
    ) as error:  # a finding like any other: the other modes have theirs, the report marks this one
        summary = without(mode, str(error))
        (folder / "comparison.json").write_text(json.dumps(summary, indent=2) + "\n", "utf-8")
        (folder / "comparison.md").write_text(as_markdown(summary), "utf-8")
        print(f"{mode}: no comparison: {error}")
        return
    vd_ids = predictions["lstm"].vd_ids
    target_vd = vd_ids[0] if mode == "single_vd" else vd_ids[settings.modes.target_vd_index]
    spent = {
        model: {
            key: value
            for file in ("training.json", "cost.json")
            for key, value in json.loads((run / file).read_text("utf-8")).items()
        }
        for model, run in runs.items()
    }
    for model, training in spent.items():
        if cut_short := convergence.cut_short(training):
            training["notes"] = [
                *training["notes"],
                f"In {mode}, {figures.LABELS[model]} has not converged: {cut_short}.",
            ]
    conditions = store.read_conditions(NAIVE / "conditions.h5").of(vd_ids)

    summary = summarise(mode, predictions, naive, conditions, target_vd, spent, settings.evaluate)
    (folder / "comparison.json").write_text(json.dumps(summary, indent=2) + "\n", "utf-8")
    (folder / "comparison.md").write_text(as_markdown(summary), "utf-8")

    target, unit = summary["target"], summary["unit"]
    everyone = {name: each.of([target_vd]) for name, each in {**predictions, **naive}.items()}
    histories = {model: pd.read_csv(RUNS / f"{model}-{mode}" / "history.csv") for model in MODELS}
    figures.learning_curves(folder / "curves.png", histories, unit)
    one = everyone["lstm"]
    for cut, draw in ((cuts.by_horizon(one), figures.by_horizon), (cuts.by_hour(one), figures.by_hour)):
        drawn = {who: cuts.table(each, cut, 0) for who, each in everyone.items()}
        draw(folder / f"{draw.__name__}.png", drawn, unit)
    series = {who: cuts.over_time(each, target_vd, target) for who, each in everyone.items() if who in MODELS}
    ahead = f"{one.observed.shape[1] * one.interval / 60:g} min ahead"
    figures.days(folder / "days.png", series, unit, ahead)
    figures.scatter(folder / "scatter.png", series, unit, ahead)
    if predictions["lstm"].quantiles:
        fans = {who: intervals.over_time(everyone[who], target_vd, target) for who in MODELS}
        figures.fan(folder / "fan.png", fans, unit, ahead)
        fan = pd.concat([table.assign(model=who) for who, table in fans.items()])
        fan.to_csv(folder / "fan.csv", index=False, float_format="%.6g")
    words = f"no comparison: {summary['problem']}" if summary["problem"] else in_words(summary)
    print(f"{mode}: {words}; read {folder}/comparison.md; next, the verdict: dvc repro report")


def check_comparable(predictions: dict, naive: dict) -> dict:
    """The baselines for the detectors of ``predictions``. Raises InputError where a comparison would not be fair."""
    from vdcast.forecasts.predictions import check_same_windows, of

    check_same_windows(predictions)
    naive = of(naive, predictions["lstm"].vd_ids)
    check_same_windows({"lstm": predictions["lstm"], **naive})
    seeds = {model: len(each.forecast) for model, each in predictions.items()}
    if len(set(seeds.values())) > 1:
        raise InputError(
            f"LSTM was trained with {seeds['lstm']} seeds and xLSTM with {seeds['xlstm']}; give both runs the same "
            "train.seeds, so that neither is luckier than the other"
        )
    levels = {model: each.quantiles.levels if each.quantiles else () for model, each in predictions.items()}
    if len(set(levels.values())) > 1:
        raise InputError(
            f"LSTM was trained with quantiles {list(levels['lstm'])} and xLSTM with {list(levels['xlstm'])}; "
            "give both runs the same train.quantiles, so that both learn the same task"
        )
    return naive


if __name__ == "__main__":
    main()
