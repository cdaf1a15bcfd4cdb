"""The real files of third parties, where they lie beside the checkout: what their provenance says, and what
was counted in them by hand."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vdcast.errors import InputError
from vdcast.ingest.detector_lists import read_vd_list

from .raw import run, utc

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared/data"
LIVE = DATA / "taiwan_vd_live_excerpts"
STATIC = DATA / "taiwan_vd_static"
M05A = DATA / "taiwan_m05a_may2024"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is not here")


def beside(folder: Path, *paths: Path) -> Path:
    """The files, linked into one folder, as ``data.raw`` and the list in it."""
    folder.mkdir()
    for path in paths:
        (folder / path.name).symlink_to(path)
    return folder


def values(table, vd):
    return table.values[:, table.vd_ids.index(vd)]


def test_freeway_bureau_snapshot(tmp_path):
    raw = beside(tmp_path / "raw", LIVE / "nfb_vdlive_2019-11-13T1003_excerpt.json", STATIC / "NFB_VD.xml")
    table, report = run(tmp_path, "taiwan_vdlive", raw, vd_list="NFB_VD.xml")
    assert table.values.shape == (2, 9, 3)  # 9 VDs, collected at 10:00 (6 of them) and 10:01 (3)
    assert table.timestamps[0] == utc("2019-11-13T10:00:00+08:00")
    # 90 km/h x 39 vehicles, 101 x 31, 86 x 17
    speed = (90 * 39 + 101 * 31 + 86 * 17) / 87
    np.testing.assert_allclose(values(table, "VD-N1-S-103.670-M-LOOP")[0], [speed, 87, 29 / 3], rtol=1e-6)
    assert any("內壢" in vd for vd in table.vd_ids)
    by_cause = report["missing"]["volume"][
        "by_cause"
    ]  # of 2 x 9: one VD has status 1, one codes with status 0
    assert by_cause == {"gap": 0.5, "status": round(1 / 18, 6), "code": round(1 / 18, 6)}
    assert report["located"] == 6


def test_highway_bureau_snapshot(tmp_path):
    raw = beside(tmp_path / "raw", LIVE / "thb_vdlive_2026-10-01T0508_excerpt.json", STATIC / "VD.json")
    table, report = run(tmp_path, "taiwan_vdlive", raw, vd_list="VD.json")
    assert table.values.shape == (2, 19, 3)  # 05:06:00 and, floored, 05:07:11
    assert table.timestamps.tolist() == [utc("2026-10-01T05:06:00+08:00"), utc("2026-10-01T05:07:00+08:00")]
    assert report["missing"]["volume"]["by_cause"] == {"gap": 0.5, "status": round(2 / 38, 6)}
    np.testing.assert_allclose(values(table, "VD-11-0090-011-003")[1], [34, 1, 0.5])


def test_highway_bureau_tail_with_codes_in_every_field(tmp_path):
    table, _ = run(tmp_path, "taiwan_vdlive", LIVE / "thb_vdlive_2026-10-02T0946_tail_excerpt.json")
    assert table.values.shape == (1, 4, 3)
    assert np.isnan(values(table, "VD-43-0090-175-001")).all()
    np.testing.assert_array_equal(values(table, "VD-42-0090-158-002")[0], [np.nan, 0, 0])
    np.testing.assert_array_equal(values(table, "VD-42-0090-150-004")[0], [71, 1, 0.5])


def test_standard_v11(tmp_path):
    table, _ = run(tmp_path / "a", "taiwan_v11", LIVE / "v1.1_vd_value5_2015-03-31_excerpt.xml", interval=300)
    assert table.timestamps.tolist() == [utc("2015-03-31T23:45:00+08:00")]  # 23:50 is the end
    np.testing.assert_allclose(
        table.values[0], [[(86 * 15 + 92 * 22) / 37, 37, 2], [(93 * 23 + 86 * 16) / 39, 39, 2.5]], rtol=1e-6
    )
    table, _ = run(tmp_path / "b", "taiwan_v11", LIVE / "v1.1_vd_value5_2020-01-31_excerpt.xml", interval=300)
    np.testing.assert_allclose(table.values[0, 0], [(104 * 5 + 118 * 6 + 98 * 6) / 17, 17, 1], rtol=1e-6)
    table, _ = run(tmp_path / "c", "taiwan_v11", LIVE / "v1.1_vd_value_taoyuan_2017-12-06_excerpt.xml")
    np.testing.assert_array_equal(table.values, [[[np.nan, 0, 0]]])
    assert table.timestamps.tolist() == [utc("2017-12-06T09:54:00+08:00")]  # ends at 09:55:10


@pytest.mark.parametrize(
    "name", ["taipei_GetVDDATA_2017-12-05_excerpt.xml", "ntpc_vehicle_detection_2019-09-17_excerpt.json"]
)
def test_other_schemas_are_told_apart(tmp_path, name):
    with pytest.raises(InputError, match="of the standard"):
        run(tmp_path, "taiwan_vdlive", LIVE / name)


def test_lists_of_vds_in_all_flavours_agree():
    xml, csv = (read_vd_list(STATIC / f"NFB_VD.{kind}") for kind in ("xml", "csv"))
    of_csv = {row["VDID"]: row for row in csv}
    both = [row for row in xml if row["VDID"] in of_csv]
    assert len(both) > 2000
    assert all(row.get("RoadName", "") == of_csv[row["VDID"]]["RoadName"] for row in both)
    assert all(
        math.isclose(float(row["PositionLon"]), float(of_csv[row["VDID"]]["PositionLon"])) for row in both
    )
    for name in ("VD.json", "CountryVD.json"):
        rows = read_vd_list(STATIC / name)
        assert all(119 < float(row["PositionLon"]) < 123 for row in rows if row.get("PositionLon"))


def test_m05a_hour(tmp_path):
    raw = beside(tmp_path / "raw", *(M05A / "raw_sample").iterdir(), M05A / "gantry_coordinates_1130327.csv")
    table, report = run(tmp_path, "taiwan_m05a", raw, vd_list="gantry_coordinates_1130327.csv")
    assert table.values.shape == (12, 421, 2) and report["files"]["read"] == 12
    assert (report["first"], report["last"]) == ("2024-05-01T00:00:00+08:00", "2024-05-01T00:55:00+08:00")
    packed = np.load(M05A / "m05a_2024-05_raw.npz", allow_pickle=False)
    volume, speed = packed["volume"][:12].astype("f8"), packed["speed"][:12].astype("f8")
    column = [table.vd_ids.index(pair.replace(">", "-")) for pair in packed["pairs"].tolist()]
    np.testing.assert_array_equal(table.values[:, column, 1], volume.sum(axis=2))
    total = volume.sum(axis=2)
    odd = ((speed == 0) & (volume > 0)).any(axis=2)
    with np.errstate(invalid="ignore"):
        want = np.where(odd, np.nan, (speed * volume).sum(axis=2) / total)
    np.testing.assert_allclose(table.values[:, column, 0], want, rtol=1e-6)
    cells = 12 * 421
    assert report["missing"]["volume"]["share"] == 0
    shares = {"no_vehicle": (total == 0).sum() / cells, "impossible": odd.sum() / cells}
    assert report["missing"]["speed"]["by_cause"] == pytest.approx(shares, abs=1e-6)
    assert report["located"] == 421
    frame = pd.read_parquet(M05A / "volume_total.parquet")  # derived by others: an independent reference
    assert int(np.nansum(table.values[..., 1])) == int(
        frame.select_dtypes("number").iloc[:12].to_numpy().sum()
    )


@pytest.mark.slow
def test_m05a_day(tmp_path):
    """288 files, cell by cell, against the arrays that they were packed to."""
    unpack = [
        sys.executable,
        "benchmarks/ingest.py",
        "--m05a-files",
        "288",
        "--unpack",
        str(tmp_path / "raw"),
    ]
    subprocess.run(unpack, check=True, cwd=ROOT)
    table, report = run(tmp_path, "taiwan_m05a", tmp_path / "raw")
    assert table.values.shape == (288, 421, 2) and report["files"]["read"] == 288
    assert (report["first"], report["last"]) == ("2024-05-01T00:00:00+08:00", "2024-05-01T23:55:00+08:00")
    packed = np.load(M05A / "m05a_2024-05_raw.npz", allow_pickle=False)
    volume, speed = packed["volume"][:288].astype("f8"), packed["speed"][:288].astype("f8")
    assert volume.shape == (288, 421, 5)
    column = [table.vd_ids.index(pair.replace(">", "-")) for pair in packed["pairs"].tolist()]
    total = volume.sum(axis=2)
    np.testing.assert_array_equal(table.values[:, column, 1], total)
    # vehicles that did not move, or faster than any does: of the month twelve, of up to 11,181 km/h
    odd = (((speed == 0) | (speed > 200)) & (volume > 0)).any(axis=2)
    assert report["counts"]["impossible_values"] >= odd.sum() > 0
    with np.errstate(invalid="ignore"):
        want = np.where(odd, np.nan, (speed * volume).sum(axis=2) / total)
    np.testing.assert_allclose(table.values[:, column, 0], want, rtol=1e-6)
    shares = {"no_vehicle": (total == 0).mean(), "impossible": odd.mean()}
    assert report["missing"]["speed"]["by_cause"] == pytest.approx(shares, abs=1e-6)
    assert report["missing"]["volume"]["share"] == 0
    frame = pd.read_parquet(M05A / "volume_total.parquet").select_dtypes("number")[:288]
    np.testing.assert_array_equal(table.values[:, column, 1], frame[packed["pairs"].tolist()].to_numpy())


def test_pems08_prefix(tmp_path):
    table, report = run(
        tmp_path, "pems_npz", DATA / "pems08_prefix/pems08_first1282.npz", start="2016-07-01 00:00"
    )
    raw = np.load(DATA / "pems08_prefix/pems08_first1282.npz")["data"]
    assert table.values.shape == (1282, 170, 3) == raw.shape
    assert (report["first"], report["last"]) == ("2016-07-01T00:00:00-07:00", "2016-07-05T10:45:00-07:00")
    np.testing.assert_allclose(table.values[..., 0], raw[..., 0])
    np.testing.assert_allclose(table.values[..., 1], raw[..., 1] * 100, rtol=1e-6)
    empty = raw[..., 0] == 0
    np.testing.assert_allclose(
        table.values[..., 2], np.where(empty, np.nan, raw[..., 2] * 1.609344), rtol=1e-6
    )
    assert report["missing"]["speed"]["by_cause"] == {"no_vehicle": round(empty.mean(), 6)}


def test_pems_export(tmp_path):
    """Days and months are told by the days after the 12th; 12,096 rows of five minutes, weekdays only."""
    table, report = run(tmp_path, "pems_export", DATA / "pems_station_export", files="*.csv", vd_id="one")
    assert (report["first"], report["last"]) == ("2016-01-04T00:00:00-08:00", "2016-03-31T23:55:00-07:00")
    assert report["counts"]["records"] == 7776 + 4320 and report["counts"]["undated_order"] == 2
    frames = [
        pd.read_csv(DATA / f"pems_station_export/{n}.csv", encoding="utf-8-sig") for n in ("train", "test")
    ]
    rows = pd.concat(frames)
    unobserved = rows["% Observed"] == 0
    assert np.isfinite(table.values).sum() == len(rows) - unobserved.sum()
    assert np.nansum(table.values) == rows.loc[~unobserved, "Lane 1 Flow (Veh/5 Minutes)"].sum()
    assert report["files"]["passed_over"] == ["provenance.txt"]


@pytest.mark.parametrize(
    "name",
    [
        "occupancy_6005",
        "occupancy_t4013",
        "speed_6005",
        "speed_7578",
        "speed_t4013",
        "TravelTime_387",
        "TravelTime_451",
    ],
)
def test_single_series_as_a_wide_table(tmp_path, name):
    path = DATA / f"nab_realtraffic/{name}.csv"
    table, report = run(
        tmp_path,
        "wide_table",
        path,
        time_column="timestamp",
        time_zone="America/Chicago",
        interval=60,
        feature="value",
        unit="x",
    )
    frame = pd.read_csv(path)
    assert report["counts"]["records"] == len(frame)
    assert np.isfinite(table.values).sum() == frame.timestamp.nunique()
    assert report["first"][:16] == str(frame.timestamp.min())[:16].replace(" ", "T")


def test_scats_days(tmp_path):
    table, report = run(
        tmp_path,
        "day_rows",
        DATA / "scats_boroondara/BoroondaraData.csv",
        time_zone="Australia/Melbourne",
        interval=900,
        date_order="dmy",
        vd_columns=["SCATS Number", "Location"],
        feature="volume",
        unit="veh/15min",
    )
    frame = pd.read_csv(DATA / "scats_boroondara/BoroondaraData.csv")
    cells = frame.filter(regex=r"^V\d\d$")
    assert len(table.vd_ids) == len(frame.groupby(["SCATS Number", "Location"]))
    assert report["first"] == "2006-10-01T00:00:00+10:00" and report["last"].startswith(
        "2006-10-31T23:45:00+11:00"
    )
    assert report["counts"]["records"] + report["counts"]["nonexistent"] == cells.size
    # clocks went forward on 2006-10-29 at 02:00: four quarters of an hour do not exist
    assert report["counts"]["nonexistent"] == 4 * (frame.Date == "29/10/2006").sum()


BERLIN = {
    "date_column": "tag",
    "hour_column": "stunde",
    "vd_column": "mq_name",
    "units": {"volume": "veh/h", "speed": "km/h"},
    "columns": {"volume": "q_kfz_mq_hr", "speed": "v_kfz_mq_hr"},
    "time_zone": "Europe/Berlin",
    "interval": 3600,
    "vd_list": "cross_sections.csv",
    "valid_when": {"qualitaet": [0.75, 1.0]},
}


def test_berlin_hours(tmp_path):
    """Semicolons, date and hour in two columns; two months, over the end of daylight saving."""
    folder = DATA / "berlin_hourly"
    names = ("mq_hr_2023_10.csv.gz", "mq_hr_2023_11.csv.gz")
    raw = beside(tmp_path / "raw", *(folder / name for name in names), folder / "cross_sections.csv")
    table, report = run(tmp_path, "long_table", raw, files="mq_*", **BERLIN)
    frame = pd.concat([pd.read_csv(folder / name, sep=";") for name in names])
    assert len(table.vd_ids) == frame.mq_name.nunique()
    listed = pd.read_csv(folder / "cross_sections.csv")
    assert report["located"] == len(set(listed[listed.lon.notna()].mq_name) & set(table.vd_ids)) > 150
    assert report["counts"]["records"] == len(frame)
    frame["time"] = pd.to_datetime(frame.tag, format="%d.%m.%Y") + pd.to_timedelta(frame.stunde, unit="h")
    night = frame.time == pd.Timestamp("2023-10-29 02:00")  # comes twice, and its one row counts both hours
    assert (frame[night].qualitaet > 1).mean() > 0.9
    whole = frame[~night & frame.qualitaet.between(0.75, 1)]
    assert report["missing"]["volume"]["by_cause"]["status"] > 0
    time = whole.time.dt.tz_localize("Europe/Berlin").dt.tz_convert("UTC").dt.tz_localize(None)
    step = (time.to_numpy().astype("M8[s]").astype("i8") - table.timestamps[0]) // 3600
    column = np.array([table.vd_ids.index(name) for name in whole.mq_name])
    volume, speed = whole.q_kfz_mq_hr.to_numpy(), whole.v_kfz_mq_hr.to_numpy("f8")
    possible = volume >= 0
    np.testing.assert_array_equal(table.values[step, column, 0][possible], volume[possible])
    moving = (volume > 0) & (speed >= 0) & (speed <= 200)
    np.testing.assert_array_equal(table.values[step, column, 1][moving], np.float32(speed[moving]))
    assert np.nanmin(table.info["lon"]) > 13 and np.nanmax(table.info["lon"]) < 14
