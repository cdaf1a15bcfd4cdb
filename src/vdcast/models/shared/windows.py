"""(lookback, horizon) windows of one part of the split, by index arithmetic on one tensor.

The tensor is the part's table itself, in memory or a memory map (``data.mapped``); only what a batch
takes of it is scaled and masked. A value is seen as its residual: what it is above the profile, which for
the training part has the step's own day left out.

Shapes: T time steps, V detectors, F features, K targets, L lookback, H horizon, B windows of a batch,
N copies of a network. A *group* is a set of detectors that shares one set of weights: all V of them
(G = 1) or each alone (G = V). Its C = V/G * F inputs and Q = V/G * K outputs are channels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vdcast.data import calendar, profile
from vdcast.data.detectors import Detectors
from vdcast.data.mapped import Mapped

# Copies times windows that are assembled at once, and go through a network without gradients. On a CPU its
# activations should stay in the cache: 10 copies of the default xLSTM took 1.5 s over 476 windows in batches of 64,
# and 4.2 s in one batch.
AT_ONCE = {"cpu": 640, "cuda": 2**16}
LARGEST = 2**24  # numbers that are assembled at once: hundreds of MB, however many channels there are


@dataclass(frozen=True)
class Batch:
    """What a forecaster sees, and what it should have said (scaled units)."""

    x: Tensor  # (N, B, L, 2C) residuals, 0 where missing; then 1 where valid, 0 where missing
    recent: Tensor  # (N, B, L, C) residuals; where missing, the last valid one before, 0 without one
    usual: Tensor  # (N, B, L + H, C) the profile
    base: Tensor  # (N, B, H, Q) the profile of the targets
    calendar: Tensor  # (N, B, L + H, E)
    y: Tensor  # (N, B, H, Q) 0 where missing
    valid: Tensor  # (N, B, H, Q) bool


class Channels(NamedTuple):
    """What a group has at each step, as numbers of inputs and outputs."""

    detectors: int  # V / G
    features: int  # F of each
    targets: int  # K of each
    calendar: int  # E

    @property
    def inputs(self) -> int:
        """C"""
        return self.detectors * self.features

    @property
    def outputs(self) -> int:
        """Q"""
        return self.detectors * self.targets


class Windows:
    """Every window of one part: ``starts`` 0 .. W - 1, each L steps of lookback and H of forecast."""

    def __init__(
        self,
        part: Detectors,
        *,
        mean: np.ndarray,
        std: np.ndarray,
        usual: np.ndarray,
        own_day_out: np.ndarray | None = None,
        targets: Sequence[str],
        length: int,
        horizon: int,
        joint: bool,
        device: str | torch.device = "cpu",
    ):
        """``part`` with values (T, V, F); ``mean`` and ``std`` (V, F) and profile ``usual`` (7Z, V, F) of training.

        Where ``part`` is what these come from, ``own_day_out`` (T, V, F) stands for the profile.
        """
        self.L, self.H = length, horizon
        T, V, F = part.values.shape
        G = 1 if joint else V
        k = [part.features.index(target) for target in targets]
        tensor = lambda array: torch.from_numpy(np.ascontiguousarray(array)).to(device)  # noqa: E731
        slot = profile.slots(part.timestamps, part.time_zone, part.interval)
        usual, row = (usual, slot) if own_day_out is None else (own_day_out, np.arange(T))
        # views: a group's detectors lie side by side
        tables = {"values": part.values.reshape(T, G, -1), "usual": usual.reshape(len(usual), G, -1)}
        on_cpu = torch.device(device).type == "cpu"
        self.mapped = {name: each for name, each in tables.items() if isinstance(each, Mapped) and on_cpu}
        self.values, self.usual = (torch.from_numpy(each).to(device) for each in tables.values())  # (., G, C)
        self.row = tensor(row)  # (T,) of ``usual`` by step
        self.mean, self.std = (
            tensor(np.asarray(each, "f8").reshape(G, -1)) for each in (mean, std)
        )  # (G, C)
        self.goals = tensor(np.arange(V * F).reshape(V, F)[: V // G, k].flatten())  # (Q,) channels
        self.calendar = tensor(calendar.features(part.timestamps, part.time_zone))
        self.channels = Channels(V // G, F, len(k), self.calendar.shape[1])
        self.both = torch.arange(length + horizon, device=device)

    def __getstate__(self) -> dict:
        """For another process: a map by its place in the file, not by what it holds."""
        return vars(self) | dict.fromkeys(self.mapped)

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        vars(self).update({name: torch.from_numpy(each) for name, each in self.mapped.items()})

    def __len__(self) -> int:
        """W, the number of windows."""
        return self.values.shape[0] - self.L - self.H + 1

    @property
    def groups(self) -> int:
        """G, the number of sets of weights that one seed needs."""
        return self.values.shape[1]

    def batch(self, group: Tensor, start: Tensor) -> Batch:
        """Windows that begin at ``start`` (N, B) of the groups ``group`` (N,)."""
        steps = start[..., None] + self.both  # (N, B, L + H)
        values = self.values[steps, group[:, None, None]]  # (N, B, L + H, C)
        usual = self.usual[self.row[steps], group[:, None, None]]
        mean, std = (each[group][:, None, None] for each in (self.mean, self.std))
        seen = torch.isfinite(values)
        residual = torch.where(seen, torch.sub(values, usual).div(std).float(), 0.0)
        usual = torch.sub(usual, mean).div_(std).float()
        past, was_seen = residual[:, :, : self.L], seen[:, :, : self.L]
        # as int32: as many int64 take twice as long
        latest = (was_seen * self.both[: self.L, None].int()).cummax(dim=2).values.long()
        after, valid, base = (
            each[:, :, self.L :].index_select(-1, self.goals) for each in (residual, seen, usual)
        )  # (N, B, H, Q)
        return Batch(
            x=torch.cat([past, was_seen], dim=-1),
            recent=past.gather(2, latest),  # where nothing was seen yet, step 0, which holds 0
            usual=usual,
            base=base,
            calendar=self.calendar[steps],
            y=torch.where(valid, after + base, 0.0),
            valid=valid,
        )

    def batches(self, group: Tensor, starts: Sequence[Tensor]) -> Iterator[Batch]:
        """``batch`` of each of ``starts``, (N, B) each; several are assembled at once, which costs little more than one."""
        size = self._at_once(starts[0].numel())
        for first in range(0, len(starts), size):
            some = starts[first : first + size]
            whole = vars(self.batch(group, torch.cat(list(some), dim=1))).values()
            yield from map(Batch, *(each.split([start.shape[1] for start in some], dim=1) for each in whole))

    def _at_once(self, unit: int) -> int:
        """How many times ``unit`` windows are assembled at once."""
        of_each = (self.L + self.H) * self.values.shape[2]
        return max(1, min(AT_ONCE[self.values.device.type], LARGEST // of_each) // unit)

    def in_order(self, group: Tensor, part: slice = slice(None)) -> Iterator[Batch]:
        """Every window of the groups ``group`` (N,), or ``part`` of them, first to last, in large batches."""
        size = self._at_once(len(group))
        for start in torch.arange(len(self), device=group.device)[part].split(size):
            yield self.batch(group, start.expand(len(group), -1))


def ungrouped(y: Tensor, detectors: int) -> Tensor:
    """(..., G, W, H, Q) of the groups back to (..., W, H, V, K)."""
    *lead, G, W, H, Q = y.shape
    y = y.reshape(*lead, G, W, H, detectors // G, Q * G // detectors)
    return y.movedim(-5, -3).reshape(*lead, W, H, detectors, Q * G // detectors)
