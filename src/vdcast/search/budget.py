"""How much of its budget each model has had, which one is next, and when it is over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from optuna.trial import FrozenTrial

from vdcast.params.search import Search
from vdcast.search.study import counts

End = Literal["trials", "seconds"]


class Used(NamedTuple):
    trials: int
    seconds: float


def used(trials: Iterable[FrozenTrial]) -> Used:
    """Of the budget of one model, by its trials."""
    those = [trial for trial in trials if counts(trial)]
    return Used(len(those), sum(trial.user_attrs.get("seconds", 0.0) for trial in those))


def end(had: Used, search: Search) -> End | None:
    """Which of the two is spent; None while there is some of both."""
    if had.trials >= search.trials:
        return "trials"
    return "seconds" if had.seconds >= search.seconds else None


def next_model(had: Mapping[str, Used], search: Search) -> str | None:
    """The one with most of its budget left, so that an interrupted search was fair too; None where all is spent."""
    left = {model: share(each, search) for model, each in had.items() if not end(each, search)}
    return min(left, key=lambda model: left[model]) if left else None


def share(had: Used, search: Search) -> float:
    """Of the budget, by whichever of the two will end it."""
    return max(had.trials / search.trials, had.seconds / search.seconds)
