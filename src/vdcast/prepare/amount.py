"""Whether there is enough data for an answer, and what the answer is worth where there is not."""

import math
from collections.abc import Mapping, Sequence
from functools import reduce

from vdcast.data import calendar
from vdcast.data.calendar import DAY
from vdcast.data.detectors import Detectors
from vdcast.errors import InputError
from vdcast.language import Said
from vdcast.params.sections import Folds
from vdcast.records.prepare import Amount

WEEK = 7
ENOUGH = {"train": 2 * WEEK, "validation": WEEK, "test": WEEK}  # days that each part should have


def amount_of(folds: Sequence[Mapping[str, Detectors]], walk: Folds | None = None) -> Amount:
    """Days per part, weeks that the training part sees, and one sentence where that is too little.

    Of a ``walk`` forward: what the first fold learns from, and the test days of all.
    """
    first, tested = folds[0], sum(days(parts["test"]) for parts in folds)
    found = {"train": days(first["train"]), "validation": days(first["validation"]), "test": tested}
    return Amount(
        days={name: round(each, 2) for name, each in found.items()},
        weeks=int(found["train"] // WEEK),
        too_little=too_little(found, None if walk else enough_days(found)),
    )


def check_days(train: Detectors) -> None:
    """Raises InputError for a training part of one local day, in which nothing could be usual."""
    if calendar.in_one_day(calendar.dates(train.timestamps, train.time_zone)):
        raise InputError(
            f"the training part of {train.source} lies in one day, and no other day says what is usual; give more days: an "
            f"answer that lasts takes {ENOUGH['train']} of training, {ENOUGH['validation']} of validation and "
            f"{ENOUGH['test']} of test"
        )


def days(part: Detectors) -> float:
    return len(part.timestamps) * part.interval / DAY


def enough_days(days: Mapping[str, float]) -> int:
    """How many in all would do, if shared out as ``days`` are."""
    total = sum(days.values())
    return math.ceil(max(enough * total / days[name] for name, enough in ENOUGH.items()))


def too_little(days: Mapping[str, float], needed: int | None) -> Said | None:
    """The sentence on parts with fewer ``days`` than ``ENOUGH``, and how many are ``needed`` where that can be told."""
    found = [
        Said(f"language.amount.short.{name}", {"days": round(days[name], 2), "enough": enough})
        for name, enough in ENOUGH.items()
        if days[name] < enough
    ]
    if not found:
        return None
    said = reduce(lambda one, other: Said("language.amount.also", {"one": one, "other": other}), found)
    if needed is None:
        return Said("language.amount.too_little_to_walk", {"found": said})
    return Said("language.amount.too_little", {"found": said, "needed": needed})
