"""What the quantile forecasts of runs are worth: tables, sentences and series, for the reports.

Everything here is of runs with ``train.quantiles``; without it, the reports hold nothing of it. A
figure without suffix is of the calibrated forecast, one with ``_raw`` of the forecast as trained; a run
with several seeds is the mean of their scores.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from vdcast.forecasts.predictions import Predictions
from vdcast.forecasts.quantiles import coverages
from vdcast.scores import cuts, words
from vdcast.scores.figures import LABELS
from vdcast.scores.metrics import score_quantiles
from vdcast.scores.records import records


def headline(predictions: Predictions, target_vd: str) -> dict[str, float]:
    """A few figures for metrics.json: wQL, and coverage and width of the widest interval, of the target VD."""
    one, widest = predictions.of([target_vd]), coverages(predictions.quantiles.levels)[0]
    figures = {}
    for k, target in enumerate(one.targets):
        row = table(one, cuts.overall(), k).iloc[0]
        figures |= {f"{target}_{name}": row[name] for name in ("wql", *_of_interval(widest))}
    return {key: round(float(value), 6) for key, value in figures.items() if np.isfinite(value)}


def summarise(predictions: Mapping[str, Predictions], scopes: Mapping[str, Sequence[str]]) -> dict:
    """What comparison.json holds of the headline target under ``quantiles``; ``scopes`` name their VDs.

    - ``levels``: (P,), ascending, 0.5 in the middle.
    - ``scores[scope][model]``: a record of wql, and coverage_80, width_80 and so on for each interval; with
      ``_raw`` what it was before calibration.
    - ``cuts[scope][cut][model]``: lists of such records by ``horizon``, ``hour`` and ``vd``, as beside it.

    The series behind the fan chart are in fan.csv (``over_time``).
    """

    def shown(scope: str, cut: Callable[[Predictions], cuts.Cut]) -> dict[str, list[dict]]:
        here = {model: each.of(scopes[scope]) for model, each in predictions.items()}
        return {model: records(table(each, cut(each))) for model, each in here.items()}

    by = {"horizon": cuts.by_horizon, "hour": cuts.by_hour, "vd": cuts.by_vd}
    whole = {scope: shown(scope, lambda _: cuts.overall()) for scope in scopes}
    return {
        "levels": list(next(iter(predictions.values())).quantiles.levels),
        "scores": {
            scope: {
                model: {key: value for key, value in rows[0].items() if key != "overall"}
                for model, rows in found.items()
            }
            for scope, found in whole.items()
        },
        "cuts": {scope: {name: shown(scope, cut) for name, cut in by.items()} for scope in scopes},
    }


def table(predictions: Predictions, cut: cuts.Cut, k: int = 0) -> pd.DataFrame:
    """A row per label of ``cut``, ``score_quantiles`` of target ``k`` in the columns, mean over seeds."""
    quantiles, observed = predictions.quantiles, predictions.observed[..., k]
    columns = {cut.name: list(cut.labels)}
    for suffix, forecasts in (("", quantiles.calibrated), ("_raw", quantiles.raw)):
        each = [
            score_quantiles(one[..., k, :], observed, quantiles.levels, cut.label, len(cut.labels))
            for one in forecasts
        ]
        columns |= {name + suffix: np.mean([scores[name] for scores in each], axis=0) for name in each[0]}
    return pd.DataFrame(columns)


def over_time(predictions: Predictions, vd: str, target: str, horizon: int = -1) -> pd.DataFrame:
    """``cuts.over_time`` with a column per calibrated level, ``p10`` and so on: what a fan chart draws."""
    one = predictions.of([vd])
    levels = one.quantiles.calibrated[:, :, horizon, 0, one.targets.index(target)].mean(axis=0)  # (W, P)
    names = [f"p{100 * level:g}" for level in one.quantiles.levels]
    return cuts.over_time(predictions, vd, target, horizon).assign(**dict(zip(names, levels.T, strict=True)))


def as_markdown(rows: Mapping[str, Mapping], levels: Sequence[float], unit: str) -> str:
    """A line per label of ``rows`` and one for what it was before calibration: wQL, coverage, width."""
    lines = {}
    for label, row in rows.items():
        for suffix, name in (("", label), ("_raw", f"{label}, uncalibrated")):
            cells = {"wQL": words.shown(row["wql" + suffix], ".4f")}
            for nominal in coverages(levels):
                coverage, width = (row[key + suffix] for key in _of_interval(nominal))
                share = f"{100 * nominal:g} %"
                cells[f"{share}: holds"] = words.shown(coverage, ".1%")
                cells[f"{share}: width, {unit}"] = words.shown(width, ".2f")
            lines[name] = cells
    return pd.DataFrame(lines).T.to_markdown(disable_numparse=True)


def section(summary: Mapping) -> list[str]:
    """Markdown lines of comparison.md; none without quantiles."""
    if "quantiles" not in summary:
        return []
    found, lines = (
        summary["quantiles"],
        ["## Quantile forecasts", "", *explained(summary["quantiles"]["levels"])],
    )
    titles = {"target_vd": f"VD {summary['target_vd']}", "all_vds": f"All {len(summary['vds'])} VDs"}
    for scope, rows in found["scores"].items():
        labelled = {LABELS[model]: row for model, row in rows.items()}
        lines += [f"{titles[scope]}:", "", as_markdown(labelled, found["levels"], summary["unit"]), ""]
    return [*lines, "![fan chart of a typical and of the worst day](fan.png)", ""]


def page_section(modes: Mapping[str, Mapping]) -> list[str]:
    """Markdown lines of report.md on the target VD of every mode; none without quantiles."""
    modes = {mode: summary for mode, summary in modes.items() if "quantiles" in summary}
    if not modes:
        return []
    first = next(iter(modes.values()))
    levels = first["quantiles"]["levels"]
    rows = {
        f"{LABELS[model]}, {mode}": row
        for mode, summary in modes.items()
        for model, row in summary["quantiles"]["scores"]["target_vd"].items()
    }
    title = f"## Quantile forecasts of VD {first['target_vd']}"
    return [title, "", *explained(levels), as_markdown(rows, levels, first["unit"]), ""]


def run_section(one: Predictions, model: str, pools: np.ndarray) -> list[str]:
    """Markdown lines of a run's report on its target VD; ``pools`` as ``quantiles.conformal`` returns them."""
    levels, unit = one.quantiles.levels, one.units[0]
    rows = {LABELS[model]: records(table(one, cuts.overall()))[0]}
    for row in records(table(one, cuts.by_horizon(one))):
        rows[f"{row['horizon']:g} min ahead"] = row
    return [
        *("## Quantile forecasts", "", *explained(levels)),
        *(calibration_in_words(pools), "", as_markdown(rows, levels, unit), ""),
    ]


def explained(levels: Sequence[float]) -> list[str]:
    """How to read the tables, and what calibration cannot promise."""
    nominal = ", ".join(f"{100 * coverage:g} %" for coverage in coverages(levels))
    return [
        f"Levels {', '.join(f'{level:g}' for level in levels)}: an interval of {nominal} should hold that share of the "
        "observations, and of two that do, the narrower one says more. wQL: weighted quantile loss, the mean over "
        "levels of twice the pinball loss over the sum of observations. Calibration moves the ends by what the "
        "validation part asks for. Its promise rests on exchangeable data, which traffic is not, and that part also "
        "chose the epoch: so the coverage below is measured on the test part, not promised.",
        "",
    ]


def calibration_in_words(pools: np.ndarray) -> str:
    """Which observations the margins come from; ``pools`` as ``quantiles.conformal`` returns them."""
    names = (
        "from its own observations",
        "from all horizons of its VD, as its own were too few",
        "from all VDs, as its own were too few",
        "uncalibrated, as the validation part has too few observations",
    )
    counts = [(int((pools == number).sum()), name) for number, name in enumerate(names)]
    total = ", ".join(f"{count} {name}" for count, name in counts if count)
    return f"Of {pools.size} intervals (a horizon, VD and target each), calibrated on the validation part: {total}."


def _of_interval(nominal: float) -> tuple[str, str]:
    """The names that ``score_quantiles`` gives the figures of an interval."""
    return f"coverage_{100 * nominal:g}", f"width_{100 * nominal:g}"
