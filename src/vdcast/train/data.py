"""What a run is fitted to: the windows of the training and validation parts, where it computes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vdcast.data import profile
from vdcast.data.covariates import Covariates
from vdcast.data.detectors import Prepared
from vdcast.models.shared.task import Task
from vdcast.models.shared.windows import Windows


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """Windows by part, the scale in which errors are told, and which copies a seed has."""

    train: Windows
    validation: Windows
    scale: Tensor  # (G, Q), as ``headline_scale``
    copies: list[list[int]]  # as ``Task.copies``
    device: str

    @classmethod
    def of(cls, task: Task, prepared: Prepared, device: str) -> TrainingData:
        train = Windows(task, prepared.parts["train"], own_day_out=prepared.own_day_out, device=device)
        validation = Windows(task, prepared.parts["validation"], device=device)
        return cls(
            train=train,
            validation=validation,
            scale=headline_scale(task).to(device),
            copies=task.copies,
            device=device,
        )


def uninformed(prepared: Prepared) -> Prepared:
    """What ``prepare`` would have left where ``calendar`` names nothing: no covariates, and no holidays in the profile."""
    parts = {name: replace(part, covariates=Covariates()) for name, part in prepared.parts.items()}
    train = parts["train"]
    return replace(prepared, parts=parts, profile=profile.of_part(train), own_day_out=profile.left_out(train))


def headline_scale(task: Task) -> Tensor:
    """(G, Q): what turns a scaled error of the first target into its unit; 0 for the other targets."""
    scale = torch.zeros(len(task.vd_ids), len(task.targets))  # (V, K)
    scale[:, 0] = torch.from_numpy(task.target_std[:, 0])
    return scale.view(task.groups, -1)


@dataclass(frozen=True)
class Inputs:
    """Of one fold, what ``prepare`` left but for the test part, and what of it the run sees."""

    prepared: Prepared
    task: Task
    data: TrainingData
