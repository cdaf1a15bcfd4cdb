"""The cuts through one error array that the reports show, and what each says of a forecast.

A cut is a label per cell of the array (W windows, H horizons, V detectors); every table is
``metrics.score`` of one cut. A model with several seeds is the mean of their scores.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from vdcast import calendar, metrics
from vdcast.predictions import CONGESTED, FREE, Conditions, Predictions

HEADLINE = ("mae", "skill")
MISSING = (0.0, 0.1)  # borders of the classes of missing input


@dataclass(frozen=True)
class Cut:
    """``label`` (int, broadcastable to (W, H, V)) is an index into ``labels``, or negative outside the cut."""

    name: str
    labels: tuple
    label: np.ndarray


def overall() -> Cut:
    """All cells."""
    return Cut("overall", ("all",), np.zeros((1, 1, 1), int))


def by_horizon(predictions: Predictions) -> Cut:
    """Labels are minutes from the origin's interval to the one that is forecast."""
    H = predictions.observed.shape[1]
    minutes = tuple((h + 1) * predictions.interval / 60 for h in range(H))
    return Cut("horizon", minutes, np.arange(H)[None, :, None])


def by_vd(predictions: Predictions) -> Cut:
    """Labels are VD ids."""
    return Cut("vd", predictions.vd_ids, np.arange(len(predictions.vd_ids))[None, None])


def by_hour(predictions: Predictions) -> Cut:
    """Labels are local hours of the day of the interval that is forecast."""
    return Cut("hour", tuple(range(24)), _local(predictions).hour.to_numpy().reshape(_shape(predictions)))


def by_day(predictions: Predictions) -> Cut:
    """Monday to Friday, or Saturday and Sunday, local time."""
    weekend = _local(predictions).day_of_week.to_numpy() >= 5
    return Cut("day", ("weekday", "weekend"), weekend.astype(int).reshape(_shape(predictions)))


def by_peak(predictions: Predictions, hours: Sequence[int]) -> Cut:
    """Monday to Friday in the local ``hours``, or any other time."""
    when = _local(predictions)
    peak = when.hour.isin(list(hours)) & (when.day_of_week < 5)
    return Cut("peak", ("peak", "off-peak"), np.where(peak, 0, 1).reshape(_shape(predictions)))


def by_congestion(conditions: Conditions) -> Cut:
    """Congested or free flow at the time that is forecast, by ``conditions.rule``."""
    place = {CONGESTED: 0, FREE: 1}
    label = np.select([conditions.congestion == state for state in place], list(place.values()), -1)
    return Cut("congestion", ("congested", "free flow"), label)


def by_missing(conditions: Conditions) -> Cut:
    """Share of the VD's own inputs that the lookback misses."""
    labels = ("none", f"up to {MISSING[1]:.0%}", f"over {MISSING[1]:.0%}")
    # float32 shares: a border counts to the class below it
    return Cut("missing", labels, np.searchsorted(np.array(MISSING, np.float32), conditions.missing)[:, None])


def table(predictions: Predictions, cut: Cut, mape_floor: float, k: int = 0) -> pd.DataFrame:
    """A row per label, ``metrics.over_seeds`` of target ``k`` in the columns."""
    scores = metrics.over_seeds(
        predictions.forecast[..., k],
        predictions.observed[..., k],
        cut.label,
        len(cut.labels),
        mape_floor=mape_floor,
    )
    return pd.DataFrame({cut.name: cut.labels} | scores)


def tables(
    everyone: Mapping[str, Predictions], naive: Sequence[str], cut: Cut, mape_floor: float, k: int = 0
) -> dict[str, pd.DataFrame]:
    """``table`` of each, with ``skill`` against the best of those named in ``naive``, label by label."""
    found = {name: table(each, cut, mape_floor, k) for name, each in everyone.items()}
    best = {name: found[name].mae.to_numpy() for name in naive}
    return {name: rows.assign(skill=metrics.skill(rows.mae.to_numpy(), best)) for name, rows in found.items()}


def headline(
    predictions: Predictions,
    naive: Mapping[str, Predictions],
    target_vd: str,
    mape_floor: float,
    horizons: Sequence[int],
) -> dict[str, float]:
    """One flat set of figures, few enough for a line of `dvc exp show`: the target VD, then all VDs of the run.

    Keys are ``<target>_<metric>`` for the target VD, with ``_all_vds`` for every VD together, and of the
    first target ``<target>_mae_<minutes>min`` for each of ``horizons`` (steps) of the target VD.
    """
    figures = {}
    scopes = {"": [target_vd]} | ({"_all_vds": predictions.vd_ids} if len(predictions.vd_ids) > 1 else {})
    for k, target in enumerate(predictions.targets):
        for suffix, vds in scopes.items():
            everyone = {name: each.of(vds) for name, each in {"": predictions, **naive}.items()}
            row = tables(everyone, list(naive), overall(), mape_floor, k)[""].iloc[0]
            figures |= {f"{target}_{metric}{suffix}": row[metric] for metric in HEADLINE}
    one, first = predictions.of([target_vd]), predictions.targets[0]
    rows = table(one, by_horizon(one), mape_floor)
    figures |= {f"{first}_mae_{rows.horizon[h - 1]:g}min": rows.mae[h - 1] for h in horizons}
    return {key: round(float(value), 6) for key, value in figures.items() if np.isfinite(value)}


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


def shown(value: float | None, spec: str = ".2f") -> str:
    """A figure for a table: what is undefined says so, and is no blank cell."""
    return "undefined" if value is None else format(value, spec)


def decimals(*values: float | None, least: int = 2) -> int:
    """How many decimals, ``least`` to 6, let those of ``values`` print apart that differ.

    With 0.0 among them none prints as 0 that is not, so that no sign is hidden.
    """
    known = {value for value in values if value is not None}
    apart = (n for n in range(least, 6) if len({round(value, n) for value in known}) == len(known))
    return next(apart, 6)


def significant(value: float | None) -> str:
    """Whole numbers in full, others with three significant digits or all before the point: 0.2 ms is not 0."""
    if value is None or isinstance(value, int):
        return shown(value, ",")
    before = 1 + math.floor(math.log10(abs(value))) if value else 1
    return format(value, f",.{max(0, 3 - before)}f")


def p_value(p: float | None) -> str:
    """Two significant digits; a p so small that its digits mean nothing as a bound."""
    return "<1e-6" if p is not None and p < 1e-6 else shown(p, ".2g")


def listed(parts: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def records(table: pd.DataFrame) -> list[dict]:
    """Rows, numbers rounded to what a reader can use."""
    return [
        {key: number(value) if isinstance(value, float) else value for key, value in row.items()}
        for row in table.to_dict("records")
    ]


def number(value: float) -> float | None:
    """Rounded; what is undefined is null in JSON, which has no NaN."""
    return round(value, 6) if np.isfinite(value) else None


def seeds_in_words(seeds: int) -> str:
    """How a figure came about of several seeds."""
    return "One seed." if seeds == 1 else f"Mean of the scores of {seeds} seeds."


def write_csv(
    folder: Path,
    predictions: Predictions,
    naive: Mapping[str, Predictions],
    target_vd: str,
    mape_floor: float,
) -> None:
    """The target VD's headline target by horizon, by hour and over time, as csv for `dvc plots`."""
    everyone = {name: each.of([target_vd]) for name, each in {"": predictions, **naive}.items()}
    for name, cut in (("by_horizon", by_horizon), ("by_hour", by_hour)):
        rows = tables(everyone, list(naive), cut(everyone[""]), mape_floor)[""]
        rows = rows.rename(columns={"horizon": "minutes"})
        rows.to_csv(folder / f"{name}.csv", index=False, float_format="%.6g")
    series = over_time(predictions, target_vd, predictions.targets[0])
    series.to_csv(folder / "target_vd.csv", index=False, float_format="%.6g")


def _local(predictions: Predictions) -> pd.DatetimeIndex:
    """(W * H,)"""
    return calendar.local(predictions.times.ravel(), predictions.time_zone)


def _shape(predictions: Predictions) -> tuple[int, int, int]:
    return (*predictions.times.shape, 1)
