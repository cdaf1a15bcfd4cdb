"""Tables of detectors as h5 files, and their schema (that of ``predictions.h5``: ``vdcast.forecasts.store``).

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
(``train``, ``validation``, ``test``), the attribute ``targets``, and of the training part

===================  ==============  ============================================================
``scaler/mean``      (V, F) f8
``scaler/std``       (V, F) f8       1 where a series is constant
``profile``          (7Z, V, F) f4   what is usual in each slot of the week
``own_day_out``      (T, V, F) f4    the same of each step of ``train``, its own day left out
===================  ==============  ============================================================

Of several folds of a walk forward each is such a whole in a group of its own, ``fold/0`` and so on in order of time, so that
who reads the training part of one has no later test part to misuse.

The same input gives the same bytes, so DVC's cache hits. Behind what HDF5 knows of lies a checksum of the whole file
(``vdcast.data.files``), which is checked as it is opened.

``values`` lie in one piece, time first: a window of all detectors is one stretch of the file, and the file can be
mapped. A file larger than ``MAPPED_FROM`` of the machine's memory is mapped rather than read.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import h5py
import numpy as np

from vdcast.data.detectors import Detectors, Prepared
from vdcast.data.h5 import SCHEMA, opened, put, strings, writing
from vdcast.data.mapped import mapped, memory_bytes

PARTS = ("train", "validation", "test")
BLOCK_BYTES = 64 << 20  # written at once from a table that memory need not hold
MAPPED_FROM = 0.25  # share of the machine's memory


def write(path: Path, table: Detectors) -> None:
    """Write a table of detectors to ``path``; the file appears under its name only when whole."""
    with writing(path) as file:
        _write_group(file, table)


def write_blocks(path: Path, empty: Detectors, timestamps: np.ndarray, blocks: Iterable[np.ndarray]) -> None:
    """Write a table larger than memory: ``empty`` has no row; the ``blocks`` (n, V, F) f4 follow in order.

    They must fill ``timestamps`` (T,). The file appears under its name only when whole.
    """
    with writing(path) as file:
        values = _create_group(file, empty, timestamps)
        start = 0
        for block in blocks:
            values[start : start + len(block)] = block
            start += len(block)
        if start != len(timestamps):
            raise ValueError(f"blocks hold {start} rows for {len(timestamps)} timestamps")


def read(path: str | Path) -> Detectors:
    """Read the table of detectors at ``path``. Raises InputError where it is missing, corrupt or foreign."""
    with opened(Path(path)) as file:
        return _read_group(file)


def write_prepared(path: Path, folds: Sequence[Prepared]) -> None:
    """Write the parts of the split and the training part's statistics of each of ``folds`` to ``path``."""
    with writing(path) as file:
        for k, prepared in enumerate(folds):
            _write_fold(file.create_group(f"fold/{k}") if len(folds) > 1 else file, prepared)


def _write_fold(group: h5py.Group, prepared: Prepared) -> None:
    for name, table in prepared.parts.items():
        _write_group(group.create_group(name), table)
    for name in ("mean", "std"):
        put(group, f"scaler/{name}", getattr(prepared, name))
    put(group, "profile", prepared.profile)
    if prepared.own_day_out is not None:
        put(group, "own_day_out", prepared.own_day_out)
    group.attrs["targets"] = list(prepared.targets)


def read_prepared(path: Path, parts: Sequence[str]) -> list[Prepared]:
    """Those ``parts`` of every fold and no other: ``train`` asks for no test part, so it has none to misuse.

    ``own_day_out`` comes with the training part, whose steps it is of.
    """
    with opened(path) as file:
        groups = [file[f"fold/{k}"] for k in range(len(file["fold"]))] if "fold" in file else [file]
        return [_read_fold(group, parts) for group in groups]


def _read_fold(group: h5py.Group, parts: Sequence[str]) -> Prepared:
    return Prepared(
        parts={name: _read_group(group[name]) for name in parts},
        mean=group["scaler/mean"][:],
        std=group["scaler/std"][:],
        profile=group["profile"][:],
        own_day_out=_values(group["own_day_out"]) if "train" in parts else None,
        targets=tuple(group.attrs["targets"]),
    )


def _write_group(group: h5py.Group, table: Detectors) -> None:
    values = _create_group(group, table, table.timestamps)
    T, V, F = table.values.shape
    steps = max(1, BLOCK_BYTES // max(1, V * F * table.values.itemsize))
    for start in range(0, T, steps):
        values[start : start + steps] = table.values[start : start + steps]
    values.flush()


def _create_group(group: h5py.Group, table: Detectors, timestamps: np.ndarray) -> h5py.Dataset:
    """All of a table's group but its values, whose dataset is returned to be filled."""
    _, V, F = table.values.shape
    shape = (len(timestamps), V, F)
    values = group.create_dataset("values", shape, "<f4", track_times=False)
    put(group, "timestamps", np.asarray(timestamps, "i8"))
    for name in ("vd_ids", "features", "units"):
        put(group, name, strings(getattr(table, name)))
    for key, column in sorted(table.info.items()):
        column = strings(column) if column.dtype.kind in "UO" else column
        put(group, f"info/{key}", column)
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
        values=_values(group["values"]),
        timestamps=group["timestamps"][:],
        interval=int(group.attrs["interval"]),
        time_zone=str(group.attrs["time_zone"]),
        source=str(group.attrs["source"]),
        info=info,
        **text,
    )


def _values(dataset: h5py.Dataset) -> np.ndarray:
    path, offset = dataset.file.filename, dataset.id.get_offset()
    if offset is None or os.path.getsize(path) <= MAPPED_FROM * memory_bytes():
        return dataset[:]
    strides = tuple(int(np.prod(dataset.shape[axis:])) * dataset.dtype.itemsize for axis in (1, 2, 3))
    return mapped(os.path.abspath(path), dataset.dtype.str, offset, dataset.shape, strides)
