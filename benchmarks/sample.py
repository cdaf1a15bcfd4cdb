"""The embedded sample as ``prepare`` leaves it, made in memory: benchmarks need no pipeline run before them."""

import tempfile
from functools import cache
from pathlib import Path

from vdcast import params
from vdcast.data import profile, scale, store
from vdcast.data.detectors import Detectors, Prepared
from vdcast.ingest import pipeline
from vdcast.models.shared.task import Task
from vdcast.models.shared.windows import Windows
from vdcast.params.modes import Sharing
from vdcast.params.sections import Params, Run
from vdcast.prepare.split import prepare
from vdcast.train.data import TrainingData, headline_scale


@cache
def settings() -> Params:
    return params.load()


@cache
def prepared() -> Prepared:
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "detectors.h5"
        pipeline.ingest(settings().data, table, Path(folder) / "quality.json", Path(folder) / "scratch")
        return prepare(store.read(table), settings().prepare)[0][0]


def budget(name: str, *, network: dict | None = None, **train) -> Run:
    """A run of params.yaml with other settings of its network and of its training."""
    run = settings().run(name)
    return run.model_copy(
        update={
            "network": run.network.model_copy(update=network or {}),
            "train": run.train.model_copy(update={"device": "cpu", **train}),
        }
    )


def task_of(train: Detectors, sharing: Sharing, *, length: int = 20, horizon: int = 4) -> Task:
    """The first feature ahead, of all detectors of ``train``, which is all that there is."""
    mean, std = scale.of_values(train.values)
    return Task(
        vd_ids=train.vd_ids,
        features=train.features,
        targets=train.features[:1],
        units=train.units[:1],
        feature_units=train.units,
        mean=mean,
        std=std,
        profile=profile.of_part(train),
        length=length,
        horizon=horizon,
        sharing=sharing,
        interval=train.interval,
        time_zone=train.time_zone,
    )


def data_of(task: Task, train: Detectors, validation: Detectors) -> TrainingData:
    return TrainingData(
        train=Windows(task, train),
        validation=Windows(task, validation),
        scale=headline_scale(task),
        copies=task.copies,
        device="cpu",
    )
