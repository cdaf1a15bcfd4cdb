"""One mode's comparison as plain data (comparison.json), and that data as markdown."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from vdcast import calendar, cuts, intervals, params
from vdcast.cuts import shown
from vdcast.figures import LABELS
from vdcast.layout import LATENCY_BATCH
from vdcast.params import NETWORKS
from vdcast.predictions import Conditions, Naive, Predictions, of
from vdcast.significance import difference

MODELS = tuple(NETWORKS)  # lstm, xlstm
CUTS = {  # as headings
    "horizon": "by minutes ahead",
    "vd": "one by one",
    "hour": "by local hour of the day",
    "day": "by kind of day",
    "peak": "in the peak ({peak}) and outside it",
    "congestion": "congested ({congested}) and in free flow",
    "missing": "by share of the input that was missing",
}
COST = (
    "parameters",
    "flops_per_window",
    "epochs",
    "epoch_seconds",
    "seconds",
    "latency_ms",
    "latency_batch_ms",
    "peak_memory_mb",
)
FEW_DAYS = 5


def summarise(
    mode: str,
    predictions: Mapping[str, Predictions],
    naive: Naive,
    conditions: Conditions,
    target_vd: str,
    best_naive: str,
    cost: Mapping[str, dict],
    settings: params.Evaluate,
) -> dict:
    """Everything that the reports say of one mode, for the headline target: comparison.json.

    - ``mode``, ``target``, ``unit``, ``target_vd``, ``vds``, ``seeds`` (their number), ``windows``,
      ``interval`` (seconds), ``mape_floor``, ``congested`` and ``peak`` (the rules, in words).
    - ``problem``: null. Where the runs could not be laid side by side, it says why in one sentence, and
      of the keys below only ``mode`` is there (``without``).
    - ``notes``: sentences on what could not be judged; ``losses``: sentences on what lost to a baseline.
    - ``scores[scope][name]``: one record. Scopes: ``target_vd`` and, where the mode has several VDs,
      ``all_vds``. Names: ``lstm``, ``xlstm`` (mean of the scores of their seeds), ``lstm_ensemble``,
      ``xlstm_ensemble`` (the mean of their seeds' forecasts, where there are several) and the baselines.
      A record: mae, rmse, wape, mape, r2, bias, observations, skill; of several seeds also mae_sd,
      mae_min, mae_max. A figure that is undefined is null, and ``observations`` then says whether it
      stands on anything.
    - ``cuts[scope][cut][name]``: a list of such records, each with its label under the cut's own name:
      ``horizon`` (minutes), ``hour`` (0 .. 23), ``day`` (weekday, weekend), ``peak`` (peak, off-peak),
      ``congestion`` (congested, free flow), ``missing`` (none, up to 10%, over 10%: share of missing
      input) and, in ``all_vds``, ``vd``. Every name has the same labels in the same order.
    - ``best_naive``: the baseline that was best on the validation part, over all VDs of the mode.
    - ``differences``: ``a``, ``b``, ``mae`` (MAE of a minus MAE of b, all VDs of the mode), its 95 %
      interval ``low`` to ``high``, two-sided ``p`` of it and ``p_dm`` of the Diebold-Mariano test, before
      any correction for how many tests the report makes; on how many ``days`` and ``vds``. First xlstm - lstm, then each against ``best_naive``.
    - ``cost[model]``: parameters and flops_per_window of one seed's networks, epochs, epoch_seconds and
      seconds of training all seeds, latency_ms and latency_batch_ms (``layout.LATENCY_BATCH`` windows) of
      one seed's forecast, peak_memory_mb of training.
    - ``quantiles``: as ``intervals.summarise`` has it, of runs with ``train.quantiles`` alone.
    """
    reference = predictions["lstm"]
    seeds = len(reference.forecast)
    ensembles = {f"{name}_ensemble": each.ensemble for name, each in predictions.items() if seeds > 1}
    everyone = {**predictions, **ensembles, **naive}
    scopes = {"target_vd": [target_vd]}
    if len(reference.vd_ids) > 1:
        scopes["all_vds"] = list(reference.vd_ids)
    scores, by_cut = {}, {}
    for scope, vds in scopes.items():
        here, held = of(everyone, vds), conditions.of(vds)
        first = here["lstm"]
        shown = [
            cuts.by_horizon(first),
            cuts.by_hour(first),
            cuts.by_day(first),
            cuts.by_peak(first, settings.peak_hours),
            cuts.by_congestion(held),
            cuts.by_missing(held),
            *([cuts.by_vd(first)] if len(vds) > 1 else []),
        ]
        records = {
            cut.name: {
                name: cuts.records(rows)
                for name, rows in cuts.tables(here, list(naive), cut, settings.mape_floor).items()
            }
            for cut in [cuts.overall(), *shown]
        }
        scores[scope] = {
            name: {key: value for key, value in rows[0].items() if key != "overall"}
            for name, rows in records.pop("overall").items()
        }
        by_cut[scope] = records
    pairs = [("xlstm", "lstm"), *((model, best_naive) for model in MODELS)]
    differences = [{"a": a, "b": b} | paired(everyone[a], everyone[b]) for a, b in pairs]
    return {
        "mode": mode,
        "problem": None,
        "target": reference.targets[0],
        "unit": reference.units[0],
        "target_vd": target_vd,
        "vds": list(reference.vd_ids),
        "seeds": seeds,
        "windows": len(reference.origins),
        "interval": reference.interval,
        "mape_floor": settings.mape_floor,
        "congested": conditions.rule,
        "peak": "Monday to Friday, local hours " + ", ".join(map(str, settings.peak_hours)),
        "notes": notes(mode, scores, by_cut, differences[0]["days"], target_vd, seeds),
        "losses": losses(mode, scores, by_cut["target_vd"]["horizon"], reference.units[0]),
        "scores": scores,
        "cuts": by_cut,
        "best_naive": best_naive,
        "differences": differences,
        "cost": {model: {name: cost[model][name] for name in COST} for model in predictions},
        **({"quantiles": intervals.summarise(predictions, scopes)} if reference.quantiles else {}),
    }


def without(mode: str, problem: str) -> dict:
    """comparison.json of a mode whose runs cannot be laid side by side."""
    return {"mode": mode, "problem": problem}


def notes(mode: str, scores: dict, by_cut: dict, days: int, target_vd: str, seeds: int) -> list[str]:
    """A sentence for everything that could not be judged, so that no gap in a table goes unexplained."""

    def empty(rows: list[dict], cut: str) -> list[str]:
        return [
            f"{row[cut]:g}" if isinstance(row[cut], float) else str(row[cut])
            for row in rows
            if not row["observations"]
        ]

    found = []
    vds = by_cut.get("all_vds", {}).get("vd", {}).get("lstm", [])
    if silent := empty(vds, "vd"):
        found.append(
            f"In {mode}, VD {', '.join(silent)} has no valid observation in the test part: there is no figure of it, "
            f"and those of all VDs stand on the other {len(vds) - len(silent)}."
        )
    constant = [row["vd"] for row in vds if row["observations"] and row["r2"] is None]
    if not vds and scores["target_vd"]["lstm"]["observations"] and scores["target_vd"]["lstm"]["r2"] is None:
        constant = [target_vd]
    if constant:
        found.append(
            f"In {mode}, the observations of VD {', '.join(constant)} do not vary in the test part: R2 is undefined."
        )
    of_target = by_cut["target_vd"]
    if at := empty(of_target["horizon"]["lstm"], "horizon"):
        found.append(
            f"In {mode}, VD {target_vd} has no observation {', '.join(at)} minutes ahead: nothing was scored there."
        )
    if at := empty(of_target["hour"]["lstm"], "hour"):
        found.append(
            f"In {mode}, VD {target_vd} has no observation at local hour {', '.join(at)}: nothing was scored there."
        )
    if days < FEW_DAYS:
        found.append(
            f"In {mode}, the test part has {days} {'day' if days == 1 else 'days'} with observations: on fewer than "
            f"{FEW_DAYS} only a very large difference can be shown."
        )
    if seeds == 1:
        found.append(
            f"In {mode}, one seed was trained: another training might come out differently, and no interval knows by how much."
        )
    return found


def paired(a: Predictions, b: Predictions) -> dict:
    """``significance.difference`` of a and b as a record: the headline target, all windows, horizons, VDs."""
    errors = [np.abs(each.forecast[..., 0] - each.observed[..., 0]) for each in (a, b)]  # (S, W, H, V)
    date = calendar.local(a.times.ravel(), a.time_zone).normalize().to_numpy().reshape(a.times.shape)
    found = difference(*errors, date)
    return {
        key: cuts.number(value) if isinstance(value, float) else value for key, value in vars(found).items()
    }


def in_words(summary: dict) -> str:
    """What was measured between the models, without a verdict on it."""
    row = summary["differences"][0]
    return (
        f"MAE of xLSTM minus LSTM {shown(row['mae'], '+.3f')} {summary['unit']}, 95 % interval "
        f"{shown(row['low'], '+.3f')} to {shown(row['high'], '+.3f')}"
    )


def losses(mode: str, scores: dict, horizons: dict[str, list[dict]], unit: str) -> list[str]:
    """A sentence for each model that a naive forecast beats, overall or at a horizon; these open every report."""
    places = {"target_vd": "on the target VD", "all_vds": "on all VDs"}
    compared = [
        (places[scope], {name: row["mae"] for name, row in rows.items()}) for scope, rows in scores.items()
    ]
    compared += [
        (
            f"on the target VD at {row['horizon']:g} minutes",
            {name: rows[h]["mae"] for name, rows in horizons.items()},
        )
        for h, row in enumerate(horizons["lstm"])
    ]
    found = []
    for where, mae in compared:
        naive = {name: each for name, each in mae.items() if name.removesuffix("_ensemble") not in MODELS}
        if None in mae.values():
            continue  # no observation, as ``notes`` say
        best = min(naive, key=naive.get)
        found += [
            f"{LABELS[model]} loses to the naive forecast '{LABELS[best]}' in {mode} {where}: "
            f"MAE {mae[model]:.2f} against {mae[best]:.2f} {unit}."
            for model in MODELS
            if not mae[model] < mae[best]
        ]
    return found


def as_markdown(summary: dict) -> str:
    """``comparison.md``."""
    if summary["problem"]:
        return f"# {summary['mode']}: LSTM against xLSTM\n\n**No comparison: {summary['problem']}.**\n"
    unit, vds = summary["unit"], len(summary["vds"])
    lines = [f"# {summary['mode']}: LSTM against xLSTM", ""]
    lines += [f"**{each}**\n" for each in (*summary["notes"], *summary["losses"])]
    lines += [
        f"{summary['target']} in {unit}; {summary['windows']} test windows. {cuts.seeds_in_words(summary['seeds'])} "
        f"MAPE over observations of at least {summary['mape_floor']:g}. Skill: 1 - MAE / MAE of the best naive forecast.",
        "",
        f"## Differences in MAE, {unit}, {'all VDs' if vds > 1 else 'VD ' + summary['target_vd']}",
        "",
        difference_table(summary["differences"]),
        "",
        "Interval and p hold for other days, VDs and seeds; the Diebold-Mariano test on overlapping windows for none of "
        f"these, and too often sees a difference. Each p stands alone here; the verdict, corrected for all comparisons of all modes, is in [the report](../report.md). "
        f"'{LABELS[summary['best_naive']]}' is the naive forecast that was best on the validation part.",
        "",
    ]
    titles = {"target_vd": f"VD {summary['target_vd']}", "all_vds": f"All {vds} VDs"}
    for scope, rows in summary["scores"].items():
        lines += [f"## {titles[scope]}", "", table(rows), ""]
    for scope, by_cut in summary["cuts"].items():
        for cut, heading in CUTS.items():
            if cut in by_cut:
                lines += [
                    f"## {titles[scope]} {heading.format(**summary)}: MAE, {unit}",
                    "",
                    cut_table(by_cut[cut], cut),
                    "",
                ]
    lines += ["![error by horizon](by_horizon.png)", "", "![error by hour of day](by_hour.png)", ""]
    lines += intervals.section(summary)
    lines += ["## Cost", "", cost_table(summary["cost"]), "", "![learning curves](curves.png)", ""]
    lines += ["## A typical day and the worst", "", "![typical and worst day](days.png)", ""]
    lines += ["![forecast against observation](scatter.png)", ""]
    return "\n".join(lines)


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
            "difference": shown(row["mae"], "+.3f"),
            "95 % interval": f"{shown(row['low'], '+.3f')} to {shown(row['high'], '+.3f')}",
            "p": shown(row["p"], ".2g"),
            "p, Diebold-Mariano": shown(row["p_dm"], ".2g"),
            "test days": row["days"],
            "VDs": row["vds"],
        }
        for row in differences
    ]
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def cost_table(cost: Mapping[str, dict], **first: Mapping[str, str]) -> str:
    """A line per key of ``cost``; ``first`` are columns that stand before the cost, by the same keys."""
    frame = pd.DataFrame(
        {
            LABELS.get(name, name): {title: column[name] for title, column in first.items()}
            | {
                "parameters": f"{row['parameters']:,}",
                "MFLOP a window": f"{row['flops_per_window'] / 1e6:,.2f}",
                "epochs": f"{row['epochs']}",
                "seconds an epoch": f"{row['epoch_seconds']:.2f}",
                "training seconds": f"{row['seconds']:.0f}",
                "ms for 1 window": f"{row['latency_ms']:.1f}",
                f"ms for {LATENCY_BATCH}": f"{row['latency_batch_ms']:.1f}",
                "peak memory, MB": f"{row['peak_memory_mb']:.0f}",
            }
            for name, row in cost.items()
        }
    ).T
    return frame.to_markdown(disable_numparse=True)
