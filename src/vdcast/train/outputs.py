"""What a training leaves in ``runs/<run>/``."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from msgspec import structs

from vdcast.data.files import checksum
from vdcast.escape import terminal
from vdcast.language import Figure, Said, in_words, some
from vdcast.layout import RUNS
from vdcast.models.shared.calibration import calibrated
from vdcast.models.shared.device import one_thread
from vdcast.models.shared.task import Task
from vdcast.models.shared.trained import Trained
from vdcast.params.sections import Run
from vdcast.records import io
from vdcast.records.training import Training
from vdcast.train import ranks
from vdcast.train.data import Inputs
from vdcast.train.fitted import Fitted
from vdcast.train.meter import parameters_per_copy
from vdcast.train.validation import validation_figures

LISTED = 5  # copies or detectors that a sentence names


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The four files of a trained run, in memory."""

    trained: Trained
    history: pd.DataFrame  # a row per epoch
    training: Training
    metrics: dict[str, dict[str, float]]  # ``validation_figures``


def outputs_of(run: Run, folds: Sequence[Inputs], fitted: Fitted) -> Outputs:
    """The model of the last fold, which has seen most, and those before it; learning curves; what it took and gives.

    Its intervals are calibrated on the validation part.
    """
    weights = {name: value.cpu().chunk(len(folds)) for name, value in fitted.weights.items()}
    earlier: tuple[Trained, ...] = ()
    for k, fold in enumerate(folds):
        of_fold = {name: chunks[k].clone() for name, chunks in weights.items()}
        trained = Trained(weights=of_fold, run=run.model_dump(), task=fold.task, earlier=earlier)
        earlier = trained.folds
    if run.train.quantiles:
        with one_thread():  # as the training had: the margins are the same wherever it ran
            trained = calibrated(trained, folds[-1].prepared.parts["validation"], folds[-1].data.device)
    history = pd.DataFrame(fitted.history()).set_index("epoch")
    metrics = validation_figures(run.name, fitted, [each.data for each in folds])
    return Outputs(trained=trained, history=history, training=record(run, folds, fitted), metrics=metrics)


def record(run: Run, folds: Sequence[Inputs], fitted: Fitted) -> Training:
    """``windows`` and ``parameters`` are those of the last fold."""
    task, data = folds[-1].task, folds[-1].data
    problem, notes = divergence(run, fitted, task.vd_ids, len(folds))
    return Training(
        problem=problem,
        notes=notes + unplaced(run, task),
        copies=len(fitted.best_loss),
        parameters=parameters_per_copy(fitted.weights) * len(task.copies),
        windows=len(data.train),
        epochs=len(fitted.seconds),
        epoch_limit=run.train.epochs,
        patience=run.train.patience,
        best_epoch=fitted.best_epoch,
        validation_loss=[loss if math.isfinite(loss) else None for loss in fitted.best_loss],
        device=data.device,
        kernel=run.network.kernel,
        ranks=ranks.world(),
        peak_memory_mb=fitted.peak_memory_mb,
        epoch_seconds=sum(fitted.seconds) / len(fitted.seconds),
        first_epoch_seconds=fitted.seconds[0],
        seconds=sum(fitted.seconds),
    )


def write(run: Run, outputs: Outputs) -> None:
    """``runs/<run>/model.pt``, ``history.csv``, ``training.json`` and ``metrics.json``, and in a few words what is in them."""
    folder, training = RUNS / run.name, outputs.training
    outputs.trained.save(folder / "model.pt")
    outputs.history.to_csv(folder / "history.csv", float_format="%.6g")
    io.write(folder / "training.json", structs.replace(training, history=checksum(folder / "history.csv")))
    io.publish(folder / "metrics.json", outputs.metrics)
    for each in (*([training.problem] if training.problem else []), *training.notes):
        print(terminal(f"{run.name}: {in_words(each)}"))
    print(
        f"{run.name}: {training.copies} {'copy' if training.copies == 1 else 'copies'} trained in "
        f"{training.seconds:.0f} s, {training.epochs} epochs{on_validation(outputs)}; next: dvc repro evaluate@{run.name}"
    )


def on_validation(outputs: Outputs) -> str:
    """The validation error, in the unit of the headline target; nothing where there is none."""
    figures, task = next(iter(outputs.metrics.values())), outputs.trained.task
    if "val_mae" not in figures:
        return ""
    return terminal(
        f", {task.targets[0]} MAE {figures['val_mae']:.2f} {task.units[0]} on the validation part"
    )


def unplaced(run: Run, task: Task) -> list[Said]:
    """What training.json says of detectors that hear of no other, as nobody knows where they are."""
    lost = task.neighbours.lost if task.neighbours else ()
    return [Said("scores.unplaced", {"run": run.name, "vds": some(lost, LISTED)})] if lost else []


def divergence(
    run: Run, fitted: Fitted, vd_ids: Sequence[str], folds: int = 1
) -> tuple[Said | None, list[Said]]:
    """What training.json says of copies whose loss did not stay finite: ``problem`` (or null) and ``notes``.

    A copy that has a finite epoch behind it keeps the weights of its best one, which is noted. One that
    has none leaves a run that cannot be compared.
    """
    seeds = run.train.seeds
    copies = len(fitted.diverged) // len(seeds) // folds  # of a seed in a fold

    def name(n: int) -> Said:
        seed = seeds[n // copies % len(seeds)]
        of_vd: dict[str, Figure] = {"seed": seed, "vd": vd_ids[n % copies]}
        said = Said("scores.copy_of_vd", of_vd) if copies > 1 else Said("scores.copy", {"seed": seed})
        fold = 1 + n // copies // len(seeds)
        return Said("scores.copy_of_fold", {"copy": said, "fold": fold}) if folds > 1 else said

    lost = [name(n) for n, best in enumerate(fitted.best_epoch) if not best]
    cut = [
        Said("scores.copy_cut", {"copy": name(n), "epoch": epoch, "best": fitted.best_epoch[n]})
        for n, epoch in enumerate(fitted.diverged)
        if epoch and fitted.best_epoch[n]
    ]

    def of(copies: list[Said]) -> dict[str, Figure]:
        rate, clip = f"{run.network.learning_rate:g}", f"{run.train.gradient_clip:g}"
        named: dict[str, Figure] = {"run": run.name, "model": run.model, "copies": some(copies, LISTED)}
        return named | {"rate": rate, "clip": clip}

    problem = Said("scores.no_weights", of(lost)) if lost else None
    return problem, [Said("scores.not_finite", of(cut))] if cut else []
