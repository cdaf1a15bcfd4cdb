"""Two windows, two horizons, two VDs, whose figures can be worked out by hand."""

import numpy as np

from vdcast.forecasts.predictions import Predictions

NAN = float("nan")
# 00:00 and 01:00, then 01:00 and 02:00; one gap
OBSERVED = np.array([[[10, 1], [20, 2]], [[20, 2], [30, NAN]]], float)


def predictions(forecast, observed=OBSERVED, vd_ids=("a", "b")) -> Predictions:
    """Hourly from 2024-01-01 00:00 in Taipei; ``forecast`` (S, W, H, V), ``observed`` (W, H, V)."""
    W = np.shape(observed)[0]
    return Predictions(
        forecast=np.asarray(forecast, np.float32)[..., None],
        observed=np.asarray(observed, np.float32)[..., None],
        origins=1_704_038_400 + 3600 * np.arange(W) - 3600,
        vd_ids=tuple(vd_ids),
        targets=("volume",),
        units=("veh/h",),
        interval=3600,
        time_zone="Asia/Taipei",
    )


def models(vd_ids=("a", "b")) -> dict[str, Predictions]:
    """Two seeds, of which one is as much too high as the other is too low; the models differ on VD b alone."""
    V = len(vd_ids)
    truth = np.nan_to_num(OBSERVED)[..., :V]
    off = {"lstm": [1, 1][:V], "xlstm": [1, 5][:V]}
    return {
        model: predictions(np.stack([truth + by, truth - by]), OBSERVED[..., :V], vd_ids)
        for model, by in off.items()
    }


def naive(vd_ids=("a", "b")) -> dict[str, Predictions]:
    """Persistence, 2 too high."""
    V = len(vd_ids)
    truth = np.nan_to_num(OBSERVED)[..., :V]
    return {"persistence": predictions(truth[None] + 2, OBSERVED[..., :V], vd_ids)}
