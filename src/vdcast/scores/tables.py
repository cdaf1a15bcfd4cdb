"""Tables of figures in Markdown."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from msgspec import UNSET, structs

from vdcast.escape import markdown
from vdcast.records.comparison import Comparison, CutRow, Line, PairedDifference, Scores, Spent
from vdcast.scores.answers import half_width, standard_error
from vdcast.scores.names import LABELS
from vdcast.scores.words import LATENCY_BATCH, p_value, shown, significant

FIGURES = {  # title and form by field of ``Scores``
    "mae": ("MAE", ".2f"),
    "mae_sd": ("sd over seeds", ".2f"),
    "rmse": ("RMSE", ".2f"),
    "wape": ("WAPE", ".3f"),
    "mape": ("MAPE", ".3f"),
    "r2": ("R2", ".3f"),
    "skill": ("skill", "+.3f"),
}


def score_markdown(rows: Mapping[str, Scores]) -> str:
    """A line per model and baseline, best MAE first."""

    def cell(row: Scores, name: str, spec: str) -> str:
        value = getattr(row, name)
        return "-" if value is UNSET else shown(value, spec)

    ordered = sorted(rows, key=lambda name: (rows[name].mae is None, rows[name].mae))
    frame = pd.DataFrame(
        {
            LABELS[name]: {title: cell(rows[name], field, spec) for field, (title, spec) in FIGURES.items()}
            for name in ordered
        }
    ).T
    return frame.to_markdown(disable_numparse=True)


def cut_markdown(by_name: Mapping[str, list[CutRow]], cut: str) -> str:
    """A line per label, a column per model and baseline, and how many observations they stand on."""
    first = next(iter(by_name.values()))
    frame = pd.DataFrame(
        {
            LABELS[name]: [shown(row.mae) if row.observations else "no data" for row in rows]
            for name, rows in by_name.items()
        }
        | {"observations": [f"{row.observations:,}" for row in first]},
        index=pd.Index([_said(row.label) for row in first], name=cut),
    )
    return frame.to_markdown(disable_numparse=True)


def _said(label: float | int | str) -> int | str:
    """A cut's label as a cell."""
    if isinstance(label, str):
        return markdown(label)
    return f"{label:g}" if isinstance(label, float) else label


def difference_markdown(differences: list[PairedDifference], unit: str) -> str:
    """A line per pair."""
    rows = [
        {
            "": f"{LABELS[row.a]} - {LABELS[row.b]}",
            "difference": "undefined" if row.relative is None else f"{row.relative:+.2%}",
            "95 % interval": interval_95(row),
            "of its variance": shares(row),
            f"pooled, {unit}": shown(row.mae, "+.4f"),
            "block bootstrap": f"{shown(row.boot_low, '+.4f')} to {shown(row.boot_high, '+.4f')}",
            "p, Diebold-Mariano": p_value(row.p_dm),
            "test days": row.days,
            "VDs": row.vds,
        }
        for row in differences
    ]
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def interval_95(row: PairedDifference) -> str:
    """Of that difference alone."""
    if row.relative is None or row.variance is None or row.df is None:
        return "undefined"
    parts = (np.array(structs.astuple(each)) for each in (row.variance, row.df))
    half = float(half_width(*standard_error(*parts)))
    return f"{row.relative - half:+.2%} to {row.relative + half:+.2%}"


def shares(row: PairedDifference) -> str:
    """How much of the variance is of days, VDs and trainings."""
    if row.variance is None or not (whole := sum(structs.astuple(row.variance))):
        return "undefined" if row.variance is None else "none"
    of = {
        "days": row.variance.days,
        "VDs": row.variance.vds,
        "trainings": row.variance.seeds_a + row.variance.seeds_b,
    }
    return ", ".join(f"{name} {each / whole:.0%}" for name, each in of.items())


def line_markdown(lines: list[Line]) -> str:
    """A line per model and simpler forecast."""
    rows = [
        {
            "": f"{LABELS[row.model]} - {LABELS[row.simpler]}",
            "minutes ahead": f"{row.label:g}" if row.place == "horizon" else "all",
            "difference": "undefined" if row.relative is None else f"{row.relative:+.2%}",
            "95 % interval": _interval_of(row),
            "MAE": f"{shown(row.mae)} and {shown(row.mae_simpler)}",
        }
        for row in lines
    ]
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def _interval_of(row: Line) -> str:
    if row.relative is None or row.error is None or row.df is None:
        return "undefined"
    half = float(half_width(np.asarray(row.error), np.asarray(row.df)))
    return f"{row.relative - half:+.2%} to {row.relative + half:+.2%}"


def further_targets(modes: Mapping[str, Comparison]) -> list[str]:
    """Markdown lines: a table per target beyond the first, a column per mode; none where there is one target."""
    first = next(iter(modes.values()))
    lines = []
    for i, it in enumerate(first.further_targets):
        columns = {
            f"{mode} ({len(each.vds)} VD{'s' if len(each.vds) > 1 else ''})": {
                LABELS[name]: shown(mae) for name, mae in each.further_targets[i].mae.items()
            }
            for mode, each in modes.items()
        }
        table = pd.DataFrame(columns).to_markdown(disable_numparse=True)
        lines += [
            f"**{markdown(it.target)}, MAE in {markdown(it.unit)}, all VDs of a mode, mean over seeds**",
            "",
            table,
            "",
        ]
    alone = f"The verdict is on {markdown(first.target)} alone."
    return ["## Further targets", "", alone, "", *lines] if lines else []


def cost_markdown(cost: Mapping[str, Spent], **first: Mapping[str, str]) -> str:
    """A line per key of ``cost``; ``first`` are columns that stand before the cost, by the same keys."""
    frame = pd.DataFrame(
        {
            LABELS.get(name, name): {title: column[name] for title, column in first.items()}
            | {
                "parameters": significant(row.parameters),
                "MFLOP a window": significant(row.flops_per_window / 1e6),
                "epochs": significant(row.epochs),
                "seconds an epoch": significant(row.epoch_seconds),
                "training seconds": significant(row.seconds),
                "ms for 1 window": significant(row.latency_ms),
                f"ms for {LATENCY_BATCH}": significant(row.latency_batch_ms),
                "peak memory, MB": significant(row.peak_memory_mb),
            }
            for name, row in cost.items()
        }
    ).T
    return frame.to_markdown(disable_numparse=True)
