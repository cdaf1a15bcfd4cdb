"""What one run sees of the prepared data: which series, in which scale, how far back and ahead.

Made once, from what ``prepare`` left and the settings; training, the trained model and its evaluation use the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from vdcast.data.covariates import Covariates
from vdcast.data.detectors import Detectors, Prepared
from vdcast.errors import InputError
from vdcast.layout import PARAMS
from vdcast.models.shared.neighbours import Neighbours, neighbours_of
from vdcast.params.modes import Sharing, sharing_of
from vdcast.params.times import minutes

if TYPE_CHECKING:
    from vdcast.params.sections import Params, Window


@dataclass(frozen=True, kw_only=True)
class Task:
    """V detectors by F features in, K of these features ahead: L steps of lookback, H of horizon."""

    vd_ids: tuple[str, ...]
    features: tuple[str, ...]
    targets: tuple[str, ...]
    units: tuple[str, ...]  # of the targets
    feature_units: tuple[str, ...]  # (F,)
    mean: np.ndarray  # (V, F) of the training part
    std: np.ndarray  # (V, F)
    profile: np.ndarray  # (7Z, V, F) float32 of the training part
    length: int  # L
    horizon: int  # H
    sharing: Sharing
    interval: int  # seconds
    time_zone: str
    neighbours: Neighbours | None = None  # of which a forecast hears
    covariates: Covariates = field(default_factory=Covariates)  # ahead, beside the calendar
    untrained: tuple[str, ...] = ()  # those of ``vd_ids`` that the weights have not seen

    @classmethod
    def of(cls, prepared: Prepared, settings: Params, mode: str) -> Task:
        """What runs of ``mode`` see of ``prepared``. Raises InputError where it asks for neighbours and finds none."""
        indices = settings.modes.vd_indices(mode)
        task = cls.of_vds(prepared, indices, settings.window, sharing_of(mode))
        if not (nearby := settings.modes.neighbourhood(mode)):
            return task
        some_part = next(iter(prepared.parts.values()))
        return replace(task, neighbours=neighbours_of(task.chosen(some_part), nearby))

    @classmethod
    def of_vds(cls, prepared: Prepared, indices: Sequence[int], window: Window, sharing: Sharing) -> Task:
        """What is to be seen of the detectors of these ``indices``, and of no neighbour."""
        some_part = next(iter(prepared.parts.values()))
        features = some_part.features
        return cls(
            vd_ids=tuple(some_part.vd_ids[v] for v in indices),
            features=features,
            targets=prepared.targets,
            units=tuple(some_part.units[features.index(target)] for target in prepared.targets),
            feature_units=some_part.units,
            mean=prepared.mean[indices],
            std=prepared.std[indices],
            profile=prepared.profile[:, indices],
            length=window.sequence_length,
            horizon=window.prediction_length,
            sharing=sharing,
            interval=some_part.interval,
            time_zone=some_part.time_zone,
            covariates=some_part.covariates,
        )

    @property
    def copies(self) -> list[list[int]]:
        """The copies of a network that one seed needs, each as the groups that it sees."""
        return self.sharing.copies(len(self.vd_ids))

    @property
    def groups(self) -> int:
        """G, the number of groups: of all detectors, or of one each."""
        return sum(map(len, self.copies))

    @property
    def target_mean(self) -> np.ndarray:
        """(V, K)"""
        return self.mean[:, self.target_columns]

    @property
    def target_std(self) -> np.ndarray:
        """(V, K)"""
        return self.std[:, self.target_columns]

    @property
    def target_columns(self) -> list[int]:
        """(K,) where the targets stand among the features."""
        return [self.features.index(target) for target in self.targets]

    def chosen(self, part: Detectors) -> Detectors:
        """The task's detectors and features of ``part``, in the task's order, and what the task knows ahead."""
        return replace(part.select(self.vd_ids, self.features), covariates=self.covariates)

    def check_fits(self, table: Detectors, run: str) -> None:
        """Raises InputError where ``table`` is of another interval, time zone, feature or unit than ``run`` was trained on."""
        trained = f"run {run} was trained on"
        for what, wanted, found in (
            ("an interval of", minutes(self.interval), minutes(table.interval)),
            ("the time zone", self.time_zone, table.time_zone),
        ):
            if wanted != found:
                raise InputError(f"{trained} {what} {wanted}; {table.source} has {found}")
        for feature, unit in zip(self.features, self.feature_units, strict=True):
            if feature not in table.features:
                raise InputError(
                    f"{trained} {feature!r}, which {table.source} lacks; it has: {', '.join(table.features)}"
                )
            if (found := table.units[table.features.index(feature)]) != unit:
                raise InputError(
                    f"{trained} {feature} in {unit!r}, which {table.source} has in {found!r}; set `data` in {PARAMS} right"
                )
