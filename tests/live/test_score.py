"""Scores of forecasts that are known beside observations that are known: sums by hand."""

from dataclasses import replace

import numpy as np
import pytest

from tests.train.small import task_of
from vdcast.live import words
from vdcast.live.issue import SIMPLE
from vdcast.live.record import Kept
from vdcast.live.score import ahead_of, behind, score

HOUR, DAY = 3600, 86_400


@pytest.fixture
def task(detectors, prepare_settings):
    return task_of(detectors, prepare_settings, mode="multi_vd")


@pytest.fixture
def observed(detectors):
    """Every volume is 10; the second VD was not seen in the last hour."""
    values = np.full_like(detectors.values, 10)
    values[-1, 1] = np.nan
    return replace(detectors, values=values)


def kept(observed, before: int, errors: dict[str, float]) -> Kept:
    """Of the three hours before the last ``before`` ones, each 10 and an error; nothing of the third VD."""
    shape = (3, 3, 1)
    columns = {name: np.full(shape, 10 + error, np.float32) for name, error in errors.items()}
    columns["forecast"][:, 2] = np.nan
    origin = int(observed.timestamps[-1]) - HOUR * (before + 3)
    return Kept(issue=origin + HOUR, origin=origin, columns=columns)


def errors(forecast: float) -> dict[str, float]:
    return {"forecast": forecast, "persistence": -4, "profile": 2, "linear": 3}


def scored(forecasts, observed, task):
    return score(forecasts, observed, task, now=int(observed.timestamps[-1]) + HOUR)


def test_errors_are_of_the_period_and_of_what_all_said(task, observed):
    forecasts = [
        kept(observed, 0, errors(1)),
        kept(observed, 30, errors(4)),
        kept(observed, 24 * 8, errors(100)),
    ]
    found = scored(forecasts, observed, task)
    # of the last hour the second VD was not seen
    np.testing.assert_array_equal(found["day"].count[..., 0], [[1, 1, 0], [1, 1, 0], [1, 0, 0]])
    np.testing.assert_array_equal(found["week"].count[..., 0], [[2, 2, 0], [2, 2, 0], [2, 1, 0]])
    np.testing.assert_allclose(found["day"].mae("forecast", 1)[:, 0], [1, 1, 1])
    np.testing.assert_allclose(found["week"].mae("forecast", 1)[:, 0], [2.5, 2.5, (1 + 4 + 4) / 3])
    np.testing.assert_allclose(found["week"].mae("forecast", 0)[:, 0], [2.5, (2 * 1 + 3 * 4) / 5, np.nan])
    for name, mae in zip(SIMPLE, (4, 2, 3), strict=True):
        np.testing.assert_allclose(found["week"].mae(name, 0, 1), [mae])


def test_a_day_has_every_hour_of_it(task, observed):
    found = scored([kept(observed, before, errors(1)) for before in range(0, 30, 3)], observed, task)
    assert found["day"].count[:, 0, 0].sum() == 24
    assert found["week"].count[:, 0, 0].sum() == 30


def test_what_has_not_come_yet_is_not_scored(task, observed):
    found = scored([kept(observed, -3, errors(1)), kept(observed, -1, errors(1))], observed, task)
    np.testing.assert_array_equal(found["week"].count[..., 0], [[1, 1, 0], [1, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize(("alarm", "expected"), [(0.0, True), (0.24, True), (0.26, False), (None, False)])
def test_the_alarm_is_a_share_above_the_best_simple_forecast(task, observed, alarm, expected):
    """2.5 against 2 of the profile, in forecasts that began in 24 hours."""
    week = scored([kept(observed, hour, errors(2.5)) for hour in range(24)], observed, task)["week"]
    assert ahead_of(week) == ("profile", 2.0, 2.5)
    assert behind(week, alarm) is expected


def test_too_few_forecasts_raise_no_alarm(task, observed):
    """Of 23 hours, however many forecasts and errors each has."""
    bad = [kept(observed, hour, errors(90)) for hour in range(23)]
    week = scored([*bad, *bad, *bad], observed, task)["week"]
    assert ahead_of(week) == ("profile", 2.0, 90.0) and not behind(week, 0.05)


def test_prometheus_is_told_in_its_own_format(task, observed):
    found = scored([kept(observed, 0, errors(1))], observed, task)
    hostile = replace(task, vd_ids=('a"b', "c\\d\ne", "f"))
    lines = list(words.prometheus(found, hostile, run="a", now=5, alarm=True))
    assert 'vdcast_behind{run="a"} 1' in lines and 'vdcast_score_seconds{run="a"} 5' in lines
    same = 'run="a",period="day",forecast="profile",target="volume",unit="veh/h"'
    assert f'vdcast_mae{{{same},minutes_ahead="180"}} 2' in lines
    assert f'vdcast_vd_mae{{{same},vd="a\\"b"}} 2' in lines
    assert f'vdcast_vd_mae{{{same},vd="c\\\\d\\ne"}} 2' in lines
    assert not any('vd="f"' in line for line in lines)  # nothing was said of it
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert names == ["vdcast_score_seconds", "vdcast_behind", "vdcast_mae", "vdcast_vd_mae"]


def test_the_tables_name_the_worst_vds_first(task, observed):
    good, bad = kept(observed, 0, errors(1)), kept(observed, 0, errors(1))
    bad.columns["forecast"][:, 1] = 15
    text = words.tables(scored([good, bad], observed, task), replace(task, vd_ids=("A", "B\x1b", "C")))
    by_vd = text.split("By VD")[1]
    assert "the 2 worst of 3" in by_vd and by_vd.index("B\\x1b") < by_vd.index("| A ")
    assert "| 180 min" in text and "volume, veh/h" in text


def test_the_file_has_a_row_for_each_vd_and_horizon(tmp_path, task, observed):
    found = scored([kept(observed, 0, errors(1))], observed, task)
    words.write_csv(tmp_path / "score.csv", found, task)
    lines = (tmp_path / "score.csv").read_text("utf-8").splitlines()
    assert len(lines) == 1 + 2 * 3 * 3
    assert lines[1] == '"day","volume","veh/h","VD-A",60,1,1,4,2,3'
    assert lines[6] == '"day","volume","veh/h","VD-B",180,0,,,,'
