"""Forecasts along time, and their file."""

from dataclasses import replace

import numpy as np
import pytest

from tests.forecasts.small import NAN, models, naive
from vdcast.errors import InputError
from vdcast.forecasts.quantiles import Quantiles
from vdcast.forecasts.series import read_series, series_of, shown_horizons, write_series


def test_forecasts_lie_at_the_time_that_they_forecast():
    series = series_of({**models(), **naive()}, ["b", "a"])
    midnight = 1_704_038_400
    assert series.times.tolist() == [midnight + 3600 * h for h in range(3)] and series.horizons == (0, 1)
    np.testing.assert_array_equal(series.observed, [[1, 10], [2, 20], [NAN, 30]])
    one_ahead, two_ahead = series.forecasts["persistence"]
    np.testing.assert_array_equal(one_ahead, [[3, 12], [4, 22], [NAN, NAN]])
    np.testing.assert_array_equal(two_ahead, [[NAN, NAN], [4, 22], [2, 32]])
    np.testing.assert_array_equal(
        series.forecasts["xlstm"][0, :2], [[1, 10], [2, 20]], "the mean of the seeds"
    )


def test_the_ends_of_the_widest_interval_are_calibrated():
    one = models()["lstm"]
    offsets = np.array([-2, 0, 3], np.float32)  # of the levels; calibration moves each end by 1
    margins = np.broadcast_to(np.array([-1, 0, 1], np.float32), (2, 2, 2, 1, 3))
    fan = Quantiles(levels=(0.1, 0.5, 0.9), raw=one.forecast[..., None] + offsets, margins=margins)
    series = series_of({"lstm": replace(one, quantiles=fan)}, ["a"])
    low, high = series.intervals["lstm"]
    assert low[0, :2, 0].tolist() == [7, 17] and high[0, :2, 0].tolist() == [14, 24]


def test_what_a_seed_did_not_forecast_is_not_averaged_away():
    everyone = models()
    everyone["lstm"].forecast[1, :, :, 1] = NAN  # the second seed has no weights for VD b
    series = series_of(everyone, ["a", "b"])
    assert np.isnan(series.forecasts["lstm"][:, :, 1]).all()
    assert np.isfinite(series.forecasts["lstm"][0, :2, 0]).all()


@pytest.mark.parametrize(
    ("horizon", "shown"),
    [(1, [0]), (4, [0, 1, 2, 3]), (5, [0, 1, 4]), (12, [0, 2, 5, 11]), (24, [0, 5, 11, 23])],
)
def test_horizons_with_series(horizon, shown):
    assert shown_horizons(horizon) == shown


def test_series_come_back_as_they_were_and_twice_the_same_bytes(tmp_path):
    series = series_of({**models(), **naive()}, ["a", "b"])
    for name in ("one.h5", "two.h5"):
        write_series(tmp_path / name, series)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()
    again = read_series(tmp_path / "one.h5")
    assert (again.vd_ids, again.horizons, again.time_zone) == (("a", "b"), (0, 1), "Asia/Taipei")
    np.testing.assert_array_equal(again.observed, series.observed)
    assert set(again.forecasts) == {"lstm", "xlstm", "persistence"} and again.intervals == {}
    np.testing.assert_array_equal(again.forecasts["xlstm"], series.forecasts["xlstm"])


def test_a_foreign_file_is_one_sentence(tmp_path):
    (tmp_path / "series.h5").write_text("no h5")
    with pytest.raises(InputError, match="not a readable h5 file"):
        read_series(tmp_path / "series.h5")
