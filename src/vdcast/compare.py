"""Lay LSTM, xLSTM and the naive baselines of one mode side by side: runs/ -> reports/<mode>/.

python -m vdcast.compare multi_vd
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vdcast.errors import InputError, one_sentence
from vdcast.layout import NAIVE, REPORTS, RUNS

if TYPE_CHECKING:
    from vdcast import params


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m vdcast.compare", description=__doc__.split("\n")[0])
    parser.add_argument("mode", help="single_vd, multi_vd or independent_multi_vd")
    mode = parser.parse_args().mode
    with one_sentence():
        from vdcast import params

        settings = params.load()
        allowed = list(params.Modes.model_fields)
        if mode not in allowed:
            raise InputError(f"no mode {mode!r}; modes are: {', '.join(allowed)}")
        compare(mode, settings)


def compare(mode: str, settings: params.Params) -> None:
    """Tables, figures and the difference in words, of what ``evaluate`` left for ``mode``."""
    import json

    import pandas as pd

    from vdcast import cuts, figures, intervals, store
    from vdcast.comparison import MODELS, as_markdown, summarise
    from vdcast.predictions import check_same_windows, of

    folder = REPORTS / mode
    folder.mkdir(parents=True, exist_ok=True)
    predictions = {
        model: store.read_predictions(RUNS / f"{model}-{mode}" / "predictions.h5") for model in MODELS
    }
    vd_ids = predictions["lstm"].vd_ids
    naive = of(store.read_naive(NAIVE), vd_ids)
    check_same_windows({**predictions, **naive})
    seeds = {model: len(each.forecast) for model, each in predictions.items()}
    if len(set(seeds.values())) > 1:
        raise InputError(
            f"{mode}: LSTM was trained with {seeds['lstm']} seeds and xLSTM with {seeds['xlstm']}; give both runs "
            "the same train.seeds, so that neither is luckier than the other"
        )
    target_vd = vd_ids[0] if mode == "single_vd" else vd_ids[settings.modes.target_vd_index]
    levels = {model: each.quantiles.levels if each.quantiles else () for model, each in predictions.items()}
    if len(set(levels.values())) > 1:
        raise InputError(
            f"{mode}: LSTM was trained with quantiles {list(levels['lstm'])} and xLSTM with {list(levels['xlstm'])}; "
            "give both runs the same train.quantiles, so that both learn the same task"
        )
    training = {
        model: json.loads((RUNS / f"{model}-{mode}" / "training.json").read_text("utf-8")) for model in MODELS
    }

    summary = summarise(mode, predictions, naive, target_vd, training, settings.evaluate.mape_floor)
    if levels["lstm"]:
        summary["quantiles"] = intervals.summarise(predictions, target_vd)
    (folder / "comparison.json").write_text(json.dumps(summary, indent=2) + "\n", "utf-8")
    (folder / "comparison.md").write_text(as_markdown(summary), "utf-8")

    target, unit = predictions["lstm"].targets[0], predictions["lstm"].units[0]
    everyone = {name: each.of([target_vd]) for name, each in {**predictions, **naive}.items()}
    histories = {model: pd.read_csv(RUNS / f"{model}-{mode}" / "history.csv") for model in MODELS}
    figures.learning_curves(folder / "curves.png", histories, unit)
    for cut, draw in ((cuts.by_horizon, figures.by_horizon), (cuts.by_hour, figures.by_hour)):
        tables = {who: cut(each, {}, 0) for who, each in everyone.items()}
        headline = {who: table[table.target == target] for who, table in tables.items()}
        draw(folder / f"{cut.__name__}.png", headline, unit)
    series = {who: cuts.over_time(each, target_vd, target) for who, each in everyone.items() if who in MODELS}
    one = everyone["lstm"]
    ahead = f"{one.observed.shape[1] * one.interval / 60:g} min ahead"
    figures.days(folder / "days.png", series, unit, ahead)
    figures.scatter(folder / "scatter.png", series, unit, ahead)
    if levels["lstm"]:
        fans = {who: intervals.over_time(everyone[who], target_vd, target) for who in MODELS}
        figures.fan(folder / "fan.png", fans, unit, ahead)
        fan = pd.concat([table.assign(model=who) for who, table in fans.items()])
        fan.to_csv(folder / "fan.csv", index=False, float_format="%.6g")
    print(f"{mode}: {summary['difference']['words']}; read {folder}/comparison.md")


if __name__ == "__main__":
    main()
