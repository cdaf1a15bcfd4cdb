"""Train one run of params.yaml: data/prepared.h5 -> runs/<run>/model.pt, history.csv, training.json.

    python -m vdcast.train lstm-single_vd
    python -m vdcast.train lstm-single_vd --share 2/8    # on one of 8 machines: its part of the training
    torchrun --standalone --nproc-per-node 2 -m vdcast.train lstm-multi_vd    # by two processes together

Reads the training and validation parts alone; the test part is never loaded here. What is trained is
kept in .scratch/train/<run>/<key>/ after every epoch, and a training that was killed goes on from there.
Imports wait until the arguments are known: torch takes seconds that `--help` should not.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vdcast.errors import InputError, one_sentence
from vdcast.layout import PIPELINE, PREPARED, RUNS, SCRATCH, WRITING

if TYPE_CHECKING:
    import pandas as pd

    from vdcast import params
    from vdcast.models.trained import Trained

LISTED = 5  # copies that a sentence names


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m vdcast.train", description=__doc__.split("\n")[0])
    parser.add_argument("run", help="a key of `runs` in params.yaml, e.g. lstm-single_vd")
    parser.add_argument(
        "--share",
        metavar="I/N",
        type=_share,
        help="train the I-th of N shares of the run's stacks of copies, I from 1, into .scratch/train alone; "
        "with all shares' files copied there, the training itself has nothing left to train",
    )
    arguments = parser.parse_args()
    with one_sentence():
        from vdcast import params, ranks

        settings = params.load()
        run = settings.run(arguments.run)
        with ranks.together(choose_device(run.train.device)):
            if arguments.share and ranks.world() > 1:
                raise InputError("--share and torchrun both cut up a training; use one of them")
            if arguments.share:
                train_share(run, settings, *arguments.share)
            else:
                train(run, settings)


def _share(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]+)/([0-9]+)", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N with I from 1 to N, e.g. 2/8")
    return int(found[1]), int(found[2])


def train(run: params.Run, settings: params.Params) -> None:
    """Train ``run``, or go on where an earlier process was killed, and leave its files in ``runs/<run>/``."""
    from vdcast import ranks, scratch
    from vdcast.fit import fit

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


def train_share(run: params.Run, settings: params.Params, share: int, shares: int) -> None:
    """Train every ``shares``-th stack of ``run`` and leave them in its scratch folder; no other file is written."""
    from vdcast import scratch
    from vdcast.fit import fit_stacks, stacks_of

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


def load_keyed(run: params.Run, settings: params.Params) -> tuple:
    """The inputs of ``load_inputs`` and the key of just these. Raises InputError where they change meanwhile."""
    key = key_of(run, settings, choose_device(run.train.device))
    prepared, inputs = load_inputs(run, settings)
    if key_now(run, inputs["device"]) != key:
        raise InputError(
            f"settings, data or code of run {run.name} changed while it began, so nothing was trained; give the same "
            "command again"
        )
    return prepared, inputs, key


def load_inputs(run: params.Run, settings: params.Params) -> tuple:
    """What ``prepare`` left but for the test part, and from it the arguments of ``fit``."""
    from vdcast import store
    from vdcast.fit import deterministic

    device = choose_device(run.train.device)
    deterministic(device)
    prepared = store.read_prepared(PREPARED, parts=("train", "validation"))
    windows = windows_of(prepared, settings, run.mode, device)
    scale = headline_scale(prepared, settings, run.mode, windows["train"].groups).to(device)
    return prepared, {**windows, "scale": scale, "device": device}


def key_of(run: params.Run, settings: params.Params, device: str) -> str:
    """A hash of all that a training's result depends on, the same in every clone.

    That is what dvc.yaml lists for it, settings by value, data and code by content, and beside them the
    kind of device, the version of torch and the number of ranks, which shows in how sums round. The number of
    processes that stacks are spread over is not in it: it does not show.
    """
    import torch
    import yaml

    from vdcast import ranks

    stage = yaml.safe_load(PIPELINE.read_text("utf-8"))["stages"]["train"]["do"]
    names = {"${key}": run.name, "${item.model}": run.model, "${item.mode}": run.mode}

    def filled(entry: str) -> str:
        return functools.reduce(lambda text, name: text.replace(name, names[name]), names, entry)

    def value(path: str):
        return functools.reduce(lambda section, key: section[key], path.split("."), document)

    def content(path: str) -> str:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    document = settings.model_dump(mode="json")
    depends = {
        "settings": {path: value(path) for path in map(filled, stage["params"])},
        "files": {path: content(path) for path in map(filled, stage["deps"])},
        "device": device,
        "torch": torch.__version__,
        "ranks": ranks.world(),
    }
    return hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:32]


def key_now(run: params.Run, device: str) -> str:
    """The key of ``run`` as params.yaml, data and code are by now."""
    from vdcast import params

    now = params.load()
    return key_of(now.run(run.name), now, device)


def files_of(run: params.Run, settings: params.Params, prepared, fitted, inputs: dict) -> tuple:
    """What ``write`` takes: the model, its learning curves, and the figures of its training."""
    import pandas as pd

    from vdcast import ranks
    from vdcast.cost import parameters_per_copy
    from vdcast.fit import one_thread
    from vdcast.models.trained import Trained

    part, indices = prepared.parts["train"], settings.modes.vd_indices(run.mode)
    trained = Trained(
        weights={name: value.cpu() for name, value in fitted.weights.items()},
        run=run.model_dump(),
        length=settings.window.sequence_length,
        horizon=settings.window.prediction_length,
        mean=prepared.mean[indices].tolist(),
        std=prepared.std[indices].tolist(),
        vd_ids=[part.vd_ids[v] for v in indices],
        features=list(part.features),
        targets=list(prepared.targets),
        units=[part.units[part.features.index(target)] for target in prepared.targets],
        interval=part.interval,
        time_zone=part.time_zone,
    )
    if run.train.quantiles:
        with one_thread():  # as the training had: the margins are the same wherever it ran
            trained = trained.calibrated_on(prepared.parts["validation"], inputs["device"])
    history = pd.DataFrame(fitted.history()).set_index("epoch")
    copies = len(fitted.best_loss)
    problem, notes = divergence(run, fitted, trained.vd_ids)
    summary = {
        "problem": problem,
        "notes": notes,
        "copies": copies,
        "parameters": parameters_per_copy(fitted.weights) * inputs["train"].groups,
        "windows": len(inputs["train"]),
        "epochs": len(fitted.seconds),
        "epoch_limit": run.train.epochs,
        "patience": run.train.patience,
        "best_epoch": fitted.best_epoch,
        "validation_loss": [loss if math.isfinite(loss) else None for loss in fitted.best_loss],
        "device": inputs["device"],
        "ranks": ranks.world(),
        "peak_memory_mb": fitted.peak_memory_mb,
        "epoch_seconds": sum(fitted.seconds) / len(fitted.seconds),
        "first_epoch_seconds": fitted.seconds[0],  # with xlstm.compile, mostly its cost
        "seconds": sum(fitted.seconds),  # of computing, so that neither a restart nor company shows in it
    }
    return trained, history, summary


def write(run: params.Run, trained: Trained, history: pd.DataFrame, summary: dict) -> None:
    """The three files of a trained run, and in a few words what is in them."""
    folder = RUNS / run.name
    trained.save(folder / "model.pt")
    history.to_csv(folder / "history.csv", float_format="%.6g")
    (folder / "training.json").write_text(json.dumps(summary, indent=2) + "\n", "utf-8")
    for each in (*([summary["problem"]] if summary["problem"] else []), *summary["notes"]):
        print(f"{run.name}: {each}")
    print(
        f"{run.name}: {summary['copies']} {'copy' if summary['copies'] == 1 else 'copies'} trained in "
        f"{summary['seconds']:.0f} s, {summary['epochs']} epochs; next: dvc repro evaluate@{run.name}"
    )


def divergence(run: params.Run, fitted, vd_ids: Sequence[str]) -> tuple[str | None, list[str]]:
    """What training.json says of copies whose loss did not stay finite: ``problem`` (or null) and ``notes``.

    A copy that has a finite epoch behind it keeps the weights of its best one, which is noted. One that
    has none leaves a run that cannot be compared.
    """
    groups = len(fitted.diverged) // len(run.train.seeds)

    def name(n: int) -> str:
        of = f" of VD {vd_ids[n % groups]}" if groups > 1 else ""
        return f"seed {run.train.seeds[n // groups]}{of}"

    def listed(names: list[str]) -> str:
        return ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")

    lost = [name(n) for n, best in enumerate(fitted.best_epoch) if not best]
    cut = [
        f"{name(n)} (in epoch {epoch}; the weights are those of epoch {fitted.best_epoch[n]})"
        for n, epoch in enumerate(fitted.diverged)
        if epoch and fitted.best_epoch[n]
    ]
    advice = f"lower {run.model}.learning_rate ({run.network.learning_rate:g}) or train.gradient_clip ({run.train.gradient_clip:g})"
    problem = f"run {run.name} has no weights of {listed(lost)}, as the loss was not finite in the first epoch; {advice}"
    note = (
        f"In run {run.name}, the loss did not stay finite for {listed(cut)}: training ended there; {advice}."
    )
    return problem if lost else None, [note] if cut else []


def windows_of(prepared, settings: params.Params, mode: str, device: str) -> dict:
    """The windows of each part in ``prepared``, for the detectors of ``mode``."""
    from vdcast.models.trained import is_joint
    from vdcast.windows import Windows

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


def headline_scale(prepared, settings: params.Params, mode: str, groups: int):
    """(G, Q): what turns a scaled error of the first target into its unit; 0 for the other targets."""
    import torch

    part, indices = prepared.parts["train"], settings.modes.vd_indices(mode)
    first = part.features.index(prepared.targets[0])
    scale = torch.zeros(len(indices), len(prepared.targets))  # (V, K)
    scale[:, 0] = torch.from_numpy(prepared.std[indices, first])
    return scale.view(groups, -1)


def choose_device(wanted: str) -> str:
    """``auto`` takes a GPU where there is one. Raises InputError for a GPU that is not there."""
    import torch

    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "params.yaml: train.device = 'cuda', but torch finds no CUDA device here; use auto or cpu"
        )
    return "cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu"


if __name__ == "__main__":
    main()
