"""Forecasts as a pandas DataFrame, for whoever takes them further than the reports."""

import numpy as np
import pandas as pd

from vdcast.data import calendar
from vdcast.forecasts.predictions import Predictions


def frame_of(predictions: Predictions) -> pd.DataFrame:
    """A row per window, VD, target and time that is forecast, in this order; means over seeds, in units.

    ``origin`` is the start of the last interval that was known, ``time`` that of the one that is forecast, both local
    with their zone, ``minutes`` how far it lies ahead. ``forecast`` is the median, ``q0.1`` and so on the calibrated
    quantiles where the run has them, ``observed`` NaN where there is no valid observation.
    """
    W, H, V, K = predictions.observed.shape

    def column(values: np.ndarray) -> np.ndarray:
        """(W, H, V, K) in the order of the rows."""
        return np.broadcast_to(values, (W, H, V, K)).transpose(0, 2, 3, 1).ravel()

    def local(seconds: np.ndarray) -> pd.DatetimeIndex:
        return calendar.local(column(seconds), predictions.time_zone)

    ends = predictions.quantiles.ends if predictions.quantiles else {}
    ahead = np.arange(1, H + 1)[:, None, None] * predictions.interval / 60
    return pd.DataFrame(
        {
            "origin": local(predictions.origins[:, None, None, None]),
            "time": local(predictions.times[:, :, None, None]),
            "minutes": column(ahead),
            "vd": np.array(predictions.vd_ids, object)[column(np.arange(V)[:, None])],
            "target": np.array(predictions.targets, object)[column(np.arange(K))],
            "unit": np.array(predictions.units, object)[column(np.arange(K))],
            "forecast": column(predictions.forecast.mean(axis=0)),
            **{name: column(each) for name, each in ends.items()},
            "observed": column(predictions.observed),
        }
    )
