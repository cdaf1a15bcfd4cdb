"""Train one run of params.yaml: data/prepared.h5 -> runs/<run>/model.pt, history.csv, training.json.

    python -m vdcast.train lstm-single_vd

Reads the training and validation parts alone; the test part is never loaded here. Imports wait until
the arguments are known: torch takes seconds that `--help` should not.
"""

import argparse
import json
import time

from vdcast import params
from vdcast.errors import InputError, one_sentence
from vdcast.layout import PREPARED, RUNS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m vdcast.train", description=__doc__.split("\n")[0])
    parser.add_argument("run", help="a key of `runs` in params.yaml, e.g. lstm-single_vd")
    name = parser.parse_args().run
    with one_sentence():
        settings = params.load()
        train(settings.run(name), settings)


def train(run: params.Run, settings: params.Params) -> None:
    """Train ``run`` and leave its files in ``runs/<run>/``."""
    import pandas as pd
    import torch

    from vdcast import store
    from vdcast.cost import parameters_per_copy, peak_memory_mb
    from vdcast.fit import fit
    from vdcast.models.trained import Trained, is_joint
    from vdcast.windows import Windows

    began = time.perf_counter()
    torch.use_deterministic_algorithms(True)
    device = choose_device(run.train.device)
    prepared = store.read_prepared(PREPARED, parts=("train", "validation"))
    available = prepared.parts["train"].vd_ids
    indices = settings.modes.vd_indices(run.mode)
    vd_ids = [available[v] for v in indices]
    features = prepared.parts["train"].features
    k = [features.index(target) for target in prepared.targets]
    mean, std = prepared.mean[indices], prepared.std[indices]
    length, horizon = settings.window.sequence_length, settings.window.prediction_length

    windows = {
        name: Windows(
            part.select(vd_ids, features),
            mean,
            std,
            prepared.targets,
            length=length,
            horizon=horizon,
            joint=is_joint(run.mode),
            device=device,
        )
        for name, part in prepared.parts.items()
    }
    headline = torch.zeros(len(vd_ids), len(k))  # (V, K): from scaled error to the first target's unit
    headline[:, 0] = torch.from_numpy(std[:, k[0]])
    scale = headline.view(windows["train"].groups, -1).to(device)
    fitted = fit(run, windows["train"], windows["validation"], scale, device)

    folder = RUNS / run.name
    Trained(
        weights={name: value.cpu() for name, value in fitted.weights.items()},
        run=run.model_dump(),
        length=length,
        horizon=horizon,
        mean=mean.tolist(),
        std=std.tolist(),
        vd_ids=vd_ids,
        features=list(features),
        targets=list(prepared.targets),
        units=[prepared.parts["train"].units[i] for i in k],
        interval=prepared.parts["train"].interval,
        time_zone=prepared.parts["train"].time_zone,
    ).save(folder / "model.pt")
    columns = [
        "epoch",
        "train_loss",
        "validation_loss",
        "validation_mae",
        "learning_rate",
        "gradient_norm",
        "seconds",
        "training",
    ]
    pd.DataFrame(fitted.history())[columns].to_csv(folder / "history.csv", index=False, float_format="%.6g")
    copies = len(fitted.best_loss)
    summary = {
        "copies": copies,
        "parameters": parameters_per_copy(fitted.weights) * windows["train"].groups,
        "windows": len(windows["train"]),
        "epochs": len(fitted.seconds),
        "best_epoch": fitted.best_epoch,
        "validation_loss": fitted.best_loss,
        "device": device,
        "threads": torch.get_num_threads(),
        "peak_memory_mb": peak_memory_mb(device),
        "epoch_seconds": sum(fitted.seconds) / len(fitted.seconds),
        "seconds": time.perf_counter() - began,
    }
    (folder / "training.json").write_text(json.dumps(summary, indent=2) + "\n", "utf-8")
    print(
        f"{run.name}: {copies} {'copy' if copies == 1 else 'copies'} trained in {summary['seconds']:.0f} s, "
        f"{summary['epochs']} epochs; next: dvc repro evaluate@{run.name}"
    )


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
