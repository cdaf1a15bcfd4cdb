"""Under which conditions each window was forecast: input that was missing, and congestion.

They belong to the windows, not to a model, so ``baselines`` states them once for all runs.
"""

import numpy as np

from vdcast.data.detectors import Detectors
from vdcast.forecasts.predictions import CONGESTED, FREE, UNKNOWN, Conditions, origin_steps
from vdcast.language import Said, named
from vdcast.params.sections import Evaluate, Window


def observe(
    train: Detectors,
    test: Detectors,
    window: Window,
    evaluate: Evaluate,
    target: str,
) -> Conditions:
    """The conditions of every window of ``test``; thresholds that need data come from ``train`` alone.

    Congested is a speed below ``evaluate.congested_speed`` where speed is among the features. Without it,
    it is a value of ``target`` above the VD's ``evaluate.congested_quantile`` of the training part.
    """
    L, H = window.sequence_length, window.prediction_length
    origins = origin_steps(len(test.timestamps), L, H)
    # (T, V), counts: a complete lookback is exactly 0
    gaps = np.isnan(test.values).sum(axis=2).cumsum(axis=0)
    before = np.concatenate([np.zeros_like(gaps[:1]), gaps])
    missing = (before[origins + 1] - before[origins + 1 - L]) / (L * len(test.features))

    if "speed" in test.features:
        speed = test.values[:, :, test.features.index("speed")]
        congested, known = speed < evaluate.congested_speed, np.isfinite(speed)
        unit = test.units[test.features.index("speed")]
        rule = Said("scores.congested_speed", {"speed": f"{evaluate.congested_speed:g}", "unit": unit})
    else:
        k = test.features.index(target)
        limit = np.nanquantile(train.values[:, :, k], evaluate.congested_quantile, axis=0)  # (V,)
        congested, known = test.values[:, :, k] > limit, np.isfinite(test.values[:, :, k])
        quantile = f"{evaluate.congested_quantile:g}"
        rule = Said("scores.congested_quantile", {"target": named(target), "quantile": quantile})
    state = np.where(known, np.where(congested, CONGESTED, FREE), UNKNOWN).astype(np.int8)  # (T, V)
    return Conditions(
        missing=missing.astype(np.float32),
        congestion=state[origins[:, None] + np.arange(1, H + 1)],
        rule=rule,
        vd_ids=test.vd_ids,
    )
