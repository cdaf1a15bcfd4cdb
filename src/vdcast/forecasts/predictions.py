"""Forecasts beside what was then observed: the one array that every figure is a reduction of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vdcast.errors import InputError
from vdcast.forecasts.quantiles import Quantiles
from vdcast.language import Said, say


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Forecasts of S seeds for W windows, H steps, V detectors and K targets, in original units."""

    forecast: np.ndarray  # (S, W, H, V, K) float32
    observed: np.ndarray  # (W, H, V, K) float32, NaN where there is no valid observation
    origins: np.ndarray  # (W,) int64, Unix seconds: start of the last interval of the lookback
    vd_ids: tuple[str, ...]
    targets: tuple[str, ...]
    units: tuple[str, ...]
    interval: int
    time_zone: str
    quantiles: Quantiles | None = None  # of a run with `train.quantiles`; their median is ``forecast``

    def of(self, vd_ids: Sequence[str]) -> "Predictions":
        """Those detectors, in that order."""
        v = [self.vd_ids.index(vd) for vd in vd_ids]
        return replace(
            self,
            forecast=self.forecast[..., v, :],
            observed=self.observed[..., v, :],
            vd_ids=tuple(vd_ids),
            quantiles=self.quantiles and self.quantiles.vds(v),
        )

    @property
    def ensemble(self) -> "Predictions":
        """The mean of the seeds' forecasts, as one forecast; of quantiles, the mean is none of them."""
        return replace(self, forecast=self.forecast.mean(axis=0, keepdims=True), quantiles=None)

    @property
    def times(self) -> np.ndarray:
        """(W, H) Unix seconds of the start of each interval that was forecast."""
        steps = np.arange(1, self.observed.shape[1] + 1)
        return self.origins[:, None] + self.interval * steps


Named = Mapping[str, Predictions]
FREE, CONGESTED, UNKNOWN = 0, 1, -1


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What held in W windows of H steps at V detectors, whoever forecast them."""

    missing: np.ndarray  # (W, V) float32 share of the VD's own inputs missing in the lookback
    congestion: np.ndarray  # (W, H, V) int8 FREE, CONGESTED or UNKNOWN, at the time that was forecast
    rule: Said  # what counts as congested
    vd_ids: tuple[str, ...]

    def of(self, vd_ids: Sequence[str]) -> "Conditions":
        """Those detectors, in that order."""
        v = [self.vd_ids.index(vd) for vd in vd_ids]
        return replace(
            self, missing=self.missing[:, v], congestion=self.congestion[..., v], vd_ids=tuple(vd_ids)
        )


def origin_steps(steps: int, length: int, horizon: int) -> np.ndarray:
    """(W,) the last lookback step of every window of a part with so many ``steps``."""
    return np.arange(length - 1, steps - horizon)


def beside_observed(forecast: np.ndarray, part, targets: Sequence[str], length: int) -> Predictions:
    """``forecast`` (S, W, H, V, K) of every window of ``part`` (``data.detectors.Detectors``), beside its observations."""
    horizon = forecast.shape[2]
    k = [part.features.index(target) for target in targets]
    origins = origin_steps(len(part.timestamps), length, horizon)
    return Predictions(
        forecast=forecast,
        observed=part.values[origins[:, None] + np.arange(1, horizon + 1)][..., k],
        origins=part.timestamps[origins],
        vd_ids=part.vd_ids,
        targets=tuple(targets),
        units=tuple(part.units[i] for i in k),
        interval=part.interval,
        time_zone=part.time_zone,
    )


def in_order(folds: Sequence[Predictions]) -> Predictions:
    """Those of one fold after the other as one; of several, without quantiles."""
    if len(folds) == 1:
        return folds[0]
    return replace(
        folds[0],
        forecast=np.concatenate([each.forecast for each in folds], axis=1),
        observed=np.concatenate([each.observed for each in folds]),
        origins=np.concatenate([each.origins for each in folds]),
    )


def conditions_in_order(folds: Sequence[Conditions]) -> Conditions:
    """Those of one fold after the other as one."""
    return replace(
        folds[0],
        missing=np.concatenate([each.missing for each in folds]),
        congestion=np.concatenate([each.congestion for each in folds]),
    )


def of(named: Named, vd_ids: Sequence[str]) -> dict[str, Predictions]:
    """Each of them for those detectors."""
    return {name: each.of(vd_ids) for name, each in named.items()}


def check_same_windows(named: Named) -> None:
    """Refuse to lay side by side what was not forecast for the same detectors, origins and horizons."""
    (first, reference), *others = named.items()
    for name, other in others:
        for what in ("vd_ids", "targets", "units", "interval"):
            if getattr(other, what) != getattr(reference, what):
                values = {"a": str(getattr(reference, what)), "b": str(getattr(other, what))}
                raise InputError(say("language.unlike.facts", first=first, name=name, what=what, **values))
        same = other.observed.shape == reference.observed.shape and np.array_equal(
            other.origins, reference.origins
        )
        if not same or not np.array_equal(other.observed, reference.observed, equal_nan=True):
            raise InputError(say("language.unlike.windows", first=first, name=name))
