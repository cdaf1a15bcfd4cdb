"""From the differences of all modes to an answer, by the one rule that the page states."""

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import structs

from vdcast.language import say
from vdcast.records.comparison import Comparison, Line, NoComparison, PairedDifference
from vdcast.records.summary import JudgedDifference, JudgedLine, LineStatus, ModeVerdict, Verdict
from vdcast.report import words
from vdcast.scores.answers import LEVEL, Evidence, Interval, holm, interval, p_of, standard_error
from vdcast.scores.planning import Design, in_words, plan

# of 5 % in which a page may call equal models different: the answer's share, and that of all other differences together
PRIMARY_LEVEL, SECONDARY_LEVEL = 0.04, 0.01
# of each model against simpler forecasts: of two models 3.5 %, of which few days and seeds make up to 5
LINES_LEVEL = 0.0175
PROVISIONAL = ("seeds", "training")  # kinds of notes

Modes = Mapping[str, Comparison | NoComparison]


def judge(modes: Modes, *, primary: str, margin: float, dropped: Sequence[str] = ()) -> Verdict:
    """What the comparisons of all modes allow to be said, together; ``dropped``: sentences to be said beside it."""
    scored = {mode: it for mode, it in modes.items() if isinstance(it, Comparison)}
    differences = judged_differences(scored, primary, margin)
    lines = judged_lines(scored, primary, margin)
    by_mode = {mode: of_mode(it, differences.get(mode)) for mode, it in modes.items()}
    return Verdict(
        overall=words.overall(
            primary, by_mode[primary], modes[primary], differences.get(primary, []), margin
        ),
        losses=words.losses(lines.get(primary, []), primary),
        modes=by_mode,
        differences=differences,
        lines=lines,
        against={mode: words.against(rows) for mode, rows in lines.items()},
        weaknesses=words.weaknesses(modes, dropped),
        same_vd=words.same_vd(scored),
        rule=say("report.rule", margin=words.share(margin), primary=primary),
        margin=margin,
    )


def judged_differences(
    scored: Mapping[str, Comparison], primary: str, margin: float
) -> dict[str, list[JudgedDifference]]:
    """The first difference of ``primary`` at the level of its own, all others together at theirs."""
    keys = [(mode, i) for mode, it in scored.items() for i in range(len(it.differences))]
    others = [key for key in keys if key != (primary, 0)]
    p = [p_of(evidence(scored[mode].differences[i])) for mode, i in others]
    levels = dict(zip(others, holm(p, SECONDARY_LEVEL), strict=True)) | {(primary, 0): PRIMARY_LEVEL}
    return {
        mode: [
            judged(each, levels[mode, i], between(each, it), margin) for i, each in enumerate(it.differences)
        ]
        for mode, it in scored.items()
    }


def judged_lines(
    scored: Mapping[str, Comparison], primary: str, margin: float
) -> dict[str, list[JudgedLine]]:
    """Those of ``primary`` in their order; of another mode each interval stands alone."""
    return {
        mode: in_order(it.lines, margin) if mode == primary else [alone(row, margin) for row in it.lines]
        for mode, it in scored.items()
    }


def in_order(rows: Sequence[Line], margin: float) -> list[JudgedLine]:
    """Each model's until one shows no difference, all at the level of a model: later ones cost nothing.

    A fixed sequence (Maurer, Hothorn & Lehmacher 1995): the first that is equal in truth ends it but for that share of
    cases, so all of them together err no more often.
    """
    found: list[JudgedLine] = []
    ended: set[str] = set()
    for row in rows:
        it = alone(row, margin) if row.model in ended else judged_line(row, LINES_LEVEL, margin)
        found.append(it)
        if it.status not in ("better", "worse"):
            ended.add(row.model)
    return found


def evidence(row: PairedDifference) -> Evidence:
    """What an interval is made of; of too few days it lacks an error."""
    if row.variance is None or row.df is None:
        return Evidence(row.relative, None, None)
    error, df = standard_error(*(np.array(structs.astuple(each)) for each in (row.variance, row.df)))
    return Evidence(row.relative, float(error), float(df))


def between(row: PairedDifference, it: Comparison) -> words.Between:
    return words.Between(a=words.short(row.a), b=words.short(row.b), vds=it.vds, unit=it.unit)


def judged(row: PairedDifference, level: float, of: words.Between, margin: float) -> JudgedDifference:
    """One difference by the rule."""
    at = interval(evidence(row), level, margin)
    return JudgedDifference(
        **structs.asdict(row),
        level=level,
        low=at.low,
        high=at.high,
        smallest=at.smallest,
        status="better" if at.status == "worse" else at.status,
        better={"better": row.a, "worse": row.b}.get(at.status),
        words=words.difference(row, at, of, margin),
        takes=it_would_take(row, level, margin) if at.status == "undecided" else None,
    )


def it_would_take(row: PairedDifference, level: float, margin: float) -> str:
    """What would decide an undecided difference, should it stay as large as it was measured.

    The interval must shrink until it lies beyond 0, or within the margin, whichever comes first.
    """
    assert row.relative is not None and row.variance is not None and row.df is not None  # or no answer at all
    now = Design(days=row.days, vds=row.vds, seeds=row.seeds)
    variance, df = (np.array(structs.astuple(each)) for each in (row.variance, row.df))
    wanted = max(abs(row.relative), margin - abs(row.relative))
    return in_words(plan(variance, df, row.correlation or 0.0, now, wanted=wanted, level=level), now)


def judged_line(row: Line, level: float, margin: float) -> JudgedLine:
    """A model against a simpler forecast by the rule."""
    at = interval(Evidence(row.relative, row.error, row.df), level, margin)
    return _said(row, at, at.status, margin)


def alone(row: Line, margin: float) -> JudgedLine:
    """Its interval, of which nothing is claimed."""
    at = interval(Evidence(row.relative, row.error, row.df), LEVEL, margin)
    return _said(row, at, "no_verdict" if at.status == "no_verdict" else "unjudged", margin)


def _said(row: Line, at: Interval, status: LineStatus, margin: float) -> JudgedLine:
    return JudgedLine(
        **structs.asdict(row),
        level=at.level,
        low=at.low,
        high=at.high,
        status=status,
        words=words.line(row, at, status, margin),
    )


def of_mode(
    comparison: Comparison | NoComparison, differences: Sequence[JudgedDifference] | None
) -> ModeVerdict:
    """One mode's verdict: LSTM against xLSTM, the first of its ``differences``, and who wins by cost."""
    if comparison.problem:
        return unjudged(say("report.no_verdict", problem=comparison.problem))
    assert isinstance(comparison, Comparison) and differences  # what could be compared has differences
    first = differences[0]
    if first.status == "no_verdict":
        return unjudged(first.words)
    wins, cost_words = words.by_cost(first.better, comparison.cost)
    return ModeVerdict(
        status=first.status,
        better=first.better,
        provisional=any(note.kind in PROVISIONAL for note in comparison.notes),
        words=first.words,
        takes=first.takes,
        per_second=wins[0],
        per_parameter=wins[1],
        cost_words=cost_words,
    )


def unjudged(why: str) -> ModeVerdict:
    """A mode without a verdict."""
    return ModeVerdict(
        status="no_verdict",
        better=None,
        provisional=False,
        words=why,
        takes=None,
        per_second=None,
        per_parameter=None,
        cost_words=say("report.no_winner"),
    )
