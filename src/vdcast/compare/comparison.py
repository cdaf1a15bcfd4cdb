"""One mode's ``comparison.json``: every figure, and what must be said of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vdcast.compare.findings import notes
from vdcast.compare.lines import lines
from vdcast.compare.opponents import opponents
from vdcast.differences.paired import diebold_mariano_of, paired
from vdcast.differences.tally import Tally, tally
from vdcast.forecasts.predictions import Conditions, Named, Predictions, of
from vdcast.language import in_words, say
from vdcast.params.modes import Sharing, sharing_of
from vdcast.params.sections import Evaluate
from vdcast.records.comparison import Comparison, CutRow, FurtherTarget, Note, PairedDifference, Scores, Spent
from vdcast.records.cost import Cost
from vdcast.records.training import Training
from vdcast.records.validation import Validation
from vdcast.scores import cuts, intervals
from vdcast.scores.names import NAIVE_FORECASTS, label
from vdcast.scores.words import cut_short, of_places


@dataclass(frozen=True)
class Side:
    """One of the two runs that are laid side by side."""

    predictions: Predictions
    training: Training
    cost: Cost


@dataclass(frozen=True)
class Simpler:
    """What ``baselines`` left, for the VDs of the mode."""

    forecasts: Named
    validation: Validation
    conditions: Conditions


def compared(
    mode: str,
    sides: Mapping[str, Side],
    simpler: Simpler,
    *,
    target_vd: str,
    settings: Evaluate,
) -> Comparison:
    """Everything that the reports say of ``mode``; ``sides`` are by model."""
    predictions = {model: side.predictions for model, side in sides.items()}
    trainings = {model: side.training for model, side in sides.items()}
    reference = predictions["lstm"]
    seeds, unit = len(reference.forecast), reference.units[0]
    ensembles = {f"{name}_ensemble": each.ensemble for name, each in predictions.items() if seeds > 1}
    everyone = {**predictions, **ensembles, **simpler.forecasts}
    scopes = {"target_vd": [target_vd]}
    if len(reference.vd_ids) > 1:
        scopes["all_vds"] = list(reference.vd_ids)
    scores, by_cut = {}, {}
    for scope, vds in scopes.items():
        scores[scope], by_cut[scope] = _scored(of(everyone, vds), simpler.conditions.of(vds), settings)
    best_naive, tallied = _best(scores[list(scopes)[-1]]), tally({**predictions, **simpler.forecasts})
    shared = sharing_of(mode) is not Sharing.APART
    minutes = {h - 1: h * reference.interval / 60 for h in settings.horizons}
    judging = notes(scores, by_cut, naive=best_naive, days=tallied.days, target_vd=target_vd, seeds=seeds)
    return Comparison(
        mode=mode,
        problem=_problem(trainings),
        target=reference.targets[0],
        unit=unit,
        target_vd=target_vd,
        vds=list(reference.vd_ids),
        seeds=seeds,
        windows=len(reference.origins),
        interval=reference.interval,
        mape_floor=settings.mape_floor,
        congested=in_words(simpler.conditions.rule),
        peak=say("compare.peak", hours=[str(hour) for hour in settings.peak_hours]),
        notes=[*_of_trainings(trainings), *judging],
        scores=scores,
        cuts=by_cut,
        best_naive=best_naive,
        differences=_differences(predictions, tallied, (shared, shared)),
        lines=lines(tallied, opponents(simpler.validation, reference.vd_ids, minutes), (shared, shared)),
        cost={model: _spent(side.training, side.cost) for model, side in sides.items()},
        further_targets=_further_targets(everyone),
        quantiles=intervals.quantile_scores(predictions, scopes) if reference.quantiles else None,
    )


def _scored(
    here: Mapping[str, Predictions], conditions: Conditions, settings: Evaluate
) -> tuple[dict[str, Scores], dict[str, dict[str, list[CutRow]]]]:
    """Of the VDs of one scope: every name's scores, and those by cut."""
    first, folds = here["lstm"], settings.folds
    shown = [
        cuts.overall(),
        cuts.by_horizon(first),
        cuts.by_hour(first),
        cuts.by_day(first),
        cuts.by_peak(first, settings.peak_hours),
        cuts.by_congestion(conditions),
        cuts.by_missing(conditions),
        *([cuts.by_vd(first)] if len(first.vd_ids) > 1 else []),
        *([cuts.by_age(first, folds.days)] if folds and not folds.refit else []),
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


def _differences(predictions: Named, tallied: Tally, shared: tuple[bool, bool]) -> list[PairedDifference]:
    """xLSTM against LSTM, and their ensembles where there are some."""
    p_dm = diebold_mariano_of(predictions["xlstm"], predictions["lstm"])
    found = [paired("xlstm", "lstm", tallied, shared, p_dm)]
    if "lstm_ensemble" in tallied.errors:
        found.append(paired("xlstm_ensemble", "lstm_ensemble", tallied, shared))
    return found


def _problem(trainings: Mapping[str, Training]) -> str | None:
    """Why there is no verdict, of both runs."""
    found = [in_words(each.problem) for each in trainings.values() if each.problem]
    return say("language.semicolon").join(found) or None


def _of_trainings(trainings: Mapping[str, Training]) -> list[Note]:
    """What each training noted, and whether it has converged."""
    found = []
    for model, training in trainings.items():
        found += [Note("data" if of_places(each) else "training", in_words(each)) for each in training.notes]
        if short := cut_short(training):
            found.append(Note("training", say("compare.not_converged", model=label(model), why=short)))
    return found


def _spent(training: Training, cost: Cost) -> Spent:
    return Spent(
        parameters=training.parameters,
        flops_per_window=cost.flops_per_window,
        epochs=training.epochs,
        epoch_seconds=training.epoch_seconds,
        seconds=training.seconds,
        latency_ms=cost.latency_ms.median,
        latency_batch_ms=cost.latency_batch_ms.median,
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
