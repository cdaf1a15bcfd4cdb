"""Plain tables as people bring them: other marks, times in two columns, other encodings, sheets, no header."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from vdcast.errors import InputError

from .raw import Serial, put, run, utc, xlsx
from .test_tables import LONG, WIDE, T

FLOW = {**WIDE, "feature": "flow", "unit": "1"}


def wide(tmp_path, text, **more):
    put(tmp_path / "raw.csv", text)
    return run(tmp_path, "wide_table", tmp_path / "raw.csv", **{**FLOW, **more})[0]


# --- marks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [";", "\t", "|", ","])
def test_the_mark_between_columns_is_found_out(tmp_path, mark):
    table = wide(tmp_path, f"time{mark}A{mark}B\n2026-10-01 00:00{mark}1{mark}2.5\n")
    assert table.vd_ids == ("A", "B") and table.values[0, :, 0].tolist() == [1, 2.5]


def test_a_header_that_two_marks_split_is_refused_unless_one_gives_the_names(tmp_path):
    text = "a,1;b,2\n3;4\n"
    said = {"time_column": None, "start": "2026-10-01"}
    with pytest.raises(InputError, match="may be split by a comma or a semicolon; set data.delimiter"):
        wide(tmp_path, text, **said)
    assert wide(tmp_path, text, delimiter=";", **said).vd_ids == ("a,1", "b,2")
    assert wide(tmp_path, "time;A,1;B\n2026-10-01 00:00;3;4\n").vd_ids == ("A,1", "B")
    with pytest.raises(InputError, match="has no column .time.; it has ti.me, A"):
        wide(tmp_path, "ti\tme;A\n2026-10-01 00:00;3\n")


@pytest.mark.parametrize(
    "cell, more, value",
    [
        ("12,5", {}, 12.5),
        ("0,125", {}, 0.125),
        ("1.234,5", {}, 1234.5),
        ("1,234,567", {}, 1234567),
        ("1,234.5", {}, 1234.5),
        ("1,234", {"thousands": ","}, 1234),
        ("1,234", {"decimal": ","}, 1.234),
        ("1'234.5", {"thousands": "'"}, 1234.5),
        ("-1 234", {"thousands": " "}, -1234),
        ("1.234.567", {}, 1234567),
        ("1234,567", {}, 1234.567),
        ("1.234", {"thousands": "."}, 1234),
        ("1.234", {"decimal": ","}, 1234),
        ("1.234", {"decimal": "."}, 1.234),
        ("0.234", {}, 0.234),
        ("1.2345", {}, 1.2345),
        ("1234.567", {}, 1234.567),
    ],
)
def test_marks_in_numbers(tmp_path, cell, more, value):
    table = wide(
        tmp_path, f"time;A\n2026-10-01 00:00;{cell}\n2026-10-01 00:05;7\n2026-10-01 00:10;\n", **more
    )
    np.testing.assert_equal(table.values[:, 0, 0], np.float32([value, 7, np.nan]))


@pytest.mark.parametrize("cell", ["1,234", "12,34,5", "1,23"])
def test_a_number_that_may_be_two_is_refused(tmp_path, cell):
    """Marks are found in the first rows; 1,234 alone may be either."""
    text = 'time,A\n2026-10-01 00:00,"' + cell + '"\n'
    if cell == "1,23":
        assert wide(tmp_path, text).values.ravel().tolist() == [pytest.approx(1.23)]
        return
    with pytest.raises(InputError, match="line 2: .*invalid value"):
        wide(tmp_path, text)
    with pytest.raises(InputError, match="data.thousands or data.decimal to ','"):
        wide(tmp_path, 'time,A\n2026-10-01 00:00,"1,234"\n')


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_a_dot_that_no_other_number_explains_is_refused_unless_commas_split_the_columns(tmp_path, mark):
    def text(*cells):
        return f"time{mark}A{mark}B\n" + "".join(
            f"2026-10-01 {i // 12:02}:{5 * i % 60:02}{mark}{cell}{mark}7\n" for i, cell in enumerate(cells)
        )

    with pytest.raises(
        InputError, match="line 4: '1.234' may be .* set data.decimal or data.thousands to '.'"
    ):
        wide(tmp_path, text("", "900", "1.234"))
    assert wide(tmp_path, text("900", "1.234", "0.5")).values[1, 0, 0] == np.float32(1.234)
    assert wide(tmp_path, text("900", "1.234", "12,5")).values[1, 0, 0] == 1234
    assert wide(tmp_path, text("900", "1.234").replace(mark, ",")).values[1, 0, 0] == np.float32(1.234)


def test_marks_are_looked_for_in_every_part_of_a_file(tmp_path, monkeypatch):
    """At night no flow is above 999."""
    monkeypatch.setattr("vdcast.ingest.tables.BLOCK_BYTES", 2000)
    rows = [f"2026-10-{1 + i // 288:02} {i % 288 // 12:02}:{5 * i % 60:02};{i % 900}\n" for i in range(1000)]
    text = "time;A\n" + "".join(rows) + "2026-10-05 00:00;1.234\n"
    with pytest.raises(
        InputError, match="line 1002: '1.234' may be a fraction or have a dot between thousands"
    ):
        wide(tmp_path, text)
    assert wide(tmp_path, text, thousands=".").values[-1, 0, 0] == 1234
    text = text.replace("2026-10-02 00:00;288", "2026-10-02 00:00;288.5")
    assert wide(tmp_path, text).values[-1, 0, 0] == np.float32(1.234)


@pytest.mark.parametrize("cell", ["0.123", "1.5", "12.34"])
def test_a_fraction_with_a_dot_beside_decimal_commas_is_refused(tmp_path, cell):
    with pytest.raises(InputError, match=f"line 3: '{cell}' is no number with '.' between thousands"):
        wide(tmp_path, f"time;A\n2026-10-01 00:00;12,5\n2026-10-01 00:05;{cell}\n")


@pytest.mark.parametrize("cell", ["12,34", "1,2345", "1.5.2", "x"])
def test_thousands_are_three_digits(tmp_path, cell):
    with pytest.raises(InputError, match="line 2: .* is no number with ',' between thousands"):
        wide(tmp_path, f"time;A\n2026-10-01 00:00;{cell}\n", thousands=",")


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.integers(-(10**7), 10**7).map(lambda i: i / 8)), min_size=1, max_size=9),
    st.sampled_from([(".", ","), (",", "."), (".", " "), (",", " "), (".", "'")]),
)
def test_numbers_survive_any_marks(tmp_path_factory, numbers, marks):
    decimal, thousands = marks
    swap = str.maketrans({",": thousands, ".": decimal})
    rows = "".join(
        f"2026-10-01 00:{5 * i:02};{'' if x is None else f'{x:,}'.translate(swap)}\n"
        for i, x in enumerate(numbers)
    )
    table = wide(tmp_path_factory.mktemp("n"), "time;A\n" + rows, decimal=decimal, thousands=thousands)
    np.testing.assert_equal(table.values[:, 0, 0], np.float32([np.nan if x is None else x for x in numbers]))


# --- times -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, more",
    [
        ("2026-10-01 00:00", {}),
        ("2026.10.01 00:00:00", {}),
        ("2026-09-30 24:00", {}),
        ("2026-09-30T24:00:00", {}),
        ("01.10.2026 00:00", {}),
        ("01/10/2026 12:00 AM", {"date_order": "dmy"}),
        ("10/01/2026 12:00:00 am", {"date_order": "mdy"}),
        ("2026-09-30 16:00:00+00", {}),
        ("2026-09-30 16:00:00 +00:00", {}),
        ("2026-10-01T00:00:00.000+0800", {}),
        ("2026-09-30 12:30-0330", {}),
        ("2026-10-01 00:05", {"time_marks": "end"}),
    ],
)
def test_ways_to_write_a_time(tmp_path, text, more):
    assert wide(tmp_path, f"time,A\n{text},1\n", **more).timestamps.tolist() == [T]


@pytest.mark.parametrize("text", ["2026-10-01 24:01", "2026-10-01 25:00", "01/10/2026 13:00 PM", "2026-10-01 00:00+8", "31.02.2026 00:00"])  # fmt: skip
def test_what_is_written_like_a_time_and_is_none(tmp_path, text):
    with pytest.raises(InputError, match=r"line 2: "):
        wide(tmp_path, f"time,A\n{text},1\n", date_order="dmy")


def test_the_end_of_a_day_among_its_times(tmp_path):
    table = wide(tmp_path, "time,A\n2024-01-01 23:55,1\n2024-01-01 24:00,2\n2024-01-02 00:05,3\n")
    assert table.timestamps.tolist() == [utc("2024-01-01T23:55:00+08:00") + 300 * i for i in range(3)]


HOURS = {"time_zone": "Europe/Berlin", "interval": 3600, "vd_column": "mq"}
BERLIN = (
    "mq;tag;stunde;q;v\n"
    "A;29.10.2023;1;10;50\nA;29.10.2023;2;20;51\nA;29.10.2023;2;21;52\nA;29.10.2023;3;30;53\nB;29.10.2023;3;5;54,5\n"
)


def test_a_date_and_an_hour_in_two_columns(tmp_path):
    """Clocks repeat the hour of 2; the list says where detectors are."""
    put(tmp_path / "raw/mq_2023_10.csv", BERLIN)
    put(tmp_path / "raw/list.csv", "mq_name,lon,lat,road,direction,lanes\nA,13.19,52.43,A115,Nord,2\n")
    table, report = run(
        tmp_path,
        "long_table",
        tmp_path / "raw",
        files="mq_2*",
        vd_list="list.csv",
        date_column="tag",
        hour_column="stunde",
        units={"volume": "veh/h", "speed": "km/h"},
        columns={"volume": "q", "speed": "v"},
        **HOURS,
    )
    assert table.timestamps[0] == utc("2023-10-29T01:00:00+02:00")
    nan = np.nan
    np.testing.assert_equal(table.values[:, 0], [[10, 50], [20, 51], [21, 52], [30, 53]])
    np.testing.assert_equal(table.values[:, 1], [[nan] * 2] * 3 + [[5, 54.5]])
    assert (
        report["located"] == 1 and table.info["road"].tolist() == ["A115", ""] and table.info["lanes"][0] == 2
    )


def test_rows_that_the_file_says_are_not_sound_are_missing(tmp_path):
    put(tmp_path / "raw.csv", "time,vd,flow,quality\n" + "".join(f"2026-10-01 00:00,{v},{q},{q}\n" for v, q in [("A", 1), ("B", 2), ("C", 0.5), ("D", "")]))  # fmt: skip
    said = {**LONG, "units": {"flow": "1"}, "valid_when": {"quality": [0.75, 1.0]}}
    table, report = run(tmp_path, "long_table", tmp_path / "raw.csv", **said)
    np.testing.assert_equal(table.values[0, :, 0], [1, np.nan, np.nan, np.nan])
    assert report["missing"]["flow"]["by_cause"] == {"status": 0.75}


@pytest.mark.parametrize("column, cell", [("time_column", "13:00"), ("time_column", "1:00 PM"), ("hour_column", "13"), ("hour_column", "13.0")])  # fmt: skip
def test_a_date_and_a_time_of_day_in_two_columns(tmp_path, column, cell):
    table = wide(tmp_path, f"day,clock,A\n2026-10-01,{cell},1\n", date_column="day", **{column: "clock"})
    assert table.timestamps.tolist() == [T + 13 * 3600] and table.vd_ids == ("A",)


def test_hours_that_run_to_24_may_be_ends(tmp_path):
    text = "day;hour;A\n" + "".join(f"01.10.2026;{h};{h}\n" for h in range(1, 25))
    said = {"date_column": "day", "hour_column": "hour", "interval": 3600}
    with pytest.raises(InputError, match="line 25: hour 24: .* set data.time_marks to start or end"):
        wide(tmp_path, text, **said)
    table = wide(tmp_path, text, time_marks="end", **said)
    assert table.timestamps[0] == T and table.values[:, 0, 0].tolist() == list(range(1, 25))


def test_dates_alone_are_no_times_of_hours(tmp_path):
    with pytest.raises(InputError, match="dates without a time of day.*data.hour_column or data.time_column"):
        wide(tmp_path, "time,hour,A\n01.10.2026,5,1\n", interval=3600)
    assert wide(tmp_path, "time,A\n01.10.2026,5\n", interval=86400).timestamps.tolist() == [T]


def test_a_time_column_without_a_name(tmp_path):
    table = wide(tmp_path, ",773869\n2026-10-01 00:00,64.375\n", time_column="")
    assert table.vd_ids == ("773869",) and table.values.tolist() == [[[64.375]]]


# --- encodings and headers -------------------------------------------------------------------------


@pytest.mark.parametrize("written, said", [("utf-16", "utf-16"), ("utf-16", "utf-8"), ("utf-16-le", "utf-16-le"), ("utf-8-sig", "utf-8"), ("cp950", "cp950")])  # fmt: skip
def test_encodings(tmp_path, written, said):
    put(tmp_path / "raw.csv", "time,甲,B\n2026-10-01 00:00,1,2\n".encode(written))
    table, report = run(tmp_path, "wide_table", tmp_path / "raw.csv", encoding=said, **WIDE)
    assert table.vd_ids == ("甲", "B") and table.values[0, :, 0].tolist() == [1, 2]
    assert "unended" not in report["counts"]


def test_an_encoding_that_is_none_or_another(tmp_path):
    text = "time,甲\n2026-10-01 00:00,1\n"
    with pytest.raises(InputError, match="data.encoding 'utf-99' is no encoding that is known"):
        wide(tmp_path, text, encoding="utf-99")
    put(tmp_path / "raw.csv", text.encode("utf-16-le"))
    with pytest.raises(InputError, match="set data.encoding"):
        run(tmp_path, "wide_table", tmp_path / "raw.csv", **WIDE)
    put(tmp_path / "raw.csv", text.encode("utf-16") + b"x")
    with pytest.raises(InputError, match="cannot be read as .*text"):
        run(tmp_path, "wide_table", tmp_path / "raw.csv", **WIDE)


def test_parquet_text_that_is_no_utf_8_and_columns_of_one_name(tmp_path):
    text = pa.array([b"2026-10-01 0\xff:00"], pa.binary()).view(pa.string())
    parquet.write_table(pa.table({"time": text, "A": [1.0]}), tmp_path / "raw.parquet")
    with pytest.raises(InputError, match="'raw.parquet': is a damaged parquet file"):
        run(tmp_path, "wide_table", tmp_path / "raw.parquet", **WIDE)
    table = pa.table([["2026-10-01 00:00"], [1.0], [2.0]], names=["time", "A", "A"])
    parquet.write_table(table, tmp_path / "raw.parquet")
    with pytest.raises(InputError, match="'raw.parquet': names column 'A' twice"):
        run(tmp_path, "wide_table", tmp_path / "raw.parquet", **WIDE)


def test_parquet_of_numbers_that_are_text_or_none(tmp_path):
    def read(column, **more):
        parquet.write_table(
            pa.table({"time": ["2026-10-01 00:00", "2026-10-01 00:01"], "A": column}),
            tmp_path / "raw.parquet",
        )
        said = {**FLOW, "interval": 60, **more}
        return run(tmp_path, "wide_table", tmp_path / "raw.parquet", **said)[0].values[:, 0, 0].tolist()

    with pytest.raises(InputError, match="column 'A' holds true and false, not numbers"):
        read(pa.array([True, False]))
    assert read(pa.array(["1.234", "12,5"])) == [1234, 12.5]
    assert read(pa.array(["7", "0.5"])) == [7, 0.5]
    with pytest.raises(InputError, match="line 3: '1.234' may be a fraction or have a dot between thousands"):
        read(pa.array(["7", "1.234"]))
    assert read(pa.array(["7", "1.234"]), thousands=".") == [7, 1234]


@pytest.mark.parametrize("kind, at", [(pa.float64(), 2**53), (pa.float32(), 2**24)])
def test_names_that_are_fractions_in_parquet_are_whole_or_refused(tmp_path, kind, at):
    """As pandas makes of whole numbers where one is missing; from some size on they are rounded."""

    def read(*names):
        table = pa.table(
            {"time": ["2026-10-01 00:00"] * 2, "vd": pa.array(names, kind), "volume": [1.0, 2.0]}
        )
        parquet.write_table(table, tmp_path / "raw.parquet")
        return run(tmp_path, "long_table", tmp_path / "raw.parquet", **LONG | {"units": {"volume": "veh"}})[0]

    assert read(float(at - 1), 71.0).vd_ids == ("71", str(at - 1))
    for name in (float(at), 71.5):
        with pytest.raises(InputError, match="column 'vd' holds the fraction .* names nothing"):
            read(71.0, name)


def test_two_names_that_differ_in_spaces_alone_are_refused(tmp_path):
    one_or_two = pytest.raises(InputError, match="names detector 'A' with and without spaces around it")
    day = "vd,date," + ",".join(f"V{i:02}" for i in range(24))
    put(tmp_path / "day.csv", "\n".join([day, "A,2026-10-01" + ",1" * 24, "A ,2026-10-02" + ",2" * 24, ""]))
    told = {"vd_columns": ["vd"], "date_column": "date", "feature": "volume", "unit": "veh/h"}
    with one_or_two:
        run(tmp_path, "day_rows", tmp_path / "day.csv", time_zone="UTC", interval=3600, **told)
    station = "05/01/2024 00:00:00,{},7,5,N,ML,0.5,10,100,12,0.05,65\n"
    put(tmp_path / "station.txt", station.format("A") + station.format("A "))
    with one_or_two:
        run(tmp_path, "pems_station", tmp_path / "station.txt")
    put(tmp_path / "raw.csv", "time,vd,volume\n2026-10-01 00:00,A,1\n2026-10-01 00:00,A ,2\n")
    with one_or_two:
        run(tmp_path, "long_table", tmp_path / "raw.csv", **LONG | {"units": {"volume": "veh"}})


UNTIMED = {"time_column": None, "start": "2026-10-01"}


@pytest.mark.parametrize(
    "text",
    [
        "71.1,66.0\n70.9,65.1\n",
        "12,45\n14,44\n20,50\n10,40\n",
        "-1,3\n5,6\n",
        "5\n5\n",
        "3\n4\n9\n",
        "90\n12\n14\n",
        "0,1\n4,3\n",
    ],
)
def test_a_first_line_that_may_be_values_is_refused(tmp_path, text):
    with pytest.raises(
        InputError, match="may be a row of values or names of columns; set data.header to false or true"
    ):
        wide(tmp_path, text, **UNTIMED)
    lines = text.split()
    table = wide(tmp_path, text, header=False, **UNTIMED)
    assert table.vd_ids == tuple(str(i + 1) for i in range(lines[0].count(",") + 1)) and len(
        table.values
    ) == len(lines)
    table = wide(tmp_path, text, header=True, **UNTIMED)
    assert table.vd_ids == tuple(lines[0].split(",")) and len(table.values) == len(lines) - 1


@pytest.mark.parametrize("names", ["773869,767541", "0,1,2", "1,2,3", "400001"])
def test_ids_that_are_numbers_are_names(tmp_path, names):
    width = names.count(",") + 1
    table = wide(tmp_path, f"{names}\n" + ",".join(["64.5"] * width) + "\n", **UNTIMED)
    assert table.vd_ids == tuple(names.split(",")) and table.values.shape == (1, width, 1)


def test_columns_without_a_header_are_called_by_their_number(tmp_path):
    put(tmp_path / "raw.csv", "2026-10-01 00:00,B,5,50\n2026-10-01 00:05,A,6,60\n")
    said = {**LONG, "columns": {"volume": "3", "speed": "4"}, "vd_column": "2"}
    with pytest.raises(InputError, match="has no column '1'; .* set data.header to false"):
        run(tmp_path, "long_table", tmp_path / "raw.csv", time_column="1", **said)
    table, _ = run(tmp_path, "long_table", tmp_path / "raw.csv", time_column="1", header=False, **said)
    np.testing.assert_equal(table.values, [[[np.nan] * 2, [5, 50]], [[6, 60], [np.nan] * 2]])


# --- lists and sheets ------------------------------------------------------------------------------


def test_a_list_in_which_two_columns_may_be_the_names_is_refused(tmp_path):
    put(tmp_path / "raw/a.csv", "time,1,2\n2026-10-01 00:00,3,4\n")
    put(tmp_path / "raw/list.csv", "id;number;Longitude;Latitude;Fwy\n1;2;121.5;25;N1\n2;1;121.6;25.1;N3\n")
    with pytest.raises(
        InputError, match="'list.csv': columns id and number both hold the names of the detectors"
    ):
        run(tmp_path, "wide_table", tmp_path / "raw", vd_list="list.csv", **WIDE)
    put(tmp_path / "raw/list.csv", '{"sites": [{"Name": "2", "Lng": 121.6, "Lat": 25.1}]}')
    table, _ = run(tmp_path, "wide_table", tmp_path / "raw", vd_list="list.csv", **WIDE)
    np.testing.assert_allclose(table.info["lon"], [np.nan, 121.6])


def test_a_list_that_says_two_things_of_a_detector_is_refused(tmp_path):
    """As UTD19's does, where two cities have a detector of one name. Copies, and other detectors, are no matter."""
    put(tmp_path / "raw/a.csv", "time,1,2\n2026-10-01 00:00,3,4\n")
    rows = "id;Longitude;Latitude\n1;13,19;52,4\n1;13,19;52,4\n2;8.5;47\n3;1.5;1.5\n3;2.5;2.5\n"
    put(tmp_path / "raw/list.csv", rows)
    table, _ = run(tmp_path, "wide_table", tmp_path / "raw", vd_list="list.csv", **WIDE)
    np.testing.assert_allclose(table.info["lon"], [13.19, 8.5])
    put(tmp_path / "raw/list.csv", rows + "2;7.6;47.5\n")
    with pytest.raises(InputError, match="data.vd_list 'list.csv' has rows of '2' that differ"):
        run(tmp_path, "wide_table", tmp_path / "raw", vd_list="list.csv", **WIDE)
    put(tmp_path / "raw/list.csv", '[{"id": "1"}, {"id": "2", "lon": 3.5}, {"lat": 4.5}]')
    table, _ = run(tmp_path, "wide_table", tmp_path / "raw", vd_list="list.csv", **WIDE)
    np.testing.assert_equal(table.info["lon"], [np.nan, 3.5])
    put(tmp_path / "raw/list.csv", '[{"id": "1", "lon": 1.5, "lon": 2.5}, {"id": "2", "lon": 3.5}]')
    with pytest.raises(InputError, match="'list.csv': an object holds the key 'lon' twice"):
        run(tmp_path, "wide_table", tmp_path / "raw", vd_list="list.csv", **WIDE)


SHEET = [["time", 773869, "B"], ["2026-10-01 00:00", 64.5, 2], ["2026-10-01 00:05", None, -99]]


def test_a_sheet(tmp_path):
    pytest.importorskip("python_calamine")
    put(tmp_path / "raw.xlsx", xlsx(data=SHEET))
    table, report = run(tmp_path, "wide_table", tmp_path / "raw.xlsx", missing_codes=[-99.0], **WIDE)
    assert table.vd_ids == ("773869", "B")
    np.testing.assert_equal(table.values[:, :, 0], [[64.5, 2], [np.nan, np.nan]])
    assert {s["vd"]: s["by_cause"] for s in report["series"]} == {
        "773869": {"empty": 0.5},
        "B": {"code": 0.5},
    }


def test_times_of_a_sheet_that_are_sums(tmp_path):
    """Each five minutes after the one above, from a midnight on: after a day a sum lies some ms below its time."""
    pytest.importorskip("python_calamine")
    rows, serial = [], 46296.0
    for i in range(600):
        rows.append([Serial(serial), i])
        serial += 5 / 1440
    put(tmp_path / "raw.xlsx", xlsx(data=[["time", "A"], *rows]))
    table, _ = run(tmp_path, "wide_table", tmp_path / "raw.xlsx", **WIDE)
    assert table.values[:, 0, 0].tolist() == list(range(600))
    assert table.timestamps[0] == utc("2026-10-01T00:00:00+08:00")


def test_one_of_several_sheets_is_named(tmp_path):
    pytest.importorskip("python_calamine")
    put(tmp_path / "raw.xlsx", xlsx(notes=[["x"]], data=SHEET))
    with pytest.raises(InputError, match="'raw.xlsx': has sheets notes, data; set data.sheet to one of them"):
        run(tmp_path, "wide_table", tmp_path / "raw.xlsx", **WIDE)
    table, _ = run(tmp_path, "wide_table", tmp_path / "raw.xlsx", sheet="data", columns=["B"], **WIDE)
    assert table.vd_ids == ("B",)


@pytest.mark.parametrize(
    "data, sentence",
    [
        (
            xlsx(data=[*SHEET, ["2026-10-01 00:10", "x", 1]]),
            "line 4: column '773869' holds 'x', not a number",
        ),
        (xlsx(data=SHEET)[:-30], "is a damaged workbook"),
        (xlsx(data=[["time", "A"]]), "has a header and no row"),
    ],
)
def test_sheets_that_are_none(tmp_path, data, sentence):
    pytest.importorskip("python_calamine")
    put(tmp_path / "raw.xlsx", data)
    with pytest.raises(InputError, match=sentence):
        run(tmp_path, "wide_table", tmp_path / "raw.xlsx", **WIDE)
