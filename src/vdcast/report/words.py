"""What the numbers of ``judge`` are in words."""

from collections.abc import Iterable, Mapping, Sequence

from vdcast.params.modes import Sharing, sharing_of
from vdcast.records.comparison import Comparison, Line, NoComparison, PairedDifference, Spent
from vdcast.records.summary import JudgedDifference, JudgedLine, LineStatus, ModeVerdict, Overall, Weakness
from vdcast.scores.answers import Interval
from vdcast.scores.names import LABELS
from vdcast.scores.words import decimals, listed, sentence

COSTS = {"seconds": "second of training", "parameters": "parameter"}
LISTED = 4  # losses in the one sentence
ALIKE = 1.002  # two errors of the same weights, but for rounding
TITLES = {  # of notes, by kind
    "seeds": "One seed",
    "training": "Trainings that did not end well",
    "days": "Few days",
    "data": "What was not observed",
}


def percent(*values: float, signed: bool = False) -> list[str]:
    """Shares in per cent, with so many decimals that they print apart from each other and from 0."""
    digits = decimals(*(100 * each for each in values), 0.0, least=1)
    return [f"{100 * each:{'+' if signed else ''}.{digits}f} %" for each in values]


def share(margin: float) -> str:
    """5 %, as it was set."""
    return f"{100 * margin:g} %"


def interval(low: float, high: float, level: float) -> str:
    said = percent(low, high, signed=True)
    return f"{100 * (1 - level):.4g} % interval {said[0].removesuffix(' %')} to {said[1]}"


def more_or_less(relative: float, of: str, than: str) -> str:
    """ "LSTM's error is 3.0 % lower than xLSTM's"."""
    if not relative:
        return f"{of}'s error is {than}'s"
    return (
        f"{of}'s error is {percent(abs(relative))[0]} {'lower' if relative < 0 else 'higher'} than {than}'s"
    )


def difference(row: PairedDifference, at: Interval, comparison: Comparison, margin: float) -> str:
    """The sentence that one difference allows, without a full stop."""
    a, b = (LABELS[who].replace(", ensemble mean", " ensemble") for who in (row.a, row.b))
    if row.relative is None:
        return f"no verdict on {a} against {b}: there is no observation that both have a forecast of"
    if at.low is None or at.high is None:
        days = counted(row.days, "test day")
        return f"no verdict on {a} against {b}: no interval from {days} ({more_or_less(row.relative, a, b)})"
    assert row.mae is not None  # as there is a relative one
    said = {
        "better": f"{a} better",
        "worse": f"{b} better",
        "equal": f"equal within {share(margin)}",
        "undecided": "undecided",
    }[at.status]
    where = f"mean over {row.vds} VDs" if len(comparison.vds) > 1 else f"VD {comparison.vds[0]}"
    pooled = f"{row.mae:+.{decimals(row.mae, 0.0)}f} {comparison.unit} pooled"
    basis = f"{where}, {counted(row.days, 'test day')}, {counted(row.seeds, 'seed')}; {pooled}"
    return f"{said}: {more_or_less(row.relative, a, b)}, {interval(at.low, at.high, at.level)} ({basis})"


def line(row: Line, at: Interval, status: LineStatus, margin: float) -> str:
    """A model against a simpler forecast, without a full stop."""
    model, simpler = LABELS[row.model], LABELS[row.simpler]
    if row.relative is None:
        return f"no verdict on {model} against {simpler}: no observation that both have a forecast of"
    if at.low is None or at.high is None:
        return f"no verdict on {model} against {simpler}: no interval from so few days"
    said = {
        "better": f"{model} better than {simpler}",
        "worse": f"{model} loses to {simpler}",
        "equal": f"{model} and {simpler} equal within {share(margin)}",
        "undecided": f"{model} no worse shown than {simpler}",
        "unjudged": f"{model} against {simpler}",
    }[status]
    vds = f", lower at {row.vds_ahead} of {row.vds} VDs" if row.vds > 1 else ""
    return f"{said}: {more_or_less(row.relative, model, simpler)}, {interval(at.low, at.high, at.level)}{vds}"


def overall(
    mode: str,
    verdict: ModeVerdict,
    comparison: Comparison | NoComparison,
    differences: Sequence[JudgedDifference],
    margin: float,
) -> Overall:
    """The answer of the page, that of the primary ``mode``."""
    if verdict.status == "no_verdict":
        said = f"No answer: in {mode}, {verdict.words}."
    else:
        assert isinstance(comparison, Comparison)  # as it has a verdict
        said = advice(mode, differences[0], comparison.cost, margin)
        if verdict.provisional:
            said = f"Provisional: {said}"
    return Overall(
        mode=mode, status=verdict.status, better=verdict.better, provisional=verdict.provisional, words=said
    )


def advice(mode: str, row: JudgedDifference, cost: Mapping[str, Spent], margin: float) -> str:
    """What to do, in a sentence or two."""
    assert row.relative is not None and row.low is not None and row.high is not None  # or no verdict
    seconds = {model: each.seconds for model, each in cost.items()}
    cheap, dear = sorted(seconds, key=lambda model: seconds[model])
    times = f"{seconds[dear] / max(seconds[cheap], 1e-9):.1f} times"
    even = seconds[cheap] == seconds[dear]
    range_ = interval(row.low, row.high, row.level)
    if row.status == "equal":
        take = "either" if even else f"the {LABELS[cheap]}"
        gain = "at the same cost of training" if even else f"and it trains {times} faster"
        measured = f"{more_or_less(row.relative, 'xLSTM', 'LSTM')}, {range_}, in {mode}"
        return f"Take {take}: both forecast equally well within {share(margin)}, {gain} ({measured})."
    if row.status == "better":
        assert row.better is not None
        other = row.b if row.better == row.a else row.a
        measured = f"its error is {percent(abs(row.relative))[0]} lower than the {LABELS[other]}'s in {mode}"
        if row.better == cheap or even:
            gain = "" if even else f", and it trains {times} faster"
            return f"Take the {LABELS[row.better]}: {measured} (xLSTM - LSTM: {range_}){gain}."
        return f"Take the {LABELS[row.better]} if its {times} longer training is no matter: {measured} (xLSTM - LSTM: {range_})."
    shown = percent(row.smallest or 0.0)[0]
    meanwhile = "" if even else f" Until then take the {LABELS[cheap]}, which trains {times} faster."
    return (
        f"Undecided: {more_or_less(row.relative, 'xLSTM', 'LSTM')} in {mode}, {range_}; this design shows {shown} in 80 % of "
        f"cases. To decide, it would take {row.takes}.{meanwhile}"
    )


def by_cost(better: str | None, cost: Mapping[str, Spent]) -> tuple[list[str | None], str]:
    """Who wins by what each model has spent, per ``COSTS``, and that in words."""
    wins: list[str | None] = []
    said = []
    for name, unit in COSTS.items():
        spent = {model: getattr(each, name) for model, each in cost.items()}
        low, high = sorted(spent.values())
        cheaper = min(spent, key=lambda model: spent[model]) if low < high else None
        claims = {cheaper, better} - {None}
        wins.append(claims.pop() if len(claims) == 1 else None)
        winner = wins[-1]
        why = (
            f"{LABELS[cheaper]} needs {high / max(low, 1e-9):.1f} times fewer"
            if cheaper
            else "both need the same"
        )
        said.append(f"per {unit} {LABELS[winner] if winner else 'neither'} wins ({why})")
    return wins, "; ".join(said)


def losses(rows: Sequence[JudgedLine], mode: str) -> str:
    """One sentence on the simpler forecasts: which are shown to be better in the primary ``mode``, or that none is."""
    lost = [_lost(mode, row) for row in rows if row.status == "worse"]
    if lost:
        more = f" and {len(lost) - LISTED} more, below" if len(lost) > LISTED else ""
        return f"Simpler forecasts are better in places: {'; '.join(lost[:LISTED])}{more}."
    whole = [row for row in rows if row.place == "whole"]
    if not whole:
        return f"In {mode} nothing could be compared with simpler forecasts."
    best = f"{LABELS[whole[0].simpler]}, the best of them on the validation part"
    ahead = listed([LABELS[row.model] for row in whole if row.status == "better"])
    better = (
        f"; better than {best}, is {ahead}" if ahead else f"; nor is a model shown to be better than {best}"
    )
    return f"In {mode} no simpler forecast is shown to be better than a model{better}."


def _lost(mode: str, row: JudgedLine) -> str:
    assert row.relative is not None  # or no verdict
    ahead = f" {row.label:g} minutes ahead" if row.place == "horizon" else ""
    return (
        f"{LABELS[row.model]} loses to {LABELS[row.simpler]} in {mode}{ahead} by {percent(row.relative)[0]}"
    )


def against(rows: Sequence[JudgedLine]) -> list[str]:
    """Sentences on each model against a simpler forecast: over all horizons, then at those that were judged."""
    found = []
    for model in dict.fromkeys(row.model for row in rows):
        found += [sentence(row.words) for row in rows if row.model == model and row.place == "whole"]
        of_model = [row for row in rows if row.model == model and row.place == "horizon"]
        if ahead := _by_answer(of_model):
            found.append(f"{LABELS[model]} by minutes ahead: {'; '.join(ahead)}.")
    return found


def _by_answer(rows: Sequence[JudgedLine]) -> list[str]:
    """What was judged, by what is said of it and against whom."""
    names = {
        "better": "better than",
        "worse": "loses to",
        "equal": "equal to",
        "undecided": "no worse shown than",
        "no_verdict": "no verdict against",
    }
    at: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        at.setdefault((row.status, row.simpler), []).append(f"{row.label:g}")
    return [
        f"{names[status]} {LABELS[simpler]} at {listed(minutes)}"
        for (status, simpler), minutes in at.items()
        if status in names
    ]


def weaknesses(modes: Mapping[str, Comparison | NoComparison], dropped: Sequence[str]) -> list[Weakness]:
    """What weakens the answer, by kind; a sentence that is true of several modes stands once."""
    found = [
        Weakness(title=title, sentences=sentences)
        for kind, title in TITLES.items()
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
    problems = [f"In {mode}: {it.problem}." for mode, it in modes.items() if it.problem]
    return [
        *([Weakness(title="What could not be compared", sentences=problems)] if problems else []),
        *found,
        *([Weakness(title="What was left out", sentences=list(dropped))] if dropped else []),
    ]


def _by_sentence(said: Iterable[tuple[str, str]]) -> list[str]:
    where: dict[str, list[str]] = {}
    for words, mode in said:
        where.setdefault(words, []).append(mode)
    return [f"In {listed(modes)}: {words}" for words, modes in where.items()]


def same_vd(scored: Mapping[str, Comparison]) -> str | None:
    """Why modes agree on the target VD, where they do: in each it has weights that see it alone."""
    alone = {mode: it for mode, it in scored.items() if len(it.vds) == 1 or sharing_of(mode) is Sharing.APART}
    if len(alone) < 2:
        return None
    mae = [[it.scores["target_vd"][model].mae or 0.0 for model in it.cost] for it in alone.values()]
    if any(max(each) > ALIKE * min(each) for each in zip(*mae, strict=True)):
        return None  # their runs have other settings
    vd = next(iter(alone.values())).target_vd
    return (
        f"{listed(list(alone))} agree on VD {vd} as they must: both forecast it with weights that see it alone, trained from "
        "the same seeds. They are one piece of evidence there, not two."
    )


def counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
