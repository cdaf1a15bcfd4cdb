"""The loss of a copy, its gradient kept in bounds, and its learning rate."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from vdcast.models.shared.windows import Batch


def masked_error(forecast: Tensor, batch: Batch, levels: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of ``pinball`` over the valid observations of each copy, and their number: (N, B, H, Q, P) -> (N,)."""
    error = pinball(forecast, batch.y, levels) * batch.valid
    return error.sum(dim=(1, 2, 3)), batch.valid.sum(dim=(1, 2, 3))


def pinball(forecast: Tensor, y: Tensor, levels: Tensor) -> Tensor:
    """Twice the pinball loss (Koenker & Bassett 1978), mean over levels: (..., P), (...), (P,) -> (...).

    With e = y - forecast, a level p costs p * e where e > 0 and (p - 1) * e elsewhere; twice that is
    |e| + (2p - 1) * e, so the median alone (P = 1) costs its absolute error.
    """
    error = y[..., None] - forecast
    return (error.abs() + (2 * levels - 1) * error).mean(dim=-1)


def clip_gradients(parameters: Iterable[Tensor], limit: float) -> Tensor:
    """Scale each copy's gradient to a norm of at most ``limit``; returns the norms before, (N,)."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    norms = [torch.linalg.vector_norm(gradient.flatten(1), dim=1) for gradient in gradients]
    norm = torch.linalg.vector_norm(torch.stack(norms), dim=0)
    factor = (limit / (norm + 1e-6)).clamp(max=1.0)
    torch._foreach_mul_(gradients, [factor.view(-1, *[1] * (each.dim() - 1)) for each in gradients])
    return norm


def warm_up_then_cosine(steps_per_epoch: int, epochs: int, least: float = 0.01) -> Callable[[int], float]:
    """Learning rate factor by step: linear over the first epoch, then half a cosine down to ``least`` after the last."""

    def factor(step: int) -> float:
        epoch = (step + 1) / steps_per_epoch
        way = min(max(epoch - 1, 0) / max(epochs - 1, 1), 1)
        return min(epoch, least + (1 - least) * (1 + math.cos(math.pi * way)) / 2)

    return factor
