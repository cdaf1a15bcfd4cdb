"""Forecasts and what held beside them as h5 files, and their schema.

``predictions.h5``, of a run or a baseline (``Predictions``; letters as there, P quantile levels), holds

======================  =====================  =================================================================
``forecast``            (S, W, H, V, K) f4     in original units
``observed``            (W, H, V, K) f4        NaN where there is no valid observation
``origins``             (W,) i8                Unix seconds, UTC, start of the last interval of the lookback
``vd_ids``              (V,) str
``targets``, ``units``  (K,) str
``quantiles/raw``       (S, W, H, V, K, P) f4  as the network made them, ascending over P; the median is ``forecast``
``quantiles/margins``   (S, H, V, K, P) f4     what calibration adds to each
``quantiles/levels``    (P,) f8                ascending, 0.5 in the middle
======================  =====================  =================================================================

and the attributes ``schema`` (version), ``interval`` (seconds) and ``time_zone`` (IANA name); the group ``quantiles``
only of a run with ``train.quantiles``. ``conditions.h5`` (``Conditions``) holds

==============  =============  ====================================================================
``missing``     (W, V) f4      share of the VD's own inputs that are missing in the lookback
``congestion``  (W, H, V) i1   1 congested, 0 free, -1 unknown, at the time that was forecast
``vd_ids``      (V,) str
==============  =============  ====================================================================

and the attributes ``schema`` and ``rule``, what counts as congested: a ``Said`` as JSON.
"""

from pathlib import Path
from zoneinfo import available_timezones

import h5py
import msgspec
import numpy as np

from vdcast.data.h5 import SCHEMA, opened, put, strings, writing
from vdcast.errors import InputError
from vdcast.forecasts.predictions import Conditions, Predictions
from vdcast.forecasts.quantiles import Quantiles
from vdcast.language import Said


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
        predictions = Predictions(
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
        _check(predictions)
        return predictions


def _check(predictions: Predictions) -> None:
    """Raises ValueError where parts of a file contradict each other, as after a failing disk."""
    V, K = len(predictions.vd_ids), len(predictions.targets)
    _, *windows = predictions.forecast.shape
    if list(predictions.observed.shape) != windows or windows[2:] != [V, K] or len(predictions.units) != K:
        raise ValueError(
            f"its forecasts are {predictions.forecast.shape}, its observations {predictions.observed.shape}"
        )
    steps = np.diff(predictions.origins)  # more than one between the folds of a walk forward
    if len(predictions.origins) != windows[0] or (steps <= 0).any() or (steps % predictions.interval).any():
        raise ValueError(f"its windows do not follow each other in steps of {predictions.interval} s")
    if len(set(predictions.vd_ids)) != V:
        raise ValueError("it names a detector twice")
    if predictions.interval <= 0 or predictions.time_zone not in available_timezones():
        raise ValueError(f"its interval is {predictions.interval} s, its time zone {predictions.time_zone!r}")


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
        file.attrs.update(schema=SCHEMA, rule=msgspec.json.encode(conditions.rule).decode())


def read_conditions(path: Path) -> Conditions:
    """Read what ``write_conditions`` wrote. Raises InputError where it is missing, corrupt or foreign."""
    with opened(path) as file:
        return Conditions(
            missing=file["missing"][:],
            congestion=file["congestion"][:],
            rule=_said(str(file.attrs["rule"])),
            vd_ids=_texts(file["vd_ids"]),
        )


def _texts(column: h5py.Dataset) -> tuple[str, ...]:
    return tuple(column.asstr()[:].tolist())


def _said(text: str) -> Said:
    try:
        return msgspec.json.decode(text, type=Said)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
