"""Tables of figures in Markdown."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from msgspec import UNSET, structs

from vdcast.escape import markdown
from vdcast.language import feature, say
from vdcast.records.comparison import Comparison, CutRow, Line, PairedDifference, Scores, Spent
from vdcast.scores.answers import half_width, standard_error
from vdcast.scores.names import cut_label, label
from vdcast.scores.words import LATENCY_BATCH, counted, p_value, shown, significant

FIGURES = {  # form by field of ``Scores``
    "mae": ".2f",
    "mae_sd": ".2f",
    "rmse": ".2f",
    "wape": ".3f",
    "mape": ".3f",
    "r2": ".3f",
    "skill": "+.3f",
}


def score_markdown(rows: Mapping[str, Scores]) -> str:
    """A line per model and baseline, best MAE first."""

    def cell(row: Scores, name: str, spec: str) -> str:
        value = getattr(row, name)
        return "-" if value is UNSET else shown(value, spec)

    ordered = sorted(rows, key=lambda name: (rows[name].mae is None, rows[name].mae))
    frame = pd.DataFrame(
        {
            label(name): {
                say(f"scores.figure.{field}"): cell(rows[name], field, spec)
                for field, spec in FIGURES.items()
            }
            for name in ordered
        }
    ).T
    return frame.to_markdown(disable_numparse=True)


def cut_markdown(by_name: Mapping[str, list[CutRow]], cut: str) -> str:
    """A line per label, a column per model and baseline, and how many observations they stand on."""
    first = next(iter(by_name.values()))
    frame = pd.DataFrame(
        {
            label(name): [shown(row.mae) if row.observations else say("scores.no_data") for row in rows]
            for name, rows in by_name.items()
        }
        | {say("scores.observations"): [f"{row.observations:,}" for row in first]},
        index=pd.Index([_said(cut, row.label) for row in first], name=say(f"scores.title.{cut}")),
    )
    return frame.to_markdown(disable_numparse=True)


def _said(cut: str, label: float | int | str) -> int | str:
    """A cut's label as a cell."""
    if isinstance(label, str):
        return markdown(cut_label(cut, label))
    return f"{label:g}" if isinstance(label, float) else label


def difference_markdown(differences: list[PairedDifference], unit: str) -> str:
    """A line per pair."""
    rows = [
        {
            "": f"{label(row.a)} - {label(row.b)}",
            say("scores.difference"): shown(row.relative, "+.2%"),
            say("scores.interval_95"): interval_95(row),
            say("scores.of_its_variance"): shares(row),
            say("scores.pooled", unit=unit): shown(row.mae, "+.4f"),
            say("scores.block_bootstrap"): _range(shown(row.boot_low, "+.4f"), shown(row.boot_high, "+.4f")),
            say("scores.p_diebold_mariano"): p_value(row.p_dm),
            say("scores.units.days"): row.days,
            say("scores.units.vds"): row.vds,
        }
        for row in differences
    ]
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def _range(low: str, high: str) -> str:
    return say("scores.range", low=low, high=high)


def interval_95(row: PairedDifference) -> str:
    """Of that difference alone."""
    if row.relative is None or row.variance is None or row.df is None:
        return shown(None)
    parts = (np.array(structs.astuple(each)) for each in (row.variance, row.df))
    half = float(half_width(*standard_error(*parts)))
    return _range(f"{row.relative - half:+.2%}", f"{row.relative + half:+.2%}")


def shares(row: PairedDifference) -> str:
    """How much of the variance is of days, VDs and trainings."""
    if row.variance is None or not (whole := sum(structs.astuple(row.variance))):
        return shown(None) if row.variance is None else say("scores.none")
    of = {
        "days": row.variance.days,
        "vds": row.variance.vds,
        "trainings": row.variance.seeds_a + row.variance.seeds_b,
    }
    said = [say(f"scores.share.{name}", share=f"{each / whole:.0%}") for name, each in of.items()]
    return say("language.comma").join(said)


def line_markdown(lines: list[Line]) -> str:
    """A line per model and simpler forecast."""
    rows = [
        {
            "": f"{label(row.model)} - {label(row.simpler)}",
            say("scores.minutes_ahead"): f"{row.label:g}"
            if row.place == "horizon"
            else say("scores.all_ahead"),
            say("scores.difference"): shown(row.relative, "+.2%"),
            say("scores.interval_95"): _interval_of(row),
            "MAE": say("scores.two_errors", mae=shown(row.mae), simpler=shown(row.mae_simpler)),
        }
        for row in lines
    ]
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def _interval_of(row: Line) -> str:
    if row.relative is None or row.error is None or row.df is None:
        return shown(None)
    half = float(half_width(np.asarray(row.error), np.asarray(row.df)))
    return _range(f"{row.relative - half:+.2%}", f"{row.relative + half:+.2%}")


def further_targets(modes: Mapping[str, Comparison]) -> list[str]:
    """Markdown lines: a table per target beyond the first, a column per mode; none where there is one target."""
    first = next(iter(modes.values()))
    lines = []
    for i, it in enumerate(first.further_targets):
        columns = {
            mode_and_vds(mode, each): {
                label(name): shown(mae) for name, mae in each.further_targets[i].mae.items()
            }
            for mode, each in modes.items()
        }
        table = pd.DataFrame(columns).to_markdown(disable_numparse=True)
        head = say("scores.further_target", target=markdown(feature(it.target)), unit=markdown(it.unit))
        lines += [f"**{head}**", "", table, ""]
    alone = say("scores.verdict_on_first", target=markdown(feature(first.target)))
    return [f"## {say('scores.further_targets')}", "", alone, "", *lines] if lines else []


def mode_and_vds(mode: str, comparison: Comparison) -> str:
    return say("scores.mode_and_vds", mode=mode, vds=counted(len(comparison.vds), "vds"))


def cost_markdown(cost: Mapping[str, Spent], **first: Mapping[str, str]) -> str:
    """A line per key of ``cost``, as it is called; ``first`` are columns that stand before the cost, by the same keys."""
    frame = pd.DataFrame(
        {
            name: {title: column[name] for title, column in first.items()}
            | {title: significant(figure) for title, figure in _spent(row).items()}
            for name, row in cost.items()
        }
    ).T
    return frame.to_markdown(disable_numparse=True)


def _spent(row: Spent) -> dict[str, float]:
    figures = structs.asdict(row) | {"flops_per_window": row.flops_per_window / 1e6}
    return {say(f"scores.cost.{name}", windows=LATENCY_BATCH): figure for name, figure in figures.items()}
