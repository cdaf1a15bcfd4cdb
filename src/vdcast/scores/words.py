"""How figures are said: digits, lists, and what a reader must know of them wherever they are printed."""

import math
from collections.abc import Sequence

from vdcast.records.training import Training

# what a reader must know of these figures, wherever they are printed
DILEMMA = (
    "congested or not is what was then observed, not what could be known, and such a cut favours a forecast that leans "
    "to its side (the forecaster's dilemma: Lerch et al. 2017)"
)
NUMBERS = ("three", "four", "five", "six")
R2 = "R2 around each VD's own mean, so that differences between VDs earn nothing."


def shown(value: float | None, spec: str = ".2f") -> str:
    """A figure for a table: what is undefined says so, and is no blank cell."""
    return "undefined" if value is None else format(value, spec)


def decimals(*values: float | None, least: int = 2) -> int:
    """How many decimals, ``least`` to 6, let those of ``values`` print apart that differ.

    With 0.0 among them none prints as 0 that is not, so that no sign is hidden.
    """
    known = {value for value in values if value is not None}
    apart = (n for n in range(least, 6) if len({round(value, n) for value in known}) == len(known))
    return next(apart, 6)


def significant(value: float | None) -> str:
    """Whole numbers in full, others with three significant digits or all before the point: 0.2 ms is not 0."""
    if value is None or isinstance(value, int):
        return shown(value, ",")
    before = 1 + math.floor(math.log10(abs(value))) if value else 1
    return format(value, f",.{max(0, 3 - before)}f")


def p_value(p: float | None) -> str:
    """Two significant digits; a p so small that its digits mean nothing as a bound."""
    return "<1e-6" if p is not None and p < 1e-6 else shown(p, ".2g")


def listed(parts: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def sentence(words: str) -> str:
    """With a capital and a full stop."""
    return (words if words.startswith("xLSTM") else words[0].upper() + words[1:]) + "."


def all_of(number: int, what: str) -> str:
    """All of two or more things: "both modes", "all three modes"."""
    if number == 2:
        return f"both {what}"
    return f"all {dict(enumerate(NUMBERS, 3)).get(number, number)} {what}"


def cut_short(training: Training) -> str | None:
    """The sentence, without a full stop, on copies that were best in the very last epoch of the limit, or None.

    The learning rate falls until that epoch, so a best one shortly before it is the rule, and no sign of too few.
    """
    at_limit = sum(epoch == training.epoch_limit for epoch in training.best_epoch)
    if not at_limit:
        return None
    return (
        f"{at_limit} of {training.copies} networks were still improving at the limit of {training.epoch_limit} epochs; "
        "raise train.epochs"
    )


def seeds_in_words(seeds: int) -> str:
    """How a figure came about of several seeds."""
    return "One seed." if seeds == 1 else f"Mean of the scores of {seeds} seeds."


LATENCY_BATCH = 256  # windows of the batch whose latency ``evaluate`` measures and reports print
