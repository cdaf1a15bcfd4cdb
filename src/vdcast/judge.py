"""From the differences of all modes to a verdict in words, by the one rule that ``RULE`` states."""

from collections.abc import Mapping, Sequence

from vdcast.figures import LABELS

LEVEL = 0.05
RULE = (
    "A model is called better only where the 95 % interval of the difference in MAE (days, VDs and seeds as the units "
    "that vary) excludes 0, as does that of a block bootstrap over days and VDs, its p, corrected by Holm for all "
    "{tests} comparisons of this page, is below 0.05, and so is that of the Diebold-Mariano test. Per second of training, or per parameter, the "
    "better model wins where it is also the cheaper one, the cheaper one where no difference is shown, and none "
    "where accuracy has to be paid for."
)
UNBEATEN = (
    "Both models beat every naive forecast in every mode that was compared: at every VD over all horizons together, and "
    "at each horizon of the target VD."
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
    compared = [mode for mode, summary in modes.items() if not summary["problem"]]
    losses = [each for summary in scored.values() for each in summary["losses"]]
    tests = [(mode, each) for mode, summary in scored.items() for each in summary["differences"]]
    corrected = holm([each["p"] for _, each in tests])
    differences = {mode: [] for mode in scored}
    for (mode, each), p in zip(tests, corrected, strict=True):
        better = (each["b"], each["a"])[each["mae"] < 0] if shown(each, p) else None
        row = each | {"p_holm": p, "better": better}
        differences[mode].append(row | {"words": in_words(row, modes[mode])})
    by_mode = {
        mode: unjudged(summary["problem"])
        if summary["problem"]
        else of_mode(differences[mode][0], summary["cost"])
        for mode, summary in modes.items()
    }
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
        "unbeaten": UNBEATEN if compared and not losses else None,
    }


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Step-down p of Holm (1979), which hold together whatever the tests' dependence. None stays None."""
    known = sorted((i for i, each in enumerate(p) if each is not None), key=lambda i: p[i])
    corrected, highest = list(p), 0.0
    for rank, i in enumerate(known):
        highest = corrected[i] = max(highest, min(1.0, (len(p) - rank) * p[i]))
    return corrected


def shown(difference: dict, p_holm: float | None) -> bool:
    """Whether a difference is one, by ``RULE``."""
    if p_holm is None:
        return False
    agrees = difference["p_dm"] is not None and difference["p_dm"] < LEVEL
    lows, highs = (
        [difference[name] for name in names] for names in (("low", "boot_low"), ("high", "boot_high"))
    )
    return agrees and p_holm < LEVEL and (min(lows) > 0 or max(highs) < 0)


def in_words(row: dict, summary: dict) -> str:
    """The sentence that one difference allows, without a full stop."""
    a, b = LABELS[row["a"]], LABELS[row["b"]]
    if row["mae"] is None:
        return f"no verdict on {a} against {b}: there is no observation that both were scored on"
    unit, scope = summary["unit"], "all_vds" if len(summary["vds"]) > 1 else "target_vd"
    base = summary["scores"][scope][row["b"]]["mae"]
    share = f" ({abs(row['mae']) / base:.1%})" if base else ""
    amount = f"{abs(row['mae']):.2f} {unit}{share}"
    basis = f"{row['days']} test day{'s' if row['days'] > 1 else ''}"
    if row["low"] is None:
        return f"no verdict on {a} against {b}: no interval from {basis} (difference in MAE {row['mae']:+.2f} {unit})"
    if row["better"] is None:
        direction = "lower" if row["mae"] < 0 else "higher"
        return (
            f"no difference shown: {a}'s MAE is {amount} {direction} than {b}'s, "
            f"95 % interval {row['low']:+.2f} to {row['high']:+.2f} over {basis}, p {row['p_holm']:.2g}"
        )
    low, high = sorted((abs(row["low"]), abs(row["high"])))
    other = b if row["better"] == row["a"] else a
    return (
        f"{LABELS[row['better']]} better than {other} by {amount}, 95 % interval {low:.2f} to {high:.2f} "
        f"over {basis}, p {row['p_holm']:.2g}"
    )


def of_mode(row: dict, cost: dict) -> dict:
    """One mode's verdict: LSTM against xLSTM, and who wins by cost."""
    cheaper = {name: min(cost, key=lambda model: cost[model][name]) for name in COSTS}
    wins = {
        f"per_{'second' if name == 'seconds' else 'parameter'}": model
        if row["better"] in (None, model)
        else None
        for name, model in cheaper.items()
    }
    said = []
    for (name, unit), winner in zip(COSTS.items(), wins.values(), strict=True):
        ratio = max(each[name] for each in cost.values()) / max(
            min(each[name] for each in cost.values()), 1e-9
        )
        who = LABELS[winner] if winner else "neither"
        said.append(f"per {unit} {who} wins ({LABELS[cheaper[name]]} needs {ratio:.1f} times fewer)")
    return {"better": row["better"], "words": row["words"], **wins, "cost_words": "; ".join(said)}


def unjudged(problem: str) -> dict:
    """The verdict on a mode with a problem."""
    return {
        "better": None,
        "words": f"no verdict: {problem}",
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
