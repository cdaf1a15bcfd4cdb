"""Whether there is enough data for an answer, and what the answer is worth where there is not."""

import math
from collections.abc import Mapping, Sequence

from vdcast.data.calendar import DAY
from vdcast.data.detectors import Detectors
from vdcast.params.sections import Folds
from vdcast.records.prepare import Amount

WEEK = 7
# Days that each part should have, and what is so where it has fewer.
ENOUGH = {
    "train": (2 * WEEK, "no weekday is seen twice, so what is usual on it cannot be told from chance"),
    "validation": (WEEK, "the epoch of each network is chosen by less than a week"),
    "test": (WEEK, "the answer is about these days, and not about a week"),
}
PARTS = {"train": "training", "validation": "validation", "test": "test"}


def amount_of(folds: Sequence[Mapping[str, Detectors]], walk: Folds | None = None) -> Amount:
    """Days per part, weeks that the training part sees, and one sentence where that is too little.

    Of a ``walk`` forward: what the first fold learns from, and the test days of all.
    """
    first, tested = folds[0], sum(days(parts["test"]) for parts in folds)
    found = {"train": days(first["train"]), "validation": days(first["validation"]), "test": tested}
    return Amount(
        days={name: round(each, 2) for name, each in found.items()},
        weeks=int(found["train"] // WEEK),
        too_little=too_little(
            found, advice="" if walk else f"; {enough_days(found)} days at this split would do"
        ),
    )


def days(part: Detectors) -> float:
    return len(part.timestamps) * part.interval / DAY


def enough_days(days: Mapping[str, float]) -> int:
    """How many in all would do, if shared out as ``days`` are."""
    total = sum(days.values())
    return math.ceil(max(enough * total / days[name] for name, (enough, _) in ENOUGH.items()))


def too_little(days: Mapping[str, float], advice: str) -> str | None:
    """The sentence on parts with fewer ``days`` than ``ENOUGH``, and then the ``advice``."""
    short = {name: enough for name, (enough, _) in ENOUGH.items() if days[name] < enough}
    if not short:
        return None
    found = [
        f"the {PARTS[name]} part has {days[name]:.1f} of {enough} days: {ENOUGH[name][1]}"
        for name, enough in short.items()
    ]
    return f"Too little data for an answer that lasts: {'; '.join(found)}{advice}."
