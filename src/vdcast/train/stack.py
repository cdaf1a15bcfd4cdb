"""A stack of copies in training: built, or as it was when its state was kept; copies that have stopped leave it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vdcast.forecasts.quantiles import levels_of
from vdcast.models.shared import stacked
from vdcast.models.shared.dropout import dropout_state, seed_dropout, set_dropout_state
from vdcast.models.shared.forecaster import Forecaster, build_seeded
from vdcast.models.shared.windows import Sizes, Windows
from vdcast.params.sections import Run
from vdcast.train import ranks
from vdcast.train.copies import Copies
from vdcast.train.data import TrainingData
from vdcast.train.fitted import Fitted
from vdcast.train.loss import warm_up_then_cosine
from vdcast.train.meter import peak_memory_mb
from vdcast.train.optimiser import OF_EACH, optimiser_of
from vdcast.train.reached import Reached

MOMENTS = ("exp_avg", "exp_avg_sq")  # what AdamW remembers of each weight


@dataclass(kw_only=True)
class Stack:
    """N copies of a forecaster, of which ``reached.active`` are still in training, and what trains them."""

    run: Run
    data: TrainingData
    copies: Copies
    model: Forecaster
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    orders: dict[int, torch.Generator]  # by seed: the order of the samples
    reached: Reached

    @classmethod
    def build(cls, run: Run, data: TrainingData, copies: Copies, state: dict | None = None) -> Stack:
        """With freshly drawn weights, or, with the ``state`` that ``kept`` gave, as it was then."""
        network, device, sizes = run.network, data.device, data.train.sizes
        levels = len(levels_of(run.train.quantiles))
        model = build_seeded(network, sizes, seeds=copies.seeds, levels=levels).to(device)
        if not state:
            start_linear(model, data.train, copies.groups)
        dropouts = [each.dropout for each in copies.rates] if copies.rates else None
        seed_dropout(model, copies.seeds, device, dropouts)
        if state:
            stacked.keep_copies(model, state["reached"]["active"].tolist())
        if run.train.precision == "bfloat16":
            model.forward = torch.autocast(device, torch.bfloat16)(model.forward)  # type: ignore[method-assign]  # of this one
        if network.compile:
            full = min(draws_of_batch(run, sizes), draws_of_epoch(data.train))
            samples = len(range(full)[ranks.part(full)]) * sizes.together
            model.encoder.compile_for(len(copies.seeds), samples)  # type: ignore[operator]  # it has one, as it compiles
        optimiser = optimiser_of(model, network, copies.rates)
        steps = math.ceil(draws_of_epoch(data.train) / draws_of_batch(run, sizes))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, warm_up_then_cosine(steps, run.train.epochs))
        orders = {seed: torch.Generator().manual_seed(seed) for seed in dict.fromkeys(copies.seeds)}
        reached = Reached.nothing(model, len(copies.seeds), device)
        stack = cls(
            run=run,
            data=data,
            copies=copies,
            model=model,
            optimiser=optimiser,
            schedule=schedule,
            orders=orders,
            reached=reached,
        )
        if state:
            stack._resume(state)
        return stack

    def _resume(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        set_dropout_state(self.model, state["dropout"])
        for seed, generator in self.orders.items():
            generator.set_state(state["orders"][seed])
        self.reached = Reached.of(state["reached"], self.data.device)

    def kept(self) -> dict:
        """All that the rest of the training depends on, in plain tensors and numbers."""
        return {
            "reached": vars(self.reached),
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "dropout": dropout_state(self.model),
            "orders": {seed: generator.get_state() for seed, generator in self.orders.items()},
        }

    @property
    def levels(self) -> Tensor:
        """(P,)"""
        return torch.tensor(levels_of(self.run.train.quantiles), device=self.data.device)

    @property
    def groups(self) -> Tensor:
        """(N, n) the groups that each copy that is still in training sees."""
        return torch.tensor(self.copies.groups, device=self.data.device)[self.reached.active]

    def next_samples(self) -> Tensor:
        """(N, draws, together) all samples that each active copy sees, in its order of the next epoch."""
        train = self.data.train
        samples = train.samples(self.groups, torch.arange(len(train), device=self.data.device))
        samples = samples.unflatten(1, (-1, train.sizes.together))
        draws = samples.shape[1]
        order = {seed: torch.randperm(draws, generator=generator) for seed, generator in self.orders.items()}
        seeds = [self.copies.seeds[n] for n in self.reached.active.tolist()]
        orders = torch.stack([order[seed] for seed in seeds]).to(self.data.device)
        return samples.gather(1, orders[..., None].expand_as(samples))

    def drop_stopped(self) -> bool:
        """Let copies go that have waited long enough for a better epoch, or diverged; whether any is left."""
        return self.go_on_with(self.reached.going(self.run.train.patience))

    def go_on_with(self, places: Tensor) -> bool:
        """Let all copies go but those at these places of the active ones; whether any is left."""
        active = self.reached.active
        if 0 < len(places) < len(active):
            self.reached.active = active[places]
            self._keep(places.tolist())
        return len(places) > 0

    def _keep(self, places: list[int]) -> None:
        """Only the copies at these places of the stack, also in the optimiser's memory of them."""
        before = list(self.model.parameters())
        stacked.keep_copies(self.model, places)
        after = list(self.model.parameters())
        group = self.optimiser.param_groups[0]
        group["params"] = after
        group |= stacked.take({name: group[name] for name in OF_EACH if name in group}, places)
        for old, new in zip(before, after, strict=True):
            state = self.optimiser.state.pop(old)
            moments = stacked.take({name: state[name] for name in MOMENTS}, places)
            self.optimiser.state[new] = state | moments

    def fitted(self) -> Fitted:
        """What has come of it; what was never trained must not pass for a forecast."""
        reached = self.reached
        for value in reached.best.values():
            value[reached.best_epoch.to(self.data.device) == 0] = math.nan
        return Fitted(
            weights=reached.best,
            figures=torch.stack(reached.figures),
            training=reached.training,
            learning_rate=reached.rates,
            seconds=reached.seconds,
            best_epoch=reached.best_epoch.tolist(),
            best_loss=reached.best_loss.tolist(),
            diverged=reached.diverged.tolist(),
            peak_memory_mb=peak_memory_mb(self.data.device),
        )


def draws_of_epoch(windows: Windows) -> int:
    """How many times a copy draws what stays together: a sample, or all samples of a window."""
    return len(windows) * windows.sizes.groups // windows.sizes.together


def draws_of_batch(run: Run, sizes: Sizes) -> int:
    return max(1, run.network.batch_size // sizes.together)


def start_linear(model: Forecaster, windows: Windows, groups: list[list[int]]) -> None:
    """Each copy's autoregression starts from the least squares solution over all windows of its groups.

    The first rank solves for all of them. Copies of the same groups share it, as it does not depend on the seed.
    """
    distinct = sorted(set(map(tuple, groups)))
    seen = torch.tensor(distinct, device=windows.values.device)
    solved = ranks.from_first(
        lambda: [each.cpu() for each in model.autoregression.least_squares(windows.in_order(seen))]
    )
    place = {some: place for place, some in enumerate(distinct)}
    places = [place[tuple(some)] for some in groups]
    model.autoregression.start(*(each[places] for each in solved))
