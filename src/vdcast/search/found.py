"""What the studies of a search hold, as the record that its reports are made of."""

from __future__ import annotations

import itertools
from collections import Counter
from statistics import fmean, stdev

import optuna
from optuna import Study
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import norm

from vdcast.params.sections import Run
from vdcast.records.search import Searched, SearchOf, Tried
from vdcast.search import budget
from vdcast.search.part import Part, best_of
from vdcast.search.space import Space, network_of, settings_of
from vdcast.search.study import KILLED, counts, is_impossible, is_lost

TOP = 10  # trials that the table shows
ENOUGH = 10  # trials without which no importance is worth showing


def found(part: Part, mode: str) -> Searched:
    """By now: a search that goes on finds more."""
    search = part.search
    return Searched(
        mode=mode,
        trials=search.trials,
        seconds=search.seconds,
        seeds=search.seeds,
        models={model: _of(study, part, model) for model, study in part.studies.items()},
    )


def _of(study: Study, part: Part, model: str) -> SearchOf:
    run, space = part.runs[model], part.search.space(model)
    trials = study.get_trials(deepcopy=False)
    those = [trial for trial in trials if counts(trial)]
    complete = [trial for trial in those if trial.state == TrialState.COMPLETE]
    had, best = budget.used(trials), best_of(trials)
    first = next((trial for trial in complete if "seeds" in trial.user_attrs), None)
    confirming = [trial for trial in trials if "confirms" in trial.user_attrs]
    confirmed = next(
        (
            t
            for t in confirming
            if best and t.user_attrs["confirms"] == best.number and t.state == TrialState.COMPLETE
        ),
        best,
    )
    failed = Counter(t.user_attrs.get("reason", KILLED) for t in those if t.state == TrialState.FAIL)
    return SearchOf(
        run=run.name,
        trials=had.trials,
        seconds=had.seconds,
        end=budget.end(had, part.search),
        complete=len(complete),
        pruned=sum(trial.state == TrialState.PRUNED for trial in those),
        failed=dict(failed.most_common()),
        impossible=sum(map(is_impossible, trials)),
        lost=sum(map(is_lost, trials)),
        confirming=sum(trial.user_attrs.get("seconds", 0.0) for trial in confirming),
        first=_tried(first, first, run, space),
        best=_tried(best, confirmed, run, space),
        luck=luck(first.user_attrs["seed_errors"], len(complete)) if first else None,
        importance=importance(complete, space),
        top=[
            tried
            for trial in sorted(complete, key=lambda trial: trial.value or 0.0)[:TOP]
            if (tried := _tried(trial, trial, run, space))
        ],
        curve=curve(those),
    )


def _tried(trial: FrozenTrial | None, confirmed: FrozenTrial | None, run: Run, space: Space) -> Tried | None:
    if trial is None or confirmed is None or trial.value is None:
        return None
    settings = settings_of(optuna.trial.FixedTrial(trial.params), space)  # type: ignore[arg-type]  # asked the same
    network = network_of(run, settings)
    return Tried(
        number=trial.number,
        settings={key: getattr(network, key) for key in space},
        error=trial.value,
        seed_errors=confirmed.user_attrs.get("seed_errors"),
    )


def luck(errors: list[float], trials: int) -> float | None:
    """By what share the lowest of so many errors, each with another seed, is expected below their mean.

    The errors spread as ``errors`` do; the expected largest of n standard normal numbers is, within some per cent,
    the quantile (n - 0.375) / (n + 0.25) (Blom 1958).
    """
    if len(errors) < 2 or trials < 2:
        return None
    return float(norm.ppf((trials - 0.375) / (trials + 0.25))) * stdev(errors) / fmean(errors)


def importance(complete: list[FrozenTrial], space: Space) -> dict[str, float]:
    """How much of the spread of errors goes with each setting: fANOVA (Hutter et al. 2014), largest first."""
    if len(complete) < ENOUGH:
        return {}
    study = optuna.create_study()
    study.add_trials(complete)
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {key: round(float(share), 4) for key, share in shares.items() if key in space}


def curve(trials: list[FrozenTrial]) -> list[tuple[float, float]]:
    """CPU seconds and the lowest error by then, as trials ended one after the other."""
    ended = sorted(
        (trial for trial in trials if trial.datetime_complete),
        key=lambda trial: (trial.datetime_complete, trial.number),
    )
    seconds = itertools.accumulate(trial.user_attrs.get("seconds", 0.0) for trial in ended)
    points: list[tuple[float, float]] = []
    for at, trial in zip(seconds, ended, strict=True):
        if trial.state == TrialState.COMPLETE and trial.value is not None:
            least = min([trial.value, *(error for _, error in points[-1:])])
            points.append((round(at, 1), least))
    return points
