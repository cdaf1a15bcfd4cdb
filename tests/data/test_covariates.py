"""What a time is known to be, and from when on: rows and periods by hand."""

from dataclasses import replace

import numpy as np
import pytest

from vdcast.data.covariates import HOLIDAY, Covariates, Weather
from vdcast.errors import InputError

HOUR = 3600


def weather(rows: list[tuple[int, int, float]]) -> Weather:
    """Rows of time and issue time, in hours, and a temperature."""
    time, issued, values = (np.array(column) for column in zip(*sorted(rows), strict=True))
    return Weather(
        kinds=("temperature",),
        time=HOUR * time,
        issued=HOUR * issued,
        values=values[:, None].astype(np.float32),
        mean=np.array([10.0]),
        std=np.array([5.0]),
        step=HOUR,
    )


def said(it: Weather, time: int, now: float) -> float:
    """The temperature of that hour, as it was known at ``now``."""
    (row,) = it.rows(np.array([HOUR * time]), np.array([int(HOUR * now)]))
    return np.append(it.values[:, 0], np.nan)[row]


def test_of_each_time_the_newest_value_that_was_issued_by_then():
    """12 o'clock was forecast at 0 and at 6, and observed at 13; of 11 o'clock there is an observation alone."""
    it = weather([(12, 0, 18), (12, 6, 19), (12, 13, 21), (11, 12, 16)])
    assert [said(it, 12, now) for now in (0, 5.9, 6, 12.9, 13, 99)] == [18, 18, 19, 19, 21, 21]
    assert said(it, 11, 12) == 16
    assert np.isnan([said(it, 12, -1), said(it, 11, 11.9), said(it, 10, 99), said(it, 13, 99)]).all()


def test_an_observation_that_is_moved_across_the_line_is_not_seen():
    """Issued at the end of the lookback it is seen, and a second later it is not."""
    on_the_line = weather([(4, 5, 30)])
    later = replace(on_the_line, issued=on_the_line.issued + 1)
    assert said(on_the_line, 4, 5) == 30 and np.isnan(said(later, 4, 5))


def test_a_value_speaks_of_all_of_its_step():
    it = weather([(0, 0, 1), (1, 0, 2)])
    quarters = 900 * np.arange(9)
    np.testing.assert_array_equal(it.rows(quarters, np.zeros(9, int)), [0, 0, 0, 0, 1, 1, 1, 1, -1])


def test_it_is_scaled_and_what_nobody_said_is_flagged():
    it = weather([(0, 0, 20), (1, 0, np.nan)])
    np.testing.assert_array_equal(it.scaled, [[2, 1], [0, 0], [0, 0]])


@pytest.fixture
def known() -> Covariates:
    plans = {
        HOLIDAY: HOUR * np.array([[24, 48]]),
        "roadworks": HOUR * np.array([[30, 31], [2, 4], [3, 6]]),  # two of them overlap
    }
    return Covariates(
        plans=plans,
        inputs=("roadworks",),
        until={"roadworks": 40 * HOUR},
        weather=weather([(12, 0, 18)]),
        tables={"plans": "a.csv", "weather": "b.csv"},
    )


def test_a_plan_is_so_from_its_begin_to_before_its_end(known):
    hours = HOUR * np.arange(36)
    assert np.flatnonzero(known.planned("roadworks", hours)).tolist() == [2, 3, 4, 5, 30]
    np.testing.assert_array_equal(known.features(hours)[:, 0], known.planned("roadworks", hours))
    assert np.flatnonzero(known.planned(HOLIDAY, hours)).tolist() == list(range(24, 36))
    assert not known.planned("nothing of that name", hours).any()


def test_a_time_of_which_a_plan_says_nothing_is_refused(known):
    with pytest.raises(
        InputError, match="knows of 'roadworks' up to 1970-01-02T16:00:00 UTC, and is asked for"
    ):
        known.planned("roadworks", HOUR * np.array([40]))


def test_nothing_is_known_without_arguments():
    nothing = Covariates()
    assert not nothing and nothing.days == 7 and nothing.features(np.arange(5)).shape == (5, 0)


def test_a_holiday_that_is_no_input_stays_a_day(known):
    fewer = known.without(["roadworks", HOLIDAY, "temperature"])
    assert fewer and fewer.days == 8 and fewer.inputs == () and fewer.weather is None
    assert list(fewer.plans) == [HOLIDAY]


@pytest.mark.parametrize("of", [lambda k: k, lambda k: k.without(["temperature", "roadworks"])])
def test_it_comes_back_from_arrays(known, of):
    known = of(known)
    back = Covariates.of(known.content())
    assert (back.inputs, back.until, back.tables) == (known.inputs, known.until, known.tables)
    assert list(back.plans) == list(known.plans)
    for name, periods in known.plans.items():
        np.testing.assert_array_equal(back.plans[name], periods)
    assert (back.weather is None) == (known.weather is None)
    if known.weather:
        assert (back.weather.kinds, back.weather.step) == (("temperature",), HOUR)
        np.testing.assert_array_equal(back.weather.scaled, known.weather.scaled)
