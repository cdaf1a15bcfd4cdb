"""The studies of a search, one of each model, in a file that any number of processes share.

``study.log`` is Optuna's journal: a line for each thing that happened, appended under a lock. Who trains holds a lock on
a file of its own, so that the trials of one that died are known by it, whatever ended it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
from optuna import Study
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from vdcast.data.detectors import Prepared
from vdcast.errors import InputError
from vdcast.params.sections import Params, Run
from vdcast.search.space import as_it_is

VERSION = 1  # of what trials keep beside their parameters
PATIENCE = 3  # epochs before a trial may be pruned
KILLED = "its process was killed, as happens when memory runs out"

optuna.logging.set_verbosity(optuna.logging.WARNING)


class JournalLock(JournalFileOpenLock):
    """Held while a line is appended; it ends with its process. A line that was cut short, as by a full disk, is taken out."""

    def __init__(self, journal: Path):
        super().__init__(str(journal))
        self.journal = journal

    def acquire(self) -> bool:
        self.file = self.journal.with_suffix(".lock").open("ab")
        fcntl.flock(self.file, fcntl.LOCK_EX)
        with self.journal.open("rb+") as file:
            whole = file.read().rfind(b"\n") + 1
            file.truncate(whole)
        return True

    def release(self) -> None:
        self.file.close()


def opened(folder: Path, runs: dict[str, Run], about: dict[str, Any], settings: Params) -> dict[str, Study]:
    """The studies in ``folder`` by model, made if need be. Raises InputError where they are ``about`` something else."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "study.log"
    with turn(folder):
        try:
            storage = JournalStorage(JournalFileBackend(str(path), JournalLock(path)))
            names = optuna.get_all_study_names(storage)
            studies = {model: _study(model, storage) for model in runs}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{path} is no study of `vdcast search` ({type(error).__name__}: {error}); delete it to begin anew"
            ) from None
        for model, study in studies.items():
            # by way of text, as it comes back from the file
            own = json.loads(json.dumps(about | _about(runs[model], settings), sort_keys=True))
            if model not in names or "about" not in study.user_attrs:
                first = as_it_is(runs[model], settings.search.space(model), settings.window.sequence_length)
                study.set_user_attr("about", own)
                study.enqueue_trial(first, user_attrs={"seeds": True})
            _check(path, study.user_attrs["about"], own)
    return studies


def _study(model: str, storage: JournalStorage) -> Study:
    pruner = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=PATIENCE)
    return optuna.create_study(storage=storage, study_name=model, pruner=pruner, load_if_exists=True)


def _about(run: Run, settings: Params) -> dict[str, Any]:
    """What of the settings a trial depends on, but for what it tries itself."""
    space = settings.search.space(run.model)
    network = {key: value for key, value in run.network.model_dump().items() if key not in space}
    tried = settings.search.model_dump(mode="json")[run.model]
    return {
        "window": settings.window.model_dump(),
        f"modes.{run.mode}": getattr(settings.modes, run.mode).model_dump(),
        "train": run.train.model_dump(exclude={"seeds"}) | {"seed": run.train.seeds[0]},
        f"runs.{run.name}": network,
        f"search.{run.model}": tried,
        "search.seeds": settings.search.seeds,
    }


def about_data(prepared: Prepared, device: str) -> dict[str, Any]:
    """The version of a study, and what it was made of: the parts that it sees, by content."""
    content = hashlib.sha256()
    for part in prepared.parts.values():
        for each in (part.values, part.timestamps):
            content.update(each.tobytes())
        content.update(json.dumps([part.vd_ids, part.features, prepared.targets]).encode())
    for statistic in (prepared.mean, prepared.std, prepared.profile):
        content.update(statistic.tobytes())
    for known_ahead in prepared.parts["train"].covariates.content().values():
        content.update(known_ahead.tobytes())
    return {"version": VERSION, "data": content.hexdigest()[:32], "device": device}


def _check(path: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    if found.get("version") != VERSION:
        raise InputError(
            f"{path} is a study of version {found.get('version')}, and this vdcast makes version {VERSION}; delete it to "
            "begin anew"
        )
    other = sorted(key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key))
    if other:
        raise InputError(
            f"{path} is a study of other {' and '.join(other)}: its trials do not compare with new ones; undo that change, "
            "or delete the file to begin anew"
        )


@contextlib.contextmanager
def turn(folder: Path) -> Iterator[None]:
    """One process at a time: while it looks at what is left of the budget, and takes some of it."""
    with (folder / "turn.lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def presence(folder: Path) -> Iterator[str]:
    """A name for who trains in this process, by which ``gone`` tells whether it still does."""
    name = uuid.uuid4().hex[:12]
    path = _present(folder, name)
    path.parent.mkdir(exist_ok=True)
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield name
        path.unlink()


def gone(folder: Path, name: str | None) -> bool:
    """Whether ``name`` is of nobody who still trains."""
    if name is None:
        return True
    try:
        with _present(folder, name).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except FileNotFoundError:
        return True
    _present(folder, name).unlink(missing_ok=True)
    return True


def _present(folder: Path, name: str) -> Path:
    return folder / "training" / name


def give_up_lost(study: Study, folder: Path, space: dict[str, Any]) -> None:
    """Trials of those that are gone have failed; each is tried once more, unless it was that already.

    Only in one's ``turn``: whoever has asked for a trial has then put its name to it.
    """
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if not gone(folder, trial.user_attrs.get("worker")):
            continue
        study.tell(trial.number, state=TrialState.FAIL)
        if "again" not in trial.user_attrs and trial.params.keys() == space.keys():
            kept = {key: trial.user_attrs[key] for key in ("seeds", "confirms") if key in trial.user_attrs}
            study.enqueue_trial(trial.params, user_attrs=kept | {"again": True})


def is_lost(trial: FrozenTrial) -> bool:
    """Whether its process was killed, for the first time: who trains to the end of a failure says why."""
    attributes = trial.user_attrs
    return trial.state == TrialState.FAIL and not attributes.keys() & {"reason", "again"}


def is_impossible(trial: FrozenTrial) -> bool:
    """Whether no network can have what it wanted to try."""
    return "impossible" in trial.user_attrs


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial is one of the budget: it was trained, or is being trained, by somebody who was not killed."""
    aside = is_impossible(trial) or is_lost(trial) or "confirms" in trial.user_attrs
    return trial.state != TrialState.WAITING and not aside
