"""A run of the pipeline trained by two processes that torchrun starts, and taken over by DVC."""

import json
import os
import signal

import pytest

from tests.pipeline.conftest import Clone, stages_run
from tests.stopping import Stopping

pytestmark = pytest.mark.slow

RUN = "lstm-multi_vd"
TORCHRUN = ("torchrun", "--standalone", "--nproc-per-node", "2", "-m", "vdcast.train", RUN)


def test_torchrun_trains_goes_on_after_a_kill_and_dvc_takes_the_result(fresh, tmp_path, monkeypatch):
    """The first rank is killed after its first epoch, so torchrun ends the second one."""
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    killed = fresh.copy(tmp_path / "killed", [["remote", "add", "-d", "shared", str(tmp_path / "remote")]])
    killed.repro("prepare")
    killed.commit("prepared")
    whole, alone = killed.copy(tmp_path / "whole"), killed.copy(tmp_path / "alone")

    stop = Stopping(tmp_path / "stop", "after", ".state")
    ranks = stop.start(TORCHRUN, killed.path, killed.env)
    os.kill(stop.stopped, signal.SIGKILL)
    assert ranks.wait() != 0
    assert "(stacks: 0 trained, 1 begun)" in killed.run(*TORCHRUN)
    whole.run(*TORCHRUN)
    models = [(clone.path / "runs" / RUN / "model.pt").read_bytes() for clone in (killed, whole)]
    assert models[0] == models[1]

    whole.run("dvc", "commit", "-f", f"train@{RUN}")
    assert "up to date" in whole.run("dvc", "status", f"train@{RUN}")
    assert stages_run(whole.run("vdcast", "job", f"train@{RUN}")) == set()
    collector = Clone(tmp_path / "collector")
    whole.run("git", "clone", "-q", str(whole.path), str(collector.path))
    assert collector.repro("--pull", f"train@{RUN}") == set()
    assert (collector.path / "runs" / RUN / "model.pt").read_bytes() == models[1]

    alone.repro(f"train@{RUN}")
    two, one = (
        json.loads((clone.path / "runs" / RUN / "training.json").read_text("utf-8"))
        for clone in (whole, alone)
    )
    assert (two["ranks"], one["ranks"]) == (2, 1)
    assert two["validation_loss"] == pytest.approx(one["validation_loss"], rel=1e-3)


def test_a_share_by_torchrun_is_refused(fresh, monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    output = fresh.run(*TORCHRUN, "--share", "1/2", fails=True)
    assert "vdcast: --share and torchrun both cut up a training; use one of them" in output
