"""``reports/search/<mode>/``: what a search found, as Markdown, a picture and a record."""

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd

from vdcast.escape import terminal
from vdcast.language import listed
from vdcast.records import io
from vdcast.records.search import Searched, SearchOf, Tried
from vdcast.scores import figures
from vdcast.scores.names import label
from vdcast.search.apply import command

HOW = (
    "Both models had the same budget. An error is of the validation part alone, no trial can read the test part: the "
    "MAE at each VD over that of the better of weekly profile and persistence, mean over VDs. Trial 0 is what params.yaml "
    "had."
)


def write(folder: Path, searched: Searched) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    io.write(folder / "search.json", searched)
    figures.best_so_far(folder / "best_so_far.png", {name: it.curve for name, it in searched.models.items()})
    (folder / "search.md").write_text(markdown(searched), "utf-8")


def markdown(searched: Searched) -> str:
    parts = [
        f"# Search of settings, {searched.mode}",
        f"{HOW} The budget: {searched.trials} trials or {searched.seconds:g} CPU seconds, whichever ends first.",
        "![the lowest error so far against CPU seconds](best_so_far.png)",
    ]
    for name, it in searched.models.items():
        parts += [f"## {label(name)}: {it.run}", spent(it), *gain(it, searched.seeds)]
        if it.top:
            parts.append(table(it))
        if it.importance:
            shares = listed([f"{key} {share:.0%}" for key, share in it.importance.items()])
            parts.append(f"How much of the spread of errors goes with each setting (fANOVA): {shares}.")
    if said := command(searched):
        parts += ["## To try it", f"```sh\n{said}\n```"]
    return "\n\n".join(parts) + "\n"


def spent(it: SearchOf) -> str:
    """What the model was given, and how its trials ended."""
    ended = {
        "trials": "its trials were spent first",
        "seconds": "its seconds were spent first",
        None: "not at its end",
    }
    aside = [
        f"{number} {what}"
        for number, what in (
            (it.impossible, "combinations that no network can have"),
            (it.lost, "trials whose process was killed"),
        )
        if number
    ]
    failed = [f"{number} failed ({terminal(reason)})" for reason, number in it.failed.items()]
    ways = listed([f"{it.complete} complete", f"{it.pruned} pruned", *failed])
    beside = f" Not counted: {listed(aside)}." if aside else ""
    return f"{it.trials} trials in {it.seconds:.0f} CPU seconds; {ended[it.end]}. Of these {ways}.{beside}"


def gain(it: SearchOf, seeds: int) -> list[str]:
    """By how much the best settings are better, and what of it may be luck."""
    if not it.first or not it.best or it.best.number == it.first.number:
        return ["No trial was better than the settings as they are."] if it.first and it.best else []
    best, first = it.best, it.first
    words = [
        f"Trial {best.number} has the lowest error, {best.error:.4f}: {against(best.error, first.error)} than trial 0's "
        f"{first.error:.4f}."
    ]
    if it.luck is not None:
        words.append(
            f"The best of {it.complete} trials that differ in their seed alone would be some {it.luck:.1%} below their "
            "mean."
        )
    if best.seed_errors and first.seed_errors:
        mine, theirs = fmean(best.seed_errors), fmean(first.seed_errors)
        lower = sum(a < b for a, b in zip(best.seed_errors, first.seed_errors, strict=True))
        words.append(
            f"With the same {seeds} seeds its mean is {mine:.4f} and trial 0's {theirs:.4f}: {against(mine, theirs)}, and "
            f"lower with {lower} of them."
        )
    return [" ".join(words)]


def against(error: float, other: float) -> str:
    """How one error compares with another."""
    return f"{abs(1 - error / other):.1%} {'lower' if error < other else 'higher'}"


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
    return {"trial": str(tried.number), "error": f"{tried.error:.4f}", "against trial 0": apart} | own
