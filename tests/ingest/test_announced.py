"""What was read as something else without a word: each is refused in one sentence, or is right."""

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vdcast.errors import InputError
from vdcast.ingest import clock
from vdcast.ingest.files import RawFile

from .raw import put, run, utc, v11
from .test_america import EXPORT, metr_la, npz, station_row
from .test_m05a import rows as m05a_rows

LA = {"time_zone": "America/Los_Angeles", "feature": "volume"}
NAN = np.nan


# --- products and intervals ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "TDCS_M04A_20240325_000000.csv",
        "M08A.csv",
        "day/TDCS_M06A_20240325_000000.csv",
        "M04A20240325.csv",
        "M06A/00.csv",
    ],
)
def test_another_product_than_m05a_is_refused_by_its_name(tmp_path, name):
    put(tmp_path / "raw" / name, m05a_rows(("B", "A", [(57, 12)] * 5)))
    with pytest.raises(InputError, match="its name says M0[468]A, another product than M05A"):
        run(tmp_path, "taiwan_m05a", tmp_path / "raw")


@pytest.mark.parametrize("product", ["station_hour", "station_day", "meta"])
def test_another_product_than_five_minute_stations_is_refused_by_its_name(tmp_path, product):
    put(
        tmp_path / f"raw/d11_text_{product}_2018_11.txt",
        station_row("11/01/2018 00:00:00", 1, 100, 9, 0.1, 60),
    )
    with pytest.raises(InputError, match=f"its name says {product}, another product than station_5min"):
        run(tmp_path, "pems_station", tmp_path / "raw")


def test_stations_per_hour_are_refused_under_any_name(tmp_path):
    rows = [station_row(f"11/01/2018 {h:02}:00:00", 1, 100, 4000, 0.1, 60) for h in range(3)]
    put(tmp_path / "raw.txt", "".join(rows))
    with pytest.raises(InputError, match="its times lie 3600 s apart, not 300 s"):
        run(tmp_path, "pems_station", tmp_path / "raw.txt")


@pytest.mark.parametrize("name, interval", [("vd_value5_0905.xml.gz", 60), ("vd_value_0905.xml", 300)])
def test_snapshots_of_v11_are_of_the_interval_that_their_name_says(tmp_path, name, interval):
    put(tmp_path / "raw" / name, v11(("V", 0, "2015/03/31 23:50:00", [("0", 86, 2, [14])]), interval=0))
    with pytest.raises(InputError, match="its name says a snapshot per (60|300) s; set data.interval"):
        run(tmp_path, "taiwan_v11", tmp_path / "raw", interval=interval)
    table, _ = run(tmp_path, "taiwan_v11", tmp_path / "raw", interval=360 - interval)
    assert table.values[0, 0].tolist() == [86, 14, 2]


def test_hours_announced_as_five_minutes_are_refused_in_every_format(tmp_path):
    hours = pd.date_range("2026-10-01", periods=24, freq="h")
    put(tmp_path / "raw.csv", "time,A\n" + "".join(f"{t},5\n" for t in hours))
    with pytest.raises(InputError, match="multiples of 3600 s apart, and the interval .* is 300 s"):
        run(tmp_path, "wide_table", tmp_path / "raw.csv", interval=300, unit="veh/5min", **LA)
    table, _ = run(tmp_path, "wide_table", tmp_path / "raw.csv", interval=3600, unit="veh/h", **LA)
    assert len(table.timestamps) == 24


DAYS = {"feature": "volume", "unit": "veh", "vd_columns": ["Site"], "time_zone": "Australia/Melbourne"}


def days(*rows, head="Site", columns=96):
    """A file of day rows: detector columns and date, then the values 0, 1, 2, ... in each row."""
    names = ",".join(f"V{i:02}" for i in range(columns))
    body = "".join(
        f"{row}," + ",".join(str(i + 100 * n) for i in range(columns)) + "\n" for n, row in enumerate(rows)
    )
    return f"{head},Date,{names}\n{body}"


def test_more_columns_than_a_day_has_intervals_are_refused(tmp_path):
    put(tmp_path / "raw.csv", days("1,2024-02-01"))
    with pytest.raises(
        InputError, match="has column 'V24' beside the 24 from 'V00' that a day .* 3600 s has"
    ):
        run(tmp_path, "day_rows", tmp_path / "raw.csv", interval=3600, **DAYS)
    table, _ = run(tmp_path, "day_rows", tmp_path / "raw.csv", interval=900, **DAYS)
    assert table.values[:, 0, 0].tolist() == list(range(96))


def test_flows_in_an_h5_are_no_speeds(tmp_path):
    times = np.datetime64("2019-06-01T00:00") + np.arange(600) * np.timedelta64(5, "m")
    flows = np.arange(1200.0).reshape(600, 2) % 500
    metr_la(tmp_path / "raw.h5", times, flows, np.array([b"315836", b"315837"]), key="t")
    with pytest.raises(InputError, match="numbers are no speeds, being above 200 km/h; if they are flows"):
        run(tmp_path, "metr_la", tmp_path / "raw.h5")
    table, _ = run(tmp_path, "metr_la", tmp_path / "raw.h5", feature="volume")
    assert (table.features, table.units) == (("volume",), ("veh/5min",))
    np.testing.assert_array_equal(table.values[:, :, 0], flows)  # a flow of 0 is one


def test_values_that_are_mostly_impossible_are_another_quantity(tmp_path):
    data = np.full((500, 2, 3), 40.0)  # occupancy 0..1 announced second: 40 is none
    put(tmp_path / "raw.npz", npz(data=data))
    with pytest.raises(
        InputError, match="1000 of 1000 values of occupancy are impossible: .* are they the quantity"
    ):
        run(tmp_path, "pems_npz", tmp_path / "raw.npz", start="2016-07-01")


# --- hours -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "date", ["2024-02-01T00:00:00+11:00", "2024-01-31T13:00:00Z", "2024-02-01", "2024-02-01 00:00:00"]
)
def test_a_day_with_an_offset_begins_at_its_midnight(tmp_path, date):
    put(tmp_path / "raw.csv", days(f"1,{date}"))
    table, _ = run(tmp_path, "day_rows", tmp_path / "raw.csv", interval=900, **DAYS)
    assert table.timestamps[0] == utc("2024-02-01T00:00:00+11:00")
    assert table.values[:2, 0, 0].tolist() == [0, 1]


@pytest.mark.parametrize("date", ["2024-02-01T00:00:00Z", "2024-02-01 06:00"])
def test_a_day_that_begins_at_no_midnight_is_refused(tmp_path, date):
    put(tmp_path / "raw.csv", days(f"1,{date}"))
    with pytest.raises(InputError, match="line 2: date .* is not midnight in Australia/Melbourne"):
        run(tmp_path, "day_rows", tmp_path / "raw.csv", interval=900, **DAYS)


def test_an_h5_index_with_a_time_zone_is_utc(tmp_path):
    times = np.datetime64("2012-03-01T08:00") + np.arange(3) * np.timedelta64(5, "m")
    metr_la(tmp_path / "raw.h5", times, np.full((3, 1), 60.0), np.array([b"1"]))
    with h5py.File(tmp_path / "raw.h5", "r+") as file:
        file["df/axis1"].attrs["tz"] = "America/Los_Angeles"
    table, _ = run(tmp_path, "metr_la", tmp_path / "raw.h5")
    assert table.timestamps[0] == utc("2012-03-01T00:00:00-08:00")


def test_an_h5_index_of_numbers_has_no_times(tmp_path):
    metr_la(tmp_path / "raw.h5", np.arange(3).astype("M8[ns]"), np.full((3, 1), 60.0), np.array([b"1"]))
    with h5py.File(tmp_path / "raw.h5", "r+") as file:
        file["df/axis1"].attrs["kind"] = "integer"
    with pytest.raises(InputError, match="its index holds integer, not times"):
        run(tmp_path, "metr_la", tmp_path / "raw.h5")


def test_h5_values_are_in_the_order_of_their_own_items(tmp_path):
    times = np.datetime64("2012-03-01T00:00") + np.arange(1) * np.timedelta64(5, "m")
    metr_la(tmp_path / "raw.h5", times, np.array([[50.0, 60.0]]), np.array([b"b", b"a"]))
    with h5py.File(tmp_path / "raw.h5", "r+") as file:
        file["df/axis0"][:] = [b"a", b"b"]
    table, _ = run(tmp_path, "metr_la", tmp_path / "raw.h5", speed_unit="mph")
    assert dict(zip(table.vd_ids, table.values[0, :, 0].tolist(), strict=True)) == {"b": 50, "a": 60}


SPRING = {"start": "2017-03-12 00:00", "interval": 3600, "unit": "veh/h", "time_column": None, **LA}


@pytest.mark.parametrize("kind", ["wide_table", "pems_npz"])
@pytest.mark.parametrize(
    "start, rows, values",
    [
        # 2017-03-12 01:00 is followed by 03:00
        ("2017-03-12 00:00", "elapsed", [1, 2, 3, 4, 5]),
        ("2017-03-12 00:00", "local", [1, 2, 4, 5]),
        # 2017-11-05 01:00 comes twice
        ("2017-11-05 00:00", "elapsed", [1, 2, 3, 4, 5]),
        ("2017-11-05 00:00", "local", [1, 2, NAN, 3, 4, 5]),
    ],
)
def test_files_without_times_where_clocks_change(tmp_path, kind, start, rows, values):
    if kind == "wide_table":
        path = put(tmp_path / "raw.csv", "A\n" + "".join(f"{i}\n" for i in range(1, 6)))
        said = {**SPRING, "start": start, "header": True}
    else:
        path = put(tmp_path / "raw.npz", npz(data=np.arange(1.0, 6).reshape(5, 1, 1)))
        said = {"features": ["volume"], "interval": 3600, "start": start}
    with pytest.raises(
        InputError, match="it has no times, and clocks change at 2017-.*set data.rows to elapsed .* or local"
    ):
        run(tmp_path, kind, path, **said)
    table, _ = run(tmp_path, kind, path, rows=rows, **said)
    np.testing.assert_array_equal(table.values[:, 0, 0], values)
    first = clock.instant(start, clock.ZoneInfo("America/Los_Angeles"))
    assert table.timestamps.tolist() == [first + 3600 * i for i in range(len(values))]


def test_two_files_without_times_have_no_order(tmp_path):
    for month in ("jan", "feb"):
        put(tmp_path / f"raw/{month}.csv", "A\n1\n2\n")
    with pytest.raises(
        InputError, match="holds 2 files without times, .* which of them comes first cannot be told"
    ):
        run(tmp_path, "wide_table", tmp_path / "raw", **SPRING)


FALL = "2024-11-03"
NIGHT = {"time_zone": "America/Los_Angeles", "interval": 1800, "feature": "n", "unit": "1"}


def at_night(tmp_path, rows, **more):
    put(tmp_path / "raw.csv", "time,A\n" + "".join(f"{FALL} {t},{x}\n" for t, x in rows))
    table, report = run(tmp_path, "wide_table", tmp_path / "raw.csv", **{**NIGHT, **more})
    return table.values[:, 0, 0].tolist(), report["counts"]


def test_a_copied_row_is_not_the_one_of_the_second_hour(tmp_path):
    values, counts = at_night(
        tmp_path, [("00:30", 0), ("01:00", 1), ("01:00", 1), ("01:30", 2), ("02:00", 5)]
    )
    np.testing.assert_equal(values, [0, 1, 2, NAN, NAN, 5])
    assert counts["duplicates"] == 1
    rows = [("00:30", 0), ("01:00", 1), ("01:30", 2), ("01:30", 2), ("01:00", 3), ("01:30", 4), ("02:00", 5)]
    assert at_night(tmp_path / "both", rows)[0] == [0, 1, 2, 3, 4, 5]


def test_the_second_hour_may_say_what_the_first_said(tmp_path):
    rows = [("00:30", 0), ("01:00", 0), ("01:30", 0), ("01:00", 0), ("01:30", 0), ("02:00", 5)]
    assert at_night(tmp_path, rows)[0] == [0, 0, 0, 0, 0, 5]


def test_rows_appended_to_a_file_once_more_are_copies(tmp_path):
    rows = [("00:30", 0), ("01:00", 1), ("01:30", 2), ("02:00", 5)]
    values, counts = at_night(tmp_path, rows + rows)
    np.testing.assert_equal(values, [0, 1, 2, NAN, NAN, 5])
    assert counts["duplicates"] == 4


def test_a_row_that_may_be_of_either_hour_is_refused(tmp_path):
    with pytest.raises(InputError, match="which of the two hours they mean cannot be told"):
        at_night(tmp_path, [("00:30", 0), ("01:00", 1), ("01:00", 7), ("01:30", 2), ("02:00", 5)])


def test_hourly_copies_are_told_from_the_second_hour_by_others(tmp_path):
    def table(*rows):
        put(tmp_path / "raw.csv", "time,vd,n\n" + "".join(f"{FALL} {t},{vd},{x}\n" for t, vd, x in rows))
        settings = {"time_zone": "America/Los_Angeles", "interval": 3600, "units": {"n": "1"}}
        return run(tmp_path, "long_table", tmp_path / "raw.csv", **settings)[0].values[:, :, 0]

    a = [("00:00", "A", 1), ("01:00", "A", 2), ("01:00", "A", 2), ("02:00", "A", 3)]
    b = [("00:00", "B", 4), ("01:00", "B", 5), ("01:00", "B", 6), ("02:00", "B", 7)]
    np.testing.assert_equal(table(*a), [[1], [2], [NAN], [3]])
    np.testing.assert_equal(table(*a, *b), [[1, 4], [2, 5], [2, 6], [3, 7]])


def test_a_copied_day_row_has_no_second_hour(tmp_path):
    row = "1,2024-04-07"  # clocks go back at 03:00 in Melbourne
    head, body = days(row).split("\n", 1)
    put(tmp_path / "raw.csv", f"{head}\n{body}{body}")
    table, report = run(tmp_path, "day_rows", tmp_path / "raw.csv", interval=900, **DAYS)
    # 02:00 to 02:59 are daylight time, then comes an hour that the file does not have
    np.testing.assert_equal(table.values[:, 0, 0], [*range(12), *[NAN] * 4, *range(12, 96)])
    assert report["counts"]["duplicates"] == 96


@settings(max_examples=60, deadline=None)
@given(st.lists(st.booleans(), min_size=6, max_size=6), st.sampled_from([1, 7, 100]), st.booleans())
def test_a_whole_night_is_right_however_rows_are_copied_and_cut(copied, size, backwards):
    """Rows of 00:30 to 02:00 by the half hour, some twice in a row, seen ``size`` at a time."""
    texts = ["00:30", "01:00", "01:30", "01:00", "01:30", "02:00"]
    rows = [i for i, twice in enumerate(copied) for _ in range(1 + twice)]
    if backwards:
        rows, size = rows[::-1], 100
    local = np.array([f"{FALL}T{texts[i]}" for i in rows], "M8[s]")
    localiser = clock.Localiser(RawFile(path=None, name="x", size=0), "America/Los_Angeles", 1800)
    x = np.array(rows, "f8")[:, None]
    parts = [localiser.utc(local[i : i + size], None, x[i : i + size])[0] for i in range(0, len(rows), size)]
    start = utc("2024-11-03T00:30:00-07:00")
    assert np.concatenate(parts).tolist() == [start + 1800 * i for i in rows]


# --- detectors and rows ----------------------------------------------------------------------------


def export(x):
    return EXPORT + f"05/13/2024 00:00,{x},0,60,60,2,100\n"


def test_exports_are_called_by_their_whole_path(tmp_path):
    names = ("I5-N 3.2mi.csv", "I5-N 3.8mi.csv", "d7/717490.csv", "d11/717490.csv")
    for i, name in enumerate(names):
        put(tmp_path / "raw" / name, export(i))
    table, _ = run(tmp_path, "pems_export", tmp_path / "raw")
    found = dict(zip(table.vd_ids, table.values[0, :, 0].tolist(), strict=True))
    assert found == {"I5-N 3.2mi": 0, "I5-N 3.8mi": 1, "d7/717490": 2, "d11/717490": 3}
    months = tmp_path / "months"
    for month in (1, 2):
        put(months / f"{month}/717490.csv", export(5).replace("05/13", f"0{month}/13"))
    table, _ = run(tmp_path / "b", "pems_export", months, vd_from="name")
    assert table.vd_ids == ("717490",)


def test_two_detectors_of_day_rows_never_share_a_name(tmp_path):
    put(tmp_path / "raw.csv", days("1 2,3,2024-02-01", "1,2 3,2024-02-01", head="Site,Way"))
    with pytest.raises(InputError, match=r"two detectors, .*'1 2', '3'.* would both be called '1 2 3'"):
        run(
            tmp_path,
            "day_rows",
            tmp_path / "raw.csv",
            interval=900,
            **{**DAYS, "vd_columns": ["Site", "Way"]},
        )


def test_day_rows_told_apart_by_a_column_that_is_not_read_are_refused(tmp_path):
    put(tmp_path / "raw.csv", days("1,N,2024-02-01", "1,S,2024-02-01", head="Site,Way"))
    with pytest.raises(
        InputError, match="1 of its first 2 rows repeat a detector and day, and differ in Way; .*vd_columns"
    ):
        run(tmp_path, "day_rows", tmp_path / "raw.csv", interval=900, **DAYS)


LANES = (
    "time,vd,lane,kind,speed,occupancy,volume\n"
    "2026-10-01 00:00,A,0,S,80,4,6\n2026-10-01 00:00,A,0,L,70,4,2\n"
    "2026-10-01 00:00,A,1,S,90,8,4\n2026-10-01 00:00,A,1,L,0,8,0\n"
    "2026-10-01 00:00,B,0,S,50,2,1\n2026-10-01 00:00,B,0,L,40,2,-99\n"
)
BY_LANE = {
    "time_zone": "Asia/Taipei",
    "interval": 60,
    "missing_codes": [-99.0],
    "units": {"volume": "veh/min", "speed": "km/h", "occupancy": "%"},
}


def test_rows_per_lane_and_class_are_refused_or_summed(tmp_path):
    put(tmp_path / "raw.csv", LANES)
    with pytest.raises(
        InputError, match="4 of its first 6 rows repeat a detector and time, and differ in .*kind"
    ):
        run(tmp_path, "long_table", tmp_path / "raw.csv", **BY_LANE)
    table, _ = run(tmp_path, "long_table", tmp_path / "raw.csv", sum_over=["lane", "kind"], **BY_LANE)
    a = [6 + 2 + 4 + 0, (80 * 6 + 70 * 2 + 90 * 4) / 12, 6]
    np.testing.assert_allclose(table.values[0], [a, [NAN, NAN, 2]], rtol=1e-6)
    table, _ = run(
        tmp_path, "long_table", tmp_path / "raw.csv", sum_over=["lane", "kind"], missing_when="all", **BY_LANE
    )
    np.testing.assert_allclose(table.values[0], [a, [1, 50, 2]], rtol=1e-6)


def test_a_copied_row_per_lane_is_not_summed_twice(tmp_path):
    put(tmp_path / "raw.csv", LANES + "2026-10-01 00:00,A,0,S,80,4,6\n")
    table, report = run(tmp_path, "long_table", tmp_path / "raw.csv", sum_over=["lane", "kind"], **BY_LANE)
    assert table.values[0, 0, 0] == 12 and report["counts"]["duplicates"] == 1


def test_sum_over_wants_quantities_that_it_knows(tmp_path):
    with pytest.raises(ValueError, match="sum_over sums volumes .* what is 'q'"):
        run(tmp_path, "long_table", tmp_path, **{**BY_LANE, "units": {"q": "veh/min"}}, sum_over=["lane"])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 2), st.integers(0, 9)), min_size=1, max_size=20, unique_by=lambda r: r[:2]), st.randoms(use_true_random=False))  # fmt: skip
def test_sums_against_a_dictionary(tmp_path_factory, rows, random):
    folder = tmp_path_factory.mktemp("sum")
    random.shuffle(rows)
    put(
        folder / "raw.csv",
        "time,vd,lane,volume\n" + "".join(f"2026-10-01 00:00,{v},{k},{x}\n" for v, k, x in rows),
    )
    settings = {**BY_LANE, "units": {"volume": "veh/min"}, "sum_over": ["lane"]}
    table, _ = run(folder, "long_table", folder / "raw.csv", **settings)
    want = {v: sum(x for w, _, x in rows if w == v) for v, _, _ in rows}
    assert dict(zip(table.vd_ids, table.values[0, :, 0].tolist(), strict=True)) == want


# --- codes and limits ------------------------------------------------------------------------------


def test_a_code_counts_in_the_precision_of_the_file(tmp_path):
    codes = {"missing_codes": [-99.9]}
    times = pd.date_range("2026-10-01", periods=2, freq="5min")
    pd.DataFrame({"time": times, "A": np.float32([-99.9, 3])}).to_parquet(tmp_path / "raw.parquet")
    said = {"time_zone": "Asia/Taipei", "interval": 300, "feature": "q", "unit": "1"}
    table, report = run(tmp_path, "wide_table", tmp_path / "raw.parquet", **said, **codes)
    np.testing.assert_equal(table.values[:, 0, 0], [NAN, 3])
    assert report["series"][0]["by_cause"] == {"code": 0.5}
    put(tmp_path / "raw.npz", npz(data=np.float32([[[-99.9]], [[3]]])))
    table, report = run(
        tmp_path / "n", "pems_npz", tmp_path / "raw.npz", start="2016-07-01", features=["volume"], **codes
    )
    assert report["series"][0]["by_cause"] == {"code": 0.5}
    metr_la(tmp_path / "raw.h5", times.to_numpy(), np.float32([[-99.9], [3]]), np.array([b"1"]))
    table, report = run(tmp_path / "h", "metr_la", tmp_path / "raw.h5", **codes)
    assert report["series"][0]["by_cause"] == {"code": 0.5}


def test_a_code_counts_in_the_unit_of_the_file(tmp_path):
    """An occupancy of 0.01 is 1 %, and no code 1."""
    put(tmp_path / "raw.txt", station_row("05/01/2024 00:00:00", 7, 100, 120, 0.01, 65))
    table, _ = run(tmp_path, "pems_station", tmp_path / "raw.txt", missing_codes=[1.0, 65.0])
    np.testing.assert_allclose(table.values[0, 0], [NAN, 120, 1])


@pytest.mark.parametrize(
    "unit, last", [("KM/H", 200), ("kmh", 200), ("MPH", 124), ("Mi/h", 124), ("M/S", 55)]
)
def test_a_speed_has_its_limit_however_its_unit_is_written(tmp_path, unit, last):
    put(tmp_path / "raw.csv", f"time,A,B\n2026-10-01 00:00,{last},{last + 1}\n")
    said = {"time_zone": "Asia/Taipei", "interval": 300, "feature": "Speed", "unit": unit}
    table, _ = run(tmp_path, "wide_table", tmp_path / "raw.csv", **said)
    np.testing.assert_equal(table.values[0, :, 0], [last, NAN])


@pytest.mark.parametrize(
    "feature, unit", [("speed", "furlongs/day"), ("Speed", ""), ("occupancy", "per mille")]
)
def test_a_limit_is_never_off_for_a_unit_that_is_not_known(tmp_path, feature, unit):
    with pytest.raises(ValueError, match="is in no unit that is known"):
        run(tmp_path, "wide_table", tmp_path, time_zone="UTC", interval=300, feature=feature, unit=unit)
    with pytest.raises(ValueError, match="is in no unit that is known"):
        run(tmp_path, "long_table", tmp_path, time_zone="UTC", interval=300, units={feature: unit})


def test_an_occupancy_as_a_fraction_is_at_most_1(tmp_path):
    put(tmp_path / "raw.csv", "time,A,B\n2026-10-01 00:00,1,1.5\n")
    said = {"time_zone": "Asia/Taipei", "interval": 300, "feature": "occupancy", "unit": "Fraction"}
    table, _ = run(tmp_path, "wide_table", tmp_path / "raw.csv", **said)
    np.testing.assert_equal(table.values[0, :, 0], [1, NAN])
