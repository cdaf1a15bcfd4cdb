import signal
import subprocess

import pytest

from vdcast.machines.side_by_side import Training, share, train_here
from vdcast.processes import INTERRUPTS


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
            train_here(["train@x", "train@y"], 2)
        assert [each.returncode for each in started] == [-signal.SIGINT]
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
