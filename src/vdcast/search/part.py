"""What each process of a search does: ask for trials, train them, until the budgets of both models are spent."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from vdcast.errors import InputError
from vdcast.layout import REPORTS
from vdcast.params.search import Search
from vdcast.params.sections import Params, Run
from vdcast.search import budget, study
from vdcast.search.space import Impossible, network_of, sampler, settings_of, structure
from vdcast.search.stack import Member, Trials
from vdcast.search.trainer import Trains
from vdcast.train.data import TrainingData
from vdcast.train.kernel import settled
from vdcast.train.run import load

MOST_IMPOSSIBLE = 20  # times the trials of the budget


def folder_of(mode: str) -> Path:
    return REPORTS / "search" / mode


@dataclass(kw_only=True)
class Part:
    """A process that takes part: what it trains by, and the studies that it shares."""

    settings: Params
    runs: dict[str, Run]  # by model
    data: TrainingData
    folder: Path
    studies: dict[str, Study]

    @classmethod
    def of(cls, settings: Params, mode: str) -> Part:
        """Raises InputError for what no trial could be trained with, and for a study of something else."""
        runs = runs_of(settings, mode)
        # what a run sees is of its mode, whatever its model; the first fold's validation part lies before every test part
        inputs = load(runs["lstm"], settings)[0]
        about = study.about_data(inputs.prepared, inputs.data.device)
        folder = folder_of(mode)
        studies = study.opened(folder, runs, about, settings)
        here = {model: settled(run, inputs.data.device) for model, run in runs.items()}
        return cls(settings=settings, runs=here, data=inputs.data, folder=folder, studies=studies)

    @property
    def search(self) -> Search:
        return self.settings.search

    def take(self, trainer: Trains) -> None:
        """Have what is left trained, a stack of trials after the other."""
        with study.presence(self.folder) as name:
            while stacks := self._next(name):
                for each in stacks:
                    each.train(trainer)
                    self._say(each)

    def _next(self, name: str) -> list[Trials]:
        """The next trials, those of one structure together; none where nothing is left to train."""
        with study.turn(self.folder):
            had = {}
            for model, one in self.studies.items():
                study.give_up_lost(one, self.folder, self.search.space(model))
                had[model] = budget.used(one.get_trials(deepcopy=False))
            chosen = budget.next_model(had, self.search) or self._to_confirm()
            return self._ask(chosen, had[chosen].trials, name) if chosen else []

    def _to_confirm(self) -> str | None:
        """The model whose best trial, as it is now known, is next to be trained with all seeds; None where both were."""
        for model, one in self.studies.items():
            trials = one.get_trials(deepcopy=False)
            if any(trial.state == TrialState.WAITING for trial in trials):
                return model
            best = best_of(trials)
            if any(trial.state == TrialState.RUNNING for trial in trials) or not best:
                continue  # whoever trains them will come here
            done = "seeds" in best.user_attrs or any(
                trial.user_attrs.get("confirms") == best.number for trial in trials
            )
            if not done:
                one.enqueue_trial(best.params, user_attrs={"seeds": True, "confirms": best.number})
                return model
        return None

    def _ask(self, model: str, had: int, name: str) -> list[Trials]:
        """The next trials of ``model``, which has ``had`` so many; all but the first take over what copies must share."""
        one, run = self.studies[model], self.runs[model]
        space, fixed = self.search.space(model), dict[str, Any]()
        members: dict[str, list[Member]] = {}
        left = max(1, min(self.search.together, self.search.trials - had))
        while left and not (members and _one_waits_alone(one)):
            trials = one.get_trials(deepcopy=False)
            self._check_possible(model, trials)
            one.sampler = sampler(len(trials), fixed)
            trial = one.ask()
            trial.set_user_attr("worker", name)
            settings = settings_of(trial, space)
            try:
                network = network_of(run, settings)
            except Impossible as error:
                trial.set_user_attr("impossible", str(error))
                one.tell(trial, state=TrialState.PRUNED)
                continue
            alone = "seeds" in trial.user_attrs
            seeds = self.seeds(run) if alone else run.train.seeds[:1]
            key = f"{trial.number if alone else ''} {sorted(structure(trial.params).items())}"
            members.setdefault(key, []).extend(Member(trial, network, seed) for seed in seeds)
            left = 0 if alone else left - 1
            fixed = structure(trial.params)
        return [
            Trials(study=one, members=each, run=run, groups=self.data.copies, search=self.search)
            for each in members.values()
        ]

    def _check_possible(self, model: str, trials: list[FrozenTrial]) -> None:
        impossible = [trial for trial in trials if study.is_impossible(trial)]
        if len(impossible) > MOST_IMPOSSIBLE * self.search.trials:
            raise InputError(
                f"search.{model} of params.yaml holds hardly a combination that a network can have: {len(impossible)} of "
                f"{len(trials)} could not be built, the last one as {impossible[-1].user_attrs['impossible']}"
            )

    def seeds(self, run: Run) -> list[int]:
        """Those of ``run``, and others until there are ``search.seeds``."""
        more = (seed for seed in itertools.count() if seed not in run.train.seeds)
        return list(itertools.islice(itertools.chain(run.train.seeds, more), self.search.seeds))

    def _say(self, stack: Trials) -> None:
        trials = stack.study.get_trials(deepcopy=False)
        had, numbers = budget.used(trials), sorted({member.trial.number for member in stack.members})
        best = best_of(trials)
        found = f", best {best.value:.4f} (trial {best.number})" if best else ""
        print(
            f"{stack.run.name}: trained trial{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}; so far "
            f"{had.trials} of {self.search.trials} trials, {had.seconds:.0f} of {self.search.seconds:g} CPU seconds{found}",
            flush=True,
        )


def _one_waits_alone(one: Study) -> bool:
    """Whether a trial waits that is no copy beside others: the next process that asks is given it."""
    waiting = one.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    return any("seeds" in trial.user_attrs for trial in waiting)


def runs_of(settings: Params, mode: str) -> dict[str, Run]:
    """The two runs that are compared in ``mode``, by model. Raises InputError where none are."""
    if mode not in settings.comparisons:
        raise InputError(
            f"params.yaml: `comparisons` has no {mode!r}; a search is of one of: {', '.join(settings.comparisons)}"
        )
    pair = settings.comparisons[mode]
    return {model: settings.run(name) for model, name in pair}


def best_of(trials: list[FrozenTrial]) -> FrozenTrial | None:
    """The one with the lowest error, the earliest of equal ones; those that confirm another are none of them."""
    complete = [t for t in trials if t.state == TrialState.COMPLETE and "confirms" not in t.user_attrs]
    return min(complete, key=lambda trial: trial.value or 0.0, default=None)
