import signal
import subprocess

import pytest

from vdcast.machines import side_by_side
from vdcast.machines.side_by_side import Display, Training, share, train_here
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
        return Training(stage=stage, slot=slot, log=None, process=started[-1], began=0.0)

    monkeypatch.setattr(Training, "start", start)
    handlers = {number: signal.getsignal(number) for number in INTERRUPTS}
    try:
        with pytest.raises(KeyboardInterrupt):
            train_here(["train@x", "train@y"], 2)
        assert [each.returncode for each in started] == [-signal.SIGINT]
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@pytest.fixture
def under_way():
    process = slept()
    yield process
    process.kill()
    process.wait()


def test_in_a_log_a_run_says_every_ten_seconds_what_is_new(tmp_path, monkeypatch, capsys, under_way):
    now = 100.0
    monkeypatch.setattr(side_by_side.time, "perf_counter", lambda: now)
    training = Training(
        stage="train@lstm-multi_vd", slot=0, log=tmp_path / "log", process=under_way, began=now
    )
    training.log.write_text("Running stage 'train@lstm-multi_vd':\n", "utf-8")
    said = [f"lstm-multi_vd seed 0, stack 0: epoch {n} of at most 12\n" for n in range(1, 5)]
    with Display([training]) as display:
        display.changed(training)
        for words, later in zip(said, (9.9, 0.1, 10.0, 5.0), strict=True):
            now += later
            with training.log.open("a") as log:
                log.write(words)
            display.refresh()
        now += 10
        display.refresh()  # the fourth, which came in between
        now += 10
        display.refresh()  # nothing new
    name = f"{'lstm-multi_vd':30} training "
    assert capsys.readouterr().out.splitlines() == [
        f"{name}   0:00  Running stage 'train@lstm-multi_vd':",
        f"{name}   0:10  seed 0, stack 0: epoch 2 of at most 12",
        f"{name}   0:20  seed 0, stack 0: epoch 3 of at most 12",
        f"{name}   0:35  seed 0, stack 0: epoch 4 of at most 12",
    ]
