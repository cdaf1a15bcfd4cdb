"""What a run is fitted to: the windows of the training and validation parts, where it computes."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from vdcast.data.detectors import Prepared
from vdcast.models.shared.task import Task
from vdcast.models.shared.windows import Windows


@dataclass(frozen=True)
class TrainingData:
    """Windows by part, the scale in which errors are told, and which copies a seed has."""

    train: Windows
    validation: Windows
    scale: Tensor  # (G, Q), as ``Task.headline_scale``
    copies: list[list[int]]  # as ``Task.copies``
    device: str

    @classmethod
    def of(cls, task: Task, prepared: Prepared, device: str) -> TrainingData:
        train = Windows(task, prepared.parts["train"], own_day_out=prepared.own_day_out, device=device)
        validation = Windows(task, prepared.parts["validation"], device=device)
        return cls(train, validation, task.headline_scale.to(device), task.copies, device)


@dataclass(frozen=True)
class Inputs:
    """Of one fold, what ``prepare`` left but for the test part, and what of it the run sees."""

    prepared: Prepared
    task: Task
    data: TrainingData
