"""Where the time axis is cut: once, or again and again for a walk forward, each fold of which knows what lies before it."""

from collections.abc import Sequence

import numpy as np

from vdcast.errors import InputError
from vdcast.layout import PARAMS
from vdcast.params.sections import Folds

Borders = tuple[
    int, int, int, int
]  # first step of training, validation and test part, and the step after the last one


def borders(T: int, interval: int, shares: Sequence[float], folds: Folds | None) -> list[Borders]:
    """Of each fold, for T steps of so many seconds; without ``folds``, the one split by ``shares``.

    The last test part ends where the data end, the others ``every`` days before the next. What lies before a test part is
    shared out between training and validation as ``shares`` have it. Without ``refit`` there is one training, before the
    first test part, and one test part from there to the end.

    Raises InputError where nothing lies before the first test part.
    """
    if folds is None:
        train, validation, test = (round(T * share) for share in np.cumsum([0.0, *shares[:-1]]))
        return [(train, validation, test, T)]
    of_a_day = 86400 / interval
    ends = [T - round(n * folds.every * of_a_day) for n in reversed(range(folds.number))]
    starts = [end - round(folds.days * of_a_day) for end in ends]
    if starts[0] <= 0:
        raise InputError(
            f"{PARAMS}: evaluate.folds wants {folds.number} test parts of {folds.days} days, one every {folds.every} days, and "
            f"something before them to train on; the data have {T / of_a_day:.1f} days; take fewer or shorter ones"
        )
    learnt = shares[0] / (shares[0] + shares[1])
    if not folds.refit:
        starts, ends = starts[:1], [T]
    return [(0, round(start * learnt), start, end) for start, end in zip(starts, ends, strict=True)]
