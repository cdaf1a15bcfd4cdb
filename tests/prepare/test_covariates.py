"""Tables as users write them, what a day is in Berlin and Taipei, and what of it a network can learn."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from vdcast.data import calendar, profile, store
from vdcast.data.covariates import HOLIDAY, Covariates
from vdcast.errors import InputError
from vdcast.layout import CALENDAR
from vdcast.params.sections import Calendar, Window
from vdcast.prepare.covariate_tables import read_plans, read_weather
from vdcast.prepare.covariates import covariates_of, known_ahead, public_holidays, renewed
from vdcast.prepare.split import prepare

NOTHING = {"holidays": None, "plans": None, "weather": None}


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    CALENDAR.mkdir(parents=True)
    return lambda name, text: (CALENDAR / name).write_text(text, "utf-8")


def seconds(text: str) -> int:
    return int(pd.Timestamp(text).timestamp())


def test_public_holidays_are_those_of_the_region():
    berlin, bavaria = (public_holidays(f"DE-{part}", range(2023, 2024)) for part in ("BE", "BY"))
    assert date(2023, 3, 8) in berlin and date(2023, 3, 8) not in bavaria  # Women's Day
    assert date(2023, 1, 6) in bavaria and date(2023, 1, 6) not in berlin  # Epiphany
    assert date(2024, 2, 10) in public_holidays("TW", range(2024, 2025))  # Chinese New Year
    with pytest.raises(
        InputError, match="'DE-XX' is none that the package holidays knows; its regions of DE are: "
    ):
        public_holidays("DE-XX", range(2023, 2024))
    with pytest.raises(
        InputError, match="'Germany' is none that the package holidays knows; its countries are: "
    ):
        public_holidays("Germany", range(2023, 2024))


def test_a_plan_ends_with_its_last_day_or_at_its_hour(write):
    write(
        "school.csv",
        "name,begin,end\nholidays,2023-11-20,2023-11-21\nworks A,2023-11-20T22:00,2023-11-21T05:00\n",
    )
    found = read_plans("school.csv", "Asia/Taipei")
    at = lambda text: seconds(f"{text}+08:00")  # noqa: E731
    np.testing.assert_array_equal(found["holidays"], [[at("2023-11-20T00:00"), at("2023-11-22T00:00")]])
    np.testing.assert_array_equal(found["works A"], [[at("2023-11-20T22:00"), at("2023-11-21T05:00")]])


def test_a_newer_row_without_a_value_keeps_what_was_said_before(write):
    write(
        "w.csv",
        "time,issue_time,rain,wind\n2023-11-20T12:00Z,2023-11-20T06:00Z,1.5,3\n2023-11-20T12:00Z,2023-11-20T09:00Z,,4\n",
    )
    np.testing.assert_array_equal(read_weather("w.csv", "UTC", 3600).values, [[1.5, 3], [1.5, 4]])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "time,rain\n2023-11-20T12:00,1\n",
            "lacks column 'issue_time': without it nobody knows what was known",
        ),
        ("time,issue_time\n2023-11-20T12:00,2023-11-20T12:00\n", "has no column beside time and issue_time"),
        ("time,issue_time,wind\n2023-11-20T12:00,2023-11-20T12:00,NW\n", "row 1: wind 'NW' is no number"),
        ("time,issue_time,wind\nnoon,2023-11-20T12:00,1\n", "row 1: time 'noon' is no time such as"),
        ("time,issue_time,wind\n", "has no row"),
        (
            "time,issue_time,wind\n2023-11-20T12:00,2023-11-20T12:00,1\n2023-11-20T12:00,2023-11-20T12:00,2\n",
            "two rows of 2023-11-20T04:00:00 UTC that were issued at the same time",
        ),
        (
            "time,issue_time,wind\n2023-11-20T12:00,2023-11-20T12:00,1\n2023-11-20T12:10,2023-11-20T12:00,1\n"
            "2023-11-20T12:25,2023-11-20T12:00,1\n",
            "whole steps apart, here of 600 s; 2023-11-20T04:25:00 UTC is not",
        ),
    ],
)
def test_a_table_of_weather_that_cannot_be_meant_is_one_sentence(write, text, sentence):
    write("w.csv", text)
    with pytest.raises(InputError, match=f"'data/calendar/w.csv'.*{sentence}"):
        read_weather("w.csv", "Asia/Taipei", 3600)


def test_a_table_of_plans_that_cannot_be_meant_is_one_sentence(write):
    with pytest.raises(InputError, match="'data/calendar/none.csv' does not exist"):
        read_plans("none.csv", "UTC")
    write("p.csv", "name,begin,end\nworks,2023-11-20T22:00,2023-11-20T05:00\n")
    with pytest.raises(InputError, match="row 1: a plan has a name and ends after it begins"):
        read_plans("p.csv", "UTC")
    write("p.csv", "name,begin,end\nholiday,2023-11-20,2023-11-20\n")
    with pytest.raises(InputError, match="'holiday' is what public holidays are called; rename that plan"):
        read_plans("p.csv", "UTC")


@pytest.fixture
def known(write, detectors) -> Covariates:
    """Of 20 days from 2023-11-15: 20 and 21 November are school holidays, 29 November has works; one forecast of the rain."""
    write("p.csv", "name,begin,end\nschool,2023-11-20,2023-11-21\nworks,2023-11-29,2023-11-29\n")
    hours = pd.date_range("2023-11-15", periods=480, freq="h")
    table = pd.DataFrame(
        {"time": hours, "issue_time": hours - pd.Timedelta("2h"), "rain": np.arange(480) % 7, "snow": 0}
    )
    table.astype(str).to_csv(CALENDAR / "w.csv", index=False)
    return covariates_of(Calendar(holidays="TW", plans="p.csv", weather="w.csv"), detectors)


def test_of_what_the_training_part_never_shows_nothing_is_taken(known, detectors, prepare_settings):
    (prepared,), dropped = prepare(replace(detectors, covariates=known), prepare_settings)
    train = prepared.parts["train"]
    assert {each.name for each in dropped} == {HOLIDAY, "works", "snow"}
    assert train.covariates.inputs == ("school",) and train.covariates.weather.kinds == ("rain",)
    inside = np.arange(6, 6 + 288) % 7  # the data begin at 6 o'clock, six rows into the table
    np.testing.assert_allclose(train.covariates.weather.mean, inside.mean())
    np.testing.assert_allclose(train.covariates.weather.std, inside.std())
    words = known_ahead(prepared.parts, Window(sequence_length=6, prediction_length=3))
    all_of_it = "100.0% of the lookback, 100.0% of the horizon"
    assert f"| rain | {all_of_it} | {all_of_it} | 9" in words  # the last hours of the test part have none
    assert "| school | 16.7% of the time | 0.0% of the time | 0.0% of the time |" in words


def test_it_comes_back_from_the_file_and_off_it_leaves_no_trace(tmp_path, known, detectors, prepare_settings):
    (prepared,), _ = prepare(replace(detectors, covariates=known), prepare_settings)
    store.write_prepared(tmp_path / "on.h5", [prepared])
    back = store.read_prepared(tmp_path / "on.h5", ["train"])[0].parts["train"].covariates
    assert back.inputs == ("school",) and back.weather.kinds == ("rain",) and back.days == 8
    (off,), _ = prepare(detectors, prepare_settings)
    store.write_prepared(tmp_path / "off.h5", [off])
    assert b"covariate" not in (tmp_path / "off.h5").read_bytes()
    assert not covariates_of(Calendar(**NOTHING), detectors)


def test_a_holiday_is_a_day_of_its_own_that_leans_on_sunday(detectors):
    """An hour a slot: by hand, with a level of each day."""
    local = calendar.local(detectors.timestamps, "UTC")
    holiday = np.array([["2023-11-22", "2023-11-23"], ["2023-11-29", "2023-11-30"]], "M8[s]").astype(np.int64)
    known = Covariates(plans={HOLIDAY: holiday})
    free = known.planned(HOLIDAY, detectors.timestamps)
    level = np.where(free, 6, np.where(local.day_of_week == 6, 10, 50)).astype(np.float32)
    part = replace(
        detectors,
        values=np.broadcast_to(level[:, None, None], detectors.values.shape).copy(),
        time_zone="UTC",
        covariates=known,
    )
    found = profile.of_part(part)
    noon = 12
    days = np.array([level[(local.hour == noon) & (local.day_of_week == d) & ~free].mean() for d in range(7)])
    counts = np.array([((local.hour == noon) & (local.day_of_week == d) & ~free).sum() for d in range(7)])
    every = (np.append(days, 6) * np.append(counts, 2)).sum() / (counts.sum() + 2)
    sunday = (10 * counts[6] + 6 * 2 + 0.1 * every) / (counts[6] + 2 + 0.1)
    assert found.shape[0] == 8 * 24
    np.testing.assert_allclose(found[7 * 24 + noon, 0, 0], (6 * 2 + 4 * sunday) / (2 + 4), rtol=1e-5)
    np.testing.assert_array_equal(np.unique(profile.slots_of(part)[free]), 7 * 24 + np.arange(24))


def test_a_forecast_reads_its_tables_anew(known, write, detectors, prepare_settings):
    (prepared,), _ = prepare(replace(detectors, covariates=known), prepare_settings)
    trained = prepared.parts["train"].covariates
    write("p.csv", "name,begin,end\nschool,2024-02-01,2024-02-01\nworks B,2024-02-02,2024-02-02\n")
    write("w.csv", "time,issue_time,hail,rain\n2024-02-01T05:00,2024-02-01T03:00,1,9\n")
    now, strange = renewed(trained, "Asia/Taipei")
    assert strange == ["works B", "hail"]
    times = seconds("2024-02-01T00:00+08:00") + 3600 * np.arange(48)
    assert np.flatnonzero(now.planned("school", times)).tolist() == list(range(24))
    assert now.weather.rows(times[5:6], times[2:4]).tolist() == [-1, 0]
    np.testing.assert_allclose(
        now.weather.scaled[0, 0], (9 - trained.weather.mean[0]) / trained.weather.std[0], rtol=1e-6
    )
    with pytest.raises(InputError, match="knows of 'school' up to"):
        trained.planned("school", times)
    write("w.csv", "time,issue_time,hail\n2024-02-01T05:00,2024-02-01T03:00,1\n")
    with pytest.raises(InputError, match="lacks 'rain', with which the run was trained; it has: hail"):
        renewed(trained, "Asia/Taipei")
