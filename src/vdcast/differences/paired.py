"""A difference that a report speaks of, measured: one forecast's errors against another's."""

import numpy as np

from vdcast.differences.components import components
from vdcast.differences.significance import bootstrap, diebold_mariano
from vdcast.differences.tally import Tally
from vdcast.forecasts.predictions import Predictions
from vdcast.records.comparison import PairedDifference, Parts
from vdcast.scores.answers import UNITS


def paired(
    a: str, b: str, tallied: Tally, shared: tuple[bool, bool], p_dm: float = np.nan
) -> PairedDifference:
    """``a`` against ``b`` over all horizons and VDs; ``shared``, of each: one set of weights serves all VDs of its mode.

    Of a model that lacks a forecast there is none: what it can forecast is not what it was asked for.
    """
    whole_a, whole_b = (tallied.errors[name].sum(axis=0) for name in (a, b))  # (S, Y, V)
    sums_a, sums_b, count = observed(whole_a, whole_b, tallied.count.sum(axis=0))
    days, vds = count.shape
    pooled = np.stack([sums_a.mean(axis=0) - sums_b.mean(axis=0), count])
    known = count.size and np.isfinite(pooled).all()
    found = components(sums_a, sums_b, count, shared) if known else None
    judged = found if days > 1 else None
    low, high = bootstrap(pooled) if judged else (np.nan, np.nan)
    return PairedDifference(
        a=a,
        b=b,
        relative=float(found.relative.mean()) if found else None,
        variance=_parts(judged.variance) if judged else None,
        df=_parts(judged.df) if judged else None,
        correlation=float(judged.correlation) if judged else None,
        mae=float(pooled[0].sum() / pooled[1].sum()) if found else None,
        boot_low=defined(low),
        boot_high=defined(high),
        p_dm=defined(p_dm),
        days=days,
        vds=vds,
        seeds=max(len(sums_a), len(sums_b)),
    )


def by_origin(a: Predictions, b: Predictions) -> np.ndarray:
    """(W,) difference of the absolute errors, means over seeds, over what was observed; NaN where nothing was."""
    first, second = (np.abs(each.forecast[..., 0] - each.observed[..., 0]).mean(axis=0) for each in (a, b))
    d = first - second  # (W, H, V)
    count = np.isfinite(a.observed[..., 0]).sum(axis=(1, 2))
    return np.divide(np.nansum(d, axis=(1, 2)), count, out=np.full(len(d), np.nan), where=count > 0)


def diebold_mariano_of(a: Predictions, b: Predictions) -> float:
    """Their p, of the headline target."""
    return diebold_mariano(by_origin(a, b), h=a.observed.shape[1])


def observed(a: np.ndarray, b: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``a`` (S, Y, V), ``b`` (S', Y, V) and ``count`` (Y, V) without days and VDs that have no observation."""
    y, v = count.any(axis=1), count.any(axis=0)
    return a[:, y][..., v], b[:, y][..., v], count[y][:, v]


def _parts(values: np.ndarray) -> Parts:
    return Parts(**dict(zip(UNITS, values.tolist(), strict=True)))


def defined(value: float) -> float | None:
    """``value``, None for NaN."""
    return value if np.isfinite(value) else None
