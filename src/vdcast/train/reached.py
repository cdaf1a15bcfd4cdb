"""How far the training of a stack has come: what its state on disk holds, beside weights and optimiser."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vdcast.models.shared.forecaster import Forecaster
from vdcast.train.fitted import FIGURES


@dataclass(kw_only=True)
class Reached:
    """How far the training of N copies has come."""

    active: Tensor  # the copies still in the stack
    best: dict[str, Tensor]  # (N, ...) weights
    best_loss: Tensor  # (N,)
    best_epoch: Tensor  # (N,)
    diverged: Tensor  # (N,) as in Fitted
    latest: Tensor  # (N, 4) FIGURES
    figures: list[Tensor] = field(default_factory=list)  # of each epoch (N, 4)
    training: list[int] = field(default_factory=list)  # of each epoch, as in Fitted, and so below
    rates: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        """So many are behind it."""
        return len(self.seconds)

    def take(self, figures: Tensor, weights: dict[str, Tensor]) -> None:
        """Note ``figures`` (n, 4) of an epoch of the n active copies, and keep the ``weights`` (n, ...) of their best."""
        active, epoch = self.active, self.epochs + 1
        finite = torch.isfinite(figures).all(dim=1)
        self.latest[active[finite]] = figures[finite]
        self.diverged[active[~finite].cpu()] = epoch

        loss = figures[:, FIGURES.index("validation_loss")]
        improved = finite & (loss < self.best_loss[active])
        self.best_loss[active[improved]] = loss[improved]
        self.best_epoch[active[improved].cpu()] = epoch
        for name, value in weights.items():
            self.best[name][active[improved]] = value[improved]
        self.figures.append(self.latest.clone())
        self.training.append(len(active))

    def going(self, patience: int) -> Tensor:
        """Places in ``active`` of the copies that are finite and had a better epoch less than ``patience`` ago."""
        active = self.active.cpu()
        waited = self.epochs - self.best_epoch[active]
        going = (waited < patience) & (self.diverged[active] == 0)
        return torch.nonzero(going).flatten().to(self.active.device)

    @classmethod
    def nothing(cls, model: Forecaster, copies: int, device: str) -> "Reached":
        return cls(
            active=torch.arange(copies, device=device),
            best={name: value.clone() for name, value in model.state_dict().items()},
            best_loss=torch.full((copies,), math.inf, device=device),
            best_epoch=torch.zeros(copies, dtype=torch.long),
            diverged=torch.zeros(copies, dtype=torch.long),
            latest=torch.full((copies, len(FIGURES)), math.nan, device=device),
        )

    @classmethod
    def of(cls, state: dict, device: str) -> "Reached":
        """From a state that was read back, whose tensors are on the CPU."""
        best = {name: value.to(device) for name, value in state["best"].items()}
        there = {name: state[name].to(device) for name in ("active", "best_loss", "latest")}
        figures = [each.to(device) for each in state["figures"]]
        return cls(**state | there | {"best": best, "figures": figures})
