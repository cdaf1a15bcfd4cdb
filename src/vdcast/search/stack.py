"""Trials of one structure, trained as copies of one stack, each judged on the validation part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from optuna import Study, Trial
from optuna.trial import TrialState
from torch import Tensor

from vdcast.errors import InputError, first_line
from vdcast.forecasts.quantiles import levels_of
from vdcast.models.shared.forecaster import build
from vdcast.params.networks import Network
from vdcast.params.search import Search
from vdcast.params.sections import Run
from vdcast.search.budget import used
from vdcast.search.space import rates_of
from vdcast.train.copies import Copies
from vdcast.train.data import TrainingData
from vdcast.train.fitted import FIGURES
from vdcast.train.loop import train_epoch
from vdcast.train.meter import clock
from vdcast.train.stack import Stack
from vdcast.train.validation import naive_errors

LOSS = FIGURES.index("validation_loss")
OVER = "the CPU seconds were spent"


class Member(NamedTuple):
    """One training: a trial with a seed."""

    trial: Trial
    network: Network
    seed: int


@dataclass(kw_only=True)
class Trials:
    """``members`` of one structure in training; their networks differ in ``Rates`` alone."""

    study: Study
    members: list[Member]
    run: Run
    data: TrainingData
    search: Search

    @property
    def of_each(self) -> int:
        """Copies that a member needs."""
        return len(self.data.copies)

    def train(self) -> None:
        """Train all of them, and tell the study how each ended. What memory does not hold together is trained one by one."""
        try:
            self._train()
        except (MemoryError, RuntimeError) as error:
            if not _of_memory(error):
                raise
            reason = first_line(error)
            trials = list({member.trial.number: member.trial for member in self.members}.values())
            for trial in trials:
                if len(trials) == 1:
                    self._fail(trial, f"memory ran out: {reason}")
                else:
                    alone = [member for member in self.members if member.trial is trial]
                    replace(self, members=alone).train()

    def _train(self) -> None:
        members, data, device = self.members, self.data, self.data.device
        began = clock(device)
        run = self.run.model_copy(update={"network": members[0].network})
        each = [member for member in members for _ in data.copies]
        rates = [rates_of(member.network) for member in each]
        copies = Copies(seeds=[it.seed for it in each], groups=data.copies * len(members), rates=rates)
        stack = Stack.build(run, data, copies)
        pruned: dict[int, str] = {}
        for epoch in range(1, run.train.epochs + 1):
            train_epoch(stack)
            self._spend(stack, clock(device) - began)
            began = clock(device)
            pruned |= self._pruned(stack, epoch, pruned)
            if not stack.go_on_with(self._going(stack, pruned)):
                break
        errors = relative_errors(stack, data)
        self._spend(stack, clock(device) - began)
        self._tell(stack, errors, pruned)

    def _spend(self, stack: Stack, seconds: float) -> None:
        """Share what an epoch took among those that were trained in it."""
        active = stack.reached.active.tolist()
        for trial, own in self._copies().items():
            share = seconds * len(own & set(active)) / len(active)
            trial.set_user_attr("seconds", round(trial.user_attrs.get("seconds", 0.0) + share, 3))

    def _copies(self) -> dict[Trial, set[int]]:
        """The copies of each trial."""
        found: dict[Trial, set[int]] = {}
        for place, member in enumerate(self.members):
            first = place * self.of_each
            found.setdefault(member.trial, set()).update(range(first, first + self.of_each))
        return found

    def _pruned(self, stack: Stack, epoch: int, before: dict[int, str]) -> dict[int, str]:
        """Why trials, by number, end after this ``epoch``: they are behind others, or the budget is spent."""
        active = set(stack.reached.active.tolist())
        over = used(self.study.get_trials(deepcopy=False)).seconds >= self.search.seconds
        found = {}
        for trial, own in self._copies().items():
            if trial.number in before or not own & active or "seeds" in trial.user_attrs:
                continue
            loss = float(stack.reached.latest[sorted(own), LOSS].mean())
            trial.report(loss, epoch)
            if trial.should_prune():
                found[trial.number] = f"behind the median trial after epoch {epoch}"
            elif over and epoch < self.run.train.epochs:
                found[trial.number] = OVER
        return found

    def _going(self, stack: Stack, pruned: dict[int, str]) -> Tensor:
        """Places in the stack of the copies that go on."""
        reached = stack.reached
        ended = {n for trial, own in self._copies().items() if trial.number in pruned for n in own}
        going = reached.going(self.run.train.patience).tolist()
        left = [place for place in going if int(reached.active[place]) not in ended]
        return torch.tensor(left, dtype=torch.long, device=reached.active.device)

    def _tell(self, stack: Stack, errors: Tensor, pruned: dict[int, str]) -> None:
        reached = stack.reached
        for trial, own in self._copies().items():
            first = min(own) // self.of_each
            found = errors[first : first + len(own) // self.of_each].tolist()
            diverged = [int(reached.diverged[n]) for n in own if reached.diverged[n]]
            trial.set_user_attr("epochs", [int(reached.best_epoch[n]) for n in sorted(own)])
            if trial.number in pruned:
                trial.set_user_attr("reason", pruned[trial.number])
                self.study.tell(trial, state=TrialState.PRUNED)
            elif diverged:
                self._fail(trial, f"its loss was not finite in epoch {min(diverged)}")
            else:
                if "seeds" in trial.user_attrs:
                    trial.set_user_attr("seed_errors", found)
                self.study.tell(trial, found[0])

    def _fail(self, trial: Trial, reason: str) -> None:
        trial.set_user_attr("reason", reason)
        self.study.tell(trial, state=TrialState.FAIL)


def _of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "not enough memory" in str(error)


@torch.no_grad()
def relative_errors(stack: Stack, data: TrainingData) -> Tensor:
    """(members,) of the weights that each copy keeps, on the validation part: the MAE of the headline target at each VD
    over that of the better of profile and persistence there, mean over VDs. NaN where a copy has no weights.

    Raises InputError where no VD has an error that one could be better than.
    """
    N, of_each = len(stack.copies.seeds), len(data.copies)
    levels = len(levels_of(stack.run.train.quantiles))
    model = build(stack.run.network, data.train.sizes, copies=N, levels=levels).to(data.device).eval()
    model.load_state_dict(stack.fitted().weights)
    G, Q = data.scale.shape
    total = torch.zeros(N, G, Q, device=data.device)
    for batch in data.validation.in_order(torch.tensor(stack.copies.groups, device=data.device)):
        error = ((model(batch)[..., levels // 2] - batch.y).abs() * batch.valid).sum(dim=2)  # (N, B, Q)
        total.scatter_add_(1, batch.group[..., None].expand_as(error), error)
    naive, count = naive_errors(data)
    least = naive.amin(dim=0) / count  # (G, Q)
    judged = (data.scale > 0) & (count > 0) & (least > 0)
    if not judged.any():
        raise InputError(
            "no VD of the validation part has an observation that a forecast could be wrong about, so no trial could be "
            "better than another; look into reports/quality/quality.md"
        )
    own = total.unflatten(0, (-1, of_each)).sum(dim=1) / count  # each group is of one copy of a member
    return (own / least)[:, judged].mean(dim=1)
