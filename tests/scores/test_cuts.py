"""Cuts through one error array agree with each other and with counts by hand."""

from dataclasses import replace

import numpy as np
import pytest

from tests.forecasts import small
from vdcast.baselines.conditions import observe
from vdcast.forecasts.predictions import CONGESTED, FREE, UNKNOWN, Predictions, beside_observed
from vdcast.language import in_words
from vdcast.params.sections import Evaluate, Window
from vdcast.scores import cuts

WINDOW = Window(sequence_length=4, prediction_length=2)


@pytest.fixture
def predictions(detectors) -> Predictions:
    """Two seeds that forecast zero everywhere, 4 steps of lookback, 2 ahead."""
    part = detectors.rows(0, 120)
    forecast = np.zeros((2, 115, 2, 3, 1), np.float32)
    return beside_observed(forecast, part, ["volume"], 4)


@pytest.fixture
def settings() -> Evaluate:
    return Evaluate(
        primary="multi_vd",
        margin=0.05,
        folds=None,
        protocol=None,
        baselines=["persistence"],
        mape_floor=10.0,
        horizons=[1, 2],
        peak_hours=[7, 8],
        congested_speed=50.0,
        congested_quantile=0.9,
    )


def double(predictions) -> Predictions:
    return replace(predictions, forecast=np.nan_to_num(2 * predictions.observed)[None])


def all_cuts(predictions, conditions) -> list[cuts.Cut]:
    return [
        cuts.overall(),
        cuts.by_horizon(predictions),
        cuts.by_vd(predictions),
        cuts.by_hour(predictions),
        cuts.by_day(predictions),
        cuts.by_peak(predictions, [7, 8]),
        cuts.by_missing(conditions),
    ]


def test_every_cut_pools_to_the_overall_figure(detectors, predictions, settings):
    conditions = observe(detectors, detectors.rows(0, 120), WINDOW, settings, "volume")
    whole = np.nanmean(np.abs(predictions.observed))
    for cut in all_cuts(predictions, conditions):
        rows = cuts.score_table(predictions, cut, 10.0)
        assert list(rows[cut.name]) == list(cut.labels)
        pooled = (rows.mae.fillna(0) * rows.observations).sum() / rows.observations.sum()
        assert pooled == pytest.approx(whole, rel=1e-6), cut.name
        assert rows.observations.sum() == np.isfinite(predictions.observed).sum(), cut.name


def test_skill_is_against_the_best_naive_of_each_label(predictions):
    everyone = {"zero": predictions, "damped": double(predictions), "linear": predictions}
    found = cuts.score_tables(everyone, cuts.by_horizon(predictions), 10.0)["zero"]
    # zero and twice the observation are equally far off
    np.testing.assert_allclose(found.skill, 0, atol=1e-6)
    np.testing.assert_allclose(found.wape, 1)
    assert found.horizon.tolist() == [60, 120]


def test_hours_days_and_peaks_are_local(predictions):
    # 1_700_000_000 is a Tuesday, 22:13 UTC: 06:00 on Wednesday in Taipei; the first forecast is 4 h later
    assert cuts.by_hour(predictions).label[:3, 0, 0].tolist() == [10, 11, 12]
    assert cuts.by_day(predictions).label[0, 0, 0] == 0
    peak = cuts.by_peak(predictions, [10])
    assert peak.label[:2, :, 0].tolist() == [[0, 1], [1, 1]]
    saturday = cuts.by_day(predictions).label[:, 0, 0].argmax()
    assert cuts.by_hour(predictions).label[saturday, 0, 0] == 0
    assert cuts.by_peak(predictions, range(24)).label[saturday, 0, 0] == 1


def test_congestion_is_a_low_speed(detectors, settings):
    conditions = observe(detectors, detectors, WINDOW, settings, "volume")
    speed = detectors.values[4:6, :, 1]  # what the first window forecasts
    expected = np.where(np.isnan(speed), UNKNOWN, np.where(speed < 50, CONGESTED, FREE))
    np.testing.assert_array_equal(conditions.congestion[0], expected)
    assert set(np.unique(conditions.congestion)) == {UNKNOWN, FREE, CONGESTED}
    assert in_words(conditions.rule) == "observed speed below 50 km/h"
    cut = cuts.by_congestion(conditions)
    assert cut.labels == ("congested", "free flow")
    np.testing.assert_array_equal(cut.label == 0, conditions.congestion == CONGESTED)
    np.testing.assert_array_equal(cut.label < 0, conditions.congestion == UNKNOWN)


def test_without_speed_it_is_a_high_value_by_the_training_part_alone(detectors, settings):
    volume = detectors.select(detectors.vd_ids, ["volume"])
    train, test = volume.rows(0, 300), volume.rows(300, 480)
    conditions = observe(train, test, WINDOW, settings, "volume")
    louder = replace(test, values=test.values * 3)
    again = observe(train, louder, WINDOW, settings, "volume")
    assert (again.congestion == CONGESTED).sum() > (conditions.congestion == CONGESTED).sum()
    limit = np.nanquantile(train.values[:, 0, 0], 0.9)
    np.testing.assert_array_equal(
        conditions.congestion[:, 0, 0] == CONGESTED,
        test.values[4 : 4 + len(conditions.missing), 0, 0] > limit,
    )


def test_missing_input_is_counted_in_the_lookback(detectors, settings):
    conditions = observe(detectors, detectors, WINDOW, settings, "volume")
    for w in (0, 100, 203):
        share = np.isnan(detectors.values[w : w + 4]).mean(axis=(0, 2))
        np.testing.assert_allclose(conditions.missing[w], share, rtol=1e-6)
    cut = cuts.by_missing(conditions)
    assert cut.labels == ("none", "up to 10%", "over 10%")
    np.testing.assert_array_equal(cut.label[:, 0] == 0, conditions.missing == 0)
    np.testing.assert_array_equal(cut.label[:, 0] == 2, conditions.missing > 0.1001)


def test_over_time_is_local_and_a_mean_over_seeds(predictions, detectors):
    forecast = predictions.forecast.copy()
    forecast[1] = 2.0
    series = cuts.over_time(replace(predictions, forecast=forecast), "VD-A", "volume")
    assert set(series.forecast) == {1.0}
    utc = np.datetime64(int(predictions.times[0, -1]), "s")
    assert series.time[0] == (utc + np.timedelta64(8, "h"))
    np.testing.assert_array_equal(series.observed[:3], detectors.values[5:8, 0, 0])


def test_a_crossed_cut_has_a_label_for_each_pair(predictions):
    vd, hour = cuts.by_vd(predictions), cuts.by_hour(predictions)
    cut = cuts.crossed(vd, hour)
    assert len(cut.labels) == 3 * 24 and cut.labels[24 + 5] == ("VD-B", 5)
    assert (cut.label == 24 + 5).sum() == (hour.label == 5).sum()
    nowhere = replace(hour, label=np.full_like(hour.label, -1))
    assert (cuts.crossed(vd, nowhere).label == -1).all()


def test_mae_of_each_vd_is_that_of_the_vd_alone(predictions, monkeypatch):
    whole = cuts.mae_of_each_vd(predictions, cuts.by_horizon)
    assert whole.shape == (3, 2)
    for v, vd in enumerate(predictions.vd_ids):
        alone = predictions.of([vd])
        rows = cuts.score_table(alone, cuts.by_horizon(alone), 0)
        np.testing.assert_array_equal(whole[v], rows.mae)
    monkeypatch.setattr(cuts, "BLOCK", 2)
    np.testing.assert_array_equal(cuts.mae_of_each_vd(predictions, cuts.by_horizon), whole)


def test_rows_are_rounded_and_what_is_undefined_is_none(predictions):
    observed = predictions.observed.copy()
    observed[:, 1] = np.nan
    silent = replace(predictions, observed=observed)
    found = cuts.score_tables({"damped": silent}, cuts.by_horizon(silent), 10.0)["damped"]
    first, second = cuts.as_rows(found)
    assert (first.label, second.label) == (60.0, 120.0)
    assert first.mae == round(np.nanmean(np.abs(observed[:, 0]), dtype=np.float64), 6)
    assert second.mae is None and second.mae_sd is None and second.observations == 0
    whole = cuts.whole(cuts.as_rows(cuts.score_tables({"damped": silent}, cuts.overall(), 10.0)["damped"]))
    assert whole.mae == first.mae and not hasattr(whole, "label")


def test_age_counts_days_from_the_first_forecast():
    one = small.predictions(np.zeros((1, 72, 2, 1)), np.zeros((72, 2, 1)), vd_ids=("a",))
    cut = cuts.by_age(one, days=2)
    assert cut.labels == ("1-2", "3-4")
    assert cut.label[:, 0, 0].tolist() == [0] * 48 + [1] * 24
    assert cut.label[47, :, 0].tolist() == [0, 1], (
        "the second hour of a window that begins in the last of day 2"
    )
