"""A run of seconds, the data that it is fitted to, and what tests ask of its weights."""

from dataclasses import replace

import numpy as np
import torch

from vdcast.data.detectors import Detectors
from vdcast.models.shared.neighbours import Neighbours
from vdcast.models.shared.task import Task
from vdcast.models.shared.trained import Trained
from vdcast.models.shared.windows import Batch, Windows
from vdcast.params.modes import sharing_of
from vdcast.params.networks import Network
from vdcast.params.sections import Prepare, Run, Train
from vdcast.prepare.split import prepare
from vdcast.train.data import TrainingData
from vdcast.train.workers import fit


def run_of(network: Network, mode: str = "multi_vd", **train) -> Run:
    budget = dict(
        seeds=[0], epochs=3, patience=3, gradient_clip=1.0, quantiles=[], device="cpu", precision="float32"
    )
    return Run(
        name=f"{network.model}-{mode}",
        model=network.model,
        mode=mode,
        network=network,
        train=Train(**budget | train),
        covariates=True,
    )


def task_of(detectors: Detectors, settings: Prepare, mode: str, vds=(0, 1, 2)) -> Task:
    """Volume 3 steps ahead from 6 steps of both features, of those detectors."""
    (prepared,), _ = prepare(detectors, settings)
    v = list(vds)
    return Task(
        vd_ids=tuple(detectors.vd_ids[i] for i in v),
        features=detectors.features,
        targets=("volume",),
        units=("veh/h",),
        feature_units=detectors.units,
        mean=prepared.mean[v],
        std=prepared.std[v],
        profile=prepared.profile[:, v],
        length=6,
        horizon=3,
        sharing=sharing_of(mode),
        interval=3600,
        time_zone="Asia/Taipei",
        neighbours=all_near(len(v)) if mode == "social" else None,
        covariates=prepared.parts["train"].covariates,
    )


def all_near(V: int) -> Neighbours:
    """V detectors that are neighbours of each other, weighed by attention."""
    others = np.array([[u for u in range(V) if u != v] for v in range(V)])
    kernel = np.linspace(0, -2, V - 1, dtype=np.float32)
    return Neighbours(
        index=others[:, None], kernel=np.broadcast_to(kernel, (V, 1, V - 1)).copy(), learned=True, lost=()
    )


def data(detectors: Detectors, settings: Prepare, mode: str, vds=(0, 1, 2)) -> TrainingData:
    (prepared,), _ = prepare(detectors, settings)
    return TrainingData.of(task_of(detectors, settings, mode, vds), prepared, "cpu")


def train(
    detectors: Detectors, settings: Prepare, network: Network, mode: str, seeds=(0,), quantiles=()
) -> tuple[Trained, Detectors]:
    """Two epochs of ``task_of``, and the test part."""
    (prepared,), _ = prepare(detectors, settings)
    run = run_of(network, mode, seeds=list(seeds), epochs=2, quantiles=list(quantiles))
    fitted = fit(run, [data(detectors, settings, mode)])
    task = task_of(detectors, settings, mode)
    return Trained(weights=fitted.weights, run=run.model_dump(), task=task), prepared.parts["test"]


def same(a: dict, b: dict) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


class InDouble(Windows):
    """Batches in double precision."""

    def batch(self, sample: torch.Tensor) -> Batch:
        single = vars(super().batch(sample))
        return Batch(**{n: v.double() if v.is_floating_point() else v for n, v in single.items()})


def in_double(data: TrainingData) -> TrainingData:
    for windows in (data.train, data.validation):
        windows.__class__ = InDouble
    return replace(data, scale=data.scale.double())
