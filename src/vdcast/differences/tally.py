"""Absolute errors, added up by horizon, training, day and VD: all that a difference between two forecasts stands on."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vdcast.data import calendar
from vdcast.forecasts.predictions import Predictions


@dataclass(frozen=True)
class Tally:
    """Sums of absolute errors of the headline target, by name (H, S, Y, V), and how many observations each is of.

    ``count`` is (H, Y, V). Y days: a stub at either end of the series is no day of its own (``numbered_days``). A name
    that lacks a forecast of an observation has NaN there.
    """

    errors: Mapping[str, np.ndarray]
    count: np.ndarray

    @property
    def days(self) -> int:
        """How many days have an observation."""
        return self.count.shape[1] if self.count.any() else 0


def tally(everyone: Mapping[str, Predictions]) -> Tally:
    """Of forecasts of the same windows, horizons and VDs; those of several trainings also as their ensemble."""
    first = next(iter(everyone.values()))
    seen = np.isfinite(first.observed[..., 0])  # (W, H, V)
    _, H, V = seen.shape
    date = np.broadcast_to(local_date(first)[..., None], seen.shape)[seen]
    day = numbered_days(date) if len(date) else np.zeros(0, int)
    Y = int(day.max(initial=0)) + 1
    _, h, v = np.nonzero(seen)
    cell = (h * Y + day) * V + v

    def added(values: np.ndarray | None = None) -> np.ndarray:
        """(H, Y, V) sums of ``values`` (n,), or how many there are."""
        return np.bincount(cell, values, H * Y * V).reshape(H, Y, V)

    errors = {}
    for name, each in everyone.items():
        e = (each.forecast[..., 0][:, seen] - each.observed[..., 0][seen]).astype(np.float64)  # (S, n)
        errors[name] = np.stack([added(np.abs(of_seed)) for of_seed in e], axis=1)
        if len(e) > 1:
            errors[f"{name}_ensemble"] = np.stack([added(of_seed) for of_seed in ensemble_errors(e)], axis=1)
    return Tally(errors, added())


def ensemble_errors(e: np.ndarray) -> np.ndarray:
    """(S, n): what each of S trainings with the errors ``e`` (S, n) adds to the absolute error of their mean forecast.

    The mean over S is |mean of e|. How far they differ is, to first order, what another training would change
    (the infinitesimal jackknife: Efron 1982, chapter 6).
    """
    return np.sign(e.mean(axis=0)) * e


def numbered_days(date: np.ndarray) -> np.ndarray:
    """(n,) the number of the day, 0, 1, ..., of each of n > 0 observations with the labels ``date`` (n,).

    A split seldom falls on midnight. A first or last day with fewer than half the median number of
    observations per day is a stub that counts to its neighbour: as a day of its own, a few hours would
    weigh as much as a day in the degrees of freedom.
    """
    labels, day, count = np.unique(date, return_inverse=True, return_counts=True)
    stub = count < np.median(count) / 2
    first, last = int(stub[0]), len(labels) - 1 - int(stub[-1])
    return np.clip(day, first, last) - first


def local_date(predictions: Predictions) -> np.ndarray:
    """(W, H) the local day of each interval that was forecast."""
    local = calendar.local(predictions.times.ravel(), predictions.time_zone)
    return local.normalize().to_numpy().reshape(predictions.times.shape)
