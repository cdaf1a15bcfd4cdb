"""Tables of figures in Markdown."""

from collections.abc import Mapping

import pandas as pd

from vdcast.scores.figures import LABELS
from vdcast.scores.words import LATENCY_BATCH, decimals, p_value, shown, significant


def signed(row: dict, *names: str) -> list[str]:
    """Those figures of a difference, with so many decimals that none hides its sign."""
    spec = f"+.{decimals(*(row[name] for name in names), 0.0, least=3)}f"
    return [shown(row[name], spec) for name in names]


def table(rows: Mapping[str, dict]) -> str:
    """A line per model and baseline, best MAE first."""
    columns = {
        "mae": ".2f",
        "mae_sd": ".2f",
        "rmse": ".2f",
        "wape": ".3f",
        "mape": ".3f",
        "r2": ".3f",
        "skill": "+.3f",
    }
    titles = {"mae_sd": "sd over seeds", "r2": "R2", "skill": "skill"}
    ordered = sorted(rows, key=lambda name: (rows[name]["mae"] is None, rows[name]["mae"]))
    frame = pd.DataFrame(
        {
            LABELS[name]: {
                titles.get(column, column.upper()): shown(rows[name][column], spec)
                if column in rows[name]
                else "-"
                for column, spec in columns.items()
            }
            for name in ordered
        }
    ).T
    return frame.to_markdown(disable_numparse=True)


def cut_table(by_name: Mapping[str, list[dict]], cut: str) -> str:
    """A line per label, a column per model and baseline, and how many observations they stand on."""
    first = next(iter(by_name.values()))
    frame = pd.DataFrame(
        {
            LABELS[name]: [shown(row["mae"]) if row["observations"] else "no data" for row in rows]
            for name, rows in by_name.items()
        }
        | {"observations": [f"{row['observations']:,}" for row in first]},
        index=pd.Index(
            [f"{row[cut]:g}" if isinstance(row[cut], float) else row[cut] for row in first], name=cut
        ),
    )
    return frame.to_markdown(disable_numparse=True)


def difference_table(differences: list[dict]) -> str:
    """A line per pair."""
    rows = [
        {
            "": f"{LABELS[row['a']]} - {LABELS[row['b']]}",
            "difference": signed(row, "mae")[0],
            "95 % interval": " to ".join(signed(row, "low", "high")),
            "block bootstrap": " to ".join(signed(row, "boot_low", "boot_high")),
            "p": p_value(row["p"]),
            "p, Diebold-Mariano": p_value(row["p_dm"]),
            "test days": row["days"],
            "VDs": row["vds"],
        }
        for row in differences
    ]
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def further_targets(modes: Mapping[str, dict]) -> list[str]:
    """Markdown lines: a table per target beyond the first, a column per mode; none where there is one target."""
    first = next(iter(modes.values()))
    lines = []
    for i, it in enumerate(first["further_targets"]):
        columns = {
            f"{mode} ({len(summary['vds'])} VD{'s' if len(summary['vds']) > 1 else ''})": {
                LABELS[name]: shown(mae) for name, mae in summary["further_targets"][i]["mae"].items()
            }
            for mode, summary in modes.items()
        }
        table = pd.DataFrame(columns).to_markdown(disable_numparse=True)
        lines += [
            f"**{it['target']}, MAE in {it['unit']}, all VDs of a mode, mean over seeds**",
            "",
            table,
            "",
        ]
    alone = f"The verdict is on {first['target']} alone."
    return ["## Further targets", "", alone, "", *lines] if lines else []


def cost_table(cost: Mapping[str, dict], **first: Mapping[str, str]) -> str:
    """A line per key of ``cost``; ``first`` are columns that stand before the cost, by the same keys."""
    frame = pd.DataFrame(
        {
            LABELS.get(name, name): {title: column[name] for title, column in first.items()}
            | {
                "parameters": significant(row["parameters"]),
                "MFLOP a window": significant(row["flops_per_window"] / 1e6),
                "epochs": significant(row["epochs"]),
                "seconds an epoch": significant(row["epoch_seconds"]),
                "training seconds": significant(row["seconds"]),
                "ms for 1 window": significant(row["latency_ms"]),
                f"ms for {LATENCY_BATCH}": significant(row["latency_batch_ms"]),
                "peak memory, MB": significant(row["peak_memory_mb"]),
            }
            for name, row in cost.items()
        }
    ).T
    return frame.to_markdown(disable_numparse=True)
