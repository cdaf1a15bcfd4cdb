import signal
import subprocess
import sys

import pytest

from vdcast import repro


def test_all_that_needs_a_stage():
    edges = {("a", "b"), ("b", "c"), ("x", "c"), ("c", "d"), ("x", "y")}
    assert repro.descendants({"b"}, edges) == {"b", "c", "d"}
    assert repro.descendants({"y", "x"}, edges) == {"x", "y", "c", "d"}
    assert repro.descendants(set(), edges) == set()


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
    assert [repro.share(slot, slots, gpus) for slot in range(slots)] == wanted


def test_gpus_that_the_user_hides_stay_hidden(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert repro.visible_gpus() == ["2", "5"]
    for nothing in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", nothing)
        assert repro.visible_gpus() == []


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
    children[0].wait()
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
