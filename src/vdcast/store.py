"""The h5 schema, and the only module that opens h5 files (but ``ingest.metr_la``, which reads foreign ones).

A table of detectors is a group (the root of ``data/detectors.h5``) that holds

===============  ==============  ================================================================
``values``       (T, V, F) f4    NaN where there is no valid observation
``timestamps``   (T,) i8         Unix seconds, UTC, start of the interval, strictly regular
``vd_ids``       (V,) str        unique
``features``     (F,) str        unique, e.g. speed, volume, occupancy
``units``        (F,) str        one per feature
``info/<key>``   (V,)            what is known of each VD: lon, lat, road, direction, lanes
===============  ==============  ================================================================

and the attributes ``schema`` (version), ``interval`` (seconds), ``time_zone`` (IANA name, for
calendar features) and ``source``. ``data/prepared.h5`` holds one such group per part of the split
(``train``, ``validation``, ``test``), ``scaler/mean`` and ``scaler/std`` (V, F) of the training part,
and the attribute ``targets``. ``predictions.h5`` holds the arrays of ``Predictions``, and for a run with
``train.quantiles`` a group ``quantiles``: ``raw`` (S, W, H, V, K, P) f4, ``margins`` (S, H, V, K, P) f4 and
``levels`` (P,) f8, as in ``quantiles.Quantiles``. The same input gives the same bytes, so DVC's cache hits.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import h5py
import numpy as np

from vdcast.errors import InputError
from vdcast.predictions import Conditions, Predictions
from vdcast.quantiles import Quantiles

SCHEMA = 1
PARTS = ("train", "validation", "test")
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Detectors:
    """Series of V detectors with F features on T regular time steps; the layout of the module docstring."""

    values: np.ndarray
    timestamps: np.ndarray
    vd_ids: tuple[str, ...]
    features: tuple[str, ...]
    units: tuple[str, ...]
    interval: int
    time_zone: str
    source: str
    info: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self):
        T, V, F = self.values.shape
        problems = [
            (self.values.dtype != np.float32, f"values are {self.values.dtype}, not float32"),
            (len(self.timestamps) != T, f"{len(self.timestamps)} timestamps for {T} rows"),
            (len(self.vd_ids) != V, f"{len(self.vd_ids)} vd_ids for {V} detectors"),
            (len(self.features) != F, f"{len(self.features)} features for {F} columns"),
            (len(self.units) != F, f"{len(self.units)} units for {F} features"),
            (len(set(self.vd_ids)) != V, "vd_ids are not unique"),
            (len(set(self.features)) != F, "features are not unique"),
            (self.interval <= 0, f"interval is {self.interval} s"),
            (
                np.any(np.diff(self.timestamps) != self.interval),
                f"timestamps are not {self.interval} s apart",
            ),
            (any(len(column) != V for column in self.info.values()), "an info column has another length"),
        ]
        for wrong, what in problems:
            if wrong:
                raise InputError(f"table of detectors from {self.source!r}: {what}")

    def select(self, vd_ids: Sequence[str], features: Sequence[str]) -> "Detectors":
        """Those detectors and features, in that order."""
        v = [self.vd_ids.index(vd) for vd in vd_ids]
        f = [self.features.index(feature) for feature in features]
        return replace(
            self,
            values=np.ascontiguousarray(self.values[:, v][:, :, f]),
            vd_ids=tuple(vd_ids),
            features=tuple(features),
            units=tuple(self.units[i] for i in f),
            info={key: column[v] for key, column in self.info.items()},
        )

    def rows(self, start: int, stop: int) -> "Detectors":
        """The time steps ``start:stop`` (views, no copy)."""
        return replace(self, values=self.values[start:stop], timestamps=self.timestamps[start:stop])


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What ``prepare`` leaves: parts of the split by name, the training part's statistics, the targets."""

    parts: dict[str, Detectors]
    mean: np.ndarray
    std: np.ndarray
    targets: tuple[str, ...]


def write(path: Path, table: Detectors) -> None:
    """Write a table of detectors to ``path``; the file appears under its name only when whole."""
    with _replacing(path) as file:
        _write_group(file, table)


def write_blocks(path: Path, empty: Detectors, timestamps: np.ndarray, blocks: Iterable[np.ndarray]) -> None:
    """Write a table larger than memory: ``empty`` has no row; the ``blocks`` (n, V, F) f4 follow in order.

    They must fill ``timestamps`` (T,). The file appears under its name only when whole.
    """
    with _replacing(path) as file:
        values = _create_group(file, empty, timestamps)
        start = 0
        for block in blocks:
            values[start : start + len(block)] = block
            start += len(block)
        if start != len(timestamps):
            raise ValueError(f"blocks hold {start} rows for {len(timestamps)} timestamps")


def read(path: Path) -> Detectors:
    """Read the table of detectors at ``path``. Raises InputError where it is missing, corrupt or foreign."""
    with _opened(path) as file:
        return _read_group(file)


def write_prepared(path: Path, prepared: Prepared) -> None:
    """Write the parts of the split and the training part's statistics to ``path``."""
    with _replacing(path) as file:
        for name, table in prepared.parts.items():
            _write_group(file.create_group(name), table)
        for name in ("mean", "std"):
            file.create_dataset(f"scaler/{name}", data=getattr(prepared, name), track_times=False)
        file.attrs["targets"] = list(prepared.targets)


def read_prepared(path: Path, parts: Sequence[str]) -> Prepared:
    """Read those ``parts`` and no other: ``train`` asks for no test part, so it has none to misuse."""
    with _opened(path) as file:
        return Prepared(
            parts={name: _read_group(file[name]) for name in parts},
            mean=file["scaler/mean"][:],
            std=file["scaler/std"][:],
            targets=tuple(file.attrs["targets"]),
        )


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write ``predictions`` to ``path``."""
    with _replacing(path) as file:
        for name in ("forecast", "observed", "origins"):
            file.create_dataset(name, data=getattr(predictions, name), track_times=False)
        for name in ("vd_ids", "targets", "units"):
            file.create_dataset(name, data=_strings(getattr(predictions, name)), track_times=False)
        if predictions.quantiles:
            for name in ("raw", "margins", "levels"):
                data = getattr(predictions.quantiles, name)
                file.create_dataset(f"quantiles/{name}", data=data, track_times=False)
        file.attrs.update(schema=SCHEMA, interval=predictions.interval, time_zone=predictions.time_zone)


def read_predictions(path: Path) -> Predictions:
    """Read what ``write_predictions`` wrote. Raises InputError where it is missing, corrupt or foreign."""
    with _opened(path) as file:
        quantiles = _read_quantiles(file["quantiles"]) if "quantiles" in file else None
        if quantiles and not np.array_equal(quantiles.median, file["forecast"][:]):
            raise ValueError("the median of quantiles is not the forecast")
        return Predictions(
            **{name: file[name][:] for name in ("forecast", "observed", "origins")},
            **{name: tuple(file[name].asstr()[:].tolist()) for name in ("vd_ids", "targets", "units")},
            interval=int(file.attrs["interval"]),
            time_zone=str(file.attrs["time_zone"]),
            quantiles=quantiles,
        )


def _read_quantiles(group: h5py.Group) -> Quantiles:
    return Quantiles(
        raw=group["raw"][:], margins=group["margins"][:], levels=tuple(group["levels"][:].tolist())
    )


def read_naive(folder: Path) -> dict[str, Predictions]:
    """Predictions of every baseline in ``folder``, by name."""
    found = sorted(Path(folder).glob("*/predictions.h5"))
    if not found:
        raise InputError(f"'{folder}' holds no baseline; run `dvc repro evaluate_naive`")
    return {path.parent.name: read_predictions(path) for path in found}


def write_conditions(path: Path, conditions: Conditions) -> None:
    """Write ``conditions`` to ``path``."""
    with _replacing(path) as file:
        for name in ("missing", "congestion"):
            file.create_dataset(name, data=getattr(conditions, name), compression="gzip", track_times=False)
        file.create_dataset("vd_ids", data=_strings(conditions.vd_ids), track_times=False)
        file.attrs.update(schema=SCHEMA, rule=conditions.rule)


def read_conditions(path: Path) -> Conditions:
    """Read what ``write_conditions`` wrote. Raises InputError where it is missing, corrupt or foreign."""
    with _opened(path) as file:
        return Conditions(
            **{name: file[name][:] for name in ("missing", "congestion")},
            rule=str(file.attrs["rule"]),
            vd_ids=tuple(file["vd_ids"].asstr()[:].tolist()),
        )


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path``; what is written there takes the final name only when whole."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[h5py.File]:
    """A new h5 file that takes the place of ``path`` only when whole."""
    with replacing(path) as partial, h5py.File(partial, "w", rdcc_nbytes=4 * CHUNK_BYTES) as file:
        yield file


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    try:
        file = h5py.File(path, "r")
    except FileNotFoundError:
        raise InputError(f"h5 file '{path}' does not exist; run `dvc repro` to make it") from None
    except OSError as error:
        raise InputError(
            f"'{path}' is not a readable h5 file ({error}); delete it and run `dvc repro`"
        ) from None
    with file:
        try:
            yield file
        except KeyError as error:
            raise InputError(
                f"h5 file '{path}' does not follow vdcast's schema {SCHEMA} ({error.args[0]}); "
                "delete it and run `dvc repro`, or set data.format to the format that it has"
            ) from None
        except InputError:
            raise
        except (ValueError, TypeError, AttributeError) as error:
            raise InputError(
                f"h5 file '{path}' is not one of vdcast's ({error}); delete it and run `dvc repro`"
            ) from None
        except OSError as error:
            raise InputError(
                f"h5 file '{path}' is damaged ({error}); delete it and run `dvc repro`"
            ) from None


def _strings(column: np.ndarray) -> np.ndarray:
    """Text as fixed-length UTF-8, the form of h5 strings that is byte for byte reproducible."""
    encoded = np.char.encode(np.asarray(column, "U"), "utf-8")
    return encoded.astype(h5py.string_dtype("utf-8", max(1, encoded.dtype.itemsize)))


def _write_group(group: h5py.Group, table: Detectors) -> None:
    _create_group(group, table, table.timestamps)[:] = table.values


def _create_group(group: h5py.Group, table: Detectors, timestamps: np.ndarray) -> h5py.Dataset:
    """All of a table's group but its values, whose dataset is returned to be filled."""
    _, V, F = table.values.shape
    shape = (len(timestamps), V, F)
    steps = max(1, min(len(timestamps), CHUNK_BYTES // (V * F * table.values.itemsize)))
    values = group.create_dataset("values", shape, "f4", chunks=(steps, V, F), track_times=False)
    group.create_dataset("timestamps", data=np.asarray(timestamps, "i8"), track_times=False)
    for name in ("vd_ids", "features", "units"):
        group.create_dataset(name, data=_strings(getattr(table, name)), track_times=False)
    for key, column in sorted(table.info.items()):
        column = _strings(column) if column.dtype.kind in "UO" else column
        group.create_dataset(f"info/{key}", data=column, track_times=False)
    for name in ("interval", "time_zone", "source"):
        group.attrs[name] = getattr(table, name)
    group.attrs["schema"] = SCHEMA
    return values


def _read_group(group: h5py.Group) -> Detectors:
    if group.attrs["schema"] != SCHEMA:
        raise KeyError(f"schema is {group.attrs['schema']}")
    text = {name: tuple(group[name].asstr()[:].tolist()) for name in ("vd_ids", "features", "units")}
    info = {
        key: column.asstr()[:] if h5py.check_string_dtype(column.dtype) else column[:]
        for key, column in group.get("info", {}).items()
    }
    return Detectors(
        values=group["values"][:],
        timestamps=group["timestamps"][:],
        interval=int(group.attrs["interval"]),
        time_zone=str(group.attrs["time_zone"]),
        source=str(group.attrs["source"]),
        info=info,
        **text,
    )
