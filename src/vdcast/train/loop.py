"""The training loop: copies of a forecaster, each as if it were trained alone.

A copy is a (seed, group) pair. Its initial weights, order of windows and dropout depend on its seed
alone, its data on its group alone; loss, gradient clipping and early stopping are per copy. A copy
that has stopped leaves its stack, so it costs nothing while the others go on; so does one whose loss is
no longer finite.
"""

import math

import torch
from torch import Tensor

from vdcast.forecasts.quantiles import levels_of
from vdcast.models.shared import stacked
from vdcast.models.shared.dropout import drop_as_in, dropout_state, seed_dropout, set_dropout_state
from vdcast.models.shared.forecaster import Forecaster, build_seeded
from vdcast.models.shared.windows import Batch, Windows
from vdcast.params.sections import Run
from vdcast.train import ranks
from vdcast.train.copies import Copies
from vdcast.train.fitted import Fitted
from vdcast.train.loss import clip_gradients, masked_error, pinball, warm_up_then_decay
from vdcast.train.meter import clock, peak_memory_mb
from vdcast.train.progress import Progress
from vdcast.train.reached import Reached
from vdcast.train.scratch import Scratch

MOMENTS = ("exp_avg", "exp_avg_sq")  # what AdamW remembers of each weight


def fit_stack(
    run: Run,
    train: Windows,
    validation: Windows,
    scale: Tensor,
    device: str,
    copies: Copies,
    stack: int = 0,
    scratch: Scratch | None = None,
    line: int = 0,
) -> Fitted:
    """Train ``copies`` as one stack, in this process; ``line`` is that of its progress bar.

    The state of stack number ``stack`` is kept in ``scratch`` after every epoch, so that killed and started again
    it ends with the weights that it would have had, bit for bit.
    """
    fitted = ranks.from_first(lambda: scratch.fitted(stack) if scratch else None)
    if fitted:
        return Fitted(**fitted)
    state = ranks.from_first(lambda: scratch.state(stack) if scratch else None)

    group = torch.tensor(copies.groups, device=device)
    N, W, B = len(copies.seeds), len(train), run.network.batch_size
    levels = torch.tensor(levels_of(run.train.quantiles), device=device)
    model = build_seeded(
        run.network, seeds=copies.seeds, channels=train.channels, horizon=train.H, levels=len(levels)
    ).to(device)
    seed_dropout(model, copies.seeds, device)
    if state:
        stacked.keep_copies(model, state["reached"]["active"].tolist())
    if run.train.precision == "bfloat16":
        model.forward = torch.autocast(device, torch.bfloat16)(model.forward)
    if getattr(run.network, "compile", False):
        full = min(B, W)
        model.encoder.compile_for(N, len(range(full)[ranks.part(full)]))
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=run.network.learning_rate, weight_decay=run.network.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, warm_up_then_decay(math.ceil(W / B)))
    orders = {seed: torch.Generator().manual_seed(seed) for seed in dict.fromkeys(copies.seeds)}
    if state:
        for part, name in ((model, "model"), (optimiser, "optimiser"), (schedule, "schedule")):
            part.load_state_dict(state[name])
        set_dropout_state(model, state["dropout"])
        for seed, generator in orders.items():
            generator.set_state(state["orders"][seed])
        so_far = Reached.of(state["reached"], device)
    else:
        so_far = Reached.nothing(model, N, device)

    epochs = range(len(so_far.seconds) + 1, run.train.epochs + 1)
    label = f"{run.name} seed {', '.join(map(str, orders))}, stack {stack}"
    with Progress(label, epochs, line) as progress:
        for epoch in epochs:
            began = clock(device)
            active = so_far.active
            order = {seed: torch.randperm(W, generator=generator) for seed, generator in orders.items()}
            starts = torch.stack([order[copies.seeds[n]] for n in active.tolist()]).to(device)  # (N, W)
            loss, norm = run_epoch(
                model, optimiser, schedule, train, group[active], starts, B, run.train.gradient_clip, levels
            )
            checked, mae = validate(model, validation, group[active], scale, levels)
            figures = torch.stack([loss, checked, mae, norm], dim=1)
            finite = torch.isfinite(figures).all(dim=1)
            so_far.latest[active[finite]] = figures[finite]
            so_far.diverged[active[~finite].cpu()] = epoch

            improved = finite & (checked < so_far.best_loss[active])
            so_far.best_loss[active[improved]] = checked[improved]
            so_far.best_epoch[active[improved].cpu()] = epoch
            for name, value in model.state_dict().items():
                so_far.best[name][active[improved]] = value[improved]
            so_far.figures.append(so_far.latest.clone())
            so_far.training.append(len(active))
            so_far.rates.append(schedule.get_last_lr()[0])
            so_far.seconds.append(clock(device) - began)
            progress.show(so_far)

            waited = epoch - so_far.best_epoch[active.cpu()]
            keep = torch.nonzero((waited < run.train.patience) & finite.cpu()).flatten().to(device)
            if len(keep) == 0:
                break
            if len(keep) < len(active):
                so_far.active = active[keep]
                drop_stopped(model, optimiser, keep.tolist())
            if scratch and epoch < run.train.epochs:
                state = {
                    "reached": vars(so_far),
                    "model": model.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "schedule": schedule.state_dict(),
                    "dropout": dropout_state(model),
                    "orders": {seed: generator.get_state() for seed, generator in orders.items()},
                }
                scratch.keep_state(stack, state)
    for value in so_far.best.values():  # what was never trained must not pass for a forecast
        value[so_far.best_epoch.to(device) == 0] = math.nan
    fitted = Fitted(
        weights=so_far.best,
        figures=torch.stack(so_far.figures),
        training=so_far.training,
        learning_rate=so_far.rates,
        seconds=so_far.seconds,
        best_epoch=so_far.best_epoch.tolist(),
        best_loss=so_far.best_loss.tolist(),
        diverged=so_far.diverged.tolist(),
        peak_memory_mb=peak_memory_mb(device),
    )
    if scratch:
        scratch.keep_fitted(stack, vars(fitted))
    return fitted


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
    parameters = list(model.parameters())
    whole = starts.split(batch_size, dim=1)
    mine = [start[:, ranks.part(start.shape[1])] for start in whole]
    for start, batch in zip(whole, windows.batches(group, mine), strict=True):
        if ranks.world() > 1:
            drop_as_in(model, start.shape[1], ranks.part(start.shape[1]))
        batch = counted_once(batch, start.shape[1])
        total, valid = masked_error(model(batch), batch, levels)  # (N,) each
        ranks.summed(valid)
        optimiser.zero_grad(set_to_none=True)
        (total / valid.clamp(min=1)).sum().backward()  # each copy's weights see only its own term
        ranks.summed(*(p.grad for p in parameters))
        norms.append(clip_gradients(parameters, clip))
        optimiser.step()
        schedule.step()
        error, count = error + total.detach(), count + valid
    ranks.summed(error)
    return error / count, torch.stack(norms).mean(dim=0)


@torch.no_grad()
def validate(
    model: Forecaster, windows: Windows, group: Tensor, scale: Tensor, levels: Tensor
) -> tuple[Tensor, Tensor]:
    """Loss in scaled units and the median's MAE of the headline target in its unit, pooled, (N,) each."""
    model.eval()
    loss, error, count = 0.0, 0.0, 0
    for batch in windows.in_order(group, ranks.part(len(windows))):
        batch = counted_once(batch, len(windows))
        forecast = model(batch)
        median = forecast[..., len(levels) // 2]
        loss = loss + (pinball(forecast, batch.y, levels) * batch.valid).sum(dim=(1, 2))  # (N, Q)
        error = error + ((median - batch.y).abs() * batch.valid).sum(dim=(1, 2))
        count = count + batch.valid.sum(dim=(1, 2))
    ranks.summed(loss, error)
    ranks.summed(count)
    unit = scale[group]
    mae = (error * unit).sum(dim=1) / (count * (unit > 0)).sum(dim=1)
    return loss.sum(dim=1) / count.sum(dim=1), mae


def counted_once(batch: Batch, size: int) -> Batch:
    """A rank that is left without a window of ``size`` computes with one of another rank, and counts nothing of it."""
    if ranks.rank() >= size:
        batch.valid.zero_()
    return batch


def drop_stopped(model: Forecaster, optimiser: torch.optim.Optimizer, keep: list[int]) -> None:
    """Keep only the copies ``keep`` in the stack, and in the optimiser's memory of them."""
    before = list(model.parameters())
    stacked.keep_copies(model, keep)
    after = list(model.parameters())
    optimiser.param_groups[0]["params"] = after
    for old, new in zip(before, after, strict=True):
        state = optimiser.state.pop(old)
        optimiser.state[new] = state | stacked.take({name: state[name] for name in MOMENTS}, keep)
