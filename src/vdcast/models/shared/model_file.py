"""``model.pt``, a trained run as one file: plain tensors, numbers and text under a checksum; no code in it is ever run."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypedDict

import numpy as np
import torch
from torch import Tensor

from vdcast.data.covariates import Covariates
from vdcast.data.files import Damaged, check_seal, replacing, seal
from vdcast.data.h5 import AGAIN, SCHEMA
from vdcast.errors import InputError, first_line
from vdcast.models.shared.neighbours import Neighbours
from vdcast.models.shared.task import Task
from vdcast.params.modes import sharing_of
from vdcast.params.sections import Run


class Fold(TypedDict):
    """What ``Trained`` holds of one fold of a walk forward, by the same names."""

    weights: dict[str, Tensor]
    run: dict[str, Any]
    task: Task
    margins: Tensor | None
    pools: Tensor | None


def write(path: Path, folds: Sequence[Fold]) -> None:
    """Write ``path`` in one step, of folds in order of time.

    Through a buffer: torch.save would embed the file's name in its bytes.
    """
    buffer = io.BytesIO()
    torch.save(_content(folds), buffer)
    with replacing(path) as partial:
        partial.write_bytes(buffer.getbuffer())
        seal(partial)


def read(path: Path) -> list[Fold]:
    """The folds in order of time. Raises InputError for a file that ``write`` did not make, or an earlier version of it."""
    try:
        check_seal(path)
        content = torch.load(path, weights_only=True, map_location="cpu")
        if content["schema"] != SCHEMA:
            raise KeyError("schema")
        folds = _folds(content)
        Run.of(folds[-1]["run"])  # that of an earlier version may lack a setting
        return folds
    except FileNotFoundError:
        raise InputError(f"model '{path}' does not exist; run `dvc repro` to train it") from None
    except Damaged as error:
        raise InputError(f"model '{path}' is damaged ({error}); {AGAIN}") from None
    except UnpicklingError:  # torch's text would advise to run what is in the file
        raise InputError(
            f"'{path}' is not a model of this version of vdcast: it is no file of weights, or holds more than "
            "weights; name a model.pt, such as `dvc repro` leaves in runs/<run>/"
        ) from None
    except (OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, EOFError) as error:
        raise InputError(
            f"'{path}' is not a model of this version of vdcast ({first_line(error)}); name a model.pt, such as "
            "`dvc repro` leaves in runs/<run>/"
        ) from None


def _content(folds: Sequence[Fold]) -> dict[str, Any]:
    """What the file holds. Its order is that of the bytes that results are compared by; what is rare is left out."""
    *earlier, last = folds
    task = last["task"]
    content = {
        "schema": SCHEMA,
        "weights": last["weights"],
        "run": last["run"],
        "length": task.length,
        "horizon": task.horizon,
        **_statistics(task),
        "vd_ids": list(task.vd_ids),
        "features": list(task.features),
        "targets": list(task.targets),
        "units": list(task.units),
        "feature_units": list(task.feature_units),
        "interval": task.interval,
        "time_zone": task.time_zone,
        "margins": last["margins"],
        "pools": last["pools"],
        "neighbours": task.neighbours and _plain(task.neighbours.content()),
    }
    if earlier:
        content["earlier"] = [{"weights": each["weights"], **_statistics(each["task"])} for each in earlier]
    if task.untrained:
        content["untrained"] = list(task.untrained)
    if task.covariates:
        content["covariates"] = _plain(task.covariates.content())
    return content


def _folds(content: dict[str, Any]) -> list[Fold]:
    """``_content`` read back."""
    neighbours, covariates = content["neighbours"], content.get("covariates")
    task = Task(
        vd_ids=tuple(content["vd_ids"]),
        features=tuple(content["features"]),
        targets=tuple(content["targets"]),
        units=tuple(content["units"]),
        feature_units=tuple(content["feature_units"]),
        **_read_statistics(content),
        length=content["length"],
        horizon=content["horizon"],
        sharing=sharing_of(content["run"]["mode"]),
        interval=content["interval"],
        time_zone=content["time_zone"],
        neighbours=neighbours and Neighbours.of(neighbours),
        covariates=Covariates.of({name: np.asarray(each) for name, each in covariates.items()})
        if covariates
        else Covariates(),
        untrained=tuple(content.get("untrained", ())),
    )
    run = content["run"]
    earlier = [
        Fold(
            weights=each["weights"],
            run=run,
            task=replace(task, **_read_statistics(each)),
            margins=None,
            pools=None,
        )
        for each in content.get("earlier", ())
    ]
    last = Fold(
        weights=content["weights"], run=run, task=task, margins=content["margins"], pools=content["pools"]
    )
    return [*earlier, last]


def _statistics(task: Task) -> dict[str, Any]:
    """What a task knows from its training part."""
    return {
        "mean": task.mean.tolist(),
        "std": task.std.tolist(),
        "profile": torch.from_numpy(task.profile),
    }


def _read_statistics(content: dict[str, Any]) -> dict[str, Any]:
    return {
        "mean": np.array(content["mean"]),
        "std": np.array(content["std"]),
        "profile": content["profile"].numpy(),
    }


def _plain(content: dict[str, Any]) -> dict[str, Any]:
    """Arrays of numbers as tensors, of text as lists; what is no array as it is."""

    def plain(each: Any) -> Any:
        if not isinstance(each, np.ndarray):
            return each
        return each.tolist() if each.dtype.kind == "U" else torch.from_numpy(each)

    return {name: plain(each) for name, each in content.items()}
