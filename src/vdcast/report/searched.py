"""How the settings that are compared were found: what `vdcast search` took for each model, nothing included."""

from collections.abc import Mapping

from vdcast.language import listed, say
from vdcast.params.search import Before
from vdcast.params.sections import Params
from vdcast.records.summary import ModeVerdict, Weakness
from vdcast.report.words import share
from vdcast.scores.names import MODEL_LABELS, label


def searched(settings: Params, verdicts: Mapping[str, ModeVerdict]) -> Weakness:
    """A sentence for all modes whose models had the same, and one a mode on whether a search changed the answer."""
    by_words: dict[str, list[str]] = {}
    for mode, pair in settings.comparisons.items():
        spent = {model: settings.search.spent_on(run) for model, run in pair}
        took = [
            say("report.searched.took", model=label(model), trials=it.trials, seconds=it.seconds)
            for model, it in spent.items()
        ]
        searched = any(it.trials for it in spent.values())
        by_words.setdefault(listed(took) if searched else "", []).append(mode)
    return Weakness(
        title=say("report.searched.title"),
        sentences=[
            *(
                say(f"report.searched.{'gave' if words else 'nothing'}", modes=listed(modes), took=words)
                for words, modes in by_words.items()
            ),
            *(
                before_and_after(mode, before, verdicts[mode], settings.evaluate.margin)
                for mode, before in settings.search.before.items()
                if mode in verdicts
            ),
        ],
    )


def before_and_after(mode: str, before: Before, after: ModeVerdict, margin: float) -> str:
    """Whether the settings that a search found gave another answer."""
    old, new = (
        say(
            f"report.page.answer.{each.status}",
            model=MODEL_LABELS.get(each.better or "", ""),
            margin=share(margin),
        )
        for each in (before, after)
    )
    changed = (before.status, before.better) != (after.status, after.better)
    return say(f"report.searched.{'other' if changed else 'same'}_answer", mode=mode, before=old, after=new)
