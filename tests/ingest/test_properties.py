"""Any snapshots, in any order and packing, against a slow and obvious reference."""

import math
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from .raw import as_json, as_xml, lane, pack, run, utc, vd, vdlive

START = utc("2026-10-01T05:00:00+08:00")
NAN = math.nan

numbers = st.sampled_from([-99, -5, 0, 0, 1, 7, 33, 80, 101, 199, 250, None])
lanes = st.builds(lambda s, o, v: lane(s, o, *v), numbers, numbers, st.lists(numbers, max_size=3))
vds = st.builds(
    lambda name, step, second, lanes, status: vd(name, START + 60 * step + second, *lanes, status=status),
    st.sampled_from(["VD-1", "VD-10", "VD-2", "VD-內壢"]),
    st.integers(0, 300),
    st.integers(0, 59),
    st.lists(lanes, max_size=3),
    st.sampled_from([0, 0, 0, 0, 1, 3, None]),
)


def has_a_lane(records: list[dict]) -> bool:
    """A snapshot without any is refused (test_bad_files)."""
    return any(link["Lanes"] for record in records for link in record["LinkFlows"])


def mean(pairs):
    total = sum(w for _, w in pairs)
    return sum(x * w for x, w in pairs) / total if total else NAN


def read(value, low, high):
    """A field's value, or nan where it says nothing usable."""
    return NAN if value is None or value == -99 or not low <= value <= high else value


def reduce(values, rule, how):
    there = [v for v in values if not math.isnan(v)]
    missing = len(there) < len(values) or not values if rule == "any" else not there
    return NAN if missing else how(there)


def expected(record: dict, rule: str) -> tuple[float, float, float]:
    """Speed, volume, occupancy of a VD, from the rules in docs/formats.md."""
    if record.get("Status", 0) != 0:
        return NAN, NAN, NAN
    lanes = [lane for link in record["LinkFlows"] for lane in link["Lanes"]]
    flows = [reduce([read(v.get("Volume"), 0, math.inf) for v in a["Vehicles"]], rule, sum) for a in lanes]
    speeds = [read(a.get("Speed"), 0, 200) for a in lanes]
    volume = reduce(flows, rule, sum)
    occupancy = reduce([read(a.get("Occupancy"), 0, 100) for a in lanes], rule, lambda x: sum(x) / len(x))
    if all(math.isnan(q) for q in flows):
        return reduce(speeds, rule, lambda x: sum(x) / len(x)), volume, occupancy
    counting = [(s, q) for s, q in zip(speeds, flows, strict=True) if q != 0]
    known = [(s, q) for s, q in counting if not math.isnan(s) and not math.isnan(q)]
    speed = NAN if not known or (rule == "any" and len(known) < len(counting)) else mean(known)
    return speed, volume, occupancy


def reference(documents: list[dict], rule: str):
    """(time, vd) -> values; a later observed value replaces, a missing one does not."""
    cells, counts = {}, Counter()
    for document in documents:
        for record in document["VDLives"]:
            time = utc(record["DataCollectTime"]) // 60 * 60
            new = expected(record, rule)
            key = time, record["VDID"]
            if key in cells:
                counts["duplicates"] += 1
                old = cells[key]
                differ = [a != b for a, b in zip(old, new, strict=True) if not math.isnan(a + b)]
                counts["conflicting"] += any(differ)
                new = tuple(a if math.isnan(b) else b for a, b in zip(old, new, strict=True))
            cells[key] = new
    return cells, counts


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(vds, min_size=1, max_size=6).filter(has_a_lane), min_size=1, max_size=6),
    st.randoms(use_true_random=False),
    st.sampled_from([as_json, as_xml]),
    st.sampled_from(["loose", "gz", "zip", "tgz"]),
    st.sampled_from(["any", "all"]),
)
def test_table_is_what_the_rules_say(snapshots, random, write, packing, rule):
    documents = [vdlive(*records) for records in snapshots]
    documents += random.sample(documents, k=len(documents) // 2)  # snapshots stored twice
    random.shuffle(documents)
    cells, counts = reference(documents, rule)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        suffix = "json" if write is as_json else "xml"
        names = [f"{i:03}.{suffix}" for i in range(len(documents))]
        pack(folder / "raw", dict(zip(names, map(write, documents), strict=True)), packing)
        # the reference knows no share of conflicts at which an interval must be wrong
        table, report = run_however_many_conflict(folder, rule)
    times = {time for time, _ in cells}
    assert table.timestamps.tolist() == list(range(min(times), max(times) + 1, 60))
    assert set(table.vd_ids) == {name for _, name in cells}
    want = np.full(table.values.shape, np.nan)
    for (time, name), values in cells.items():
        want[(time - min(times)) // 60, table.vd_ids.index(name)] = values
    np.testing.assert_allclose(table.values, want, rtol=1e-6)
    assert report["counts"].get("duplicates", 0) == counts["duplicates"]
    assert report["counts"].get("conflicting", 0) == counts["conflicting"]
    for s in report["series"]:
        column = want[:, table.vd_ids.index(s["vd"]), table.features.index(s["feature"])]
        missing = np.isnan(column)
        assert s["missing"] == round(missing.mean(), 6)
        assert math.isclose(sum(s["by_cause"].values()), s["missing"], abs_tol=1e-5)
        runs = "".join("x" if m else " " for m in missing).split(" ")
        assert s["longest_gap"] == max(map(len, runs))


def run_however_many_conflict(folder, rule):
    from vdcast.ingest import assemble

    limit, assemble.MAX_CONFLICTS = assemble.MAX_CONFLICTS, 1
    fewest, assemble.FEWEST = assemble.FEWEST, 10_000  # nor how far apart snapshots must lie
    try:
        return run(folder, "taiwan_vdlive", folder / "raw", missing_when=rule)
    finally:
        assemble.MAX_CONFLICTS, assemble.FEWEST = limit, fewest


def test_natural_order_of_names(tmp_path):
    pack(
        tmp_path / "raw",
        {"a.json": as_json(vdlive(*(vd(n, START, lane(50, 1, 2)) for n in ("VD-10", "VD-2", "VD-1"))))},
        "loose",
    )
    table, _ = run(tmp_path, "taiwan_vdlive", tmp_path / "raw")
    assert table.vd_ids == ("VD-1", "VD-2", "VD-10")
