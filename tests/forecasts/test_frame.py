"""Forecasts as a table, row by row."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.forecasts.small import OBSERVED, predictions
from vdcast.forecasts.frame import frame_of
from vdcast.forecasts.quantiles import Quantiles


def test_a_row_is_a_window_a_vd_a_target_and_a_time():
    by_seed = np.stack([OBSERVED + 1, OBSERVED + 2])
    by_seed[:, 1, 1, 1] = 7, 8  # where nothing was observed
    frame = frame_of(predictions(by_seed))
    assert list(frame) == ["origin", "time", "minutes", "vd", "target", "unit", "forecast", "observed"]
    first = frame[frame.origin == pd.Timestamp("2023-12-31 23:00", tz="Asia/Taipei")]
    assert first.vd.tolist() == ["a", "a", "b", "b"]
    assert [str(each) for each in first.time[:2]] == [
        "2024-01-01 00:00:00+08:00",
        "2024-01-01 01:00:00+08:00",
    ]
    assert first.minutes.tolist() == [60, 120, 60, 120]
    assert first.forecast.tolist() == [11.5, 21.5, 2.5, 3.5]
    assert frame.observed[:6].tolist() == [10, 20, 1, 2, 20, 30]
    assert np.isnan(frame.observed.iloc[-1]) and frame.forecast.iloc[-1] == 7.5
    assert set(frame.target) == {"volume"} and set(frame.unit) == {"veh/h"}


def test_quantiles_are_calibrated_columns_beside_the_median():
    median = predictions(np.nan_to_num(OBSERVED)[None])
    raw = median.forecast[..., None] + np.array([-4, 0, 4], np.float32)  # (S, W, H, V, K, P)
    margins = np.zeros((1, 2, 2, 1, 3), np.float32)
    margins[..., 0], margins[..., 2] = -1, 1
    fan = replace(median, quantiles=Quantiles(levels=(0.1, 0.5, 0.9), raw=raw, margins=margins))
    frame = frame_of(fan)
    assert list(frame)[6:] == ["forecast", "q0.1", "q0.9", "observed"]
    assert (frame.forecast - frame["q0.1"]).tolist() == pytest.approx([5] * 8)
    assert (frame["q0.9"] - frame.forecast).tolist() == pytest.approx([5] * 8)


def test_a_local_time_that_comes_twice_keeps_its_offset():
    """Clocks in Berlin went back at 03:00 on 2024-10-27."""
    origins = np.array([1_729_983_600, 1_729_987_200])  # 23:00 and 00:00 UTC
    frame = frame_of(replace(predictions(OBSERVED[None]), origins=origins, time_zone="Europe/Berlin"))
    assert [str(each) for each in frame.time[:2]] == [
        "2024-10-27 02:00:00+02:00",
        "2024-10-27 02:00:00+01:00",
    ]
