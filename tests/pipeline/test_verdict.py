"""`vdcast verdict` on real revisions, experiments and a lost cache, in a small repository.

The stage `report` stands in for the pipeline: it writes a summary whose figures are parameters, and forecasts to go with it.
"""

import shutil

import pytest

from tests.pipeline.conftest import ROOT, Clone

pytestmark = pytest.mark.slow

STAGE = """
from pathlib import Path

import numpy as np
import yaml

from tests.commands.test_verdict import summary
from tests.forecasts.small import predictions
from vdcast.forecasts import store
from vdcast.records import io

mae = yaml.safe_load(open("params.yaml"))["mae"]
status, better = ("better", "xLSTM") if mae < 2 else ("undecided", None)
io.write(Path("reports/summary.json"), summary(status, better, mae=mae))
rng = np.random.default_rng(0)
observed, error = rng.uniform(50, 100, (240, 1, 2)), rng.gamma(9, size=(2, 240, 1, 2))
for model, off in {"lstm": error, "xlstm": error * mae}.items():
    path = Path(f"runs/{model}-multi_vd/predictions.h5")
    path.parent.mkdir(parents=True, exist_ok=True)
    store.write_predictions(path, predictions(observed + off, observed))
"""


def params(mae: float) -> str:
    return f"mae: {mae}\ncomparisons: {{multi_vd: {{lstm: lstm-multi_vd, xlstm: xlstm-multi_vd}}}}\n"


@pytest.fixture
def project(tmp_path) -> Clone:
    clone = Clone(tmp_path)
    (tmp_path / "reports").mkdir()
    (tmp_path / "params.yaml").write_text(params(2.0))
    (tmp_path / "make.py").write_text(STAGE)
    for name in ("src", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".gitignore").write_text("/src\n/tests\n")
    clone.run("git", "init", "-q", "-b", "main")
    clone.run("dvc", "init", "-q")
    clone.run(
        "dvc",
        "stage",
        "add",
        "-q",
        "-n",
        "report",
        "-p",
        "mae",
        "-o",
        "reports/summary.json",
        "-o",
        "runs",
        "python make.py",
    )
    clone.run("dvc", "repro", "-q")
    clone.commit("first results")
    return clone


def verdict(clone: Clone, *revisions: str, fails: bool = False) -> str:
    return clone.run("python", "-m", "vdcast", "verdict", *revisions, fails=fails).strip()


def test_the_last_commit_against_the_workspace(project):
    assert "- `multi_vd`: Undecided: 0.10. (as before)" in verdict(project)
    (project.path / "params.yaml").write_text(params(1.5))
    project.run("dvc", "repro", "-q")
    text = verdict(project)
    assert text.startswith("### Verdict: `HEAD` to `workspace`")
    assert "- `multi_vd`: **changed**" in text
    assert "| LSTM | 2.500 | 0 | none | the same forecasts |" in text
    # 1.5 against 2: 2 * -0.5 / 3.5 at either VD, whatever the day
    assert "| xLSTM | 2.000 to 1.500 | -25.0% | -28.6 %, 95 % interval -" in text and "| better |" in text


def test_two_revisions_and_an_experiment(project):
    project.run("dvc", "exp", "run", "-q", "-n", "larger", "-S", "mae=1.0")
    assert "2.000 to 1.000" in verdict(project, "main", "larger")
    project.commit("second")
    assert "2.000 to 1.000" in verdict(project, "HEAD~1", "HEAD")
    assert "1.000 to 2.000" in verdict(project, "HEAD", "HEAD~1")


def test_mistakes_are_one_sentence(project):
    said = verdict(project, "nowhere", fails=True)
    assert said == "vdcast: no revision or experiment 'nowhere'; `git log` and `dvc exp show` list them"
    (project.path / "params.yaml").write_text(params(1.5))
    project.run("dvc", "repro", "-q")
    shutil.rmtree(project.path / ".dvc/cache")
    said = verdict(project, fails=True)
    assert said.startswith("vdcast: no reports/summary.json at HEAD; ") and "\n" not in said
    assert said.endswith("fetch what somebody pushed with `dvc fetch --all-commits report`")
    (project.path / "reports/summary.json").write_text("{")
    said = verdict(project, "workspace", fails=True)
    assert said.startswith("vdcast: reports/summary.json here is damaged") and "\n" not in said
    (project.path / "reports/summary.json").write_text(
        '{"verdict": {"overall": {"words": "of an older vdcast"}}}'
    )
    said = verdict(project, "workspace", fails=True)
    assert said.startswith("vdcast: reports/summary.json here is of another version of vdcast (")
    assert "\n" not in said


def test_before_the_first_result(project):
    project.run("git", "rm", "-q", "--cached", "dvc.lock")
    (project.path / "dvc.lock").unlink()
    (project.path / "reports/summary.json").unlink()
    project.commit("no results")
    said = verdict(project, fails=True)
    assert (
        said.startswith("vdcast: no reports/summary.json at HEAD; make it with `dvc repro report`")
        and "\n" not in said
    )


def test_outside_of_a_repository(tmp_path):
    (tmp_path / "src").symlink_to(ROOT / "src")
    said = verdict(Clone(tmp_path), fails=True)
    assert said.startswith("vdcast: ") and "\n" not in said and "dvc.yaml" in said
