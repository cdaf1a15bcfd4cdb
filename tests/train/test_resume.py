"""A training killed by SIGKILL and started again ends with the weights of one that was left alone."""

import os
import pickle
import signal
import sys
from pathlib import Path

import pytest
import torch

from tests.stopping import Stopping, kill
from tests.train.small import data, run_of, same
from vdcast.models.shared.device import deterministic
from vdcast.train import scratch
from vdcast.train.copies import stacks_of
from vdcast.train.workers import fit, fit_stacks

FIT = """
import pickle, sys
from pathlib import Path

import torch

from vdcast.models.shared.device import deterministic
from vdcast.train import scratch
from vdcast.train.workers import fit

if __name__ == "__main__":
    deterministic("cpu")
    torch.set_num_threads(int(sys.argv[3]))
    with scratch.held(Path(sys.argv[2])) as kept:
        fit(*pickle.loads(Path(sys.argv[1]).read_bytes()), scratch=kept)
"""


@pytest.fixture(autouse=True)
def settled():
    deterministic("cpu")
    yield
    torch.use_deterministic_algorithms(False)


def kill_at(tmp_path: Path, arguments: tuple, when: str, suffix: str, count: int, threads: int = 1) -> Path:
    """Train in another process and kill it there; the folder that it leaves."""
    (tmp_path / "arguments.pkl").write_bytes(pickle.dumps(arguments))
    (tmp_path / "fit_them.py").write_text(FIT, "utf-8")
    folder = tmp_path / "scratch"
    command = [sys.executable, "fit_them.py", "arguments.pkl", str(folder), str(threads)]
    kill(Stopping(tmp_path / f"stop-{when}-{suffix}", when, suffix, count).start(command, tmp_path))
    return folder


@pytest.mark.slow
def test_a_training_by_the_native_kernel_resumes_as_well(
    native, small_xlstm, detectors, prepare_settings, tmp_path, capsys
):
    network = small_xlstm.model_copy(update={"kernel": "native"})
    test_killed_and_resumed_equals_uninterrupted(
        network, detectors, prepare_settings, tmp_path, "independent_multi_vd", "after", capsys
    )


@pytest.mark.parametrize(
    ("mode", "when"),
    [
        ("independent_multi_vd", "before"),
        ("independent_multi_vd", "after"),
        pytest.param("global_multi_vd", "after", marks=pytest.mark.slow),
        pytest.param("social", "after", marks=pytest.mark.slow),
    ],
)
def test_killed_and_resumed_equals_uninterrupted(
    network, detectors, prepare_settings, tmp_path, mode, when, capsys
):
    """Killed as the checkpoint of epoch 3 is about to take its name, or has just taken it."""
    run = run_of(network, mode, epochs=6, patience=3)
    arguments = (run, [data(detectors, prepare_settings, mode)])
    whole = fit(*arguments)
    folder = kill_at(tmp_path, arguments, when, ".state", 3)
    with scratch.held(folder) as kept:
        assert len(kept.state(0)["reached"]["seconds"]) == (2 if when == "before" else 3)
        resumed = fit(*arguments, scratch=kept)
        assert same(whole.weights, resumed.weights)
        assert torch.equal(whole.figures, resumed.figures)
        assert (whole.best_loss, whole.best_epoch) == (resumed.best_loss, resumed.best_epoch)
        assert (whole.training, whole.learning_rate) == (resumed.training, resumed.learning_rate)
        assert kept.state(0) is None, "the state of a trained stack has served"
    assert capsys.readouterr().err.count("damaged") == 0


def test_a_copy_that_had_stopped_stays_stopped(network, detectors, prepare_settings, tmp_path):
    run = run_of(network, "independent_multi_vd", epochs=12, patience=1, seeds=[4])
    arguments = (run, [data(detectors, prepare_settings, "independent_multi_vd")])
    whole = fit(*arguments)
    epochs = sum(n == 3 for n in whole.training)
    assert 1 <= epochs < len(whole.training) - 1, "the test needs a copy that stops before the others"
    folder = kill_at(tmp_path, arguments, "after", ".state", epochs + 1)
    with scratch.held(folder) as kept:
        assert len(kept.state(0)["reached"]["active"]) < 3
        resumed = fit(*arguments, scratch=kept)
    assert same(whole.weights, resumed.weights) and torch.equal(whole.figures, resumed.figures)


def test_workers_die_with_the_process_that_started_them(network, detectors, prepare_settings, tmp_path):
    """Two workers, six stacks; the folder stays locked until the last worker is gone."""
    run = run_of(network, "independent_multi_vd", epochs=4, seeds=list(range(6)))
    arguments = (run, [data(detectors, prepare_settings, "independent_multi_vd")])
    whole = fit(*arguments)
    folder = kill_at(tmp_path, arguments, "after", ".fitted", 1, threads=2)
    with scratch.held(folder) as kept:
        before = {path.name: path.stat().st_ino for path in folder.glob("*.fitted")}
        assert 1 <= len(before) < 6
        resumed = fit(*arguments, scratch=kept)
        assert same(whole.weights, resumed.weights) and torch.equal(whole.figures, resumed.figures)
        after = {path.name: path.stat().st_ino for path in folder.glob("*.fitted")}
        assert len(after) == 6 and before.items() <= after.items(), "a trained stack is not trained again"


def test_a_killed_worker_is_one_sentence_and_costs_no_trained_stack(
    small_lstm, detectors, prepare_settings, tmp_path
):
    run = run_of(small_lstm, "independent_multi_vd", epochs=4, seeds=list(range(6)))
    arguments = (run, [data(detectors, prepare_settings, "independent_multi_vd")])
    (tmp_path / "arguments.pkl").write_bytes(pickle.dumps(arguments))
    (tmp_path / "fit_them.py").write_text(FIT, "utf-8")
    stop = Stopping(tmp_path / "stop", "after", ".fitted")
    with (tmp_path / "stderr").open("w") as stderr:
        command = [sys.executable, "fit_them.py", "arguments.pkl", "scratch", "2"]
        parent = stop.start(command, tmp_path, stderr=stderr)
        assert stop.stopped != parent.pid
        os.kill(stop.stopped, signal.SIGKILL)
        assert parent.wait() == 1
    assert (
        (tmp_path / "stderr")
        .read_text("utf-8")
        .splitlines()[-1]
        .startswith(
            f"vdcast.errors.InputError: run {run.name}: a training process was killed, as happens when memory runs out; "
        )
    )
    with scratch.held(tmp_path / "scratch") as kept:
        # the other worker may have ended a stack of its own by then
        assert kept.found().startswith(("stacks: 1 trained", "stacks: 2 trained"))
        assert same(fit(*arguments, scratch=kept).weights, fit(*arguments).weights)


@pytest.mark.parametrize("suffix", [".state", ".fitted"])
def test_a_damaged_file_is_named_and_trained_again(detectors, small_lstm, prepare_settings, tmp_path, suffix, capsys):  # fmt: skip
    run = run_of(small_lstm, epochs=4, patience=4)
    arguments = (run, [data(detectors, prepare_settings, "multi_vd")])
    whole = fit(*arguments)
    folder = kill_at(tmp_path, arguments, "after", suffix, 1)
    path = folder / f"0{suffix}"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # a single bit, inside a tensor
    path.write_bytes(content)
    with scratch.held(folder) as kept:
        resumed = fit(*arguments, scratch=kept)
    assert same(whole.weights, resumed.weights)
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("vdcast:")]
    assert said == [f"vdcast: '{path}' is damaged; what it held is trained again"]


@pytest.mark.parametrize("mode", ["independent_multi_vd", "global_multi_vd", "social"])
def test_shares_trained_apart_make_the_whole(network, detectors, prepare_settings, tmp_path, mode):
    run = run_of(network, mode, epochs=2, seeds=[3, 4, 5])
    arguments = (run, [data(detectors, prepare_settings, mode)])
    whole = fit(*arguments)
    stacks = stacks_of(run, arguments[1][0].copies, "cpu")
    assert len(stacks) == 3
    for numbers, machine in (([0, 2], "one"), ([1], "two")):
        with scratch.held(tmp_path / machine) as kept:
            fit_stacks(*arguments, {i: stacks[i] for i in numbers}, kept)
    for path in (tmp_path / "two").glob("*.fitted"):
        path.rename(tmp_path / "one" / path.name)
    before = {path.name: path.stat().st_ino for path in (tmp_path / "one").glob("*.fitted")}
    with scratch.held(tmp_path / "one") as kept:
        joined = fit(*arguments, scratch=kept)
    assert same(whole.weights, joined.weights) and torch.equal(whole.figures, joined.figures)
    assert before == {path.name: path.stat().st_ino for path in (tmp_path / "one").glob("*.fitted")}
