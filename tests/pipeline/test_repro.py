"""`vdcast repro`: runs side by side, with the results of one after another."""

import signal
import time

import psutil
import pytest

from tests.pipeline.conftest import make_clone
from tests.pipeline.test_pipeline import RUNS, hashes
from tests.stopping import Stopping

pytestmark = pytest.mark.slow

VDCAST = ("python", "-c", "from vdcast.commands.cli import main; main()")


TIMED = (
    "history.csv",
    "training.json",
    "cost.json",
    "report.md",
    "summary.json",
)  # they say how long it took


def test_from_scratch_side_by_side_equals_one_after_another(finished, tmp_path):
    """Also that `dvc status` is clean after it, and that a second call trains nothing."""
    clone = make_clone(tmp_path / "clone")
    output = clone.run(*VDCAST, "repro", "-j", "2")
    assert "up to date" in clone.run("dvc", "status")
    for name in RUNS:
        assert f"{name:30} trained" in output
        assert (clone.path / f".scratch/logs/{name}.log").read_text("utf-8")
    here = hashes(clone)
    for path, md5 in hashes(finished).items():
        assert here[path] == md5 or path.endswith(TIMED) or "reports/" in path, path
    assert "trained" not in clone.run(*VDCAST, "repro")


def test_a_run_that_fails_stops_no_other_and_is_reported_last(prepared, tmp_path, monkeypatch):
    clone = prepared.copy(tmp_path / "clone")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    clone.set({"runs": {"lstm-multi_vd": {"model": "lstm", "mode": "multi_vd", "device": "cuda"}}})
    targets = ("evaluate@lstm-multi_vd", "evaluate@lstm-single_vd")
    output = clone.run(*VDCAST, "repro", "-j", "2", *targets, fails=True)
    assert (clone.path / "runs/lstm-single_vd/test.json").exists()
    last = output.strip().splitlines()[-2:]
    assert last[0].startswith(
        "vdcast: train@lstm-multi_vd failed: params.yaml: train.device = 'cuda', but torch finds no"
    )
    assert last[0].endswith(
        "(all it said: .scratch/logs/lstm-multi_vd.log); then: vdcast repro train@lstm-multi_vd"
    )
    assert last[1] == "not made, and as old as they were: what evaluate@lstm-multi_vd would leave"
    assert "Traceback" not in output


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
    ],
)
def test_an_interrupt_stops_all_children_and_a_rerun_goes_on(prepared, tmp_path, number):
    clone = prepared.copy(tmp_path / "clone")
    stop = Stopping(tmp_path / "stop", "after", ".state")
    runs = ("lstm-multi_vd", "xlstm-multi_vd")
    command = [*VDCAST, "repro", "-j", "2", *(f"train@{run}" for run in runs)]
    log = tmp_path / "log"
    with log.open("w") as file:
        driver = stop.start(command, clone.path, clone.env, stderr=file)
        below = with_trainings_of(driver, runs)
        driver.send_signal(number)
        assert driver.wait() == 1
    assert log.read_text("utf-8").splitlines()[-1] == (
        "vdcast: interrupted; what is finished is kept, and a training goes on at its last epoch"
    )
    psutil.wait_procs(below, timeout=60)  # who is killed takes a moment to be dead
    assert [each for each in below if each.is_running() and each.status() != psutil.STATUS_ZOMBIE] == []
    run = next(run for run in runs if list((clone.path / ".scratch/train" / run).glob("*/*.state")))
    clone.run(*VDCAST, "repro", f"train@{run}")
    log = (clone.path / f".scratch/logs/{run}.log").read_text("utf-8")
    assert "(stacks: 0 trained, 1 begun)" in log
    assert "up to date" in clone.run("dvc", "status", f"train@{run}")


def with_trainings_of(driver, runs) -> list[psutil.Process]:
    """All that ``driver`` has started, once each of ``runs`` is being trained by some of it."""
    deadline = time.monotonic() + 300
    while True:
        below = psutil.Process(driver.pid).children(recursive=True)
        words = [word for each in below for word in command_of(each)]
        if all(run in words for run in runs):
            return below
        assert driver.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)


def command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has ended since
        return []


def test_mistakes_are_one_sentence(prepared):
    output = prepared.run(*VDCAST, "repro", "-j", "0", fails=True)
    assert "'0' is not a whole number above 0" in output
    output = prepared.run(*VDCAST, "repro", "--shares", "2", fails=True)
    assert "--cpus, --gpus, --shares and -S go with --ray ADDRESS" in output
    output = prepared.run(*VDCAST, "repro", "--ray", "auto", "-j", "2", fails=True)
    assert "-j is for one machine" in output
    output = prepared.run(*VDCAST, "repro", "train@nothing", fails=True)
    assert output.startswith("vdcast: ") and "train@nothing" in output and "Traceback" not in output
    assert prepared.run(*VDCAST, "rerpo", fails=True).startswith("vdcast: 'rerpo' is not a command")
