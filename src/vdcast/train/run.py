"""A run from its settings to its files: load, train what is not trained yet, write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vdcast.errors import InputError
from vdcast.layout import PREPARED, RUNS, SCRATCH, WRITING
from vdcast.models.shared.device import choose_device
from vdcast.train.key import key_now, key_of
from vdcast.train.outputs import files_of, write

if TYPE_CHECKING:
    from vdcast.params.sections import Params, Run


def train(run: Run, settings: Params) -> None:
    """Train ``run``, or go on where an earlier process was killed, and leave its files in ``runs/<run>/``."""
    from vdcast.train import ranks, scratch
    from vdcast.train.workers import fit

    if ranks.rank() > 0:
        _, inputs = load_inputs(run, settings)
        fit(run, **inputs)  # beside the first rank, which reads and writes all files
        return
    prepared, inputs, key = load_keyed(run, settings)
    with scratch.held(SCRATCH / run.name / key) as kept:
        if found := kept.found():
            print(f"{run.name}: goes on from {kept.folder} ({found})", flush=True)
        fitted = fit(run, **inputs, scratch=kept)
        files = files_of(run, settings, prepared, fitted, inputs)
        with scratch.held(WRITING / run.name):  # one with another key, as of torchrun, may end now too
            if key_now(run, inputs["device"]) != key:
                raise InputError(
                    f"settings, data or code of run {run.name} changed while it trained, so {RUNS / run.name} was not "
                    f"written; `dvc repro train@{run.name}` trains with the new ones, or, with the change undone, "
                    f"takes the finished training from {kept.folder}"
                )
            write(run, *files)
        kept.remove_others()


def train_share(run: Run, settings: Params, share: int, shares: int) -> None:
    """Train every ``shares``-th stack of ``run`` and leave them in its scratch folder; no other file is written."""
    from vdcast.train import scratch
    from vdcast.train.copies import stacks_of
    from vdcast.train.workers import fit_stacks

    _, inputs, key = load_keyed(run, settings)
    stacks = dict(enumerate(stacks_of(run, inputs["train"].groups, inputs["device"])))
    mine = {number: copies for number, copies in stacks.items() if number % shares == share - 1}
    if not mine:
        print(
            f"{run.name}: share {share}/{shares} has nothing to train, as there are {len(stacks)} stacks of copies"
        )
        return
    with scratch.held(SCRATCH / run.name / key) as kept:
        fit_stacks(run, **inputs, stacks=mine, scratch=kept)
    print(
        f"{run.name}: share {share}/{shares}, {len(mine)} of {len(stacks)} stacks, trained into {kept.folder}"
    )


def load_keyed(run: Run, settings: Params) -> tuple:
    """The inputs of ``load_inputs`` and the key of just these. Raises InputError where they change meanwhile."""
    key = key_of(run, settings, choose_device(run.train.device))
    prepared, inputs = load_inputs(run, settings)
    if key_now(run, inputs["device"]) != key:
        raise InputError(
            f"settings, data or code of run {run.name} changed while it began, so nothing was trained; give the same "
            "command again"
        )
    return prepared, inputs, key


def load_inputs(run: Run, settings: Params) -> tuple:
    """What ``prepare`` left but for the test part, and from it the arguments of ``fit``."""
    from vdcast.data import store
    from vdcast.models.shared.device import deterministic

    device = choose_device(run.train.device)
    deterministic(device)
    prepared = store.read_prepared(PREPARED, parts=("train", "validation"))
    windows = windows_of(prepared, settings, run.mode, device)
    scale = headline_scale(prepared, settings, run.mode, windows["train"].groups).to(device)
    return prepared, {**windows, "scale": scale, "device": device}


def windows_of(prepared, settings: Params, mode: str, device: str) -> dict:
    """The windows of each part in ``prepared``, for the detectors of ``mode``."""
    from vdcast.models.shared.windows import Windows
    from vdcast.params.modes import is_joint

    indices = settings.modes.vd_indices(mode)
    return {
        name: Windows(
            part.select([part.vd_ids[v] for v in indices], part.features),
            prepared.mean[indices],
            prepared.std[indices],
            prepared.targets,
            length=settings.window.sequence_length,
            horizon=settings.window.prediction_length,
            joint=is_joint(mode),
            device=device,
        )
        for name, part in prepared.parts.items()
    }


def headline_scale(prepared, settings: Params, mode: str, groups: int):
    """(G, Q): what turns a scaled error of the first target into its unit; 0 for the other targets."""
    import torch

    part, indices = prepared.parts["train"], settings.modes.vd_indices(mode)
    first = part.features.index(prepared.targets[0])
    scale = torch.zeros(len(indices), len(prepared.targets))  # (V, K)
    scale[:, 0] = torch.from_numpy(prepared.std[indices, first])
    return scale.view(groups, -1)
