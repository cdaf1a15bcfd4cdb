"""What is wrong with a setting, in one sentence: which key, what it says, what is allowed."""

import difflib
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from vdcast.errors import InputError
from vdcast.layout import PARAMS
from vdcast.params.formats import SECTIONS
from vdcast.params.section import Section

Checked = TypeVar("Checked", bound=Section)


def check(where: str, section: type[Checked], values: dict[str, Any]) -> Checked:
    """``values`` as that section. Raises InputError for what is wrong first; ``where`` is its path in the file."""
    try:
        return section.model_validate(values)
    except ValidationError as error:
        # a misspelt key is also a missing one: name what was typed first
        first, *others = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        # pydantic names the member of the union, data.FORMAT.key; the file has data.key
        # or, of a mapping, that it is the key that is wrong
        loc = [
            part
            for i, part in enumerate(first["loc"])
            if (i != 1 or part not in SECTIONS) and part != "[key]"
        ]
        path = ".".join(str(part) for part in (where, *loc) if part != "")
        more = f" (and {len(others)} more)" if others else ""
        raise InputError(f"{PARAMS}: {_sentence(path, first, section)}{more}") from None


def _sentence(path: str, error: ErrorDetails, section: type[Section]) -> str:
    parent, _, key = path.rpartition(".")
    match error["type"]:
        case "extra_forbidden":
            of = f" of format {judged_by}" if (judged_by := _format(error["loc"], section)) else ""
            return f"{path} is not a setting{of}{suggest(key, _siblings(error['loc'], section))}"
        case "missing":
            return f"{path} is missing"
        case "model_type" | "model_attributes_type" | "dict_type":
            found = error["input"]
            given = "is empty" if found is None else f"= {found!r} ({type(found).__name__})"
            return f"{path} {given}; it must hold settings, a line `key: value` each"
        case "union_tag_not_found":
            return f"{path}.format is missing (allowed: {', '.join(SECTIONS)})"
        case "union_tag_invalid":
            found = error["ctx"]["tag"]  # as text
            return f"{path}.format = {found!r} is not a format{suggest(found, list(SECTIONS))}"
        case "value_error":
            return f"{path}: {error['ctx']['error']}" if path else str(error["ctx"]["error"])
        case _:
            found = error["input"]
            return f"{path} = {found!r} ({type(found).__name__}): {_begun(error['msg'])}"


def _begun(message: str) -> str:
    """In the middle of a sentence; allowed values stay as they are written."""
    return message[0].lower() + message[1:]


def _format(loc: tuple, section: type[Section]) -> str | None:
    """The raw format whose settings the key was looked for in; None elsewhere."""
    if len(loc) > 2 and loc[0] == "data" and loc[1] in SECTIONS:
        return loc[1]
    return next((name for name, settings in SECTIONS.items() if settings is section), None)


def _siblings(loc: tuple, section: type[Section]) -> list[str]:
    """The keys allowed where ``loc`` points, following nested sections."""
    for part in loc[:-1]:
        if part in SECTIONS:
            section = SECTIONS[part]
            continue
        if part == "data" and "data" in section.model_fields:
            continue
        inner = section.model_fields.get(str(part))
        if (
            inner is None
            or not isinstance(inner.annotation, type)
            or not issubclass(inner.annotation, Section)
        ):
            return []
        section = inner.annotation
    return list(section.model_fields)


def suggest(key: str, allowed: list[str]) -> str:
    """What may have been meant: names that have ``key`` as a word, as wide_table has wide, or the one most like it."""
    close = [name for name in allowed if key in name.split("_")] or difflib.get_close_matches(
        key, allowed, n=1
    )
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    return f"{hint} (allowed: {', '.join(allowed)})" if allowed else hint
