"""The training loop: copies of a forecaster, each as if it were trained alone.

A copy is a (seed, group) pair. Its initial weights, order of windows and dropout depend on its seed
alone, its data on its group alone; loss, gradient clipping and early stopping are per copy. A copy
that has stopped leaves its stack, so it costs nothing while the others go on.
"""

import math
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from vdcast import params
from vdcast.errors import InputError
from vdcast.models import stacked
from vdcast.models.forecaster import Forecaster, build_seeded
from vdcast.windows import Batch, Windows

# On a CPU a stack wins while its weights and activations stay in the cache: of 30 copies of the default
# xLSTM, stacks of 10 took 15 s an epoch each and one stack of 30 took 66 s. Stacks of 5 cost as much a copy
# as stacks of 10 (of 2: a fifth more, of 1: 1.6 times), and there are twice as many to keep cores busy with.
STACK_ON_CPU = 5
MOMENTS = ("exp_avg", "exp_avg_sq")  # what AdamW remembers of each weight
FIGURES = ("train_loss", "validation_loss", "validation_mae", "gradient_norm")


@dataclass(frozen=True)
class Copies:
    """N copies by their seeds and groups, (N,) each."""

    seeds: list[int]
    groups: list[int]

    def stacks(self, largest: int) -> list["Copies"]:
        """Pieces of one seed and at most ``largest`` copies. They do not depend on the machine, as a stack's
        size shows in how its sums round."""
        pieces = []
        for seed in dict.fromkeys(self.seeds):
            groups = [g for s, g in zip(self.seeds, self.groups, strict=True) if s == seed]
            pieces += [
                Copies([seed] * len(groups[i : i + largest]), groups[i : i + largest])
                for i in range(0, len(groups), largest)
            ]
        return pieces


@dataclass(frozen=True)
class Fitted:
    """N trained copies, and how they came about."""

    weights: dict[str, Tensor]  # (N, ...) each copy as of its best validation epoch
    figures: Tensor  # (E, N, 4) FIGURES after each epoch; a stopped copy keeps its last ones
    training: list[int]  # (E,) copies that were still training
    learning_rate: list[float]  # (E,)
    seconds: list[float]  # (E,) of computing, summed over processes
    best_epoch: list[int]
    best_loss: list[float]

    def history(self) -> list[dict[str, float]]:
        """A row per epoch: FIGURES as means over copies, learning rate, seconds, copies in training."""
        return [
            dict(zip(FIGURES, means.tolist(), strict=True))
            | {"epoch": e + 1, "learning_rate": rate, "seconds": seconds, "training": training}
            for e, (means, rate, seconds, training) in enumerate(
                zip(self.figures.mean(dim=1), self.learning_rate, self.seconds, self.training, strict=True)
            )
        ]


def fit(run: params.Run, train: Windows, validation: Windows, scale: Tensor, device: str) -> Fitted:
    """Train one copy of ``run`` per seed and group, seed-major, until ``validation`` stops improving.

    ``scale`` (G, Q) turns scaled absolute errors of the headline target into its unit and is 0 for the
    other targets. A GPU takes all copies as one stack. A CPU takes them in stacks of one seed, several
    at once in processes of one thread: small matrices keep one core busy and let a second one wait.
    Raises InputError where a loss stops being finite.
    """
    seeds = [seed for seed in run.train.seeds for _ in range(train.groups)]
    copies = Copies(seeds, list(range(train.groups)) * len(run.train.seeds))
    stacks = [copies] if device == "cuda" else copies.stacks(STACK_ON_CPU)
    common = (run, train, validation, scale, device)
    if len(stacks) == 1:
        return fit_stack(*common, copies)
    workers = min(torch.get_num_threads(), len(stacks))  # threads: honours OMP_NUM_THREADS and affinity
    if workers == 1:
        return joined([fit_stack(*common, stack, bar=i) for i, stack in enumerate(stacks)])
    spawn = multiprocessing.get_context("spawn")  # a forked torch may deadlock
    with ProcessPoolExecutor(
        workers, mp_context=spawn, initializer=_worker, initargs=(spawn.RLock(),)
    ) as pool:
        running = [pool.submit(fit_stack, *common, stack, bar=i) for i, stack in enumerate(stacks)]
        return joined([each.result() for each in running])


def _worker(lock) -> None:
    torch.set_num_threads(1)
    deterministic()
    tqdm.set_lock(lock)


def deterministic() -> None:
    """Same input, same bits. The fill of new memory guards against reads that we do not make, and costs time."""
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False


def fit_stack(
    run: params.Run,
    train: Windows,
    validation: Windows,
    scale: Tensor,
    device: str,
    copies: Copies,
    bar: int = 0,
) -> Fitted:
    """Train ``copies`` as one stack, in this process; ``bar`` is its progress bar's line."""
    group = torch.tensor(copies.groups, device=device)
    N, W, B = len(copies.seeds), len(train), run.network.batch_size
    levels = torch.tensor(run.train.levels, device=device)
    model = build_seeded(
        run.network, seeds=copies.seeds, channels=train.channels, horizon=train.H, levels=len(levels)
    ).to(device)
    stacked.seed_dropout(model, copies.seeds, device)
    if run.train.precision == "bfloat16":
        model.forward = torch.autocast(device, torch.bfloat16)(model.forward)
    if getattr(run.network, "compile", False):
        model.encoder.compile()
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=run.network.learning_rate, weight_decay=run.network.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, warm_up_then_decay(math.ceil(W / B)))
    orders = {seed: torch.Generator().manual_seed(seed) for seed in dict.fromkeys(copies.seeds)}

    active = torch.arange(N, device=device)  # the copies still in the stack
    best = {name: value.clone() for name, value in model.state_dict().items()}
    best_loss, best_epoch = torch.full((N,), math.inf, device=device), torch.zeros(N, dtype=torch.long)
    latest = torch.full((N, len(FIGURES)), math.nan, device=device)
    figures, training, rates, seconds = [], [], [], []
    label = f"{run.name} seed {', '.join(map(str, orders))}"
    with tqdm(
        total=run.train.epochs, desc=label, unit="epoch", position=bar, leave=False, disable=None
    ) as progress:
        for epoch in range(1, run.train.epochs + 1):
            began = time.perf_counter()
            order = {seed: torch.randperm(W, generator=generator) for seed, generator in orders.items()}
            starts = torch.stack([order[copies.seeds[n]] for n in active.tolist()]).to(device)  # (N, W)
            loss, norm = run_epoch(
                model, optimiser, schedule, train, group[active], starts, B, run.train.gradient_clip, levels
            )
            checked, mae = validate(model, validation, group[active], scale, levels)
            latest[active] = torch.stack([loss, checked, mae, norm], dim=1)
            if not (finite := torch.isfinite(latest[active]).all(dim=1)).all():
                seed = copies.seeds[active[~finite][0]]
                raise InputError(
                    f"run {run.name}: the loss of seed {seed} is no longer finite in epoch {epoch}; lower "
                    f"{run.model}.learning_rate ({run.network.learning_rate:g}) or train.gradient_clip"
                )

            improved = checked < best_loss[active]
            best_loss[active[improved]] = checked[improved]
            best_epoch[active[improved].cpu()] = epoch
            for name, value in model.state_dict().items():
                best[name][active[improved]] = value[improved]
            figures.append(latest.clone())
            training.append(len(active))
            rates.append(schedule.get_last_lr()[0])
            seconds.append(time.perf_counter() - began)
            progress.set_postfix(
                loss=f"{latest[:, 1].mean():.4f}",
                best=f"{best_loss.mean():.4f}",
                mae=f"{latest[:, 2].mean():.3f}",
                training=len(active),
            )
            progress.update()

            waited = epoch - best_epoch[active.cpu()]
            keep = torch.nonzero(waited < run.train.patience).flatten().to(device)
            if len(keep) == 0:
                break
            if len(keep) < len(active):
                active = active[keep]
                drop_stopped(model, optimiser, keep.tolist())
    return Fitted(
        best, torch.stack(figures), training, rates, seconds, best_epoch.tolist(), best_loss.tolist()
    )


def joined(parts: Sequence[Fitted]) -> Fitted:
    """Stacks that trained apart, as one: a stack that stopped earlier keeps its last figures."""
    longest = max(parts, key=lambda part: len(part.figures))
    E = len(longest.figures)

    def padded(figures: Tensor) -> Tensor:
        return torch.cat([figures, figures[-1:].expand(E - len(figures), -1, -1)])

    def total(columns: list[list]) -> list:
        return [sum(column[e] for column in columns if e < len(column)) for e in range(E)]

    return Fitted(
        weights={name: torch.cat([part.weights[name] for part in parts]) for name in parts[0].weights},
        figures=torch.cat([padded(part.figures) for part in parts], dim=1),
        training=total([part.training for part in parts]),
        learning_rate=longest.learning_rate,
        seconds=total([part.seconds for part in parts]),
        best_epoch=[epoch for part in parts for epoch in part.best_epoch],
        best_loss=[loss for part in parts for loss in part.best_loss],
    )


def run_epoch(
    model: Forecaster,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    windows: Windows,
    group: Tensor,
    starts: Tensor,
    batch_size: int,
    clip: float,
    levels: Tensor,
) -> tuple[Tensor, Tensor]:
    """One pass over ``starts`` (N, W). Pooled loss and mean gradient norm of each copy, (N,) each."""
    model.train()
    error, count, norms = 0.0, 0, []
    for start in starts.split(batch_size, dim=1):
        batch = windows.batch(group, start)
        total, valid = masked_error(model(batch), batch, levels)  # (N,) each
        optimiser.zero_grad(set_to_none=True)
        (total / valid.clamp(min=1)).sum().backward()  # each copy's weights see only its own term
        norms.append(clip_gradients(list(model.parameters()), clip))
        optimiser.step()
        schedule.step()
        error, count = error + total.detach(), count + valid
    return error / count, torch.stack(norms).mean(dim=0)


@torch.no_grad()
def validate(
    model: Forecaster, windows: Windows, group: Tensor, scale: Tensor, levels: Tensor
) -> tuple[Tensor, Tensor]:
    """Loss in scaled units and the median's MAE of the headline target in its unit, pooled, (N,) each."""
    model.eval()
    loss, error, count = 0.0, 0.0, 0
    for batch in windows.in_order(group):
        forecast = model(batch)
        median = forecast[..., len(levels) // 2]
        loss = loss + (pinball(forecast, batch.y, levels) * batch.valid).sum(dim=(1, 2))  # (N, Q)
        error = error + ((median - batch.y).abs() * batch.valid).sum(dim=(1, 2))
        count = count + batch.valid.sum(dim=(1, 2))
    unit = scale[group]
    mae = (error * unit).sum(dim=1) / (count * (unit > 0)).sum(dim=1)
    return loss.sum(dim=1) / count.sum(dim=1), mae


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
    before = list(model.parameters())
    stacked.keep_copies(model, keep)
    after = list(model.parameters())
    optimiser.param_groups[0]["params"] = after
    for old, new in zip(before, after, strict=True):
        state = optimiser.state.pop(old)
        optimiser.state[new] = state | stacked.take({name: state[name] for name in MOMENTS}, keep)
