"""Children end with their parent, and interrupts wait where they must."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from vdcast.processes import INTERRUPTS, has_ended, none_left, reap, uninterrupted, visible_gpus


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
from vdcast import processes

children = []
with processes.none_left(children):
    children.append(subprocess.Popen([sys.executable, "-c", sys.argv[1]], start_new_session=True))
    processes.reap(children[0])
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


PARENT = """
import multiprocessing, time
from vdcast.processes import end_with_parent

def child(pipe):
    end_with_parent()
    pipe.send(multiprocessing.current_process().pid)
    time.sleep(600)

if __name__ == "__main__":
    here, there = multiprocessing.Pipe()
    multiprocessing.get_context("spawn").Process(target=child, args=(there,)).start()
    print(here.recv(), flush=True)
    time.sleep(600)
"""


def test_a_worker_ends_with_a_killed_parent(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT, "utf-8")
    parent = subprocess.Popen([sys.executable, tmp_path / "parent.py"], stdout=subprocess.PIPE, text=True)
    child = psutil.Process(int(parent.stdout.readline()))
    assert child.is_running()
    parent.kill()
    parent.wait()
    psutil.wait_procs([child], timeout=60)
    assert gone(child)


UNTIL_EOF = """
import time
from vdcast.processes import end_at_eof

end_at_eof()
print("up", flush=True)
time.sleep(600)
"""


def test_a_closed_standard_input_ends_who_asked_for_it():
    child = subprocess.Popen(
        [sys.executable, "-c", UNTIL_EOF], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "up\n" and child.poll() is None
    child.stdin.close()
    assert child.wait(60) == -signal.SIGTERM
