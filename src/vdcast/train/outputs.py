"""What a training leaves in ``runs/<run>/``."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vdcast.layout import RUNS

if TYPE_CHECKING:
    import pandas as pd

    from vdcast.models.shared.trained import Trained
    from vdcast.params.sections import Params, Run


LISTED = 5  # copies that a sentence names


def files_of(run: Run, settings: Params, prepared, fitted, inputs: dict) -> tuple:
    """What ``write`` takes: the model, its learning curves, and the figures of its training."""
    import pandas as pd

    from vdcast.models.shared.device import one_thread
    from vdcast.models.shared.trained import Trained
    from vdcast.train import ranks
    from vdcast.train.meter import parameters_per_copy

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


def write(run: Run, trained: Trained, history: pd.DataFrame, summary: dict) -> None:
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


def divergence(run: Run, fitted, vd_ids: Sequence[str]) -> tuple[str | None, list[str]]:
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
