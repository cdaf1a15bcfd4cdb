import os
import signal
import subprocess
import sys

import psutil
import pytest

from vdcast.machines.dvc_cli import descendants
from vdcast.machines.side_by_side import Training, share, train
from vdcast.processes import INTERRUPTS, has_ended, none_left, reap, uninterrupted, visible_gpus


def test_all_that_needs_a_stage():
    edges = {("a", "b"), ("b", "c"), ("x", "c"), ("c", "d"), ("x", "y")}
    assert descendants({"b"}, edges) == {"b", "c", "d"}
    assert descendants({"y", "x"}, edges) == {"x", "y", "c", "d"}
    assert descendants(set(), edges) == set()


@pytest.mark.parametrize(
    ("threads", "slots", "gpus", "wanted"),
    [
        ("8", 3, [], [{"OMP_NUM_THREADS": "2"}] * 3),
        ("1", 2, [], [{"OMP_NUM_THREADS": "1"}] * 2),
        ("4", 2, ["0", "3"], [{"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": gpu} for gpu in "03"]),
        ("4", 2, ["7"], [{"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": "7"}] * 2),
    ],
)
def test_cpus_and_gpus_are_shared_out(monkeypatch, threads, slots, gpus, wanted):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert [share(slot, slots, gpus) for slot in range(slots)] == wanted


def test_gpus_that_the_user_hides_stay_hidden(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert visible_gpus() == ["2", "5"]
    for nothing in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", nothing)
        assert visible_gpus() == []


CHILD = """
import signal, sys
signal.signal(signal.SIGINT, lambda *_: print("not yet", flush=True))
print("up", flush=True)
while True:
    signal.pause()
"""
DRIVER = """
import subprocess, sys, time
from vdcast import repro

children = []
with repro.none_left(children):
    children.append(subprocess.Popen([sys.executable, "-c", sys.argv[1]], start_new_session=True))
    repro.reap(children[0])
"""


def test_a_second_interrupt_kills_a_child_that_does_not_end():
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, CHILD], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert driver.stdout.readline() == "up\n"
    driver.send_signal(signal.SIGINT)
    assert driver.stdout.readline() == "not yet\n"
    driver.send_signal(signal.SIGINT)
    assert driver.stdout.readline() == "", "the child had the other end, and is gone"
    assert driver.wait() != 0


def slept() -> subprocess.Popen:
    return subprocess.Popen(["sleep", "600"], start_new_session=True)


def test_an_interrupt_as_a_child_starts_leaves_no_child(monkeypatch):
    """It comes when the process is there, and nobody has its id yet."""
    started = []

    def start(stage, slot, env):
        started.append(slept())
        signal.raise_signal(signal.SIGTERM)
        return Training(stage, slot, None, started[-1], 0.0)

    monkeypatch.setattr(Training, "start", start)
    handlers = {number: signal.getsignal(number) for number in INTERRUPTS}
    try:
        with pytest.raises(KeyboardInterrupt):
            train(["train@x", "train@y"], 2)
        assert [each.returncode for each in started] == [-signal.SIGINT]
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def test_an_ignored_signal_stays_ignored_while_a_child_starts():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    try:
        with uninterrupted():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


LEADER = """
import os, subprocess, sys
child = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
sys.stdin.readline()
"""


def leader() -> tuple[subprocess.Popen, psutil.Process]:
    """Of a session, as dvc is, and what it started."""
    process = subprocess.Popen(
        [sys.executable, "-c", LEADER], start_new_session=True, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    return process, psutil.Process(int(process.stdout.readline()))


def gone(process: psutil.Process) -> bool:
    """It is dead, whether or not somebody has taken notice."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_what_a_killed_leader_leaves_ends_with_it():
    process, child = leader()
    assert not has_ended(process)
    process.kill()
    assert reap(process) == -signal.SIGKILL
    psutil.wait_procs([child], timeout=60)
    assert gone(child)


def test_an_interrupt_reaches_what_a_killed_leader_left():
    process, child = leader()
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    handlers = {number: signal.getsignal(number) for number in INTERRUPTS}
    try:
        with pytest.raises(KeyboardInterrupt), none_left([process]):
            raise KeyboardInterrupt
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    psutil.wait_procs([child], timeout=60)
    assert gone(child)
