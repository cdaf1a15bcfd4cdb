"""What the reports say in words follows from the numbers by rule."""

from dataclasses import replace

import numpy as np
import pytest

from vdcast import comparison, report
from vdcast.predictions import beside_observed
from vdcast.significance import Difference


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
    cost = {"parameters": 10, "epochs": 2, "seconds": 3.0, "peak_memory_mb": 400.0}
    return comparison.summarise(
        "multi_vd",
        models,
        {"persistence": off_by(observed, naive)},
        "VD-B",
        {"lstm": cost, "xlstm": cost},
        10.0,
    )


def test_better_is_said_only_where_the_interval_excludes_zero():
    words = comparison.in_words(Difference(-0.5, -0.9, -0.1, 5), 5.0, "veh/h", "7")
    assert words == (
        "xLSTM better: on VD 7 xLSTM's MAE is 0.50 veh/h (10.0%) lower than LSTM's, "
        "95 % interval -0.90 to -0.10 over 5 test days"
    )
    assert comparison.in_words(Difference(0.5, 0.1, 0.9, 5), 5.0, "veh/h", "7").startswith("LSTM better: ")
    assert comparison.in_words(Difference(0.5, -0.1, 0.9, 5), 5.0, "veh/h", "7").startswith(
        "no difference shown: "
    )


def test_the_numbers_of_a_known_case(observed):
    found = summary(observed, lstm=2.0, xlstm=-1.0, naive=4.0)
    assert found["scores"]["target_vd"]["lstm"]["mae"] == pytest.approx(2, abs=1e-5)
    assert found["scores"]["all_vds"]["xlstm"]["mae"] == pytest.approx(1, abs=1e-5)
    assert found["scores"]["target_vd"]["xlstm"]["skill"] == pytest.approx(0.75, abs=1e-5)
    assert found["difference"]["mae"] == pytest.approx(-1, abs=1e-5)
    assert found["difference"]["words"].startswith("xLSTM better")
    assert [row["minutes"] for row in found["by_horizon"]["lstm"]] == [60, 120]
    assert [row["vd"] for row in found["by_vd"]["xlstm"]] == list(observed.vd_ids)
    assert found["losses"] == []
    text = comparison.as_markdown(found)
    assert "**xLSTM better: " in text and "loses" not in text and "| xLSTM " in text


def test_a_model_that_loses_to_naive_is_named_first(observed):
    found = summary(observed, lstm=5.0, xlstm=1.0, naive=4.0)
    assert len(found["losses"]) == 4  # on the target VD, over all, and at each of two horizons
    assert found["losses"][0] == (
        "LSTM loses to the naive forecast 'persistence' in multi_vd on the target VD: MAE 5.00 against 4.00 veh/h."
    )
    page = report.as_markdown({"multi_vd": found})
    assert page.index(found["losses"][0]) < page.index("xLSTM better") < page.index("## ")


def test_a_tie_with_naive_is_a_loss(observed):
    assert summary(observed, lstm=4.0, xlstm=4.0, naive=4.0)["losses"]
