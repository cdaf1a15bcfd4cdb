"""Train one run of params.yaml: data/prepared.h5 -> runs/<run>/model.pt, history.csv, training.json.

    python -m vdcast.train lstm-single_vd

Reads the training and validation parts alone; the test part is never loaded here. Imports wait until
the arguments are known: torch takes seconds that `--help` should not.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import TYPE_CHECKING

from vdcast.errors import InputError, one_sentence
from vdcast.layout import PREPARED, RUNS

if TYPE_CHECKING:
    from vdcast import params


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m vdcast.train", description=__doc__.split("\n")[0])
    parser.add_argument("run", help="a key of `runs` in params.yaml, e.g. lstm-single_vd")
    name = parser.parse_args().run
    with one_sentence():
        from vdcast import params

        settings = params.load()
        train(settings.run(name), settings)


def train(run: params.Run, settings: params.Params) -> None:
    """Train ``run`` and leave its files in ``runs/<run>/``."""
    import pandas as pd
    import torch

    from vdcast import store
    from vdcast.cost import parameters_per_copy, peak_memory_mb
    from vdcast.fit import deterministic, fit
    from vdcast.models.trained import Trained

    began = time.perf_counter()
    deterministic()
    device = choose_device(run.train.device)
    prepared = store.read_prepared(PREPARED, parts=("train", "validation"))
    windows = windows_of(prepared, settings, run.mode, device)
    groups = windows["train"].groups
    scale = headline_scale(prepared, settings, run.mode, groups).to(device)
    fitted = fit(run, windows["train"], windows["validation"], scale, device)

    folder = RUNS / run.name
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
        trained = trained.calibrated_on(prepared.parts["validation"], device)
    trained.save(folder / "model.pt")
    history = pd.DataFrame(fitted.history()).set_index("epoch")
    history.to_csv(folder / "history.csv", float_format="%.6g")
    copies = len(fitted.best_loss)
    summary = {
        "copies": copies,
        "parameters": parameters_per_copy(fitted.weights) * groups,
        "windows": len(windows["train"]),
        "epochs": len(fitted.seconds),
        "best_epoch": fitted.best_epoch,
        "validation_loss": fitted.best_loss,
        "device": device,
        "threads": torch.get_num_threads(),
        "peak_memory_mb": peak_memory_mb(device),
        "epoch_seconds": sum(fitted.seconds) / len(fitted.seconds),
        "first_epoch_seconds": fitted.seconds[0],  # with xlstm.compile, mostly its cost
        "seconds": time.perf_counter() - began,
    }
    (folder / "training.json").write_text(json.dumps(summary, indent=2) + "\n", "utf-8")
    print(
        f"{run.name}: {copies} {'copy' if copies == 1 else 'copies'} trained in {summary['seconds']:.0f} s, "
        f"{summary['epochs']} epochs; next: dvc repro evaluate@{run.name}"
    )


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
