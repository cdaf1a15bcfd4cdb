"""The end of the table without the rest of it: what a forecast looks at."""

import numpy as np
import pytest

from vdcast.errors import InputError
from vdcast.ingest import pipeline
from vdcast.params.formats import FORMATS

from .raw import as_json, lane, put, run, utc, vd, vdlive

T = utc("2026-10-01T05:00:00+08:00")


@pytest.fixture
def raw(tmp_path):
    """300 minutes, more than two blocks of the spool, of detectors that come and go."""
    folder = tmp_path / "raw"
    for i in range(300):
        vds = [vd(f"VD-{k}", T + 60 * i, lane(40 + i % 7, k, i % 5)) for k in range(4) if (i + k) % 3]
        put(folder / f"VDLive_{i:04}.json", as_json(vdlive(*vds, updated=T + 60 * i + 50)))
    return folder


def recent(raw, *, steps, now, **settings):
    made = FORMATS["taiwan_vdlive"](format="taiwan_vdlive", raw=str(raw), **settings)
    return pipeline.recent(made, raw.parent / "spool", steps=steps, now=now)


@pytest.mark.parametrize("settings", [{}, {"interval": 300, "from_interval": 60, "min_share": 0.5}])
@pytest.mark.parametrize(("steps", "minute"), [(5, 299), (30, 299), (5, 127), (200, 250), (1000, 299)])
def test_it_is_the_end_of_the_whole_table(tmp_path, raw, settings, steps, minute):
    whole, _ = run(tmp_path, "taiwan_vdlive", raw, **settings)
    now = T + 60 * (minute + 1)
    table, newest = recent(raw, steps=steps, now=now, **settings)
    until = int((whole.timestamps + whole.interval <= now).sum())
    np.testing.assert_array_equal(table.timestamps, whole.timestamps[:until][-steps:])
    np.testing.assert_array_equal(table.values, whole.values[:until][-steps:])
    assert (table.vd_ids, table.features, table.units) == (whole.vd_ids, whole.features, whole.units)
    assert (table.interval, newest) == (whole.interval, whole.timestamps[-1])


def test_before_the_first_record_there_is_nothing(raw):
    with pytest.raises(
        InputError, match="no step of 60 s had ended by 2026-09-30T21:00:59.*begins at 2026-09-30T21:00:00"
    ):
        recent(raw, steps=5, now=T + 59)
