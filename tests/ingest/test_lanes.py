"""From lanes to a VD, each rule computed by hand."""

import numpy as np
import pytest

from vdcast.ingest.detector_lists import vd_info

from .raw import as_json, as_xml, lane, pack, put, run, utc, v11, vd, vdlive

T = utc("2026-10-01T05:07:00+08:00")
NAN = float("nan")


def one(tmp_path, *lanes, how=as_json, status=0, **settings):
    """Speed, volume, occupancy of one VD with these lanes, and the causes of what is missing."""
    put(tmp_path / "raw/a.json", how(vdlive(vd("A", T, *lanes, status=status))))
    table, report = run(tmp_path, "taiwan_vdlive", tmp_path / "raw", **settings)
    return table.values[0, 0].tolist(), {
        s["feature"]: next(iter(s["by_cause"]), None) for s in report["series"]
    }


@pytest.mark.parametrize("how", [as_json, as_xml])
def test_volume_is_a_sum_speed_is_weighted_by_volume_occupancy_is_a_mean(tmp_path, how):
    values, causes = one(tmp_path, lane(90, 10, 30, 8), lane(60, 20, 2), how=how)
    assert values == pytest.approx([(90 * 38 + 60 * 2) / 40, 40, 15])
    assert set(causes.values()) == {None}


def test_a_lane_that_no_vehicle_passed_has_no_speed_and_does_not_count(tmp_path):
    values, _ = one(tmp_path, lane(0, 0, 0, 0), lane(34, 1, 0, 1))
    assert values == pytest.approx([34, 1, 0.5])


def test_no_vehicle_at_all_is_a_volume_of_zero_and_no_speed(tmp_path):
    values, causes = one(tmp_path, lane(0, 0, 0), lane(0, 0, 0))
    assert values == pytest.approx([NAN, 0, 0], nan_ok=True)
    assert causes == {"speed": "no_vehicle", "volume": None, "occupancy": None}


def test_a_code_in_one_class_makes_the_volume_missing_unless_all_must_be(tmp_path):
    lanes = [lane(90, 10, 5, -99), lane(60, 20, 10)]
    values, causes = one(tmp_path / "any", *lanes)
    assert values == pytest.approx([NAN, NAN, 15], nan_ok=True)
    assert causes == {"speed": "code", "volume": "code", "occupancy": None}
    values, _ = one(tmp_path / "all", *lanes, missing_when="all")
    assert values == pytest.approx([(90 * 5 + 60 * 10) / 15, 15, 15])


def test_where_no_lane_has_a_volume_the_speed_is_a_plain_mean(tmp_path):
    values, causes = one(tmp_path, lane(80, 10), lane(60, 20))
    assert values == pytest.approx([70, NAN, 15], nan_ok=True)
    assert causes["volume"] == "empty"


def test_status_counts_even_where_values_look_well_and_codes_count_even_where_status_does(tmp_path):
    values, causes = one(tmp_path / "status", lane(90, 10, 5), status=3)
    assert np.isnan(values).all()
    assert set(causes.values()) == {"status"}
    values, causes = one(tmp_path / "code", lane(-99, -99, -99), status=0)
    assert np.isnan(values).all()
    assert set(causes.values()) == {"code"}
    values, _ = one(tmp_path / "none", lane(90, 10, 5), status=None)
    assert values == pytest.approx([90, 5, 10])


def test_impossible_values_are_missing_and_counted(tmp_path):
    put(
        tmp_path / "raw/a.json",
        as_json(vdlive(vd("A", T, lane(250, 101, -1)), vd("B", T, lane(199, 100, 0)))),
    )
    table, report = run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    assert np.isnan(table.values[0, 0]).all()
    assert table.values[0, 1].tolist() == pytest.approx([NAN, 0, 100], nan_ok=True)
    assert report["counts"]["impossible_values"] == 3
    assert all(s["by_cause"] == {"impossible": 1.0} for s in report["series"] if s["vd"] == "A")


def test_what_the_table_cannot_hold_is_impossible_alone_and_summed(tmp_path):
    """float32 ends at 3.4e38: 1e39 is beyond it, and so is 3e38 + 3e38."""
    values, causes = one(tmp_path / "alone", lane(50, 5, 1e39))
    assert values == pytest.approx([50, NAN, 5], nan_ok=True) and causes["volume"] == "impossible"
    values, causes = one(tmp_path / "summed", lane(50, 5, 3e38, 3e38))
    assert values == pytest.approx([50, NAN, 5], nan_ok=True) and causes["volume"] == "impossible"


def test_more_codes_can_be_named(tmp_path):
    values, causes = one(tmp_path, lane(255, 255, 255), missing_codes=[-99.0, 255.0])
    assert set(causes.values()) == {"code"}


def test_a_vd_without_lanes_is_empty(tmp_path):
    put(tmp_path / "raw/a.json", as_json(vdlive(vd("A", T), vd("B", T, lane(50, 1, 2)))))
    table, report = run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    assert table.vd_ids == ("A", "B") and table.values[0, 1].tolist() == [50, 2, 1]
    assert [s["by_cause"] for s in report["series"] if s["vd"] == "A"] == [{"empty": 1.0}] * 3


def test_where_no_vd_is_well_none_needs_a_lane(tmp_path):
    values, causes = one(tmp_path, status=1)
    assert np.isnan(values).all() and set(causes.values()) == {"status"}


def test_links_can_be_detectors_of_their_own(tmp_path):
    both = vd("A", T, lane(50, 1, 2), link="N")
    both["LinkFlows"].append({"LinkID": "S", "Lanes": [lane(70, 3, 4)]})
    for how in (as_json, as_xml):
        put(tmp_path / "raw/a.json", how(vdlive(both)))
        table, _ = run(tmp_path / how.__name__, "taiwan_vdlive", tmp_path / "raw", per="link")
        assert table.vd_ids == ("A/N", "A/S")
        assert table.values[0].tolist() == [[50, 2, 1], [70, 4, 3]]


def test_a_vd_without_links_is_not_forgotten_where_links_are_detectors(tmp_path):
    dead = vd("B", T, status=1) | {"LinkFlows": []}
    for how in (as_json, as_xml):
        put(tmp_path / "raw/a.json", how(vdlive(vd("A", T, lane(50, 1, 2)), dead)))
        table, report = run(tmp_path / how.__name__, "taiwan_vdlive", tmp_path / "raw", per="link")
        assert table.vd_ids == ("A/L1", "B")
        np.testing.assert_equal(table.values[0], [[50, 2, 1], [np.nan] * 3])
    put(
        tmp_path / "v11/a.xml",
        v11(("A", 0, "2015/03/31 23:50:00", [("0", 86, 2, [14])]), ("B", 1, "2015/03/31 23:50:00", [])),
    )
    table, _ = run(tmp_path, "taiwan_v11", tmp_path / "v11", interval=300, per="link")
    assert table.vd_ids == ("A/0", "B")
    np.testing.assert_equal(table.values[0], [[86, 14, 2], [np.nan] * 3])


@pytest.mark.parametrize("how", [as_json, as_xml])
def test_a_record_per_direction_is_one_vd(tmp_path, how):
    """(50 x 2 + 70 x 6) / 8 = 65 km/h, 2 + 6 = 8 vehicles, (1 + 3) / 2 = 2 %."""
    north, south = vd("A", T, lane(50, 1, 2), link="N"), vd("A", T, lane(70, 3, 6), link="S")
    put(tmp_path / "raw/a.json", how(vdlive(north, vd("B", T, lane(9, 9, 9)), south)))
    table, report = run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    assert table.vd_ids == ("A", "B")
    assert table.values[0].tolist() == [[65, 8, 2], [9, 9, 9]]
    assert report["counts"] == {"records": 2}
    # one direction is not well: the sum would be too small
    put(tmp_path / "raw/a.json", how(vdlive(north | {"Status": 1}, vd("B", T, lane(9, 9, 9)), south)))
    table, report = run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    np.testing.assert_equal(table.values[0], [[np.nan] * 3, [9, 9, 9]])
    # the same link once more is a later version, not a direction: nothing is counted twice
    others = [vd(f"B{i}", T, lane(9, 9, 9)) for i in range(9)]
    put(tmp_path / "raw/a.json", how(vdlive(vd("A", T, lane(50, 1, 2)), vd("A", T, lane(70, 3, 6)), *others)))
    table, report = run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    assert table.values[0, 0].tolist() == [70, 6, 3] and report["counts"]["conflicting"] == 1


def test_v11_with_a_record_per_direction_is_one_vd(tmp_path):
    time = "2015/03/31 23:50:00"
    ways = [("V", 0, time, [("0", 50, 1, [2])]), ("V", 0, time, [("1", 70, 3, [6])])]
    put(tmp_path / "raw/a.xml", v11(*ways))
    table, _ = run(tmp_path, "taiwan_v11", tmp_path / "raw", interval=300)
    assert table.values.tolist() == [[[65, 8, 2]]]


@pytest.mark.parametrize("how", [as_json, as_xml])
def test_lanes_with_an_error_type_are_counted_and_taken_as_they_are(tmp_path, how):
    lanes = [lane(50, 1, 2, ErrorType="diag0"), lane(50, 3, 2, ErrorType="diag4"), lane(50, 5, 2)]
    put(tmp_path / "raw/a.json", how(vdlive(vd("A", T, *lanes))))
    table, report = run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    assert table.values[0, 0].tolist() == [50, 6, 3]
    assert report["counts"] == {"records": 1, "error_type": 1}


def test_a_lane_that_stands_still_has_a_speed_of_zero(tmp_path):
    """A mean of 0 km/h over a minute is what a queue on a loop looks like: (0 x 9 + 80 x 1) / 10 = 8."""
    values, _ = one(tmp_path, lane(0, 90, 9), lane(80, 10, 1))
    assert values == [8, 10, 50]


def test_v11_times_mark_the_end_of_the_interval(tmp_path):
    lanes = [("0", 86, 2, [14, 1, 0]), ("0", 92, 2, [22, 0, 0])]
    put(tmp_path / "raw/vd_value5_2350.xml", v11(("nfb-1", 0, "2015/03/31 23:50:00", lanes)))
    table, _ = run(tmp_path, "taiwan_v11", tmp_path / "raw", interval=300)
    assert table.timestamps.tolist() == [utc("2015-03-31T23:45:00+08:00")]
    assert table.values[0, 0].tolist() == pytest.approx([(86 * 15 + 92 * 22) / 37, 37, 2])


def test_v11_directions_can_be_detectors_of_their_own(tmp_path):
    lanes = [("0", 86, 2, [14]), ("1", 92, 4, [22])]
    put(tmp_path / "raw/a.xml", v11(("V", 0, "2015/03/31 23:50:00", lanes)))
    table, _ = run(tmp_path, "taiwan_v11", tmp_path / "raw", interval=300, per="link")
    assert table.vd_ids == ("V/0", "V/1")
    assert table.values[0].tolist() == [[86, 14, 2], [92, 22, 4]]


def test_the_vd_list_says_where_a_vd_is(tmp_path):
    snapshot = as_json(vdlive(vd("A", T, lane(50, 1, 2)), vd("B", T, lane(50, 1, 2))))
    links = [
        {"LinkID": "1", "RoadDirection": "N", "LaneNum": 2},
        {"LinkID": "2", "RoadDirection": "S", "LaneNum": 3},
    ]
    known = {
        "VDID": "A",
        "PositionLon": 121.5,
        "PositionLat": 25.0,
        "RoadName": "台9線",
        "DetectionLinks": links,
    }
    lists = {
        "json": as_json({"VDs": [known]}),
        "xml": (
            '<VDList xmlns="http://traffic.transportdata.tw/standard/traffic/schema/"><VDs><VD><VDID>A</VDID>'
            "<DetectionLinks><DetectionLink><LinkID>1</LinkID><RoadDirection>N</RoadDirection><LaneNum>2</LaneNum>"
            "</DetectionLink><DetectionLink><LinkID>2</LinkID><RoadDirection>S</RoadDirection><LaneNum>3</LaneNum>"
            "</DetectionLink></DetectionLinks><PositionLon>121.5</PositionLon><PositionLat>25.0</PositionLat>"
            "<RoadName>台9線</RoadName></VD></VDs></VDList>"
        ).encode(),
        "csv": (
            "VDID,PositionLon,PositionLat,RoadName,LinkID,RoadDirection,LaneNum\r\n"
            "A,121.5,25.0,台9線,1,N,2\r\nA,121.5,25.0,台9線,2,S,3\r\n"
        ).encode("cp950"),
    }
    for kind, data in lists.items():
        pack(tmp_path / kind / "raw", {"a.json": snapshot, f"list.{kind}": data}, "loose")
        table, report = run(tmp_path / kind, "taiwan_vdlive", tmp_path / kind / "raw", vd_list=f"list.{kind}")
        assert report["files"] == {"read": 1, "bad": [], "passed_over": []}
        assert table.info["lon"][0] == 121.5 and np.isnan(table.info["lon"][1])
        assert table.info["road"].tolist() == ["台9線", ""]
        assert table.info["direction"].tolist() == ["N+S", ""]
        assert table.info["lanes"].tolist() == [5, 0]
        assert report["located"] == 1 and report["silent"] == []


@pytest.mark.parametrize("per", ["vd", "link"])
def test_what_the_vd_list_names_and_no_file_has_is_named(tmp_path, per):
    known = {"VDs": [{"VDID": name} for name in ("A", "gone", "lost|")]}
    put(tmp_path / "raw/a.json", as_json(vdlive(vd("A", T, lane(50, 1, 2)))))
    put(tmp_path / "raw/list.json", as_json(known))
    _, report = run(tmp_path, "taiwan_vdlive", tmp_path / "raw", vd_list="list.json", per=per)
    assert report["silent"] == ["gone", "lost|"]


def test_a_vd_list_in_csv_is_known_by_its_header_and_no_road_has_1e10_lanes(tmp_path):
    rows = {
        "quoted": ['"VDID",PositionLon,LaneNum', "A,121.5,1e10"],
        "turned": ["LaneNum,PositionLon,VDID", "1e300,121.5,A"],
    }
    for name, lines in rows.items():
        path = put(tmp_path / name, "\r\n".join([*lines, ""]))
        info = vd_info(path, ["A"])
        assert info["lon"].tolist() == [121.5] and info["lanes"].tolist() == [0]
    path = put(
        tmp_path / "json",
        b'{"VDs": [{"VDID": "A", "DetectionLinks": [{"LaneNum": 1e300}, {"LaneNum": "3.0"}]}]}',
    )
    assert vd_info(path, ["A"])["lanes"].tolist() == [3]
