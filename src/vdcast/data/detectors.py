"""A table of detectors in memory, and the parts that ``prepare`` makes of it; on disk, ``vdcast.data.store``."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vdcast.data.covariates import Covariates
from vdcast.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Detectors:
    """Series of V detectors with F features on T regular time steps. Raises InputError where they contradict each other."""

    values: np.ndarray  # (T, V, F) float32, NaN where there is no valid observation
    timestamps: np.ndarray  # (T,) Unix seconds, UTC, start of the interval
    vd_ids: tuple[str, ...]  # (V,)
    features: tuple[str, ...]  # (F,)
    units: tuple[str, ...]  # (F,)
    interval: int  # seconds
    time_zone: str  # IANA name
    source: str  # where they come from, for messages
    info: dict[str, np.ndarray] = field(default_factory=dict)  # (V,) each: lon, lat, road, direction, lanes
    covariates: Covariates = field(default_factory=Covariates)  # what is known ahead of these and later times

    def __post_init__(self):
        T, V, F = self.values.shape
        problems = [
            (self.values.dtype != np.float32, f"values are {self.values.dtype}, not float32"),
            (len(self.timestamps) != T, f"{len(self.timestamps)} timestamps for {T} rows"),
            (len(self.vd_ids) != V, f"{len(self.vd_ids)} vd_ids for {V} detectors"),
            (len(self.features) != F, f"{len(self.features)} features for {F} columns"),
            (len(self.units) != F, f"{len(self.units)} units for {F} features"),
            (len(set(self.vd_ids)) != V, "vd_ids are not unique"),
            (len(set(self.features)) != F, "features are not unique"),
            (self.interval <= 0, f"interval is {self.interval} s"),
            (
                np.any(np.diff(self.timestamps) != self.interval),
                f"timestamps are not {self.interval} s apart",
            ),
            (any(len(column) != V for column in self.info.values()), "an info column has another length"),
        ]
        for wrong, what in problems:
            if wrong:
                raise InputError(f"table of detectors from {self.source!r}: {what}")

    def select(self, vd_ids: Sequence[str], features: Sequence[str]) -> "Detectors":
        """Those detectors and features, in that order; a view where both are neighbours in the table."""
        place = {vd: v for v, vd in enumerate(self.vd_ids)}
        v = [place[vd] for vd in vd_ids]
        f = [self.features.index(feature) for feature in features]
        return replace(
            self,
            values=self.values[:, _neighbours(v)][:, :, _neighbours(f)],
            vd_ids=tuple(vd_ids),
            features=tuple(features),
            units=tuple(self.units[i] for i in f),
            info={key: column[v] for key, column in self.info.items()},
        )

    def rows(self, start: int, stop: int) -> "Detectors":
        """The time steps ``start:stop`` (views, no copy)."""
        return replace(self, values=self.values[start:stop], timestamps=self.timestamps[start:stop])


def _neighbours(indices: list[int]) -> slice | list[int]:
    """A slice, which copies nothing, where ``indices`` follow each other."""
    first = indices[0] if indices else 0
    stop = first + len(indices)
    return slice(first, stop) if indices == list(range(first, stop)) else indices


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What ``prepare`` leaves: parts of the split by name, what the training part shows of the series, the targets."""

    parts: dict[str, Detectors]
    mean: np.ndarray  # (V, F) of the training part
    std: np.ndarray  # (V, F), 1 where a series is constant
    profile: np.ndarray  # (7Z, V, F) float32 what is usual in each slot of the week, ``vdcast.data.profile``
    own_day_out: np.ndarray | None = (
        None  # (T, V, F) float32 the same of each training step, its own day left out
    )
    targets: tuple[str, ...]  # (K,) of the features
