"""Pooled states of neighbours, as ``social`` has them, beside their raw values pooled as further inputs.

    python benchmarks/raw_neighbours.py --seeds 0 1      # after `dvc repro prepare`; prints a markdown table

Three networks on the same windows: ``global_multi_vd``; the same with two further inputs a feature at each step of the lookback,
the mean residual of the neighbours that were observed then, weighed as in ``social``, and the share of the weights that it
is of; and ``social``. Only the training and validation parts are read. ``modes.social`` of params.yaml says who is a neighbour.
"""

import argparse
import statistics
import sys

import numpy as np
import torch
from torch import Tensor

from measure import table
from sample import budget, settings
from vdcast.data import store
from vdcast.data.detectors import Detectors, Prepared
from vdcast.layout import PREPARED
from vdcast.models.shared.neighbours import Neighbours
from vdcast.models.shared.task import Task
from vdcast.models.shared.windows import Batch, Windows
from vdcast.train.data import TrainingData, headline_scale
from vdcast.train.fitted import Fitted
from vdcast.train.validation import kept_mae
from vdcast.train.workers import fit


class RawNeighbours(Windows):
    """Windows in which what was seen at neighbours stands beside the calendar; nothing in the horizon."""

    def __init__(
        self, task: Task, part: Detectors, neighbours: Neighbours, own_day_out: np.ndarray | None = None
    ):
        super().__init__(task, part, own_day_out=own_day_out)
        self.pooled = pooled(self.residuals(), neighbours)
        self.sizes = self.sizes._replace(calendar=self.sizes.calendar + self.pooled.shape[-1])

    def residuals(self) -> Tensor:
        """(T, V, F) scaled, NaN where missing."""
        return ((self.values - self.usual[self.row]) / self.std).float()

    def batch(self, sample: Tensor) -> Batch:
        made, L, V = vars(super().batch(sample)), self.sizes.length, self.values.shape[1]
        start, group = sample // V, sample % V
        steps = start[..., None] + self.both[:L]
        seen = torch.nn.functional.pad(self.pooled[steps, group[..., None]], (0, 0, 0, self.sizes.horizon))
        return Batch(**made | {"calendar": torch.cat([made["calendar"], seen], dim=-1)})


def pooled(residual: Tensor, neighbours: Neighbours) -> Tensor:
    """(T, V, R * 2F) of residuals (T, V, F): by relation the weighted mean of what was seen, 0 of nothing, and of what share."""
    weight = torch.from_numpy(np.exp(neighbours.kernel))[
        ..., None
    ]  # (V, R, n, 1), 0 where there is no neighbour
    near = residual[:, torch.from_numpy(neighbours.index)]  # (T, V, R, n, F)
    seen = near.isfinite() * weight
    total = seen.sum(dim=3)
    mean = (near.nan_to_num() * seen).sum(dim=3) / total.clamp(min=1e-9)
    share = total / weight.sum(dim=2).clamp(min=1e-9)
    return torch.cat([mean, share], dim=-1).flatten(2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="+", default=["lstm", "xlstm"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--epochs", type=int, help="at most, in place of train.epochs")
    given = parser.parse_args()
    (prepared,) = store.read_prepared(PREPARED, parts=("train", "validation"))
    epochs = {"epochs": given.epochs} if given.epochs else {}
    rows = []
    for model in given.models:
        for name, data in candidates(prepared).items():
            mode = "social" if name == "pooled states" else "global_multi_vd"
            fitted = fit(budget(f"{model}-{mode}", seeds=given.seeds, **epochs), [data])
            rows.append({"model": model, "neighbours as": name, **figures(fitted)})
            print(rows[-1], file=sys.stderr, flush=True)
    print("\n".join(table(rows)))


def candidates(prepared: Prepared) -> dict[str, TrainingData]:
    alone, social = (Task.of(prepared, settings(), mode) for mode in ("global_multi_vd", "social"))
    assert social.neighbours is not None
    train, validation = (prepared.parts[name] for name in ("train", "validation"))
    raw = TrainingData(
        train=RawNeighbours(alone, train, social.neighbours, prepared.own_day_out),
        validation=RawNeighbours(alone, validation, social.neighbours),
        scale=headline_scale(alone),
        copies=alone.copies,
        device="cpu",
    )
    return {
        "none": TrainingData.of(alone, prepared, "cpu"),
        "raw values": raw,
        "pooled states": TrainingData.of(social, prepared, "cpu"),
    }


def figures(fitted: Fitted) -> dict[str, str]:
    """Of the validation part, at the epoch that each seed keeps."""
    losses = fitted.best_loss
    return {
        "MAE": f"{kept_mae(fitted):.3f}",
        "loss": f"{statistics.mean(losses):.4f}",
        "lowest and highest": f"{min(losses):.4f} to {max(losses):.4f}",
        "CPU seconds": f"{sum(fitted.seconds):.0f}",
    }


if __name__ == "__main__":
    main()
