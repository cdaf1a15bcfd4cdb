"""Which sizes of network the defaults should have: validation error and cost of several, same everything else.

    python benchmarks/architectures.py            # after `dvc repro prepare`; prints a markdown table

Only the training and validation parts are read. The defaults in params.yaml follow from this table
(docs/forecaster.md), never from the test part.
"""

import argparse
import statistics
import sys
import time

import torch

from vdcast import params
from vdcast.data import store
from vdcast.layout import PREPARED
from vdcast.models.shared.task import Task
from vdcast.params.modes import Modes
from vdcast.params.sections import Run
from vdcast.train.data import TrainingData
from vdcast.train.workers import fit

VARIANTS = {
    "lstm": [
        {"hidden_size": 64, "num_layers": 1},
        {"hidden_size": 128, "num_layers": 1},
        {"hidden_size": 256, "num_layers": 3},
    ],
    "xlstm": [
        {"embedding_dim": 64, "num_blocks": 2, "slstm_at": [1]},
        {"embedding_dim": 128, "num_blocks": 2, "slstm_at": [1]},
        {"embedding_dim": 128, "num_blocks": 6, "slstm_at": [1, 3]},
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--modes", nargs="+", default=["single_vd", "multi_vd"], choices=Modes.model_fields)
    parser.add_argument("--models", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    settings = params.load()
    (prepared,) = store.read_prepared(PREPARED, parts=("train", "validation"))
    print(
        "| mode | model | settings | validation loss, mean of seeds | lowest and highest | MAE | epochs | seconds |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for mode in arguments.modes:
        task = Task.of(prepared, settings, mode)
        data = TrainingData.of(task, prepared, "cpu")
        for model in arguments.models:
            for changes in VARIANTS[model]:
                network = getattr(settings, model).model_copy(update=changes)
                train = settings.train.model_copy(update={"seeds": arguments.seeds, "device": "cpu"})
                run = Run(
                    name=f"{model}-{mode}",
                    model=model,
                    mode=mode,
                    network=network,
                    train=train,
                    covariates=True,
                )
                began = time.perf_counter()
                fitted = fit(run, [data])
                seconds = time.perf_counter() - began
                loss = torch.tensor(fitted.best_loss).view(-1, len(task.copies)).mean(dim=1).tolist()
                best = [fitted.figures[epoch - 1, n, 2].item() for n, epoch in enumerate(fitted.best_epoch)]
                print(
                    f"| {mode} | {model} | {', '.join(f'{key} {value}' for key, value in changes.items())} "
                    f"| {statistics.mean(loss):.4f} | {min(loss):.4f} to {max(loss):.4f} "
                    f"| {statistics.mean(best):.2f} | {len(fitted.seconds)} | {seconds:.0f} |",
                    flush=True,
                )
    print(f"\n{torch.get_num_threads()} threads, torch {torch.__version__}", file=sys.stderr)


if __name__ == "__main__":
    main()
