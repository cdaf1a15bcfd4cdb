"""Memory does not grow with the length of the series."""

import tracemalloc
from unittest import mock

import numpy as np
import pandas as pd
import pytest

from vdcast.ingest import files, pipeline, tables
from vdcast.params import FORMATS


def peak(folder, steps: int, format: str, **settings) -> int:
    """Bytes at the most, as Python and numpy allocate them, to ingest ``steps`` intervals of 20 detectors."""
    folder.mkdir()
    times = pd.date_range("2026-10-01", periods=steps, freq="1min")
    frame = pd.DataFrame(np.ones((steps, 20)), columns=[f"A{i}" for i in range(20)])
    frame.insert(0, "time", times)
    if format == "long_table":
        frame = frame.melt("time", var_name="vd", value_name="volume").sort_values("time", kind="stable")
    frame.to_csv(folder / "raw.csv", index=False)
    del frame, times
    tracemalloc.start()
    read = {"format": format, "raw": str(folder / "raw.csv"), "time_zone": "Asia/Taipei", "interval": 60}
    with mock.patch("vdcast.ingest.quality.plot", lambda *_: []):
        pipeline.ingest(FORMATS[format](**read, **settings), folder / "t.h5", folder / "q", folder / "s")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


@pytest.mark.parametrize(
    "format, settings",
    [("wide_table", {"feature": "volume", "unit": "veh"}), ("long_table", {"units": {"volume": "veh"}})],
)
def test_four_times_the_rows_take_no_more_memory(tmp_path, monkeypatch, format, settings):
    # small buffers, so that they are full in both cases
    monkeypatch.setattr(tables, "BLOCK_BYTES", 1 << 14)
    monkeypatch.setattr(files, "MIB", 1 << 14)
    peak(tmp_path / "imports", 10, format, **settings)
    short, long = (peak(tmp_path / str(n), n, format, **settings) for n in (8_000, 32_000))
    timestamps = 8 * (32_000 - 8_000)  # the one array that has an entry per step: 4 MB for a year of minutes
    assert long < 1.1 * short + 2 * timestamps
