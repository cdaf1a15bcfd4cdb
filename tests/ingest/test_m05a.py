"""M05A: five rows a segment."""

import numpy as np
import pytest
from pydantic import ValidationError

from vdcast.errors import InputError
from vdcast.params.formats import TaiwanM05A

from .raw import put, run, utc

NAME = "TDCS_M05A_20240501_000000.csv"


def rows(*segments, time="2024/05/01 00:00", types=(31, 32, 41, 42, 5)):
    """A segment is (from, to, [(speed, volume) per type])."""
    return "".join(
        f"{time},{a},{b},{t},{s},{v}\n"
        for a, b, cells in segments
        for t, (s, v) in zip(types, cells, strict=True)
    )


def test_types_are_summed_and_speeds_weighted(tmp_path):
    well = [(95, 36), (81, 2), (88, 2), (93, 2), (0, 0)]
    still = [(0, 0)] * 5
    odd = [(95, 10), (0, 3), (0, 0), (0, 0), (0, 0)]  # three vehicles with speed 0
    put(tmp_path / "raw" / NAME, rows(("B", "A", well), ("C", "B", still), ("D", "C", odd)))
    table, report = run(tmp_path, "taiwan_m05a", tmp_path / "raw")
    assert table.vd_ids == ("B-A", "C-B", "D-C")
    assert table.timestamps.tolist() == [utc("2024-05-01T00:00:00+08:00")]
    speed = (95 * 36 + 81 * 2 + 88 * 2 + 93 * 2) / 42
    np.testing.assert_allclose(table.values[0], [[speed, 42], [np.nan, 0], [np.nan, 13]], rtol=1e-6)
    assert [s["by_cause"] for s in report["series"] if s["feature"] == "speed"] == [
        {},
        {"no_vehicle": 1.0},
        {"impossible": 1.0},
    ]
    table, _ = run(tmp_path, "taiwan_m05a", tmp_path / "raw", missing_when="all")
    assert table.values[0, 2].tolist() == [95, 13]
    table, _ = run(tmp_path, "taiwan_m05a", tmp_path / "raw", vehicle_types=[32])
    np.testing.assert_array_equal(table.values[0], [[81, 2], [np.nan, 0], [np.nan, 3]])


def test_a_type_that_is_not_there_makes_the_sum_missing_and_a_repeated_row_counts_once(tmp_path):
    text = rows(("B", "A", [(95, 1)] * 4), types=(31, 32, 41, 42)) + rows(("C", "B", [(95, 1)] * 5))
    put(tmp_path / "raw" / NAME, text + "2024/05/01 00:00,C,B,5,95,7\n")
    table, report = run(tmp_path, "taiwan_m05a", tmp_path / "raw")
    np.testing.assert_array_equal(table.values[0, :, 1], [np.nan, 11])
    assert report["counts"]["duplicates"] == 1


def test_vehicle_types_are_those_of_the_bureau_once_each():
    for types, sentence in (([3], "Input should be 31, 32, 41, 42 or 5"), ([31, 31], "name one twice")):
        with pytest.raises(ValidationError, match=sentence):
            TaiwanM05A(format="taiwan_m05a", raw="raw", vehicle_types=types)


@pytest.mark.parametrize(
    "text, sentence",
    [
        (
            rows(("B", "A", [(95, 1)] * 5), time="2024/05/01 00:05"),
            "line 1: time '2024/05/01 00:05' is not that of the file's name",
        ),
        (rows(("B", "A", [(95, 1)] * 5), types=(31, 32, 41, 42, 6)), "line 5: vehicle type 6 is none of"),
        (rows(("B", "A", [("x", 1)] * 5)), "is not rows of time, from, to.*: line 1: .*'x'"),
        (
            rows(("B", "A", [(95, 123)] * 5))[:-3],
            "does not end in a line break, as these files do: it is truncated",
        ),
        ("時間,起,迄,車種,車速,車流\n" + rows(("B", "A", [(95, 1)] * 5)), "is not rows of time, from, to"),
        (rows(("B", "A", [(95, 1)] * 5), ("", "A", [(95, 1)] * 5)), "line 6: lacks from of time, from, to"),
    ],
)
def test_what_is_no_m05a(tmp_path, text, sentence):
    put(tmp_path / "raw" / NAME, text)
    with pytest.raises(InputError, match=rf"'{NAME}': .*({sentence})"):
        run(tmp_path, "taiwan_m05a", tmp_path / "raw")


def test_the_gantry_table_says_where_a_segment_is(tmp_path):
    put(tmp_path / "raw" / NAME, rows(("01F0017N", "01F0005N", [(95, 1)] * 5), ("X", "Y", [(95, 1)] * 5)))
    head = "\ufeff國道別,方向,編號,設定收費區代碼,緯度,經度\n"
    gantries = put(
        tmp_path / "raw/g.csv",
        head + "國道一號,N,01F-000.5N,01F0005N,25.1,121.7\n國道一號,N,a,01F0017N,25.3,121.9\n",
    )
    table, report = run(tmp_path, "taiwan_m05a", tmp_path / "raw", vd_list="g.csv")
    assert table.info["lat"][0] == pytest.approx(25.2) and table.info["lon"][0] == pytest.approx(121.8)
    assert table.info["road"].tolist() == ["國道一號", ""] and report["located"] == 1
    assert report["files"] == {"read": 1, "bad": [], "passed_over": []}
    for bad in (b"a,b\n1,2\n", head.encode() + "國道一號,N,a,01F0017N,north,121.9\n".encode(), b"\xff\xff"):
        put(gantries, bad)
        with pytest.raises(InputError, match=r"'g\.csv' is not the gantry table"):
            run(tmp_path, "taiwan_m05a", tmp_path / "raw", vd_list="g.csv")
