"""PeMS in its three flavours, METR-LA and PEMS-BAY."""

import gzip
import io

import h5py
import numpy as np
import pytest

from vdcast.errors import InputError

from .raw import put, run, utc

MPH = 1.609344


def station_row(time, station, observed, flow, occupancy, speed):
    head = f"{time},{station},7,5,N,ML,0.5,10,{observed},{flow},{occupancy},{speed}"
    return head + ",10,1,0.1,60,1" + ",,,,," * 7 + "\n"


def test_station_text(tmp_path):
    put(
        tmp_path / "raw/d07_text_station_5min_2024_05_01.txt.gz",
        gzip.compress(
            (
                station_row("05/01/2024 00:00:00", 715898, 100, 120, 0.05, 65)
                + station_row("05/01/2024 00:00:00", 715900, 0, 99, 0.04, 66)
                + station_row("05/01/2024 00:05:00", 715898, 75, 0, 0, "")
                + station_row("05/01/2024 00:05:00", 715900, 100, 80, 1.5, 150)
            ).encode()
        ),
    )
    put(
        tmp_path / "raw/meta.txt",
        "ID\tFwy\tDir\tLatitude\tLongitude\tLanes\n715898\t5\tN\t33.88\t-118.02\t3\n",
    )
    table, report = run(tmp_path, "pems_station", tmp_path / "raw", vd_list="meta.txt")
    assert table.vd_ids == ("715898", "715900")
    assert table.timestamps[0] == utc("2024-05-01T00:00:00-07:00")
    nan = np.nan
    want = [[[65 * MPH, 120, 5], [nan] * 3], [[nan, 0, 0], [nan, 80, nan]]]
    np.testing.assert_allclose(table.values, want, rtol=1e-6)
    causes = {(s["vd"], s["feature"]): s["by_cause"] for s in report["series"]}
    assert causes["715898", "speed"] == {"empty": 0.5} or causes["715898", "speed"] == {"no_vehicle": 0.5}
    assert causes["715900", "speed"] == {"impossible": 0.5, "status": 0.5}
    assert table.info["road"].tolist() == ["5", ""] and table.info["lanes"].tolist() == [3, 0]


def test_station_text_of_another_width(tmp_path):
    put(tmp_path / "raw.txt", "05/01/2024 00:00:00,1,2\n")
    with pytest.raises(InputError, match="has 3 columns; PeMS station text has 12, then 5 per lane"):
        run(tmp_path, "pems_station", tmp_path / "raw.txt")


EXPORT = "\ufeff5 Minutes,Lane 1 Flow (Veh/5 Minutes),Lane 2 Flow (Veh/5 Minutes),Lane 1 Speed (mph),Lane 2 Speed (mph),# Lane Points,% Observed\n"


def test_export_sums_lanes_and_weights_speeds(tmp_path):
    put(
        tmp_path / "raw.csv",
        EXPORT + "05/13/2024 00:00,10,30,60,50,2,100\n05/13/2024 00:05,10,30,60,50,2,0\n",
    )
    table, report = run(
        tmp_path, "pems_export", tmp_path / "raw.csv", features=["volume", "speed"], vd_id="400001"
    )
    assert table.vd_ids == ("400001",) and table.features == ("volume", "speed")
    np.testing.assert_allclose(
        table.values[:, 0], [[40, (60 * 10 + 50 * 30) / 40 * MPH], [np.nan, np.nan]], rtol=1e-6
    )
    assert report["counts"]["undated_order"] == 1


def test_export_that_reads_both_ways_is_refused_with_what_would_be_regular(tmp_path):
    rows = "".join(f"{d:02}/01/2024 {t},1,1,60,60,2,100\n" for d in (4, 5) for t in ("00:00", "23:55"))
    put(tmp_path / "raw.csv", EXPORT + rows)
    with pytest.raises(InputError, match=r"set data.date_order \(.*: 2 if dmy, 3 if mdy\)"):
        run(tmp_path, "pems_export", tmp_path / "raw.csv")
    table, _ = run(tmp_path, "pems_export", tmp_path / "raw.csv", date_order="dmy")
    assert table.timestamps[0] == utc("2024-01-04T00:00:00-08:00") and len(table.timestamps) == 2 * 288


@pytest.mark.parametrize(
    "column, feature, interval, value",
    [
        ("Flow (Veh/5 Minutes)", "volume", 300, 50),
        ("Flow (Veh/Hour)", "volume", 3600, 50),
        (
            "Flow (Veh/Hour)",
            "volume",
            300,
            r"'Flow \(Veh/Hour\)' does not count vehicles per data.interval, 300 s",
        ),
        ("Flow", "volume", 300, "'Flow' does not count vehicles per data.interval"),
        ("Speed (mph)", "speed", 300, 50 * MPH),
        ("Speed (kph)", "speed", 300, 50),
        ("Speed (km/h)", "speed", 300, 50),
        (
            "Speed (knots)",
            "speed",
            300,
            r"'Speed \(knots\)' has no unit that is known for speed: km/h, kmh, kph",
        ),
        ("Speed", "speed", 300, "'Speed' has no unit that is known for speed"),
        ("Occ (%)", "occupancy", 300, 50),
        ("Occupancy", "occupancy", 300, "'Occupancy' has no unit that is known for occupancy: %"),
    ],
)
def test_export_in_the_unit_that_its_header_says(tmp_path, column, feature, interval, value):
    put(tmp_path / "raw.csv", f"Time,{column},% Observed\n05/13/2024 00:00,50,100\n")
    settings = {"features": [feature], "interval": interval}
    if isinstance(value, str):
        with pytest.raises(InputError, match=f"column {value}"):
            run(tmp_path, "pems_export", tmp_path / "raw.csv", **settings)
    else:
        table, _ = run(tmp_path, "pems_export", tmp_path / "raw.csv", **settings)
        assert table.values.tolist() == [[[pytest.approx(value)]]]


def test_export_without_the_feature(tmp_path):
    put(tmp_path / "raw.csv", EXPORT + "05/13/2024 00:00,10,30,60,50,2,100\n")
    with pytest.raises(InputError, match="has no column of occupancy"):
        run(tmp_path, "pems_export", tmp_path / "raw.csv", features=["occupancy"])


def npz(**arrays) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def test_npz(tmp_path):
    data = np.array([[[10, 0.05, 60], [0, 0, 3]], [[-1, 2, 300], [5, 0.1, np.nan]]])  # (T, V, F)
    put(tmp_path / "raw.npz", npz(data=data))
    table, report = run(tmp_path, "pems_npz", tmp_path / "raw.npz", start="2016-07-01 00:00")
    nan = np.nan
    want = [[[10, 5, 60 * MPH], [0, 0, nan]], [[nan] * 3, [5, 10, nan]]]
    np.testing.assert_allclose(table.values, want, rtol=1e-6)
    assert table.vd_ids == ("0", "1") and table.units == ("veh/5min", "%", "km/h")
    assert table.timestamps[0] == utc("2016-07-01T00:00:00-07:00")
    assert report["counts"]["impossible_values"] == 3
    table, _ = run(tmp_path, "pems_npz", tmp_path / "raw.npz", start="2016-07-01", speed_unit="mph")
    assert table.values[0, 0, 2] == 60 and table.units[2] == "mph"


def test_npz_of_flow_alone(tmp_path):
    put(tmp_path / "raw.npz", npz(data=np.arange(6.0).reshape(3, 2, 1)))
    table, _ = run(tmp_path, "pems_npz", tmp_path / "raw.npz", start="2018-09-01 00:00", features=["volume"])
    np.testing.assert_array_equal(table.values[:, :, 0], [[0, 1], [2, 3], [4, 5]])


@pytest.mark.parametrize(
    "data, sentence",
    [
        (npz(data=np.zeros((3, 2, 1))), r"its array is \(3, 2, 1\), not \(T, V, 3\)"),
        (npz(x=np.zeros(3)), "not an array 'data'"),
        (npz(data=np.array([[[{}] * 3]], dtype=object)), "its array is object"),
        (npz(data=np.zeros((4000, 1000, 3))), "its array would be"),
        (npz(data=np.ones((3, 2, 3)))[:-40], "damaged npz"),
        (b"nothing", "damaged npz"),
    ],
)
def test_npz_that_is_none(tmp_path, data, sentence):
    put(tmp_path / "raw.npz", data)
    with pytest.raises(InputError, match=rf"'raw\.npz': .*{sentence}"):
        run(tmp_path, "pems_npz", tmp_path / "raw.npz", start="2016-07-01 00:00")


def metr_la(path, times, values, names, key="df"):
    """The layout that pandas' HDFStore gives a frame in fixed format."""
    with h5py.File(path, "w") as file:
        group = file.create_group(key)
        group["axis0"] = names
        group["block0_items"] = names
        group["axis1"] = times.astype("M8[ns]").astype("i8")
        group["block0_values"] = values


@pytest.mark.parametrize("names", [np.array([b"773869", b"767541"]), np.array([400001, 400017])])
def test_metr_la(tmp_path, names):
    times = np.datetime64("2012-03-01T00:00") + np.arange(3) * np.timedelta64(5, "m")
    metr_la(tmp_path / "raw.h5", times, np.array([[64.375, 67.625], [0, 68.25], [130, 60]]), names)
    table, report = run(tmp_path, "metr_la", tmp_path / "raw.h5")
    assert table.vd_ids == tuple(n.decode() if isinstance(n, bytes) else str(n) for n in names.tolist())
    assert table.timestamps[0] == utc("2012-03-01T00:00:00-08:00")
    np.testing.assert_allclose(
        table.values[:, :, 0], np.array([[64.375, 67.625], [np.nan, 68.25], [np.nan, 60]]) * MPH, rtol=1e-6
    )
    assert [s["by_cause"] for s in report["series"]] == [{"code": 0.333333, "impossible": 0.333333}, {}]


@pytest.mark.parametrize("kind", ["datetime64[s]", b"datetime64[us]", "datetime64[ns]", "datetime64"])
def test_metr_la_counts_time_in_the_unit_that_pandas_wrote(tmp_path, kind):
    times = np.datetime64("2012-03-01T00:00") + np.arange(3) * np.timedelta64(5, "m")
    metr_la(tmp_path / "raw.h5", times, np.full((3, 1), 60.0), np.array([b"1"]))
    unit = str(kind).partition("[")[2].partition("]")[0] or "ns"
    with h5py.File(tmp_path / "raw.h5", "r+") as file:
        file["df/axis1"][:] = times.astype(f"M8[{unit}]").astype("i8")
        file["df/axis1"].attrs["kind"] = kind
    table, _ = run(tmp_path, "metr_la", tmp_path / "raw.h5")
    assert table.timestamps.tolist() == [utc("2012-03-01T00:00:00-08:00") + 300 * i for i in range(3)]


def test_metr_la_has_rows_in_an_hour_that_clocks_skip(tmp_path):
    times = np.datetime64("2012-03-11T01:55") + np.arange(15) * np.timedelta64(5, "m")
    metr_la(tmp_path / "raw.h5", times, np.full((15, 1), 60.0), np.array([b"1"]))
    table, report = run(tmp_path, "metr_la", tmp_path / "raw.h5", speed_unit="mph")
    assert report["counts"]["nonexistent"] == 12
    assert table.timestamps.tolist() == [utc("2012-03-11T01:55:00-08:00") + 300 * i for i in range(3)]


def test_h5_that_is_no_pandas_table(tmp_path):
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file["values"] = np.zeros(3)
    with pytest.raises(InputError, match="holds values, not one pandas table"):
        run(tmp_path, "metr_la", tmp_path / "raw.h5")
    put(tmp_path / "raw.h5", b"not h5 at all")
    with pytest.raises(InputError, match="damaged h5 file, or none"):
        run(tmp_path, "metr_la", tmp_path / "raw.h5")


@pytest.mark.parametrize("where", ["external storage", "external link", "virtual"])
def test_h5_that_points_at_other_files_is_refused(tmp_path, where):
    """HDF5 would read any path that the file names."""
    raw, secret = tmp_path / "raw.h5", tmp_path / "secret"
    metr_la(raw, np.datetime64("2012-03-01T00:00") + np.arange(1) * np.timedelta64(5, "m"), np.ones((1, 1)), np.array([b"1"]))  # fmt: skip
    with h5py.File(secret, "w") as file:
        file["values"] = np.full((1, 1), 64.0)
    with h5py.File(raw, "r+") as file:
        del file["df/block0_values"]
        if where == "external storage":
            file["df"].create_dataset("block0_values", (1, 1), "f8", external=[(secret, 0, 8)])
        elif where == "external link":
            file["df/block0_values"] = h5py.ExternalLink(secret, "values")
        else:
            layout = h5py.VirtualLayout((1, 1), "f8")
            layout[:] = h5py.VirtualSource(secret, "values", shape=(1, 1))
            file["df"].create_virtual_dataset("block0_values", layout)
    with pytest.raises(InputError, match=r"'raw\.h5': its block0_values lies in another file, which is not read"):  # fmt: skip
        run(tmp_path, "metr_la", raw)
