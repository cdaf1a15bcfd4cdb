"""The best settings on their way into params.yaml: as a command, or written there with all comments kept."""

from __future__ import annotations

import shlex
from difflib import SequenceMatcher
from io import StringIO
from pathlib import Path
from statistics import fmean
from typing import Any

from ruamel.yaml import YAML

from vdcast.data.files import replacing
from vdcast.errors import InputError
from vdcast.layout import PARAMS, SUMMARY
from vdcast.records import io
from vdcast.records.search import Searched, SearchOf, Tried
from vdcast.records.summary import ModeVerdict, Summary

Changes = dict[tuple[str, ...], Any]  # values by where they stand in params.yaml


def better(it: SearchOf) -> Tried | None:
    """The best settings, where their mean error over all seeds is the lower one too; None where they stay as they are."""
    if not it.first or not it.best or it.best.number == it.first.number:
        return None
    if not it.best.seed_errors or not it.first.seed_errors:
        return None
    return it.best if fmean(it.best.seed_errors) < fmean(it.first.seed_errors) else None


def answer_now(mode: str) -> ModeVerdict | None:
    """What the page answers in ``mode``, before the search changes a setting; None where there is no page yet."""
    try:
        return io.read(SUMMARY, Summary, "report").verdict.modes.get(mode)
    except InputError:
        return None


def changes(searched: Searched) -> Changes:
    """By where it stands: the settings of each run that are to be others, and what finding them took."""
    found: Changes = {}
    for it in searched.models.values():
        best = better(it)
        if best and it.first:
            old = it.first.settings
            found |= {
                ("runs", it.run, key): value for key, value in best.settings.items() if value != old[key]
            }
        found["search", "spent", it.run] = {"trials": it.trials, "seconds": round(it.seconds, 1)}
    return found


def beside_answer(found: Changes, mode: str, answer: ModeVerdict | None) -> Changes:
    """``found``, and the ``answer`` with the settings that it replaces."""
    if not answer:
        return found
    return found | {("search", "before", mode): {"status": answer.status, "better": answer.better}}


def command(searched: Searched, answer: ModeVerdict | None) -> str:
    """`dvc exp run` with the best settings; empty where both models have none that are better."""
    found = changes(searched)
    if not any(path[0] == "runs" for path in found):
        return ""
    found = beside_answer(found, searched.mode, answer)
    words = [f"++{'.'.join(path)}={_said(value)}" for path, value in found.items()]
    return " ".join(["dvc exp run", *(f"-S {shlex.quote(word)}" for word in words)])


def _said(value: Any) -> str:
    """As Hydra's grammar of overrides, which DVC takes, has it."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_said(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_said, value)) + "]"
    return "null" if value is None else str(value)


def write(searched: Searched, answer: ModeVerdict | None, path: Path = PARAMS) -> None:
    """``changes``, into the file; every other line stays as it is, comments and layout included.

    With them the ``answer`` so far, unless they stand there already: it may be that of the new settings.
    """
    old = path.read_text("utf-8")
    document = _yaml().load(old)
    found = changes(searched)
    runs = {where: value for where, value in found.items() if where[0] == "runs"}
    if any(document["runs"][run].get(key, KeyError) != value for (_, run, key), value in runs.items()):
        found = beside_answer(found, searched.mode, answer)
    for where, value in found.items():
        *sections, key = where
        section = document
        for name in sections:
            section = section[name]
        section[key] = value
    with replacing(path) as partial:
        partial.write_text(laid_over(old, _dumped(_yaml().load(old)), _dumped(document)), "utf-8")


def laid_over(old: str, before: str, after: str) -> str:
    """``old`` with the lines by which ``after`` differs from ``before``, which is ``old`` but for white space."""
    lines, was, is_now = (text.splitlines(keepends=True) for text in (old, before, after))
    if len(lines) != len(was):
        return after
    found: list[str] = []
    for what, i, j, k, m in SequenceMatcher(None, was, is_now, autojunk=False).get_opcodes():
        found += lines[i:j] if what == "equal" else is_now[k:m]
    return "".join(found)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def _dumped(document: Any) -> str:
    text = StringIO()
    _yaml().dump(document, text)
    return text.getvalue()
