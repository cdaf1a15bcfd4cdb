"""The scheduler files under docs/: their own commands, run as the scheduler would, in temporary clones."""

import pytest
import yaml

from tests.pipeline.conftest import ROOT, stages_run
from tests.pipeline.test_job import MERE_MORTAL, make_origin

pytestmark = pytest.mark.slow

SLURM = "docs/slurm.sh"
WORKFLOW = yaml.safe_load((ROOT / "docs/github-actions.yml").read_text("utf-8"))
RUN = "lstm-single_vd"


@pytest.fixture
def pushed(prepared, tmp_path):
    folder = [["remote", "add", "-d", "shared", str(tmp_path / "remote")]]
    return make_origin(prepared, folder, tmp_path / "pushed")


def test_a_slurm_task_trains_the_run_of_its_number(pushed, tmp_path):
    pushed.run("bash", "-n", SLURM)
    listed = pushed.run("dvc", "stage", "list", "--name-only", "train").split()
    number = listed.index(f"train@{RUN}") + 1
    output = pushed.run("env", f"SLURM_ARRAY_TASK_ID={number}", f"TMPDIR={tmp_path}", "bash", SLURM)
    assert stages_run(output) == {f"train@{RUN}"}
    assert not (pushed.path / "runs" / RUN / "model.pt").exists(), "trained in a clone of its own"
    assert not list(tmp_path.glob("tmp.*")), "which is gone"
    assert pushed.repro("--pull", f"train@{RUN}") == set()


def test_a_slurm_task_keeps_what_the_remote_did_not_take(pushed, tmp_path):
    """The remote takes the probe, and no result."""
    for folder in [files := tmp_path / "remote/files", *files.rglob("*/")]:
        folder.chmod(0o555)
    listed = pushed.run("dvc", "stage", "list", "--name-only", "train").split()
    number = listed.index(f"train@{RUN}") + 1
    setting = (f"SLURM_ARRAY_TASK_ID={number}", f"TMPDIR={tmp_path}")
    output = pushed.run(*MERE_MORTAL, "env", *setting, "bash", SLURM, fails=True)
    (kept,) = tmp_path.glob("tmp.*")
    last = output.splitlines()[-1]
    assert f"train@{RUN} is finished, but the remote 'shared' did not take it" in last and str(kept) in last
    assert (kept / "runs" / RUN / "model.pt").exists()


def commands(job: str) -> list[dict]:
    return [
        step for step in WORKFLOW["jobs"][job]["steps"] if "run" in step and "pip install" not in step["run"]
    ]


def test_the_workflow_lists_every_run_and_trains_one_of_them(pushed, tmp_path):
    prepare, train = WORKFLOW["jobs"]["prepare"], WORKFLOW["jobs"]["train"]
    written = tmp_path / "output"
    for step in commands("prepare"):
        pushed.run("env", f"GITHUB_OUTPUT={written}", "bash", "-euo", "pipefail", "-c", step["run"])
    name, _, value = written.read_text("utf-8").partition("=")
    assert name in prepare["outputs"] and "steps.list.outputs.targets" in prepare["outputs"][name]
    targets = yaml.safe_load(value)
    assert targets == pushed.run("dvc", "stage", "list", "--name-only", "train").split()

    assert train["needs"] == "prepare" and train["env"] == {"TARGET": "${{ matrix.target }}"}
    assert train["strategy"]["matrix"]["target"] == "${{ fromJSON(needs.prepare.outputs.targets) }}"
    clone = pushed.copy(tmp_path / "machine")
    (step,) = commands("train")
    output = clone.run("env", f"TARGET=train@{RUN}", "bash", "-euo", "pipefail", "-c", step["run"])
    assert stages_run(output) == {f"train@{RUN}"}
    assert next(step["run"] for step in commands("report")) == "vdcast job report"
