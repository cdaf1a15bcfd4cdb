"""The training loop: copies of a forecaster, each as if it were trained alone.

A copy is a seed and the groups that it sees. Its initial weights, order of samples and dropout depend on its
seed alone, its data on its groups alone; loss, gradient clipping and early stopping are per copy. A copy
that has stopped leaves its stack, so it costs nothing while the others go on; so does one whose loss is
no longer finite.
"""

import torch
from torch import Tensor

from vdcast.models.shared.dropout import drop_as_in
from vdcast.models.shared.forecaster import Forecaster
from vdcast.models.shared.windows import Batch, Windows
from vdcast.params.sections import Run
from vdcast.train import ranks
from vdcast.train.copies import Copies
from vdcast.train.data import TrainingData
from vdcast.train.fitted import Fitted
from vdcast.train.loss import clip_gradients, masked_error, pinball
from vdcast.train.meter import clock
from vdcast.train.progress import Progress
from vdcast.train.scratch import Scratch
from vdcast.train.stack import Stack, draws_of_batch


def fit_stack(
    run: Run,
    data: TrainingData,
    copies: Copies,
    number: int = 0,
    scratch: Scratch | None = None,
    line: int = 0,
) -> Fitted:
    """Train ``copies`` as one stack, in this process; ``line`` is that of its progress bar.

    The state of stack ``number`` is kept in ``scratch`` after every epoch, so that killed and started again it ends
    with the weights that it would have had, bit for bit.
    """
    fitted = ranks.from_first(lambda: scratch.fitted(number) if scratch else None)
    if fitted:
        return Fitted(**fitted)
    state = ranks.from_first(lambda: scratch.state(number) if scratch else None)
    stack = Stack.build(run, data, copies, state)
    reached = stack.reached

    epochs = range(reached.epochs + 1, run.train.epochs + 1)
    label = f"{run.name} seed {', '.join(map(str, stack.orders))}, stack {number}"
    with Progress(label, epochs, line) as progress:
        for epoch in epochs:
            train_epoch(stack)
            progress.show(reached)
            if not stack.drop_stopped():
                break
            if scratch and epoch < run.train.epochs:
                scratch.keep_state(number, stack.kept())

    result = stack.fitted()
    if scratch:
        scratch.keep_fitted(number, vars(result))
    return result


def train_epoch(stack: Stack) -> None:
    """One more epoch of the copies that are still in training, and what ``stack.reached`` notes of it."""
    data, reached = stack.data, stack.reached
    began = clock(data.device)
    loss, norm = run_epoch(stack, stack.next_samples())
    checked, mae = validate(stack.model, data.validation, stack.groups, data.scale, stack.levels)
    reached.take(torch.stack([loss, checked, mae, norm], dim=1), stack.model.state_dict())
    reached.rates.append(float(stack.schedule.get_last_lr()[0]))
    reached.seconds.append(clock(data.device) - began)


def run_epoch(stack: Stack, samples: Tensor) -> tuple[Tensor, Tensor]:
    """One pass over ``samples`` (N, draws, together). Pooled loss and mean gradient norm of each copy, (N,) each."""
    model, optimiser, levels = stack.model, stack.optimiser, stack.levels
    model.train()
    error = torch.zeros(len(samples), device=samples.device)
    count = torch.zeros_like(error, dtype=torch.int64)
    norms: list[Tensor] = []
    parameters = list(model.parameters())
    whole = samples.split(draws_of_batch(stack.run, stack.data.train.sizes), dim=1)
    mine = [drawn[:, ranks.part(drawn.shape[1])].flatten(1) for drawn in whole]
    for drawn, batch in zip(whole, stack.data.train.batches(mine), strict=True):
        draws = drawn.shape[1]
        if ranks.world() > 1:
            place = torch.arange(drawn[0].numel(), device=drawn.device).view(drawn[0].shape)
            drop_as_in(model, place.numel(), place[ranks.part(draws)].flatten())
        batch = counted_once(batch, draws)
        total, valid = masked_error(model(batch), batch, levels)  # (N,) each
        ranks.summed(valid)
        optimiser.zero_grad(set_to_none=True)
        (total / valid.clamp(min=1)).sum().backward()  # each copy's weights see only its own term
        ranks.summed(*(p.grad for p in parameters if p.grad is not None))
        norms.append(clip_gradients(parameters, stack.run.train.gradient_clip))
        optimiser.step()
        stack.schedule.step()
        error, count = error + total.detach(), count + valid
    ranks.summed(error)
    return error / count, torch.stack(norms).mean(dim=0)


@torch.no_grad()
def validate(
    model: Forecaster, windows: Windows, groups: Tensor, scale: Tensor, levels: Tensor
) -> tuple[Tensor, Tensor]:
    """Loss in scaled units and the median's MAE of the headline target in its unit, pooled, (N,) each."""
    model.eval()
    loss, error = torch.zeros(2, device=groups.device)
    observed, counted = torch.zeros(2, dtype=torch.int64, device=groups.device)
    for batch in windows.in_order(groups, ranks.part(len(windows))):
        batch = counted_once(batch, len(windows))
        forecast = model(batch)
        median = forecast[..., len(levels) // 2]
        unit = scale[batch.group][:, :, None]  # (N, B, 1, Q)
        loss = loss + (pinball(forecast, batch.y, levels) * batch.valid).sum(dim=(1, 2))  # (N, Q)
        error = error + ((median - batch.y).abs() * batch.valid * unit).sum(dim=(1, 2))
        observed = observed + batch.valid.sum(dim=(1, 2))
        counted = counted + (batch.valid & (unit > 0)).sum(dim=(1, 2))
    ranks.summed(loss, error)
    ranks.summed(observed, counted)
    return loss.sum(dim=1) / observed.sum(dim=1), error.sum(dim=1) / counted.sum(dim=1)


def counted_once(batch: Batch, size: int) -> Batch:
    """A rank that is left without one of ``size`` draws or windows computes with that of another rank, and counts nothing of it."""
    if ranks.rank() >= size:
        batch.valid.zero_()
    return batch
