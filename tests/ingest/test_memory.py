"""Memory does not grow with the length of the series."""

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vdcast.ingest import files, pipeline, tables
from vdcast.params.formats import FORMATS

from .raw import as_json, lane, put, utc, vd, vdlive

START = utc("2026-10-01T00:00:00+08:00")
TIMESTAMP = 8  # bytes of the one array that has an entry per step: 4 MB for a year of minutes


def peak(folder: Path, format: str, **settings) -> int:
    """Bytes at the most, as Python and numpy allocate them, to ingest ``folder/raw``."""
    tracemalloc.start()
    pipeline.ingest(
        FORMATS[format](format=format, raw=str(folder / "raw"), **settings),
        folder / "t.h5",
        folder / "q.json",
        folder / "s",
    )
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def table(folder: Path, steps: int, format: str) -> Path:
    """A CSV of ``steps`` intervals of 5 detectors."""
    (folder / "raw").mkdir(parents=True)
    times = pd.date_range("2026-10-01", periods=steps, freq="1min")
    frame = pd.DataFrame(np.ones((steps, 5)), columns=list("ABCDE"))
    frame.insert(0, "time", times)
    if format == "long_table":
        frame = frame.melt("time", var_name="vd", value_name="volume").sort_values("time", kind="stable")
    frame.to_csv(folder / "raw/raw.csv", index=False)
    return folder


def snapshots(folder: Path, steps: int) -> Path:
    """A VDLive snapshot of 5 detectors for each of ``steps`` minutes."""
    for i in range(steps):
        vds = (vd(f"VD-{k}", START + 60 * i, lane(40 + i % 9, k, i % 5)) for k in range(5))
        put(folder / f"raw/{i:05}.json", as_json(vdlive(*vds)))
    return folder


@pytest.mark.parametrize(
    "format, settings, steps",
    [
        ("wide_table", {"feature": "volume", "unit": "veh"}, 8_000),
        ("long_table", {"units": {"volume": "veh"}}, 4_000),
    ],
)
def test_four_times_the_rows_take_no_more_memory(tmp_path, monkeypatch, format, settings, steps):
    # small buffers, so that they are full in both cases
    monkeypatch.setattr(tables, "BLOCK_BYTES", 1 << 14)
    monkeypatch.setattr(files, "MIB", 1 << 14)
    settings |= {"time_zone": "Asia/Taipei", "interval": 60}
    peak(table(tmp_path / "imports", 10, format), format, **settings)
    short, long = (peak(table(tmp_path / str(n), n, format), format, **settings) for n in (steps, 4 * steps))
    assert long < 1.1 * short + 2 * TIMESTAMP * 3 * steps


def test_three_times_the_snapshots_take_no_more_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})  # here, where it is seen, not in workers
    peak(snapshots(tmp_path / "imports", 10), "taiwan_vdlive")
    short, long = (peak(snapshots(tmp_path / str(n), n), "taiwan_vdlive") for n in (260, 780))
    assert long < 1.1 * short + 2 * TIMESTAMP * (780 - 260)
