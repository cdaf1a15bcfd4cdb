"""What the numbers of ``judge`` are in words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vdcast.language import listed, say
from vdcast.params.modes import Sharing, sharing_of
from vdcast.records.comparison import Comparison, Line, NoComparison, PairedDifference, Spent
from vdcast.records.summary import JudgedDifference, JudgedLine, LineStatus, ModeVerdict, Overall, Weakness
from vdcast.scores.answers import Interval
from vdcast.scores.names import ENSEMBLE, label
from vdcast.scores.words import counted, decimals, sentence

COSTS = ("seconds", "parameters")
LISTED = 4  # losses in the one sentence
ALIKE = 1.002  # two errors of the same weights, but for rounding
NOTES = ("seeds", "training", "days", "data")  # kinds, in this order


def percent(*values: float, signed: bool = False) -> list[str]:
    """Shares in per cent, with so many decimals that they print apart from each other and from 0."""
    digits = decimals(*(100 * each for each in values), 0.0, least=1)
    return [f"{100 * each:{'+' if signed else ''}.{digits}f} %" for each in values]


def share(margin: float) -> str:
    """5 %, as it was set."""
    return f"{100 * margin:g} %"


def interval(low: float, high: float, level: float) -> str:
    from_, to = percent(low, high, signed=True)
    share = f"{100 * (1 - level):.4g} %"
    return say("report.interval", share=share, low=from_.removesuffix(" %"), high=to)


def more_or_less(relative: float, of: str, than: str) -> str:
    """ "LSTM's error is 3.0 % lower than xLSTM's"."""
    if not relative:
        return say("report.same", of=of, than=than)
    key = "report.lower" if relative < 0 else "report.higher"
    return say(key, of=of, than=than, share=percent(abs(relative))[0])


@dataclass(frozen=True, kw_only=True)
class Between:
    """Of what a difference is: what its two sides are called, the VDs, and the unit."""

    a: str
    b: str
    vds: Sequence[str]
    unit: str


def difference(row: PairedDifference, at: Interval, of: Between, margin: float) -> str:
    """The sentence that one difference allows, without a full stop."""
    a, b = of.a, of.b
    if row.relative is None:
        return say("report.no_verdict_on.unobserved", a=a, b=b)
    measured = more_or_less(row.relative, a, b)
    days = counted(row.days, "days")
    if at.low is None or at.high is None:
        return say("report.no_verdict_on.days", a=a, b=b, days=days, measured=measured)
    assert row.mae is not None  # as there is a relative one
    several = len(of.vds) > 1
    vds = counted(row.vds, "vds")
    return say(
        "report.difference",
        answer=say(f"report.answer.{at.status}", a=a, b=b, margin=share(margin)),
        measured=measured,
        interval=interval(at.low, at.high, at.level),
        where=say("report.mean_over", vds=vds) if several else say("scores.vd", vd=of.vds[0]),
        days=days,
        seeds=counted(row.seeds, "seeds"),
        pooled=f"{row.mae:+.{decimals(row.mae, 0.0)}f}",
        unit=of.unit,
    )


def short(name: str) -> str:
    """A label in a sentence, where "ensemble mean" would be taken for two things."""
    if not name.endswith(ENSEMBLE):
        return label(name)
    return say("scores.ensemble_short", model=label(name.removesuffix(ENSEMBLE)))


def simpler_name(name: str) -> str:
    return say("report.simpler_name", label=label(name))


def line(row: Line, at: Interval, status: LineStatus, margin: float) -> str:
    """A model against a simpler forecast, without a full stop."""
    model, simpler = label(row.model), simpler_name(row.simpler)
    if row.relative is None:
        return say("report.no_verdict_on.unobserved_simpler", model=model, simpler=simpler)
    if at.low is None or at.high is None:
        return say("report.no_verdict_on.days_simpler", model=model, simpler=simpler)
    said = say(
        "report.line",
        answer=say(f"report.simpler.{status}", model=model, simpler=simpler, margin=share(margin)),
        measured=more_or_less(row.relative, model, simpler),
        interval=interval(at.low, at.high, at.level),
    )
    return say("report.lower_at", said=said, ahead=row.vds_ahead, vds=row.vds) if row.vds > 1 else said


def overall(
    mode: str,
    verdict: ModeVerdict,
    comparison: Comparison | NoComparison,
    differences: Sequence[JudgedDifference],
    margin: float,
) -> Overall:
    """The answer of the page, that of the primary ``mode``."""
    if verdict.status == "no_verdict":
        said = say("report.no_answer", mode=mode, why=verdict.words)
    else:
        assert isinstance(comparison, Comparison)  # as it has a verdict
        said = advice(mode, differences[0], comparison.cost, margin)
        if verdict.provisional:
            said = say("report.provisional", said=said)
    return Overall(
        mode=mode, status=verdict.status, better=verdict.better, provisional=verdict.provisional, words=said
    )


def advice(mode: str, row: JudgedDifference, cost: Mapping[str, Spent], margin: float) -> str:
    """What to do, in a sentence or two."""
    assert row.relative is not None and row.low is not None and row.high is not None  # or no verdict
    seconds = {model: each.seconds for model, each in cost.items()}
    cheap, dear = sorted(seconds, key=lambda model: seconds[model])
    even = seconds[cheap] == seconds[dear]
    figures = {
        "mode": mode,
        "margin": share(margin),
        "interval": interval(row.low, row.high, row.level),
        "measured": more_or_less(row.relative, "xLSTM", "LSTM"),
        "times": f"{seconds[dear] / max(seconds[cheap], 1e-9):.1f}",
        "cheap": label(cheap),
    }
    if row.status == "equal":
        return say("report.take.either" if even else "report.take.cheap", **figures)
    if row.status == "better":
        assert row.better is not None
        other = row.b if row.better == row.a else row.a
        key = "better" if even else "better_and_cheap" if row.better == cheap else "better_and_dear"
        lower = percent(abs(row.relative))[0]
        return say(f"report.take.{key}", better=label(row.better), other=label(other), lower=lower, **figures)
    shown = percent(row.smallest or 0.0)[0]
    undecided = say("report.undecided", shown=shown, takes=row.takes or "", **figures)
    return undecided if even else say("report.meanwhile", undecided=undecided, **figures)


def by_cost(better: str | None, cost: Mapping[str, Spent]) -> tuple[list[str | None], str]:
    """Who wins by what each model has spent, per ``COSTS``, and that in words."""
    wins: list[str | None] = []
    said = []
    for name in COSTS:
        spent = {model: getattr(each, name) for model, each in cost.items()}
        low, high = sorted(spent.values())
        cheaper, dearer = sorted(spent, key=lambda model: spent[model])
        even = low == high
        claims = {None if even else cheaper, better} - {None}
        winner = claims.pop() if len(claims) == 1 else None
        wins.append(winner)
        times = f"{high / max(low, 1e-9):.1f}"
        both = {"cheaper": label(cheaper), "dearer": label(dearer)}
        why = say("report.as_many") if even else say(f"report.spent.{name}", times=times, **both)
        if winner:
            said.append(say(f"report.wins.{name}", model=label(winner), why=why))
        else:
            said.append(say(f"report.wins_none.{name}", why=why))
    return wins, say("language.semicolon").join(said)


def losses(rows: Sequence[JudgedLine], mode: str) -> str:
    """One sentence on the simpler forecasts: which are shown to be better in the primary ``mode``, or that none is."""
    lost = [_lost(mode, row) for row in rows if row.status == "worse"]
    if lost:
        first = say("language.semicolon").join(lost[:LISTED])
        if len(lost) > LISTED:
            return say("report.losses.many", found=first, number=len(lost) - LISTED)
        return say("report.losses.some", found=first)
    whole = [row for row in rows if row.place == "whole"]
    if not whole:
        return say("report.losses.unknown", mode=mode)
    best = simpler_name(whole[0].simpler)
    measured = [
        more_or_less(row.relative, label(row.model), best) for row in whole if row.relative is not None
    ]
    known = {"mode": mode, "simpler": best, "measured": say("language.semicolon").join(measured)}
    ahead = listed([label(row.model) for row in whole if row.status == "better"])
    if ahead:
        return say("report.losses.none_and_better", models=ahead, **known)
    return say("report.losses.none", **known)


def _lost(mode: str, row: JudgedLine) -> str:
    assert row.relative is not None  # or no verdict
    figures = {"model": label(row.model), "simpler": simpler_name(row.simpler), "mode": mode}
    figures["share"] = percent(row.relative)[0]
    if row.place == "horizon":
        return say("report.lost.ahead", minutes=f"{row.label:g}", **figures)
    return say("report.lost.whole", **figures)


def against(rows: Sequence[JudgedLine]) -> list[str]:
    """Sentences on each model against a simpler forecast: over all horizons, then at those that were judged."""
    found = []
    for model in dict.fromkeys(row.model for row in rows):
        found += [sentence(row.words) for row in rows if row.model == model and row.place == "whole"]
        of_model = [row for row in rows if row.model == model and row.place == "horizon"]
        if ahead := _by_answer(of_model):
            places = say("language.semicolon").join(ahead)
            found.append(say("report.by_minutes", model=label(model), places=places))
    return found


def _by_answer(rows: Sequence[JudgedLine]) -> list[str]:
    """What was judged, by what is said of it and against whom."""
    at: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        at.setdefault((row.status, row.simpler), []).append(f"{row.label:g}")
    return [
        say(f"report.minutes.{status}", simpler=simpler_name(simpler), minutes=listed(minutes))
        for (status, simpler), minutes in at.items()
        if status != "unjudged"
    ]


def weaknesses(modes: Mapping[str, Comparison | NoComparison], dropped: Sequence[str]) -> list[Weakness]:
    """What weakens the answer, by kind; a sentence that is true of several modes stands once."""
    found = [
        Weakness(title=say(f"report.weakness.{kind}"), sentences=sentences)
        for kind in NOTES
        if (
            sentences := _by_sentence(
                (note.words, mode)
                for mode, it in modes.items()
                if isinstance(it, Comparison)
                for note in it.notes
                if note.kind == kind
            )
        )
    ]
    problems = [
        say("report.problem_in", mode=mode, problem=it.problem) for mode, it in modes.items() if it.problem
    ]
    return [
        *([Weakness(title=say("report.weakness.problem"), sentences=problems)] if problems else []),
        *found,
        *([Weakness(title=say("report.weakness.dropped"), sentences=list(dropped))] if dropped else []),
    ]


def _by_sentence(said: Iterable[tuple[str, str]]) -> list[str]:
    where: dict[str, list[str]] = {}
    for words, mode in said:
        where.setdefault(words, []).append(mode)
    return [say("report.said_in", modes=listed(modes), said=words) for words, modes in where.items()]


def same_vd(scored: Mapping[str, Comparison]) -> str | None:
    """Why modes agree on the target VD, where they do: in each it has weights that see it alone."""
    alone = {mode: it for mode, it in scored.items() if len(it.vds) == 1 or sharing_of(mode) is Sharing.APART}
    if len(alone) < 2:
        return None
    mae = [[it.scores["target_vd"][model].mae or 0.0 for model in it.cost] for it in alone.values()]
    if any(max(each) > ALIKE * min(each) for each in zip(*mae, strict=True)):
        return None  # their runs have other settings
    vd = next(iter(alone.values())).target_vd
    return say("report.same_vd", modes=listed(list(alone)), vd=vd)
