"""METR-LA and PEMS-BAY: one pandas table of speeds in mph in an h5 file, read with h5py alone.

pandas' fixed format: a group with ``axis0`` (detectors), ``axis1`` (times, ns, local), ``block0_values``
(T, V). A speed of 0 there means no observation (``missing_codes: [0.0]``).
"""

import math
import re
from collections import Counter
from collections.abc import Iterator

import h5py
import numpy as np

from vdcast.errors import InputError
from vdcast.ingest import clock
from vdcast.ingest.files import ALWAYS, EXPANSION, RawFile
from vdcast.ingest.records import IMPOSSIBLE, MPH, OBSERVED, Records, judge, observed
from vdcast.params.formats import MetrLA

SUFFIXES = (".h5", ".hdf5", ".hdf")
ORDERED = True
ROWS_BYTES = 8 << 20


def features(settings: MetrLA) -> tuple[tuple[str, str], ...]:
    return (("speed", settings.speed_unit),)


def parse(file: RawFile, settings: MetrLA) -> Iterator[Records]:
    localiser = clock.Localiser(file, settings.time_zone)
    latest = None
    for vd_ids, local, mph in _rows(file):
        time, exists = localiser.utc(local)
        time, mph = time[exists], mph[exists]
        cause = judge(mph, settings.missing_codes)
        good = cause == OBSERVED
        cause[good] = judge(mph[good] * MPH, (), 0, settings.max_speed)
        values = observed(mph if settings.speed_unit == "mph" else mph * MPH, cause)
        n, V = mph.shape
        back = int((np.diff(time, prepend=time[:1] if latest is None else latest) < 0).sum())
        yield Records(
            vd_ids=vd_ids,
            vd=np.tile(np.arange(V), n),
            time=np.repeat(time, V),
            values=values.reshape(-1, 1),
            cause=cause.reshape(-1, 1),
            counts=clock.taken(localiser)
            + Counter(impossible_values=int((cause == IMPOSSIBLE).sum()), rows_out_of_order=back),
        )
        latest = time[-1] if n else latest


def _rows(file: RawFile) -> Iterator[tuple[list[str], np.ndarray, np.ndarray]]:
    """Detectors, local times (n,) and values (n, V) f8, some rows at a time."""
    try:
        with file.seekable() as stream, h5py.File(stream, "r") as h5:
            groups = [group for group in h5.values() if isinstance(group, h5py.Group) and "axis1" in group]
            if len(groups) != 1 or not {"axis0", "block0_values"} <= set(groups[0]):
                raise file.bad(
                    f"holds {', '.join(list(h5)[:5]) or 'nothing'}, not one pandas table in fixed format"
                )
            group = groups[0]
            if foreign := [name for name in ("axis0", "axis1", "block0_values") if not _inside(group, name)]:
                raise file.bad(f"its {foreign[0]} lies in another file, which is not read")
            names, times, values = group["axis0"], group["axis1"], group["block0_values"]
            T, V = times.shape[0], names.shape[0]
            size = math.prod(values.shape) * values.dtype.itemsize
            if values.shape != (T, V) or values.dtype.kind not in "fiu" or times.dtype.kind not in "iu":
                raise file.bad(f"block0_values is {values.dtype} {values.shape}, not numbers ({T}, {V})")
            if not size or size > max(ALWAYS, EXPANSION * file.size):
                raise file.bad(f"its table would be {size} bytes, from a file of {file.size}")
            vd_ids = [v.decode("utf-8") if isinstance(v, bytes) else str(v) for v in names[:].tolist()]
            if len(set(vd_ids)) != V:
                raise file.bad("names a detector twice")
            unit = _unit(times)
            steps = max(1, ROWS_BYTES // (V * values.dtype.itemsize))
            for first in range(0, T, steps):
                rows = slice(first, min(first + steps, T))
                local = times[rows].astype(f"M8[{unit}]").astype("M8[s]")
                if clock.outside(local).any():
                    raise file.bad(
                        f"a time in rows {rows.start} to {rows.stop} lies outside the years 1970 to 2100"
                    )
                yield vd_ids, local, values[rows].astype("f8")
    except InputError:
        raise
    except (
        ValueError,
        OSError,
        KeyError,
        TypeError,
        AttributeError,
        RuntimeError,
        UnicodeDecodeError,
        IndexError,
    ) as error:
        raise file.bad(f"is a damaged h5 file, or none ({error})") from None


def _unit(times: h5py.Dataset) -> str:
    """What the numbers of ``axis1`` count: pandas says it as ``kind``, "datetime64[us]"; older ones count ns."""
    kind = times.attrs.get("kind", "")
    found = re.search(r"\[(s|ms|us|ns)\]", kind.decode("utf-8") if isinstance(kind, bytes) else str(kind))
    return found[1] if found else "ns"


def _inside(group: h5py.Group, name: str) -> bool:
    """Whether a dataset's bytes lie in its own file: HDF5 would fetch them from any path that the file names."""
    if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
        return False
    dataset = group[name]
    return not dataset.external and not dataset.is_virtual
