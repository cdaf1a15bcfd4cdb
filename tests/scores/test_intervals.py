"""What the reports say of quantile forecasts follows from the arrays."""

from dataclasses import replace

import numpy as np
import pytest

from tests.records import made
from vdcast.forecasts.predictions import beside_observed
from vdcast.forecasts.quantiles import Quantiles
from vdcast.scores import cuts, intervals

SCOPES = {"target_vd": ["VD-B"], "all_vds": ["VD-A", "VD-B", "VD-國"]}


@pytest.fixture
def predictions(detectors):
    """Two seeds that forecast the truth, with intervals of 10 and 30 wide; calibration adds 1 to each end."""
    T = len(detectors.timestamps)
    part = replace(detectors, values=np.nan_to_num(detectors.values, nan=50.0))
    truth = np.stack([part.values[4 + h : T - 1 + h, :, :1] for h in range(2)], axis=1)
    forecast = np.stack([truth, truth])
    half = np.array([5.0, 15.0], np.float32).reshape(2, 1, 1, 1, 1, 1) * np.array([-1, 0, 1], np.float32)
    margins = np.broadcast_to(np.array([-1, 0, 1], np.float32), (2, 2, 3, 1, 3))
    fan = Quantiles(levels=(0.1, 0.5, 0.9), raw=forecast[..., None] + half, margins=margins)
    return replace(beside_observed(forecast, part, ["volume"], 4), quantiles=fan)


def test_a_table_is_the_mean_over_seeds_before_and_after_calibration(predictions):
    row = intervals.interval_table(predictions, cuts.overall()).iloc[0]
    assert row.coverage_80 == row.coverage_80_raw == 1
    assert row.width_80 == pytest.approx(22, rel=1e-5) and row.width_80_raw == pytest.approx(20, rel=1e-5)
    # the median is right; twice the pinball loss of each end of half-width w is 2 * 0.1 * w
    level = np.abs(predictions.observed).mean()
    assert row.wql_raw == pytest.approx(2 * 2 * 0.1 * 10 / 3 / level, rel=1e-4)
    horizons = intervals.interval_table(predictions, cuts.by_horizon(predictions))
    assert horizons.horizon.tolist() == [60, 120] and horizons.width_80.tolist() == pytest.approx(
        [22, 22], rel=1e-5
    )
    assert intervals.interval_table(predictions, cuts.by_vd(predictions)).vd.tolist() == list(
        predictions.vd_ids
    )


def test_metrics_json_takes_a_few_figures_of_the_widest_interval(predictions):
    figures = intervals.widest_interval(predictions, "VD-B")
    assert set(figures) == {"volume_wql", "volume_coverage_80", "volume_width_80"}
    assert figures["volume_width_80"] == pytest.approx(22, rel=1e-5)


def test_a_comparison_holds_scopes_horizons_and_vds(predictions):
    found = intervals.quantile_scores({"lstm": predictions, "xlstm": predictions}, SCOPES)
    assert found.levels == [0.1, 0.5, 0.9]
    assert set(found.scores) == {"target_vd", "all_vds"}
    assert found.scores["target_vd"]["xlstm"]["coverage_80"] == 1
    assert [row.label for row in found.cuts["target_vd"]["horizon"]["lstm"]] == [60, 120]
    assert [row.label for row in found.cuts["all_vds"]["vd"]["lstm"]] == list(predictions.vd_ids)
    lines = "\n".join(
        intervals.section(made.comparison(quantiles=found, target_vd="VD-B", vds=["a", "b", "c"]))
    )
    assert "an interval of 80 % should hold that share" in lines and "All 3 VDs" in lines
    assert lines.count("| LSTM, uncalibrated ") == 2 and "22.00" in lines and "20.00" in lines


def test_the_page_has_a_line_per_mode_and_model(predictions):
    found = intervals.quantile_scores({"lstm": predictions, "xlstm": predictions}, SCOPES)
    with_some = made.comparison(quantiles=found, target_vd="VD-B")
    lines = "\n".join(intervals.page_section({"multi_vd": with_some, "single_vd": made.comparison()}))
    assert "## Quantile forecasts of VD VD-B" in lines
    assert (
        "| LSTM, multi_vd " in lines
        and "| xLSTM, multi_vd, uncalibrated " in lines
        and "single_vd" not in lines
    )


def test_without_quantiles_there_is_no_section():
    assert intervals.section(made.comparison()) == []
    assert intervals.page_section({"single_vd": made.comparison()}) == []


def test_a_vd_without_observation_has_no_figures_and_that_is_said(predictions):
    observed = predictions.observed.copy()
    observed[:, :, 1] = np.nan
    found = intervals.quantile_scores({"lstm": replace(predictions, observed=observed)}, SCOPES)
    assert found.scores["target_vd"]["lstm"] == dict.fromkeys(
        ["wql", "coverage_80", "width_80", "wql_raw", "coverage_80_raw", "width_80_raw"]
    )
    rows = {"LSTM": found.scores["target_vd"]["lstm"]}
    assert intervals.interval_markdown(rows, (0.1, 0.5, 0.9), "veh/h").count("undefined") == 6


def test_the_series_of_a_fan_chart_is_calibrated(predictions):
    series = intervals.fan_over_time(predictions, "VD-A", "volume")
    assert list(series.columns) == ["time", "observed", "forecast", "p10", "p50", "p90"]
    np.testing.assert_allclose(series.p50, series.forecast, rtol=1e-6)
    np.testing.assert_allclose(series.p90 - series.p10, 22, rtol=1e-4)


def test_where_margins_come_from_is_said():
    words = intervals.calibration_in_words(np.array([0, 0, 1, 3]).reshape(2, 2, 1, 1))
    assert words == (
        "Of 4 intervals (a horizon, VD and target each), calibrated on the validation part: 2 from its own observations, "
        "1 from all horizons of its VD, as its own were too few, 1 uncalibrated, as the validation part has too few "
        "observations."
    )
