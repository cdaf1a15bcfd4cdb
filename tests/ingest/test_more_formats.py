"""WebTRIS, UTD19, VDLive as JSON lines, snapshots on a coarser grid, and which format files are of."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from vdcast import params
from vdcast.errors import InputError
from vdcast.ingest import assemble, detect, pipeline
from vdcast.ingest.records import CODE, EMPTY, GAP, NO_VEHICLE, OBSERVED
from vdcast.params.formats import FORMATS, Auto

from .raw import as_json, as_xml, lane, put, run, utc, v11, vd, vdlive
from .test_america import EXPORT, MPH, metr_la, npz, station_row
from .test_m05a import rows as m05a_rows

NAN = np.nan

# --- WebTRIS ---------------------------------------------------------------------------------------

REPORT = "Site Name,Report Date,Time Period Ending,Time Interval,0 - 520 cm,0 - 10 mph,Avg mph,Total Volume\n"


def report(*rows):
    """Rows (site, day, end, number, mph, volume)."""
    return REPORT + "".join(f'"{s}",{d},{e},{n},1,0,{v},{q}\n' for s, d, e, n, v, q in rows)


def test_webtris(tmp_path):
    day = "2024-07-01T00:00:00"
    rows = [
        ("M25/5764B", day, "00:14:00", 0, 60, 100),
        ("M25/5764B", day, "00:29:00", 1, "", ""),
        ("A1/9", day, "00:14:59", 0, 125, 7),
        ("A1/9", day, "00:29:00", 1, 55, 0),
    ]
    put(tmp_path / "raw/a.csv", report(*rows))
    put(tmp_path / "raw/sites.csv", "Id,Name,Longitude,Latitude,Status\n1,M25/5764B,-0.5,51.4,Active\n")
    table, quality = run(tmp_path, "webtris", tmp_path / "raw", vd_list="sites.csv")
    assert table.vd_ids == ("A1/9", "M25/5764B") and table.units == ("km/h", "veh/15min")
    assert table.timestamps.tolist() == [utc("2024-07-01T00:00:00+01:00") + 900 * i for i in range(2)]
    np.testing.assert_allclose(table.values[:, 1], [[60 * MPH, 100], [NAN, NAN]], rtol=1e-6)
    np.testing.assert_allclose(table.values[:, 0], [[NAN, 7], [NAN, 0]])
    assert quality["missing"]["speed"]["by_cause"] == {"empty": 0.25, "impossible": 0.25, "no_vehicle": 0.25}
    np.testing.assert_allclose(table.info["lon"], [NAN, -0.5])


def test_a_header_with_two_marks_is_split_by_the_one_that_gives_its_names(tmp_path):
    """No key of ours says which: a report of WebTRIS and an export of PeMS have the marks that they have."""
    text = report(("A", "2024-01-01", "00:14:00", 0, 60, 9)).replace("0 - 520 cm", "0 - 520 cm; all")
    put(tmp_path / "webtris.csv", text)
    table, _ = run(tmp_path, "webtris", tmp_path / "webtris.csv")
    assert table.values.tolist() == [[[pytest.approx(60 * MPH), 9]]]
    put(tmp_path / "export.csv", "Time; PST,Flow (Veh/5 Minutes),% Observed\n05/13/2024 00:00,12,100\n")
    table, _ = run(tmp_path, "pems_export", tmp_path / "export.csv", features=["volume"], vd_id="A")
    assert table.values.tolist() == [[[12]]]


@pytest.mark.parametrize(
    "text, sentence",
    [
        (
            report(("A", "01/02/2024", "00:14:00", 0, 1, 1)),
            "line 2: date '01/02/2024' may be day/month or month/day",
        ),
        (
            report(("A", "2024-01-01", "00:59:00", 0, 1, 1)),
            "line 2: interval 0 of 900 s does not end at 00:59:00",
        ),
        (  # intervals counted from 1
            report(("A", "2024-01-01", "00:15:00", 1, 1, 1)),
            "line 2: interval 1 of 900 s does not end at 00:15:00",
        ),
        (report(("A", "2024-01-01", "00:14:00", 0, 1, 1))[:-1], "it is truncated"),
        ("Local Date, Local Time, Day Type ID\n2024-01-01,00:14:00,1\n", "is no daily report of WebTRIS"),
    ],
)
def test_webtris_that_is_none(tmp_path, text, sentence):
    put(tmp_path / "raw.csv", text)
    with pytest.raises(InputError, match=sentence):
        run(tmp_path, "webtris", tmp_path / "raw.csv")


def test_webtris_ends_its_day_at_midnight(tmp_path):
    put(
        tmp_path / "raw.csv",
        report(("A", "13/01/2024", "00:00:00", 95, 60, 9), ("A", "14/01/2024", "00:15:00", 0, 60, 8)),
    )
    table, _ = run(tmp_path, "webtris", tmp_path / "raw.csv", date_order="dmy")
    assert table.timestamps.tolist() == [utc("2024-01-13T23:45:00+00:00"), utc("2024-01-14T00:00:00+00:00")]
    assert table.values[:, 0, 1].tolist() == [9, 8]


# --- UTD19 -----------------------------------------------------------------------------------------

UTD19 = (
    "day,interval,detid,flow,occ,error,city,speed\n"
    "2015-10-26,0,K1D11,120,0.05,0,zurich,50\n2015-10-26,300,K1D11,0,0,,zurich,40\n"
    "2015-10-26,600,K1D11,90,0.03,1,zurich,\n2015-10-26,0,K1D11,999,0.5,0,basel,\n"
    "2015-10-26,300,K2D9,60,1.5,0,zurich,250\n"
)
ZURICH = {"city": "zurich", "time_zone": "Europe/Zurich", "interval": 300}


def test_utd19(tmp_path):
    put(tmp_path / "raw/utd19_u.csv", UTD19)
    put(
        tmp_path / "raw/detectors.csv",
        "detid,length,road,citycode,lanes,long,lat\nK2D9,0.1,secondary,zurich,2,8.5,47.4\n"
        "K2D9,0.1,secondary,basel,4,7.6,47.5\nK1D11,0.1,secondary,basel,4,7.6,47.5\n",
    )
    table, quality = run(
        tmp_path,
        "utd19",
        tmp_path / "raw",
        vd_list="detectors.csv",
        features=["volume", "occupancy", "speed"],
        occupancy_unit="fraction",
        **ZURICH,
    )
    assert table.vd_ids == ("K1D11", "K2D9") and table.units == ("veh/h", "%", "km/h")
    assert table.timestamps[0] == utc("2015-10-26T00:00:00+01:00")
    np.testing.assert_allclose(table.values[:, 0], [[120, 5, 50], [0, 0, NAN], [NAN] * 3])
    np.testing.assert_allclose(table.values[1, 1], [60, NAN, NAN])
    assert quality["missing"]["volume"]["by_cause"] == {"gap": round(2 / 6, 6), "status": round(1 / 6, 6)}
    assert table.info["lanes"].tolist() == [0, 2], "of detectors that Basel calls alike nothing is taken"


def test_utd19_of_a_city_that_it_lacks_or_an_occupancy_in_no_unit(tmp_path):
    put(tmp_path / "raw.csv", UTD19)
    with pytest.raises(InputError, match="has no row of data.city 'bern'; it has basel, zurich"):
        run(tmp_path, "utd19", tmp_path / "raw.csv", **{**ZURICH, "city": "bern"})
    with pytest.raises(ValueError, match="set occupancy_unit to % or fraction"):
        run(tmp_path, "utd19", tmp_path / "raw.csv", features=["occupancy"], **ZURICH)


# --- VDLive as JSON lines --------------------------------------------------------------------------

START = utc("2026-10-01T05:05:00+08:00")


def snapshots(n=5):
    """A minute each: volumes 1, 2, ..., speeds 50, 51, ..."""
    return [
        vdlive(vd("A", START + 60 * i, lane(50 + i, 10 + i, i + 1)), vd("B", START + 60 * i, lane(60, 1, 0)), updated=START + 60 * i)
        for i in range(n)
    ]  # fmt: skip


def test_json_lines_of_vds_and_of_snapshots(tmp_path):
    documents = snapshots()
    put(tmp_path / "whole/a.jsonl", "\n".join(json.dumps(d) for d in documents))
    heads = ({k: d[k] for k in ("UpdateTime", "UpdateInterval")} for d in documents)
    lines = [{**v, **head} for d, head in zip(documents, heads, strict=True) for v in d["VDLives"]]
    put(tmp_path / "lines/a.json", "\n".join(map(json.dumps, lines)) + "\n")
    for i, document in enumerate(documents):
        put(tmp_path / f"loose/{i}.json", as_json(document))
    want, _ = run(tmp_path / "c", "taiwan_vdlive", tmp_path / "loose")
    for kind in ("whole", "lines"):
        table, _ = run(tmp_path / kind[:1], "taiwan_vdlive", tmp_path / kind)
        assert (table.vd_ids, table.timestamps.tolist()) == (want.vd_ids, want.timestamps.tolist())
        np.testing.assert_array_equal(table.values, want.values)


@pytest.mark.parametrize(
    "text", ['{"VDID":"A"}\n{"VDID":', '{"VDID":"A"}\n{"VDID":7}', '{"VDID":"A","LinkFlows":[]} x']
)
def test_json_lines_that_are_cut_or_another_schema(tmp_path, text):
    put(tmp_path / "a.json", text)
    with pytest.raises(InputError, match="'a.json': (is no VDLive|is not valid JSON|not one of)"):
        run(tmp_path, "taiwan_vdlive", tmp_path / "a.json")


# --- a coarser grid --------------------------------------------------------------------------------

FIVE = {"interval": 300, "from_interval": 60}


@pytest.mark.parametrize("write", [as_json, as_xml])
def test_minutes_make_five(tmp_path, write):
    for i, document in enumerate(snapshots(7)):
        put(tmp_path / f"raw/{i}.{'json' if write is as_json else 'xml'}", write(document))
    table, quality = run(tmp_path, "taiwan_vdlive", tmp_path / "raw", **FIVE)
    assert table.interval == 300 and table.units == ("km/h", "veh/5min", "%")
    assert table.timestamps.tolist() == [START, START + 300]
    speed = (50 * 1 + 51 * 2 + 52 * 3 + 53 * 4 + 54 * 5) / 15
    np.testing.assert_allclose(table.values[0], [[speed, 15, 12], [NAN, 0, 1]], rtol=1e-6)
    assert np.isnan(table.values[1]).all()  # two of five minutes
    causes = {(s["vd"], s["feature"]): s["by_cause"] for s in quality["series"]}
    assert causes["A", "volume"] == {"gap": 0.5} and causes["B", "speed"] == {"gap": 0.5, "no_vehicle": 0.5}
    table, _ = run(tmp_path / "less", "taiwan_vdlive", tmp_path / "raw", min_share=0.4, **FIVE)
    np.testing.assert_allclose(table.values[1, 0], [(55 * 6 + 56 * 7) / 13, 13 / 2 * 5, 15.5], rtol=1e-6)


def test_snapshots_of_another_interval_say_which_key_lays_them_on_a_coarser_one(tmp_path):
    put(tmp_path / "a.json", as_json(snapshots(1)[0]))
    with pytest.raises(
        InputError, match=r"snapshot per 60 s; set data.interval to that \(300 now\), or data.from_interval"
    ):
        run(tmp_path, "taiwan_vdlive", tmp_path / "a.json", interval=300)
    with pytest.raises(ValueError, match="interval 300 is not a multiple of from_interval 180"):
        run(tmp_path, "taiwan_vdlive", tmp_path / "a.json", interval=300, from_interval=180)


def test_largest_on_the_grid_of_its_paper(tmp_path):
    times = np.datetime64("2019-01-01T00:00") + np.arange(6) * np.timedelta64(5, "m")
    flows = np.array([[1.0, 10], [2, NAN], [3, 30], [NAN, NAN], [5, NAN], [6, NAN]])
    (tmp_path / "raw").mkdir()
    metr_la(tmp_path / "raw/ca_his_raw_2019.h5", times, flows, np.array([b"315836", b"9"]), key="t")
    put(tmp_path / "raw/ca_meta.csv", "ID,Lat,Lng,District,County,Fwy,Lanes,Type,Direction,ID2\n315836,33.9,-118.2,7,LA,I710-N,3,Mainline,N,0\n")  # fmt: skip
    said = {
        "feature": "volume",
        "interval": 900,
        "from_interval": 300,
        "min_share": 0.6,
        "vd_list": "ca_meta.csv",
    }
    table, _ = run(tmp_path, "metr_la", tmp_path / "raw", **said)
    np.testing.assert_allclose(table.values[:, :, 0], [[6, 60], [16.5, NAN]])
    assert table.units == ("veh/15min",) and table.info["road"].tolist() == ["I710-N", ""]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(*[st.one_of(st.none(), st.integers(0, 9))] * 3), min_size=1, max_size=40),
    st.integers(0, 4),
    st.integers(1, 7),
    st.sampled_from([0.2, 0.6, 1.0]),
)
def test_a_coarser_grid_against_a_slow_one(rows, lead, size, share):
    """Rows of speed, volume, occupancy, the first ``lead`` minutes after a full five, in blocks of ``size``."""
    cause = np.array([[GAP if x is None else OBSERVED for x in row] for row in rows], "u1")[:, None]
    values = np.array([[NAN if x is None else x for x in row] for row in rows], "f4")[:, None]
    still = (values[..., 1] == 0) & (cause[..., 1] == OBSERVED)
    cause[..., 0][still], values[..., 0][still] = NO_VEHICLE, NAN
    fine = assemble.Layout(grid=assemble.grid(60, "UTC"), first=5000 + lead, steps=len(rows), vd_ids=("A",))
    coarse = assemble.coarser(fine, 300, "UTC")
    blocks = ((values[i : i + size], cause[i : i + size]) for i in range(0, len(rows), size))
    out = list(assemble.coarser_blocks(blocks, fine, coarse, ["speed", "volume", "occupancy"], share, {}))
    got, why = (np.concatenate([part[i] for part in out])[:, 0] for i in (0, 1))
    assert len(got) == coarse.steps and coarse.first == 1000
    np.testing.assert_array_equal(np.isnan(got), why != OBSERVED)
    padded = [(None,) * 3] * lead + [
        tuple(
            NAN if c == NO_VEHICLE else None if c else x
            for x, c in zip(v[0].tolist(), w[0].tolist(), strict=True)
        )
        for v, w in zip(values, cause, strict=True)
    ]
    for i, row in enumerate(got):
        five = padded[5 * i : 5 * i + 5]
        there = [[x for x in column if x is not None] for column in zip(*five, strict=True)]
        enough = [len(x) >= max(1, np.ceil(share * 5 - 1e-9)) for x in there]
        known = [(s, q) for s, q, _ in five if s is not None and s == s]
        weights = [q or 0 for _, q in known]
        speed = NAN
        if enough[0] and known:
            weights = weights if sum(weights) else [1] * len(known)
            speed = sum(s * w for (s, _), w in zip(known, weights, strict=True)) / sum(weights)
        volume = sum(there[1]) / len(there[1]) * 5 if enough[1] else NAN
        occupancy = sum(there[2]) / len(there[2]) if enough[2] else NAN
        np.testing.assert_allclose(row, [speed, volume, occupancy], rtol=1e-5)


def test_the_cause_of_a_coarser_step_is_the_worst_of_its_own():
    values = np.full((1, 3, 1, 1), NAN, "f4")
    cause = np.array([GAP, CODE, EMPTY], "u1").reshape(1, 3, 1, 1)
    assert assemble._together(values, cause, ["volume"], 1.0)[1].tolist() == [[[CODE]]]


# --- which format ----------------------------------------------------------------------------------


def seeds(folder):
    """A file of each format that says what it is, and the keys that it needs beside."""
    times = np.datetime64("2012-03-01T00:00") + np.arange(3) * np.timedelta64(5, "m")
    metr_la(folder / "seed.h5", times, np.full((3, 1), 60.5), np.array([b"1"]))
    return {
        "taiwan_vdlive": ("a.json", as_json(snapshots(1)[0]), {}),
        "taiwan_v11": (
            "a.xml",
            v11(("V", 0, "2015/03/31 23:50:00", [("0", 86, 2, [14])])),
            {"interval": 300},
        ),
        "taiwan_m05a": ("TDCS_M05A_20261001_050000.csv", m05a_rows(("B", "A", [(95, 1)] * 5)), {}),
        "pems_station": ("a.txt", station_row("05/01/2024 00:00:00", 715898, 100, 120, 0.05, 65), {}),
        "pems_export": ("a.csv", EXPORT + "05/13/2024 00:00,10,30,60,50,2,100\n", {}),
        "pems_npz": ("a.npz", npz(data=np.full((5, 3, 3), 0.5)), {"start": "2016-07-01"}),
        "metr_la": ("a.h5", (folder / "seed.h5").read_bytes(), {"feature": "speed"}),
        "webtris": ("a.csv", report(("A", "2024-01-01", "00:14:00", 0, 1, 1)), {}),
        "utd19": ("a.csv", UTD19, ZURICH),
    }


def auto(raw, **more):
    return detect.resolved(Auto(format="auto", raw=str(raw), **more))


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"wide_table", "long_table", "day_rows"}))
def test_auto_says_which_format_and_why(tmp_path, name):
    file, data, keys = seeds(tmp_path)[name]
    put(tmp_path / "raw" / file, data)
    found, why = auto(tmp_path / "raw", **keys)
    assert found == FORMATS[name](format=name, raw=str(tmp_path / "raw"), **keys)
    assert why.startswith(f"data.format auto: {name}, because '{file}' ")
    pipeline.format_of(found)


def test_auto_never_guesses(tmp_path):
    files = seeds(tmp_path)
    put(tmp_path / "two/a.json", files["taiwan_vdlive"][1])
    put(tmp_path / "two/b.xml", files["taiwan_v11"][1])
    with pytest.raises(
        InputError, match="cannot tell the format .*'a.json' has VDs.*taiwan_vdlive; 'b.xml' has .*taiwan_v11"
    ):
        auto(tmp_path / "two")
    put(tmp_path / "none/a.json", b'{"x": 1}')
    with pytest.raises(InputError, match="cannot tell the format; set data.format to one of wide_table"):
        auto(tmp_path / "none")
    put(tmp_path / "plain/a.csv", "time,A\n2026-10-01 00:00,1\n")
    with pytest.raises(
        InputError, match="'a.csv' is a plain table that begins with 'time,A', and what its numbers mean"
    ):
        auto(tmp_path / "plain")
    put(tmp_path / "h5/a.h5", files["metr_la"][1])
    with pytest.raises(InputError, match="nothing in it says what its numbers are; set data.feature"):
        auto(tmp_path / "h5")
    put(tmp_path / "m04a/TDCS_M04A_20240325_000000.csv", files["taiwan_m05a"][1])
    with pytest.raises(InputError, match="its name does not say M05A"):
        auto(tmp_path / "m04a")
    with pytest.raises(InputError, match="holds no file of any format"):
        (tmp_path / "empty").mkdir()
        auto(tmp_path / "empty")


def test_auto_wants_the_keys_of_what_it_finds(tmp_path):
    file, data, _ = seeds(tmp_path)["pems_npz"]
    put(tmp_path / file, data)
    with pytest.raises(InputError, match="data.start is missing"):
        auto(tmp_path / file)
    with pytest.raises(InputError, match="data.per is not a setting"):
        auto(tmp_path / file, start="2016-07-01", per="vd")


def test_auto_is_a_format_of_params(tmp_path):
    document = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text("utf-8"))
    document["data"] = {"format": "auto", "raw": "x", "per": "link", "interval": 300}

    def load():
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(document), "utf-8")
        return params.load(tmp_path / "params.yaml").data

    data = load()
    said = {"raw": "x", "per": "link"}
    assert data.settings("taiwan_vdlive") == {"format": "taiwan_vdlive", "interval": 300, **said}
    assert data.settings("taiwan_m05a") == {"format": "taiwan_m05a", **said}, "its only interval"
    assert data.settings("webtris")["interval"] == 300, (
        "not its interval, and refused as a key that it has not"
    )
    del document["data"]["interval"]
    with pytest.raises(InputError, match=r"window.lookback 5h is in time.*; set data.interval"):
        load()
    document["window"] = {"sequence_length": 12, "prediction_length": 3}
    document["evaluate"]["horizons"] = [1, 3]
    assert load().interval is None


def test_auto_says_what_is_wrong_with_an_archive(tmp_path):
    """A damaged archive is no empty folder."""
    put(tmp_path / "raw/day.zip", b"PK\x03\x04" + bytes(40))
    with pytest.raises(InputError, match=r"'day.zip'") as raised:
        auto(tmp_path / "raw")
    assert "holds no file" not in str(raised.value)
