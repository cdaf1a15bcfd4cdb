"""Files that are legal and out of all proportion: names without end, columns by the thousand, times of another age."""

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from vdcast.errors import InputError
from vdcast.ingest import detect, files
from vdcast.ingest.assemble import _natural
from vdcast.ingest.formats import wide_table
from vdcast.params.formats import FORMATS, Auto

from .raw import as_json, as_xml, lane, put, run, utc, v11, vd, vdlive

T = utc("2026-10-01T05:00:00+08:00")
WIDE = {"time_zone": "UTC", "interval": 3600, "feature": "volume", "unit": "veh/h"}
LONG = {"time_zone": "UTC", "interval": 3600, "units": {"volume": "veh/h"}}
CASES = Path(__file__).parents[3] / "shared/cases/damaged"


@pytest.mark.parametrize("raw", ["", " "])
def test_raw_that_is_empty_is_not_the_working_directory(tmp_path, raw):
    with pytest.raises(InputError, match=r"data\.raw"):
        run(tmp_path, "taiwan_vdlive", raw)


@pytest.mark.parametrize("raw", ["", " "])
def test_raw_that_is_empty_is_not_looked_into_for_a_format(raw):
    with pytest.raises(InputError, match=r"data\.raw is empty"):
        detect.resolved(Auto(format="auto", raw=raw))


@pytest.mark.parametrize("how", [as_json, as_xml])
def test_one_name_without_end_among_many(tmp_path, how):
    """Columns of text are as wide as the longest: 3 MB times 2,000 would be 24 GB."""
    vds = [vd(f"VD-{k}", T, lane(50, 1, 2)) for k in range(2000)]
    put(tmp_path / "raw/a.json", how(vdlive(*vds, vd("x" * 3_000_000, T, lane(50, 1, 2)))))
    with pytest.raises(InputError, match="'a.json': names a detector of 3000000 characters, 'xxxx"):
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw")


def test_a_road_without_end(tmp_path):
    put(tmp_path / "raw/a.json", as_json(vdlive(vd("A", T, lane(50, 1, 2)))))
    put(tmp_path / "raw/list", json.dumps({"VDs": [{"VDID": "A", "RoadName": "x" * 3_000_000}]}))
    with pytest.raises(InputError, match="'list': a road is of 3000000 characters"):
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw", vd_list="list")


def test_a_road_without_end_in_the_list_of_a_plain_table(tmp_path):
    """Among many detectors it would be as wide for each: 22 GiB."""
    names = [f"VD-{i}" for i in range(2000)]
    put(tmp_path / "raw/a.csv", f"time,{','.join(names)}\n2026-10-01 00:00,{','.join('1' * 2000)}\n")
    rows = [{"id": name, "road": "N1"} for name in names[:-1]]
    put(tmp_path / "raw/list", json.dumps([*rows, {"id": names[-1], "road": "x" * 3_000_000}]))
    with pytest.raises(InputError, match="'list': a road is of 3000000 characters"):
        run(tmp_path, "wide_table", tmp_path / "raw", vd_list="list", **WIDE)


def test_a_name_that_h5_would_cut(tmp_path):
    put(tmp_path / "raw.json", as_json(vdlive(vd("A\0", T, lane(50, 1, 2)), vd("A", T, lane(60, 1, 2)))))
    with pytest.raises(InputError, match=r"names a detector 'A\\x00', which is no text"):
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw.json")


def test_names_of_thousands_of_digits_are_sorted_as_numbers(tmp_path):
    names = ["VD-10", "VD-2", "VD-" + "1" * 900, "VD-02", "VD-" + "1" * 899]
    put(tmp_path / "raw.json", as_json(vdlive(*(vd(name, T, lane(50, 1, 2)) for name in names))))
    table, _ = run(tmp_path, "taiwan_vdlive", tmp_path / "raw.json")
    assert table.vd_ids == ("VD-02", "VD-2", "VD-10", "VD-" + "1" * 899, "VD-" + "1" * 900)
    assert sorted(["9" * 5000, "1" + "0" * 5000], key=_natural) == ["9" * 5000, "1" + "0" * 5000]


@pytest.mark.parametrize("mark", [",", ";"])
def test_a_header_of_ten_thousand_columns_takes_no_longer_than_its_bytes(tmp_path, mark):
    def seconds(columns: int) -> float:
        names = mark.join(f"VD-{i}" for i in range(columns))
        put(tmp_path / "raw.csv", f"time{mark}{names}\n2026-10-01 00:00{mark}{mark.join('1' * columns)}\n")
        settings = FORMATS["wide_table"](format="wide_table", raw=str(tmp_path / "raw.csv"), **WIDE)
        (file,) = files.find(tmp_path / "raw.csv", (".csv",), "*")
        began = time.process_time()
        (part,) = wide_table.parse(file, settings)
        assert len(part.vd_ids) == columns
        return time.process_time() - began

    seconds(10)
    many, some = (min(seconds(columns) for _ in range(3)) for columns in (10_000, 1000))
    assert many < 30 * some


def test_a_parquet_column_named_twice(tmp_path):
    times = pa.array(pd.date_range("2026-10-01", periods=3, freq="h"))
    table = pa.Table.from_arrays([times, pa.array([1.0] * 3), pa.array([2.0] * 3)], names=["time", "A", "A"])
    (tmp_path / "raw").mkdir()
    pa.parquet.write_table(table, tmp_path / "raw/a.parquet")
    with pytest.raises(InputError, match="'a.parquet': names column 'A' twice"):
        run(tmp_path, "wide_table", tmp_path / "raw", **WIDE)


@pytest.mark.parametrize("dictionary", [False, True])
def test_parquet_text_that_is_none(tmp_path, dictionary):
    text = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(np.array([0, 1, 3], "i4")), pa.py_buffer(b"A\xa4\xe9")]
    )
    times = pa.array(["2026-10-01 00:00"] * 2)
    table = pa.table({"time": times, "vd": text, "volume": [1.0, 2.0]})
    (tmp_path / "raw").mkdir()
    pa.parquet.write_table(table, tmp_path / "raw/a.parquet", use_dictionary=dictionary)
    with pytest.raises(InputError, match="'a.parquet': is a damaged parquet file"):
        run(tmp_path, "long_table", tmp_path / "raw", **LONG)


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not here")
@pytest.mark.parametrize("name", ["parquet-repeated-column", "parquet-text-not-utf8"])
def test_the_shared_damaged_parquet_files(tmp_path, name):
    with pytest.raises(InputError, match=r"'w.parquet': (names column|is a damaged parquet file)"):
        run(tmp_path, "wide_table", CASES / name, **WIDE)


def test_a_key_that_stands_twice_in_a_json_object(tmp_path):
    """Which of two speeds is meant nobody knows; the last one would stand in silence."""
    good = as_json(vdlive(vd("A", T, lane(50, 1, 2)), vd("B", T, lane(60, 1, 2, None)), updated=T))
    for old, new in (
        (b'"Speed": 50', b'"Speed": 70, "Speed": 50'),
        (b'"Speed": 50', b'"Speed": 50, "Sp\\u0065ed": 70'),
        (b'"Volume": 2}', b'"Volume": 2, "Volume": 4}'),
        (b'"VDID": "A"', b'"VDID": "C", "VDID": "A"'),
        (b'"Status": 0', b'"Status": 1, "Status": 0'),
        (b'"UpdateInterval"', b'"VDLives": [], "UpdateInterval"'),
        (b'"LinkID"', b'"Lanes": [], "LinkID"'),
        (b'"UpdateInterval"', b'"UpdateInterval": 300, "UpdateInterval"'),
        (b'"UpdateTime"', b'"UpdateTime": "2026-10-01T05:00:01+08:00", "UpdateTime"'),
    ):
        assert old in good
        put(tmp_path / "raw.json", good.replace(old, new, 1))
        with pytest.raises(InputError, match="'raw.json': an object holds the key '.*' twice"):
            run(tmp_path, "taiwan_vdlive", tmp_path / "raw.json")
    # one object lacks what another one holds twice
    put(
        tmp_path / "raw.json",
        good.replace(b'"Speed": 50, ', b"").replace(b'"Speed": 60', b'"Speed": 1, "Speed": 2'),
    )
    with pytest.raises(InputError, match="holds the key 'Speed' twice"):
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw.json")
    last = good.rindex(b'"LinkFlows"'), good.rindex(b'"Status"')
    bare = good[: last[0]] + good[last[1] :]
    put(tmp_path / "raw.json", bare.replace(b'"Status"', b'"LinkFlows": [], "Status"', 1))
    with pytest.raises(InputError, match="holds the key 'LinkFlows' twice"):
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw.json")
    # and the same keys elsewhere are none of our business
    put(tmp_path / "raw.json", good.replace(b'"Volume": 2', b'"Speed": 7, "Volume": 2'))
    table, _ = run(tmp_path, "taiwan_vdlive", tmp_path / "raw.json")
    assert table.values[0, 0, 0] == 50


def test_a_list_of_vds_with_a_key_twice(tmp_path):
    put(tmp_path / "raw/a.json", as_json(vdlive(vd("A", T, lane(50, 1, 2)))))
    put(tmp_path / "raw/list", b'{"VDs": [{"VDID": "A", "PositionLon": 121, "PositionLon": 122}]}')
    with pytest.raises(InputError, match="'list': an object holds the key 'PositionLon' twice"):
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw", vd_list="list")


def test_v11_vehicles_outside_of_a_lane_are_nobodys(tmp_path):
    good = v11(("A", 0, "2015/03/31 23:50:00", [("0", 50, 1, [2]), ("0", 60, 1, [3])]))
    after = good.replace(b"</cars></lane>", b"</cars></lane><cars carid='S' volume='9'></cars>", 1)
    for data, where in ((after, "a <cars> in <Info>, not in <lane>"),
                        (good.replace(b"<Info ", b"<lane/><Info ", 1), "a <lane> in <Infos>, not in <Info>")):  # fmt: skip
        assert data != good
        put(tmp_path / "raw/a.xml", data)
        with pytest.raises(InputError, match=f"'a.xml': has {where}"):
            run(tmp_path, "taiwan_v11", tmp_path / "raw", interval=300)
    put(tmp_path / "raw/a.xml", good)
    table, _ = run(tmp_path, "taiwan_v11", tmp_path / "raw", interval=300)
    assert table.values[0, 0].tolist() == [56, 5, 1]


@pytest.mark.parametrize("interval, periods", [(300, 288), (3600, 24), (86400, 30)])
@pytest.mark.parametrize("years", [-6, 2.5, 9])
def test_one_time_far_from_all_others_is_refused_whatever_the_interval(tmp_path, interval, periods, years):
    times = pd.date_range("2026-10-01", periods=periods, freq=f"{interval}s")
    far = times[0] + pd.Timedelta(days=365.25 * years)
    rows = "".join(f"{t:%Y-%m-%d %H:%M},{i}\n" for i, t in enumerate([*times, far]))
    put(tmp_path / "raw.csv", "time,A\n" + rows)
    with pytest.raises(InputError, match="next to nothing between; remove the file whose time is wrong"):
        run(tmp_path, "wide_table", tmp_path / "raw.csv", **WIDE | {"interval": interval})


def test_two_months_of_two_years_are_no_mistake(tmp_path):
    times = [
        *pd.date_range("2024-03-01", periods=720, freq="h"),
        *pd.date_range("2026-03-01", periods=720, freq="h"),
    ]
    put(tmp_path / "raw.csv", "time,A\n" + "".join(f"{t:%Y-%m-%d %H:%M},{i}\n" for i, t in enumerate(times)))
    table, _ = run(tmp_path, "wide_table", tmp_path / "raw.csv", **WIDE)
    assert np.isfinite(table.values).sum() == 1440


def test_xml_in_xml_without_end(tmp_path):
    put(tmp_path / "raw/a.xml", b"<VDLiveList><VDLives>" + b"<VDLive>" * 100_000)
    with pytest.raises(InputError, match="'a.xml': "):
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    whole = (
        b"<VDLiveList><VDLives>" + b"<VDLive>" * 100_000 + b"</VDLive>" * 100_000 + b"</VDLives></VDLiveList>"
    )
    put(tmp_path / "raw/a.xml", whole)
    with pytest.raises(InputError, match="'a.xml': "):
        run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
