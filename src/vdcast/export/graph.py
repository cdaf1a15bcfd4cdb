"""From raw values and the time of the week to forecasts in units, as one module that torch can export.

Shapes: B windows, L lookback, H horizon, V detectors, F features, K targets, S seeds, G groups of detectors, P levels.
"""

from copy import copy

import numpy as np
import torch
from torch import Tensor, nn

from vdcast.data import calendar, profile
from vdcast.data.covariates import HOLIDAY
from vdcast.data.detectors import Detectors
from vdcast.forecasts.quantiles import levels_of
from vdcast.models.shared.trained import Trained
from vdcast.models.shared.windows import by_seed

WEEK = 7 * calendar.DAY
MONDAY = 4 * calendar.DAY  # Unix seconds of one, 1970-01-05, in UTC


class Graph(nn.Module):
    """``values`` (B, L, V, F) float32, NaN where missing, and ``second_of_week`` (B, L + H) int64, local time from Monday.

    Of a run that takes them, ``planned`` (B, L + H, plans) bool too, and ``weather`` (B, L + H, kinds) float32 in its own
    units, NaN where nobody said. Gives the forecast (B, H, V, K), the mean of the seeds' medians, and, of a run with quantiles, all calibrated levels
    (B, H, V, K, P), each the mean of the seeds. Profile, calendar, scale and margins are constants of the graph.
    """

    calendar: Tensor  # (10080, E) of each minute of the week
    mean: Tensor  # (V, K)
    std: Tensor  # (V, K)
    margins: Tensor  # (S, H, V, K, P)

    def __init__(self, trained: Trained):
        super().__init__()
        task = trained.task
        self.windows = trained.windows(_nothing(trained))
        self.model = trained.model(self.windows)
        self.detectors, self.horizon = len(task.vd_ids), task.horizon
        self.seeds = len(trained.settings.train.seeds)
        self.interval = task.interval
        self.groups = torch.tensor(task.copies).repeat(self.seeds, 1)  # (N, n) that each copy sees
        self.levels = len(levels_of(trained.settings.train.quantiles))
        minutes = MONDAY + 60 * np.arange(WEEK // 60)
        self.register_buffer("calendar", torch.from_numpy(calendar.features(minutes, "UTC")))
        self.register_buffer("mean", torch.from_numpy(task.target_mean))
        self.register_buffer("std", torch.from_numpy(task.target_std))
        self.covariates = task.covariates
        none = torch.zeros(self.seeds, task.horizon, *task.target_std.shape, self.levels)
        self.register_buffer("margins", none if trained.margins is None else trained.margins)

    def forward(
        self,
        values: Tensor,
        second_of_week: Tensor,
        planned: Tensor | None = None,
        weather: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        row = profile.slot_at(second_of_week, self.interval)
        known = [self.calendar[second_of_week // 60]]
        if planned is not None:
            row = self._of_holidays(row, planned)
            known.append(self._inputs(planned))
        if weather is not None:
            known.append(self._scaled(weather))
        batch = self._batch(values, row, torch.cat(known, dim=-1))
        scaled = self.model(batch)  # (N, B * n, H, Q, P), of n groups a copy
        levels = by_seed(scaled, self.seeds, self.groups.shape[1], self.detectors)  # (P, S, B, H, V, K)
        raw = levels.movedim(0, -1)  # (S, B, H, V, K, P)
        raw = (raw * self.std[..., None] + self.mean[..., None]).float()
        median = raw[..., self.levels // 2].mean(dim=0)
        return (median,) if self.levels == 1 else (median, self._calibrated(raw).mean(dim=0))

    def _of_holidays(self, slot: Tensor, planned: Tensor) -> Tensor:
        """``profile.slots``: (B, L + H) of the profile's rows, where a holiday is a day of its own."""
        if HOLIDAY not in self.covariates.plans:
            return slot
        Z = profile.slots_a_day(self.interval)
        return torch.where(planned[..., list(self.covariates.plans).index(HOLIDAY)], 7 * Z + slot % Z, slot)

    def _inputs(self, planned: Tensor) -> Tensor:
        """``Covariates.features``: (B, L + H, inputs)."""
        names = list(self.covariates.plans)
        return planned[..., [names.index(name) for name in self.covariates.inputs]].float()

    def _scaled(self, weather: Tensor) -> Tensor:
        """``Weather.scaled``: (B, L + H, 2 * kinds)."""
        assert self.covariates.weather
        mean, std = (torch.from_numpy(getattr(self.covariates.weather, name)) for name in ("mean", "std"))
        said = torch.isfinite(weather)
        return torch.cat([torch.where(said, (weather - mean) / std, 0.0), said], dim=-1).float()

    def _batch(self, values: Tensor, row: Tensor, known: Tensor):
        """The windows laid end to end, as ``Windows`` reads them; all that is known ahead lies beside the calendar."""
        B, both = row.shape
        ahead = values.new_full((B, self.horizon, *values.shape[2:]), torch.nan)
        windows = copy(self.windows)
        windows.values = torch.cat([values, ahead], dim=1).reshape(B * both, *self.windows.values.shape[1:])
        windows.row, windows.calendar = row.flatten(), known.flatten(0, 1)
        windows.weather = known.new_empty(0, 0)
        return windows.batch(windows.samples(self.groups, torch.arange(B) * both))

    def _calibrated(self, raw: Tensor) -> Tensor:
        """``Quantiles.calibrated``: (S, B, H, V, K, P) with margins, whose levels do not cross."""
        levels = list((raw + self.margins[:, None]).unbind(-1))
        middle = len(levels) // 2
        for i in range(middle):
            levels[middle - i - 1] = torch.minimum(levels[middle - i - 1], levels[middle - i])
            levels[middle + i + 1] = torch.maximum(levels[middle + i + 1], levels[middle + i])
        return torch.stack(levels, dim=-1)


def _nothing(trained: Trained) -> Detectors:
    """A window in which nothing was observed."""
    task = trained.task
    steps = task.length + task.horizon
    return Detectors(
        values=np.full((steps, len(task.vd_ids), len(task.features)), np.nan, np.float32),
        timestamps=task.interval * np.arange(steps),
        vd_ids=task.vd_ids,
        features=task.features,
        units=task.feature_units,
        interval=task.interval,
        time_zone=task.time_zone,
        source="nothing",
    )
