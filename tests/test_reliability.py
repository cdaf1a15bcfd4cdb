"""docs/reliability.md names a test in each row, and each is there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/reliability.md").read_text("utf-8")


def named_in(path: Path) -> set[str]:
    return {
        node.name for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)
    }


def test_every_row_names_its_test_and_every_named_test_exists():
    rows = [line for line in PAGE.splitlines() if line.startswith("|")][2:]
    assert len(rows) > 20
    for row in rows:
        assert re.search(r"`[\w/]+\.py::test_\w+` \|$", row), row
    for file, name in re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", PAGE):
        path = ROOT / "tests" / file
        assert path.is_file(), file
        assert not name or name in named_in(path), f"{file}::{name}"
