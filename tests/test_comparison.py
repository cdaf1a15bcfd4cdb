"""What the reports say in words follows from the numbers by rule."""

import json
from dataclasses import replace

import numpy as np
import pytest

from vdcast import comparison, judge, params, report
from vdcast.predictions import Conditions, beside_observed


@pytest.fixture
def observed(detectors):
    """A perfect forecast of 20 days, one seed."""
    steps = len(detectors.timestamps)
    part = replace(detectors, values=np.nan_to_num(detectors.values, nan=50.0))
    forecast = np.stack([part.values[4 + h : steps - 1 + h, :, :1] for h in range(2)], axis=1)[None]
    return beside_observed(forecast, part, ["volume"], 4)


def off_by(predictions, error):
    return replace(predictions, forecast=predictions.forecast + np.float32(error))


def summary(observed, lstm: float, xlstm: float, naive: float) -> dict:
    models = {"lstm": off_by(observed, lstm), "xlstm": off_by(observed, xlstm)}
    W, H, V, _ = observed.observed.shape
    conditions = Conditions(
        missing=np.zeros((W, V)),
        congestion=np.zeros((W, H, V), np.int8),
        rule="never",
        vd_ids=observed.vd_ids,
    )
    cost = {"parameters": 10, "epochs": 2, "seconds": 3.0, "peak_memory_mb": 400.0}
    settings = params.Evaluate(
        mape_floor=10.0, horizons=[1], peak_hours=[8], congested_speed=60.0, congested_quantile=0.9
    )
    naive = {"persistence": off_by(observed, naive)}
    training = {"lstm": cost, "xlstm": cost}
    return comparison.summarise(
        "multi_vd", models, naive, conditions, "VD-B", "persistence", training, settings
    )


def test_the_numbers_of_a_known_case(observed):
    found = summary(observed, lstm=2.0, xlstm=-1.0, naive=4.0)
    json.dumps(found, allow_nan=False)
    assert found["scores"]["target_vd"]["lstm"]["mae"] == pytest.approx(2, abs=1e-5)
    assert found["scores"]["all_vds"]["xlstm"]["mae"] == pytest.approx(1, abs=1e-5)
    assert found["scores"]["target_vd"]["xlstm"]["skill"] == pytest.approx(0.75, abs=1e-5)
    pairs = {(row["a"], row["b"]): row for row in found["differences"]}
    assert list(pairs) == [("xlstm", "lstm"), ("lstm", "persistence"), ("xlstm", "persistence")]
    assert pairs["xlstm", "lstm"]["mae"] == pytest.approx(-1, abs=1e-5)
    assert (pairs["xlstm", "lstm"]["days"], pairs["xlstm", "lstm"]["vds"]) == (21, 3)
    by_cut = found["cuts"]["target_vd"]
    assert [row["horizon"] for row in by_cut["horizon"]["lstm"]] == [60, 120]
    assert [row["vd"] for row in found["cuts"]["all_vds"]["vd"]["xlstm"]] == list(observed.vd_ids)
    assert by_cut["congestion"]["lstm"][0]["mae"] is None
    assert by_cut["congestion"]["lstm"][0]["observations"] == 0
    assert found["losses"] == []
    text = comparison.as_markdown(found)
    assert "| xLSTM - LSTM" in text and "loses" not in text
    assert "| congested " in text and "| no data" in text and "nan" not in text and "|  |" not in text


def test_a_model_that_loses_to_naive_is_named_first(observed):
    found = summary(observed, lstm=5.0, xlstm=1.0, naive=4.0)
    assert len(found["losses"]) == 4  # on the target VD, over all, and at each of two horizons
    assert found["losses"][0] == (
        "LSTM loses to the naive forecast 'persistence' in multi_vd on the target VD: MAE 5.00 against 4.00 veh/h."
    )
    modes = {"multi_vd": found}
    page = report.as_markdown(modes, judge.verdict(modes))
    assert page.index(found["losses"][0]) < page.index("xLSTM better") < page.index("## ")


def test_a_tie_with_naive_is_a_loss(observed):
    assert summary(observed, lstm=4.0, xlstm=4.0, naive=4.0)["losses"]
