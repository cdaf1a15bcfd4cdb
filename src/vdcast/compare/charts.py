"""What the page's charts draw of one mode: errors by horizon, hour and VD, learning curves, and forecasts over time.

Errors are of every VD, series of as many as ``SERIES_LIMIT`` allows.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from vdcast.forecasts.predictions import Named, Predictions
from vdcast.forecasts.quantiles import coverages
from vdcast.forecasts.series import Series, series_of, shown_horizons
from vdcast.params.networks import MODELS
from vdcast.records.charts import Charts, Curve, ErrorCurves, History
from vdcast.scores import cuts

SERIES_LIMIT = 6_000_000  # numbers in all series of a mode; more than the page carries of any one


def charts_of(
    predictions: Mapping[str, Predictions], baselines: Named, histories: Mapping[str, pd.DataFrame]
) -> Charts:
    """``predictions`` and ``histories`` are by model."""
    first = predictions["lstm"]
    return Charts(
        vds=list(first.vd_ids),
        minutes=[float(minutes) for minutes in cuts.by_horizon(first).labels],
        interval=coverages(first.quantiles.levels)[0] if first.quantiles else None,
        errors={who: _errors(each) for who, each in {**baselines, **predictions}.items()},
        history={model: _history(table) for model, table in histories.items()},
    )


def telling_series(
    predictions: Mapping[str, Predictions],
    baselines: Named,
    target_vd: str,
    charts: Charts,
    limit: int = SERIES_LIMIT,
) -> Series:
    """Of the target VD, then of those on which the two models differ most, up to ``limit`` numbers in all."""
    everyone = {**predictions, **baselines}
    first = predictions["lstm"]
    lines = len(everyone) + sum(2 for each in predictions.values() if each.quantiles)
    H = first.observed.shape[1]
    per_vd = len(np.unique(first.times)) * (1 + len(shown_horizons(H)) * lines)
    order = dict.fromkeys([target_vd, *(charts.vds[v] for v in _most_telling(charts))])
    return series_of(everyone, list(order)[: max(1, limit // per_vd)])


def _errors(each: Predictions) -> ErrorCurves:
    """MAE of the headline target by one cut after the other."""

    def curve(cut) -> Curve:
        pooled = cuts.score_table(each, cut(each), 0).mae
        return Curve(_rounded(pooled.to_numpy()), [_rounded(row) for row in cuts.mae_of_each_vd(each, cut)])

    return ErrorCurves(
        by_horizon=curve(cuts.by_horizon),
        by_hour=curve(cuts.by_hour),
        overall=curve(lambda _: cuts.overall()),
    )


def _most_telling(charts: Charts) -> list[int]:
    """The numbers of all VDs, those on which the two models differ most first."""
    a, b = (np.array(charts.errors[model].overall.each, float)[:, 0] for model in MODELS)
    return np.argsort(-np.nan_to_num(np.abs(a - b)), kind="stable").tolist()


def _history(table: pd.DataFrame) -> History:
    return History(**{name: _rounded(table[name].to_numpy(float)) for name in History.__struct_fields__})


def _rounded(values: np.ndarray) -> list[float | None]:
    """Four significant digits, null for NaN, of (n,) values."""
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values]
