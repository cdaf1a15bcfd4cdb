"""A run from its settings to its files: load, train what is not trained yet, write."""

from collections.abc import Sequence

from vdcast.data import store
from vdcast.errors import InputError
from vdcast.layout import PREPARED, RUNS, SCRATCH, WRITING
from vdcast.models.shared.device import choose_device, deterministic
from vdcast.models.shared.task import Task
from vdcast.params.sections import Params, Run
from vdcast.train import outputs, ranks, scratch
from vdcast.train.copies import stacks_of
from vdcast.train.data import Inputs, TrainingData, uninformed
from vdcast.train.key import key_now, key_of
from vdcast.train.workers import fit, fit_stacks


def train_run(run: Run, settings: Params) -> None:
    """Train ``run``, or go on where an earlier process was killed, and leave its files in ``runs/<run>/``."""
    if ranks.rank() > 0:
        fit(run, data_of(load(run, settings)))  # beside the first rank, which reads and writes all files
        return
    folds, key = load_keyed(run, settings)
    with scratch.held(SCRATCH / run.name / key) as kept:
        if found := kept.found():
            print(f"{run.name}: goes on from {kept.folder} ({found})", flush=True)
        fitted = fit(run, data_of(folds), kept)
        files = outputs.outputs_of(run, folds, fitted)
        with scratch.held(WRITING / run.name):  # one with another key, as of torchrun, may end now too
            if key_now(run, folds[0].data.device) != key:
                raise InputError(
                    f"settings, data or code of run {run.name} changed while it trained, so {RUNS / run.name} was not "
                    f"written; `dvc repro train@{run.name}` trains with the new ones, or, with the change undone, "
                    f"takes the finished training from {kept.folder}"
                )
            outputs.write(run, files)
        kept.remove_others()


def train_share(run: Run, settings: Params, share: int, shares: int) -> None:
    """Train every ``shares``-th stack of ``run`` and leave them in its scratch folder; no other file is written."""
    folds, key = load_keyed(run, settings)
    stacks = dict(enumerate(stacks_of(run, folds[0].task.copies, folds[0].data.device, len(folds))))
    mine = {number: copies for number, copies in stacks.items() if number % shares == share - 1}
    if not mine:
        print(
            f"{run.name}: share {share}/{shares} has nothing to train, as there are {len(stacks)} stacks of copies"
        )
        return
    with scratch.held(SCRATCH / run.name / key) as kept:
        fit_stacks(run, data_of(folds), mine, kept)
    print(
        f"{run.name}: share {share}/{shares}, {len(mine)} of {len(stacks)} stacks, trained into {kept.folder}"
    )


def load_keyed(run: Run, settings: Params) -> tuple[list[Inputs], str]:
    """The inputs of ``run``, by fold, and the key of just these. Raises InputError where they change meanwhile."""
    key = key_of(run, settings, choose_device(run.train.device))
    folds = load(run, settings)
    if key_now(run, folds[0].data.device) != key:
        raise InputError(
            f"settings, data or code of run {run.name} changed while it began, so nothing was trained; give the same "
            "command again"
        )
    return folds, key


def load(run: Run, settings: Params) -> list[Inputs]:
    """The training and validation parts of each fold, and from now on a torch that computes the same every time."""
    device = choose_device(run.train.device)
    deterministic(device)
    folds = []
    for prepared in store.read_prepared(PREPARED, parts=("train", "validation")):
        prepared = prepared if run.covariates else uninformed(prepared)
        task = Task.of(prepared, settings, run.mode)
        folds.append(Inputs(prepared, task, TrainingData.of(task, prepared, device)))
    return folds


def data_of(folds: Sequence[Inputs]) -> list[TrainingData]:
    return [each.data for each in folds]
