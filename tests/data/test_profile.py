from dataclasses import replace

import numpy as np
import pytest

from vdcast.data import calendar, profile
from vdcast.data.covariates import Covariates
from vdcast.data.detectors import Detectors

MONDAY = 4 * 86_400  # 1970-01-05


def of_days(levels: list[float], interval: int = 3600, time_zone: str = "UTC") -> Detectors:
    """A detector that shows one level all day, from a Monday on."""
    values = np.repeat(np.array(levels, np.float32), 86_400 // interval)
    return Detectors(
        values=values[:, None, None],
        timestamps=MONDAY + interval * np.arange(len(values)),
        vd_ids=("v",),
        features=("f",),
        units=("u",),
        interval=interval,
        time_zone=time_zone,
        source="a test",
    )


NO = np.nan
LEVELS = [10, 20, NO, NO, NO, 2, NO, 14]  # Monday, Tuesday, ..., Saturday, Sunday, Monday


def by_hand(mondays: list[float], tuesdays: list[float], saturdays: list[float]) -> list[float]:
    """Of each day of the week."""
    weekdays, every = mondays + tuesdays, mondays + tuesdays + saturdays
    level = sum(every) / len(every)
    weekday = (sum(weekdays) + 0.1 * level) / (len(weekdays) + 0.1)
    saturday = (sum(saturdays) + 0.1 * level) / (len(saturdays) + 0.1)
    monday = (sum(mondays) + 4 * weekday) / (len(mondays) + 4)
    tuesday = (sum(tuesdays) + 4 * weekday) / (len(tuesdays) + 4)
    return [
        monday,
        tuesday,
        weekday,
        weekday,
        weekday,
        (sum(saturdays) + 4 * saturday) / (len(saturdays) + 4),
        level,
    ]


def test_a_profile_by_hand():
    """At an hour a slot nothing is smoothed: the kernel is narrower."""
    found = profile.of_part(of_days(LEVELS))
    assert found.shape == (7 * 24, 1, 1) and found.dtype == np.float32
    np.testing.assert_allclose(found[::24, 0, 0], by_hand([10, 14], [20], [2]), rtol=1e-5)


def test_its_own_day_is_left_out_by_hand():
    part = of_days(LEVELS)
    found = profile.left_out(part)
    assert found.shape == part.values.shape and found.dtype == np.float32
    expected = {
        0: by_hand([14], [20], [2])[0],
        1: by_hand([10, 14], [], [2])[1],
        2: by_hand([10, 14], [20], [2])[2],  # a day without any observation has nothing to leave out
        5: by_hand([10, 14], [20], [])[5],
        7: by_hand([10], [20], [2])[0],
    }
    for day, level in expected.items():
        np.testing.assert_allclose(found[24 * day : 24 * day + 24, 0, 0], level, rtol=1e-5)


@pytest.fixture
def train(detectors) -> Detectors:
    return detectors.rows(0, 288)


def test_a_day_has_no_say_in_its_own_profile_and_one_in_all_others(train):
    date = calendar.dates(train.timestamps, train.time_zone)
    day = date == date[100]
    changed = replace(train, values=np.where(day[:, None, None], train.values * 3, train.values))
    before, after = profile.left_out(train), profile.left_out(changed)
    np.testing.assert_allclose(before[day], after[day], rtol=1e-6)
    assert (np.abs(before - after)[~day] > 1e-3).mean() > 0.9, "but where the changed day has a hole"
    assert not np.allclose(profile.of_part(train), profile.of_part(changed))


def test_a_profile_without_a_day_is_that_of_the_series_without_it(train):
    date = calendar.dates(train.timestamps, train.time_zone)
    day = date == date[100]
    without = replace(train, values=np.where(day[:, None, None], np.nan, train.values).astype("f4"))
    slot = profile.slots_of(train)
    np.testing.assert_allclose(profile.left_out(train)[day], profile.of_part(without)[slot[day]], rtol=1e-5)


def test_a_hole_is_a_hole_and_no_zero():
    nothing = of_days([NO] * 8)
    assert np.isnan(profile.of_part(nothing)).all() and np.isnan(profile.left_out(nothing)).all()
    once = nothing.values.copy()
    once[3] = 7
    alone = replace(nothing, values=once)
    np.testing.assert_allclose(profile.of_part(alone), 7)
    assert np.isnan(profile.left_out(alone)[:24]).all(), "no other day says what is usual"
    np.testing.assert_allclose(profile.left_out(alone)[24:], 7)


def test_neighbouring_slots_are_smoothed_across_the_end_of_the_week():
    sums = np.zeros((7 * 96, 1, 1))
    sums[0] = 1
    weight = np.exp(-0.5 * (np.array([2, 1, 0, 1, 2]) * 900 / 600) ** 2)
    found = profile._smoothed(sums, 900)[[-2, -1, 0, 1, 2], 0, 0]
    np.testing.assert_allclose(found, weight / weight.sum())
    assert found.sum() == pytest.approx(1)


def test_minutes_share_slots_of_five_and_a_day_counts_as_one():
    minutes, fives = of_days([10, 20, 30, 12, 5, 6, 7, 8], 60), of_days([10, 20, 30, 12, 5, 6, 7, 8], 300)
    assert profile.slots_of(minutes)[[0, 4, 5, -1]].tolist() == [0, 0, 1, 287]
    assert profile.of_part(minutes).shape == (7 * 288, 1, 1)
    np.testing.assert_allclose(profile.of_part(minutes), profile.of_part(fives), rtol=1e-5)


def test_slots_are_local():
    part = of_days([1])
    assert profile.slots(part.timestamps, "Asia/Taipei", 3600, Covariates())[[0, 15, 16]].tolist() == [
        8,
        23,
        24,
    ]
    assert calendar.dates(part.timestamps, "Asia/Taipei")[[0, 15, 16]].tolist() == [4, 4, 5]


def test_detectors_are_worked_on_in_blocks(train, monkeypatch):
    whole = profile.of_part(train), profile.left_out(train)
    monkeypatch.setattr(profile, "BLOCK", 1)
    for found, expected in zip((profile.of_part(train), profile.left_out(train)), whole, strict=True):
        np.testing.assert_array_equal(found, expected)
