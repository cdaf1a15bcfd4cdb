"""Who may know whom: a stage is a package that knows no other one, and every arrow of an import leads down."""

import ast
from collections.abc import Iterator

import networkx
import pytest
import yaml

from tests.imports import SRC, imports, members, modules

ROOT = SRC.parent
STAGES = tuple(yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"])

# from the ground up; rooms of one floor do not know each other
FLOORS = (
    ("escape",),
    ("errors", "language", "layout", "processes", "vega"),
    ("params", "cluster"),
    ("data",),
    ("forecasts",),
    ("records",),
    ("scores", "models.shared"),
    ("models.lstm", "models.xlstm", "differences"),
    STAGES,
    ("machines", "live", "search"),
    ("export",),
    ("commands",),
    ("",),  # the face: `from vdcast import ...`, `python -m vdcast`
)
ROOMS = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
FACE = {"vdcast", "vdcast.__main__", "vdcast.models"}


def room(module: str) -> str:
    """The room that a module lies in: the longest one that its name begins with."""
    if module in FACE:
        return ""
    name = module.removeprefix("vdcast.")
    return max((each for each in ROOMS if each and (name == each or name.startswith(f"{each}."))), key=len)


def arrows() -> list[tuple[str, str]]:
    return [(module, other) for module in modules() for other in sorted(imports(module))]


def test_every_stage_is_a_package_with_a_door():
    for stage in STAGES:
        assert f"vdcast.{stage}" in modules() and f"vdcast.{stage}.__main__" in modules()


def test_no_stage_knows_another_one():
    """They meet in files."""
    across = [
        (a, b) for a, b in arrows() if {room(a), room(b)} <= {*STAGES} and room(a) != room(b)
    ]  # fmt: skip
    assert not across


def test_nobody_comes_in_by_a_door():
    assert not [(a, b) for a, b in arrows() if b.endswith(".__main__")]


def test_every_arrow_leads_down():
    up = [
        (a, b) for a, b in arrows() if room(a) != room(b) and not ROOMS[room(a)] > ROOMS[room(b)]
    ]  # fmt: skip
    assert not up


def test_no_circle():
    assert not list(networkx.simple_cycles(networkx.DiGraph(arrows())))


def has_tests(package: str) -> bool:
    return any((ROOT / "tests" / package).glob("test_*.py"))


# whose tests go through the door of the stage
BY_THEIR_STAGE = {"ingest/formats"}


@pytest.mark.parametrize(
    "package", sorted({str(p.parent.relative_to(SRC / "vdcast")) for p in modules().values()})
)
def test_a_package_has_tests_of_its_name(package):
    inside = [path for path in (SRC / "vdcast" / package).glob("*.py") if path.name != "__init__.py"]
    assert has_tests(package) or not inside or package in BY_THEIR_STAGE


def test_tests_of_a_package_lie_under_its_name():
    folders = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")}
    packages = {path.parent.relative_to(SRC / "vdcast") for path in modules().values()}
    assert {str(each) for each in folders - packages} == {"pipeline"}  # the whole, with real `dvc`


def test_members_are_of_that_package_alone():
    assert members("params") >= {"vdcast.params", "vdcast.params.modes"}
    assert not members("param")


LINES, PARAMETERS = 60, 6
LARGER = {
    "models.xlstm.mlstm.MLSTMLayer.forward": "torch takes gradients of arguments alone",
}


def functions() -> Iterator[tuple[str, int, int]]:
    """Name, lines and parameters, but for self and cls, of every function."""
    for module, path in modules().items():
        yield from _within(module.removeprefix("vdcast."), ast.parse(path.read_text("utf-8")))


def _within(name: str, node: ast.AST) -> Iterator[tuple[str, int, int]]:
    for inner in ast.iter_child_nodes(node):
        named = isinstance(inner, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        whole = f"{name}.{inner.name}" if named else name
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            given = inner.args
            every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
            parameters = [each for each in every if each and each.arg not in ("self", "cls")]
            yield whole, inner.end_lineno - inner.lineno + 1, len(parameters)
        yield from _within(whole, inner)


def test_functions_are_read_at_a_glance():
    """No longer than a screen, no more parameters than one keeps in mind; what is larger is named, with its reason."""
    large = {name for name, lines, parameters in functions() if lines > LINES or parameters > PARAMETERS}
    assert large == {*LARGER}


def takes_by_position(node: ast.ClassDef) -> int:
    """How many arguments its constructor takes by position."""
    for inner in node.body:
        if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
            return len(inner.args.args) - 1
    if not any("dataclass" in ast.unparse(each) for each in node.decorator_list):
        return 0
    if any("kw_only=True" in ast.unparse(each) for each in node.decorator_list):
        return 0
    return sum(isinstance(inner, ast.AnnAssign) for inner in node.body)


def test_constructors_of_more_than_three_arguments_take_them_by_name():
    classes = [
        (f"{module.removeprefix('vdcast.')}.{node.name}", takes_by_position(node))
        for module, path in modules().items()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    assert sum(count > 0 for _, count in classes) > 20
    assert not [each for each in classes if each[1] > 3]
