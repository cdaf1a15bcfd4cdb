"""Plain tables, wide and long, as CSV and parquet."""

import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from vdcast.errors import InputError
from vdcast.ingest import tables

from .raw import put, run, utc

WIDE = {"time_zone": "Asia/Taipei", "interval": 300, "feature": "volume", "unit": "veh/5min"}
LONG = {"time_zone": "Asia/Taipei", "interval": 300, "units": {"volume": "veh/5min", "speed": "km/h"}}
T = utc("2026-10-01T00:00:00+08:00")


def test_columns_keep_their_order_and_rows_find_their_time(tmp_path):
    put(
        tmp_path / "raw.csv",
        "time,9,10,1\n2026-10-01 00:10,3,,-99\n2026-10-01 00:00,1,2,0\n2026-10-01 00:00,5,NaN,0\n",
    )
    table, report = run(tmp_path, "wide_table", tmp_path / "raw.csv", missing_codes=[-99.0], **WIDE)
    assert table.vd_ids == ("9", "10", "1")
    assert table.timestamps.tolist() == [T, T + 300, T + 600]
    np.testing.assert_equal(table.values[:, :, 0], [[5, 2, 0], [np.nan] * 3, [3, np.nan, np.nan]])
    assert report["counts"] == {
        "records": 9,
        "duplicates": 3,
        "conflicting": 1,
        "rows_out_of_order": 1,
        "steps_without_records": 1,
    }
    causes = {s["vd"]: s["by_cause"] for s in report["series"]}
    third = round(1 / 3, 6)
    assert causes == {
        "9": {"gap": third},
        "10": {"gap": third, "empty": third},
        "1": {"gap": third, "code": third},
    }


def test_a_table_without_times_starts_where_it_is_told(tmp_path):
    put(tmp_path / "raw.csv", "773869,767541\n64.4,67.6\n0,68.2\n")
    table, _ = run(
        tmp_path,
        "wide_table",
        tmp_path / "raw.csv",
        time_column=None,
        start="2012-03-01 00:00",
        missing_codes=[0.0],
        time_zone="America/Los_Angeles",
        interval=300,
        feature="speed",
        unit="mph",
    )
    assert table.timestamps.tolist() == [utc("2012-03-01T00:00:00-08:00"), utc("2012-03-01T00:05:00-08:00")]
    np.testing.assert_equal(table.values[:, :, 0], np.float32([[64.4, 67.6], [np.nan, 68.2]]))


def long_frame() -> pd.DataFrame:
    times = pd.to_datetime(["2026-10-01 00:05", "2026-10-01 00:00", "2026-10-01 00:05"])
    return pd.DataFrame(
        {"time": times, "vd": ["B", "B", "甲"], "volume": [1.0, -99.0, 3.0], "speed": [50.0, np.nan, 70.0]}
    )


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "big5.csv", "parquet", "aware.parquet"])
def test_long_tables(tmp_path, kind):
    frame, path = long_frame(), tmp_path / f"raw.{kind}"
    if kind == "aware.parquet":
        frame["time"] = frame.time.dt.tz_localize("Asia/Taipei").dt.tz_convert("UTC")
    if "parquet" in kind:
        frame.to_parquet(path)
    else:
        data = frame.to_csv(index=False).encode("big5" if "big5" in kind else "utf-8")
        put(path, gzip.compress(data) if "gz" in kind else data)
    extra = {"encoding": "big5"} if "big5" in kind else {}
    table, report = run(tmp_path, "long_table", path, missing_codes=[-99.0], **LONG, **extra)
    assert table.vd_ids == ("B", "甲")
    assert table.timestamps.tolist() == [T, T + 300]
    np.testing.assert_equal(table.values, [[[np.nan] * 2, [np.nan] * 2], [[1, 50], [3, 70]]])
    assert report["counts"]["rows_out_of_order"] == 1
    assert table.units == ("veh/5min", "km/h")


def test_a_long_table_sorted_by_detector_and_read_in_small_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "BLOCK_BYTES", 500)
    rng = np.random.default_rng(0)
    times = pd.date_range("2026-10-01", periods=700, freq="5min")
    frame = pd.concat(
        [
            pd.DataFrame({"time": times, "vd": vd, "volume": rng.integers(0, 99, 700), "speed": 50})
            for vd in "CAB"
        ]
    )
    frame.to_csv(tmp_path / "raw.csv", index=False)
    table, _ = run(tmp_path, "long_table", tmp_path / "raw.csv", **LONG)
    want = frame.pivot(index="time", columns="vd", values="volume").to_numpy("f4")
    np.testing.assert_array_equal(table.values[:, :, 0], want)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.sampled_from("ABC"), st.one_of(st.none(), st.integers(0, 99))),
        min_size=1,
        max_size=60,
        unique_by=lambda row: row[:2],
    )
)
def test_long_tables_against_a_dictionary(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("long")
    text = "".join(
        f"{pd.Timestamp('2026-10-01') + pd.Timedelta(minutes=5 * i)},{vd},{'' if x is None else x}\n"
        for i, vd, x in rows
    )
    put(folder / "raw.csv", "time,vd,volume\n" + text)
    table, _ = run(folder, "long_table", folder / "raw.csv", **{**LONG, "units": {"volume": "veh/5min"}})
    first = min(i for i, _, _ in rows)
    assert table.timestamps[0] == T + 300 * first
    want = np.full(table.values.shape[:2], np.nan)
    for i, vd, x in rows:
        want[i - first, table.vd_ids.index(vd)] = np.nan if x is None else x
    np.testing.assert_array_equal(table.values[:, :, 0], want)


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("", "is empty"),
        ("<html>no</html>\n", "begins like an HTML"),
        ("time,A\n", "has a header and no row"),
        ("time,A\n\n\n", "has a header and no row"),
        ("when,A\n2026-10-01 00:00,1\n", "has no column 'time'; it has when, A"),
        ("time,A,A\n2026-10-01 00:00,1,2\n", "names column 'A' twice"),
        (
            "time,A\n2026-10-01 00:00,1,2\n",
            "not a table of numbers as expected: .*line 2: Expected 2 columns",
        ),
        (
            "time,A\n2026-10-01 00:00,1\n2026-10-01 00:05,one\n",
            "not a table of numbers as expected: .*line 3: .*'one'",
        ),
        ("time\n2026-10-01 00:00\n", "no column of numbers"),
        (b"time,\xa4\xba\n2026-10-01 00:00,1\n", "cannot be read as utf-8"),
        (b"PAR1" + bytes(60), "damaged parquet"),
    ],
)
def test_what_is_no_table(tmp_path, text, sentence):
    put(tmp_path / "raw.csv", text)
    with pytest.raises(InputError, match=rf"'raw\.csv': .*{sentence}"):
        run(tmp_path, "wide_table", tmp_path / "raw.csv", **WIDE)


def test_a_table_without_a_last_line_break_is_read_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "BLOCK_BYTES", 60)  # the last of several parts, and no part twice
    text = "time,A\n" + "".join(f"2026-10-01 00:{m:02},123\n" for m in range(0, 60, 5))
    for cut, unended in ((0, {}), (1, {"unended": 1})):
        put(tmp_path / "raw.csv", text[: len(text) - cut])
        table, report = run(tmp_path, "wide_table", tmp_path / "raw.csv", **WIDE)
        assert table.values.ravel().tolist() == [123] * 12
        assert report["counts"] == {"records": 12, **unended}


def test_columns_that_are_no_detectors_can_be_left_out(tmp_path):
    put(tmp_path / "raw.csv", "time,A,weather,B\n2026-10-01 00:00,1,sunny,2\n")
    table, _ = run(tmp_path, "wide_table", tmp_path / "raw.csv", columns=["B", "A"], **WIDE)
    assert table.vd_ids == ("A", "B")
    with pytest.raises(InputError, match="has no column 'C'"):
        run(tmp_path, "wide_table", tmp_path / "raw.csv", columns=["C"], **WIDE)


def test_day_rows(tmp_path):
    head = "Site,Way,Date," + ",".join(f"V{i:02}" for i in range(24))
    rows = [f"970,N,{d}/10/2006," + ",".join(str(100 * d + h) for h in range(24)) for d in (2, 1)]
    put(tmp_path / "raw.csv", "\n".join([head, *rows, ""]))
    table, _ = run(
        tmp_path,
        "day_rows",
        tmp_path / "raw.csv",
        time_zone="Australia/Melbourne",
        interval=3600,
        date_order="dmy",
        vd_columns=["Site", "Way"],
        feature="volume",
        unit="veh/h",
    )
    assert table.vd_ids == ("970 N",)
    assert table.timestamps[0] == utc("2006-10-01T00:00:00+10:00")
    assert table.values[:, 0, 0].tolist() == [100 + h for h in range(24)] + [200 + h for h in range(24)]


LIMITED = {"volume": "veh/5min", "speed": "mph", "occupancy": "%"}


def test_what_is_called_volume_speed_or_occupancy_has_its_limits(tmp_path):
    """124 mph are 199.6 km/h, 125 mph 201.2; a speed where no vehicle passed is none."""
    rows = [(-1, 124, 100), (0, 0, 101), (2, 125, -1), (2, -1, 0)]
    text = "".join(f"2026-10-01 00:{5 * i:02},A,{v},{s},{o}\n" for i, (v, s, o) in enumerate(rows))
    put(tmp_path / "raw.csv", "time,vd,volume,speed,occupancy\n" + text)
    table, report = run(tmp_path, "long_table", tmp_path / "raw.csv", **{**LONG, "units": LIMITED})
    n = np.nan
    np.testing.assert_equal(table.values[:, 0], [[n, 124, 100], [0, n, n], [2, n, n], [2, n, 0]])
    assert report["counts"]["impossible_values"] == 5
    assert report["missing"]["speed"]["by_cause"] == {"no_vehicle": 0.25, "impossible": 0.5}
    table, _ = run(
        tmp_path, "long_table", tmp_path / "raw.csv", **{**LONG, "units": LIMITED}, max_speed=250.0
    )
    assert table.values[2, 0, 1] == 125
    # by another name a number is what it is
    text = "time,vd,flow,pace\n2026-10-01 00:00,A,-1,999\n"
    put(tmp_path / "raw.csv", text)
    units = {"flow": "veh/5min", "pace": "furlongs/day"}
    table, _ = run(tmp_path, "long_table", tmp_path / "raw.csv", **{**LONG, "units": units})
    assert table.values.tolist() == [[[-1, 999]]]


def test_limits_hold_in_wide_tables_and_day_rows(tmp_path):
    put(tmp_path / "raw.csv", "time,A,B\n2026-10-01 00:00,-5,1e39\n2026-10-01 00:05,0,7\n")
    table, report = run(tmp_path, "wide_table", tmp_path / "raw.csv", **WIDE)
    np.testing.assert_equal(table.values[:, :, 0], [[np.nan, np.nan], [0, 7]])
    assert report["counts"] == {"records": 4, "impossible_values": 2}
    put(
        tmp_path / "days.csv",
        "Site,Date," + ",".join(f"V{i:02}" for i in range(24)) + "\n1,2026-10-01" + ",-3" * 24 + "\n",
    )
    days = {
        "time_zone": "UTC",
        "interval": 3600,
        "vd_columns": ["Site"],
        "feature": "volume",
        "unit": "veh/h",
    }
    table, report = run(tmp_path, "day_rows", tmp_path / "days.csv", **days)
    assert np.isnan(table.values).all() and report["counts"]["impossible_values"] == 24


@pytest.mark.parametrize("name, text", [("", ",time,A"), ("Unnamed: 0", "Unnamed: 0,time,A")])
def test_an_index_that_pandas_has_written_is_no_detector(tmp_path, name, text):
    put(tmp_path / "raw.csv", f"{text}\n0,2026-10-01 00:00,5\n")
    with pytest.raises(
        InputError, match=f"column 1 is called '{name}', as an index .*index=False.*data.columns"
    ):
        run(tmp_path, "wide_table", tmp_path / "raw.csv", **WIDE)
    table, _ = run(tmp_path, "wide_table", tmp_path / "raw.csv", columns=["A"], **WIDE)
    assert table.vd_ids == ("A",) and table.values.tolist() == [[[5]]]


TEXTS = ["2026-10-01 00:00", "2026-10-01 00:05"]


@pytest.mark.parametrize(
    "times",
    [
        pa.array(TEXTS, pa.large_string()),
        pa.array(TEXTS).dictionary_encode(),
        pa.array(["2026-10-01", "2026-10-02"]).cast(pa.date32()),
    ],
    ids=["large_string", "dictionary", "date32"],
)
def test_parquet_keeps_times_in_many_ways(tmp_path, times):
    parquet.write_table(pa.table({"time": times, "A": [1.0, 2.0]}), tmp_path / "raw.parquet")
    days = times.type == pa.date32()
    table, _ = run(
        tmp_path, "wide_table", tmp_path / "raw.parquet", **{**WIDE, "interval": 86400 if days else 300}
    )
    assert table.timestamps.tolist() == [T, T + (86400 if days else 300)]
    assert table.values.ravel().tolist() == [1, 2]


@pytest.mark.parametrize("unit", ["ms", "s"])
def test_parquet_times_of_another_geological_age(tmp_path, unit):
    times = pa.array([1000, 900_000_000_000_000], pa.int64()).cast(pa.timestamp(unit))
    parquet.write_table(pa.table({"time": times, "A": [1.0, 2.0]}), tmp_path / "raw.parquet")
    with pytest.raises(InputError, match="line 3: its time lies outside the years 1970 to 2100"):
        run(tmp_path, "wide_table", tmp_path / "raw.parquet", **WIDE)


def test_a_parquet_bomb_of_one_long_text(tmp_path):
    """300 rows name one text of a mebibyte: two kilobytes that would be 300 MiB when each is written out."""
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 300, pa.int32()), pa.array(["x" * (1 << 20)]))
    for name, column in (
        ("time", {"time": text, "A": [1.0] * 300}),
        ("A", {"time": [TEXTS[0]] * 300, "A": text}),
    ):
        path = tmp_path / name / "raw.parquet"
        path.parent.mkdir()
        parquet.write_table(pa.table(column), path, compression="gzip", store_schema=False)
        assert path.stat().st_size < 4096
        with pytest.raises(InputError, match="decompression bomb"):
            run(tmp_path / name, "wide_table", path, **WIDE)


def test_a_parquet_bomb(tmp_path):
    times = pd.DatetimeIndex(["2026-10-01"]).repeat(6_000_000)
    pd.DataFrame({"time": times, "A": 0.0}).to_parquet(tmp_path / "raw.parquet")
    with pytest.raises(InputError, match="decompression bomb"):
        run(tmp_path, "wide_table", tmp_path / "raw.parquet", **WIDE)


def test_a_time_repeated_ten_thousand_times_is_no_hang(tmp_path):
    put(tmp_path / "raw.csv", "time,A\n" + "2026-10-01 00:00,1\n" * 10_000)
    table, report = run(tmp_path, "wide_table", tmp_path / "raw.csv", **WIDE)
    assert table.values.ravel().tolist() == [1]
    assert report["counts"] == {"records": 10_000, "duplicates": 9_999}
