"""The key of a training: a hash of all that its result depends on."""

import functools
import hashlib
import json
from pathlib import Path

import torch
import yaml

from vdcast import params
from vdcast.layout import PIPELINE
from vdcast.params.sections import Params, Run
from vdcast.train import ranks


def key_of(run: Run, settings: Params, device: str) -> str:
    """A hash of all that a training's result depends on, the same in every clone.

    That is what dvc.yaml lists for it, settings by value, data and code by content, and beside them the
    kind of device, the kernel that computes (``run`` is ``settled``), the version of torch and the number of ranks, which
    show in how sums round. The number of processes that stacks are spread over is not in it: it does not show.
    """
    stage = yaml.safe_load(PIPELINE.read_text("utf-8"))["stages"]["train"]["do"]
    names = {"${key}": run.name, "${item.model}": run.model, "${item.mode}": run.mode}

    def filled(entry: str) -> str:
        return functools.reduce(lambda text, name: text.replace(name, names[name]), names, entry)

    def value(path: str):
        return functools.reduce(lambda section, key: section[key], path.split("."), document)

    def content(path: str) -> dict[str, str]:
        return {file.relative_to(path).as_posix(): sha256(file) for file in files_in(Path(path))}

    document = settings.model_dump(mode="json")
    depends = {
        "settings": {path: value(path) for path in map(filled, stage["params"])},
        "files": {path: content(path) for path in map(filled, stage["deps"])},
        "device": device,
        "kernel": run.network.kernel,
        "torch": torch.__version__,
        "ranks": ranks.world(),
    }
    return hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:32]


def files_in(path: Path) -> list[Path]:
    """``path``, or all files below it in the order of their names, without what Python leaves there."""
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def key_now(run: Run, device: str) -> str:
    """The key of ``run`` as params.yaml, data and code are by now."""
    now = params.load()
    now.run(run.name)  # refused where it is gone
    return key_of(run, now, device)
