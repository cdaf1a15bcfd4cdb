"""Many machines as clones that share nothing but a DVC remote: a folder, or S3 (moto's server on loopback)."""

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

from tests.pipeline import s3
from tests.pipeline.conftest import Clone, stages_run
from tests.stopping import Stopping

pytestmark = pytest.mark.slow

RUN = "lstm-single_vd"
JOB = ("vdcast", "job")
# who may not write where nobody may
MERE_MORTAL = ("setpriv", "--bounding-set=-dac_override") if os.getuid() == 0 else ()


@pytest.fixture(scope="module")
def server():
    with s3.server() as running:
        yield running


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "root")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


def on_s3(url: str, prefix: str) -> list[list[str]]:
    return [
        ["remote", "add", "-d", "-f", "shared", f"s3://{s3.Server.bucket}/{prefix}"],
        ["remote", "modify", "shared", "endpointurl", url],
    ]


@pytest.fixture
def origin(prepared, server, tmp_path) -> Clone:
    """What the others clone: the remote is set, `prepare` is done and pushed, its lock file committed."""
    return make_origin(prepared, on_s3(server.url, tmp_path.name), tmp_path / "origin")


def make_origin(prepared: Clone, remote: list[list[str]], path: Path) -> Clone:
    origin = prepared.copy(path, remote)
    origin.run(*JOB, "prepare")
    origin.commit("prepared")
    return origin


def clone_of(origin: Clone, path) -> Clone:
    origin.run("git", "clone", "-q", str(origin.path), str(path))
    return Clone(path)


def test_each_run_is_trained_in_a_clone_of_its_own_and_none_of_them_twice(origin, tmp_path):
    for name in ("lstm-single_vd", "lstm-multi_vd"):
        clone = clone_of(origin, tmp_path / name)
        (clone.path / "data/raw/sample_counts.csv").unlink()  # raw files need not be on every machine
        assert stages_run(clone.run(*JOB, f"train@{name}")) == {f"train@{name}"}
    collector = clone_of(origin, tmp_path / "collector")
    assert collector.repro("--pull", "train@lstm-single_vd", "train@lstm-multi_vd") == set()
    for name in ("lstm-single_vd", "lstm-multi_vd"):
        model = (collector.path / "runs" / name / "model.pt").read_bytes()
        assert model == (tmp_path / name / "runs" / name / "model.pt").read_bytes()


@pytest.fixture
def known(finished, tmp_path) -> Clone:
    """A repository whose dvc.lock has every result, as when it was committed after `dvc repro`, and an empty remote."""
    remote = [["remote", "add", "-d", "shared", str(tmp_path / "remote")]]
    origin = finished.copy(tmp_path / "origin", remote)
    origin.commit("the remote")
    return origin


def test_what_dvc_lock_knows_and_the_remote_lacks_is_made(known, tmp_path):
    prepare = clone_of(known, tmp_path / "prepare")
    assert stages_run(prepare.run(*JOB, "prepare")) == {"ingest", "prepare"}
    machine = clone_of(known, tmp_path / "machine")
    (machine.path / "data/raw/sample_counts.csv").unlink()
    assert stages_run(machine.run(*JOB, f"train@{RUN}")) == {f"train@{RUN}"}
    again = clone_of(known, tmp_path / "again")
    assert stages_run(again.run(*JOB, f"train@{RUN}")) == set()
    for name in ("model.pt", "training.json", "metrics.json"):
        made = (machine.path / "runs" / RUN / name).read_bytes()
        assert made == (again.path / "runs" / RUN / name).read_bytes()


def test_a_training_without_prepared_data_anywhere_makes_them_first(known, tmp_path):
    machine = clone_of(known, tmp_path / "machine")
    assert stages_run(machine.run(*JOB, f"train@{RUN}")) == {"ingest", "prepare", f"train@{RUN}"}


def test_the_report_comes_from_the_remote_and_nothing_is_made_again(known, tmp_path):
    known.run("dvc", "push")
    reader = clone_of(known, tmp_path / "reader")
    assert stages_run(reader.run(*JOB, "report")) == set()
    for name in ("report.md", "index.html"):
        written = (known.path / "reports" / name).read_bytes()
        assert (reader.path / "reports" / name).read_bytes() == written


def test_a_folder_of_which_the_remote_lacks_a_file_is_made(known, tmp_path):
    """To `dvc status --cloud` it is there, as its list is."""
    known.run("dvc", "push", "prepare", "baselines")
    outs = yaml.safe_load((known.path / "dvc.lock").read_text("utf-8"))["stages"]["baselines"]["outs"]
    objects = tmp_path / "remote/files/md5"
    listing = objects / outs[0]["md5"][:2] / outs[0]["md5"][2:]
    name = json.loads(listing.read_text("utf-8"))[0]["md5"]
    (objects / name[:2] / name[2:]).unlink()
    machine = clone_of(known, tmp_path / "machine")
    assert stages_run(machine.run(*JOB, "baselines")) == {"baselines"}
    assert (objects / name[:2] / name[2:]).exists()


def test_a_stage_whose_code_changed_is_run_though_nobody_has_what_it_reads(known, tmp_path):
    known.run("dvc", "push", "train")
    machine = clone_of(known, tmp_path / "machine")
    with (machine.path / "src/vdcast/evaluate/run.py").open("a", encoding="utf-8") as file:
        file.write("# a change\n")
    target = f"evaluate@{RUN}"
    assert stages_run(machine.run(*JOB, target)) == {"ingest", "prepare", "baselines", target}
    assert (machine.path / f"runs/{RUN}/predictions.h5").exists()


def test_a_result_in_the_workspace_alone_is_made_again_and_uploaded(known, tmp_path):
    """Of what is gone from the cache `dvc push` only warns."""
    shutil.rmtree(known.path / ".dvc/cache")
    assert f"train@{RUN}" in stages_run(known.run(*JOB, f"train@{RUN}"))
    assert clone_of(known, tmp_path / "again").repro("--pull", f"train@{RUN}") == set()


def test_the_report_is_made_where_the_remote_has_only_some_of_what_it_needs(known, tmp_path):
    known.run("dvc", "push", "ingest", "prepare", "train", "baselines")
    reader = clone_of(known, tmp_path / "reader")
    stages = stages_run(reader.run(*JOB, "report"))
    assert "report" in stages and not any(
        stage.startswith(("ingest", "prepare", "train")) for stage in stages
    )
    assert (reader.path / "reports/index.html").exists()


def test_a_remote_that_nobody_answers_stops_the_job_before_any_work(fresh, tmp_path):
    clone = fresh.copy(tmp_path / "clone", on_s3(f"http://127.0.0.1:{s3.free_port()}", "x"))
    output = clone.run(*JOB, "prepare", fails=True)
    assert output.startswith(
        "vdcast: remote 'shared' cannot be written to, so nothing was run: Could not connect"
    )
    assert output.count("\n") == 1 and not (clone.path / "data/detectors.h5").exists()


def test_no_remote_is_said_in_one_sentence(fresh, tmp_path):
    output = fresh.copy(tmp_path / "clone").run(*JOB, "prepare", fails=True)
    assert output.startswith("vdcast: no DVC remote to share results through")
    assert "dvc remote add -d" in output and "Traceback" not in output


def test_a_bucket_that_may_only_be_read_stops_the_job_before_any_work(prepared, tmp_path, monkeypatch):
    with s3.server() as server:
        origin = make_origin(prepared, on_s3(server.url, "x"), tmp_path / "origin")
        for name, value in server.user("Get*", "List*").items():
            monkeypatch.setenv(name, value)
        clone = clone_of(origin, tmp_path / "clone")
        clone.run("dvc", "pull", "data/prepared.h5")
        output = clone.run(*JOB, f"train@{RUN}", fails=True)
    assert output.startswith("vdcast: remote 'shared' cannot be written to, so nothing was run: ")
    assert "denied" in output.lower() and output.count("\n") == 1
    assert not (clone.path / "runs" / RUN / "model.pt").exists()


def test_a_bucket_that_may_not_be_read_stops_the_job_before_any_work(prepared, tmp_path, monkeypatch):
    with s3.server() as server:
        origin = make_origin(prepared, on_s3(server.url, "x"), tmp_path / "origin")
        for name, value in server.user("Put*", "List*", "Delete*").items():
            monkeypatch.setenv(name, value)
        clone = clone_of(origin, tmp_path / "clone")
        output = clone.run(*JOB, f"train@{RUN}", fails=True)
    assert output.startswith("vdcast: remote 'shared' cannot be read, so nothing was run: ")
    assert output.count("\n") == 1 and not (clone.path / "data/prepared.h5").exists()
    assert clone.run("git", "status", "--short") == "", "nor is anything forgotten in dvc.lock"


def test_a_remote_that_dies_as_data_come_down_fails_the_job_and_a_second_one_goes_on(
    prepared, server, tmp_path
):
    origin = make_origin(prepared, on_s3(server.url, "down"), tmp_path / "origin")
    clone = clone_of(origin, tmp_path / "clone")
    line = s3.Line(server, last=b"GET /vdcast/down/files/")
    clone.use(on_s3(line.url, "down"))
    output = clone.run(*JOB, f"train@{RUN}", fails=True)
    assert line.cut and f"vdcast: train@{RUN} failed with exit status" in output.splitlines()[-1]
    assert stages_run(output) == set() and not (clone.path / "data/prepared.h5").exists()
    clone.use(on_s3(server.url, "down"))
    assert stages_run(clone.run(*JOB, f"train@{RUN}")) == {f"train@{RUN}"}


def test_a_folder_that_may_only_be_read_stops_the_job_before_any_work(prepared, tmp_path):
    folder = tmp_path / "remote"
    origin = make_origin(prepared, [["remote", "add", "-d", "shared", str(folder)]], tmp_path / "origin")
    clone = clone_of(origin, tmp_path / "clone")
    forbid_writing(folder)
    output = clone.run(*MERE_MORTAL, *JOB, f"train@{RUN}", fails=True)
    assert output.startswith("vdcast: remote 'shared' cannot be written to, so nothing was run: ")
    assert "Permission denied" in output and output.count("\n") == 1


def forbid_writing(folder: Path) -> None:
    for place in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        place.chmod(0o555)


def test_a_remote_that_takes_no_training_state_stops_no_training(prepared, tmp_path):
    """From the first epoch on its folder of scratch files cannot be written to; what has results can."""
    folder = tmp_path / "remote"
    origin = make_origin(prepared, [["remote", "add", "-d", "shared", str(folder)]], tmp_path / "origin")
    clone = clone_of(origin, tmp_path / "clone")
    stop, log = Stopping(tmp_path / "stop", "after", ".state"), tmp_path / "log"
    with log.open("w") as file:
        command = [*MERE_MORTAL, *JOB, f"train@{RUN}"]
        job = stop.start(command, clone.path, clone.env, stderr=file)
        forbid_writing(folder / "scratch")
        stop.release()
        assert job.wait() == 0, log.read_text("utf-8")
    said = [line for line in log.read_text("utf-8").splitlines() if line.startswith("vdcast: ")]
    assert len(said) == 1 and "'shared' does not take the training state now" in said[0]
    assert clone_of(origin, tmp_path / "collector").repro("--pull", f"train@{RUN}") == set()


def test_a_remote_that_dies_half_way_through_the_results(prepared, server, tmp_path):
    """The job that failed keeps its result and uploads it later; another clone finds no half of a result."""
    target = "train@lstm-multi_vd"
    origin = make_origin(prepared, on_s3(server.url, "half"), tmp_path / "origin")
    before = server.keys()
    failed, other = clone_of(origin, tmp_path / "failed"), clone_of(origin, tmp_path / "other")
    line = s3.Line(server, last=b"PUT /vdcast/half/files/")  # the run cache goes before the files
    failed.use(on_s3(line.url, "half"))
    output = failed.run(*JOB, target, fails=True)
    assert line.cut and any("/runs/" in key for key in server.keys() - before)
    assert f"{target} is finished, but the remote 'shared' did not take it" in output.splitlines()[-1]

    assert stages_run(other.run(*JOB, target)) == {target}
    failed.use(on_s3(server.url, "half"))
    assert stages_run(failed.run(*JOB, target)) == set(), "what was trained must not be trained again"
    collector = clone_of(origin, tmp_path / "collector")
    assert collector.repro("--pull", target) == set()
    models = [
        (clone.path / "runs/lstm-multi_vd/model.pt").read_bytes() for clone in (failed, other, collector)
    ]
    assert models[0] == models[1] == models[2]


def test_half_of_a_training_goes_on_in_another_clone(origin, tmp_path):
    """Two machines train a share each and are lost: what they kept is in the remote."""
    target = "train@lstm-independent_multi_vd"
    for share in ("1/2", "2/2"):
        lost = clone_of(origin, tmp_path / "lost")
        lost.run(*JOB, target, "--share", share)
        shutil.rmtree(lost.path)
    last, whole = clone_of(origin, tmp_path / "last"), clone_of(origin, tmp_path / "whole")
    assert "stacks: 2 trained, 0 begun" in last.run(*JOB, target)
    whole.repro("--pull", "--no-run-cache", target)
    model = "runs/lstm-independent_multi_vd/model.pt"
    assert (last.path / model).read_bytes() == (whole.path / model).read_bytes()
