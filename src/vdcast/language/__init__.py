"""What people read, in the language that ``report.language`` names: whole sentences, with places for names and figures.

Each package that speaks has a ``sentences.toml``, a table per sentence with its text in every language; ``say`` finds
``report.losses.none`` under ``[losses.none]`` of ``report/sentences.toml``. Numbers and units are the same in all of them.
A stage that does not depend on the language leaves what it has to say as ``Said``, and who prints it gives it words.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import resources
from typing import Literal, get_args

import msgspec

Language = Literal["en", "zh-Hant"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
FEATURES = ("volume", "speed", "occupancy")  # have a name in every language; others are called as in the data

_language: ContextVar[Language] = ContextVar("language", default="en")


class Said(msgspec.Struct, frozen=True):
    """A sentence before it is in a language."""

    key: str
    figures: "Mapping[str, Figure]" = {}


Figure = str | int | float | Said | Sequence[Said | str]


@contextmanager
def speaking(language: Language) -> Iterator[None]:
    """In the block, everything is said in ``language``; outside of one, in English."""
    token = _language.set(language)
    try:
        yield
    finally:
        _language.reset(token)


def spoken() -> Language:
    return _language.get()


def say(key: str, **figures: Figure) -> str:
    """The sentence with its figures. Raises KeyError where it, or a figure that it has a place for, is missing."""
    return text(key).format(**{name: placed(figure) for name, figure in figures.items()})


def in_words(said: Said | str) -> str:
    """In the language that is spoken; what is words already stays."""
    return say(said.key, **said.figures) if isinstance(said, Said) else said


def placed(figure: Figure) -> str | int | float:
    """What stands in the place of a figure: numbers as they are, for the sentence to format."""
    match figure:
        case Said():
            return in_words(figure)
        case Sequence() if not isinstance(figure, str):
            return say("language.comma").join(map(in_words, figure))
        case _:
            return figure


def text(key: str) -> str:
    """The sentence with its places, as in ``{number} VDs``."""
    package, _, name = key.partition(".")
    return sentences(package)[name][spoken()]


@cache
def sentences(package: str) -> dict[str, dict[Language, str]]:
    """Those of a package, by name and language."""
    source = resources.files(f"vdcast.{package}") / "sentences.toml"
    return dict(_flat(tomllib.loads(source.read_text("utf-8"))))


def _flat(table: dict, name: str = "") -> Iterator[tuple[str, dict]]:
    """Tables within tables by their names with dots; innermost are those by language."""
    for key, value in table.items():
        if LANGUAGES[0] in value:
            yield name + key, value
        else:
            yield from _flat(value, f"{name}{key}.")


def some(parts: Sequence[Said | str], most: int) -> Said:
    """The first ``most`` of a list, and how many more there are."""
    first = list(parts[:most])
    if len(parts) <= most:
        return Said("language.all", {"parts": first})
    return Said("language.some", {"parts": first, "number": len(parts) - most})


def listed(parts: Sequence[str]) -> str:
    """a, b and c."""
    *first, last = parts or [""]
    return say("language.and").join([say("language.comma").join(first), last]) if first else last


def named(feature: str) -> Said | str:
    """A feature of the data, before it is in a language."""
    return Said(f"language.feature.{feature}") if feature in FEATURES else feature


def feature(name: str) -> str:
    """A feature of the data as people call it."""
    return in_words(named(name))
