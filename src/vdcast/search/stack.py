"""Trials of one structure, trained as copies of one stack, each judged on the validation part."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from optuna import Study, Trial
from optuna.trial import TrialState

from vdcast.errors import first_line
from vdcast.params.networks import Network
from vdcast.params.search import Search
from vdcast.params.sections import Run
from vdcast.search.budget import used
from vdcast.search.space import rates_of
from vdcast.search.trainer import Ended, Epoch, Lost, Trains
from vdcast.train.copies import Copies

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
    groups: list[list[int]]  # of the copies that a member needs
    search: Search

    @property
    def of_each(self) -> int:
        """Copies that a member needs."""
        return len(self.groups)

    def train(self, trainer: Trains) -> None:
        """Train all of them, and tell the study how each ended. What memory does not hold together is trained one by one."""
        trials = list({member.trial.number: member.trial for member in self.members}.values())
        try:
            self._train(trainer)
        except Lost:
            for trial in trials:
                trial.set_user_attr("worker", None)  # nobody trains it: whoever is next asks for it again
        except (MemoryError, RuntimeError) as error:
            if not _of_memory(error):
                raise
            reason = first_line(error)
            for trial in trials:
                if len(trials) == 1:
                    self._fail(trial, f"memory ran out: {reason}")
                else:
                    alone = [member for member in self.members if member.trial is trial]
                    replace(self, members=alone).train(trainer)

    def _train(self, trainer: Trains) -> None:
        members = self.members
        run = self.run.model_copy(update={"network": members[0].network})
        each = [member for member in members for _ in self.groups]
        rates = [rates_of(member.network) for member in each]
        copies = Copies(seeds=[it.seed for it in each], groups=self.groups * len(members), rates=rates)
        trainer.begin(run, copies)
        pruned: dict[int, str] = {}
        for number in range(1, run.train.epochs + 1):
            epoch = trainer.epoch()
            self._spend(epoch.active, epoch.seconds)
            pruned |= self._pruned(epoch, number, pruned)
            if not trainer.go_on_with(self._going(epoch, pruned)):
                break
        ended = trainer.ended()
        self._spend(epoch.active, ended.seconds)
        self._tell(ended, pruned)

    def _spend(self, active: Collection[int], seconds: float) -> None:
        """Share what an epoch took among those that were trained in it."""
        for trial, own in self._copies().items():
            share = seconds * len(own.intersection(active)) / len(active)
            trial.set_user_attr("seconds", round(trial.user_attrs.get("seconds", 0.0) + share, 3))

    def _copies(self) -> dict[Trial, set[int]]:
        """The copies of each trial."""
        found: dict[Trial, set[int]] = {}
        for place, member in enumerate(self.members):
            first = place * self.of_each
            found.setdefault(member.trial, set()).update(range(first, first + self.of_each))
        return found

    def _pruned(self, epoch: Epoch, number: int, before: dict[int, str]) -> dict[int, str]:
        """Why trials, by number, end after ``epoch``, the so manieth: they are behind others, or the budget is spent."""
        over = used(self.study.get_trials(deepcopy=False)).seconds >= self.search.seconds
        found = {}
        for trial, own in self._copies().items():
            if trial.number in before or not own.intersection(epoch.active) or "seeds" in trial.user_attrs:
                continue
            trial.report(sum(epoch.loss[n] for n in own) / len(own), number)
            if trial.should_prune():
                found[trial.number] = f"behind the median trial after epoch {number}"
            elif over and number < self.run.train.epochs:
                found[trial.number] = OVER
        return found

    def _going(self, epoch: Epoch, pruned: dict[int, str]) -> list[int]:
        """The copies that go on."""
        over = {n for trial, own in self._copies().items() if trial.number in pruned for n in own}
        return [n for n in epoch.going if n not in over]

    def _tell(self, ended: Ended, pruned: dict[int, str]) -> None:
        for trial, own in self._copies().items():
            first = min(own) // self.of_each
            found = ended.errors[first : first + len(own) // self.of_each]
            diverged = [ended.diverged[n] for n in own if ended.diverged[n]]
            trial.set_user_attr("epochs", [ended.best_epoch[n] for n in sorted(own)])
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
