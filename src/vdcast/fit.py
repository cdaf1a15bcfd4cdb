"""The training loop: copies of a forecaster, each as if it were trained alone.

A copy is a (seed, group) pair. Its initial weights, order of windows and dropout depend on its seed
alone, its data on its group alone; loss, gradient clipping and early stopping are per copy. A copy
that has stopped leaves its stack, so it costs nothing while the others go on; so does one whose loss is
no longer finite.
"""

import contextlib
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

import torch
from torch import Tensor
from tqdm import tqdm

from vdcast import params, ranks
from vdcast.cost import clock, peak_memory_mb
from vdcast.errors import InputError
from vdcast.models import stacked
from vdcast.models.forecaster import Forecaster, build_seeded
from vdcast.scratch import Scratch
from vdcast.windows import Batch, Windows

# On a CPU a stack wins while its weights and activations stay in the cache: of 30 copies of the default
# xLSTM, stacks of 10 took 15 s an epoch each and one stack of 30 took 66 s. Stacks of 5 cost as much a copy
# as stacks of 10 (of 2: a fifth more, of 1: 1.6 times), and there are twice as many to keep cores busy with.
STACK_ON_CPU = 5
STACK_ON_GPU = 1024  # bounds its memory, and lets thousands of detectors be shared out; not measured
MOMENTS = ("exp_avg", "exp_avg_sq")  # what AdamW remembers of each weight
SECONDS_BETWEEN_LINES = 10.0
FIGURES = ("train_loss", "validation_loss", "validation_mae", "gradient_norm")


@dataclass(frozen=True)
class Copies:
    """N copies by their seeds and groups, (N,) each."""

    seeds: list[int]
    groups: list[int]

    def cut(self, largest: int) -> list["Copies"]:
        """Pieces of at most ``largest`` copies, in order and as even as can be, so that no core waits for the longest."""
        N = len(self.seeds)
        size = math.ceil(N / math.ceil(N / largest))
        cuts = [slice(i, i + size) for i in range(0, N, size)]
        return [Copies(self.seeds[cut], self.groups[cut]) for cut in cuts]


@dataclass(frozen=True)
class Fitted:
    """N trained copies, and how they came about."""

    weights: dict[str, Tensor]  # (N, ...) each copy as of its best validation epoch; NaN of one without any
    figures: Tensor  # (E, N, 4) FIGURES after each epoch; a stopped copy keeps its last finite ones
    training: list[int]  # (E,) copies that were still training
    learning_rate: list[float]  # (E,)
    seconds: list[float]  # (E,) of computing, summed over processes
    best_epoch: list[int]  # 0 without a finite one
    best_loss: list[float]
    diverged: list[int]  # the epoch in which a copy's loss was no longer finite, or 0
    peak_memory_mb: float  # of the process that trained them

    def history(self) -> list[dict[str, float]]:
        """A row per epoch: FIGURES as means over copies, learning rate, seconds, copies in training."""
        return [
            dict(zip(FIGURES, means.tolist(), strict=True))
            | {"epoch": e + 1, "learning_rate": rate, "seconds": seconds, "training": training}
            for e, (means, rate, seconds, training) in enumerate(
                zip(self.figures.mean(dim=1), self.learning_rate, self.seconds, self.training, strict=True)
            )
        ]


def fit(
    run: params.Run,
    train: Windows,
    validation: Windows,
    scale: Tensor,
    device: str,
    scratch: Scratch | None = None,
) -> Fitted:
    """Train one copy of ``run`` per seed and group, seed-major, until ``validation`` stops improving.

    ``scale`` (G, Q) turns scaled absolute errors of the headline target into its unit and is 0 for the
    other targets. With ``scratch``, goes on from what a training of the same key has left there.
    """
    parts = stacks_of(run, train.groups, device)
    return joined(fit_stacks(run, train, validation, scale, device, dict(enumerate(parts)), scratch))


def stacks_of(run: params.Run, groups: int, device: str) -> list[Copies]:
    """The copies of ``run``, seed-major, cut into the stacks that are trained apart.

    They do not depend on how many cores there are, as a stack's size shows in how its sums round. A GPU takes
    copies of all seeds in one stack. A CPU takes them in stacks of one seed: small matrices keep one core busy
    and let a second one wait.
    """
    if device == "cuda":
        seeds = [seed for seed in run.train.seeds for _ in range(groups)]
        return Copies(seeds, list(range(groups)) * len(run.train.seeds)).cut(STACK_ON_GPU)
    of_each_seed = (Copies([seed] * groups, list(range(groups))) for seed in run.train.seeds)
    return [stack for copies in of_each_seed for stack in copies.cut(STACK_ON_CPU)]


def fit_stacks(
    run: params.Run,
    train: Windows,
    validation: Windows,
    scale: Tensor,
    device: str,
    stacks: dict[int, Copies],
    scratch: Scratch | None = None,
) -> list[Fitted]:
    """Train ``stacks``, by their number in ``stacks_of``; on a CPU several at once, in processes of one thread."""
    common = (run, train, validation, scale, device)
    workers = min(torch.get_num_threads(), len(stacks))  # threads: honours OMP_NUM_THREADS and affinity
    if workers == 1 or device == "cuda" or ranks.world() > 1:  # ranks train each stack together
        with one_thread():
            return [fit_stack(*common, copies, i, scratch, ranks.rank()) for i, copies in stacks.items()]
    spawn = multiprocessing.get_context("spawn")  # a forked torch may deadlock
    lines = spawn.SimpleQueue()
    for line in range(workers):
        lines.put(line)
    start = (spawn.RLock(), lines, common, scratch)
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_worker, initargs=start) as pool:
        running = [pool.submit(_fit_in_worker, copies, i) for i, copies in stacks.items()]
        try:
            return [each.result() for each in running]
        except BrokenProcessPool:
            raise InputError(
                f"run {run.name}: a training process was killed, as happens when memory runs out; with a "
                f"smaller OMP_NUM_THREADS (now {workers}) fewer of them run at once; every stack goes on "
                "at its last epoch"
            ) from None
        except BaseException:
            for worker in multiprocessing.active_children():
                worker.kill()  # the pool would wait until they are through; their last epoch is kept
            raise


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Another number of threads would round otherwise."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _worker(lock, lines, common: tuple, scratch: Scratch | None) -> None:
    """Take what all stacks share, once; leave interrupts to the parent, and die with it."""
    _worker.common, _worker.scratch, _worker.line = common, scratch, lines.get()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    deterministic(common[-1])
    tqdm.set_lock(lock)


def _die_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def _fit_in_worker(copies: Copies, stack: int) -> Fitted:
    return fit_stack(*_worker.common, copies, stack, _worker.scratch, _worker.line)


def deterministic(device: str) -> None:
    """On a CPU, same input, same bits; on a GPU torch has no such cumsum, and refuses to compute.

    The fill of new memory guards against reads that we do not make, and costs time.
    """
    torch.use_deterministic_algorithms(device == "cpu")
    torch.backends.cudnn.allow_tf32 = False  # it would round in the LSTM alone: matrix products are float32
    torch.utils.deterministic.fill_uninitialized_memory = False


@dataclass
class Reached:
    """How far the training of N copies has come."""

    active: Tensor  # the copies still in the stack
    best: dict[str, Tensor]  # (N, ...) weights
    best_loss: Tensor  # (N,)
    best_epoch: Tensor  # (N,)
    diverged: Tensor  # (N,) as in Fitted
    latest: Tensor  # (N, 4) FIGURES
    figures: list[Tensor] = field(default_factory=list)  # (E,) of (N, 4)
    training: list[int] = field(default_factory=list)  # (E,), as in Fitted
    rates: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

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


class Progress:
    """A stack's bar on a terminal; in a log file a line now and then."""

    def __init__(self, label: str, epochs: range, line: int):
        self.label, self.last = label, epochs.stop - 1
        self.bar = tqdm(
            total=self.last,
            initial=epochs.start - 1,
            desc=label,
            unit="epoch",
            position=line,
            leave=False,
            disable=None,
        )
        self.said = -math.inf

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_) -> None:
        self.bar.close()

    def show(self, reached: Reached) -> None:
        figures = dict(
            loss=f"{reached.latest[:, 1].mean():.4f}",
            best=f"{reached.best_loss.mean():.4f}",
            mae=f"{reached.latest[:, 2].mean():.3f}",
            training=len(reached.active),
        )
        if not self.bar.disable:
            self.bar.set_postfix(figures)
            self.bar.update()
        elif time.perf_counter() - self.said > SECONDS_BETWEEN_LINES:
            self.said = time.perf_counter()
            rest = ", ".join(f"{name} {value}" for name, value in figures.items())
            epoch = f"epoch {len(reached.seconds)} of {self.last}"
            print(f"{self.label}: {epoch}, {rest}", file=sys.stderr, flush=True)


def fit_stack(
    run: params.Run,
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
    levels = torch.tensor(run.train.levels, device=device)
    model = build_seeded(
        run.network, seeds=copies.seeds, channels=train.channels, horizon=train.H, levels=len(levels)
    ).to(device)
    stacked.seed_dropout(model, copies.seeds, device)
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
        stacked.set_dropout_state(model, state["dropout"])
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
                    "dropout": stacked.dropout_state(model),
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
        diverged=[epoch for part in parts for epoch in part.diverged],
        peak_memory_mb=max(part.peak_memory_mb for part in parts),
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
    parameters = list(model.parameters())
    whole = starts.split(batch_size, dim=1)
    mine = [start[:, ranks.part(start.shape[1])] for start in whole]
    for start, batch in zip(whole, windows.batches(group, mine), strict=True):
        if ranks.world() > 1:
            stacked.drop_as_in(model, start.shape[1], ranks.part(start.shape[1]))
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
    gradients = [p.grad for p in parameters]
    norms = [torch.linalg.vector_norm(gradient.flatten(1), dim=1) for gradient in gradients]
    norm = torch.linalg.vector_norm(torch.stack(norms), dim=0)
    factor = (limit / (norm + 1e-6)).clamp(max=1.0)
    torch._foreach_mul_(gradients, [factor.view(-1, *[1] * (each.dim() - 1)) for each in gradients])
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
