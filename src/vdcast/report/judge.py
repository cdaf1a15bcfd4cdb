"""From the differences of all modes to a verdict in words, by the one rule that ``RULE`` states."""

from collections.abc import Mapping, Sequence

from msgspec import structs

from vdcast.records.comparison import Comparison, NoComparison, PairedDifference, Spent
from vdcast.records.summary import JudgedDifference, ModeVerdict, Overall, Verdict
from vdcast.scores.names import LABELS
from vdcast.scores.words import decimals, listed, p_value

LEVEL = 0.05
RULE = (
    "A model is called better only where the 95 % interval of the difference in MAE (days, VDs and seeds as the units "
    "that vary) excludes 0, as does that of a block bootstrap over days and VDs, its p, corrected by Holm for all "
    "{tests} comparisons of this page, is below 0.05, and so is that of the Diebold-Mariano test. The naive forecast "
    "that models are tested against is the one with the lowest MAE on the very observations that are compared: chosen "
    "with hindsight, it can only make it harder for a model to be called better. The interval takes days to be "
    "independent of each other: where each resembles the one before (a correlation of 0.3), it excluded 0 for 7 to "
    "14 % of simulated pairs of equal models on 5 to 9 days, in place of 5 %. Per second of training, or per "
    "parameter, the better model wins where the other one is not cheaper, the cheaper one where no difference is "
    "shown, and none where accuracy has to be paid for."
)
UNBEATEN = (
    "Each model has a lower MAE than every simpler forecast in every mode that was compared: at every VD over all "
    "horizons together, and at each horizon of the target VD."
)
COSTS = {"seconds": "second of training", "parameters": "parameter"}


def judge(modes: Mapping[str, Comparison | NoComparison], dropped: Sequence[str] = ()) -> Verdict:
    """What the comparisons of all modes allow to be said, together; ``dropped``: sentences to be said beside it.

    ``warnings`` are on what could not be compared, who loses to a simpler forecast, and what could not be judged.
    """
    scored = {mode: it for mode, it in modes.items() if isinstance(it, Comparison)}
    tests = [each.p for it in scored.values() for each in it.differences]
    corrected = iter(holm(tests))
    differences = {
        mode: [judged(each, next(corrected), it) for each in it.differences] for mode, it in scored.items()
    }
    by_mode = {mode: of_mode(it, differences.get(mode)) for mode, it in modes.items()}
    compared = {mode: each for mode, each in by_mode.items() if each.status != "no_verdict"}
    losses = [each for it in scored.values() for each in it.losses]
    unbeaten = compared and not losses and all(complete(scored[mode]) for mode in compared)
    return Verdict(
        overall=overall(compared, [mode for mode in modes if mode not in compared]),
        modes=by_mode,
        differences=differences,
        rule=RULE.format(tests=len(tests)),
        warnings=[
            *(f"No comparison in {mode}: {it.problem}." for mode, it in modes.items() if it.problem),
            *losses,
            *(each for it in scored.values() for each in it.notes),
            *dropped,
        ],
        unbeaten=UNBEATEN if unbeaten else None,
    )


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Step-down p of Holm (1979), which hold together whatever the tests' dependence. None stays None."""
    known = {i: each for i, each in enumerate(p) if each is not None}
    corrected, highest = list(p), 0.0
    for rank, i in enumerate(sorted(known, key=lambda i: known[i])):
        highest = corrected[i] = max(highest, min(1.0, (len(p) - rank) * known[i]))
    return corrected


def judged(difference: PairedDifference, p_holm: float | None, comparison: Comparison) -> JudgedDifference:
    """One difference by the rule."""
    row = JudgedDifference(
        **structs.asdict(difference), p_holm=p_holm, status="no_difference", better=None, words=""
    )
    if gap(row, comparison.unit):
        row = structs.replace(row, status="no_verdict")
    elif not objections(row):
        assert row.mae is not None  # or there would be a gap
        row = structs.replace(row, status="better", better=row.b if row.mae > 0 else row.a)
    return structs.replace(row, words=in_words(row, comparison))


def gap(row: JudgedDifference, unit: str) -> str | None:
    """Why a difference allows no verdict at all, or None."""
    if row.mae is None:
        return "there is no observation that both have a forecast of"
    if row.low is None:
        difference = f"{row.mae:+.{decimals(row.mae, 0.0)}f} {unit}"
        return f"no interval from {_counted(row.days, 'test day')} (difference in MAE {difference})"
    return None


def objections(row: JudgedDifference) -> list[str]:
    """The conditions of ``RULE`` that a difference with an interval does not meet, in words."""
    mae, low, high, p_holm, p_dm = row.mae, row.low, row.high, row.p_holm, row.p_dm
    boot_low, boot_high = row.boot_low, row.boot_high
    assert mae is not None and low is not None and high is not None  # or there would be a gap
    assert p_holm is not None and boot_low is not None and boot_high is not None  # they come with an interval
    agrees = min(boot_low * mae, boot_high * mae) > 0
    conditions = {
        "the interval holds 0": low > 0 or high < 0,
        f"p after Holm is not below {LEVEL}": p_holm < LEVEL,
        "the interval of the block bootstrap does not": agrees,
        "the Diebold-Mariano test is undefined": p_dm is not None,
        f"p of the Diebold-Mariano test is {p_value(p_dm)}": p_dm is None or p_dm < LEVEL,
    }
    return [words for words, holds in conditions.items() if not holds]


def complete(comparison: Comparison) -> bool:
    """Whether both models have an MAE wherever ``UNBEATEN`` speaks of."""
    cuts = comparison.cuts
    rows = [each[model] for each in comparison.scores.values() for model in comparison.cost]
    for table in (cuts["target_vd"]["horizon"], cuts.get("all_vds", {}).get("vd", {})):
        rows += [row for model in comparison.cost for row in table.get(model, [])]
    return all(row.mae is not None for row in rows)


def in_words(row: JudgedDifference, comparison: Comparison) -> str:
    """The sentence that one difference allows, without a full stop."""
    a, b = LABELS[row.a], LABELS[row.b]
    unit, vds = comparison.unit, comparison.vds
    if why := gap(row, unit):
        return f"no verdict on {a} against {b}: {why}"
    mae, low, high = row.mae, row.low, row.high
    assert mae is not None and low is not None and high is not None  # or there would be a gap
    digits = decimals(mae, low, high, 0.0)
    days = _counted(row.days, "test day")
    where = f"over {_counted(row.vds, 'VD')} and {days}" if len(vds) > 1 else f"on VD {vds[0]} over {days}"
    basis = f"{where}, p {p_value(row.p_holm)} after Holm"
    loser = row.a if row.better == row.b else row.b
    base = comparison.scores["all_vds" if len(vds) > 1 else "target_vd"][loser].mae
    amount = f"{abs(mae):.{digits}f} {unit}" + (f" ({abs(mae) / base:.1%})" if base else "")
    if row.better is None:
        failed = objections(row) if low > 0 or high < 0 else []
        return (
            f"no difference shown: {a}'s MAE is {amount} {'lower' if mae < 0 else 'higher'} than {b}'s, "
            f"95 % interval {low:+.{digits}f} to {high:+.{digits}f} {basis}"
            + (f"; the interval excludes 0, but {listed(failed)}" if failed else "")
        )
    low, high = sorted((abs(low), abs(high)))
    return (
        f"{LABELS[row.better]} better than {LABELS[loser]} by {amount}, 95 % interval {low:.{digits}f} to "
        f"{high:.{digits}f} {basis}"
    )


def of_mode(
    comparison: Comparison | NoComparison, differences: Sequence[JudgedDifference] | None
) -> ModeVerdict:
    """One mode's verdict: LSTM against xLSTM, the first of its ``differences``, and who wins by cost."""
    if comparison.problem:
        return unjudged(f"no verdict: {comparison.problem}")
    assert isinstance(comparison, Comparison) and differences  # what could be compared has differences
    first = differences[0]
    return unjudged(first.words) if first.status == "no_verdict" else by_cost(first, comparison.cost)


def by_cost(row: JudgedDifference, cost: Mapping[str, Spent]) -> ModeVerdict:
    """``row``, and who wins by what each model has spent."""
    wins, said = [], []
    for name, unit in COSTS.items():
        spent = {model: getattr(each, name) for model, each in cost.items()}
        low, high = sorted(spent.values())
        cheaper = min(spent, key=lambda model: spent[model]) if low < high else None
        claims = {cheaper, row.better} - {None}
        wins.append(claims.pop() if len(claims) == 1 else None)
        who = LABELS[wins[-1]] if wins[-1] else "neither"
        why = (
            f"{LABELS[cheaper]} needs {high / max(low, 1e-9):.1f} times fewer"
            if cheaper
            else "both need the same"
        )
        said.append(f"per {unit} {who} wins ({why})")
    return ModeVerdict(
        status=row.status,
        better=row.better,
        words=row.words,
        per_second=wins[0],
        per_parameter=wins[1],
        cost_words="; ".join(said),
    )


def unjudged(words: str) -> ModeVerdict:
    """A mode without a verdict; ``words`` say why."""
    return ModeVerdict(
        status="no_verdict",
        better=None,
        words=words,
        per_second=None,
        per_parameter=None,
        cost_words="no winner by cost",
    )


def overall(compared: Mapping[str, ModeVerdict], unjudged: Sequence[str] = ()) -> Overall:
    """All modes together: a model is better overall where it is better in some mode and worse in none.

    ``compared`` are the modes with a verdict, ``unjudged`` names the others.
    """
    cost_words = cost_in_words(compared)
    if not compared:
        words = "no verdict: no mode could be compared"
        return Overall(status="no_verdict", better=None, words=words, cost_words=cost_words)
    left_out = f"; no verdict in {', '.join(f'`{mode}`' for mode in unjudged)}" if unjudged else ""
    where: dict[str, list[str]] = {}  # by the better model
    even: list[str] = []
    for mode, each in compared.items():
        (where.setdefault(each.better, []) if each.better else even).append(f"`{mode}`")
    if not where:
        modes = f"any of {len(compared)} modes" if len(compared) > 1 else even[0]
        words = f"no difference shown between LSTM and xLSTM in {modes}{left_out}"
        return Overall(status="no_difference", better=None, words=words, cost_words=cost_words)
    parts = [f"{LABELS[model]} better in {', '.join(where[model])}" for model in sorted(where)]
    parts += [f"no difference shown in {', '.join(even)}"] if even else []
    words = "; ".join(parts) + left_out
    if len(where) > 1:
        return Overall(status="divided", better=None, words=f"divided: {words}", cost_words=cost_words)
    return Overall(status="better", better=next(iter(where)), words=words, cost_words=cost_words)


def cost_in_words(by_mode: Mapping[str, ModeVerdict]) -> str:
    """Who wins by cost in which of the modes that were compared."""
    said = []
    for key, unit in (("per_second", COSTS["seconds"]), ("per_parameter", COSTS["parameters"])):
        where: dict[str, list[str]] = {}
        for mode, each in by_mode.items():
            winner = getattr(each, key)
            where.setdefault(LABELS[winner] if winner else "neither", []).append(f"`{mode}`")
        parts = [
            f"{who} wins in {', '.join(these) if len(where) > 1 or len(these) == 1 else f'all {len(these)} modes'}"
            for who, these in where.items()
        ]
        said += [f"per {unit} {', '.join(parts)}"] if parts else []
    return "; ".join(said) or "no winner by cost"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
