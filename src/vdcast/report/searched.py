"""How the settings that are compared were found: what `vdcast search` took for each model, nothing included."""

from vdcast.language import listed, say
from vdcast.params.sections import Params
from vdcast.records.summary import Weakness
from vdcast.scores.names import label


def searched(settings: Params) -> Weakness:
    """A sentence for all modes whose models had the same."""
    by_words: dict[str, list[str]] = {}
    for mode, pair in settings.comparisons.items():
        each = []
        for model, run in pair:
            spent = settings.search.spent_on(run)
            took = say("report.searched.took", model=label(model), trials=spent.trials, seconds=spent.seconds)
            each.append(took)
        by_words.setdefault(listed(each), []).append(mode)
    return Weakness(
        title=say("report.searched.title"),
        sentences=[
            say("report.searched.gave", modes=listed(modes), took=words) for words, modes in by_words.items()
        ],
    )
