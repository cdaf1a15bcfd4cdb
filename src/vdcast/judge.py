"""From the differences of all modes to a verdict in words, by the one rule that ``RULE`` states."""

from collections.abc import Mapping, Sequence

from vdcast.figures import LABELS

LEVEL = 0.05
RULE = (
    "A model is called better only where the 95 % interval of the difference in MAE excludes 0 and its p, corrected "
    "by Holm for all {tests} comparisons of this page, is below 0.05. Per second of training, or per parameter, the "
    "better model wins where it is also the cheaper one, the cheaper one where no difference is shown, and none "
    "where accuracy has to be paid for."
)
COSTS = {"seconds": "second of training", "parameters": "parameter"}


def verdict(modes: Mapping[str, dict]) -> dict:
    """What the ``comparison.json`` of every mode allows to be said, together.

    ``differences[mode]``: the comparison's, each with ``p_holm``, ``better`` (the name of the better one,
    or null where no difference is shown) and ``words``. ``modes[mode]`` is LSTM against xLSTM: ``better``,
    ``words``, and ``per_second`` and ``per_parameter``: the model that wins by cost, or null. ``overall``:
    ``better`` (a model, "divided", or null) and ``words``. ``rule``: the rule.
    """
    tests = [(mode, each) for mode, summary in modes.items() for each in summary["differences"]]
    corrected = holm([each["p"] for _, each in tests])
    differences = {mode: [] for mode in modes}
    for (mode, each), p in zip(tests, corrected, strict=True):
        better = (each["b"], each["a"])[each["mae"] < 0] if shown(each, p) else None
        row = each | {"p_holm": p, "better": better}
        differences[mode].append(row | {"words": in_words(row, modes[mode])})
    by_mode = {mode: of_mode(rows[0], modes[mode]["cost"]) for mode, rows in differences.items()}
    return {
        "overall": overall({mode: each["better"] for mode, each in by_mode.items()}),
        "modes": by_mode,
        "differences": differences,
        "rule": RULE.format(tests=len(tests)),
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
    return p_holm < LEVEL and (difference["low"] > 0 or difference["high"] < 0)


def in_words(row: dict, summary: dict) -> str:
    """The sentence that one difference allows, without a full stop."""
    a, b = LABELS[row["a"]], LABELS[row["b"]]
    if row["mae"] is None:
        return f"no verdict on {a} against {b}: there is no observation that both were scored on"
    unit, scope = summary["unit"], "all_vds" if len(summary["vds"]) > 1 else "target_vd"
    base = summary["scores"][scope][row["b"]]["mae"]
    share = f" ({abs(row['mae']) / base:.1%})" if base else ""
    amount = f"{abs(row['mae']):.2f} {unit}{share}"
    basis = f"{row['days']} test days"
    if row["low"] is None:
        return f"no verdict on {a} against {b}: {basis} are too few for an interval (difference in MAE {row['mae']:+.2f} {unit})"
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


def overall(better: Mapping[str, str | None]) -> dict:
    """All modes together: a model is better overall where it is better in some mode and worse in none."""
    winners = {each for each in better.values() if each}
    by_model = {
        model: [f"`{mode}`" for mode, each in better.items() if each == model] for model in sorted(winners)
    }
    if not winners:
        return {
            "better": None,
            "words": f"no difference shown between LSTM and xLSTM in any of {len(better)} modes",
        }
    parts = [f"{LABELS[model]} better in {', '.join(where)}" for model, where in by_model.items()]
    rest = [f"`{mode}`" for mode, each in better.items() if each is None]
    words = "; ".join([*parts, *([f"no difference shown in {', '.join(rest)}"] if rest else [])])
    if len(winners) > 1:
        return {"better": "divided", "words": f"divided: {words}"}
    return {"better": winners.pop(), "words": words}


def sentence(words: str) -> str:
    """With a capital and a full stop."""
    return (words if words.startswith("xLSTM") else words[0].upper() + words[1:]) + "."
