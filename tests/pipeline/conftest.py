"""A temporary clone of the working tree with small settings, and real `dvc` commands in it."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

ROOT = Path(__file__).parents[2]

MODES = ("single_vd", "multi_vd")  # of what a clone compares: a third one would show nothing new about DVC
APART = "lstm-independent_multi_vd"  # several stacks of copies, compared with nothing
RUNS = (*(f"{model}-{mode}" for model in ("lstm", "xlstm") for mode in MODES), APART)
_PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
SMALL = {
    "train": {"epochs": 2, "patience": 2, "seeds": [0, 1]},
    "lstm": {"hidden_size": 8, "num_layers": 1, "batch_size": 128},
    "xlstm": {"embedding_dim": 16, "num_blocks": 2, "slstm_at": [1], "num_heads": 2, "batch_size": 128},
    "modes": {"multi_vd": {"num_vds": 3}}
    | {mode: {"num_vds": 2} for mode in ("independent_multi_vd", "global_multi_vd", "social")},
    "runs": dict.fromkeys(_PARAMS["runs"])  # None: not this one
    | {name: dict(zip(("model", "mode"), name.split("-"), strict=True)) for name in RUNS},
    "comparisons": dict.fromkeys(_PARAMS["comparisons"])
    | {mode: _PARAMS["comparisons"][mode] for mode in MODES},
    "controls": dict.fromkeys(_PARAMS["controls"]),
}


@dataclass(frozen=True)
class Clone:
    """A git and DVC repository in ``path``."""

    path: Path

    @property
    def env(self) -> dict[str, str]:
        return os.environ | {
            "PYTHONPATH": str(self.path / "src"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
            "DVC_NO_ANALYTICS": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "COLUMNS": "200",
        }

    def copy(self, path: Path, remote: list[list[str]] = ()) -> "Clone":
        """The same at ``path``, DVC's cache and all, with the `dvc` commands of ``remote`` run there."""
        copy = Clone(shutil.copytree(self.path, path, symlinks=True))
        copy.use(remote)
        return copy

    def use(self, remote: list[list[str]]) -> None:
        for command in remote:
            self.run("dvc", *command)

    def run(self, *command: str, fails: bool = False) -> str:
        """What ``command`` printed. Asserts that it succeeded, or failed where that is expected."""
        done = subprocess.run(
            command, cwd=self.path, env=self.env, capture_output=True, text=True, check=False
        )
        output = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, f"{' '.join(command)} exited {done.returncode}:\n{output}"
        return output

    def repro(self, *arguments: str) -> set[str]:
        """The stages that `dvc repro` really ran."""
        return stages_run(self.run("dvc", "repro", *arguments))

    def commit(self, message: str) -> None:
        self.run("git", "add", "-A")
        self.run("git", "-c", "user.name=t", "-c", "user.email=t@t.invalid", "commit", "-qm", message)

    def set(self, changes: dict) -> None:
        """Lay ``changes`` over params.yaml."""
        path = self.path / "params.yaml"
        path.write_text(
            yaml.safe_dump(merged(yaml.safe_load(path.read_text("utf-8")), changes), sort_keys=False), "utf-8"
        )


def placed(clone: Clone) -> Clone:
    """``clone`` with detectors some hundred metres apart, prepared, and with runs whose weights these share."""
    names = (clone.path / "data/raw/sample_counts.csv").read_text("utf-8").splitlines()[0].split(",")[1:]
    rows = (f"{name},{121 + 0.003 * i},25" for i, name in enumerate(names))
    (clone.path / "data/raw/places.csv").write_text("\n".join(["name,lon,lat", *rows]), "utf-8")
    runs = {f"lstm-{mode}": {"model": "lstm", "mode": mode} for mode in ("global_multi_vd", "social")}
    clone.set(
        {
            "data": {"raw": "data/raw", "files": "sample_counts.csv", "vd_list": "places.csv"},
            "modes": {mode: {"num_vds": 3} for mode in ("global_multi_vd", "social")},
            "runs": runs,
        }
    )
    clone.repro("prepare")
    clone.commit("detectors have places")
    return clone


def stages_run(output: str) -> set[str]:
    return set(re.findall(r"Running stage '([^']+)'", output))


def merged(base: dict, changes: dict) -> dict:
    """``changes`` laid over ``base``, section by section; a run's line is replaced as a whole, and gone where None."""
    result = dict(base)
    for key, value in changes.items():
        inner = isinstance(value, dict) and isinstance(result.get(key), dict) and "model" not in value
        result[key] = merged(result[key], value) if inner else value
    return {key: value for key, value in result.items() if value is not None or key not in changes}


def make_clone(path: Path, changes: dict = SMALL) -> Clone:
    """The tracked and the new files of the working tree, committed, with ``changes`` in params.yaml."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True
    )
    for name in listed.stdout.decode().split("\0"):
        source = ROOT / name
        if name and source.is_file() and not name.startswith(("tests/", "dvc.lock")):
            target = path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    clone = Clone(path)
    clone.run("git", "init", "-q", "-b", "main")
    clone.set(changes)
    clone.commit("a clone")
    return clone


@pytest.fixture(scope="session")
def fresh(tmp_path_factory) -> Clone:
    """A clone in which nothing has run; a test that runs something takes a copy."""
    return make_clone(tmp_path_factory.mktemp("fresh"))


@pytest.fixture(scope="module")
def prepared(fresh, tmp_path_factory) -> Clone:
    """A clone in which `dvc repro prepare` ran and its lock file is committed."""
    clone = fresh.copy(tmp_path_factory.mktemp("prepared") / "clone")
    clone.repro("prepare")
    clone.commit("prepared")
    return clone


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id) -> Clone:
    """A clone in which `dvc repro` ran once and its lock file is committed; of several workers the first makes it."""
    here = tmp_path_factory.getbasetemp()
    made = Clone((here if worker_id == "master" else here.parent) / "made")
    with FileLock(f"{made.path}.lock"):
        if not made.path.exists():
            clone = make_clone(made.path.with_name("making"))
            clone.run("dvc", "repro")
            clone.commit("first results")
            clone.path.rename(made.path)
    return made.copy(here / "finished")
