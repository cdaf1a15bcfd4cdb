"""What a log says of a training."""

import re

import pytest
import torch

from tests.train.small import data, run_of
from vdcast.train import progress
from vdcast.train.copies import stacks_of
from vdcast.train.loop import fit_stack
from vdcast.train.progress import Progress, clock, seconds_left
from vdcast.train.reached import Reached

LINE = (
    r"lstm-multi_vd seed 0, stack 0: epoch (\d) of at most 3, "
    r"validation MAE (\d\.\d{3}), best so far (\d\.\d{3}), at most 0:\d\d left"
)


def test_a_log_says_run_seed_epoch_best_and_time_left(
    small_lstm, detectors, prepare_settings, capsys, monkeypatch
):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    run = run_of(small_lstm)
    common = data(detectors, prepare_settings, "multi_vd")
    (copies,) = stacks_of(run, common.copies, "cpu")
    fitted = fit_stack(run, common, copies)
    begins, *lines = capsys.readouterr().err.splitlines()
    assert begins == "lstm-multi_vd seed 0, stack 0: begins, at most 3 epochs"
    found = [re.fullmatch(LINE, line).groups() for line in lines]
    maes = fitted.figures[:, 0, 2].tolist()
    assert found == [(f"{n}", f"{mae:.3f}", f"{min(maes[:n]):.3f}") for n, mae in enumerate(maes, 1)]


def reached(epochs: int) -> Reached:
    empty = torch.zeros(1)
    return Reached(
        active=torch.tensor([0]),
        best={},
        best_loss=empty,
        best_epoch=empty,
        diverged=empty,
        latest=empty,
        figures=[torch.ones(1, 4)],
        seconds=[1.0] * epochs,
    )


@pytest.mark.parametrize(("taken", "lines"), [(9.9, 1), (10.0, 2)])
def test_lines_are_ten_seconds_apart(monkeypatch, capsys, taken, lines):
    now = 100.0
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now)
    with Progress("a seed 0, stack 0", range(12, 31), 0) as shown:
        now += 20
        shown.show(reached(12))
        now += taken
        shown.show(reached(13))
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "a seed 0, stack 0: resumed at epoch 12, at most 30 epochs"
    assert said[1].startswith(
        "a seed 0, stack 0: epoch 12 of at most 30, validation MAE 1.000, best so far 1.000"
    )
    assert said[1].endswith(", at most 6:00 left") and len(said) == 1 + lines


def test_time_left_counts_the_epochs_of_this_process_alone():
    assert seconds_left(20.0, range(1, 13), 4) == 40.0
    assert seconds_left(20.0, range(12, 31), 15) == 75.0
    assert seconds_left(20.0, range(1, 5), 4) == 0.0
    assert [clock(each) for each in (0, 7.4, 125, 3909)] == ["0:00", "0:07", "2:05", "1:05:09"]
