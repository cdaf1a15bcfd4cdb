"""A stage depends on the code that it imports, or a change of that code would leave old results standing."""

import ast
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"]

# values are listed under `params`, messages and paths hold no numbers (dvc.yaml says so)
LEFT_OUT = {"params.py", "errors.py", "layout.py", "__init__.py", "models/__init__.py"}
# imported by a module whose other half the stage uses, and never run in it
NOT_REACHED = {
    "prepare": {"predictions.py", "quantiles.py"},
    "evaluate": {"conditions.py", "models/naive.py", "fit.py", "ranks.py", "scratch.py"},
    "evaluate_naive": {"run_report.py", "convergence.py", "figures.py", "intervals.py", "train.py", "fit.py", "ranks.py", "scratch.py", "cost.py",
                       "windows.py", "models/trained.py", "models/forecaster.py", "models/stacked.py", "models/lstm.py", "models/xlstm.py"},
    "report": {"metrics.py", "predictions.py", "quantiles.py", "significance.py"},  # comparison.json holds their numbers
}  # fmt: skip


def imports(path: Path) -> set[Path]:
    """The files of vdcast that ``path`` imports, at the top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("vdcast"):
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("vdcast")]
        for name in names:
            file = (ROOT / "src" / name.replace(".", "/")).with_suffix(".py")
            if file.is_file():
                found.add(file)
    return found


def reached(start: Path) -> set[str]:
    """What ``start`` imports, directly or not, as paths below src/vdcast."""
    seen, todo = set(), [start]
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo += imports(path)
    return {str(path.relative_to(ROOT / "src/vdcast")) for path in seen}


@pytest.mark.parametrize("name", [name for name in STAGES if name != "ingest"])
def test_a_stage_depends_on_the_code_it_imports(name):
    stage = STAGES[name].get("do", STAGES[name])
    module = "evaluate" if name == "evaluate_naive" else name
    deps = {dep.removeprefix("src/vdcast/") for dep in stage["deps"] if dep.startswith("src/vdcast/")}
    if "models/${item.model}.py" in deps:
        deps |= {"models/lstm.py", "models/xlstm.py"}
    missing = reached(ROOT / f"src/vdcast/{module}.py") - deps - LEFT_OUT - NOT_REACHED.get(name, set())
    assert not missing, f"dvc.yaml: {name} imports {sorted(missing)} without depending on it"


def test_ingest_depends_on_its_whole_package():
    assert {"src/vdcast/ingest", "src/vdcast/store.py"} <= set(STAGES["ingest"]["deps"])


def test_nothing_but_the_name_of_a_run_or_mode_is_put_into_a_command():
    """A shell runs the commands; params.py refuses a name that holds more than letters, digits, '_' and '-'."""
    for name, stage in STAGES.items():
        commands = stage.get("do", stage)["cmd"]
        for command in [commands] if isinstance(commands, str) else commands:
            assert re.findall(r"\$\{(.*?)\}", command) in ([], ["key"]), f"{name}: {command}"
    assert {STAGES[name]["foreach"] for name in STAGES if "foreach" in STAGES[name]} == {
        "${runs}",
        "${modes}",
    }
