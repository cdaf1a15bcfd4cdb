"""How the settings that are compared were found: what `vdcast search` took for each model, nothing included."""

from vdcast.params.search import Spent
from vdcast.params.sections import Params
from vdcast.records.summary import Weakness
from vdcast.scores.names import LABELS
from vdcast.scores.words import listed


def searched(settings: Params) -> Weakness:
    """A sentence for all modes whose models had the same."""
    by_words: dict[str, list[str]] = {}
    for mode, pair in settings.comparisons.items():
        each = [(LABELS[model], settings.search.spent_on(run)) for model, run in pair]
        by_words.setdefault(listed([f"{label} {_said(spent)}" for label, spent in each]), []).append(mode)
    return Weakness(
        title="How settings were found",
        sentences=[
            f"In {listed(modes)}, `vdcast search` gave {words}, by the validation part."
            for words, modes in by_words.items()
        ],
    )


def _said(spent: Spent) -> str:
    return f"{spent.trials} trials in {spent.seconds:,.0f} CPU seconds"
