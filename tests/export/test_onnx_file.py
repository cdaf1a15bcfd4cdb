import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from tests.live.made import drawn, known_ahead
from tests.project import run
from vdcast.commands.export import main
from vdcast.data import store
from vdcast.errors import InputError
from vdcast.export import onnx_file
from vdcast.models.shared.calibration import calibrated

DOCS = Path(__file__).parents[2] / "docs/forecast.md"


def test_what_differs_is_refused(detectors, prepare_settings, small_lstm):
    trained = drawn(detectors, prepare_settings, small_lstm)
    std = trained.task.target_std
    ours = np.zeros((4, 3, 3, 1)) + 1000 * np.ones((3, 1))
    ours[:, :, 0] = 0  # of a small value, the deviation is what counts
    near = ours + 0.9e-4 * np.maximum(ours, std)
    onnx_file.check_same({"forecast": near}, {"forecast": ours}, trained)
    without = np.where(np.arange(3)[:, None] == 1, np.nan, ours)  # a detector of which both say nothing
    onnx_file.check_same({"forecast": without}, {"forecast": without}, trained)
    for far in (without, ours + 1.1e-4 * np.maximum(ours, std), np.full_like(ours, np.nan)):
        with pytest.raises(
            InputError, match="ONNX Runtime's forecast differs from torch's by .*; nothing was written"
        ):
            onnx_file.check_same({"forecast": far}, {"forecast": ours}, trained)


def test_a_table_without_a_window_is_refused(detectors, prepare_settings, small_lstm):
    trained = drawn(detectors, prepare_settings, small_lstm)
    with pytest.raises(InputError, match="a fixture has 8 steps; a window to compare .* has 9"):
        onnx_file.windows_of(detectors.rows(0, 8), trained)


@pytest.fixture
def project(tmp_path, detectors, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store.write(Path("data/detectors.h5"), detectors)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["multi_vd", "independent_multi_vd"])
@pytest.mark.parametrize("network", ["small_lstm", "small_xlstm"])
def test_the_example_of_the_docs_forecasts_without_vdcast(
    request, project, detectors, prepare_settings, network, mode, capsys
):
    quantiles = (0.1, 0.5, 0.9) if mode == "multi_vd" else ()
    trained = drawn(detectors, prepare_settings, request.getfixturevalue(network), mode, quantiles)
    trained = calibrated(trained, detectors) if quantiles else trained
    trained.save(Path("runs/lstm-multi_vd/model.pt"))
    run(main, "lstm-multi_vd")
    assert capsys.readouterr().out == "runs/lstm-multi_vd/model.onnx\n"
    about = json.loads(Path("runs/lstm-multi_vd/model.json").read_text("utf-8"))
    assert about["sha256"] == hashlib.sha256(Path("runs/lstm-multi_vd/model.onnx").read_bytes()).hexdigest()
    assert list(about["outputs"]) == ["forecast", "quantiles"][: 1 + bool(quantiles)]

    example = examples()[0]
    assert len(example.splitlines()) <= 20
    end = int(np.searchsorted(detectors.timestamps, 1_700_600_400))
    assert detectors.timestamps[end] == 1_700_600_400  # 2023-11-21T21:00Z, as the example says
    np.save("observed.npy", detectors.values[end - 5 : end + 1])
    say_it(example)
    wanted = trained.forecast_next(detectors.rows(0, end + 1)).mean(axis=0)
    np.testing.assert_allclose(np.load("said.npy"), wanted, rtol=1e-4)


@pytest.mark.slow
def test_a_graph_that_differs_leaves_no_file(project, detectors, prepare_settings, small_lstm, monkeypatch):
    trained = drawn(detectors, prepare_settings, small_lstm)
    trained.save(Path("model.pt"))
    monkeypatch.setattr(onnx_file, "TOLERANCE", -1.0)  # the same to the last bit is not enough
    with pytest.raises(SystemExit, match="nothing was written"):
        run(main, "--model", "model.pt")
    assert sorted(each.name for each in project.iterdir()) == ["data", "model.pt"]


@pytest.mark.slow
@pytest.mark.parametrize("network", ["small_lstm", "small_xlstm"])
def test_what_is_known_ahead_is_told_as_the_docs_tell_it(
    request, project, detectors, prepare_settings, network
):
    ahead = known_ahead(detectors)
    now = int(np.searchsorted(detectors.timestamps, 1_700_600_400))  # as the example says
    known = replace(detectors, covariates=ahead)
    trained = drawn(known, prepare_settings, request.getfixturevalue(network))
    trained.save(Path("runs/lstm-multi_vd/model.pt"))
    run(main, "lstm-multi_vd")
    inputs = json.loads(Path("runs/lstm-multi_vd/model.json").read_text("utf-8"))["inputs"]
    assert inputs["planned"]["names"] == ["works", "holiday"] and inputs["planned"]["shape"] == [
        "windows",
        9,
        2,
    ]
    assert inputs["weather"]["names"] == ["rain"] and inputs["weather"]["missing"] == "NaN"

    np.save("observed.npy", detectors.values[now - 5 : now + 1])
    last_said = [2 * step + (step <= now) for step in range(now - 5, now + 4)]
    np.save("weather.npy", ahead.weather.values[last_said])
    periods = {
        name: [
            [datetime.fromtimestamp(each, UTC).isoformat() for each in period] for period in of_it.tolist()
        ]
        for name, of_it in ahead.plans.items()
    }
    Path("periods.json").write_text(json.dumps(periods), "utf-8")
    first, second = examples()
    before, after = first.split("forecast = session.run")
    say_it("\n".join([before, second, "forecast = session.run" + after]))
    wanted = trained.forecast_next(detectors.rows(0, now + 1)).mean(axis=0)
    np.testing.assert_allclose(np.load("said.npy"), wanted, rtol=1e-4)


def examples() -> list[str]:
    """Those of the docs that are without vdcast."""
    _, section = DOCS.read_text("utf-8").split("## Without vdcast")
    return re.findall(r"```python\n(.*?)```", section.split("\n## ")[0], re.S)


def say_it(example: str) -> None:
    """Run it without vdcast; said.npy is what it forecasts."""
    check = "import sys\nassert not {'vdcast', 'torch'} & sys.modules.keys()\nnp.save('said.npy', forecast)\n"
    done = subprocess.run(
        [sys.executable, "-c", example + check], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_run_or_a_file_is_named(project, detectors, prepare_settings, small_lstm):
    for arguments in ([], ["a", "--model", "b"]):
        with pytest.raises(SystemExit, match="name a run"):
            run(main, *arguments)
    other = replace(drawn(detectors, prepare_settings, small_lstm).task, interval=900)
    replace(drawn(detectors, prepare_settings, small_lstm), task=other).save(Path("model.pt"))
    with pytest.raises(SystemExit, match="was trained on an interval of 15 min"):
        run(main, "--model", "model.pt")
