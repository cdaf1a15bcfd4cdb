"""The differences that a report speaks of, measured: the two models, and each against simpler forecasts."""

from collections.abc import Mapping, Sequence

import numpy as np

from vdcast.compare.components import components
from vdcast.compare.significance import bootstrap, diebold_mariano
from vdcast.compare.tally import Tally
from vdcast.forecasts.predictions import Predictions
from vdcast.params.networks import MODELS
from vdcast.records.comparison import Line, PairedDifference, Parts
from vdcast.scores.answers import UNITS, standard_error
from vdcast.scores.names import NAIVE_FORECASTS


def paired(a: str, b: str, tallied: Tally, shared: bool, p_dm: float = np.nan) -> PairedDifference:
    """``a`` against ``b`` over all horizons and VDs; ``shared``: one set of weights serves all VDs of the mode.

    Of a model that lacks a forecast there is none: what it can forecast is not what it was asked for.
    """
    whole_a, whole_b = (tallied.errors[name].sum(axis=0) for name in (a, b))  # (S, Y, V)
    sums_a, sums_b, count = _observed(whole_a, whole_b, tallied.count.sum(axis=0))
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
        boot_low=_defined(low),
        boot_high=_defined(high),
        p_dm=_defined(p_dm),
        days=days,
        vds=vds,
        seeds=max(len(sums_a), len(sums_b)),
    )


def lines(
    tallied: Tally, simpler: Sequence[str], shared: bool, minutes: Mapping[int, float], vd_ids: Sequence[str]
) -> list[Line]:
    """Each model against each of ``simpler``: over all VDs, at some horizons (``minutes`` by step), at each VD."""
    found = []
    for model in MODELS:
        for other in simpler:
            found += _lines_of(model, other, tallied, shared, minutes, vd_ids)
    return found


def _lines_of(
    model: str, other: str, tallied: Tally, shared: bool, minutes: Mapping[int, float], vd_ids: Sequence[str]
) -> list[Line]:
    errors, count = (tallied.errors[model], tallied.errors[other]), tallied.count

    def line(place: str, label: float | str, cut: tuple) -> Line:
        """Of the horizons and VDs of ``cut``."""
        a, b = (each[cut[0]].sum(axis=0)[..., cut[1]] for each in errors)
        return _line(a, b, count[cut[0]].sum(axis=0)[:, cut[1]], shared, (model, other, place, label))

    every, all_vds = slice(None), np.arange(len(vd_ids))
    found = [line("whole", "", (every, all_vds))]
    found += [line("horizon", label, (slice(h, h + 1), all_vds)) for h, label in minutes.items()]
    if len(vd_ids) > 1:
        found += [line("vd", vd, (every, all_vds[v : v + 1])) for v, vd in enumerate(vd_ids)]
    return found


def _line(a: np.ndarray, b: np.ndarray, count: np.ndarray, shared: bool, named: tuple) -> Line:
    """Of sums ``a`` (S, Y, V) and ``b`` (S', Y, V), on the days and VDs that were observed."""
    a, b, count = _observed(a, b, count)
    known = count.size and np.isfinite(a).all() and np.isfinite(b).all()
    found = components(a, b, count, shared) if known else None
    error, df = (
        map(float, standard_error(found.variance, found.df)) if found and len(count) > 1 else (np.nan, np.nan)
    )
    model, simpler, place, label = named
    return Line(
        model=model,
        simpler=simpler,
        place=place,
        label=label,
        relative=float(found.relative.mean()) if found else None,
        error=_defined(error),
        df=_defined(df),
        mae=_mae(a, count) if found else None,
        mae_simpler=_mae(b, count) if found else None,
    )


def simpler_forecasts(names: Sequence[str], best_naive: str) -> list[str]:
    """The one naive forecast that is hardest to beat, and every fitted one."""
    return [best_naive, *(name for name in names if name not in NAIVE_FORECASTS)]


def by_origin(a: Predictions, b: Predictions) -> np.ndarray:
    """(W,) difference of the absolute errors, means over seeds, over what was observed; NaN where nothing was."""
    first, second = (np.abs(each.forecast[..., 0] - each.observed[..., 0]).mean(axis=0) for each in (a, b))
    d = first - second  # (W, H, V)
    count = np.isfinite(a.observed[..., 0]).sum(axis=(1, 2))
    return np.divide(np.nansum(d, axis=(1, 2)), count, out=np.full(len(d), np.nan), where=count > 0)


def diebold_mariano_of(a: Predictions, b: Predictions) -> float:
    """Their p, of the headline target."""
    return diebold_mariano(by_origin(a, b), h=a.observed.shape[1])


def _observed(a: np.ndarray, b: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``a`` (S, Y, V), ``b`` (S', Y, V) and ``count`` (Y, V) without days and VDs that have no observation."""
    y, v = count.any(axis=1), count.any(axis=0)
    return a[:, y][..., v], b[:, y][..., v], count[y][:, v]


def _parts(values: np.ndarray) -> Parts:
    return Parts(**dict(zip(UNITS, values.tolist(), strict=True)))


def _mae(sums: np.ndarray, count: np.ndarray) -> float:
    return float(sums.mean(axis=0).sum() / count.sum())


def _defined(value: float) -> float | None:
    return value if np.isfinite(value) else None
