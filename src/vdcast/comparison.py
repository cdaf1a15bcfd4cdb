"""One mode's comparison as plain data (comparison.json), and that data as markdown."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from vdcast import calendar, cuts, intervals
from vdcast.figures import LABELS
from vdcast.params import NETWORKS
from vdcast.predictions import Naive, Predictions, of
from vdcast.significance import Difference, paired_difference

MODELS = tuple(NETWORKS)  # lstm, xlstm
COST = ("parameters", "epochs", "seconds", "peak_memory_mb")


def summarise(
    mode: str,
    predictions: Mapping[str, Predictions],
    naive: Naive,
    target_vd: str,
    training: Mapping[str, dict],
    mape_floor: float,
) -> dict:
    """Everything that the reports say of one mode, for the headline target.

    ``scores`` holds a record per model and baseline for the target VD (``target_vd``) and, where the
    mode has several, for all of them (``all_vds``); ``by_horizon`` and ``by_vd`` likewise.
    """
    reference = predictions["lstm"]
    target, unit = reference.targets[0], reference.units[0]
    everyone = {**predictions, **naive}
    scopes = {"target_vd": [target_vd]}
    if len(reference.vd_ids) > 1:
        scopes["all_vds"] = list(reference.vd_ids)
    scores = {
        scope: {
            name: _headline(cuts.overall(each.of(vds), of(naive, vds), mape_floor), target)[0]
            for name, each in everyone.items()
        }
        for scope, vds in scopes.items()
    }
    vds = [target_vd]
    horizons = {
        name: _headline(cuts.by_horizon(each.of(vds), of(naive, vds), mape_floor), target)
        for name, each in everyone.items()
    }
    difference = paired(predictions["xlstm"].of(vds), predictions["lstm"].of(vds))
    return {
        "mode": mode,
        "target": target,
        "unit": unit,
        "target_vd": target_vd,
        "vds": list(reference.vd_ids),
        "seeds": len(reference.forecast),
        "windows": len(reference.origins),
        "mape_floor": mape_floor,
        "scores": scores,
        "by_horizon": horizons,
        "by_vd": {
            name: _headline(cuts.by_vd(each, naive, mape_floor), target) for name, each in predictions.items()
        },
        "cost": {model: {name: training[model][name] for name in COST} for model in predictions},
        "difference": {
            "mae": difference.difference,
            "low": difference.low,
            "high": difference.high,
            "days": difference.days,
            "words": in_words(difference, scores["target_vd"]["lstm"]["mae"], unit, target_vd),
        },
        "losses": losses(mode, scores, horizons, unit),
    }


def paired(a: Predictions, b: Predictions) -> Difference:
    """Difference in MAE of the headline target, a - b, over all windows, horizons and VDs; seeds averaged."""
    errors = [
        np.abs(each.forecast[..., 0] - each.observed[..., 0]).mean(axis=0) for each in (a, b)
    ]  # (W, H, V)
    date = (
        calendar.local(a.times.ravel(), a.time_zone)
        .strftime("%Y-%m-%d")
        .to_numpy()
        .reshape(*a.times.shape, 1)
    )
    return paired_difference(*errors, np.broadcast_to(date, errors[0].shape))


def in_words(difference: Difference, lstm_mae: float, unit: str, target_vd: str) -> str:
    """The sentence that the numbers allow, by one rule: better only where the 95 % interval excludes 0."""
    d = difference
    share = abs(d.difference) / lstm_mae if lstm_mae else 0.0
    direction = "lower" if d.difference < 0 else "higher"
    measured = (
        f"on VD {target_vd} xLSTM's MAE is {abs(d.difference):.2f} {unit} ({share:.1%}) {direction} than LSTM's, "
        f"95 % interval {d.low:+.2f} to {d.high:+.2f} over {d.days} test days"
    )
    if not d.shown:
        return f"no difference shown: {measured}"
    return f"{'xLSTM' if d.difference < 0 else 'LSTM'} better: {measured}"


def losses(mode: str, scores: dict, horizons: dict[str, list[dict]], unit: str) -> list[str]:
    """A sentence for each model that a naive forecast beats, overall or at a horizon; these open every report."""
    cuts_of = [
        *(
            (
                "on the target VD" if scope == "target_vd" else "on all VDs",
                {name: row["mae"] for name, row in rows.items()},
            )
            for scope, rows in scores.items()
        ),
        *(
            (
                f"on the target VD at {row['minutes']:g} minutes",
                {name: rows[h]["mae"] for name, rows in horizons.items()},
            )
            for h, row in enumerate(horizons["lstm"])
        ),
    ]
    found = []
    for where, mae in cuts_of:
        best = min((name for name in mae if name not in MODELS), key=lambda name: mae[name])
        found += [
            f"{LABELS[model]} loses to the naive forecast '{LABELS[best]}' in {mode} {where}: "
            f"MAE {mae[model]:.2f} against {mae[best]:.2f} {unit}."
            for model in MODELS
            if not mae[model] < mae[best]
        ]
    return found


def as_markdown(summary: dict) -> str:
    """``comparison.md``."""
    unit = summary["unit"]
    lines = [f"# {summary['mode']}: LSTM against xLSTM", ""]
    lines += [f"**{loss}**\n" for loss in summary["losses"]]
    lines += [f"**{sentence(summary['difference']['words'])}**", ""]
    lines += [
        f"{summary['target']} in {unit}; {summary['windows']} test windows; {cuts.seeds_in_words(summary['seeds'])} "
        f"MAPE over observations of at least {summary['mape_floor']:g}. Skill: 1 - MAE / MAE of the best naive forecast.",
        "",
    ]
    titles = {"target_vd": f"VD {summary['target_vd']}", "all_vds": f"All {len(summary['vds'])} VDs"}
    for scope, rows in summary["scores"].items():
        lines += [f"## {titles[scope]}", "", table(rows), ""]
    lines += [
        f"## VD {summary['target_vd']} by horizon: MAE, {unit}",
        "",
        horizon_table(summary["by_horizon"]),
        "",
    ]
    lines += ["![error by horizon](by_horizon.png)", "", "![error by hour of day](by_hour.png)", ""]
    if "all_vds" in summary["scores"]:
        by_vd = {
            LABELS[name]: {row["vd"]: row["mae"] for row in rows} for name, rows in summary["by_vd"].items()
        }
        lines += [
            f"## Each VD: MAE, {unit}",
            "",
            pd.DataFrame(by_vd).rename_axis("VD").to_markdown(floatfmt=".2f"),
            "",
        ]
    lines += intervals.section(summary)
    lines += ["## Cost", "", cost_table(summary["cost"]), "", "![learning curves](curves.png)", ""]
    lines += ["## A typical day and the worst", "", "![typical and worst day](days.png)", ""]
    lines += ["![forecast against observation](scatter.png)", ""]
    return "\n".join(lines)


def table(rows: Mapping[str, dict]) -> str:
    """A line per model and baseline, best MAE first."""
    frame = (
        pd.DataFrame(rows).T[["mae", "rmse", "wape", "mape", "r2", "skill"]].astype(float).sort_values("mae")
    )
    frame.index = [LABELS[name] for name in frame.index]
    frame.columns = ["MAE", "RMSE", "WAPE", "MAPE", "R2", "skill"]
    return frame.to_markdown(floatfmt=("", ".2f", ".2f", ".3f", ".3f", ".3f", "+.3f"))


def horizon_table(by_horizon: Mapping[str, list[dict]]) -> str:
    """A line per model and baseline, a column per horizon."""
    frame = pd.DataFrame(
        {
            LABELS[name]: {f"{row['minutes']:g} min": row["mae"] for row in rows}
            for name, rows in by_horizon.items()
        }
    ).T
    return frame.to_markdown(floatfmt=".2f")


def cost_table(cost: Mapping[str, dict]) -> str:
    """A line per model."""
    frame = pd.DataFrame(
        {
            LABELS[model]: {
                "parameters": f"{row['parameters']:,}",
                "epochs": f"{row['epochs']}",
                "training seconds": f"{row['seconds']:.0f}",
                "peak memory, MB": f"{row['peak_memory_mb']:.0f}",
            }
            for model, row in cost.items()
        }
    ).T
    return frame.to_markdown(disable_numparse=True)


def sentence(words: str) -> str:
    """With a capital and a full stop."""
    return (words if words.startswith("xLSTM") else words[0].upper() + words[1:]) + "."


def _headline(table: pd.DataFrame, target: str) -> list[dict]:
    """The rows of the headline target as records, numbers rounded to what a reader can use."""
    rows = table.reset_index()
    rows = rows[rows.target == target].drop(columns=["target", "index"], errors="ignore")
    return [
        {key: _number(value) if isinstance(value, float) else value for key, value in row.items()}
        for row in rows.to_dict("records")
    ]


def _number(value: float) -> float | None:
    """Rounded; what is undefined is null in JSON, which has no NaN."""
    return round(value, 6) if np.isfinite(value) else None
