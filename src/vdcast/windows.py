"""(lookback, horizon) windows of one part of the split, by index arithmetic on tensors held in memory.

Shapes: T time steps, V detectors, F features, K targets, L lookback, H horizon, B windows of a batch,
N copies of a network. A *group* is a set of detectors that shares one set of weights: all V of them
(G = 1) or each alone (G = V). Its C = V/G * F inputs and Q = V/G * K outputs are channels.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vdcast import calendar, store

# Copies times windows of a batch without gradients. On a CPU its activations should stay in the cache: 10
# copies of the default xLSTM took 1.5 s over 476 windows in batches of 64, and 4.2 s in one batch.
AT_ONCE = {"cpu": 640, "cuda": 2**16}


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
        part: store.Detectors,
        mean: np.ndarray,
        std: np.ndarray,
        targets: tuple[str, ...],
        *,
        length: int,
        horizon: int,
        joint: bool,
        device: str | torch.device = "cpu",
    ):
        """``part`` with values (T, V, F); ``mean`` and ``std`` (V, F) of the training part."""
        self.L, self.H = length, horizon
        scaled = ((part.values - mean) / std).astype(np.float32)
        k = [part.features.index(target) for target in targets]
        values, goals = _grouped(scaled, joint), _grouped(scaled[:, :, k], joint)  # (G, T, C), (G, T, Q)
        seen = np.isfinite(values)
        tensor = lambda array: torch.from_numpy(np.ascontiguousarray(array)).to(device)  # noqa: E731
        self.inputs = tensor(np.concatenate([np.where(seen, values, 0), seen], axis=-1, dtype=np.float32))
        self.goals = tensor(np.nan_to_num(goals))
        self.valid = tensor(np.isfinite(goals))
        self.filled, self.filled_at = (tensor(array) for array in _carried_forward(goals))
        self.calendar = tensor(calendar.features(part.timestamps, part.time_zone))
        self.lookback = torch.arange(length, device=device)
        self.ahead = torch.arange(length, length + horizon, device=device)
        self.both = torch.arange(length + horizon, device=device)

    def __len__(self) -> int:
        """W, the number of windows."""
        return self.inputs.shape[1] - self.L - self.H + 1

    @property
    def groups(self) -> int:
        """G, the number of sets of weights that one seed needs."""
        return self.inputs.shape[0]

    @property
    def channels(self) -> tuple[int, int, int]:
        """2C inputs with their validity, E calendar features, Q outputs."""
        return self.inputs.shape[2], self.calendar.shape[1], self.goals.shape[2]

    def batch(self, group: Tensor, start: Tensor) -> Batch:
        """Windows that begin at ``start`` (N, B) of the groups ``group`` (N,)."""
        g = group[:, None, None]
        ahead = start[..., None] + self.ahead
        origin = start + self.L - 1
        last = self.filled[group[:, None], origin]
        known = self.filled_at[group[:, None], origin] >= start[..., None]
        return Batch(
            x=self.inputs[g, start[..., None] + self.lookback],
            calendar=self.calendar[start[..., None] + self.both],
            last=torch.where(known, last, 0.0),
            y=self.goals[g, ahead],
            valid=self.valid[g, ahead],
        )

    def in_order(self, group: Tensor) -> Iterator[Batch]:
        """Every window of the groups ``group`` (N,), first to last, in large batches."""
        size = max(1, AT_ONCE[group.device.type] // len(group))
        for start in torch.arange(len(self), device=group.device).split(size):
            yield self.batch(group, start.expand(len(group), -1))


def ungrouped(y: Tensor, detectors: int) -> Tensor:
    """(..., G, W, H, Q) of the groups back to (..., W, H, V, K)."""
    *lead, G, W, H, Q = y.shape
    y = y.reshape(*lead, G, W, H, detectors // G, Q * G // detectors)
    return y.movedim(-5, -3).reshape(*lead, W, H, detectors, Q * G // detectors)


def _grouped(values: np.ndarray, joint: bool) -> np.ndarray:
    """(T, V, F) as (1, T, V * F) where the detectors are one joint input, as (V, T, F) where each is alone."""
    T, V, F = values.shape
    return values.reshape(1, T, V * F) if joint else values.transpose(1, 0, 2)


def _carried_forward(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The latest valid value at or before each step of (G, T, Q), and its step (-1 before the first)."""
    G, T, Q = values.shape
    step = np.where(np.isfinite(values), np.arange(T)[None, :, None], -1)
    step = np.maximum.accumulate(step, axis=1)
    filled = np.take_along_axis(values, np.maximum(step, 0), axis=1)
    return np.nan_to_num(filled), step
