"""How figures are said: digits, lists, and what a reader must know of them wherever they are printed."""

import math

from vdcast.language import Said, say
from vdcast.records.training import Training

NUMBERS = (2, 3, 4, 5, 6)  # that are words


def shown(value: float | None, spec: str = ".2f") -> str:
    """A figure for a table: what is undefined says so, and is no blank cell."""
    return say("language.undefined") if value is None else format(value, spec)


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


def sentence(clause: str) -> str:
    """With a capital and a full stop."""
    capital = clause if clause.startswith("xLSTM") else clause[0].upper() + clause[1:]
    return say("language.sentence", clause=capital)


def counted(number: int, what: str) -> str:
    """ "1 seed", "3 seeds"; ``what``: days, seeds or vds."""
    return say(f"scores.counted.{what}.{'one' if number == 1 else 'many'}", number=number)


def all_modes(number: int) -> str:
    """All of two or more: "both modes", "all three modes"."""
    return say(f"scores.all_modes.{number if number in NUMBERS else 'many'}", number=number)


def cut_short(training: Training) -> Said | None:
    """The sentence, without a full stop, on copies that were best in the very last epoch of the limit, or None.

    The learning rate falls until that epoch, so a best one shortly before it is the rule, and no sign of too few.
    """
    at_limit = sum(epoch == training.epoch_limit for epoch in training.best_epoch)
    if not at_limit:
        return None
    figures = {"number": at_limit, "copies": training.copies, "limit": training.epoch_limit}
    return Said("scores.cut_short", figures)


def of_places(note: Said) -> bool:
    """Whether what training.json notes is of where detectors are, and says nothing against the training."""
    return note.key == "scores.unplaced"


def seeds_in_words(seeds: int) -> str:
    """How a figure came about of several seeds."""
    return say("scores.one_seed") if seeds == 1 else say("scores.mean_of_seeds", seeds=seeds)


LATENCY_BATCH = 256  # windows of the batch whose latency ``evaluate`` measures and reports print
