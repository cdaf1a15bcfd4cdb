"""What the data is worth, against counts made the slow way."""

import base64
import itertools
import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from vdcast.ingest.quality import Tally
from vdcast.ingest.records import CAUSES, OBSERVED

from .raw import as_json, lane, pack, put, run, utc, vd, vdlive

T = utc("2026-10-01T05:00:00+08:00")


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 6), st.sampled_from([0.0, 1.0, 2.5])), min_size=4, max_size=4),
        min_size=1,
        max_size=40,
    ),
    st.integers(1, 7),
)
def test_tally_does_not_depend_on_the_blocks(rows, block):
    cause = np.array([[c for c, _ in row] for row in rows], "u1").reshape(-1, 2, 2)
    values = np.array([[x for _, x in row] for row in rows], "f4").reshape(-1, 2, 2)
    values[cause != OBSERVED] = np.nan
    tally = Tally(len(rows), 2, 2)
    for start in range(0, len(rows), block):
        tally.add(values[start : start + block], cause[start : start + block])
    for v in range(2):
        for f in range(2):
            column, why = values[:, v, f], cause[:, v, f]
            seen = column[~np.isnan(column)]
            assert [tally.causes[c, v, f] for c in CAUSES] == [(why == c).sum() for c in CAUSES]
            assert tally.longest_gap[v, f] == max(
                map(len, "".join(".x"[int(m)] for m in np.isnan(column)).split("."))
            )
            assert tally.repeats[v, f] == sum(a == b for a, b in itertools.pairwise(seen))
            if len(seen):
                assert (tally.low[v, f], tally.high[v, f], tally.total[v, f]) == (
                    seen.min(),
                    seen.max(),
                    seen.sum(),
                )
    assert tally.coverage.sum() == tally.observed.sum()
    assert tally.rows.sum() == len(rows)


def series(report, vd):
    return {s["feature"]: s for s in report["series"] if s["vd"] == vd}


def test_constant_near_constant_and_empty_series_are_named(tmp_path):
    def snapshot(i):
        return vdlive(
            vd("stuck", T + 60 * i, lane(50, 5, 9)),
            vd("nearly", T + 60 * i, lane(50 if i else 49, i % 3, 9 + i % 2)),
            vd("dead", T + 60 * i, lane(-99, -99, -99), status=1),
        )

    pack(tmp_path / "raw", {f"{i:03}.json": as_json(snapshot(i)) for i in range(100)}, "loose")
    _, report = run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    assert {s["verdict"] for s in series(report, "stuck").values()} == {"constant"}
    assert series(report, "nearly")["speed"]["verdict"] == "near-constant"
    assert series(report, "nearly")["volume"]["verdict"] == ""
    assert {s["verdict"] for s in series(report, "dead").values()} == {"empty"}
    assert series(report, "dead")["speed"]["mean"] is None
    assert json.loads((tmp_path / "quality.json").read_text("utf-8")).items() >= report.items()


def test_missing_snapshots_are_gaps(tmp_path):
    present = [0, 1, 5, 9]
    pack(
        tmp_path / "raw",
        {f"{9 - i}.json": as_json(vdlive(vd("A", T + 60 * i, lane(50, 5, 9)))) for i in present},
        "loose",
    )
    _, report = run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    assert report["counts"]["steps_without_records"] == 6
    assert report["counts"]["files_out_of_order"] == 3
    assert report["missing"]["volume"] == {"share": 0.6, "by_cause": {"gap": 0.6}}
    assert series(report, "A")["volume"]["longest_gap"] == 3
    assert (report["first"], report["last"]) == ("2026-10-01T05:00:00+08:00", "2026-10-01T05:09:00+08:00")


def test_the_map_of_coverage_has_a_column_per_stretch_of_time(tmp_path):
    """Of 336 steps two share a column; the second detector has every other step, and at the end nothing."""
    rows = [
        f"2026-10-01 0{i // 60}:{i % 60:02},5,{5 if i < 240 and i % 2 == 0 else ''}\n" for i in range(336)
    ]
    put(tmp_path / "raw.csv", "time,A,B\n" + "".join(rows))
    said = {"time_column": "time", "time_zone": "UTC", "interval": 60, "feature": "volume", "unit": "1"}
    _, report = run(tmp_path, "wide_table", tmp_path / "raw.csv", **said)
    coverage = np.frombuffer(base64.b64decode(report["coverage"]), "u1").reshape(1, 2, 168)
    np.testing.assert_array_equal(coverage[0, 0], 255)
    np.testing.assert_array_equal(coverage[0, 1], [128] * 120 + [0] * 48)
