"""`dvc repro` after a training was killed, and after something changed under it."""

import os
import signal
import subprocess

import pytest

from tests.pipeline.conftest import placed, stages_run
from tests.stopping import Stopping, kill
from vdcast.train import scratch

pytestmark = pytest.mark.slow

RUN = "lstm-multi_vd"
MODEL = f"runs/{RUN}/model.pt"


@pytest.fixture
def clone(prepared, tmp_path):
    """A copy of a clone in which nothing is trained."""
    return prepared.copy(tmp_path / "clone")


def trained(clone, run: str = RUN) -> bytes:
    return (clone.path / "runs" / run / "model.pt").read_bytes()


@pytest.mark.parametrize("run", [RUN, "lstm-social"])
def test_a_killed_training_goes_on_and_ends_as_if_nothing_had_happened(clone, tmp_path, run):
    """Both dvc and the training are killed, after the first of two epochs of the first of two stacks."""
    other = (placed(clone) if run != RUN else clone).copy(tmp_path / "uninterrupted")
    stop = Stopping(tmp_path / "stop", "after", ".state")
    dvc = stop.start(["dvc", "repro", f"train@{run}"], clone.path, clone.env)
    os.kill(stop.stopped, signal.SIGKILL)
    os.killpg(dvc.pid, signal.SIGKILL)
    dvc.wait()
    output = clone.run("dvc", "repro", f"train@{run}")
    assert f"{run}: goes on from .scratch/train/{run}/" in output and "(stacks: 0 trained, 1 begun)" in output
    assert stages_run(output) == {f"train@{run}"}
    other.repro(f"train@{run}")
    assert trained(clone, run) == trained(other, run)
    assert "up to date" in clone.run("dvc", "status", f"train@{run}")


def test_what_was_trained_before_dvc_died_is_not_trained_again(clone, tmp_path):
    stop = Stopping(tmp_path / "stop", "after", "model.pt")
    dvc = stop.start(["dvc", "repro", f"train@{RUN}"], clone.path, clone.env)
    before = trained(clone)
    os.kill(stop.stopped, signal.SIGKILL)
    os.killpg(dvc.pid, signal.SIGKILL)
    dvc.wait()
    output = clone.run("dvc", "repro", f"train@{RUN}")
    assert "(stacks: 2 trained, 0 begun)" in output and trained(clone) == before


@pytest.mark.parametrize("change", ["settings", "data", "code"])
def test_a_change_starts_afresh(clone, tmp_path, change):
    stop = Stopping(tmp_path / "stop", "after", ".state")
    dvc = stop.start(["dvc", "repro", f"train@{RUN}"], clone.path, clone.env)
    os.kill(stop.stopped, signal.SIGKILL)
    os.killpg(dvc.pid, signal.SIGKILL)
    dvc.wait()
    if change == "settings":
        clone.set({"lstm": {"dropout": 0.25}})
    elif change == "data":
        clone.set({"prepare": {"split": [0.5, 0.3, 0.2]}})
    else:
        with (clone.path / "src/vdcast/train/loop.py").open("a", encoding="utf-8") as file:
            file.write("# changed\n")
    output = clone.run("dvc", "repro", f"train@{RUN}")
    assert "goes on" not in output
    assert len(list((clone.path / ".scratch/train" / RUN).iterdir())) == 1, "the old key is removed"


def test_settings_changed_under_a_training_are_not_recorded_with_it(clone, tmp_path):
    stop = Stopping(tmp_path / "stop", "after", ".state")
    training = stop.start(["python", "-m", "vdcast.train", RUN], clone.path, clone.env)
    clone.run("true")
    kill(training)
    before = (clone.path / "params.yaml").read_text("utf-8")
    # goes on from there, and meets the change when it is through
    second = Stopping(tmp_path / "second", "after", "1.fitted")
    log = tmp_path / "log"
    with log.open("w") as file:
        process = second.start(["python", "-m", "vdcast.train", RUN], clone.path, clone.env, stderr=file)
        clone.set({"lstm": {"dropout": 0.25}})
        second.release()
        assert process.wait() == 1
    assert (
        log.read_text("utf-8")
        .splitlines()[-1]
        .startswith(
            f"vdcast: settings, data or code of run {RUN} changed while it trained, so runs/{RUN} was not written; "
        )
    )
    assert not (clone.path / MODEL).exists()
    (clone.path / "params.yaml").write_text(before, "utf-8")
    assert "(stacks: 2 trained, 0 begun)" in clone.run("dvc", "repro", f"train@{RUN}")


def test_one_run_has_one_writer_and_settings_are_looked_at_last(clone, tmp_path):
    """As when a torchrun and a plain training of it end at once, under keys of their own."""
    with scratch.held(clone.path / ".scratch/writing" / RUN):
        training = subprocess.Popen(
            ["python", "-m", "vdcast.train", RUN], cwd=clone.path, env=clone.env, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert any(f"'.scratch/writing/{RUN}' is in use" in line for line in training.stderr)
        assert not (clone.path / MODEL).exists()
        clone.set({"lstm": {"dropout": 0.25}})
    _, said = training.communicate()
    assert training.returncode == 1
    assert said.splitlines()[-1].startswith(
        f"vdcast: settings, data or code of run {RUN} changed while it trained"
    )
    assert not (clone.path / MODEL).exists()


REPLACED = """
import sys
from vdcast.data import store
from vdcast.train.__main__ import main

def read(path, original=store.read_prepared, **parts):
    prepared = original(path, **parts)
    with open(path, "ab") as file:
        file.write(b"other data")
    return prepared

store.read_prepared = read
sys.argv = ["train", *sys.argv[1:]]
main()
"""


@pytest.mark.parametrize("share", [(), ("--share", "1/2")])
def test_data_replaced_while_they_are_read_are_not_trained_under_the_key_of_others(clone, share):
    output = clone.run("python", "-c", REPLACED, RUN, *share, fails=True)
    assert output == (
        f"vdcast: settings, data or code of run {RUN} changed while it began, so nothing was trained; give the same "
        "command again\n"
    )
    assert not (clone.path / ".scratch/train").exists()


def test_two_trainings_at_once_wait_for_each_other(clone, tmp_path):
    stop = Stopping(tmp_path / "stop", "after", ".state")
    first = stop.start(["python", "-m", "vdcast.train", RUN], clone.path, clone.env)
    second = subprocess.Popen(
        ["python", "-m", "vdcast.train", RUN], cwd=clone.path, env=clone.env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert "the same training is under way in another process; waiting" in second.stderr.readline()
    stop.release()
    assert first.wait() == 0
    output, _ = second.communicate()
    assert second.returncode == 0 and "(stacks: 2 trained, 0 begun)" in output


def test_shares_are_trained_into_the_scratch_folder_alone(clone, prepared, tmp_path):
    for share in ("1/2", "2/2"):
        output = clone.run("python", "-m", "vdcast.train", RUN, "--share", share)
        assert f"share {share}, 1 of 2 stacks, trained into .scratch/train/{RUN}/" in output
    assert not (clone.path / "runs").exists()
    assert "(stacks: 2 trained, 0 begun)" in clone.run("dvc", "repro", f"train@{RUN}")
    other = prepared.copy(tmp_path / "uninterrupted")
    other.repro(f"train@{RUN}")
    assert trained(clone) == trained(other)
    assert "'3/2' is not I/N with I from 1 to N" in clone.run(
        "python", "-m", "vdcast.train", RUN, "--share", "3/2", fails=True
    )
