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

``values`` lie in one piece, time first: a window of all detectors is one stretch of the file, and the file can be
mapped. A file larger than ``MAPPED_FROM`` of the machine's memory is mapped rather than read.
"""

import contextlib
import mmap
import os
import re
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
BLOCK_BYTES = 64 << 20  # written at once from a table that memory need not hold
MAPPED_FROM = 0.25  # share of the machine's memory
AGAIN = "delete it and run `dvc repro`, after `vdcast verify` if it comes back like that"


class Mapped(np.memmap):
    """Part of a file as an array. Pickled, it is where it lies and not what it holds."""

    @property
    def on_file(self) -> bool:
        """Not so of what was computed or gathered from a map: that lies in memory."""
        return self._mmap is not None

    def __reduce__(self):
        if not self.on_file:
            return self.view(np.ndarray).__reduce__()
        whole = np.frombuffer(self._mmap, np.uint8)  # begins at a multiple of the granularity
        begin = self.offset - self.offset % mmap.ALLOCATIONGRANULARITY
        start = begin + self.__array_interface__["data"][0] - whole.ctypes.data
        return _mapped, (str(self.filename), self.dtype.str, start, self.shape, self.strides)


def _mapped(path: str, dtype: str, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Mapped:
    """Writes to it stay in memory, as with what is read."""
    size = sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) // np.dtype(dtype).itemsize + 1
    flat = Mapped(path, dtype, "c", offset, size)
    return np.lib.stride_tricks.as_strided(flat, shape, strides, subok=True)


def memory_bytes() -> int:
    """Of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


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
        """Those detectors and features, in that order; a view where both are neighbours in the table."""
        v = [self.vd_ids.index(vd) for vd in vd_ids]
        f = [self.features.index(feature) for feature in features]
        return replace(
            self,
            values=self.values[:, _neighbours(v)][:, :, _neighbours(f)],
            vd_ids=tuple(vd_ids),
            features=tuple(features),
            units=tuple(self.units[i] for i in f),
            info={key: column[v] for key, column in self.info.items()},
        )

    def rows(self, start: int, stop: int) -> "Detectors":
        """The time steps ``start:stop`` (views, no copy)."""
        return replace(self, values=self.values[start:stop], timestamps=self.timestamps[start:stop])


def _neighbours(indices: list[int]) -> slice | list[int]:
    """A slice, which copies nothing, where ``indices`` follow each other."""
    first = indices[0] if indices else 0
    stop = first + len(indices)
    return slice(first, stop) if indices == list(range(first, stop)) else indices


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
            _put(file, f"scaler/{name}", getattr(prepared, name))
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
            _put(file, name, getattr(predictions, name))
        for name in ("vd_ids", "targets", "units"):
            _put(file, name, _strings(getattr(predictions, name)))
        if predictions.quantiles:
            for name in ("raw", "margins", "levels"):
                _put(file, f"quantiles/{name}", getattr(predictions.quantiles, name))
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
            _put(file, name, getattr(conditions, name), compression="gzip")
        _put(file, "vd_ids", _strings(conditions.vd_ids))
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
    """A temporary name beside ``path``; what is written there takes the final name only when whole.

    An OSError that names no file, such as that of a full disk, gets the name of ``path``.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        with partial.open("rb") as file:  # a name must not reach the disk before what it names
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[h5py.File]:
    """A new h5 file that takes the place of ``path`` only when whole."""
    with replacing(path) as partial:
        file = h5py.File(partial, "w")
        try:
            yield file
            file.flush()
        except BaseException as error:
            # What HDF5 still holds it writes as it closes; on a full disk it cannot, stays half open, and
            # crashes the process at its end. So that goes into memory.
            memory = os.memfd_create("h5") if hasattr(os, "memfd_create") else os.open(os.devnull, os.O_RDWR)
            os.dup2(memory, file.id.get_vfd_handle())
            os.close(memory)
            with contextlib.suppress(OSError, RuntimeError):
                file.close()
            number = re.search(r"errno = ([0-9]+)", str(error)) if isinstance(error, RuntimeError) else None
            if number:  # h5py raises an OSError of some calls' failures, and this of others'
                raise OSError(int(number[1]), os.strerror(int(number[1]))) from None
            raise
        file.close()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    try:
        file = h5py.File(path, "r")
    except FileNotFoundError:
        raise InputError(f"h5 file '{path}' does not exist; run `dvc repro` to make it") from None
    except OSError as error:
        raise InputError(f"'{path}' is not a readable h5 file ({error}); {AGAIN}") from None
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
            raise InputError(f"h5 file '{path}' is damaged ({error}); {AGAIN}") from None


def _put(group: h5py.Group, name: str, data: np.ndarray, **options) -> None:
    """A dataset that is written when this returns: of an error as h5py lets go of it nobody would hear."""
    group.create_dataset(name, data=data, track_times=False, **options).flush()


def _strings(column: np.ndarray) -> np.ndarray:
    """Text as fixed-length UTF-8, the form of h5 strings that is byte for byte reproducible."""
    encoded = np.char.encode(np.asarray(column, "U"), "utf-8")
    return encoded.astype(h5py.string_dtype("utf-8", max(1, encoded.dtype.itemsize)))


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
    _put(group, "timestamps", np.asarray(timestamps, "i8"))
    for name in ("vd_ids", "features", "units"):
        _put(group, name, _strings(getattr(table, name)))
    for key, column in sorted(table.info.items()):
        column = _strings(column) if column.dtype.kind in "UO" else column
        _put(group, f"info/{key}", column)
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
    return _mapped(os.path.abspath(path), dataset.dtype.str, offset, dataset.shape, strides)
