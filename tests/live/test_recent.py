from dataclasses import replace

import numpy as np
import pytest

from tests.train.small import task_of
from vdcast.data import store
from vdcast.errors import InputError
from vdcast.live import recent


def test_what_is_absent_is_missing(detectors, prepare_settings):
    """Another order, one VD fewer, one more, and only four of six steps."""
    task = task_of(detectors, prepare_settings, mode="multi_vd")
    few = detectors.rows(0, 4).select(["VD-國", "VD-A"], ["speed", "volume"])
    few = replace(few, vd_ids=("VD-國", "VD-new"))
    seen = recent.lookback(few, task)
    assert (seen.vd_ids, seen.features) == (("VD-A", "VD-B", "VD-國"), ("volume", "speed"))
    np.testing.assert_array_equal(seen.values[2:, 2], detectors.values[:4, 2])
    assert np.isnan(seen.values[:2]).all() and np.isnan(seen.values[:, :2]).all()
    np.testing.assert_array_equal(seen.timestamps[2:], detectors.timestamps[:4])


def test_of_a_table_nothing_is_taken_that_had_not_ended(tmp_path, detectors):
    path = tmp_path / "a.h5"
    store.write(path, detectors)
    now = int(detectors.timestamps[101])
    table, newest = recent.of_table(path, steps=10, now=now)
    np.testing.assert_array_equal(table.timestamps, detectors.timestamps[91:101])
    assert newest == detectors.timestamps[-1]
    with pytest.raises(InputError, match="no step of '.*a.h5' had ended by 2023-11-15T06:59:59"):
        recent.of_table(path, steps=10, now=int(detectors.timestamps[1]) - 1)
