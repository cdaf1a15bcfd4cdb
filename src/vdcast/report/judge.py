"""From the differences of all modes to a verdict in words, by the one rule that ``RULE`` states."""

from collections.abc import Mapping, Sequence

from vdcast.scores.figures import LABELS
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
    "Each model has a lower MAE than every naive forecast in every mode that was compared: at every VD over all "
    "horizons together, and at each horizon of the target VD."
)
COSTS = {"seconds": "second of training", "parameters": "parameter"}


def verdict(modes: Mapping[str, dict]) -> dict:
    """What the ``comparison.json`` of every mode allows to be said, together.

    ``differences[mode]``: the comparison's, each with ``p_holm``, ``better`` (the name of the better one,
    or null where no difference is shown) and ``words``. ``modes[mode]`` is LSTM against xLSTM: ``better``,
    ``words``, and ``per_second`` and ``per_parameter``: the model that wins by cost, or null. ``overall``:
    ``better`` (a model, "divided", or null), ``words`` and ``cost_words``. ``rule``: the rule. ``warnings``: the sentences
    that come before any verdict, on what could not be compared, who loses to a naive forecast, and what
    could not be judged; ``unbeaten``: the sentence to be said instead where nobody does, or null.
    """
    scored = {mode: summary for mode, summary in modes.items() if "scores" in summary}
    losses = [each for summary in scored.values() for each in summary["losses"]]
    tests = [(mode, each) for mode, summary in scored.items() for each in summary["differences"]]
    corrected = holm([each["p"] for _, each in tests])
    differences = {mode: [] for mode in scored}
    for (mode, each), p in zip(tests, corrected, strict=True):
        row = each | {"p_holm": p, "better": None}
        if not gap(row, "") and not objections(row):
            row["better"] = each["b"] if each["mae"] > 0 else each["a"]
        differences[mode].append(row | {"words": in_words(row, modes[mode])})
    compared = [
        mode
        for mode, summary in modes.items()
        if not summary["problem"] and not gap(differences[mode][0], summary["unit"])
    ]
    by_mode = {
        mode: of_mode(differences[mode][0], summary["cost"])
        if mode in compared
        else unjudged(
            f"no verdict: {summary['problem']}" if summary["problem"] else differences[mode][0]["words"]
        )
        for mode, summary in modes.items()
    }
    unbeaten = compared and not losses and all(complete(modes[mode]) for mode in compared)
    return {
        "overall": overall(
            {mode: by_mode[mode]["better"] for mode in compared},
            [mode for mode in modes if mode not in compared],
        )
        | {"cost_words": cost_in_words({mode: by_mode[mode] for mode in compared})},
        "modes": by_mode,
        "differences": differences,
        "rule": RULE.format(tests=len(tests)),
        "warnings": [
            *(f"No comparison in {mode}: {it['problem']}." for mode, it in modes.items() if it["problem"]),
            *losses,
            *(each for summary in scored.values() for each in summary["notes"]),
        ],
        "unbeaten": UNBEATEN if unbeaten else None,
    }


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Step-down p of Holm (1979), which hold together whatever the tests' dependence. None stays None."""
    known = sorted((i for i, each in enumerate(p) if each is not None), key=lambda i: p[i])
    corrected, highest = list(p), 0.0
    for rank, i in enumerate(known):
        highest = corrected[i] = max(highest, min(1.0, (len(p) - rank) * p[i]))
    return corrected


def gap(row: dict, unit: str) -> str | None:
    """Why a difference allows no verdict at all, or None."""
    if row["mae"] is None:
        return "there is no observation that both have a forecast of"
    if row["low"] is None:
        difference = f"{row['mae']:+.{decimals(row['mae'], 0.0)}f} {unit}"
        return f"no interval from {_counted(row['days'], 'test day')} (difference in MAE {difference})"
    return None


def objections(row: dict) -> list[str]:
    """The conditions of ``RULE`` that a difference with an interval does not meet, in words."""
    p_dm = row["p_dm"]
    agrees = min(row["boot_low"] * row["mae"], row["boot_high"] * row["mae"]) > 0
    conditions = {
        "the interval holds 0": row["low"] > 0 or row["high"] < 0,
        f"p after Holm is not below {LEVEL}": row["p_holm"] < LEVEL,
        "the interval of the block bootstrap does not": agrees,
        "the Diebold-Mariano test is undefined": p_dm is not None,
        f"p of the Diebold-Mariano test is {p_value(p_dm)}": p_dm is None or p_dm < LEVEL,
    }
    return [words for words, holds in conditions.items() if not holds]


def complete(summary: dict) -> bool:
    """Whether both models have an MAE wherever ``UNBEATEN`` speaks of."""
    cuts = summary["cuts"]
    rows = [each[model] for each in summary["scores"].values() for model in summary["cost"]]
    for table in (cuts["target_vd"]["horizon"], cuts.get("all_vds", {}).get("vd", {})):
        rows += [row for model in summary["cost"] for row in table.get(model, [])]
    return all(row["mae"] is not None for row in rows)


def in_words(row: dict, summary: dict) -> str:
    """The sentence that one difference allows, without a full stop."""
    a, b = LABELS[row["a"]], LABELS[row["b"]]
    unit, vds = summary["unit"], summary["vds"]
    if why := gap(row, unit):
        return f"no verdict on {a} against {b}: {why}"
    mae, low, high = row["mae"], row["low"], row["high"]
    digits = decimals(mae, low, high, 0.0)
    days = _counted(row["days"], "test day")
    where = f"over {_counted(row['vds'], 'VD')} and {days}" if len(vds) > 1 else f"on VD {vds[0]} over {days}"
    basis = f"{where}, p {p_value(row['p_holm'])} after Holm"
    loser = row["a"] if row["better"] == row["b"] else row["b"]
    base = summary["scores"]["all_vds" if len(vds) > 1 else "target_vd"][loser]["mae"]
    amount = f"{abs(mae):.{digits}f} {unit}" + (f" ({abs(mae) / base:.1%})" if base else "")
    if row["better"] is None:
        failed = objections(row) if low > 0 or high < 0 else []
        return (
            f"no difference shown: {a}'s MAE is {amount} {'lower' if mae < 0 else 'higher'} than {b}'s, "
            f"95 % interval {low:+.{digits}f} to {high:+.{digits}f} {basis}"
            + (f"; the interval excludes 0, but {listed(failed)}" if failed else "")
        )
    low, high = sorted((abs(low), abs(high)))
    return (
        f"{LABELS[row['better']]} better than {LABELS[loser]} by {amount}, 95 % interval {low:.{digits}f} to "
        f"{high:.{digits}f} {basis}"
    )


def of_mode(row: dict, cost: dict) -> dict:
    """One mode's verdict: LSTM against xLSTM, and who wins by cost."""
    wins, said = [], []
    for name, unit in COSTS.items():
        low, high = sorted(each[name] for each in cost.values())
        cheaper = min(cost, key=lambda model: cost[model][name]) if low < high else None
        claims = {cheaper, row["better"]} - {None}
        wins.append(claims.pop() if len(claims) == 1 else None)
        who = LABELS[wins[-1]] if wins[-1] else "neither"
        why = (
            f"{LABELS[cheaper]} needs {high / max(low, 1e-9):.1f} times fewer"
            if cheaper
            else "both need the same"
        )
        said.append(f"per {unit} {who} wins ({why})")
    return {
        "better": row["better"],
        "words": row["words"],
        "per_second": wins[0],
        "per_parameter": wins[1],
        "cost_words": "; ".join(said),
    }


def unjudged(words: str) -> dict:
    """A mode without a verdict; ``words`` say why."""
    return {
        "better": None,
        "words": words,
        "per_second": None,
        "per_parameter": None,
        "cost_words": "no winner by cost",
    }


def overall(better: Mapping[str, str | None], unjudged: Sequence[str] = ()) -> dict:
    """All modes together: a model is better overall where it is better in some mode and worse in none.

    ``better`` is of the modes that were compared, ``unjudged`` names the others.
    """
    left_out = f"; no verdict in {', '.join(f'`{mode}`' for mode in unjudged)}" if unjudged else ""
    if not better:
        return {"better": None, "words": "no verdict: no mode could be compared"}
    winners = {each for each in better.values() if each}
    by_model = {
        model: [f"`{mode}`" for mode, each in better.items() if each == model] for model in sorted(winners)
    }
    if not winners:
        return {
            "better": None,
            "words": "no difference shown between LSTM and xLSTM in "
            + (f"any of {len(better)} modes" if len(better) > 1 else f"`{next(iter(better))}`")
            + left_out,
        }
    parts = [f"{LABELS[model]} better in {', '.join(where)}" for model, where in by_model.items()]
    rest = [f"`{mode}`" for mode, each in better.items() if each is None]
    words = "; ".join([*parts, *([f"no difference shown in {', '.join(rest)}"] if rest else [])]) + left_out
    if len(winners) > 1:
        return {"better": "divided", "words": f"divided: {words}"}
    return {"better": winners.pop(), "words": words}


def cost_in_words(by_mode: Mapping[str, dict]) -> str:
    """Who wins by cost in which of the modes that were compared."""
    said = []
    for key, unit in (("per_second", COSTS["seconds"]), ("per_parameter", COSTS["parameters"])):
        where: dict[str, list[str]] = {}
        for mode, each in by_mode.items():
            where.setdefault(LABELS[each[key]] if each[key] else "neither", []).append(f"`{mode}`")
        parts = [
            f"{who} wins in {', '.join(these) if len(where) > 1 or len(these) == 1 else f'all {len(these)} modes'}"
            for who, these in where.items()
        ]
        said += [f"per {unit} {', '.join(parts)}"] if parts else []
    return "; ".join(said) or "no winner by cost"


def sentence(words: str) -> str:
    """With a capital and a full stop."""
    return (words if words.startswith("xLSTM") else words[0].upper() + words[1:]) + "."


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
