"""A letter of a shape means one thing: the one that docs/architecture.md lists it for.

What a letter means where it stands, only a reader can tell; that it is a listed one, this does.
"""

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.imports import SRC, modules

ROOT = SRC.parent
LISTED = re.findall(
    r"\*\*(\w)\*\*",
    (ROOT / "docs/architecture.md").read_text("utf-8").partition("\n## Letters\n")[2].partition("\n## ")[0],
)
# (W, H, V), (R * types, 3), (N, L + H, 2C), (..., P): axes by letters, words, numbers and what is made of them
AXIS = r"(?:\.\.\.|\.|[\w'*+/ -]+)"
SHAPE = re.compile(rf"\(({AXIS}(?:, {AXIS})+|{AXIS},)\)")
LETTER = re.compile(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z'])")
PARTS = {str(path.relative_to(SRC / "vdcast")): path for path in modules().values()}


def test_every_letter_is_listed_once():
    assert [letter for letter, times in Counter(LISTED).items() if times > 1] == []
    assert {*"TVFKBWLHNSGCQPDE"} <= {*LISTED}


def test_every_listed_letter_is_used():
    used = {letter for path in PARTS.values() for letter in letters(path.read_text("utf-8"))}
    assert {*LISTED} - used == set()


@pytest.mark.parametrize("name", PARTS)
def test_no_shape_has_a_letter_that_is_not_listed(name):
    assert letters(PARTS[name].read_text("utf-8")) - {*LISTED} == set()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("x = 1  # (W, H + 1, 2C) per window", "WHC"),
        ('def f():\n    """(R,) of (Y * d, types)."""', "RYd"),
        ("X, (_, Y) = a.shape", "XY"),
        ("for Z in range(3): pass", "Z"),
        ("x = f(A, B)  # as said (A or B), a list, (see there, too)", ""),
    ],
)
def test_the_letters_of_a_source(source, found):
    assert letters(source) == {*found}


def letters(source: str) -> set[str]:
    """Those of shapes in docstrings and comments, and capitals that code gives as names."""
    said = {
        letter
        for text in texts(source)
        for shape in SHAPE.findall(" ".join(text.split()))
        if re.search(r"(?<![A-Za-z])[A-Z](?![A-Za-z])", shape)  # one capital at least: it is no list of words
        for letter in LETTER.findall(shape)
    }
    return said | {
        node.id
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and re.fullmatch("[A-Z]", node.id)
    }


def texts(source: str) -> Iterator[str]:
    """Comments, and strings in three quotation marks."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and token.string.endswith('"""')):
            yield token.string
