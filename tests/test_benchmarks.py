"""Every benchmark runs; what it measures is for people to look at, and no test."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import project
from tests.pipeline.test_social import CHANGES, PLACES
from vdcast.models.shared.neighbours import Neighbours

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def printed(script: str, *arguments: str, folder: Path | None = None) -> str:
    command = [sys.executable, BENCHMARKS / script, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "part", ["networks", "native", "compile", "many", "loop", "data", "social", "start", "curves", "gpu"]
)
def test_every_part_runs_and_prints_its_table(part):
    if part in ("native", "compile") and not shutil.which("g++"):
        pytest.skip("needs a C++ compiler")
    before = (BENCHMARKS / "RESULTS.md").read_bytes()
    output = printed("run.py", part, "--quick")
    assert output.startswith(f"## {part}\n") and "\n|---|" in output
    assert (BENCHMARKS / "RESULTS.md").read_bytes() == before, "a look is not a result"


@pytest.mark.slow
def test_forecast_is_timed_as_a_whole_and_by_its_steps():
    lines = printed("forecast.py", "--vds", "20", "--snapshots", "14", "--repeats", "1").splitlines()
    assert [line.split(" | ")[0] for line in lines[4:]] == ["| lstm-multi_vd"] * 6 + ["| xlstm-multi_vd"] * 6


@pytest.mark.slow
def test_new_detectors_are_forecast_beside_the_naive_forecasts():
    output = printed("newcomers.py", "--quick", "--models", "lstm", "--parts", "2", "--vds", "4")
    assert "| lstm, trained on it | " in output and "| persistence | " in output
    assert "| lstm, new, embedding fitted to 7 days (rate " in output


@pytest.mark.slow
def test_intervals_of_new_detectors_are_counted_by_the_days_that_are_known():
    output = printed("newcomer_intervals.py", "--quick", "--models", "lstm")
    assert "| lstm | 2 days | 0." in output and "| lstm | trained on it | 0." in output


@pytest.mark.slow
def test_raw_values_of_neighbours_are_inputs_beside_pooled_states(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "data/raw/places.csv").write_text(PLACES, "utf-8")
    project.up_to_prepare(tmp_path, project.counts("abcde"), CHANGES)
    output = printed("raw_neighbours.py", "--epochs", "2", folder=tmp_path)
    rows = [line.split(" | ")[:2] for line in output.splitlines()[2:]]
    assert rows == [
        [f"| {model}", name]
        for model in ("lstm", "xlstm")
        for name in ("none", "raw values", "pooled states")
    ]


def test_what_neighbours_showed_is_pooled_by_hand(monkeypatch):
    """Detector 0 hears of 1 and 2 with weights 1 and 1 / 2; 2 is missing in the second step, both in the third."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    from raw_neighbours import pooled

    near = Neighbours(
        index=np.array([[[1, 2]], [[1, 1]], [[2, 2]]]),
        kernel=np.array([[[0, np.log(0.5)]], [[-np.inf] * 2], [[-np.inf] * 2]], np.float32),
        learned=False,
        lost=(),
    )
    nan = float("nan")
    seen = torch.tensor([[9.0, 3.0, 6.0], [9.0, 3.0, nan], [9.0, nan, nan]])[..., None]
    found = pooled(seen, near)
    assert found[:, 0].tolist() == [[4.0, 1.0], [3.0, pytest.approx(2 / 3)], [0.0, 0.0]]
    assert not found[:, 1:].any()


@pytest.mark.slow
def test_ingest_and_the_plain_way_give_the_same_numbers():
    small = ["--vds", "20", "--snapshots", "12", "--kinds", "json", "xml"]
    assert [line.split(" | ")[:2] for line in printed("ingest.py", *small).splitlines()[-4:]] == [
        [f"| 12 {kind}", way] for kind in ("json", "xml") for way in ("plain", "ingest")
    ]
