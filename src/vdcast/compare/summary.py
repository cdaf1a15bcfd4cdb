"""One mode's comparison as plain data: comparison.json."""

from collections.abc import Mapping

import numpy as np

from vdcast.compare.findings import losses, notes
from vdcast.compare.significance import difference, numbered_days
from vdcast.data import calendar
from vdcast.forecasts.predictions import Conditions, Naive, Predictions, of
from vdcast.params.networks import MODELS
from vdcast.params.sections import Evaluate
from vdcast.scores import cuts, intervals, records
from vdcast.scores.records import number
from vdcast.scores.tables import signed

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


def summarise(
    mode: str,
    predictions: Mapping[str, Predictions],
    naive: Naive,
    conditions: Conditions,
    target_vd: str,
    spent: Mapping[str, dict],
    settings: Evaluate,
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
                name: records.records(rows)
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
            | {"mae": {name: number(_overall_mae(each, k)) for name, each in everyone.items()}}
            for k, (target, unit) in enumerate(zip(reference.targets, reference.units, strict=True))
            if k > 0
        ],
        **({"quantiles": intervals.summarise(predictions, scopes)} if reference.quantiles else {}),
    }


def without(mode: str, problem: str) -> dict:
    """comparison.json of a mode whose runs cannot be laid side by side."""
    return {"mode": mode, "problem": problem}


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
    mae, low, high = signed(row, "mae", "low", "high")
    return f"MAE of xLSTM minus LSTM {mae} {summary['unit']}, 95 % interval {low} to {high}"
