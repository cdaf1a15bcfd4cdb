import numpy as np
import pytest

from vdcast.baselines import naive
from vdcast.data import calendar
from vdcast.data.detectors import Detectors


def history(values, *, length=3, horizon=2, interval=3600, origins=None) -> naive.History:
    values = np.asarray(values, np.float32)
    T = len(values)
    times = np.datetime64("2024-01-01", "s").astype(int) + interval * np.arange(T)  # a Monday
    part = Detectors(
        values=values,
        timestamps=times,
        vd_ids=("a",),
        features=("volume",),
        units=("veh/h",),
        interval=interval,
        time_zone="UTC",
        source="test",
    )
    return naive.History(
        values=values,
        hour_of_week=calendar.hour_of_week(times, "UTC"),
        profile=naive.hour_of_week_mean(part, ("volume",)),
        origins=np.arange(length - 1, T - horizon) if origins is None else np.asarray(origins),
        length=length,
        horizon=horizon,
        interval=interval,
    )


def series(*values) -> np.ndarray:
    return np.array(values, np.float32).reshape(-1, 1, 1)


def test_persistence_takes_the_last_valid_observation_of_the_lookback():
    made = naive.persistence(history(series(1, 2, np.nan, 4, 5, 6)))
    assert made[:, :, 0, 0].tolist() == [[2, 2], [4, 4]]


def test_persistence_without_any_falls_back_on_the_hour_of_week():
    h = history(series(9, np.nan, np.nan, np.nan, 7, 8), origins=[3])
    assert np.isnan(naive.persistence(h)).all()
    assert naive.filled(naive.persistence(h), h)[0, :, 0, 0].tolist() == [7, 8]  # the mean of those hours


def test_yesterday_and_last_week_are_the_same_time_of_day():
    values = np.arange(24.0 * 15).reshape(-1, 1, 1)
    h = history(values, origins=[24 * 8])
    t = 24 * 8
    assert naive.yesterday(h)[0, :, 0, 0].tolist() == [t + 1 - 24, t + 2 - 24]
    assert naive.last_week(h)[0, :, 0, 0].tolist() == [t + 1 - 168, t + 2 - 168]


def test_a_season_never_reaches_past_the_origin():
    # 30 hours ahead: yesterday's value of the last steps is not known yet, so the day before is taken
    values = np.arange(24.0 * 10).reshape(-1, 1, 1)
    made = naive.yesterday(history(values, horizon=30, origins=[24 * 5]))[0, :, 0, 0]
    assert made.max() <= 24 * 5
    assert made.tolist() == [24 * 5 + h - 48 for h in range(1, 31)]


def test_before_the_first_week_last_week_is_the_hour_of_week():
    h = history(np.arange(48.0).reshape(-1, 1, 1), origins=[24])
    assert np.isnan(naive.last_week(h)).all()
    assert naive.filled(naive.last_week(h), h)[0, :, 0, 0].tolist() == [25, 26]


def test_hour_of_week_mean_by_hand_and_its_fallbacks():
    values = np.full((24 * 8, 1, 1), np.nan, np.float32)
    values[0], values[24 * 7] = 2, 4  # Monday 00:00, twice
    values[24 + 5] = 10  # Tuesday 05:00, once
    profile = history(values).profile[:, 0, 0]
    assert profile[0] == 3
    assert profile[24 + 5] == 10
    assert profile[48] == 3  # Wednesday 00:00: that hour on the days that have it
    assert profile[48 + 5] == 10
    assert profile[48 + 7] == pytest.approx(16 / 3)  # nothing at 07:00 on any day: everything


@pytest.mark.parametrize("name", naive.NAIVE)
def test_no_forecast_uses_what_comes_after_its_origin(name):
    rng = np.random.default_rng(1)
    values = rng.normal(size=(24 * 20, 1, 1))
    origins = [24 * 16]
    before = history(values, origins=origins)
    changed = values.copy()
    changed[24 * 16 + 1 :] = 1e6
    after = history(changed, origins=origins)
    after = naive.History(**{**vars(after), "profile": before.profile})  # the profile is the training part's
    made = [naive.filled(naive.NAIVE[name](each), each) for each in (before, after)]
    np.testing.assert_array_equal(*made)
