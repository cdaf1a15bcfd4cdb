"""``reports/search/<mode>/search.json``: what a search of settings found for the two models of a mode.

An error is of the validation part: the MAE of the headline target over that of the better of profile and persistence,
mean over VDs.
"""

from typing import Any, Literal

import msgspec


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """A trial that has an error; ``seed_errors`` are of the same settings with ``Searched.seeds`` seeds."""

    number: int
    settings: dict[str, Any]
    error: float
    seed_errors: list[float] | None


class SearchOf(msgspec.Struct, frozen=True, kw_only=True):
    """What one model was given and what came of it."""

    run: str
    trials: int  # complete, pruned and failed ones
    seconds: float  # of CPU, of these
    end: Literal["trials", "seconds"] | None  # which part of the budget was spent; null: neither yet
    complete: int
    pruned: int
    failed: dict[str, int]  # how many, by reason
    impossible: int  # combinations that no network can have, beside the trials
    lost: int  # trials whose process was killed, beside them
    confirming: float  # CPU seconds of training the best settings with all seeds, beside them
    first: Tried | None  # the settings as they are
    best: Tried | None
    # by how much the best of as many trials that differ in their seed alone would be below the mean
    luck: float | None
    importance: dict[str, float]  # of each setting, adding up to 1; empty where there are too few trials
    top: list[Tried]
    curve: list[tuple[float, float]]  # CPU seconds so far, lowest error so far


class Searched(msgspec.Struct, frozen=True, kw_only=True):
    mode: str
    trials: int  # the budget of each model
    seconds: float
    seeds: int
    models: dict[str, SearchOf]
