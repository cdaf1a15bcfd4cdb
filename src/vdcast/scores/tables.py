"""Tables of figures in Markdown."""

from collections.abc import Mapping

import pandas as pd
from msgspec import UNSET

from vdcast.escape import markdown
from vdcast.records.comparison import Comparison, CutRow, PairedDifference, Scores, Spent
from vdcast.scores.names import LABELS
from vdcast.scores.words import LATENCY_BATCH, decimals, p_value, shown, significant

FIGURES = {  # title and form by field of ``Scores``
    "mae": ("MAE", ".2f"),
    "mae_sd": ("sd over seeds", ".2f"),
    "rmse": ("RMSE", ".2f"),
    "wape": ("WAPE", ".3f"),
    "mape": ("MAPE", ".3f"),
    "r2": ("R2", ".3f"),
    "skill": ("skill", "+.3f"),
}


def signed(row: PairedDifference, *names: str) -> list[str]:
    """Those figures of a difference, with so many decimals that none hides its sign."""
    values = [getattr(row, name) for name in names]
    spec = f"+.{decimals(*values, 0.0, least=3)}f"
    return [shown(value, spec) for value in values]


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


def difference_markdown(differences: list[PairedDifference]) -> str:
    """A line per pair."""
    rows = [
        {
            "": f"{LABELS[row.a]} - {LABELS[row.b]}",
            "difference": signed(row, "mae")[0],
            "95 % interval": " to ".join(signed(row, "low", "high")),
            "block bootstrap": " to ".join(signed(row, "boot_low", "boot_high")),
            "p": p_value(row.p),
            "p, Diebold-Mariano": p_value(row.p_dm),
            "test days": row.days,
            "VDs": row.vds,
        }
        for row in differences
    ]
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


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
