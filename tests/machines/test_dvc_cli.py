"""A `dvc` that somebody else has started in the same folder."""

import json
import subprocess
import sys
import threading
import time

import pytest

from tests.records import made
from vdcast import params
from vdcast.errors import InputError
from vdcast.machines import dvc_cli
from vdcast.machines.side_by_side import Training
from vdcast.records import io


@pytest.fixture
def lock(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    return tmp_path / ".dvc/tmp/rwlock"


def held(pid: int) -> str:
    """As DVC writes it."""
    info = {"pid": pid, "cmd": "dvc repro"}
    return json.dumps({"write": {"/x/runs/a": info}, "read": {"/x/data/prepared.h5": [info]}})


def test_a_dvc_at_work_is_waited_for(lock, capfd):
    other = subprocess.Popen(["sleep", "1"])
    lock.write_text(held(other.pid))
    threading.Thread(target=other.wait).start()
    began = time.monotonic()
    dvc_cli.wait_for_others()
    assert 0.5 < time.monotonic() - began < 20
    said = capfd.readouterr().err
    assert said == f"vdcast: another `dvc` is at work here (process {other.pid}); waiting for it to end\n"


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"write": {"a": {}}}'])
def test_where_nobody_is_at_work_nothing_is_said(lock, capfd, text):
    if text is not None:
        lock.write_text(text)
    dvc_cli.wait_for_others()
    assert capfd.readouterr().err == ""


def test_a_dead_one_holds_nothing(lock):
    other = subprocess.Popen(["true"])
    other.wait()
    lock.write_text(held(other.pid))
    assert dvc_cli.at_work() == []


BUSY = """ERROR: '/x/runs/a' is busy, it is being blocked by:
  (PID 7): dvc repro

If there are no processes with such PIDs, you can manually remove '/x/.dvc/tmp/rwlock' and try again.
"""


def test_one_that_comes_meanwhile_is_one_whole_sentence(tmp_path, monkeypatch):
    script = f"import sys; sys.stderr.write({BUSY!r}); sys.exit(1)"
    monkeypatch.setattr(dvc_cli, "DVC", (sys.executable, "-c", script))
    with pytest.raises(
        InputError, match="^another `dvc` is at work on the same files; give the command again when"
    ):
        dvc_cli.ask("status")
    log = tmp_path / "a.log"
    log.write_text(BUSY)
    process = subprocess.Popen(["false"])
    process.wait()
    assert Training(stage="train@a", slot=0, log=log, process=process, began=0.0).failure() == (
        f"train@a failed: another `dvc` was at work on the same files (all it said: {log}); then: vdcast repro train@a"
    )


def test_the_longest_training_is_begun_first(tmp_path, monkeypatch):
    """Those that nobody has trained by what they have to compute, then the others by what they took."""
    monkeypatch.setattr(dvc_cli, "RUNS", tmp_path)
    settings = params.load()
    stages = [f"train@{run}" for run in settings.runs]
    monkeypatch.setattr(dvc_cli, "changed", lambda runs: {*runs, "prepare"})
    for run, seconds in (("xlstm-multi_vd", 9.0), ("lstm-independent_multi_vd", 30.0)):
        (tmp_path / run).mkdir()
        io.write(tmp_path / run / "training.json", made.training(seconds=seconds))
    assert dvc_cli.stale(stages) == [
        f"train@{run}"
        for run in (
            "xlstm-independent_multi_vd",  # ten detectors, three times an LSTM's
            "xlstm-global_multi_vd",
            "lstm-global_multi_vd",
            "xlstm-single_vd",
            "lstm-single_vd",
            "lstm-multi_vd",
            "lstm-independent_multi_vd",
            "xlstm-multi_vd",
        )
    ]
