"""One mode's comparison as plain data (comparison.json), and that data as markdown."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vdcast import calendar, cuts, intervals, params
from vdcast.cuts import decimals, listed, p_value, shown, significant
from vdcast.figures import LABELS
from vdcast.layout import LATENCY_BATCH
from vdcast.params import NETWORKS
from vdcast.predictions import Conditions, Naive, Predictions, of
from vdcast.significance import difference, numbered_days

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
# what a reader must know of these figures, wherever they are printed
DILEMMA = (
    "congested or not is what was then observed, not what could be known, and such a cut favours a forecast that leans "
    "to its side (the forecaster's dilemma: Lerch et al. 2017)"
)
R2 = "R2 around each VD's own mean, so that differences between VDs earn nothing."
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
    spent: Mapping[str, dict],
    settings: params.Evaluate,
) -> dict:
    """Everything that the reports say of one mode, for the headline target: comparison.json.

    ``spent`` is training.json and cost.json of each model in one.

    - ``mode``, ``target``, ``unit``, ``target_vd``, ``vds``, ``seeds`` (their number), ``windows``,
      ``interval`` (seconds), ``mape_floor``, ``congested`` and ``peak`` (the rules, in words).
    - ``problem``: null, or in one sentence why there is no verdict on this mode. Where a run lacks weights,
      its figures are null and all others stand; where the runs cannot be laid side by side at all, ``mode``
      is the only other key (``without``).
    - ``notes``: sentences on what could not be judged; ``losses``: a sentence for each model that
      loses to a baseline somewhere.
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
    - ``best_naive``: the baseline with the lowest MAE on the very observations of ``differences``, as skill has it:
      chosen with hindsight, the opponent can only make it harder for a model to be called better.
    - ``differences``: ``a``, ``b``, ``mae`` (MAE of a minus MAE of b, all VDs of the mode), its 95 %
      interval ``low`` to ``high``, two-sided ``p`` of it, ``boot_low`` to ``boot_high`` of a block bootstrap
      and ``p_dm`` of the Diebold-Mariano test, before any correction for how many tests the report makes, not
      rounded; on how many ``days`` and ``vds``. First xlstm - lstm, then each against ``best_naive``.
    - ``cost[model]``: parameters and flops_per_window of one seed's networks, epochs, epoch_seconds and
      seconds of training all seeds, latency_ms and latency_batch_ms (``layout.LATENCY_BATCH`` windows) of
      one seed's forecast, peak_memory_mb of training.
    - ``further_targets``: for each target beyond the first its ``target``, ``unit`` and ``mae`` by name, over all
      VDs of the mode, mean over seeds.
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
    widest = scores[list(scopes)[-1]]
    best_naive = min(naive, key=lambda name: np.inf if widest[name]["mae"] is None else widest[name]["mae"])
    pairs = [("xlstm", "lstm"), *((model, best_naive) for model in MODELS)]
    differences = [{"a": a, "b": b} | paired(everyone[a], everyone[b]) for a, b in pairs]
    seen = _observed(reference)
    dates = np.broadcast_to(_date(reference)[..., None], seen.shape)[seen]
    days = int(numbered_days(dates).max()) + 1 if len(dates) else 0
    return {
        "mode": mode,
        "problem": "; ".join(run["problem"] for run in spent.values() if run["problem"]) or None,
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
        "notes": [
            *(each for run in spent.values() for each in run["notes"]),
            *notes(mode, scores, by_cut, best_naive, days, target_vd, seeds),
        ],
        "losses": losses(mode, scores, by_cut, reference.units[0]),
        "scores": scores,
        "cuts": by_cut,
        "best_naive": best_naive,
        "differences": differences,
        "cost": {model: {name: spent[model][name] for name in COST} for model in predictions},
        "further_targets": [
            {"target": target, "unit": unit}
            | {"mae": {name: cuts.number(_overall_mae(each, k)) for name, each in everyone.items()}}
            for k, (target, unit) in enumerate(zip(reference.targets, reference.units, strict=True))
            if k > 0
        ],
        **({"quantiles": intervals.summarise(predictions, scopes)} if reference.quantiles else {}),
    }


def without(mode: str, problem: str) -> dict:
    """comparison.json of a mode whose runs cannot be laid side by side."""
    return {"mode": mode, "problem": problem}


def notes(
    mode: str, scores: dict, by_cut: dict, naive: str, days: int, target_vd: str, seeds: int
) -> list[str]:
    """A sentence for everything that could not be judged, so that no gap in a table goes unexplained.

    What was observed is read off the figures of ``naive``, a baseline, which has them wherever there can be one.
    """

    def empty(rows: list[dict], cut: str) -> list[str]:
        return [
            f"{row[cut]:g}" if isinstance(row[cut], float) else str(row[cut])
            for row in rows
            if not row["observations"]
        ]

    found = []
    vds = by_cut.get("all_vds", {}).get("vd", {}).get(naive, [])
    of_target = scores["target_vd"][naive]
    if silent := empty(vds, "vd"):
        found.append(
            f"In {mode}, VD {', '.join(silent)} has no valid observation in the test part: there is no figure of it, "
            f"and those of all VDs stand on the other {len(vds) - len(silent)}."
        )
    constant = [row["vd"] for row in vds if row["observations"] and row["r2"] is None]
    if not vds and of_target["observations"] and of_target["r2"] is None:
        constant = [target_vd]
    if constant:
        found.append(
            f"In {mode}, the observations of VD {', '.join(constant)} do not vary in the test part: R2 is undefined."
        )
    if at := empty(by_cut["target_vd"]["horizon"][naive], "horizon"):
        found.append(
            f"In {mode}, VD {target_vd} has no observation {', '.join(at)} minutes ahead: nothing was scored there."
        )
    if at := empty(by_cut["target_vd"]["hour"][naive], "hour"):
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
    """``significance.difference`` of a and b as a record: the headline target, all windows, horizons, VDs.

    Of a model that lacks a forecast there is none: what it can forecast is not what it was asked for.
    """
    errors = [np.abs(each.forecast[..., 0] - each.observed[..., 0]) for each in (a, b)]  # (S, W, H, V)
    if any(np.isnan(each[:, _observed(a)]).any() for each in errors):
        return dict.fromkeys(("mae", "low", "high", "p", "boot_low", "boot_high", "p_dm")) | {
            "days": 0,
            "vds": 0,
        }
    found = difference(*errors, _date(a))
    return {key: value if np.isfinite(value) else None for key, value in vars(found).items()}


def _overall_mae(each: Predictions, k: int) -> float:
    """Of target ``k``, mean over seeds."""
    return cuts.table(each, cuts.overall(), 0.0, k).mae.iloc[0]


def _observed(predictions: Predictions) -> np.ndarray:
    """(W, H, V) whether there is a valid observation of the headline target."""
    return np.isfinite(predictions.observed[..., 0])


def _date(predictions: Predictions) -> np.ndarray:
    """(W, H) the local day of each interval that was forecast."""
    local = calendar.local(predictions.times.ravel(), predictions.time_zone)
    return local.normalize().to_numpy().reshape(predictions.times.shape)


def in_words(summary: dict) -> str:
    """What was measured between the models, without a verdict on it."""
    row = summary["differences"][0]
    mae, low, high = _signed(row, "mae", "low", "high")
    return f"MAE of xLSTM minus LSTM {mae} {summary['unit']}, 95 % interval {low} to {high}"


def _signed(row: dict, *names: str) -> list[str]:
    """Those figures of a difference, with so many decimals that none hides its sign."""
    spec = f"+.{decimals(*(row[name] for name in names), 0.0, least=3)}f"
    return [shown(row[name], spec) for name in names]


def losses(mode: str, scores: dict, by_cut: dict, unit: str) -> list[str]:
    """A sentence for each model that a naive forecast beats somewhere, saying where; these open every report."""
    whole = {
        {"target_vd": "on the target VD", "all_vds": "on all VDs"}[scope]: {
            name: row["mae"] for name, row in rows.items()
        }
        for scope, rows in scores.items()
    }
    horizons = by_cut["target_vd"]["horizon"]
    minutes = [f"{row['horizon']:g}" for row in horizons["lstm"]]
    vds = by_cut.get("all_vds", {}).get("vd", {"lstm": []})
    names = [row["vd"] for row in vds["lstm"]]
    found = []
    for model in MODELS:
        places: dict[str, list[str]] = {}  # by the baseline that is best there
        for where, mae in whole.items():
            if best := _lost_to(model, mae):
                places.setdefault(best, []).append(f"{where} (MAE {_against(mae, model, best)} {unit})")
        for best, lost in _lost_rows(model, horizons).items():
            most = f"most at {minutes[lost.worst]}, " if len(lost.rows) > 1 else ""
            places.setdefault(best, []).append(
                f"on the target VD at {_spans(lost.rows, minutes)} minutes ({most}MAE {lost.against} {unit})"
            )
        for best, lost in _lost_rows(model, vds).items():
            most = f"{'most at ' if len(lost.rows) > 1 else ''}{names[lost.worst]}"
            places.setdefault(best, []).append(
                f"at {len(lost.rows)} of {len(names)} VDs ({most}, MAE {lost.against} {unit})"
            )
        if places:
            said = "; ".join(f"to {LABELS[best]} {listed(where)}" for best, where in places.items())
            found.append(f"In {mode}, {LABELS[model]} loses {said}.")
    return found


@dataclass(frozen=True)
class Lost:
    """Rows of a cut in which one baseline is best and a model does not beat it."""

    rows: list[int]
    worst: int  # the one in which the model's MAE is the largest multiple of the baseline's
    against: str


def _lost_rows(model: str, tables: Mapping[str, list[dict]]) -> dict[str, Lost]:
    """By baseline, where ``model`` loses to it in a cut; ``tables`` as in ``summary["cuts"][scope][cut]``."""
    mae = [{name: rows[i]["mae"] for name, rows in tables.items()} for i in range(len(tables["lstm"]))]
    lost: dict[str, list[int]] = {}
    for i, row in enumerate(mae):
        if best := _lost_to(model, row):
            lost.setdefault(best, []).append(i)
    worst = {
        best: max(rows, key=lambda i: mae[i][model] / max(mae[i][best], 1e-9)) for best, rows in lost.items()
    }
    return {
        best: Lost(rows, worst[best], _against(mae[worst[best]], model, best)) for best, rows in lost.items()
    }


def _lost_to(model: str, mae: Mapping[str, float | None]) -> str | None:
    """The baseline with the lowest MAE, if ``model`` does not beat it; None also where there is nothing to compare."""
    naive = [name for name in mae if name.removesuffix("_ensemble") not in MODELS and mae[name] is not None]
    if mae[model] is None or not naive:
        return None  # as ``notes`` say
    best = min(naive, key=mae.get)
    return None if mae[model] < mae[best] else best


def _against(mae: Mapping[str, float], model: str, best: str) -> str:
    digits = decimals(mae[model], mae[best])
    return f"{mae[model]:.{digits}f} against {mae[best]:.{digits}f}"


def _spans(steps: list[int], minutes: list[str]) -> str:
    """Those ``steps`` in words, three or more in a row as one span."""
    runs = [[steps[0]]]
    for step in steps[1:]:
        if step == runs[-1][-1] + 1:
            runs[-1].append(step)
        else:
            runs.append([step])
    parts = []
    for run in runs:
        ends = [minutes[step] for step in run]
        parts += [f"{ends[0]} to {ends[-1]}"] if len(run) > 2 else ends
    return listed(parts)


def as_markdown(summary: dict) -> str:
    """``comparison.md``."""
    lines = [f"# {summary['mode']}: LSTM against xLSTM", ""]
    if summary["problem"]:
        lines += [f"**No comparison: {summary['problem']}.**", ""]
    if "scores" not in summary:
        return "\n".join(lines)
    unit, vds = summary["unit"], len(summary["vds"])
    lines += [f"**{each}**\n" for each in (*summary["notes"], *summary["losses"])]
    lines += [
        f"{summary['target']} in {unit}; {summary['windows']} test windows. {cuts.seeds_in_words(summary['seeds'])} "
        f"MAPE over observations of at least {summary['mape_floor']:g}. Skill: 1 - MAE / MAE of the best naive forecast. {R2}",
        "",
        f"## Differences in MAE, {unit}, {'all VDs' if vds > 1 else 'VD ' + summary['target_vd']}",
        "",
        difference_table(summary["differences"]),
        "",
        "Interval and p hold for other days, VDs and seeds; the 95 % interval of the block bootstrap for other days and "
        "VDs, too narrow where there are few days; the Diebold-Mariano test on overlapping windows for none of "
        f"these, and too often sees a difference. Each p stands alone here; the verdict, corrected for all comparisons of all modes, is in [the report](../report.md). "
        f"'{LABELS[summary['best_naive']]}' is the naive forecast with the lowest MAE on these very observations: chosen with "
        "hindsight, it can only make it harder for a model to be called better.",
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
                    *([f"Read with care: {DILEMMA}.", ""] if cut == "congestion" else []),
                ]
    lines += ["![error by horizon](by_horizon.png)", "", "![error by hour of day](by_hour.png)", ""]
    lines += further_targets({summary["mode"]: summary})
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
            "difference": _signed(row, "mae")[0],
            "95 % interval": " to ".join(_signed(row, "low", "high")),
            "block bootstrap": " to ".join(_signed(row, "boot_low", "boot_high")),
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
