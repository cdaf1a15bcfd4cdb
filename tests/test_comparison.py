"""What the reports say in words follows from the numbers by rule."""

import json
from dataclasses import replace

import numpy as np
import pytest

from vdcast import comparison, cuts, judge, params, report
from vdcast.predictions import Conditions, beside_observed


@pytest.fixture
def observed(detectors):
    """A perfect forecast of 20 days, two seeds."""
    steps = len(detectors.timestamps)
    part = replace(detectors, values=np.nan_to_num(detectors.values, nan=50.0))
    forecast = np.stack([part.values[4 + h : steps - 1 + h, :, :1] for h in range(2)], axis=1)[None].repeat(
        2, axis=0
    )
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
    cost = dict.fromkeys(comparison.COST, 10)
    settings = params.Evaluate(
        protocol=None,
        mape_floor=10.0,
        horizons=[1],
        peak_hours=[8],
        congested_speed=60.0,
        congested_quantile=0.9,
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


def marked(observed, values, **kwargs) -> list[str]:
    """``notes`` where ``values`` were observed."""
    changed = replace(observed, observed=values)
    found = summary(changed, lstm=2.0, xlstm=1.0, naive=4.0, **kwargs)
    text = comparison.as_markdown(found)
    page = report.as_markdown({"multi_vd": found}, judge.verdict({"multi_vd": found}))
    for note in found["notes"]:
        assert f"**{note}**" in text and f"**{note}**" in page
    assert "nan" not in text + page and "|  |" not in text + page
    json.dumps(found, allow_nan=False)
    return found["notes"]


def test_a_vd_without_test_observations_is_marked_and_counts_for_nothing(observed):
    values = observed.observed.copy()
    values[:, :, 2] = np.nan
    (note,) = marked(observed, values)
    assert note == (
        "In multi_vd, VD VD-國 has no valid observation in the test part: there is no figure of it, "
        "and those of all VDs stand on the other 2."
    )
    found = summary(replace(observed, observed=values), lstm=2.0, xlstm=1.0, naive=4.0)
    row = found["cuts"]["all_vds"]["vd"]["lstm"][2]
    assert row["mae"] is None and row["observations"] == 0
    assert found["differences"][0]["vds"] == 2
    line = next(line for line in comparison.as_markdown(found).splitlines() if line.startswith("| VD-國"))
    assert line.count("no data") == 5  # two models, two ensembles, a baseline


def test_a_constant_target_is_marked(observed):
    values = observed.observed.copy()
    values[:, :, 0] = 7.0
    found = replace(observed, observed=values, forecast=values[None].repeat(2, axis=0))
    (note,) = marked(found, values)
    assert note == "In multi_vd, the observations of VD VD-A do not vary in the test part: R2 is undefined."


def test_a_horizon_and_an_hour_without_data_are_marked(observed):
    values = observed.observed.copy()
    values[:, 1, 1] = np.nan
    (note,) = marked(observed, values)
    assert note == "In multi_vd, VD VD-B has no observation 120 minutes ahead: nothing was scored there."
    values = observed.observed.copy()
    values[cuts.by_hour(observed).label[:, :, 0] == 3] = np.nan
    (note,) = marked(observed, values)
    assert note == "In multi_vd, VD VD-B has no observation at local hour 3: nothing was scored there."


def test_few_days_and_a_single_seed_are_marked(observed):
    values = observed.observed.copy()
    values[60:] = np.nan
    assert "the test part has 3 days with observations" in marked(observed, values)[-1]
    one = summary(replace(observed, forecast=observed.forecast[:1]), lstm=2.0, xlstm=1.0, naive=4.0)
    assert len(one["notes"]) == 1 and "one seed was trained" in one["notes"][0]
    assert "lstm_ensemble" not in one["scores"]["target_vd"]


def test_a_mode_that_cannot_be_compared_is_marked_and_the_others_go_on(observed):
    modes = {
        "single_vd": comparison.without("single_vd", "lstm and xlstm were not evaluated on the same windows"),
        "multi_vd": summary(observed, lstm=2.0, xlstm=1.0, naive=4.0),
    }
    judged = judge.verdict(modes)
    page = report.as_markdown(modes, judged)
    assert "**No comparison in single_vd: lstm and xlstm were not evaluated on the same windows.**" in page
    assert "- `single_vd`: No verdict: lstm and xlstm were not" in page
    assert judged["overall"]["better"] == "xlstm" and "single_vd" not in judged["overall"]["words"]
    assert report.summarise(modes, judged)["single_vd"] == {"problem": modes["single_vd"]["problem"]}
    assert "**No comparison: lstm and xlstm" in comparison.as_markdown(modes["single_vd"])
    nothing = {"single_vd": modes["single_vd"]}
    assert "No comparison in single_vd" in report.as_markdown(nothing, judge.verdict(nothing))
