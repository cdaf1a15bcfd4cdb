"""Which module of vdcast imports which, read from the source: at the top, inside a function, or for types alone."""

import ast
import re
from functools import cache
from pathlib import Path

SRC = Path(__file__).parents[1] / "src"


@cache
def modules() -> dict[str, Path]:
    """The file of each module by its dotted name; a package is the module of its ``__init__.py``."""
    found = {}
    for path in sorted((SRC / "vdcast").rglob("*.py")):
        parts = path.relative_to(SRC).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(module: str) -> frozenset[str]:
    """What ``module`` imports of vdcast; of `from package import name`, the module ``name`` if there is one."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(modules()[module].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: a relative import"
            inner = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            names |= {full if full in modules() else node.module for full in inner.values()}
    return frozenset(names & modules().keys() - {module})


@cache
def named(module: str) -> frozenset[str]:
    """What ``module`` imports by a name that it puts together: `import_module(f"vdcast.models.{model}.encoder")`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(modules()[module].read_text("utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            parts = getattr(node.args[0], "values", [])
            pattern = "".join(
                re.escape(part.value) if isinstance(part, ast.Constant) else r"\w+" for part in parts
            )
            names |= {each for each in modules() if re.fullmatch(pattern, each)}
    return frozenset(names)


def reached(starts: set[str]) -> set[str]:
    """``starts`` and all that they import, directly or not."""
    found: set[str] = set()
    todo = set(starts)
    while todo:
        found |= todo
        todo = {each for module in todo for each in imports(module) | named(module)} - found
    return found


def members(package: str) -> set[str]:
    """The modules of ``vdcast.<package>``, itself included."""
    name = f"vdcast.{package}"
    return {module for module in modules() if module == name or module.startswith(f"{name}.")}
