"""The embedded sample as ``prepare`` leaves it, made in memory: benchmarks need no pipeline run before them."""

import tempfile
from functools import cache
from pathlib import Path

from vdcast import params
from vdcast.data import store
from vdcast.data.detectors import Prepared
from vdcast.ingest import pipeline
from vdcast.params.sections import Params, Run
from vdcast.prepare.split import prepare


@cache
def settings() -> Params:
    return params.load()


@cache
def prepared() -> Prepared:
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "detectors.h5"
        pipeline.ingest(settings().data, table, Path(folder) / "quality", Path(folder) / "scratch")
        return prepare(store.read(table), settings().prepare)[0]


def budget(name: str, *, network: dict | None = None, **train) -> Run:
    """A run of params.yaml with other settings of its network and of its training."""
    run = settings().run(name)
    return run.model_copy(
        update={
            "network": run.network.model_copy(update=network or {}),
            "train": run.train.model_copy(update={"device": "cpu", **train}),
        }
    )
