"""What a run is fitted to: the windows of the training and validation parts, where it computes."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from vdcast.data.detectors import Prepared
from vdcast.models.shared.task import Task
from vdcast.models.shared.windows import Windows


@dataclass(frozen=True)
class TrainingData:
    """Windows by part, and the scale in which errors are told; the same for every copy."""

    train: Windows
    validation: Windows
    scale: Tensor  # (G, Q), as ``Task.headline_scale``
    device: str

    @classmethod
    def of(cls, task: Task, prepared: Prepared, device: str) -> TrainingData:
        train = task.windows(prepared.parts["train"], device, prepared.own_day_out)
        validation = task.windows(prepared.parts["validation"], device)
        return cls(train, validation, task.headline_scale.to(device), device)
