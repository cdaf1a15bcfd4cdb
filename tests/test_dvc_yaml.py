"""A stage depends on the code that it reaches, or a change of that code would leave old results standing."""

import ast
import contextlib
import os
import re
import shutil
from pathlib import Path

import networkx
import pydantic
import pytest
import yaml

from tests.imports import SRC, members, modules, reached
from vdcast.machines.dvc_cli import would_run

ROOT = SRC.parent
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"]
MODEL = "${item.model}"

# what decides no figure: names in texts, paths, messages, processes, and settings whose values stand under `params`
NO_NUMBERS = {
    "vdcast.errors",
    "vdcast.escape",
    "vdcast.layout",
    "vdcast.processes",
    "vdcast.params",
    "vdcast.params.load",
    "vdcast.params.networks",
    "vdcast.params.search",
    "vdcast.params.section",
    "vdcast.params.sections",
    "vdcast.params.times",
    "vdcast.params.words",
}
SECONDS = {"vdcast.processes": {"POLL", "PATIENCE"}}  # of waiting for a process
# every stage reads them with params.yaml: `ingest` alone uses the first, and all that know of modes the second
OF_INGEST, OF_OTHERS = "vdcast.params.formats", "vdcast.params.modes"
OF_NO_USE = {"ingest": {OF_OTHERS}, "quality": {OF_INGEST, OF_OTHERS}}  # to any other, what is of `ingest`
PRINTING = ("quality", "prepare", "evaluate", "compare", "report")  # in the language of `report.language`
SAID = (
    "vdcast.language"  # the others keep key and figures of what they say, and say it in English to a terminal
)


def code_of(stage: str) -> list[str]:
    deps = STAGES[stage].get("do", STAGES[stage])["deps"]
    models = [dep.replace(MODEL, model) for dep in deps for model in ("lstm", "xlstm")]
    return sorted({dep for dep in models if dep.startswith("src/")})


def lies_in(module: str, deps: list[str]) -> bool:
    return any((ROOT / dep) in (path := modules()[module], *path.parents) for dep in deps)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_code_it_reaches(stage):
    code = {each for each in reached(members(stage)) if modules()[each].read_text("utf-8").strip()}
    needed = code - NO_NUMBERS - OF_NO_USE.get(stage, {OF_INGEST})
    needed -= set() if stage in PRINTING else {SAID}
    missing = sorted(each for each in needed if not lies_in(each, code_of(stage)))
    assert not missing, f"dvc.yaml: {stage} reaches {missing} without depending on it"


def params_of(stage: str) -> list[str]:
    """As dvc.yaml lists them; all of params.yaml is named as that."""
    return [
        each if isinstance(each, str) else next(iter(each))
        for each in STAGES[stage].get("do", STAGES[stage])["params"]
    ]


def test_another_language_is_printed_and_nothing_is_trained():
    assert (
        tuple(stage for stage in STAGES if {"report.language", "params.yaml"} & {*params_of(stage)})
        == PRINTING
    )
    assert [stage for stage in STAGES if "report" in params_of(stage)] == []


@pytest.mark.parametrize("stage", PRINTING)
def test_a_stage_that_prints_depends_on_the_sentences(stage):
    """They lie in the packages that say them, and what stands between them in one of their own."""
    said = {path.parent for path in (SRC / "vdcast").glob("*/sentences.toml")}
    keys = {
        word
        for module in reached(members(stage))
        for word in re.findall(r'"(\w+)\.\w', modules()[module].read_text("utf-8"))
    }
    needed = [folder for folder in said if folder.name in keys and folder.name not in {*STAGES} - {stage}]
    assert SRC / "vdcast/language" in needed
    assert [folder for folder in needed if str(folder.relative_to(ROOT)) not in code_of(stage)] == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_no_other_code(stage):
    """Or it would run again for nothing."""
    needed = reached(members(stage))
    idle = [dep for dep in code_of(stage) if not any(lies_in(module, [dep]) for module in needed)]
    assert not idle, f"dvc.yaml: {stage} depends on {idle} and reaches nothing there"


def sections_used(stage: str) -> set[str]:
    """Attributes of what is named ``settings``, or of what ``params.load()`` returns."""
    return {
        node.attr
        for module in reached(members(stage)) - NO_NUMBERS
        for node in ast.walk(ast.parse(modules()[module].read_text("utf-8")))
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value) in ("settings", "self.settings", "params.load()")
    }


def test_a_stage_uses_those_settings_alone_whose_defaults_it_depends_on():
    """``max_speed`` stands in params/formats.py, on which `ingest` depends and no other stage."""
    used = {stage: sections_used(stage) for stage in STAGES}
    assert "data" in used["ingest"] and "modes" not in used["ingest"]
    assert "modes" in used["train"]
    assert not [stage for stage in STAGES if stage != "ingest" and "data" in used[stage]]


def constants(tree: ast.Module) -> set[str]:
    """Names that a module, or a class in it, binds to a number, or to a collection that holds one."""
    bodies = [tree.body, *(node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]
    return {
        ast.unparse(target)
        for node in (node for body in bodies for node in body)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if holds_number(node.value)
    }


def holds_number(value: ast.expr) -> bool:
    match value:
        case ast.Constant():
            return isinstance(value.value, int | float) and not isinstance(value.value, bool)
        case ast.UnaryOp():
            return holds_number(value.operand)
        case ast.BinOp():
            return holds_number(value.left) or holds_number(value.right)
        case ast.List() | ast.Tuple() | ast.Set():
            return any(map(holds_number, value.elts))
        case ast.Dict():
            return any(map(holds_number, value.values))
        case _:
            return False


@pytest.mark.parametrize("module", sorted(NO_NUMBERS))
def test_what_no_stage_depends_on_decides_no_number(module):
    tree = ast.parse(modules()[module].read_text("utf-8"))
    assert constants(tree) == SECONDS.get(module, set())
    for name in (node.name for node in tree.body if isinstance(node, ast.ClassDef)):
        section = getattr(__import__(module, fromlist=[name]), name)
        if issubclass(section, pydantic.BaseModel):
            defaults = [key for key, field in section.model_fields.items() if not field.is_required()]
            assert not defaults, f"{module}.{name} has a default for {defaults}"


def test_every_run_is_an_artifact_of_its_name():
    document = yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))
    runs = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))["runs"]
    assert document["artifacts"] == {run: {"type": "model", "path": f"runs/{run}/model.pt"} for run in runs}


def test_a_number_is_found_where_it_stands():
    source = "A = 0.5\nB = [1]\nC: int = -3\nD = 'x'\nE = {'k': (2,)}\nclass F:\n    g = 1 << 4\n    h: int\nI = True"
    assert constants(ast.parse(source)) == {"A", "B", "C", "E", "g"}


def test_nothing_but_the_name_of_a_run_or_mode_is_put_into_a_command():
    """A shell runs the commands; params refuses a name that holds more than letters, digits, '_' and '-'."""
    for name, stage in STAGES.items():
        commands = stage.get("do", stage)["cmd"]
        for command in [commands] if isinstance(commands, str) else commands:
            assert re.findall(r"\$\{(.*?)\}", command) in ([], ["key"]), f"{name}: {command}"
    named = {stage["foreach"] for stage in STAGES.values() if "foreach" in stage}
    assert named == {"${runs}", "${comparisons}", "${controls}"}


@pytest.fixture(scope="module")
def repo(tmp_path_factory):
    """A project in which, to DVC, every stage is done: the code and settings as they are, and files of no content."""
    from dvc.repo import Repo

    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "src/vdcast", folder / "src/vdcast", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "params.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, folder / name)
    with contextlib.chdir(folder), Repo.init(".", no_scm=True) as repo:
        outs = [out.fs_path for stage in repo.index.stages for out in stage.outs]
        deps = [dep.fs_path for stage in repo.index.stages for dep in stage.deps]
        for path in map(Path, [*outs, *deps]):
            if not any(each.startswith(f"{path}{os.sep}") for each in outs) and not path.exists():
                file = path if path.suffix else path / "file"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(str(path), "utf-8")
        repo.commit(force=True)
    with contextlib.chdir(folder), Repo() as repo:
        yield repo


def reruns(repo) -> set[str]:
    """What `dvc repro` would run: stages of which an input is not that of dvc.lock, and all that follow them."""
    graph = repo.index.graph
    with repo.lock:
        stale = [stage for stage in graph if stage.changed_stage() or stage.changed_deps()]
    return {each.addressing for stage in stale for each in {stage, *networkx.ancestors(graph, stage)}}


def file_with(pattern: str) -> str:
    """The one module in which a line of that ``pattern`` stands."""
    found = [
        path for path in modules().values() if re.search(pattern, path.read_text("utf-8"), flags=re.MULTILINE)
    ]
    assert len(found) == 1, f"{pattern}: {found}"
    return str(found[0].relative_to(ROOT))


ALL = set(STAGES)
TRAINED = ("train", "evaluate", "compare", "control", "report")


@pytest.mark.parametrize(
    ("file", "wanted", "not_of"),
    [
        ("src/vdcast/quality/words.py", {"quality", "report"}, None),
        ("src/vdcast/report/page.py", {"report"}, None),
        ("src/vdcast/report/templates", {"report"}, None),
        ("src/vdcast/compare/findings.py", {"compare", "report"}, None),
        ("src/vdcast/differences/components.py", {"compare", "control", "report"}, None),
        ("src/vdcast/evaluate/__main__.py", {*TRAINED} - {"train"}, None),
        ("src/vdcast/baselines/naive.py", ALL - {"ingest", "quality", "prepare", "train"}, None),
        ("src/vdcast/models/lstm/encoder.py", set(TRAINED), "xlstm"),
        ("src/vdcast/models/xlstm/slstm.py", set(TRAINED), "lstm"),
        ("src/vdcast/train/loss.py", set(TRAINED), None),
        (r"^    max_speed: Rate = ", ALL, None),
        (r"^LATENCY_BATCH = ", {*TRAINED} - {"train"}, None),
        (r"^    def vd_indices\(self, mode", ALL - {"ingest", "quality"}, None),
        ("src/vdcast/machines/on_ray.py", set(), None),
        ("src/vdcast/commands/verdict.py", set(), None),
        ("src/vdcast/params/words.py", set(), None),
    ],
)
def test_a_changed_file_reruns_what_it_decides_and_no_more(repo, file, wanted, not_of):
    path = Path(repo.root_dir) / (file if file.startswith("src/") else file_with(file))
    path = next(path.iterdir()) if path.is_dir() else path
    before = path.read_bytes()
    path.write_bytes(before + b"\n# changed\n")
    try:
        found = reruns(repo)
    finally:
        path.write_bytes(before)
    stages = {name.partition("@")[0] for name in found}
    assert wanted <= stages
    if file != r"^LATENCY_BATCH = ":  # it stands among the scores, of which the baselines are made too
        assert stages == wanted
    if not_of:
        assert not [name for name in found if re.match(rf"(train|evaluate)@{not_of}-", name)]


def test_nothing_is_stale_before_a_change(repo):
    assert reruns(repo) == set()


@contextlib.contextmanager
def settings_after(repo, change):
    """Once ``change`` has been at the settings."""
    path = Path(repo.root_dir) / "params.yaml"
    before = path.read_text("utf-8")
    document = yaml.safe_load(before)
    change(document)
    path.write_text(yaml.safe_dump(document), "utf-8")
    try:
        yield
    finally:
        path.write_text(before, "utf-8")


def with_runs(repo, change) -> tuple[set[str], set[str]]:
    """All stages, and those that `dvc repro` would run, once ``change`` has been at the settings."""
    from dvc.repo import Repo

    with settings_after(repo, change), Repo() as anew:
        return {stage.addressing for stage in anew.index.stages}, reruns(anew)


def add_a_run(document):
    document["runs"]["lstm-wider"] = {"model": "lstm", "mode": "multi_vd", "hidden_size": 256}


def test_a_new_run_is_trained_and_evaluated_beside_the_others(repo):
    _, found = with_runs(repo, add_a_run)
    assert found == {"train@lstm-wider", "evaluate@lstm-wider", "report"}


def test_what_would_run_is_named_though_its_inputs_are_not_made(repo):
    """Where `dvc repro --dry` ends in Errno 2."""
    assert would_run([]) == []
    with settings_after(repo, add_a_run):
        assert would_run([]) == ["train@lstm-wider", "evaluate@lstm-wider", "report"]
        assert would_run(["evaluate@lstm-wider"]) == ["train@lstm-wider", "evaluate@lstm-wider"]
        assert would_run(["train@lstm-multi_vd"]) == []


def test_a_run_that_is_gone_is_compared_no_more(repo):
    def remove(document):
        del document["runs"]["xlstm-multi_vd"], document["comparisons"]["multi_vd"]

    stages, found = with_runs(repo, remove)
    assert found == {"report"}
    assert not stages & {"compare@multi_vd", "train@xlstm-multi_vd"} and "train@lstm-multi_vd" in stages


def test_without_controls_nothing_is_laid_beside_one(repo):
    stages, found = with_runs(repo, lambda document: document.update(controls={}))
    assert found == {"report"} and not [each for each in stages if each.startswith("control")]


def test_a_control_reads_its_two_runs_and_no_other(repo):
    (one,) = [stage for stage in repo.index.stages if stage.addressing == "control@lstm-global_multi_vd"]
    runs = {Path(dep.def_path).parts[1] for dep in one.deps if dep.def_path.startswith("runs")}
    assert runs == {"lstm-global_multi_vd", "lstm-independent_multi_vd"}
