"""The cuts through one error array that the reports show, and what each says of a forecast.

A cut is a label per cell of the array (W windows, H horizons, V detectors); every table is
``metrics.score`` of one cut. A model with several seeds is the mean of their scores.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vdcast.data import calendar
from vdcast.forecasts.predictions import CONGESTED, FREE, Conditions, Predictions
from vdcast.records.comparison import CutRow, Scores
from vdcast.scores import metrics
from vdcast.scores.names import NAIVE_FORECASTS

BLOCK = 64  # VDs that ``mae_of_each_vd`` scores at once
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


def by_age(predictions: Predictions, days: int) -> Cut:
    """So many days at once since the first forecast: how old the one training is by then."""
    spans = (predictions.times - predictions.times.min()) // (days * 86400)  # (W, H)
    labels = tuple(f"{n * days + 1}-{(n + 1) * days}" for n in range(int(spans.max()) + 1))
    return Cut("age", labels, spans[..., None])


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


def crossed(a: Cut, b: Cut) -> Cut:
    """A label for each pair of labels, those of ``b`` within each of ``a``."""
    label = np.where((a.label < 0) | (b.label < 0), -1, a.label * len(b.labels) + b.label)
    return Cut(f"{a.name}, {b.name}", tuple((x, y) for x in a.labels for y in b.labels), label)


def score_table(predictions: Predictions, cut: Cut, mape_floor: float, k: int = 0) -> pd.DataFrame:
    """A row per label, ``metrics.over_seeds`` of target ``k`` in the columns."""
    scores = metrics.over_seeds(
        predictions.forecast[..., k],
        predictions.observed[..., k],
        cut.label,
        len(cut.labels),
        mape_floor=mape_floor,
    )
    return pd.DataFrame({cut.name: list(cut.labels)} | scores)


def mae_of_each_vd(predictions: Predictions, cut: Callable[[Predictions], Cut]) -> np.ndarray:
    """(V, labels) MAE of the headline target by VD and label of ``cut``, mean over seeds.

    In blocks of VDs, as a score counts each VD under each label.
    """
    found = []
    for first in range(0, len(predictions.vd_ids), BLOCK):
        part = predictions.of(predictions.vd_ids[first : first + BLOCK])
        rows = score_table(part, crossed(by_vd(part), cut(part)), 0)
        found.append(rows.mae.to_numpy().reshape(len(part.vd_ids), -1))
    return np.concatenate(found)


def score_tables(
    everyone: Mapping[str, Predictions], cut: Cut, mape_floor: float, k: int = 0
) -> dict[str, pd.DataFrame]:
    """``score_table`` of each, with ``skill`` against the best naive forecast among them, label by label."""
    found = {name: score_table(each, cut, mape_floor, k) for name, each in everyone.items()}
    best = {name: found[name].mae.to_numpy() for name in NAIVE_FORECASTS if name in found}
    return {name: rows.assign(skill=metrics.skill(rows.mae.to_numpy(), best)) for name, rows in found.items()}


def as_rows(table: pd.DataFrame) -> list[CutRow]:
    """Rows of ``score_tables``, rounded to what a reader can use; the first column holds the labels."""
    label, *figures = table.columns
    return [
        CutRow(
            label=row[label],
            observations=row["observations"],
            **{name: number(row[name]) for name in figures if name != "observations"},
        )
        for row in table.to_dict("records")
    ]


def whole(rows: Sequence[CutRow]) -> Scores:
    """The one row of the cut ``overall``, without its label."""
    (row,) = rows
    return Scores(**{name: getattr(row, name) for name in Scores.__struct_fields__})


def number(value: float | int) -> float | int | None:
    """Rounded, and of Python's own types, as JSON takes no others; what is undefined is null there, which has no NaN."""
    if isinstance(value, int):
        return value
    return round(float(value), 6) if np.isfinite(value) else None


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


def _local(predictions: Predictions) -> pd.DatetimeIndex:
    """(W * H,)"""
    return calendar.local(predictions.times.ravel(), predictions.time_zone)


def _shape(predictions: Predictions) -> tuple[int, int, int]:
    return (*predictions.times.shape, 1)
