"""``predictions.h5`` and ``conditions.h5``: the arrays of ``Predictions`` and ``Conditions``."""

from pathlib import Path

import h5py
import numpy as np

from vdcast.data.h5 import SCHEMA, opened, put, strings, writing
from vdcast.errors import InputError
from vdcast.forecasts.predictions import Conditions, Predictions
from vdcast.forecasts.quantiles import Quantiles


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write ``predictions`` to ``path``."""
    with writing(path) as file:
        for name in ("forecast", "observed", "origins"):
            put(file, name, getattr(predictions, name))
        for name in ("vd_ids", "targets", "units"):
            put(file, name, strings(getattr(predictions, name)))
        if predictions.quantiles:
            for name in ("raw", "margins", "levels"):
                put(file, f"quantiles/{name}", getattr(predictions.quantiles, name))
        file.attrs.update(schema=SCHEMA, interval=predictions.interval, time_zone=predictions.time_zone)


def read_predictions(path: Path) -> Predictions:
    """Read what ``write_predictions`` wrote. Raises InputError where it is missing, corrupt or foreign."""
    with opened(path) as file:
        quantiles = _read_quantiles(file["quantiles"]) if "quantiles" in file else None
        if quantiles and not np.array_equal(quantiles.median, file["forecast"][:]):
            raise ValueError("the median of quantiles is not the forecast")
        return Predictions(
            forecast=file["forecast"][:],
            observed=file["observed"][:],
            origins=file["origins"][:],
            vd_ids=_texts(file["vd_ids"]),
            targets=_texts(file["targets"]),
            units=_texts(file["units"]),
            interval=int(file.attrs["interval"]),
            time_zone=str(file.attrs["time_zone"]),
            quantiles=quantiles,
        )


def _read_quantiles(group: h5py.Group) -> Quantiles:
    return Quantiles(
        raw=group["raw"][:], margins=group["margins"][:], levels=tuple(group["levels"][:].tolist())
    )


def read_baselines(folder: Path) -> dict[str, Predictions]:
    """Predictions of every baseline in ``folder``, by name."""
    found = sorted(Path(folder).glob("*/predictions.h5"))
    if not found:
        raise InputError(f"'{folder}' holds no baseline; run `dvc repro baselines`")
    return {path.parent.name: read_predictions(path) for path in found}


def write_conditions(path: Path, conditions: Conditions) -> None:
    """Write ``conditions`` to ``path``."""
    with writing(path) as file:
        for name in ("missing", "congestion"):
            put(file, name, getattr(conditions, name), compression="gzip")
        put(file, "vd_ids", strings(conditions.vd_ids))
        file.attrs.update(schema=SCHEMA, rule=conditions.rule)


def read_conditions(path: Path) -> Conditions:
    """Read what ``write_conditions`` wrote. Raises InputError where it is missing, corrupt or foreign."""
    with opened(path) as file:
        return Conditions(
            missing=file["missing"][:],
            congestion=file["congestion"][:],
            rule=str(file.attrs["rule"]),
            vd_ids=_texts(file["vd_ids"]),
        )


def _texts(column: h5py.Dataset) -> tuple[str, ...]:
    return tuple(column.asstr()[:].tolist())
