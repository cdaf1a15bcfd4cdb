"""The cuts through one error array that the reports show: overall, by horizon, by hour, over time.

Each takes ``Predictions`` of one or several detectors and the naive baselines on the same windows,
and is a reduction of ``metrics.score``; a model with several seeds is the mean of their scores.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from vdcast import calendar
from vdcast.metrics import mean_over_seeds, skill
from vdcast.predictions import Naive, Predictions, of

SHOWN = ("mae", "rmse", "wape", "mape", "r2")


def headline(predictions: Predictions, naive: Naive, target_vd: str, mape_floor: float) -> dict[str, float]:
    """One flat set of figures for `dvc metrics show`: the target VD, then all VDs of the run.

    Keys are ``<target>_<metric>`` for the target VD, with ``_all_vds`` for every VD together, and
    ``<target>_mae_<minutes>min`` for each horizon of the target VD.
    """
    figures = {}
    one, one_naive = predictions.of([target_vd]), of(naive, [target_vd])
    scopes = {"": (one, one_naive)}
    if len(predictions.vd_ids) > 1:
        scopes["_all_vds"] = (predictions, of(naive, predictions.vd_ids))
    for suffix, (scope, scope_naive) in scopes.items():
        scores = overall(scope, scope_naive, mape_floor)
        for name, row in scores.iterrows():
            figures |= {f"{name}_{metric}{suffix}": row[metric] for metric in (*SHOWN, "skill")}
    for target, rows in by_horizon(one, one_naive, mape_floor).groupby("target", sort=False):
        figures |= {f"{target}_mae_{row.minutes:g}min": row.mae for row in rows.itertuples()}
    return {key: round(float(value), 6) for key, value in figures.items() if np.isfinite(value)}


def overall(predictions: Predictions, naive: Naive, mape_floor: float) -> pd.DataFrame:
    """A row per target: every metric pooled over windows, horizons and VDs, and ``skill``."""
    return _table(predictions, naive, ("window", "horizon", "vd"), mape_floor).set_index("target")


def by_horizon(predictions: Predictions, naive: Naive, mape_floor: float) -> pd.DataFrame:
    """A row per target and horizon; ``minutes`` from the origin's interval to the one forecast."""
    table = _table(predictions, naive, ("window", "vd"), mape_floor, axis="horizon")
    table.insert(1, "minutes", (table.pop("horizon") + 1) * predictions.interval / 60)
    return table


def by_vd(predictions: Predictions, naive: Naive, mape_floor: float) -> pd.DataFrame:
    """A row per target and VD."""
    table = _table(predictions, naive, ("window", "horizon"), mape_floor, axis="vd")
    table["vd"] = [predictions.vd_ids[v] for v in table["vd"]]
    return table


def by_hour(predictions: Predictions, naive: Naive, mape_floor: float) -> pd.DataFrame:
    """A row per target and local hour of the day of the interval that was forecast."""
    hour = calendar.hour_of_day(predictions.times.ravel(), predictions.time_zone).reshape(
        predictions.times.shape
    )
    rows = []
    for h in range(24):
        here = (hour == h)[:, :, None, None]
        rows.append(
            _table(predictions, naive, ("window", "horizon", "vd"), mape_floor, where=here).assign(hour=h)
        )
    return pd.concat(rows, ignore_index=True).sort_values(["target", "hour"], kind="stable")


def over_time(predictions: Predictions, vd: str, target: str, horizon: int = -1) -> pd.DataFrame:
    """``time`` (local), ``observed`` and ``forecast`` (mean of the seeds) of one VD at one horizon."""
    one = predictions.of([vd])
    k = one.targets.index(target)
    return pd.DataFrame(
        {
            "time": calendar.local(one.times[:, horizon], one.time_zone).tz_localize(None),
            "observed": one.observed[:, horizon, 0, k],
            "forecast": one.forecast[:, :, horizon, 0, k].mean(axis=0),
        }
    )


def seeds_in_words(seeds: int) -> str:
    """How a figure came about of several seeds."""
    return "One seed." if seeds == 1 else f"Mean of the scores of {seeds} seeds."


def write_csv(
    folder: Path, predictions: Predictions, naive: Naive, target_vd: str, mape_floor: float
) -> None:
    """The target VD's headline target by horizon, by hour and over time, as csv for `dvc plots`."""
    one, one_naive = predictions.of([target_vd]), of(naive, [target_vd])
    headline = predictions.targets[0]
    tables = {
        "by_horizon": by_horizon(one, one_naive, mape_floor),
        "by_hour": by_hour(one, one_naive, mape_floor),
    }
    for name, table in tables.items():
        rows = table[table.target == headline].drop(columns="target")
        rows.to_csv(folder / f"{name}.csv", index=False, float_format="%.6g")
    series = over_time(predictions, target_vd, headline)
    series.to_csv(folder / "target_vd.csv", index=False, float_format="%.6g")


def _table(
    predictions: Predictions,
    naive: Naive,
    over: tuple[str, ...],
    mape_floor: float,
    *,
    axis: str | None = None,
    where: np.ndarray | None = None,
) -> pd.DataFrame:
    """``mean_over_seeds`` as rows: a row per target and, where one is kept, per step of ``axis``."""

    def scores(each: Predictions) -> dict[str, np.ndarray]:
        return mean_over_seeds(each.forecast, each.observed, over, mape_floor=mape_floor, where=where)

    mine = scores(predictions)
    if naive:
        mine["skill"] = skill(
            mine["mae"], {name: scores(baseline)["mae"] for name, baseline in naive.items()}
        )
    rows = []
    for k, target in enumerate(predictions.targets):
        steps = range(mine["mae"].shape[0]) if axis else [None]
        for step in steps:
            at = k if step is None else (step, k)
            label = {} if step is None else {axis: step}
            rows.append({"target": target} | label | {name: values[at] for name, values in mine.items()})
    return pd.DataFrame(rows)
