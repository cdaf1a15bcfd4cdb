"""Errors of a forecast, pooled over valid observations, in original units.

A forecast and its observations are arrays with the axes ``AXES``; an observation is NaN where there
is none. Every figure is one reduction over the axes named in ``over``, so per horizon, per detector
and overall are one code path, and none is a mean of means. Targets are never pooled: their units differ.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from vdcast.quantiles import coverages

AXES = ("window", "horizon", "vd", "target")


def score(
    forecast: np.ndarray,
    observed: np.ndarray,
    over: tuple[str, ...] = ("window", "horizon", "vd"),
    *,
    mape_floor: float = 0.0,
    where: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Every metric of ``forecast`` (W, H, V, K) against ``observed`` (W, H, V, K), reduced over ``over``.

    ``where`` (broadcastable, bool) restricts to some observations. A cut without any valid observation
    is NaN in every metric and 0 in ``observations``.

    - ``mae``: mean |e|; ``rmse``: sqrt of mean e²; ``bias``: mean of e = forecast - observed.
    - ``wape``: sum |e| / sum |y| (Kolassa & Schütz 2007), finite at night where single counts are 0.
    - ``mape``: mean |e| / |y| over observations of at least ``mape_floor``.
    - ``r2``: 1 - sum e² / sum (y - m)², with m each VD's own mean over the same cut, so that
      differences between detectors count for nothing.
    - ``observations``: how many valid observations the figures stand on.

    Raises ValueError for other axes, other shapes, and where a forecast is missing for a valid
    observation: that is a fault, not something to average away.
    """
    if forecast.shape != observed.shape or forecast.ndim != len(AXES):
        raise ValueError(f"forecast {forecast.shape} and observed {observed.shape} must both be {AXES}")
    axes = tuple(AXES.index(name) for name in over)
    valid = np.isfinite(observed) if where is None else np.isfinite(observed) & where
    if not np.isfinite(forecast[valid]).all():
        raise ValueError("the forecast is missing for valid observations")
    y = np.where(valid, observed, 0).astype(np.float64)
    e = np.where(valid, forecast - y, 0)
    own = tuple(axis for axis in axes if AXES[axis] != "vd")
    mean = _ratio(y.sum(axis=own, keepdims=True), valid.sum(axis=own, keepdims=True))
    spread = np.where(valid, y - mean, 0)
    large = valid & (np.abs(y) >= mape_floor) & (y != 0)

    def total(array: np.ndarray) -> np.ndarray:
        return array.sum(axis=axes)

    n = total(valid)
    return {
        "mae": _ratio(total(np.abs(e)), n),
        "rmse": np.sqrt(_ratio(total(e**2), n)),
        "wape": _ratio(total(np.abs(e)), total(np.abs(y))),
        "mape": _ratio(
            total(np.divide(np.abs(e), np.abs(y), out=np.zeros_like(e), where=large)), total(large)
        ),
        "r2": 1 - _ratio(total(e**2), total(spread**2)),
        "bias": _ratio(total(e), n),
        "observations": n,
    }


def mean_over_seeds(forecasts: np.ndarray, observed: np.ndarray, *args, **kwargs) -> dict[str, np.ndarray]:
    """``score`` of each seed's forecast (S, W, H, V, K), averaged: what one training can be expected to give."""
    scores = [score(forecast, observed, *args, **kwargs) for forecast in forecasts]
    return {name: np.mean([each[name] for each in scores], axis=0) for name in scores[0]}


def skill(mae: np.ndarray, naive: Mapping[str, np.ndarray]) -> np.ndarray:
    """1 - MAE / MAE of the best naive forecast of the same cut (Murphy 1988); 0 is no better, 1 perfect.

    The best is chosen cut by cut on the very observations that are scored: no model gets an easier
    opponent than hindsight could find.
    """
    return 1 - _ratio(mae, np.min(list(naive.values()), axis=0))


def score_quantiles(
    quantiles: np.ndarray,
    observed: np.ndarray,
    levels: Sequence[float],
    label: np.ndarray | int = 0,
    labels: int = 1,
) -> dict[str, np.ndarray]:
    """What forecasts (W, H, V, P) of the quantile ``levels`` (P,) are worth, for each label: (labels,).

    ``label`` (int, broadcastable to (W, H, V)) says which of 0 .. ``labels`` - 1 a cell is pooled under;
    a negative one leaves the cell out. A label without any valid observation is NaN throughout.

    - ``wql``: weighted quantile loss as in gluonts (``mean_wQuantileLoss``): the sum of twice the pinball
      loss over sum |y|, mean over levels. The median's share of it is ``wape``.
    - ``coverage_80`` and so on, for each pair of levels around the median: the share of valid
      observations between the two, to be held against its nominal coverage, here 80 %.
    - ``width_80`` and so on: the mean distance of the two, in units.
    """
    label = np.broadcast_to(label, observed.shape)
    valid = np.isfinite(observed) & (label >= 0)
    y, q, cell = observed[valid].astype(np.float64), quantiles[valid].astype(np.float64), label[valid]

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(cell, values, labels)

    n = np.bincount(cell, minlength=labels)
    e = y[:, None] - q
    cost = (np.abs(e) + (2 * np.asarray(levels) - 1) * e).mean(axis=1)
    scores = {"wql": _ratio(total(cost), total(np.abs(y)))}
    for i, nominal in enumerate(coverages(levels)):
        low, high = q[:, i], q[:, -1 - i]
        scores[f"coverage_{100 * nominal:g}"] = _ratio(total((low <= y) & (y <= high)), n)
        scores[f"width_{100 * nominal:g}"] = _ratio(total(high - low), n)
    return scores


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Their quotient, NaN where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator != 0)
