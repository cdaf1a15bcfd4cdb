"""Every benchmark runs; what it measures is for people to look at, and no test."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def printed(script: str, *arguments: str) -> str:
    command = [sys.executable, BENCHMARKS / script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
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
    output = printed("newcomers.py", "--quick", "--models", "lstm")
    assert "| lstm, trained on it | " in output and "| persistence | " in output


@pytest.mark.slow
def test_ingest_and_the_plain_way_give_the_same_numbers():
    small = ["--vds", "20", "--snapshots", "12", "--kinds", "json", "xml"]
    assert [line.split(" | ")[:2] for line in printed("ingest.py", *small).splitlines()[-4:]] == [
        [f"| 12 {kind}", way] for kind in ("json", "xml") for way in ("plain", "ingest")
    ]
