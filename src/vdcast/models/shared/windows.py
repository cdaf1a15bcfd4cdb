"""(lookback, horizon) windows of one part of the split, by index arithmetic on one tensor.

The tensor is the part's table itself, in memory or a memory map (``data.mapped``); only what a batch
takes of it is scaled and masked. A value is seen as its residual: what it is above the profile, which for
the training part has the step's own day left out.

Shapes: T time steps, V detectors, F features, K targets, L lookback, H horizon, W windows, N copies of a
network. A *group* is what a copy takes at once: all V detectors (G = 1) or one (G = V), whose C = V/G * F
inputs and Q = V/G * K outputs are channels. A *sample* is a window of a group, and has a number:
window * G + group. B samples are a batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vdcast.data import calendar, profile
from vdcast.data.detectors import Detectors
from vdcast.data.mapped import Mapped
from vdcast.models.shared.neighbours import Neighbours
from vdcast.models.shared.task import Task
from vdcast.params.modes import Sharing

# Copies times samples that are assembled at once, and go through a network without gradients. On a CPU its
# activations should stay in the cache: 10 copies of the default xLSTM took 1.5 s over 476 windows in batches of 64,
# and 4.2 s in one batch.
AT_ONCE = {"cpu": 640, "cuda": 2**16}
LARGEST = 2**24  # numbers that are assembled at once: hundreds of MB, however many channels there are


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What a forecaster sees, and what it should have said (scaled units)."""

    x: Tensor  # (N, B, L, 2C) residuals, 0 where missing; then 1 where valid, 0 where missing
    recent: Tensor  # (N, B, L, C) residuals; where missing, the last valid one before, 0 without one
    usual: Tensor  # (N, B, L + H, C) the profile
    base: Tensor  # (N, B, H, Q) the profile of the targets
    calendar: Tensor  # (N, B, L + H, E) with what else is known ahead
    y: Tensor  # (N, B, H, Q) 0 where missing
    valid: Tensor  # (N, B, H, Q) bool
    group: Tensor  # (N, B) by number

    def observed(self, steps: int) -> Tensor:
        """(N, B) bool: whether anything was seen in the last ``steps`` of the lookback."""
        return self.x[:, :, -steps:, self.recent.shape[-1] :].any(dim=-1).any(dim=-1)


class Sizes(NamedTuple):
    """What a copy takes and gives: so many of each, and whose states join that of a detector."""

    detectors: int  # of a group, V / G
    features: int  # F of each
    targets: int  # K of each
    calendar: int  # E
    length: int  # L
    horizon: int  # H
    groups: int = 1  # that the copy sees
    embedded: bool = False  # whether it learns an embedding of each
    neighbours: Neighbours | None = None

    @property
    def together(self) -> int:
        """Samples that stay in one batch: where detectors hear of each other, all of a window."""
        return self.groups if self.neighbours else 1

    @property
    def inputs(self) -> int:
        """C"""
        return self.detectors * self.features

    @property
    def outputs(self) -> int:
        """Q"""
        return self.detectors * self.targets


class Windows:
    """Every window of one part: W of them, each L steps of lookback and H of forecast."""

    def __init__(
        self,
        task: Task,
        part: Detectors,
        *,
        own_day_out: np.ndarray | None = None,
        device: str | torch.device = "cpu",
    ):
        """Of ``part``, which has the task's detectors, features and interval, among others.

        Where mean, std and profile of ``task`` come from ``part``, ``own_day_out`` stands for the profile, of the
        shape of ``part.values``.
        """
        if own_day_out is not None:
            own_day_out = task.chosen(replace(part, values=own_day_out)).values
        part = task.chosen(part)
        T, V, F = part.values.shape
        G = task.groups
        tensor = lambda array: torch.from_numpy(np.ascontiguousarray(array)).to(device)  # noqa: E731
        slot = profile.slots_of(part)
        usual, row = (task.profile, slot) if own_day_out is None else (own_day_out, np.arange(T))
        # views: a group's detectors lie side by side
        tables = {"values": part.values.reshape(T, G, -1), "usual": usual.reshape(len(usual), G, -1)}
        on_cpu = torch.device(device).type == "cpu"
        self.mapped = {name: each for name, each in tables.items() if isinstance(each, Mapped) and on_cpu}
        self.values, self.usual = (torch.from_numpy(each).to(device) for each in tables.values())  # (., G, C)
        self.row = tensor(row)  # (T,) of ``usual`` by step
        # (G, C)
        self.mean, self.std = (
            tensor(np.asarray(each, "f8").reshape(G, -1)) for each in (task.mean, task.std)
        )
        goals = np.arange(V * F).reshape(V, F)[: V // G, task.target_columns]
        self.goals = tensor(goals.flatten())  # (Q,) channels
        planned = part.covariates.features(part.timestamps)
        of_time = calendar.features(part.timestamps, part.time_zone)
        self.calendar = tensor(np.concatenate([of_time, planned], axis=1))
        weather, said = weather_of(part, task.length, task.horizon)
        self.weather, self.said = tensor(weather), tensor(said)
        self.sizes = Sizes(
            detectors=V // G,
            features=F,
            targets=len(task.targets),
            calendar=self.calendar.shape[1] + self.weather.shape[1],
            length=task.length,
            horizon=task.horizon,
            groups=len(task.copies[0]),
            embedded=task.sharing is Sharing.SHARED,
            neighbours=task.neighbours,
        )
        self.both = torch.arange(task.length + task.horizon, device=device)

    def __getstate__(self) -> dict:
        """For another process: a map by its place in the file, not by what it holds."""
        return vars(self) | dict.fromkeys(self.mapped)

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        vars(self).update({name: torch.from_numpy(each) for name, each in self.mapped.items()})

    def __len__(self) -> int:
        """W, the number of windows."""
        return self.values.shape[0] - len(self.both) + 1

    def samples(self, groups: Tensor, start: Tensor) -> Tensor:
        """(N, B) by number, window after window: those that begin at ``start`` of the ``groups`` (N, n) of each copy."""
        return (start[:, None] * self.values.shape[1] + groups[:, None]).flatten(1)

    def batch(self, sample: Tensor) -> Batch:
        """The samples (N, B), by number."""
        L, G = self.sizes.length, self.values.shape[1]
        start, group = sample // G, sample % G
        steps = start[..., None] + self.both  # (N, B, L + H)
        values = self.values[steps, group[..., None]]  # (N, B, L + H, C)
        usual = self.usual[self.row[steps], group[..., None]]
        mean, std = (each[group][:, :, None] for each in (self.mean, self.std))
        seen = torch.isfinite(values)
        residual = torch.where(seen, torch.sub(values, usual).div(std).float(), 0.0)
        usual = torch.sub(usual, mean).div_(std).float()
        past, was_seen = residual[:, :, :L], seen[:, :, :L]
        # as int32: as many int64 take twice as long
        latest = (was_seen * self.both[:L, None].int()).cummax(dim=2).values.long()
        ahead = (each[:, :, L:] for each in (residual, seen, usual))
        after, valid, base = (each.index_select(-1, self.goals) for each in ahead)  # (N, B, H, Q)
        return Batch(
            x=torch.cat([past, was_seen], dim=-1),
            recent=past.gather(2, latest),  # where nothing was seen yet, step 0, which holds 0
            usual=usual,
            base=base,
            calendar=self._known(steps, start),
            y=torch.where(valid, after + base, 0.0),
            valid=valid,
            group=group,
        )

    def _known(self, steps: Tensor, start: Tensor) -> Tensor:
        """(N, B, L + H, E) what a window that begins at ``start`` knows of its ``steps``."""
        calendar = self.calendar[steps]
        if not self.weather.shape[1]:
            return calendar
        return torch.cat([calendar, self.weather[self.said[start].long()]], dim=-1)

    def batches(self, samples: Sequence[Tensor]) -> Iterator[Batch]:
        """``batch`` of each, (N, B); several are assembled at once, which costs little more than one."""
        size = self._at_once(samples[0].numel())
        for first in range(0, len(samples), size):
            some = samples[first : first + size]
            whole = vars(self.batch(torch.cat(list(some), dim=1)))
            widths = [sample.shape[1] for sample in some]
            parts = {name: tensor.split(widths, dim=1) for name, tensor in whole.items()}
            for i in range(len(some)):
                yield Batch(**{name: part[i] for name, part in parts.items()})

    def _at_once(self, unit: int) -> int:
        """How many times ``unit`` samples are assembled at once."""
        of_each = len(self.both) * self.values.shape[2]
        return max(1, min(AT_ONCE[self.values.device.type], LARGEST // of_each) // unit)

    def in_order(self, groups: Tensor, part: slice = slice(None)) -> Iterator[Batch]:
        """Every window, or ``part`` of them, of the ``groups`` (N, n) of each copy, first to last, in large batches."""
        size = self._at_once(groups.numel())
        for start in torch.arange(len(self), device=groups.device)[part].split(size):
            yield self.batch(self.samples(groups, start))


def weather_of(part: Detectors, length: int, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """What is said of the weather (rows, columns), and of each window (W, L + H) which row it knows of each step.

    It knows what was issued by the end of its lookback; where that is nothing, the last row.
    """
    windows = len(part.timestamps) - length - horizon + 1
    if part.covariates.weather is None:
        return np.empty((0, 0), np.float32), np.empty((windows, 0), np.int32)
    now = part.timestamps[length - 1 : length - 1 + windows] + part.interval
    said = np.empty((windows, length + horizon), np.int32)
    for step in range(length + horizon):
        said[:, step] = part.covariates.weather.rows(part.timestamps[step : step + windows], now)
    return part.covariates.weather.scaled, said


def by_seed(y: Tensor, seeds: int, groups: int, detectors: int) -> Tensor:
    """What N copies of so many ``groups`` each say of their samples, (N, W * groups, H, Q, P) -> (P, S, W, H, V, K)."""
    by_group = y.unflatten(1, (-1, groups)).movedim(2, 1)  # (N, groups, W, H, Q, P)
    return ungrouped(by_group.movedim(-1, 0).flatten(1, 2).unflatten(1, (seeds, -1)), detectors)


def ungrouped(y: Tensor, detectors: int) -> Tensor:
    """(..., G, W, H, Q) of the groups back to (..., W, H, V, K)."""
    *lead, G, W, H, Q = y.shape
    y = y.reshape(*lead, G, W, H, detectors // G, Q * G // detectors)
    return y.movedim(-5, -3).reshape(*lead, W, H, detectors, Q * G // detectors)
