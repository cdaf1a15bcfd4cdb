"""Times: day and month, offsets, and both nights on which clocks change."""

import numpy as np
import pytest

from vdcast.errors import InputError
from vdcast.ingest import clock

from .raw import put, run, utc

WIDE = {"time_zone": "America/Los_Angeles", "interval": 1800, "feature": "volume", "unit": "veh/30min"}


def wide(tmp_path, rows, **settings):
    put(tmp_path / "raw.csv", "time,A\n" + "".join(f"{t},{x}\n" for t, x in rows))
    return run(tmp_path, "wide_table", tmp_path / "raw.csv", **{**WIDE, **settings})


def test_the_hour_that_clocks_repeat_is_first_daylight_then_standard_time(tmp_path):
    texts = ["00:30", "01:00", "01:30", "01:00", "01:30", "02:00"]
    table, report = wide(tmp_path, [(f"2024-11-03 {t}", i) for i, t in enumerate(texts)])
    assert table.timestamps.tolist() == [utc("2024-11-03T00:30:00-07:00") + 1800 * i for i in range(6)]
    assert table.values[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert report["counts"]["repeated_hour"] == 4
    assert "duplicates" not in report["counts"]


def test_the_newest_row_may_come_first(tmp_path):
    """The last 01:00 in the file is daylight time, the one before it standard time; half an hour apart are six."""
    texts = ["02:00", "01:30", "01:00", "01:30", "01:00", "00:30"]
    table, _ = wide(tmp_path, [(f"2024-11-03 {t}", 5 - i) for i, t in enumerate(texts)])
    assert table.timestamps.tolist() == [utc("2024-11-03T00:30:00-07:00") + 1800 * i for i in range(6)]
    assert table.values[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
    once = ["02:00", "01:30", "01:00", "00:30"]  # not repeated: daylight time, and a gap
    table, _ = wide(tmp_path / "once", [(f"2024-11-03 {t}", 3 - i) for i, t in enumerate(once)])
    np.testing.assert_equal(table.values[:, 0, 0], [0, 1, 2, np.nan, np.nan, 3])


def test_each_detector_of_a_long_table_may_have_its_newest_row_first(tmp_path):
    rows = [(t, vd, i) for vd in "AB" for i, t in enumerate(["02:00", "01:00", "01:00", "00:00"])]
    put(tmp_path / "raw.csv", "time,vd,n\n" + "".join(f"2024-11-03 {t},{vd},{i}\n" for t, vd, i in rows))
    settings = {"time_zone": "America/Los_Angeles", "interval": 3600, "units": {"n": "veh/h"}}
    table, _ = run(tmp_path, "long_table", tmp_path / "raw.csv", **settings)
    assert table.values[:, :, 0].tolist() == [[3, 3], [2, 2], [1, 1], [0, 0]]


def test_rows_in_no_order_in_the_hour_that_clocks_repeat_are_refused(tmp_path):
    """And nowhere else: what is not ambiguous may come in any order."""
    texts = ["01:00", "00:30", "01:30", "02:00", "01:00"]
    with pytest.raises(
        InputError, match=r"'raw\.csv': clocks repeat the hour of 2024-11-03T01:.* sort the rows by time"
    ):
        wide(tmp_path, [(f"2024-11-03 {t}", 1) for t in texts])
    table, _ = wide(tmp_path, [(f"2024-11-04 {t}", i) for i, t in enumerate(["01:30", "00:30", "01:00"])])
    assert table.values[:, 0, 0].tolist() == [1, 2, 0]


def test_an_hour_that_was_not_repeated_in_the_file_is_daylight_time_and_leaves_a_gap(tmp_path):
    table, _ = wide(tmp_path, [(f"2024-11-03 0{h}:{m}", h) for h in range(3) for m in ("00", "30")])
    assert np.isnan(table.values[:, 0, 0]).tolist() == [False] * 4 + [True] * 2 + [False] * 2


def test_the_hour_that_clocks_skip_does_not_exist(tmp_path):
    rows = [(f"2024-03-10 0{h}:{m}", h) for h in range(1, 4) for m in ("00", "30")]
    table, report = wide(tmp_path, rows)
    assert table.timestamps.tolist() == [utc("2024-03-10T01:00:00-08:00") + 1800 * i for i in range(4)]
    assert table.values[:, 0, 0].tolist() == [1, 1, 3, 3]
    assert report["counts"]["nonexistent"] == 2


def test_each_detector_repeats_the_hour_for_itself(tmp_path):
    rows = "".join(
        f"2024-11-03 {t},{vd},{x}\n" for t, vd, x in [("01:00", "A", 1), ("01:00", "B", 2), ("01:00", "A", 3)]
    )
    put(tmp_path / "raw.csv", "time,vd,volume\n" + rows)
    table, _ = run(
        tmp_path,
        "long_table",
        tmp_path / "raw.csv",
        time_zone="America/Los_Angeles",
        interval=3600,
        units={"volume": "veh/h"},
    )
    assert table.values[:, :, 0].tolist()[0] == [1, 2]
    assert table.values[1, 0, 0] == 3 and np.isnan(table.values[1, 1, 0])


def test_an_offset_in_the_file_is_believed(tmp_path):
    table, _ = wide(tmp_path, [("2024-11-03T01:00:00-07:00", 1), ("2024-11-03T01:30:00-08:00", 2)])
    assert table.timestamps[[0, -1]].tolist() == [
        utc("2024-11-03T01:00:00-07:00"),
        utc("2024-11-03T01:30:00-08:00"),
    ]


@pytest.mark.parametrize("order, month", [("dmy", 2), ("mdy", 1)])
def test_day_and_month_are_never_guessed(tmp_path, order, month):
    rows = [("01/02/2024 00:00", 1), ("01/02/2024 00:30", 2)]
    with pytest.raises(
        InputError,
        match=r"line 2: date '01/02/2024 00:00' may be day/month or month/day; set data.date_order",
    ):
        wide(tmp_path, rows)
    table, _ = wide(tmp_path, rows, date_order=order)
    assert table.timestamps[0] == utc(f"2024-0{month}-0{3 - month}T00:00:00-08:00")


@pytest.mark.parametrize(
    "bad",
    ["2024-02-30 00:00", "24:61", "", "2024-01-01 00:00 extra", "9999-01-01 00:00", "２０２４-01-01 00:00x"],
)
def test_what_is_no_time_is_refused_with_its_line(tmp_path, bad):
    with pytest.raises(InputError, match=r"raw\.csv': (line 3|its time column)"):
        wide(tmp_path, [("2024-01-01 00:00", 1), (bad, 2)])


def test_the_grid_starts_with_the_local_day(tmp_path):
    rows = [("2024-01-01 00:00", 1), ("2024-01-01 01:00", 2)]
    table, report = wide(tmp_path, rows, time_zone="Asia/Kolkata", interval=3600)
    assert table.timestamps[0] == utc("2024-01-01T00:00:00+05:30")
    assert "off_grid" not in report["counts"]


def test_instants_of_one_text():
    from zoneinfo import ZoneInfo

    taipei = ZoneInfo("Asia/Taipei")
    assert clock.instant("2009/9/12 11:31:00", taipei) == utc("2009-09-12T11:31:00+08:00")
    assert clock.instant("2026-10-01T05:07:11Z", taipei) == utc("2026-10-01T05:07:11+00:00")
    for bad in ("2026-13-01T00:00:00", "now", "2026-10-01T05:07:11+8", "0001-01-01 00:00"):
        with pytest.raises(ValueError):
            clock.instant(bad, taipei)


def test_a_time_that_does_not_exist_is_not_said_to_be_unlike_itself():
    with pytest.raises(ValueError, match="time '2024-13-01 00:00' does not exist"):
        clock.column(np.array(["2024-13-01 00:00"], object), None)
    with pytest.raises(ValueError, match="time '2024-13-01 00:00' is not written like '2024-12-01 00:00'"):
        clock.column(np.array(["2024-12-01 00:00", "2024-13-01 00:00"], object), None)
