"""Errors of a forecast, pooled over valid observations, in original units.

A forecast and its observations are arrays (W, H, V) of one target: windows, horizons, detectors; an
observation is NaN where there is none. Every figure pools the cells that carry one *label*, so overall,
per horizon, per detector or in the peak are one code path, and none is a mean of means. Targets are
never pooled: their units differ.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from vdcast.forecasts.quantiles import coverages

CONSTANT = 1e-12  # a spread that is a smaller share of sum y² is rounding of a series that does not vary


def score(
    forecast: np.ndarray,
    observed: np.ndarray,
    label: np.ndarray | int = 0,
    labels: int = 1,
    *,
    mape_floor: float = 0.0,
) -> dict[str, np.ndarray]:
    """Every metric of ``forecast`` (W, H, V) against ``observed`` (W, H, V), for each label: (labels,).

    ``label`` (int, broadcastable to (W, H, V)) says which of 0 .. ``labels`` - 1 a cell is pooled under;
    a negative one leaves the cell out. A label without any valid observation is NaN in every metric and
    0 in ``observations``. One in which a forecast is missing (NaN) for a valid observation is NaN too: a
    network without weights has no figure, and no other one stands in for it.

    - ``mae``: mean |e|; ``rmse``: sqrt of mean e²; ``bias``: mean of e = forecast - observed.
    - ``wape``: sum |e| / sum |y| (Kolassa & Schütz 2007), finite at night where single counts are 0.
    - ``mape``: mean |e| / |y| over observations of at least ``mape_floor``.
    - ``r2``: 1 - sum e² / sum (y - m)², with m each VD's own mean over the same cells, so that
      differences between detectors count for nothing; NaN where the observations do not vary.
    - ``observations``: how many valid observations the figures stand on.

    Raises ValueError for other shapes.
    """
    if forecast.shape != observed.shape or forecast.ndim != 3:
        raise ValueError(f"forecast {forecast.shape} and observed {observed.shape} must both be (W, H, V)")
    _, _, V = forecast.shape
    label = np.broadcast_to(label, forecast.shape)
    valid = np.isfinite(observed) & (label >= 0)
    y = observed[valid].astype(np.float64)
    e = forecast[valid].astype(np.float64) - y
    cell = (label * V + np.arange(V))[valid]  # a cell of (label, VD)

    def total(values: np.ndarray, where: np.ndarray | slice = slice(None)) -> np.ndarray:
        """(labels, V)"""
        return np.bincount(cell[where], values[where], labels * V).reshape(labels, V)

    large = (np.abs(y) >= mape_floor) & (y != 0)
    ones, size = np.ones_like(y), np.abs(e)
    count, sum_y, sum_y2 = total(ones), total(y), total(y**2)
    spread = sum_y2 - _ratio(sum_y**2, count)
    spread = np.where(spread > CONSTANT * sum_y2, spread, 0)
    n, absolute, squared = count.sum(axis=1), total(size).sum(axis=1), total(e**2).sum(axis=1)
    share = np.divide(size, np.abs(y), out=np.zeros_like(y), where=large)
    return {
        "mae": _ratio(absolute, n),
        "rmse": np.sqrt(_ratio(squared, n)),
        "wape": _ratio(absolute, total(np.abs(y)).sum(axis=1)),
        "mape": _ratio(total(share, large).sum(axis=1), total(ones, large).sum(axis=1)),
        "r2": 1 - _ratio(squared, spread.sum(axis=1)),
        "bias": _ratio(total(e).sum(axis=1), n),
        "observations": n.astype(int),
    }


def over_seeds(
    forecasts: np.ndarray, observed: np.ndarray, label: np.ndarray | int = 0, labels: int = 1, **kwargs
) -> dict[str, np.ndarray]:
    """``score`` of each seed's forecast (S, W, H, V), averaged: what one training can be expected to give.

    With several seeds also the spread of their MAE: ``mae_sd`` (with S - 1), ``mae_min``, ``mae_max``.
    """
    scores = [score(forecast, observed, label, labels, **kwargs) for forecast in forecasts]
    result = {name: np.mean([each[name] for each in scores], axis=0) for name in scores[0]}
    result["observations"] = scores[0]["observations"]
    if len(scores) > 1:
        mae = np.stack([each["mae"] for each in scores])
        result |= {"mae_sd": mae.std(axis=0, ddof=1), "mae_min": mae.min(axis=0), "mae_max": mae.max(axis=0)}
    return result


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
    a negative one leaves the cell out. A label without any valid observation, or with one whose forecast
    is missing, is NaN throughout.

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
        inside, width = (low <= y) & (y <= high), high - low
        scores[f"coverage_{100 * nominal:g}"] = _ratio(total(np.where(np.isfinite(width), inside, np.nan)), n)
        scores[f"width_{100 * nominal:g}"] = _ratio(total(width), n)
    return scores


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Their quotient, NaN where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator != 0)
