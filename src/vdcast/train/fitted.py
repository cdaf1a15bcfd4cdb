"""Trained copies, and how they came about."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

FIGURES = ("train_loss", "validation_loss", "validation_mae", "gradient_norm")


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """N trained copies, and how they came about."""

    weights: dict[str, Tensor]  # (N, ...) each copy as of its best validation epoch; NaN of one without any
    figures: Tensor  # (epochs, N, 4) FIGURES after each epoch; a stopped copy keeps its last finite ones
    training: list[int]  # (epochs,) copies that were still training
    learning_rate: list[float]  # (epochs,)
    seconds: list[float]  # (epochs,) of computing, summed over processes
    best_epoch: list[int]  # 0 without a finite one
    best_loss: list[float]
    diverged: list[int]  # the epoch in which a copy's loss was no longer finite, or 0
    peak_memory_mb: float  # of the process that trained them

    def history(self) -> list[dict[str, float]]:
        """A row per epoch: FIGURES as means over copies, learning rate, seconds, copies in training."""
        return [
            dict(zip(FIGURES, means.tolist(), strict=True))
            | {"epoch": epoch, "learning_rate": rate, "seconds": seconds, "training": training}
            for epoch, (means, rate, seconds, training) in enumerate(
                zip(self.figures.mean(dim=1), self.learning_rate, self.seconds, self.training, strict=True),
                start=1,
            )
        ]


def joined(parts: Sequence[Fitted]) -> Fitted:
    """Stacks that trained apart, as one: a stack that stopped earlier keeps its last figures."""
    longest = max(parts, key=lambda part: len(part.figures))
    epochs = len(longest.figures)

    def padded(figures: Tensor) -> Tensor:
        return torch.cat([figures, figures[-1:].expand(epochs - len(figures), -1, -1)])

    def total(columns: list[list]) -> list:
        return [sum(column[epoch] for column in columns if epoch < len(column)) for epoch in range(epochs)]

    return Fitted(
        weights={name: torch.cat([part.weights[name] for part in parts]) for name in parts[0].weights},
        figures=torch.cat([padded(part.figures) for part in parts], dim=1),
        training=total([part.training for part in parts]),
        learning_rate=longest.learning_rate,
        seconds=total([part.seconds for part in parts]),
        best_epoch=[epoch for part in parts for epoch in part.best_epoch],
        best_loss=[loss for part in parts for loss in part.best_loss],
        diverged=[epoch for part in parts for epoch in part.diverged],
        peak_memory_mb=max(part.peak_memory_mb for part in parts),
    )
