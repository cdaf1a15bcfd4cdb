import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.live.made import drawn
from tests.project import run
from vdcast.commands.export import main
from vdcast.data import store
from vdcast.data.covariates import HOLIDAY, Covariates
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
    for far in (ours + 1.1e-4 * np.maximum(ours, std), np.full_like(ours, np.nan)):
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

    (example,) = [
        each for each in re.findall(r"```python\n(.*?)```", DOCS.read_text("utf-8"), re.S) if "onnx" in each
    ]
    assert len(example.splitlines()) <= 20
    end = int(np.searchsorted(detectors.timestamps, 1_700_600_400))
    assert detectors.timestamps[end] == 1_700_600_400  # 2023-11-21T21:00Z, as the example says
    np.save("observed.npy", detectors.values[end - 5 : end + 1])
    check = "import sys\nassert not {'vdcast', 'torch'} & sys.modules.keys()\nnp.save('said.npy', forecast)\n"
    done = subprocess.run(
        [sys.executable, "-c", example + check], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
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


def test_a_run_that_takes_what_is_known_ahead_is_refused(project, detectors, prepare_settings, small_lstm):
    covariates = Covariates(plans={HOLIDAY: detectors.timestamps[[[0, 24]]]}, inputs=(HOLIDAY,))
    trained = drawn(replace(detectors, covariates=covariates), prepare_settings, small_lstm)
    trained.save(Path("model.pt"))
    with pytest.raises(
        SystemExit, match="takes what `calendar` in params.yaml names, which an ONNX file here does not"
    ):
        run(main, "--model", "model.pt")


def test_a_run_or_a_file_is_named(project, detectors, prepare_settings, small_lstm):
    for arguments in ([], ["a", "--model", "b"]):
        with pytest.raises(SystemExit, match="name a run"):
            run(main, *arguments)
    other = replace(drawn(detectors, prepare_settings, small_lstm).task, interval=900)
    replace(drawn(detectors, prepare_settings, small_lstm), task=other).save(Path("model.pt"))
    with pytest.raises(SystemExit, match="was trained on an interval of 15 min"):
        run(main, "--model", "model.pt")
