"""``reports/search/<mode>/``: what a search found, as Markdown, a picture and a record."""

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd

from vdcast.escape import terminal
from vdcast.language import listed, say
from vdcast.records import io
from vdcast.records.search import Searched, SearchOf, Tried
from vdcast.scores import figures
from vdcast.scores.names import label
from vdcast.search.apply import answer_now, command


def write(folder: Path, searched: Searched) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    io.write(folder / "search.json", searched)
    figures.best_so_far(
        folder / "best_so_far.png", {name: to_the_end(it) for name, it in searched.models.items()}
    )
    (folder / "search.md").write_text(markdown(searched), "utf-8")


def to_the_end(it: SearchOf) -> list[tuple[float, float]]:
    """Its curve, drawn on over the seconds of trials that bettered nothing, were pruned or failed."""
    return [*it.curve, (it.seconds, it.curve[-1][1])] if it.curve else []


def markdown(searched: Searched) -> str:
    parts = [
        f"# {say('search.title', mode=searched.mode)}",
        say("search.how", trials=searched.trials, seconds=f"{searched.seconds:g}"),
        f"![{say('search.picture')}](best_so_far.png)",
    ]
    for name, it in searched.models.items():
        head = say("search.of_model", model=label(name), run=it.run)
        parts += [f"## {head}", spent(it), *gain(it, searched.seeds)]
        if it.top:
            parts.append(table(it))
        if it.importance:
            shares = listed([f"{key} {share:.0%}" for key, share in it.importance.items()])
            parts.append(say("search.importance", shares=shares))
    if said := command(searched, answer_now(searched.mode)):
        parts += [f"## {say('search.to_try')}", f"```sh\n{said}\n```"]
    return "\n\n".join(parts) + "\n"


def spent(it: SearchOf) -> str:
    """What the model was given, and how its trials ended."""
    failed = [
        say("search.failed", number=number, reason=terminal(reason)) for reason, number in it.failed.items()
    ]
    ways = [say("search.complete", number=it.complete), say("search.pruned", number=it.pruned), *failed]
    said = say(
        "search.spent",
        trials=it.trials,
        seconds=f"{it.seconds:.0f}",
        ended=say(f"search.ended.{it.end or 'neither'}"),
        ways=listed(ways),
    )
    aside = [
        say(key, number=number)
        for key, number in (("search.impossible", it.impossible), ("search.lost", it.lost))
        if number
    ]
    beside = [say("search.not_counted", what=listed(aside))] if aside else []
    return say("language.between").join([said, *beside])


def gain(it: SearchOf, seeds: int) -> list[str]:
    """By how much the best settings are better, and what of it may be luck."""
    if not it.first or not it.best or it.best.number == it.first.number:
        return [say("search.none_better")] if it.first and it.best else []
    best, first = it.best, it.first
    words = [
        say(
            "search.best",
            number=best.number,
            error=f"{best.error:.4f}",
            against=against(best.error, first.error),
            first=f"{first.error:.4f}",
        )
    ]
    if it.luck is not None:
        words.append(say("search.luck", trials=it.complete, share=it.luck))
    if best.seed_errors and first.seed_errors:
        mine, theirs = fmean(best.seed_errors), fmean(first.seed_errors)
        lower = sum(a < b for a, b in zip(best.seed_errors, first.seed_errors, strict=True))
        words.append(
            say(
                "search.confirmed",
                seeds=seeds,
                mine=f"{mine:.4f}",
                theirs=f"{theirs:.4f}",
                against=against(mine, theirs),
                lower=lower,
            )
        )
    return [say("language.between").join(words)]


def against(error: float, other: float) -> str:
    """How one error compares with another."""
    return say(f"search.{'lower' if error < other else 'higher'}", share=f"{abs(1 - error / other):.1%}")


def table(it: SearchOf) -> str:
    """The best trials, a line each, and trial 0."""
    first = [it.first] if it.first and it.first not in it.top else []
    rows = [row(tried, it.first) for tried in (*it.top, *first)]
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def row(tried: Tried, first: Tried | None) -> Mapping[str, Any]:
    apart = f"{tried.error / first.error - 1:+.1%}" if first else "-"
    own = {
        key: f"{value:g}" if isinstance(value, float) else str(value) for key, value in tried.settings.items()
    }
    return {
        say("search.head.trial"): str(tried.number),
        say("search.head.error"): f"{tried.error:.4f}",
        say("search.head.against_first"): apart,
    } | own
