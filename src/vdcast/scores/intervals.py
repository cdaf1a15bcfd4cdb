"""What the quantile forecasts of runs are worth: tables, sentences and series, for the reports.

Everything here is of runs with ``train.quantiles``; without it, the reports hold nothing of it. A
figure without suffix is of the calibrated forecast, one with ``_raw`` of the forecast as trained; a run
with several seeds is the mean of their scores.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from vdcast.escape import markdown
from vdcast.forecasts.predictions import Predictions
from vdcast.forecasts.quantiles import coverages
from vdcast.language import say
from vdcast.records.comparison import Comparison, QuantileRow, QuantileScores
from vdcast.scores import cuts, words
from vdcast.scores.metrics import score_quantiles
from vdcast.scores.names import label


def widest_interval(predictions: Predictions, target_vd: str) -> dict[str, float]:
    """A few figures for test.json: wQL, and coverage and width of the widest interval, of the target VD."""
    assert predictions.quantiles is not None
    one, widest = predictions.of([target_vd]), coverages(predictions.quantiles.levels)[0]
    figures: dict[str, float] = {}
    for k, target in enumerate(one.targets):
        row = interval_table(one, cuts.overall(), k).iloc[0]
        figures |= {f"{target}_{name}": row[name] for name in ("wql", *_of_interval(widest))}
    return {key: round(float(value), 6) for key, value in figures.items() if np.isfinite(value)}


def quantile_scores(
    predictions: Mapping[str, Predictions], scopes: Mapping[str, Sequence[str]]
) -> QuantileScores:
    """Of the headline target, by ``horizon``, ``hour`` and ``vd`` too; ``scopes`` name their VDs.

    The series behind the fan chart are in fan.csv (``fan_over_time``).
    """

    def shown(scope: str, cut: Callable[[Predictions], cuts.Cut]) -> dict[str, list[QuantileRow]]:
        here = {model: each.of(scopes[scope]) for model, each in predictions.items()}
        return {model: interval_rows(each, cut(each)) for model, each in here.items()}

    first = next(iter(predictions.values())).quantiles
    assert first is not None
    by = {"horizon": cuts.by_horizon, "hour": cuts.by_hour, "vd": cuts.by_vd}
    whole = {scope: shown(scope, lambda _: cuts.overall()) for scope in scopes}
    return QuantileScores(
        levels=list(first.levels),
        scores={
            scope: {model: rows[0].figures for model, rows in found.items()} for scope, found in whole.items()
        },
        cuts={scope: {name: shown(scope, cut) for name, cut in by.items()} for scope in scopes},
    )


def interval_rows(predictions: Predictions, cut: cuts.Cut) -> list[QuantileRow]:
    """``interval_table``, rounded to what a reader can use."""
    return [
        QuantileRow(
            label=row.pop(cut.name), figures={name: cuts.number(value) for name, value in row.items()}
        )
        for row in interval_table(predictions, cut).to_dict("records")
    ]


def interval_table(predictions: Predictions, cut: cuts.Cut, k: int = 0) -> pd.DataFrame:
    """A row per label of ``cut``, ``score_quantiles`` of target ``k`` in the columns, mean over seeds."""
    quantiles, observed = predictions.quantiles, predictions.observed[..., k]
    assert quantiles is not None
    columns = {cut.name: list(cut.labels)}
    for suffix, forecasts in (("", quantiles.calibrated), ("_raw", quantiles.raw)):
        each = [
            score_quantiles(one[..., k, :], observed, quantiles.levels, cut.label, len(cut.labels))
            for one in forecasts
        ]
        columns |= {name + suffix: np.mean([scores[name] for scores in each], axis=0) for name in each[0]}
    return pd.DataFrame(columns)


def fan_over_time(predictions: Predictions, vd: str, target: str, horizon: int = -1) -> pd.DataFrame:
    """``cuts.over_time`` with a column per calibrated level, ``p10`` and so on: what a fan chart draws."""
    one = predictions.of([vd])
    assert one.quantiles is not None
    levels = one.quantiles.calibrated[:, :, horizon, 0, one.targets.index(target)].mean(axis=0)  # (W, P)
    names = [f"p{100 * level:g}" for level in one.quantiles.levels]
    return cuts.over_time(predictions, vd, target, horizon).assign(**dict(zip(names, levels.T, strict=True)))


def interval_markdown(
    rows: Mapping[str, Mapping[str, float | None]], levels: Sequence[float], unit: str
) -> str:
    """A line per label of ``rows`` and one for what it was before calibration: wQL, coverage, width."""
    lines = {}
    for head, row in rows.items():
        for suffix, name in (("", head), ("_raw", say("scores.uncalibrated", label=head))):
            cells = {"wQL": words.shown(row["wql" + suffix], ".4f")}
            for nominal in coverages(levels):
                coverage, width = (row[key + suffix] for key in _of_interval(nominal))
                share = f"{100 * nominal:g} %"
                cells[say("scores.interval_holds", share=share)] = words.shown(coverage, ".1%")
                width_in = say("scores.interval_width", share=share, unit=markdown(unit))
                cells[width_in] = words.shown(width, ".2f")
            lines[name] = cells
    return pd.DataFrame(lines).T.to_markdown(disable_numparse=True)


def section(comparison: Comparison) -> list[str]:
    """Markdown lines of comparison.md; none without quantiles."""
    found = comparison.quantiles
    if not found:
        return []
    lines = [f"## {say('scores.quantile_forecasts')}", "", *explained(found.levels)]
    titles = {
        "target_vd": say("scores.vd", vd=markdown(comparison.target_vd)),
        "all_vds": say("scores.all_vds", number=len(comparison.vds)),
    }
    for scope, rows in found.scores.items():
        labelled = {label(model): row for model, row in rows.items()}
        head = say("scores.follows", head=titles[scope])
        lines += [head, "", interval_markdown(labelled, found.levels, comparison.unit), ""]
    return [*lines, f"![{say('scores.fan_chart')}](fan.png)", ""]


def page_section(modes: Mapping[str, Comparison]) -> list[str]:
    """Markdown lines of report.md on the target VD of every mode; none without quantiles."""
    found = {mode: each.quantiles for mode, each in modes.items() if each.quantiles}
    if not found:
        return []
    first, levels = modes[next(iter(found))], next(iter(found.values())).levels
    rows = {
        say("scores.picture.run", model=label(model), mode=mode): row
        for mode, each in found.items()
        for model, row in each.scores["target_vd"].items()
    }
    title = say("scores.quantile_forecasts_of_vd", vd=markdown(first.target_vd))
    return [f"## {title}", "", *explained(levels), interval_markdown(rows, levels, first.unit), ""]


def run_section(one: Predictions, model: str, pools: np.ndarray) -> list[str]:
    """Markdown lines of a run's report on its target VD; ``pools`` as ``calibration.conformal`` returns them."""
    assert one.quantiles is not None
    levels, unit = one.quantiles.levels, one.units[0]
    rows = {label(model): interval_rows(one, cuts.overall())[0].figures}
    for row in interval_rows(one, cuts.by_horizon(one)):
        rows[say("scores.min_ahead", minutes=f"{row.label:g}")] = row.figures
    return [
        *(f"## {say('scores.quantile_forecasts')}", "", *explained(levels)),
        *(calibration_in_words(pools), "", interval_markdown(rows, levels, unit), ""),
    ]


def explained(levels: Sequence[float]) -> list[str]:
    """How to read the tables, and what calibration cannot promise."""
    shares = [f"{100 * coverage:g} %" for coverage in coverages(levels)]
    return [say("scores.explained", levels=[f"{level:g}" for level in levels], shares=shares), ""]


def calibration_in_words(pools: np.ndarray) -> str:
    """Which observations the margins come from; ``pools`` as ``calibration.conformal`` returns them."""
    counts = [
        say(f"scores.calibrated_by.{pool}", number=count)
        for number, pool in enumerate(("itself", "vd", "all", "nothing"))
        if (count := int((pools == number).sum()))
    ]
    return say("scores.calibrated", number=pools.size, counts=counts)


def _of_interval(nominal: float) -> tuple[str, str]:
    """The names that ``score_quantiles`` gives the figures of an interval."""
    return f"coverage_{100 * nominal:g}", f"width_{100 * nominal:g}"
