"""The training loop: N copies of a forecaster, each as if it were trained alone.

A copy is a (seed, group) pair. Its initial weights, order of windows and dropout depend on its seed
alone, its data on its group alone; loss, gradient clipping and early stopping are per copy. A copy
that has stopped leaves the stack, so it costs nothing while the others go on.
"""

import math
import time
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from vdcast import params
from vdcast.errors import InputError
from vdcast.models import stacked
from vdcast.models.forecaster import Forecaster, build_seeded
from vdcast.windows import Batch, Windows

MOMENTS = ("exp_avg", "exp_avg_sq")  # what AdamW remembers of each weight
VALIDATION_WINDOWS = 1024  # at once; without gradients large batches cost little memory


@dataclass(frozen=True)
class Fitted:
    """N trained copies (seed-major), and how they came about."""

    weights: dict[str, Tensor]  # (N, ...) each copy as of its best validation epoch
    seeds: list[int]
    history: list[dict[str, float]]  # a row per epoch, means over copies
    best_epoch: list[int]
    best_loss: list[float]


def fit(run: params.Run, train: Windows, validation: Windows, scale: Tensor, device: str) -> Fitted:
    """Train ``run`` on ``train`` until ``validation`` stops improving.

    ``scale`` (G, Q) turns scaled absolute errors of the headline target into its unit and is 0 for the
    other targets. Raises InputError where a loss stops being finite.
    """
    seeds = [seed for seed in run.train.seeds for _ in range(train.groups)]
    group = torch.arange(train.groups, device=device).repeat(len(run.train.seeds))
    N, W, B = len(seeds), len(train), run.network.batch_size
    model = build_seeded(run.network, seeds=seeds, channels=train.channels, horizon=train.H).to(device)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=run.network.learning_rate, weight_decay=run.network.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, warm_up_then_decay(math.ceil(W / B)))
    orders = {seed: torch.Generator().manual_seed(seed) for seed in run.train.seeds}

    active = torch.arange(N, device=device)  # the copies still in the stack
    best = {name: value.clone() for name, value in model.state_dict().items()}
    best_loss, best_epoch = torch.full((N,), math.inf, device=device), torch.zeros(N, dtype=torch.long)
    latest = torch.full((N, 4), math.nan, device=device)  # train loss, validation loss, MAE, gradient norm
    history = []
    progress = tqdm(range(1, run.train.epochs + 1), desc=run.name, unit="epoch", disable=None)
    for epoch in progress:
        began = time.perf_counter()
        order = {seed: torch.randperm(W, generator=generator) for seed, generator in orders.items()}
        starts = torch.stack([order[seeds[n]] for n in active.tolist()]).to(device)  # (N, W)
        train_loss, norm = run_epoch(
            model, optimiser, schedule, train, group[active], starts, B, run.train.gradient_clip
        )
        loss, mae = validate(model, validation, group[active], scale)
        latest[active] = torch.stack([train_loss, loss, mae, norm], dim=1)
        if not (finite := torch.isfinite(latest[active]).all(dim=1)).all():
            seed = seeds[active[~finite][0]]
            raise InputError(
                f"run {run.name}: the loss of seed {seed} is no longer finite in epoch {epoch}; lower "
                f"{run.model}.learning_rate ({run.network.learning_rate:g}) or train.gradient_clip"
            )

        improved = loss < best_loss[active]
        best_loss[active[improved]] = loss[improved]
        best_epoch[active[improved].cpu()] = epoch
        for name, value in model.state_dict().items():
            best[name][active[improved]] = value[improved]
        history.append(
            dict(
                zip(
                    ("train_loss", "validation_loss", "validation_mae", "gradient_norm"),
                    latest.mean(dim=0).tolist(),
                    strict=True,
                ),
                epoch=epoch,
                learning_rate=schedule.get_last_lr()[0],
                seconds=time.perf_counter() - began,
                training=len(active),
            )
        )
        progress.set_postfix(
            mae=f"{history[-1]['validation_mae']:.3f}", best=f"{best_loss.mean():.4f}", training=len(active)
        )

        waited = epoch - best_epoch[active.cpu()]
        keep = torch.nonzero(waited < run.train.patience).flatten().to(device)
        if len(keep) == 0:
            break
        if len(keep) < len(active):
            active = active[keep]
            drop_stopped(model, optimiser, keep.tolist())
    progress.close()
    return Fitted(best, seeds, history, best_epoch.tolist(), best_loss.tolist())


def run_epoch(
    model: Forecaster,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    windows: Windows,
    group: Tensor,
    starts: Tensor,
    batch_size: int,
    clip: float,
) -> tuple[Tensor, Tensor]:
    """One pass over ``starts`` (N, W). Mean loss and mean gradient norm of each copy, (N,) each."""
    model.train()
    losses, norms = [], []
    for start in starts.split(batch_size, dim=1):
        batch = windows.batch(group, start)
        loss = masked_loss(model(batch), batch)  # (N,)
        optimiser.zero_grad(set_to_none=True)
        loss.sum().backward()  # each copy's weights see only its own term
        norms.append(clip_gradients(list(model.parameters()), clip))
        optimiser.step()
        schedule.step()
        losses.append(loss.detach())
    return torch.stack(losses).mean(dim=0), torch.stack(norms).mean(dim=0)


@torch.no_grad()
def validate(model: Forecaster, windows: Windows, group: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Loss in scaled units and MAE of the headline target in its unit, pooled, (N,) each."""
    model.eval()
    error, count = 0.0, 0
    for start in torch.arange(len(windows), device=group.device).split(VALIDATION_WINDOWS):
        batch = windows.batch(group, start.expand(len(group), -1))
        error = error + ((model(batch) - batch.y).abs() * batch.valid).sum(dim=(1, 2))  # (N, Q)
        count = count + batch.valid.sum(dim=(1, 2))
    unit = scale[group]
    mae = (error * unit).sum(dim=1) / (count * (unit > 0)).sum(dim=1)
    return error.sum(dim=1) / count.sum(dim=1), mae


def masked_loss(forecast: Tensor, batch: Batch) -> Tensor:
    """Mean absolute error over the valid observations of each copy, (N, B, H, Q) -> (N,)."""
    error = (forecast - batch.y).abs() * batch.valid
    return error.sum(dim=(1, 2, 3)) / batch.valid.sum(dim=(1, 2, 3)).clamp(min=1)


def clip_gradients(parameters: list[Tensor], limit: float) -> Tensor:
    """Scale each copy's gradient to a norm of at most ``limit``; returns the norms before, (N,)."""
    norm = torch.stack([p.grad.flatten(1).square().sum(dim=1) for p in parameters]).sum(dim=0).sqrt()
    factor = (limit / (norm + 1e-6)).clamp(max=1.0)
    for p in parameters:
        p.grad.mul_(factor.view(-1, *[1] * (p.dim() - 1)))
    return norm


def warm_up_then_decay(steps_per_epoch: int, warm_up: float = 1.0, halve_every: float = 8.0):
    """Learning rate factor by step: linear over the first epoch, then halved every ``halve_every`` epochs."""

    def factor(step: int) -> float:
        epoch = (step + 1) / steps_per_epoch
        return min(epoch / warm_up, 0.5 ** (max(epoch - warm_up, 0) / halve_every))

    return factor


def drop_stopped(model: Forecaster, optimiser: torch.optim.Optimizer, keep: list[int]) -> None:
    """Keep only the copies ``keep`` in the stack, and in the optimiser's memory of them."""
    stacked.keep_copies(model, keep)
    for p in model.parameters():
        optimiser.state[p].update(stacked.take({name: optimiser.state[p][name] for name in MOMENTS}, keep))
