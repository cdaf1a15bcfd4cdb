"""(lookback, horizon) windows of one part of the split, by index arithmetic on one tensor.

The tensor is the part's table itself, in memory or a memory map (``data.mapped``); only what a batch
takes of it is scaled and masked.

Shapes: T time steps, V detectors, F features, K targets, L lookback, H horizon, B windows of a batch,
N copies of a network. A *group* is a set of detectors that shares one set of weights: all V of them
(G = 1) or each alone (G = V). Its C = V/G * F inputs and Q = V/G * K outputs are channels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vdcast.data import calendar
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

    x: Tensor  # (N, B, L, 2C) scaled values, 0 where missing; then 1 where valid, 0 where missing
    calendar: Tensor  # (N, B, L + H, E)
    last: Tensor  # (N, B, Q) last valid value of each target in the lookback, 0 (the mean) without one
    y: Tensor  # (N, B, H, Q) 0 where missing
    valid: Tensor  # (N, B, H, Q) bool


class Windows:
    """Every window of one part: ``starts`` 0 .. W - 1, each L steps of lookback and H of forecast."""

    def __init__(
        self,
        part: Detectors,
        *,
        mean: np.ndarray,
        std: np.ndarray,
        targets: Sequence[str],
        length: int,
        horizon: int,
        joint: bool,
        device: str | torch.device = "cpu",
    ):
        """``part`` with values (T, V, F); ``mean`` and ``std`` (V, F) of the training part."""
        self.L, self.H = length, horizon
        T, V, F = part.values.shape
        G = 1 if joint else V
        k = [part.features.index(target) for target in targets]
        tensor = lambda array: torch.from_numpy(np.ascontiguousarray(array)).to(device)  # noqa: E731
        table = part.values.reshape(T, G, -1)  # a view: a group's detectors lie side by side
        self.mapped = table if isinstance(table, Mapped) and torch.device(device).type == "cpu" else None
        self.values = torch.from_numpy(table).to(device)  # (T, G, C)
        self.mean, self.std = (
            tensor(np.asarray(each, "f8").reshape(G, -1)) for each in (mean, std)
        )  # (G, C)
        self.goals = tensor(np.arange(V * F).reshape(V, F)[: V // G, k].flatten())  # (Q,) channels
        self.calendar = tensor(calendar.features(part.timestamps, part.time_zone))
        self.both = torch.arange(length + horizon, device=device)

    def __getstate__(self) -> dict:
        """For another process: a map by its place in the file, not by what it holds."""
        return vars(self) | ({} if self.mapped is None else {"values": None})

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        if self.mapped is not None:
            self.values = torch.from_numpy(self.mapped)

    def __len__(self) -> int:
        """W, the number of windows."""
        return self.values.shape[0] - self.L - self.H + 1

    @property
    def groups(self) -> int:
        """G, the number of sets of weights that one seed needs."""
        return self.values.shape[1]

    @property
    def channels(self) -> tuple[int, int, int]:
        """2C inputs with their validity, E calendar features, Q outputs."""
        return 2 * self.values.shape[2], self.calendar.shape[1], len(self.goals)

    def batch(self, group: Tensor, start: Tensor) -> Batch:
        """Windows that begin at ``start`` (N, B) of the groups ``group`` (N,)."""
        steps = start[..., None] + self.both  # (N, B, L + H)
        values = self.values[steps, group[:, None, None]]  # (N, B, L + H, C)
        mean, std = (each[group][:, None, None] for each in (self.mean, self.std))
        scaled = torch.sub(values, mean).div_(std).float()
        seen = torch.isfinite(values)
        scaled = torch.where(seen, scaled, 0.0)
        goals, valid = (each.index_select(-1, self.goals) for each in (scaled, seen))  # (N, B, L + H, Q)
        # as int32: the maximum of as many int64 took a third of the whole
        latest = (valid[:, :, : self.L] * self.both[: self.L, None].int()).amax(dim=2, keepdim=True).long()
        return Batch(
            x=torch.cat([scaled[:, :, : self.L], seen[:, :, : self.L]], dim=-1),
            calendar=self.calendar[steps],
            last=goals.gather(2, latest).squeeze(2),  # where nothing was seen, step 0, which holds 0
            y=goals[:, :, self.L :],
            valid=valid[:, :, self.L :],
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
