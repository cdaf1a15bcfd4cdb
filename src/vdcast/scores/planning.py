"""What it would take to decide what is undecided: more test days, VDs or seeds, from the measured components."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from vdcast.language import say
from vdcast.scores.answers import LEVEL, autoregressive, half_width, standard_error

FURTHEST = {"days": 366, "vds": 1000, "seeds": 100}  # nobody is told to bring more


@dataclass(frozen=True)
class Design:
    """How many there are of what varies."""

    days: int
    vds: int
    seeds: int


@dataclass(frozen=True)
class Plan:
    """By name of a field of ``Design``, how many would be enough if that alone were more; those that never are.

    ``times`` as many of all that can be more would be enough, where none is alone; None where nothing would be.
    """

    alone: dict[str, int]
    never: list[str]
    times: int | None


def half_width_of(
    variance: np.ndarray, df: np.ndarray, correlation: float, *, now: Design, then: Design, level: float
) -> float:
    """Half the interval that parts (4,), measured by the design ``now``, promise of the design ``then``."""
    (of_mean, _, _), (of_mean_then, _, days_df) = (
        autoregressive(np.asarray(correlation), each.days) for each in (now, then)
    )
    trainings, more = now.seeds / then.seeds, (then.seeds - 1) / max(now.seeds - 1, 1)
    shrunk = variance * [of_mean_then / of_mean, now.vds / then.vds, trainings, trainings]
    freedom = np.array([days_df, then.vds - 1, df[2] * more, df[3] * more])
    return float(half_width(*standard_error(shrunk, freedom), level))


def plan(
    variance: np.ndarray,
    df: np.ndarray,
    correlation: float,
    now: Design,
    *,
    wanted: float,
    level: float = LEVEL,
) -> Plan:
    """What brings half the interval from parts (4,), measured by the design ``now``, down to ``wanted``.

    A unit of which there is one is not to be had more of: the answer would be to another question.
    """

    fields = [name for name in FURTHEST if getattr(now, name) > 1]

    def enough(names: list[str], times: int = 1, more: int = 0) -> bool:
        """With so many times as many and so many more of each of ``names``."""
        then = replace(now, **{name: getattr(now, name) * times + more for name in names})
        return half_width_of(variance, df, correlation, now=now, then=then, level=level) <= wanted

    alone = {}
    for name in fields:
        found = _first(FURTHEST[name] - getattr(now, name), partial(enough, [name], 1))
        if found is not None:
            alone[name] = getattr(now, name) + found
    never = [name for name in fields if name not in alone]
    if alone or not fields:
        return Plan(alone, never, None)
    return Plan(
        alone,
        never,
        _first(min(FURTHEST[name] // getattr(now, name) for name in fields), partial(enough, fields)),
    )


def _first(last: int, enough: Callable[[int], bool]) -> int | None:
    """The first number from 1 to ``last`` that is enough, as all after it are."""
    at = 1 + bisect_left(range(1, last + 1), True, key=enough)
    return at if at <= last else None


def in_words(found: Plan, now: Design) -> str:
    """What follows "it would take"."""
    units = {name: say(f"scores.units.{name}") for name in FURTHEST}
    if found.alone:
        parts = [
            say("scores.takes.more", number=n, units=units[name], now=getattr(now, name))
            for name, n in found.alone.items()
        ]
        takes = say("language.or_else").join(parts)
        never = say("language.or").join(units[name] for name in found.never)
        return say("scores.takes.not_by", takes=takes, units=never) if never else takes
    of_all = say("language.and").join(units[name] for name in found.never)
    if found.times:
        return say("scores.takes.times", times=found.times, units=of_all)
    return say("scores.takes.too_many", units=of_all)
