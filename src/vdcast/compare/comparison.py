"""One mode's ``comparison.json``: every figure, and what must be said of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vdcast.compare.findings import losses, notes
from vdcast.compare.significance import Difference, difference, numbered_days
from vdcast.data import calendar
from vdcast.forecasts.predictions import Conditions, Named, Predictions, of
from vdcast.params.networks import MODELS
from vdcast.params.sections import Evaluate
from vdcast.records.comparison import Comparison, CutRow, FurtherTarget, PairedDifference, Scores, Spent
from vdcast.records.cost import Cost
from vdcast.records.training import Training
from vdcast.scores import cuts, intervals
from vdcast.scores.names import LABELS, NAIVE_FORECASTS
from vdcast.scores.tables import signed
from vdcast.scores.words import cut_short


@dataclass(frozen=True)
class Side:
    """One of the two runs that are laid side by side."""

    predictions: Predictions
    training: Training
    cost: Cost


def compared(
    mode: str,
    sides: Mapping[str, Side],
    baselines: Named,
    *,
    conditions: Conditions,
    target_vd: str,
    settings: Evaluate,
) -> Comparison:
    """Everything that the reports say of ``mode``; ``sides`` are by model."""
    predictions = {model: side.predictions for model, side in sides.items()}
    trainings = {model: side.training for model, side in sides.items()}
    reference = predictions["lstm"]
    seeds, unit = len(reference.forecast), reference.units[0]
    ensembles = {f"{name}_ensemble": each.ensemble for name, each in predictions.items() if seeds > 1}
    everyone = {**predictions, **ensembles, **baselines}
    scopes = {"target_vd": [target_vd]}
    if len(reference.vd_ids) > 1:
        scopes["all_vds"] = list(reference.vd_ids)
    scores, by_cut = {}, {}
    for scope, vds in scopes.items():
        scores[scope], by_cut[scope] = _scored(of(everyone, vds), conditions.of(vds), settings)
    best_naive = _best(scores[list(scopes)[-1]])
    pairs = [("xlstm", "lstm"), *((model, best_naive) for model in MODELS)]
    judging = notes(
        mode,
        scores,
        by_cut,
        naive=best_naive,
        days=_days(reference),
        target_vd=target_vd,
        seeds=seeds,
    )
    return Comparison(
        mode=mode,
        problem="; ".join(each.problem for each in trainings.values() if each.problem) or None,
        target=reference.targets[0],
        unit=unit,
        target_vd=target_vd,
        vds=list(reference.vd_ids),
        seeds=seeds,
        windows=len(reference.origins),
        interval=reference.interval,
        mape_floor=settings.mape_floor,
        congested=conditions.rule,
        peak="Monday to Friday, local hours " + ", ".join(map(str, settings.peak_hours)),
        notes=[*_of_trainings(mode, trainings), *judging],
        losses=losses(mode, scores, by_cut, unit),
        scores=scores,
        cuts=by_cut,
        best_naive=best_naive,
        differences=[paired(a, b, everyone) for a, b in pairs],
        cost={model: _spent(side.training, side.cost) for model, side in sides.items()},
        further_targets=_further_targets(everyone),
        quantiles=intervals.quantile_scores(predictions, scopes) if reference.quantiles else None,
    )


def _scored(
    here: Mapping[str, Predictions], conditions: Conditions, settings: Evaluate
) -> tuple[dict[str, Scores], dict[str, dict[str, list[CutRow]]]]:
    """Of the VDs of one scope: every name's scores, and those by cut."""
    first = here["lstm"]
    shown = [
        cuts.overall(),
        cuts.by_horizon(first),
        cuts.by_hour(first),
        cuts.by_day(first),
        cuts.by_peak(first, settings.peak_hours),
        cuts.by_congestion(conditions),
        cuts.by_missing(conditions),
        *([cuts.by_vd(first)] if len(first.vd_ids) > 1 else []),
    ]
    by_cut = {
        cut.name: {
            name: cuts.as_rows(rows)
            for name, rows in cuts.score_tables(here, cut, settings.mape_floor).items()
        }
        for cut in shown
    }
    return {name: cuts.whole(rows) for name, rows in by_cut.pop("overall").items()}, by_cut


def _best(scores: Mapping[str, Scores]) -> str:
    """The naive forecast with the lowest MAE."""

    def mae(name: str) -> float:
        found = scores[name].mae
        return np.inf if found is None else found

    return min((name for name in NAIVE_FORECASTS if name in scores), key=mae)


def _of_trainings(mode: str, trainings: Mapping[str, Training]) -> list[str]:
    """What each training noted, and whether it has converged."""
    found = []
    for model, training in trainings.items():
        found += training.notes
        if short := cut_short(training):
            found.append(f"In {mode}, {LABELS[model]} has not converged: {short}.")
    return found


def _spent(training: Training, cost: Cost) -> Spent:
    return Spent(
        parameters=training.parameters,
        flops_per_window=cost.flops_per_window,
        epochs=training.epochs,
        epoch_seconds=training.epoch_seconds,
        seconds=training.seconds,
        latency_ms=cost.latency_ms,
        latency_batch_ms=cost.latency_batch_ms,
        peak_memory_mb=training.peak_memory_mb,
    )


def _further_targets(everyone: Mapping[str, Predictions]) -> list[FurtherTarget]:
    first = everyone["lstm"]
    return [
        FurtherTarget(
            target=target,
            unit=unit,
            mae={
                name: cuts.number(cuts.score_table(each, cuts.overall(), 0.0, k).mae.iloc[0])
                for name, each in everyone.items()
            },
        )
        for k, (target, unit) in enumerate(zip(first.targets, first.units, strict=True))
        if k > 0
    ]


def paired(a: str, b: str, everyone: Mapping[str, Predictions]) -> PairedDifference:
    """``significance.difference`` of those two: the headline target, all windows, horizons, VDs.

    Of a model that lacks a forecast there is none: what it can forecast is not what it was asked for.
    """
    first, second = (
        np.abs(each.forecast[..., 0] - each.observed[..., 0]) for each in (everyone[a], everyone[b])
    )  # (S, W, H, V)
    seen = _observed(everyone[a])
    lacking = any(np.isnan(each[:, seen]).any() for each in (first, second))
    found = Difference() if lacking else difference(first, second, _date(everyone[a]))
    return PairedDifference(
        a=a,
        b=b,
        mae=_defined(found.mae),
        low=_defined(found.low),
        high=_defined(found.high),
        p=_defined(found.p),
        boot_low=_defined(found.boot_low),
        boot_high=_defined(found.boot_high),
        p_dm=_defined(found.p_dm),
        days=found.days,
        vds=found.vds,
    )


def _defined(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _days(predictions: Predictions) -> int:
    """How many days have an observation."""
    seen = _observed(predictions)
    dates = np.broadcast_to(_date(predictions)[..., None], seen.shape)[seen]
    return int(numbered_days(dates).max()) + 1 if len(dates) else 0


def _observed(predictions: Predictions) -> np.ndarray:
    """(W, H, V) whether there is a valid observation of the headline target."""
    return np.isfinite(predictions.observed[..., 0])


def _date(predictions: Predictions) -> np.ndarray:
    """(W, H) the local day of each interval that was forecast."""
    local = calendar.local(predictions.times.ravel(), predictions.time_zone)
    return local.normalize().to_numpy().reshape(predictions.times.shape)


def in_words(comparison: Comparison) -> str:
    """What was measured between the models, without a verdict on it."""
    mae, low, high = signed(comparison.differences[0], "mae", "low", "high")
    return f"MAE of xLSTM minus LSTM {mae} {comparison.unit}, 95 % interval {low} to {high}"
