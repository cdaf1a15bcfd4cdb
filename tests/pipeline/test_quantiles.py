"""`train.quantiles`, switched on by one key, through the real pipeline for both models."""

import html
import json

import h5py
import pandas as pd
import pytest

from tests.pipeline.conftest import SMALL, make_clone, merged
from vdcast.data import store
from vdcast.forecasts.store import read_predictions
from vdcast.models.shared.trained import Trained

pytestmark = pytest.mark.slow

FIGURES = {"volume_wql", "volume_coverage_80", "volume_width_80"}


@pytest.fixture(scope="module")
def with_quantiles(tmp_path_factory):
    clone = make_clone(
        tmp_path_factory.mktemp("quantiles"), merged(SMALL, {"train": {"quantiles": [0.1, 0.5, 0.9]}})
    )
    clone.repro("compare@multi_vd")
    return clone


@pytest.mark.parametrize("model", ["lstm", "xlstm"])
def test_a_run_forecasts_calibrated_quantiles(with_quantiles, model):
    folder = with_quantiles.path / "runs" / f"{model}-multi_vd"
    metrics = json.loads((folder / "test.json").read_text("utf-8"))
    assert set(metrics) >= FIGURES and 0.6 < metrics["volume_coverage_80"] < 0.95
    report = (folder / "report.md").read_text("utf-8")
    assert "## Quantile forecasts" in report
    assert (
        "Of 12 intervals (a horizon, VD and target each), calibrated on the validation part: 12 from its own"
        in report
    )
    predictions = read_predictions(folder / "predictions.h5")
    assert predictions.quantiles.raw.shape == (*predictions.forecast.shape, 3)
    trained = Trained.load(folder / "model.pt")
    ahead = trained.quantiles_next(store.read(with_quantiles.path / "data/detectors.h5"))
    assert (
        list(ahead) == [0.1, 0.5, 0.9]
        and (ahead[0.1] <= ahead[0.5]).all()
        and (ahead[0.5] <= ahead[0.9]).all()
    )


def test_the_comparison_shows_both(with_quantiles):
    folder = with_quantiles.path / "reports/comparisons/multi_vd"
    found = json.loads((folder / "comparison.json").read_text("utf-8"))["quantiles"]
    assert set(found["scores"]["all_vds"]) == {"lstm", "xlstm"}
    comparison = (folder / "comparison.md").read_text("utf-8")
    assert (
        "## Quantile forecasts" in comparison
        and "![fan chart" in comparison
        and (folder / "fan.png").exists()
    )
    fan = pd.read_csv(folder / "fan.csv")
    assert set(fan.model) == {"lstm", "xlstm"} and (fan.p10 <= fan.p90).all()
    assert (fan.p50 - fan.forecast).abs().max() < 1e-2


def test_models_with_different_quantiles_are_not_compared(with_quantiles, tmp_path):
    clone = with_quantiles.copy(tmp_path / "clone")
    clone.set({"runs": {"lstm-multi_vd": {"model": "lstm", "mode": "multi_vd", "quantiles": []}}})
    clone.run("dvc", "repro", "compare@multi_vd")
    page = (clone.path / "reports/comparisons/multi_vd/comparison.md").read_text("utf-8")
    marked = html.unescape(page)  # a bracket could begin a link, so the page has it by its number
    assert (
        "LSTM was trained with quantiles [] and xLSTM with [0.1, 0.5, 0.9]; give both runs the same "
        "train.quantiles" in marked
    )


def test_without_the_key_nothing_of_it_is_in_any_report(finished):
    for path in [*finished.path.glob("reports/**/*.md"), *finished.path.glob("runs/*/report.md")]:
        text = path.read_text("utf-8").lower()
        assert "wql" not in text and "quantile forecast" not in text and "calibrat" not in text, path
    for path in finished.path.glob("reports/comparisons/*/comparison.json"):
        assert "quantiles" not in json.loads(path.read_text("utf-8"))
    metrics = json.loads((finished.path / "runs/xlstm-multi_vd/test.json").read_text("utf-8"))
    assert not FIGURES & set(metrics)
    with h5py.File(finished.path / "runs/xlstm-multi_vd/predictions.h5") as file:
        assert "quantiles" not in file
