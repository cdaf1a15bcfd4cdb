"""One mode from the files of its two runs to those of its comparison."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from vdcast.compare.charts import charts_of, telling_series
from vdcast.compare.comparison import Side, Simpler, compared
from vdcast.compare.markdown import comparison_markdown
from vdcast.errors import InputError
from vdcast.escape import terminal
from vdcast.forecasts import store
from vdcast.forecasts.predictions import Named, Predictions, check_same_windows, of
from vdcast.forecasts.series import write_series
from vdcast.language import say
from vdcast.layout import COMPARISONS, NAIVE, RUNS
from vdcast.params.sections import Params
from vdcast.records import curves, io
from vdcast.records.comparison import Comparison, NoComparison
from vdcast.records.cost import Cost
from vdcast.records.training import Training
from vdcast.records.validation import Validation
from vdcast.scores import cuts, figures, intervals


def compare(mode: str, settings: Params) -> None:
    """Tables, figures and the difference in words, of what ``evaluate`` left of the mode's two runs."""
    folder = COMPARISONS / mode
    runs = settings.comparisons[mode].model_dump()  # by model
    predictions = {
        model: store.read_predictions(RUNS / run / "predictions.h5") for model, run in runs.items()
    }
    every_vd = store.read_baselines(NAIVE)
    try:
        baselines = comparable(predictions, every_vd)
    except InputError as error:
        # a finding like any other: the other modes have theirs, the report marks this one
        _write(folder, NoComparison(mode=mode, problem=str(error)))
        print(terminal(f"{mode}: no comparison: {error}"))
        return
    target_vd = next(iter(every_vd.values())).vd_ids[settings.modes.target_vd_index]
    sides = {model: side(run, predictions[model]) for model, run in runs.items()}
    comparison = compared(
        mode,
        sides,
        Simpler(
            baselines,
            io.read(NAIVE / "validation.json", Validation, "baselines"),
            store.read_conditions(NAIVE / "conditions.h5").of(predictions["lstm"].vd_ids),
        ),
        target_vd=target_vd,
        settings=settings.evaluate,
    )
    _write(folder, comparison)
    histories = {model: curves.read(run, sides[model].training) for model, run in runs.items()}
    charts = charts_of(predictions, baselines, histories)
    io.write(folder / "charts.json", charts)
    write_series(folder / "series.h5", telling_series(predictions, baselines, target_vd, charts))
    draw(folder, comparison, predictions, baselines, histories)
    words = f"no comparison: {comparison.problem}" if comparison.problem else measured(comparison)
    print(f"{mode}: {terminal(words)}; read {folder}/comparison.md; next, the verdict: dvc repro report")


def measured(comparison: Comparison) -> str:
    """The difference between the models, for a terminal, without an answer."""
    found = comparison.differences[0]
    if found.relative is None:
        return "no observation that both models have a forecast of"
    return f"xLSTM's error is {abs(found.relative):.2%} {'lower' if found.relative < 0 else 'higher'} than LSTM's"


def side(run: str, predictions: Predictions) -> Side:
    """What ``train`` and ``evaluate`` left of ``run``. Raises InputError where one is missing or damaged."""
    return Side(
        predictions,
        io.read(RUNS / run / "training.json", Training, f"train@{run}"),
        io.read(RUNS / run / "cost.json", Cost, f"evaluate@{run}"),
    )


def comparable(predictions: Mapping[str, Predictions], baselines: Named) -> Named:
    """The baselines for the detectors of ``predictions``. Raises InputError where a comparison would not be fair."""
    check_same_windows(predictions)
    baselines = of(baselines, predictions["lstm"].vd_ids)
    check_same_windows({"lstm": predictions["lstm"], **baselines})
    seeds = {model: len(each.forecast) for model, each in predictions.items()}
    if len(set(seeds.values())) > 1:
        raise InputError(say("compare.other_seeds", **seeds))
    levels = {model: each.quantiles.levels if each.quantiles else () for model, each in predictions.items()}
    if len(set(levels.values())) > 1:
        raise InputError(
            say("compare.other_quantiles", **{model: str(list(each)) for model, each in levels.items()})
        )
    return baselines


def draw(
    folder: Path,
    comparison: Comparison,
    predictions: Mapping[str, Predictions],
    baselines: Named,
    histories: Mapping[str, pd.DataFrame],
) -> None:
    """The pictures of comparison.md, and the fan chart's series as csv."""
    target_vd, target, unit = comparison.target_vd, comparison.target, comparison.unit
    everyone = {name: each.of([target_vd]) for name, each in {**predictions, **baselines}.items()}
    models = {model: everyone[model] for model in predictions}
    one = everyone["lstm"]
    ahead = one.observed.shape[1] * one.interval / 60

    figures.learning_curves(folder / "curves.png", histories, unit)
    horizons, hours = (
        {who: cuts.score_table(each, cut, 0) for who, each in everyone.items()}
        for cut in (cuts.by_horizon(one), cuts.by_hour(one))
    )
    figures.error_by_horizon(folder / "by_horizon.png", horizons, unit)
    figures.error_by_hour(folder / "by_hour.png", hours, unit)
    series = {model: cuts.over_time(each, target_vd, target) for model, each in models.items()}
    figures.days(folder / "days.png", series, unit, ahead)
    figures.scatter(folder / "scatter.png", series, unit, ahead)
    if one.quantiles:
        fans = {model: intervals.fan_over_time(each, target_vd, target) for model, each in models.items()}
        figures.fan(folder / "fan.png", fans, unit, ahead)
        fan = pd.concat([table.assign(model=model) for model, table in fans.items()])
        fan.to_csv(folder / "fan.csv", index=False, float_format="%.6g")


def _write(folder: Path, comparison: Comparison | NoComparison) -> None:
    io.write(folder / "comparison.json", comparison)
    (folder / "comparison.md").write_text(comparison_markdown(comparison), "utf-8")
